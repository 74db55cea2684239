// Package worker runs functions in worker processes. [Pool] is the server's side: a [runtime.Sandbox]
// whose runs happen in worker processes. [Serve] is a worker process: a sandbox that serves one
// connection.
//
// A worker holds no store, no keys and no tokens, and knows only the functions whose runs it gets. A
// tenant's runs go to one worker that others share, chosen by a hash; to one of its own, if the tenant
// has that; or to one for a single function, if workers died while that function ran.
//
// Server and worker talk over one Unix stream socket, in frames: a header with a length, a kind and an
// id, and a payload. Both sides call each other; the first frame with an id is the call, the second one
// the reply. A run is one call: its args there, its outcome back. All that the two sides say about a run
// meanwhile has the id of its call: output, memory that it lends, what it reaches. Short runs and their
// outcomes go through memory that both processes share instead; see lane.go.
//
// A server does not trust its workers. Every frame is bounded and checked, and a worker that sends what
// it may not, or that does not answer, is killed: its runs end with [runtime.ErrWorkerLost], as those of
// a worker that dies, and another worker takes its place. A worker trusts its server.
//
// The memory that a run may use at most is reserved in the server. All else that a worker holds, such
// as images and idle instances, is in a budget of its own, which it leases from that of the server in
// steps, and gives back when the server needs it; see lease.go.
package worker
