package egress

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// countStep is the number of bytes of a connection after which they are counted with the function and
// the tenant, which many connections share.
const countStep = 64 * runtime.KiB

// system is a socket of the operating system.
type system interface {
	io.Closer
	syscall.Conn
	SetReadDeadline(t time.Time) error
	SetWriteDeadline(t time.Time) error
}

// connection is a connection of a run, or an attempt to make one.
type connection struct {
	system
	network *network
	target  target
	timer   *time.Timer // ends the attempt; nil: there is none

	lending sync.Mutex
	lent    system // in place of system, once another process uses the socket; guarded by lending
	gone    bool   // closed; guarded by lending

	used   *runtime.Egress // nil: not connected yet; guarded by the network's mutex, as is the next
	opened time.Time
	began  time.Time   // of the attempt
	tls    atomic.Bool // TLS asks for a server over it

	sent, received atomic.Int64
	uncounted      atomic.Int64 // bytes that are not counted with the function and the tenant yet
	closing        sync.Once
	closed         error
}

var _ runtime.Socket = (*connection)(nil)

// stream is a connection that is read and written.
type stream struct {
	net.Conn
	connection *connection
}

var _ runtime.Connection = (*stream)(nil)

// newStream returns a connection over a socket of the system.
func newStream(w *network, t target, c net.Conn) (*stream, error) {
	socket, ok := c.(system)
	if !ok {
		return nil, runtime.Internal("egress.dial", errors.New("the connection is no socket"))
	}
	return &stream{Conn: c, connection: &connection{system: socket, network: w, target: t}}, nil
}

// SyscallConn implements [syscall.Conn].
func (s *stream) SyscallConn() (syscall.RawConn, error) { return s.connection.SyscallConn() }

// Read implements [net.Conn]. Bytes beyond a limit are returned with the error.
func (s *stream) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p)
	if limit := s.Count(0, n); limit != nil {
		return n, limit
	}
	return n, err
}

// Write implements [net.Conn].
func (s *stream) Write(p []byte) (int, error) {
	n, err := s.Conn.Write(p)
	if limit := s.Count(n, 0); limit != nil {
		return n, limit
	}
	return n, err
}

// Count implements [runtime.Connection].
func (s *stream) Count(sent, received int) error { return s.connection.Count(sent, received) }

// CheckServerName implements [runtime.Connection].
func (s *stream) CheckServerName(name string) error { return s.connection.CheckServerName(name) }

// Close implements [net.Conn].
func (s *stream) Close() error { return s.connection.Close() }

// Count implements [runtime.Socket].
func (c *connection) Count(sent, received int) error {
	if sent == 0 && received == 0 {
		return nil
	}
	c.sent.Add(int64(sent))
	c.received.Add(int64(received))
	now := c.network.networks.now()
	n := int64(sent) + int64(received)
	day := c.network.account.CountEgress(n, now)
	if err := c.network.run.count(n, now); err != nil {
		return err
	}
	if c.uncounted.Add(n) >= countStep {
		if err := c.share(now); err != nil {
			return err
		}
	}
	return day
}

// share counts bytes with the function and the tenant.
func (c *connection) share(now time.Time) error {
	n := c.uncounted.Swap(0)
	if n == 0 {
		return nil
	}
	function := c.network.function.count(n, now)
	if err := c.network.tenant.count(n, now); function == nil {
		return err
	}
	return function
}

// CheckServerName implements [runtime.Socket].
func (c *connection) CheckServerName(name string) error {
	c.tls.Store(true)
	return c.network.checkServerName(name, c.target.to.Addr())
}

// Close implements [io.Closer].
func (c *connection) Close() error {
	c.closing.Do(func() {
		c.stopTimer()
		c.lending.Lock()
		c.gone = true
		c.lending.Unlock()
		c.closed = c.socket().Close()
		w := c.network
		_ = c.share(w.networks.now()) // a limit matters to the next connection
		w.mu.Lock()
		delete(w.connections, c)
		if c.used != nil {
			c.used.Sent += c.sent.Load()
			c.used.Received += c.received.Load()
			c.used.Duration += time.Since(c.opened)
			w.note(c.call())
		}
		w.mu.Unlock()
		w.end()
	})
	return c.closed
}

// socket returns the socket as this process has it.
func (c *connection) socket() system {
	c.lending.Lock()
	defer c.lending.Unlock()
	if c.lent != nil {
		return c.lent
	}
	return c.system
}

func (c *connection) stopTimer() {
	if c.timer != nil {
		c.timer.Stop()
	}
}
