package httpapi

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/runtime"
)

// Closing a TCP connection with unread bytes resets it, and the reset can overtake the answer: a
// client that is still sending too large a body would see a broken pipe instead of 413. So such
// connections are closed for writing first, and read for a while longer: while the client sends a
// piece of pieceBytes each lingerPause, at most for lingerTime.
const (
	lingerPause = 2 * time.Second
	lingerTime  = 10 * time.Second
	lingerBytes = 64 * runtime.MiB
)

const (
	// pieceBytes is the size of the pieces in which large bodies are read and answers written. A
	// deadline applies to each piece.
	pieceBytes = 256 * runtime.KiB
	// slowest is the rate, in bytes per second, at which a client must read a large answer after
	// the time that it has for any answer.
	slowest = 64 * runtime.KiB
)

// conn is a connection of a client. It lingers on Close if linger was called, and holds the memory
// of its requests and answers.
//
// It also saves system calls for deadlines. The library sets three for each request, mostly a
// little later than the ones before, and mostly sets the read deadline when the whole request has
// arrived. So a deadline is not replaced if it is at most early too early, and a read deadline is
// set by the next Read. Only the goroutine that serves the connection reads, writes and sets read
// deadlines.
type conn struct {
	net.Conn          // encrypted, if the listener is
	socket   net.Conn // below it, the same if it is not encrypted
	sender   *sender  // of small answers
	all      *connections
	memory   web.Memory
	lingers  atomic.Bool
	closed   atomic.Bool
	early    time.Duration
	patience time.Duration // for the next request, before a token was accepted
	stall    time.Duration // for each piece of an answer
	read     time.Time     // read deadline for the next Read
	readSet  time.Time     // read deadline of the connection
	peer     bool          // of another node, which forwards requests
	viaTLS   bool          // the connection of the client to that node is encrypted

	mu       sync.Mutex
	writeSet time.Time
	// writing is the time that the library set as the deadline of an answer. Deadlines of the
	// pieces of a large answer count from there.
	writing time.Time

	place // in all
}

// Memory returns what the present request holds of the memory budget.
func (c *conn) Memory() *web.Memory { return &c.memory }

// near reports whether a deadline that is set is close enough to the wanted one.
func (c *conn) near(set, wanted time.Time) bool {
	if wanted.IsZero() || set.IsZero() {
		return wanted.Equal(set)
	}
	later := wanted.Sub(set)
	return later >= 0 && later <= c.early
}

func (c *conn) Read(b []byte) (int, error) {
	if !c.near(c.readSet, c.read) {
		if err := c.Conn.SetReadDeadline(c.read); err != nil {
			return 0, err
		}
		c.readSet = c.read
	}
	if c.trusted.Load() {
		return c.Conn.Read(b)
	}
	c.blocked.Store(time.Now().UnixNano())
	n, err := c.Conn.Read(b) // of an encrypted one, the first also makes the handshake
	c.blocked.Store(0)
	if err != nil && c.Conn != c.socket {
		answerPlain(err)
	}
	return n, err
}

// Encrypted reports whether the connection of the client is one of TLS.
func (c *conn) Encrypted() bool {
	if c.peer {
		return c.viaTLS
	}
	return c.Conn != c.socket
}

// SetReadDeadline sets the deadline of later calls of Read. Before a token was accepted, it is never
// far away.
func (c *conn) SetReadDeadline(t time.Time) error {
	if !c.trusted.Load() {
		if latest := time.Now().Add(c.patience); t.IsZero() || t.After(latest) {
			t = latest
		}
	}
	c.read = t
	return nil
}

// Write writes an answer, or a part of it. A large one has more time than the write deadline, a
// second for each slowest bytes, but each piece has only the time that any answer has.
func (c *conn) Write(b []byte) (n int, err error) {
	if !c.trusted.Load() {
		c.stuck.Store(time.Now().UnixNano())
		defer c.stuck.Store(0)
	}
	if len(b) <= web.FreeBytes {
		return c.sender.send(c.Conn, b)
	}
	defer c.writes.Store(0)
	for {
		c.writes.Store(time.Now().UnixNano())
		some, err := c.Conn.Write(b[:min(len(b), pieceBytes)])
		n, b = n+some, b[some:]
		if err != nil || len(b) == 0 {
			return n, err
		}
		if err := c.extend(n); err != nil {
			return n, err
		}
	}
}

// extend moves the write deadline after n bytes of a large answer.
func (c *conn) extend(n int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.writing.IsZero() {
		return nil
	}
	c.writeSet = c.writing.Add(time.Duration(n) * time.Second / slowest)
	if next := time.Now().Add(c.stall); next.Before(c.writeSet) {
		c.writeSet = next
	}
	return c.Conn.SetWriteDeadline(c.writeSet)
}

func (c *conn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writing = t
	if c.near(c.writeSet, t) {
		return nil
	}
	c.writeSet = t
	return c.Conn.SetWriteDeadline(t)
}

func (c *conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// linger makes the connection of ctx linger when it is closed.
func linger(ctx *fasthttp.RequestCtx) {
	if c, ok := ctx.Conn().(*conn); ok {
		c.lingers.Store(true)
	}
}

func (c *conn) Close() error {
	if c.lingers.Swap(false) && c.closeWrite() {
		c.stuck.Store(time.Now().UnixNano())
		discard(c.socket)
	}
	if !c.closed.Swap(true) {
		c.all.remove(c)
	}
	return c.Conn.Close()
}

// closeWrite sends the end of what the server sends, and reports whether the client can know it.
func (c *conn) closeWrite() bool {
	switch nc := c.Conn.(type) {
	case *net.TCPConn:
		return nc.CloseWrite() == nil
	case *tls.Conn:
		return nc.CloseWrite() == nil
	}
	return false
}

// discard reads what a client still sends.
func discard(tcp net.Conn) {
	end := time.Now().Add(lingerTime)
	for n := 0; n < lingerBytes; n += pieceBytes {
		until := time.Now().Add(lingerPause)
		if until.After(end) {
			until = end
		}
		if tcp.SetReadDeadline(until) != nil {
			return
		}
		if _, err := io.CopyN(io.Discard, tcp, pieceBytes); err != nil {
			return
		}
	}
}

// changed is called by the library on the goroutine that serves a connection.
func changed(nc net.Conn, state fasthttp.ConnState) {
	c, ok := nc.(*conn)
	if !ok {
		return
	}
	switch state {
	case fasthttp.StateActive:
		c.idle.Store(false)
	case fasthttp.StateIdle: // the answer was sent
		c.memory.Release()
		c.idle.Store(true)
	case fasthttp.StateClosed:
		c.memory.Release()
	}
}
