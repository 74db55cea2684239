package httpapi

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// fileShare is the divisor of the number of files that the process may open, for connections.
const fileShare = 2

// maxConnections returns the largest number of connections that leaves files for everything else.
func maxConnections() int {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil || limit.Cur > 1<<30 {
		return 1 << 30
	}
	return int(limit.Cur) / fileShare
}

// Gone reports whether the client has closed the connection, or will send nothing more.
func (c *conn) Gone() bool {
	events, known := c.poll(unix.POLLRDHUP)
	return !known || events&(unix.POLLRDHUP|unix.POLLHUP|unix.POLLERR) != 0
}

// readable reports whether the client has sent something that was not read yet.
func (c *conn) readable() bool {
	events, known := c.poll(unix.POLLIN | unix.POLLRDHUP)
	return known && events&unix.POLLIN != 0 && events&(unix.POLLRDHUP|unix.POLLHUP|unix.POLLERR) == 0
}

// poll returns the state of the connection; known is false if it is closed.
func (c *conn) poll(wanted int16) (events int16, known bool) {
	s, ok := c.socket.(syscall.Conn)
	if !ok {
		return 0, true
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return 0, false
	}
	err = raw.Control(func(fd uintptr) {
		fds := []unix.PollFd{{Fd: int32(fd), Events: wanted}}
		if _, err := unix.Poll(fds, 0); err == nil {
			events = fds[0].Revents
		}
	})
	return events, err == nil
}
