//go:build !linux

package worker

// Flags of new sockets, which this system does not have: no server has workers there.
const closeOnExec, nonBlocking = 0, 0
