// Package engine is the service over the nouns of package runtime. An [Engine] deploys functions,
// admits runs fairly and within the memory budget of the machine, brings each execution to its one
// terminal state, runs jobs, and reports what was executed.
//
// It owns the life of functions, executions and jobs: the order of steps, idempotency, what
// happens at a failure, at a restart and at a shutdown. It refuses to know how anything is
// stored, transported or isolated: [New] gets a [runtime.Store], a [runtime.Sandbox] and a
// [runtime.Poster]. It imports packages queue (whose turn it is), dispatch (background runs),
// callback (deliveries) and cron (schedules), which do not know it.
//
// All methods of Engine may be called concurrently. [Engine.Close] stops the parts in the order in
// which they depend on each other. The parts share their verbs: Stop begins to stop and returns at
// once, Abort ends what still runs, and Wait waits until everything has ended.
//
// # Background executions
//
// [Engine.Run] has a caller who waits, and records its execution afterwards. [Engine.Submit] stores
// the execution before it returns, and from then on the store is the truth. A [dispatch.Dispatcher]
// leases queued runs, taking turns between tenants and between functions, a few more than fit into
// memory; they wait for memory together with the callers of Run. It writes the ends of attempts in
// batches. The number of an attempt is on disk before the attempt begins, and its end counts only
// while it holds the lease. So each run starts at least once and reaches exactly one final state.
//
// Runs may also happen on other nodes of a cluster, which lend places ([Options.Places], [Engine.RunLent]): the lease and the end
// are the same.
//
// A new process continues with what New finds in the store. Runs that were running are run again, but for those that other
// nodes still run ([Options.Adopt]); those that may have ended the process several times run alone. Failures of the platform are
// retried with backoff, failures of the function as often as the caller allows. A change of a
// function, or a run, with an idempotency key takes effect once.
//
// The output of a background run goes to a [runtime.LogBuffer] of its attempt, from which
// [Engine.GetLogs] and [Engine.FollowLogs] return it while the attempt runs. When the attempt
// ends, the same bytes are stored with the execution: for good, or until the next attempt
// begins.
//
// # Jobs
//
// A [runtime.Job] names a function and how to run it over many tasks. [Engine.StartJob] stores a
// [runtime.JobExecution] and all its tasks before it returns. A task is a [runtime.Execution] like
// any other, with Task set: the same code starts, retries, logs and cancels it. The counts of tasks
// are stored in the batch that ends a task, so they are right after any failure; only the number of
// tasks that run now comes from memory. The dispatcher queues at most as many tasks of an execution
// as may run at once, and executions of jobs take turns as functions do.
//
// # Triggers and callbacks
//
// A [runtime.Trigger] of a job starts executions too: at a request, by [Engine.TriggerJob], or
// at the ticks of a schedule. The last tick that has started an execution is stored in the
// batch that accepts the execution. So each tick starts at most one execution, even if the
// process ends, and the scheduler may forget everything.
//
// A [runtime.Delivery] reports the end of an execution of a job to a URL. It is stored in the
// batch of that end, and posted until the receiver accepts it or no attempt is left. Then it is
// a dead letter, until it is redriven ([Engine.RedriveDeadLetters]), purged or too old.
//
// # Search
//
// [Engine.SearchExecutions] returns the executions of a function or job that are done, newest
// first, selected by a [runtime.SearchFilter] over their outcome, duration, version, caller and
// trace.
//
// # Reruns and operations
//
// The args of a run stay stored with its execution, unless its function keeps none or they are too
// large. [Engine.Rerun] accepts another run with them, and [Engine.RerunJob] starts an execution of
// a job with those of its failed tasks. A [runtime.Operation] repeats or cancels all executions that
// a filter selects, a page at a time. Its position is stored after each page; a page that is dealt with
// again, after a crash or because the queue was full, repeats nothing: each rerun has a key of its own.
//
// # Lock order
//
// A goroutine that holds a lock of this list takes only locks further down. The first three are
// keyed locks, which may be held while a goroutine waits for memory, the sandbox or the store.
// All others are mutexes, held for a few steps in memory: no goroutine calls the Store, the
// Sandbox or the Poster while it holds one.
//
//  1. Engine.once, by idempotency key: a request that changes a function.
//  2. Engine.changes, by name of a function: a change of it. A rename takes two names, in byte
//     order.
//  3. Engine.jobChanges, by name of a job: a change of it, and the start of a tick. It is never
//     held together with the first two.
//  4. queue.Admission: memory and the runs that wait for it. It calls back with its decision on
//     a background run while it is locked; the callback takes the next two.
//  5. dispatch.Dispatcher: the plan of background runs.
//  6. The outbox of the Dispatcher: ends of attempts that are not on disk yet.
//
// Engine.foreign, which is held while runs of another process are recorded, is held together with no lock of the list.
//
// operations.starts, by tenant, is a keyed lock as well: the start of an operation. It is never held
// together with the first three.
//
// These are leaves. A goroutine may take one of them while it holds locks 1 to 3, and takes no
// other lock while it holds one: the mutex inside a keyed lock; those of operations, versionCache,
// blockingRuns, lentRuns and recorder; cron.Scheduler; callback.Deliverer; the two notify.Hub
// (completions and attempts); runtime.LogBuffer. blockingRuns and recorder also wait, on
// conditions that release their mutex: for a run to be recorded, and for executions to be
// written. The goroutines that they wait for take leaves alone.
//
// The Store calls visit functions while it iterates, with locks of its own. The functions take
// only the mutexes of Dispatcher, Scheduler and Deliverer, and never call the Store.
package engine
