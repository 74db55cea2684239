// Package callback delivers callbacks: it posts what a job reports at the end of an execution,
// retries with backoff, and stores a callback that no attempt delivered as a dead letter.
//
// The store is the truth: a delivery is stored in the batch in which its execution ends, and
// each attempt is recorded there. A [Deliverer] remembers only the place of each delivery in
// the queue, so a new process continues from the store alone; a delivery is posted at least
// once. The package does not know HTTP or what a body says: a [runtime.Poster] sends, and a
// function given to [New] renders the body.
//
// Tenants take turns, and so do the hosts of a tenant; a slow host delays no other host.
package callback
