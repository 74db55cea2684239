package egress

import (
	"errors"
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

// connection is a connection of a run.
type connection struct {
	net.Conn
	socket  syscall.Conn // the same
	network *network
	target  target
	opened  time.Time
	used    *runtime.Egress // guarded by the network's mutex

	sent, received atomic.Int64
	uncounted      atomic.Int64 // bytes that are not counted with the function and the tenant yet
	closing        sync.Once
	closed         error
}

var _ runtime.Connection = (*connection)(nil)

// newConnection returns a connection over a socket of the system.
func newConnection(w *network, t target, c net.Conn) (*connection, error) {
	socket, ok := c.(syscall.Conn)
	if !ok {
		return nil, runtime.Internal("egress.dial", errors.New("the connection is no socket"))
	}
	return &connection{Conn: c, socket: socket, network: w, target: t, opened: time.Now()}, nil
}

// SyscallConn implements [syscall.Conn].
func (c *connection) SyscallConn() (syscall.RawConn, error) { return c.socket.SyscallConn() }

// Read implements [net.Conn]. Bytes beyond a limit are returned with the error.
func (c *connection) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if limit := c.Count(0, n); limit != nil {
		return n, limit
	}
	return n, err
}

// Write implements [net.Conn].
func (c *connection) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if limit := c.Count(n, 0); limit != nil {
		return n, limit
	}
	return n, err
}

// Count implements [runtime.Connection].
func (c *connection) Count(sent, received int) error {
	if sent == 0 && received == 0 {
		return nil
	}
	c.sent.Add(int64(sent))
	c.received.Add(int64(received))
	now := c.network.networks.now()
	n := int64(sent) + int64(received)
	if err := c.network.run.count(n, now); err != nil {
		return err
	}
	if c.uncounted.Add(n) < countStep {
		return nil
	}
	return c.share(now)
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

// CheckServerName implements [runtime.Connection].
func (c *connection) CheckServerName(name string) error {
	return c.network.checkServerName(name, c.target.to.Addr())
}

// Close implements [net.Conn].
func (c *connection) Close() error {
	c.closing.Do(func() {
		c.closed = c.Conn.Close()
		w := c.network
		_ = c.share(w.networks.now()) // a limit matters to the next connection
		w.mu.Lock()
		delete(w.connections, c)
		if c.used != nil {
			c.used.Sent += c.sent.Load()
			c.used.Received += c.received.Load()
			c.used.Duration += time.Since(c.opened)
		}
		w.mu.Unlock()
		w.end()
	})
	return c.closed
}
