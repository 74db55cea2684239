package egress

import (
	"errors"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/faaspot/faaspot/runtime"
)

var _, _ runtime.Lender = (*connection)(nil), (*stream)(nil)

// Lend implements [runtime.Lender].
func (c *connection) Lend() (fd int, err error) {
	c.lending.Lock()
	defer c.lending.Unlock()
	if c.gone {
		return -1, closedError()
	}
	if c.lent != nil {
		return -1, runtime.Internal("egress.lend", errors.New("the connection is lent already"))
	}
	kept := -1
	if failed := control(c.system, func(own int) {
		if kept, err = duplicate(own); err != nil {
			return
		}
		if fd, err = duplicate(own); err != nil {
			_ = unix.Close(kept)
		}
	}); failed != nil {
		return -1, closedError()
	}
	if err != nil {
		return -1, runtime.Internal("egress.lend", err)
	}
	c.lent = &lentSocket{fd: kept}
	// Go's poller would wake this process for each packet.
	_ = c.system.Close()
	return fd, nil
}

// Lend implements [runtime.Lender].
func (s *stream) Lend() (int, error) { return s.connection.Lend() }

// Transferred implements [runtime.Lender].
func (c *connection) Transferred() (sent, received int64, ok bool) {
	if c.target.network != "tcp" {
		return 0, 0, false
	}
	var info *unix.TCPInfo
	var err error
	if control(c.socket(), func(fd int) { info, err = unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO) }) != nil || err != nil {
		return 0, 0, false
	}
	// The kernel counts the begin and the end of a stream as a byte each.
	const ends = 2
	return max(0, int64(info.Bytes_acked)-ends), max(0, int64(info.Bytes_received)-ends), true
}

// Transferred implements [runtime.Lender].
func (s *stream) Transferred() (sent, received int64, ok bool) { return s.connection.Transferred() }

// duplicate returns another descriptor of a file.
func duplicate(fd int) (int, error) {
	n, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	return n, os.NewSyscallError("fcntl", err)
}

// lentSocket is a socket that another process reads and writes. Go's poller does not watch it.
type lentSocket struct {
	mu sync.Mutex
	fd int // -1: closed
}

// errLent is the error of what only the other process can do.
var errLent = errors.New("another process uses the socket")

// Close ends the connection, even if other descriptors of it are open.
func (s *lentSocket) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fd < 0 {
		return os.ErrClosed
	}
	// The other process may have set it, and then the last close would wait for the peer.
	_ = unix.SetsockoptLinger(s.fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{})
	_ = unix.Shutdown(s.fd, unix.SHUT_RDWR) // fails if it is not connected any more
	err := unix.Close(s.fd)
	s.fd = -1
	return err
}

// SyscallConn implements [syscall.Conn].
func (s *lentSocket) SyscallConn() (syscall.RawConn, error) { return s, nil }

// Control implements [syscall.RawConn].
func (s *lentSocket) Control(f func(fd uintptr)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fd < 0 {
		return os.ErrClosed
	}
	f(uintptr(s.fd))
	return nil
}

// Read and Write implement [syscall.RawConn].
func (s *lentSocket) Read(func(fd uintptr) bool) error { return errLent }

func (s *lentSocket) Write(func(fd uintptr) bool) error { return errLent }

// SetReadDeadline and SetWriteDeadline do nothing: this process waits for nothing.
func (s *lentSocket) SetReadDeadline(time.Time) error { return nil }

func (s *lentSocket) SetWriteDeadline(time.Time) error { return nil }
