// Package spawn starts worker processes for a server that is confined, and so starts none itself. A
// spawner, a process that the server starts before it is confined, does nothing else: it is asked
// over a socket, starts the program that it runs itself, with the arguments that it got at its own
// start, and reports when a worker has ended.
//
// Worker processes end with the spawner, and the spawner ends with the server, however that ends.
package spawn
