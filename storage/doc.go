// Package storage owns how functions, executions, operations, jobs, deliveries, tenants, tokens, the
// audit log and the few settings of the server are stored on disk. It implements
// runtime.FunctionStore, runtime.ExecutionStore, runtime.JobStore, runtime.DeliveryStore,
// runtime.BundleStore, runtime.OperationStore, runtime.AccessStore and runtime.AuditStore on Pebble.
//
// It refuses to know what functions mean, when executions run and who requests them. No Pebble type
// leaves it, except for the file system in Options. Tenants and ids may be any bytes (ids of
// executions are UUIDv7), names any UTF-8: no choice of them reaches a record of another tenant.
//
// All methods of Store may be called concurrently; Close waits for calls in progress.
//
// # Packages
//
// The Store and its batches are here. Below it, one package owns each part of a batch:
//
//	internal/keys    the layout of all keys, with its table
//	internal/record  the encodings of all values
//	internal/kv      reads of single records, prefixes and ids
//	internal/search  the postings, by which executions are searched
//	internal/commit  group commits, and waiting for durability
//	internal/disk    the state of the disk, from Pebble's events and a wrapped file system
//	keyset           the keys of secrets
//	replog           the records of a replicated log, and its drivers
//
// Records with secrets are encrypted with their key as associated data, see sealedKinds; kv decrypts
// what it reads.
//
// # Records
//
// Executions that are not done have other keys than executions that are done: retention drops the
// latter, and never meets the former, however old they are. It has records of its own, of which
// each batch writes one per function that ended in it: what ended, in the order of ends, and its
// size. The tasks of a job's execution have such records by the execution, and are dropped with it.
// Memory holds the sums of each function. Neighbours are dropped as ranges of ids. Deliveries are
// not dropped. Dead letters are dropped after runtime.DeadLetterAge, whatever happens to their
// executions.
//
// A task is an execution. Its id follows from the id of its job's execution and from its number
// ([runtime.TaskID]); nothing else leads from one to the other. The batch that ends a task also
// updates the progress of the job's execution, and the batch that ends the last task makes the
// job's execution done. The records that a deleted job leaves are not found any more, and dropped
// by retention.
//
// A bundle is stored once per tenant, in chunks, however many versions use it. Its record is written
// with its first chunks, as one that is not complete, and completed with its last; the batch of a
// version adds the use. What holds a bundle besides (a deployment, a reader, a run of a version that
// is not stored any more) is counted in memory. The last to let go of a bundle that no version uses
// drops it, and Open drops those that an earlier process has left.
//
// The args of an execution stay stored when it is done, unless they are to be dropped or are too large:
// those that are large where they were, others in its record. They have one kind, done or not, so that
// retention drops them one by one and never as a range.
//
// Tenants and tokens have keys of their own, outside of what belongs to a tenant: they are read as a
// whole when a server starts. A tenant is dropped, with all that belongs to it, in one batch, when it
// has no function, job, bundle or unfinished execution any more.
//
// Entries of the audit log have keys of their own, too, in the order of their times, and keys that find
// them by their tenants. They outlive their tenant, and are dropped for their age, or because there are
// too many: then those tenants lose their oldest that have most.
//
// # Invariants
//
// Each write is one batch, synced before it is acknowledged. Batches that arrive while others are
// synced are written together, without those that are refused because the disk is full. A change of
// a function is one batch with its execution and its idempotency key. The execution that a schedule
// starts is one batch with the tick, and the end of an execution with a callback is one batch with
// the delivery. One write does not wait for the disk: the record of a run that was never queued,
// whose caller has the result. Reads of executions return when what they have read is durable:
// Pebble shows a batch before that.
//
// At any moment, also after a lost machine:
//   - the id behind a name leads to a function with that name, and back;
//   - a function's current version exists; a version has its source and, if its size is not zero,
//     its context; a function has no more than runtime.KeptVersions versions;
//   - the bundle of a version is complete, and counts the version among its uses; a use belongs to a
//     version, and a chunk to a bundle;
//   - an execution is either done or not done; one that is not done has either a lease, or a record
//     of its attempts so far, or neither;
//   - each key that finds an execution or belongs to one exists if and only if the table in package
//     keys says so;
//   - a job's current revision exists; a job has no more than runtime.KeptRevisions revisions;
//   - a job's execution is either done or not done; while it is not done, the number of its
//     unfinished tasks is the number that its counts leave; while it is cancelled, none of them is
//     queued.
//
// Memory has the sums of what each tenant has stored, which are counted when the store is opened. A
// write that adds something takes its room from the tenant's limit before, and gives it back if it
// fails; one that removes something gives room when it is durable.
//
// The keys of executions that are not done, apart from those of jobs, are written once before they
// are deleted (a lease twice, if it is to be cancelled; another suspicion is written after a single
// deletion). They can therefore be deleted with single deletions, which leave nothing behind.
//
// # With a log
//
// A store with Options.Replication writes each batch to a replicated log first, and applies it when the
// log has it. The batch then also has the place in the log up to which the store has applied it. A store
// that owns the log writes, see [Store.Own]; all others apply what it has written, see [Store.Follow].
// What memory holds of the records is loaded when the store begins to own the log: a store that follows
// can be read, but for what needs that. No write is refused for the disk once it is in the log.
//
// # When the disk fails
//
// A write that cannot be made durable ends the process (Options.Fatal): what the disk holds is then
// unknown, and the next start finds out. New writes are refused with CodeUnavailable below a floor
// of free space, and while the disk cannot keep up. Ends of executions are refused, and repeated by
// the engine, before the disk or the memory for what is not flushed is full: Pebble never stalls a
// write, because all writes and the readers of what it shows would wait with it. Deletions and
// cancellations have room of their own in both, on the disk by a ballast. Reads continue, and
// [Store.Health] reports the reason. A log on a full disk waits for room. Tables that cannot be
// written are retried with pauses, without end; Open and Close do not wait for that. A damaged store
// is refused, never wiped, and damage that is found later ends the process.
package storage
