// Package runtime owns the nouns of faaspot and the contracts between its parts: functions
// and their versions, executions, jobs with their triggers, schedules and callbacks, limits,
// outcomes and logs, and [Error], the one coded error that every layer returns.
//
//   - A [Function] is a name under which code can be run, a [Version] one state of its code.
//   - An [Execution] is the record of one run of a function, or of one change of it. An
//     execution in the background may take several attempts; a [Lease] is the right of one
//     attempt to change it.
//   - A [Job] runs a function over many tasks. A [JobExecution] is one execution of it; each
//     of its tasks is an Execution like any other, with Task set.
//   - A [Trigger] starts executions of a job: at a request, or at the ticks of a [Schedule].
//   - A [Delivery] is a callback at the end of an execution of a job. It becomes a dead letter
//     when no attempt is left.
//   - A [Token] is a credential of a tenant, with a [Scope]. An [Identity] is what the sender of a
//     request may do.
//   - An [ExecutionSummary] is what a search returns of an execution that is done, selected by
//     a [SearchFilter].
//
// The types validate themselves, compute their own successors ([FunctionUpdate.NextVersion],
// [Execution.Finish], [JobExecution.FinalState]) and hash requests for idempotency. Nothing here
// blocks, starts a goroutine or performs I/O.
//
// Package engine is the service over these nouns. The contracts that it needs are interfaces
// here: [Store], which consists of [FunctionStore], [ExecutionStore], [JobStore] and
// [DeliveryStore]; [Sandbox]; and [Poster]. Package access manages tenants and tokens, in an
// [AccessStore]. So the engine, the store, the sandbox and the HTTP
// API depend on this package and not on each other.
//
// It refuses to know how anything is stored, transported or isolated, and imports no other
// package of this module but strictjson.
//
// All types are plain values without synchronisation, except for [LogBuffer], which one
// goroutine writes while others read, and [TenantUse].
//
// The name shadows the standard library's package; import that one as goruntime.
package runtime
