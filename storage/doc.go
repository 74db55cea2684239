// Package storage owns how faaspot's nouns are kept on disk: it implements
// runtime.FunctionStore, runtime.ExecutionStore, runtime.JobStore and
// runtime.DeliveryStore, and keeps the few settings of the server, on Pebble.
//
// It refuses to know what functions mean, when executions run and who asks for
// them. No Pebble type leaves it. Tenants and ids may be any bytes (ids of
// executions are UUIDv7), names any UTF-8: no choice of them reaches a record of
// another tenant.
//
// All methods of Store may be called concurrently; Close waits for those under
// way.
//
// # Keys
//
// Built and read in keys.go, executionkeys.go, jobkeys.go and observekeys.go alone.
// A text is escaped so that it sorts as its bytes do and has an end of its own
// (0x00 becomes 0x00 0xFF, the end is 0x00 0x01); a number is 8 bytes, big endian. T is text(tenant), X the 16
// bytes of an execution's id, a UUIDv7 (RFC 9562) that sorts by its time; F is
// text(name) of the execution's function at that time, S its terminal state as a
// byte; J is text(id) of a job, and E the 16 bytes of the id of an execution of a
// job, a UUIDv7 too. O is a kind and the text(id) of a function, of a job, or of
// nothing, for all of the tenant; V a field and its text(value); start the
// nanoseconds since 1970.
//
//	key                                     value
//	'm' "format"                            format of this table (formatVersion), as a number
//	's' text(name)                          a setting's bytes
//	't' T 'n' text(name)                    id of the function with this name
//	't' T 'f' text(id)                      function: its name, current version, times
//	't' T 'v' text(id) number               version: limits, retries, times, sizes of the next two
//	't' T 's' text(id) number               source of that version
//	't' T 'c' text(id) number               context of that version; absent if it has none
//	't' T 'a' X                             execution that is queued or runs, as it was accepted
//	't' T 'g' X                             its args, if they are over inlineSize
//	't' T 'b' X                             its lease, if it runs
//	't' T 'w' X                             its attempts so far, if it is queued again
//	't' T 'o' X                             what the latest of them wrote, if it wrote anything
//	't' T 'u' F X                           nothing; finds it by its function
//	't' T 'x' X                             execution that is done
//	't' T 'r' X                             its result, if it is over inlineSize
//	't' T 'l' X                             its logs, if they are over inlineSize
//	't' T 'j' S X                           nothing; finds it by its state
//	't' T 'k' F S X                         nothing; finds it by its function, and state
//	't' T 'y' number text(key)              ids that an idempotency key of a day (since 1970) stands for
//	't' T 'N' text(name)                    id of the job with this name
//	't' T 'J' J                             job: its names, labels, current revision, times, users
//	't' T 'R' J number                      revision: spec, time, user
//	't' T 'Q' J                             how many executions of the job are kept
//	't' T 'T' J text(trigger)               the last tick of the trigger that has started an execution
//	't' T 'E' E                             execution of a job that is not done, as it was accepted
//	't' T 'P' E                             its progress, once there is any: start, counts of tasks, whether to cancel
//	't' T 'H' J E                           its name, or nothing if that is its id; finds it by its job
//	't' T 'D' E                             execution of a job that is done
//	't' T 'I' J E                           its name, likewise; finds it by its job
//	't' T 'M' J text(name)                  E, of an execution, done or not, with a name that is not its id
//	't' T 'Y' E                             delivery: who is to be told of its end, and how often that was tried
//	't' T 'Z' E                             dead letter: a delivery that was given up, with what was to be told
//	't' T 'i' O V start X                   postings: executions with V, the first of which is X and started then
//	'c' X                                   nothing; one in sampleRate of the executions that are done
//
// Every value but those of nothing begins with a byte that tells its encoding, so
// that one record can change without a migration of all: what earlier releases
// have written is read, and replaced when it changes. Functions and versions are
// JSON, and so are jobs, their revisions and executions, and deliveries; sources,
// contexts, ids, settings, args and results are their own bytes; all else of
// executions is fields (fields.go), whose order and meaning are in
// executionvalues.go.
//
// Postings find what is done by what can be observed of it, and any run by the
// trace that it was accepted with (postings.go). They are dropped with some delay:
// until then they lead to nothing.
//
// What is not done is kept apart from what is: retention drops the latter as
// ranges of ids, and never meets the former, however old. Names of executions of
// jobs are dropped one by one. Deliveries are not dropped, and dead letters after
// runtime.DeadLetterAge, whatever has become of their executions.
//
// A task is an execution, whose id follows from that of its execution of a job and
// from its number ([runtime.TaskID]): nothing else leads from one to the other. What
// ends tasks changes the progress in the same batch, and the batch of the last end
// makes the execution of the job done. What is left of a job that was deleted is
// dropped by retention, and found by nobody before.
//
// # Invariants
//
// Each write is one batch, synced before it is acknowledged; batches that come
// while others are synced are written together, those that are refused for want of
// room left out. A change of a function is one with the execution that it is and
// with its idempotency key; what a tick of a schedule starts is one with that tick,
// the end of what somebody is to be told of with the delivery. But the record of a
// run that was never queued, which its caller has the result of, is written without
// waiting for the disk. What is read of executions is told when it is durable:
// Pebble shows a batch before that.
// At any moment, a lost machine included: a name's id leads to a function with
// that name and back; a function's current version exists; a version has its
// source and, if its size is not zero, its context; no more than
// runtime.KeptVersions versions of a function exist; an execution is done or not
// done, and not both; one that is not done has at most one of lease and attempts
// so far; all that finds an execution or belongs to it is there if and only if the
// table says so; a job's current revision exists, and no more than
// runtime.KeptRevisions do; an execution of a job is done or not done, and not
// both, and while it is not, as many of its tasks are not done as its counts
// leave; while it is cancelled none of them is queued.
//
// The keys of executions that are not done, but for those of jobs, are written once
// before they are deleted (a lease twice, if it is to be cancelled), so that they
// may be deleted with single deletions, which leave nothing behind.
//
// # When the disk fails
//
// A write that cannot be made durable ends the process (Options.Fatal): what
// the disk holds is then unknown, and a restart finds out. Below a floor of free
// space, while the store cannot keep up, and after corruption was found, new
// writes are refused with CodeUnavailable, deletions and reads go on, and
// [Store.Health] says so. Tables that cannot be made are tried again with pauses,
// for as long as it takes; Open and Close do not wait for that. A store that is
// damaged is refused, never wiped.
//
//	store, err := storage.Open(storage.Options{Dir: "/var/lib/faaspot/store"})
//	...
//	defer store.Close()
package storage
