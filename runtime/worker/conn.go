package worker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"

	"github.com/faaspot/faaspot/runtime"
)

// errEnded is the error of what needs a connection that has ended.
var errEnded = errors.New("the connection between server and worker has ended")

// errNotSent is the error of a call that was not sent, because the connection had ended.
var errNotSent = fmt.Errorf("not sent: %w", errEnded)

// conn carries calls between a server and a worker, in both directions. Its methods may be called
// concurrently, those that set it up only before serve.
type conn struct {
	socket   *net.UnixConn
	in       *reader
	out      *writer
	crew     crew
	handlers [kinds]handler
	// limit is the largest payload of a frame that the peer sends and that is no reply, in bytes, and
	// most the largest number of its calls that are served at once: further ones are refused. Zero: the
	// peer is trusted.
	limit int
	most  int

	mu       sync.Mutex
	last     uint64                        // id of the latest call
	calls    map[uint64]*pendingCall       // that wait for their reply
	requests map[uint64]context.CancelFunc // calls of the peer that are served
	early    []uint64                      // calls that were cancelled and are not served, the last maxEarly
	ended    bool
	cause    error // of the end
}

// handler serves the frames of a kind. One of the fields is set.
type handler struct {
	// call serves a call on a goroutine of its own.
	call func(ctx context.Context, r *request) (reply []byte, fds []int, err error)
	// note handles a frame that expects no reply, before the next one is read. The payload is valid
	// until it returns. It must not wait. An error ends the connection.
	note func(payload []byte) error
	// free says that further calls of the kind are served however many are.
	free bool
}

// request is a call of the peer. The handler owns the payload, and closes the descriptors.
type request struct {
	id      uint64
	payload []byte
	fds     []int
}

// pendingCall is a call that waits for its reply.
type pendingCall struct {
	kind  kind
	limit int // bytes of the reply
	done  chan struct{}
	reply []byte
	fds   []int
	err   error
}

// newConn returns a connection that is not served yet. Descriptors are accepted from a peer that is
// trusted.
func newConn(socket *net.UnixConn, trusted bool) (*conn, error) {
	out, err := newWriter(socket)
	if err != nil {
		return nil, err
	}
	c := &conn{socket: socket, in: newFDReader(socket), out: out, calls: make(map[uint64]*pendingCall), requests: make(map[uint64]context.CancelFunc)}
	if !trusted {
		c.in, c.limit, c.most = newReader(socket), maxRequest, maxRequests
		out.limit = maxUnread
	}
	return c, nil
}

const (
	// maxRequest bounds the payload of a call of a worker, in bytes, and maxRequests the number of those
	// that the server serves at once for one worker.
	maxRequest  = 1280 * runtime.KiB
	maxRequests = 1024
)

// handle sets what serves the calls of a kind: each is served on a goroutine of its own, and ctx ends when
// the peer does not need the reply any more. h must close the descriptors that it gets; those that it
// returns are closed when they are sent.
func (c *conn) handle(k kind, h func(ctx context.Context, payload []byte, fds []int) (reply []byte, replyFDs []int, err error)) {
	c.handlers[k].call = func(ctx context.Context, r *request) ([]byte, []int, error) { return h(ctx, r.payload, r.fds) }
}

// call calls the peer and waits for its reply, or for the end of the connection. The end of ctx tells the
// peer that the reply is not needed. The descriptors stay the caller's. The caller must close those of
// the reply. An error that the peer has returned is a [runtime.Error].
func (c *conn) call(ctx context.Context, k kind, payload []byte, fds ...int) (reply []byte, replyFDs []int, err error) {
	p := &pendingCall{kind: k, limit: maxPayload, done: make(chan struct{}, 1)}
	id, err := c.begin(p)
	if err != nil {
		return nil, nil, err
	}
	return c.await(ctx, p, id, payload, nil, fds...)
}

// begin gives a call its id.
func (c *conn) begin(p *pendingCall) (id uint64, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return 0, errNotSent
	}
	c.last++
	c.calls[c.last] = p
	return c.last, nil
}

// newID returns an id for a call that comes through a lane.
func (c *conn) newID() (id uint64, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return 0, errNotSent
	}
	c.last++
	return c.last, nil
}

// await sends a call that has begun, and waits for its reply. Its payload has two parts. The second is the
// caller's again afterwards: a peer that replies before it has read all of it gets nothing else.
func (c *conn) await(ctx context.Context, p *pendingCall, id uint64, payload, more []byte, fds ...int) (reply []byte, replyFDs []int, err error) {
	// If that fails, the connection ends, and the call with it.
	_ = c.out.send(header{kind: p.kind, flags: flagCall, id: id}, payload, more, fds, false)
	if len(more) > copied {
		defer c.out.pass(c.out.position())
	}
	select {
	case <-p.done:
	case <-ctx.Done():
		_ = c.out.send(header{kind: p.kind, flags: flagCancel, id: id}, nil, nil, nil, false)
		<-p.done
	}
	return p.reply, p.fds, p.err
}

// send sends a frame that expects no reply. If the connection has ended it does nothing.
func (c *conn) send(k kind, payload []byte) {
	_ = c.out.send(header{kind: k}, payload, nil, nil, false)
}

// serve handles what the peer sends until the connection ends, and returns why it has. Nothing that serve
// has started is left then.
func (c *conn) serve() error {
	var err error
	for err == nil {
		err = c.serveFrame()
	}
	return c.end(err)
}

