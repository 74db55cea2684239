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

// Closing a TCP connection with bytes unread resets it, and the reset can
// overtake the answer: a client that is still sending a body that is too large
// would see a broken pipe in place of 413. So such connections are closed for
// writing first, and read on for a while.
const (
	lingerTime  = 2 * time.Second
	lingerBytes = 64 * runtime.MiB
)

// lingerListener gives out TCP connections that can linger, others as they
// are. It may be closed more than once.
type lingerListener struct {
	net.Listener
	early    time.Duration // by which deadlines may pass early
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

// lingerConn also saves work with deadlines, of which the library sets three for
// each request, mostly a little later than before, and mostly the one for reading a
// request when all of it is there: they may pass a little early, and that for
// reading is set when something is read. Only the goroutine that serves the
// connection reads, and sets deadlines for that.
type lingerConn struct {
	*net.TCPConn
	lingers atomic.Bool
	early   time.Duration
	read    time.Time // the deadline to be set
	readSet time.Time // the one that is

	mu       sync.Mutex
	writeSet time.Time
}

// near tells whether a deadline that is set will do for another one.
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

// SetReadDeadline holds for reads that begin later.
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

// linger has the connection of ctx closed gently.
func linger(ctx *fasthttp.RequestCtx) {
	if c, ok := ctx.Conn().(*lingerConn); ok {
		c.lingers.Store(true)
	}
}

func (c *lingerConn) Close() error {
	if c.lingers.Swap(false) && c.CloseWrite() == nil && c.TCPConn.SetReadDeadline(time.Now().Add(lingerTime)) == nil {
		// Whatever comes, and however this ends, is of no interest.
		_, _ = io.CopyN(io.Discard, c.TCPConn, lingerBytes)
	}
	return c.TCPConn.Close()
}
