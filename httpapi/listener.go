package httpapi

import (
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
		return &lingerConn{TCPConn: tcp}, nil
	}
	return c, err
}

type lingerConn struct {
	*net.TCPConn
	lingers atomic.Bool
}

// linger has the connection of ctx closed gently.
func linger(ctx *fasthttp.RequestCtx) {
	if c, ok := ctx.Conn().(*lingerConn); ok {
		c.lingers.Store(true)
	}
}

func (c *lingerConn) Close() error {
	if c.lingers.Swap(false) && c.CloseWrite() == nil && c.SetReadDeadline(time.Now().Add(lingerTime)) == nil {
		// Whatever comes, and however this ends, is of no interest.
		_, _ = io.CopyN(io.Discard, c.TCPConn, lingerBytes)
	}
	return c.TCPConn.Close()
}
