// Package runtime owns the nouns of faaspot and their life: functions and
// their versions, executions, jobs with their triggers and callbacks, limits,
// failures and the one coded error that every layer speaks. [Engine] is the
// service over them: it deploys functions, admits runs fairly and within the
// memory budget of the machine, carries each execution to its one terminal state,
// and tells of it.
//
// It refuses to know how anything is kept, transported or isolated. What it
// needs of others it names as interfaces ([FunctionStore], [ExecutionStore], [JobStore],
// [DeliveryStore], [Sandbox], [Poster]) and is given at [New]; it imports no other
// package of this module but strictjson. The name shadows the standard library's package; import that one as
// goruntime.
//
// All methods of Engine may be called concurrently.
//
//	engine, err := runtime.New(runtime.Options{Store: store, Sandbox: box})
//	...
//	fn, err := engine.CreateFunction(ctx, runtime.FunctionSpec{
//		Tenant: runtime.DefaultTenant,
//		Name:   "hello",
//		Source: []byte("def main(args, context):\n    return 'Hello ' + args['name']\n"),
//	})
//	exec, err := engine.Run(ctx, runtime.RunRequest{
//		Tenant: runtime.DefaultTenant, Function: "hello", Args: []byte(`{"name":"you"}`),
//	})
//	// exec.State == runtime.StateSucceeded, exec.Result is JSON
//
// # Executions in the background
//
// [Engine.Run] has a caller who waits, and keeps its execution afterwards.
// [Engine.Submit] has the execution kept before it answers, and from then on the
// store is what counts: a dispatcher leases what is queued in turns between
// tenants and functions, a few runs ahead of the memory that they wait for beside
// the callers of Run, and writes the ends of attempts in batches. The number of an
// attempt is on disk before it begins, and its end counts only while it holds the
// lease: at least once is run, exactly once is ended. A next process goes on with
// what [New] finds; what was running is run again, alone, until it is known not to
// be what ended the process. Failures of the platform are tried again with
// back-off, those of the function as often as was asked for. A change of a
// function, or a run, with an idempotency key is done once.
//
//	a, err := engine.Submit(ctx, runtime.SubmitRequest{Tenant: runtime.DefaultTenant, Function: "hello"})
//	...
//	exec, err := engine.Await(ctx, runtime.DefaultTenant, a.IDs[0])
//
// What a run in the background writes goes into a [LogBuffer] of its attempt, from
// which [Engine.GetLogs] and [Engine.FollowLogs] tell it while the attempt goes on.
// When that ends, the same bytes are kept with the execution: for good, or until
// the next attempt begins.
//
// # Jobs
//
// A [Job] names a function and how to run it over many tasks. [Engine.StartJob] keeps
// a [JobExecution] and all its tasks before it answers. A task is an [Execution] as
// any other, with Task set: it is started, tried again, followed and cancelled by
// what does that for all. What an execution of a job is to be told by, the counts
// of its tasks, is kept in the batch that ends them, so that it adds up whatever
// happens; only what runs at this moment is told from memory. The dispatcher gives
// no more of its tasks a place in the queue than may run at once, and executions of
// jobs take turns as functions do.
//
//	a, err := engine.RunJob(ctx, runtime.JobStartRequest{Tenant: tenant, Job: "sums", Tasks: tasks})
//	...
//	x, err := engine.AwaitJob(ctx, tenant, "sums", a.Execution.ID)
//
// # Triggers and callbacks
//
// Besides [Engine.StartJob] a [Trigger] of a job starts its executions: a request, by
// [Engine.TriggerJob], or a schedule. Which tick of a schedule has started its
// execution last is kept in the batch that accepts that, so that each starts one,
// whatever becomes of processes; the scheduler itself may forget everything.
//
// A [Delivery] is what somebody elsewhere is to be told of the end of an execution.
// It is kept in the batch of that end, and carried out by a [Poster] until it is
// taken or was tried often enough; then it is a dead letter, until it is driven
// again ([Engine.RedriveDeadLetters]), purged or old.
//
// # What was executed
//
// [Engine.SearchExecutions] tells the executions of a function or job that are done,
// newest first, by an [SearchFilter] over what can be observed of them: how they ended,
// how long they took, who asked for them ([Caller]), which trace they belong to.
package runtime
