package httpapi

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/runtime"
)

// Closing a TCP connection with unread bytes resets it, and the reset can overtake the answer: a
// client that is still sending too large a body would see a broken pipe instead of 413. So such
// connections are closed for writing first, and read for a while longer.
const (
	lingerTime  = 2 * time.Second
	lingerBytes = 64 * runtime.MiB
)

// lingerListener accepts TCP connections as lingerConn, and passes on others. Close may be called
// more than once.
type lingerListener struct {
	net.Listener
	early    time.Duration // by how much deadlines may be too early
	closed   sync.Once
	closeErr error
}

func (l *lingerListener) Close() error {
	l.closed.Do(func() { l.closeErr = l.Listener.Close() })
	return l.closeErr
}

func (l *lingerListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if tcp, ok := c.(*net.TCPConn); ok && err == nil {
		return &lingerConn{TCPConn: tcp, early: l.early}, nil
	}
	return c, err
}

// lingerConn is a TCP connection that lingers on Close if linger was called. It also saves system
// calls for deadlines. The library sets three for each request, mostly a little later than the ones
// before, and mostly sets the read deadline when the whole request has arrived. So a deadline is
// not replaced if it is at most early too early, and a read deadline is set by the next Read. Only
// the goroutine that serves the connection reads and sets read deadlines.
type lingerConn struct {
	*net.TCPConn
	lingers atomic.Bool
	early   time.Duration
	read    time.Time // read deadline for the next Read
	readSet time.Time // read deadline of the connection

	mu       sync.Mutex
	writeSet time.Time
}

// near reports whether a deadline that is set is close enough to the wanted one.
func (c *lingerConn) near(set, wanted time.Time) bool {
	if wanted.IsZero() || set.IsZero() {
		return wanted.Equal(set)
	}
	later := wanted.Sub(set)
	return later >= 0 && later <= c.early
}

func (c *lingerConn) Read(b []byte) (int, error) {
	if !c.near(c.readSet, c.read) {
		if err := c.TCPConn.SetReadDeadline(c.read); err != nil {
			return 0, err
		}
		c.readSet = c.read
	}
	return c.TCPConn.Read(b)
}

// SetReadDeadline sets the deadline of later calls of Read.
func (c *lingerConn) SetReadDeadline(t time.Time) error {
	c.read = t
	return nil
}

func (c *lingerConn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.near(c.writeSet, t) {
		return nil
	}
	c.writeSet = t
	return c.TCPConn.SetWriteDeadline(t)
}

func (c *lingerConn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// linger makes the connection of ctx linger when it is closed.
func linger(ctx *fasthttp.RequestCtx) {
	if c, ok := ctx.Conn().(*lingerConn); ok {
		c.lingers.Store(true)
	}
}

func (c *lingerConn) Close() error {
	if c.lingers.Swap(false) && c.CloseWrite() == nil && c.TCPConn.SetReadDeadline(time.Now().Add(lingerTime)) == nil {
		// The bytes and the error do not matter.
		_, _ = io.CopyN(io.Discard, c.TCPConn, lingerBytes)
	}
	return c.TCPConn.Close()
}
