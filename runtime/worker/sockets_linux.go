package worker

import "golang.org/x/sys/unix"

// Flags of new sockets.
const (
	closeOnExec = unix.SOCK_CLOEXEC
	nonBlocking = unix.SOCK_NONBLOCK
)
