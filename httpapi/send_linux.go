//go:build linux && !race

package httpapi

import (
	"net"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sender writes small answers to a socket by a system call that Go's scheduler does not see.
//
// The socket does not block, so the call takes some microseconds. But it wakes the client, and a
// client on the same machine often runs at once in place of this thread. Go then takes the call for
// one that blocks: it moves the other goroutines to another thread, and its monitor, which looks for
// such calls, wakes up every 20 µs.
//
// Builds with the race detector use the writes of package net, from which it knows that what the server did
// before an answer comes before what a client in the same process does with the answer.
type sender struct {
	raw  syscall.RawConn // nil: the connection is not a socket
	try  func(fd uintptr) (done bool)
	left []byte // what the socket has not accepted yet
	err  error
}

func newSender(c net.Conn) *sender {
	s := &sender{}
	if tcp, ok := c.(*net.TCPConn); ok {
		if raw, err := tcp.SyscallConn(); err == nil {
			s.raw, s.try = raw, s.trySend
		}
	}
	return s
}

// send writes b to the connection. One goroutine at a time. The deadlines of the connection apply.
func (s *sender) send(c net.Conn, b []byte) (n int, err error) {
	if s.raw == nil {
		return c.Write(b)
	}
	s.left, s.err = b, nil
	if err = s.raw.Write(s.try); err == nil {
		err = s.err
	}
	n = len(b) - len(s.left)
	s.left = nil
	return n, err
}

// trySend sends what is left. It returns false if the socket accepts no more for now.
func (s *sender) trySend(fd uintptr) (done bool) {
	for len(s.left) > 0 {
		n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, fd, uintptr(unsafe.Pointer(&s.left[0])), uintptr(len(s.left)),
			unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
		switch errno {
		case 0:
			s.left = s.left[n:]
		case unix.EINTR:
		case unix.EAGAIN:
			return false
		default:
			s.err = &net.OpError{Op: "write", Net: "tcp", Err: os.NewSyscallError("sendto", errno)}
			return true
		}
	}
	return true
}
