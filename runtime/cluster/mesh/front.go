package mesh

import (
	"context"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/faaspot/faaspot/runtime/cluster"
)

const (
	// maxTunnels bounds the connections of clients that this node leads to another one.
	maxTunnels = 4 << 10
	// copyBytes is the size of the buffers of a tunnel, one in each direction, in bytes.
	copyBytes = 16 << 10
	// halfTime bounds how long one direction of a tunnel stays open when the other one has ended.
	halfTime = 10 * time.Second
	// watchTime is the time between two looks at who owns the data.
	watchTime = 500 * time.Millisecond
)

// Queue is a listener whose connections come from another one. A server may close it, while the other one stays open.
type Queue struct {
	address net.Addr
	conns   chan net.Conn
	closed  chan struct{}
	close   func()
}

// NewQueue returns a queue for connections to an address.
func NewQueue(address net.Addr) *Queue {
	q := &Queue{address: address, conns: make(chan net.Conn), closed: make(chan struct{})}
	q.close = sync.OnceFunc(func() { close(q.closed) })
	return q
}

// Put hands a connection over, and reports whether there is a server for it.
func (q *Queue) Put(conn net.Conn) bool {
	if q == nil {
		return false
	}
	select {
	case q.conns <- conn:
		return true
	case <-q.closed:
		return false
	}
}

// Accept implements [net.Listener].
func (q *Queue) Accept() (net.Conn, error) {
	select {
	case conn := <-q.conns:
		return conn, nil
	case <-q.closed:
		return nil, net.ErrClosed
	}
}

// Addr implements [net.Listener].
func (q *Queue) Addr() net.Addr { return q.address }

// Close implements [net.Listener].
func (q *Queue) Close() error {
	q.close()
	return nil
}

// FrontOptions are the options of a Front. All must be set.
type FrontOptions struct {
	Dialer Dialer
	// Owner returns the node that owns the data, if this node knows.
	Owner func() (cluster.Status, bool)
	Log   *slog.Logger
}

// Front accepts the connections of clients. It hands them to a server of this process, or leads them to the
// node that owns the data.
type Front struct {
	FrontOptions
	listener net.Listener
	group    sync.WaitGroup
	slots    chan struct{}
	ctx      context.Context
	cancel   context.CancelFunc

	mu     sync.Mutex
	joined map[*joined]bool

	own     atomic.Pointer[Queue] // of a server for all connections; nil: they are led to the owner
	standby atomic.Pointer[Queue] // of a server for connections that cannot be led there
}

// NewFront returns a front for the connections of a listener. Serve must be called.
func NewFront(ln net.Listener, o FrontOptions) *Front {
	f := &Front{FrontOptions: o, listener: ln, slots: make(chan struct{}, maxTunnels), joined: make(map[*joined]bool)}
	f.ctx, f.cancel = context.WithCancel(context.Background())
	return f
}

// Own returns a queue that gets all connections from now on, until it is closed.
func (f *Front) Own() *Queue {
	q := NewQueue(f.listener.Addr())
	f.own.Store(q)
	return q
}

// Standby returns a queue that gets the connections that cannot be led to the owner, until it is closed.
func (f *Front) Standby() *Queue {
	q := NewQueue(f.listener.Addr())
	f.standby.Store(q)
	return q
}

// Serve accepts connections until Close is called.
func (f *Front) Serve() {
	f.group.Add(1)
	defer f.group.Done()
	f.group.Go(f.watch)
	acceptAll(f.listener, f.Log, func(client net.Conn) {
		if f.own.Load().Put(client) {
			return
		}
		select {
		case f.slots <- struct{}{}:
			f.group.Go(func() {
				defer func() { <-f.slots }()
				f.lead(client)
			})
		default:
			f.keep(client)
		}
	})
}

// Close stops accepting connections, and ends those that lead to another node.
func (f *Front) Close() error {
	err := f.listener.Close()
	f.cancel()
	f.group.Wait()
	return err
}

// keep hands a connection to the server of those that cannot be led to the owner, or to one that has become
// the owner.
func (f *Front) keep(client net.Conn) {
	if !f.own.Load().Put(client) && !f.standby.Load().Put(client) {
		_ = client.Close()
	}
}

// lead leads a connection to the owner.
func (f *Front) lead(client net.Conn) {
	owner, ok := f.Owner()
	if !ok {
		f.keep(client)
		return
	}
	server, err := f.Dialer.Tunnel(f.ctx, owner.Address, client.RemoteAddr())
	if err != nil {
		f.Log.Debug("cannot lead a connection to the owner", "owner", owner.Node, "error", err)
		f.keep(client)
		return
	}
	f.join(client, server, owner)
}

// joined is a connection of a client that is led to an owner.
type joined struct {
	owner          string
	client, server net.Conn
}

// end closes both sides.
func (j *joined) end() { _, _ = j.client.Close(), j.server.Close() }

// join copies between two connections until both directions have ended, or another node owns the data.
func (f *Front) join(client, server net.Conn, owner cluster.Status) {
	j := &joined{owner.Node, client, server}
	f.mu.Lock()
	f.joined[j] = true
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		delete(f.joined, j)
		f.mu.Unlock()
		j.end()
	}()
	defer context.AfterFunc(f.ctx, j.end)()
	var both sync.WaitGroup
	both.Go(func() { pour(server, client) })
	both.Go(func() { pour(client, server) })
	both.Wait()
}

// watch ends the connections that lead to a node that does not own the data any more, until Close is called: it may
// stand still.
func (f *Front) watch() {
	ticker := time.NewTicker(watchTime)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-f.ctx.Done():
			return
		}
		now, known := f.Owner()
		own := f.own.Load().open()
		f.mu.Lock()
		for j := range f.joined {
			if own || known && now.Node != j.owner {
				go j.end() // closing an encrypted connection may wait
			}
		}
		f.mu.Unlock()
	}
}

// open reports whether a server accepts the connections of a queue.
func (q *Queue) open() bool {
	if q == nil {
		return false
	}
	select {
	case <-q.closed:
		return false
	default:
		return true
	}
}

// pour copies what one connection sends to another, and then says there that it was all.
func pour(to, from net.Conn) {
	_, err := io.CopyBuffer(struct{ io.Writer }{to}, struct{ io.Reader }{from}, make([]byte, copyBytes))
	half, ok := to.(halfCloser)
	if err != nil || !ok || half.CloseWrite() != nil {
		// Nothing that the other side sends helps any more.
		_, _ = to.Close(), from.Close()
		return
	}
	// A side that sends no more may still read, but not for ever.
	_ = to.SetReadDeadline(time.Now().Add(halfTime))
}
