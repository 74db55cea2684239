// Package attack puts hostile loads on a server, all of them what one client with a token can send:
// functions with large images, deep recursion, full /tmp, bodies that never end, answers that are
// never read, logs that alternate between streams, silent connections. Each [Attack] runs by itself
// or together with the others. The tests check that a server which is under all of them at once
// stays within its memory, answers everyone else, and recovers; `make bench` reports the memory.
package attack
