package egress

import (
	"errors"
	"net/netip"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

var _ starter = (*direct)(nil)

// start implements starter. The socket has the options that package net gives to its own.
func (*direct) start(network string, to netip.AddrPort) (system, error) {
	family, kind := unix.AF_INET6, unix.SOCK_STREAM
	if to.Addr().Is4() {
		family = unix.AF_INET
	}
	if network == "udp" {
		kind = unix.SOCK_DGRAM
	}
	fd, err := unix.Socket(family, kind|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	if kind == unix.SOCK_STREAM {
		err = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	} else {
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_BROADCAST, 1)
	}
	if err == nil {
		err = unix.Connect(fd, socketAddress(to))
	}
	if err != nil && !errors.Is(err, unix.EINPROGRESS) && !errors.Is(err, unix.EINTR) {
		_ = unix.Close(fd)
		return nil, os.NewSyscallError("connect", err)
	}
	return os.NewFile(uintptr(fd), "socket"), nil
}

// socketAddress returns an address as the kernel takes it.
func socketAddress(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}

// outcome implements starter.
func (*direct) outcome(s system) (ended bool, err error) {
	controlErr := control(s, func(fd int) {
		asked := [...]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
		if n, failed := unix.Poll(asked[:], 0); n != 1 || failed != nil {
			return
		}
		ended = true
		var number int
		if number, err = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR); err == nil && number != 0 {
			err = os.NewSyscallError("connect", syscall.Errno(number))
		}
	})
	if controlErr != nil {
		return true, os.ErrClosed
	}
	return ended, err
}

// interrupt implements starter. It ends a wait for the socket.
func (*direct) interrupt(s system) {
	_ = control(s, func(fd int) { _ = unix.Shutdown(fd, unix.SHUT_RDWR) })
}

// control calls f with the descriptor of a socket, or returns an error if it is closed.
func control(s system, f func(fd int)) error {
	raw, err := s.SyscallConn()
	if err != nil {
		return err
	}
	return raw.Control(func(fd uintptr) { f(int(fd)) })
}