// end ends the connection: first what is written, because callers own what they send, and then the calls.
func (c *conn) end(cause error) error {
	c.out.close(cause)
	c.mu.Lock()
	c.ended = true
	if c.cause == nil {
		c.cause = cause
	}
	cause = c.cause
	for _, cancel := range c.requests {
		cancel()
	}
	calls := c.calls
	c.calls = nil
	c.mu.Unlock()
	for _, p := range calls {
		p.err = errEnded
		p.done <- struct{}{}
	}
	c.crew.close()
	c.in.close()
	return cause
}

// abort ends the connection because of something that the peer has done. serve returns the cause.
func (c *conn) abort(cause error) {
	c.mu.Lock()
	if c.cause == nil {
		c.cause = cause
	}
	c.mu.Unlock()
	_ = c.socket.Close()
}

// serveFrame reads a frame and handles it.
func (c *conn) serveFrame() error {
	h, err := c.in.next()
	switch {
	case err != nil:
		return err
	case h.flags&flagReply != 0:
		return c.takeReply(h)
	case h.flags == flagCancel:
		c.cancel(h.id)
		return nil
	case c.limit > 0 && h.size > c.limit:
		return fmt.Errorf("a frame of kind %d with %d bytes", h.kind, h.size)
	case h.flags == flagCall && c.handlers[h.kind].call != nil:
		return c.takeCall(h)
	case h.flags == 0 && c.handlers[h.kind].note != nil:
		payload, fds, err := c.in.payload(h, false)
		closeFDs(fds)
		if err != nil {
			return err
		}
		return c.handlers[h.kind].note(payload)
	}
	return fmt.Errorf("an unexpected frame of kind %d with flags %#x", h.kind, h.flags)
}

// takeReply delivers a reply to its call.
func (c *conn) takeReply(h header) error {
	c.mu.Lock()
	p := c.calls[h.id]
	delete(c.calls, h.id)
	c.mu.Unlock()
	if p == nil {
		return fmt.Errorf("a reply to no call: kind %d, id %d", h.kind, h.id)
	}
	var err error
	if p.kind != h.kind || h.size > p.limit {
		err = fmt.Errorf("a reply of kind %d with %d bytes to a call of kind %d, which may get %d", h.kind, h.size, p.kind, p.limit)
	} else {
		p.reply, p.fds, err = c.in.payload(h, true)
	}
	switch {
	case err != nil:
		p.reply, p.err = nil, errEnded
	case h.flags&flagError != 0:
		closeFDs(p.fds)
		p.reply, p.fds, p.err = nil, nil, decodeError(p.reply)
	}
	p.done <- struct{}{}
	return err
}

// maxEarly bounds the cancellations that are remembered of calls that come later, through a lane.
const maxEarly = 64

// cancel ends the context of a call of the peer, unless it has been served.
func (c *conn) cancel(id uint64) {
	c.mu.Lock()
	cancel := c.requests[id]
	if cancel == nil {
		if len(c.early) == maxEarly {
			c.early = c.early[1:]
		}
		c.early = append(c.early, id)
	}
	c.mu.Unlock()
	if cancel != nil {
		cancel()
	}
}

// serving returns the context of a call that comes through a lane. The caller must call done.
func (c *conn) serving(id uint64) (ctx context.Context, done func()) {
	ctx, cancel := context.WithCancel(context.Background())
	c.mu.Lock()
	if i := slices.Index(c.early, id); i >= 0 || c.ended {
		cancel()
		c.early = slices.Delete(c.early, max(i, 0), i+1)
	}
	c.requests[id] = cancel
	c.mu.Unlock()
	return ctx, func() {
		c.mu.Lock()
		delete(c.requests, id)
		c.mu.Unlock()
		cancel()
	}
}

// takeCall lets a goroutine serve a call. Of a peer that is not trusted, it waits until replies have left:
// one that reads none is asked whether it still answers, and does not.
func (c *conn) takeCall(h header) error {
	if c.most > 0 {
		c.out.wait()
	}
	payload, fds, err := c.in.payload(h, true)
	if err != nil {
		return err
	}
	handler := &c.handlers[h.kind]
	ctx, cancel := context.WithCancel(context.Background())
	c.mu.Lock()
	_, known := c.requests[h.id]
	full := c.most > 0 && len(c.requests) >= c.most && !handler.free
	if !known && !full {
		c.requests[h.id] = cancel
	}
	c.mu.Unlock()
	switch {
	case known:
		cancel()
		closeFDs(fds)
		return fmt.Errorf("a call of kind %d with the id of another one", h.kind)
	case full:
		cancel()
		closeFDs(fds)
		busy := runtime.Errorf(runtime.CodeTooBusy, "too many calls of a worker are in progress")
		busy.RetryAfter = runtime.BusyRetry
		return c.reply(h, nil, nil, busy)
	}
	c.crew.do(func() {
		reply, replyFDs, err := handler.call(ctx, &request{h.id, payload, fds})
		c.mu.Lock()
		delete(c.requests, h.id)
		c.mu.Unlock()
		cancel()
		_ = c.reply(h, reply, replyFDs, err)
	})
	return nil
}

// reply replies to a call of the peer.
func (c *conn) reply(h header, reply []byte, fds []int, err error) error {
	flags := uint8(flagReply)
	if err != nil {
		closeFDs(fds)
		flags, reply, fds = flagReply|flagError, appendError(nil, err), nil
	}
	return c.out.send(header{kind: h.kind, flags: flags, id: h.id}, reply, nil, fds, true)
}
