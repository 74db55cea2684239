// Package dispatch executes what is queued in the background: it leases queued runs in batches, has
// them admitted together with the runs that callers wait for, runs them, and commits their ends in
// batches.
//
// The store is the truth. A [Dispatcher] remembers only what it needs to choose the next
// run; the number of an attempt is on disk before the attempt begins, and an end counts only
// while the attempt holds the lease. So each run starts at least once and reaches exactly
// one final state, and a new process continues from the store alone.
//
// Tenants take turns; within a tenant, functions and executions of jobs take turns; within those,
// runs go in the order of their arrival. Runs during which earlier processes died more than once
// are suspects: they start beside all others, in groups; suspects.go explains how. Other nodes of a cluster may lend places for
// runs; away.go explains which runs use them.
//
// The life of a run here:
//
//	QueuedRun -> attempt (leased) -> admitted -> running -> outbox -> committed
//
// with one type for each state that is shared between goroutines: plan holds what waits and
// what is leased, outbox holds the ends that are not on disk yet. The goroutines are one
// leaser, one committer, as many workers as runs are admitted, and one goroutine for each attempt on another node. Such an attempt
// is not admitted: it has a place instead, and runs as soon as it is leased.
//
// The package does not know the engine. What it needs of it is [Engine], three methods.
//
// Lock order: see package engine.
package dispatch
