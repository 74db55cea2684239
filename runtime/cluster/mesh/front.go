package mesh

import (
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
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

// Front accepts the connections of clients for one server after the other.
type Front struct {
	listener net.Listener
	log      *slog.Logger
	serving  sync.WaitGroup

	own     atomic.Pointer[Queue] // of the present server; nil: there is none
	standby atomic.Pointer[Queue] // of the server in between
}

// NewFront returns a front for the connections of a listener. Serve must be called.
func NewFront(ln net.Listener, log *slog.Logger) *Front { return &Front{listener: ln, log: log} }

// Own returns a queue that gets all connections from now on, until it is closed.
func (f *Front) Own() *Queue {
	q := NewQueue(f.listener.Addr())
	f.own.Store(q)
	return q
}

// Standby returns a queue that gets the connections for which there is no server.
func (f *Front) Standby() *Queue {
	q := NewQueue(f.listener.Addr())
	f.standby.Store(q)
	return q
}

// Serve accepts connections until Stop or Close is called.
func (f *Front) Serve() {
	f.serving.Add(1)
	defer f.serving.Done()
	acceptAll(f.listener, f.log, func(client net.Conn) {
		if !f.own.Load().Put(client) && !f.standby.Load().Put(client) {
			_ = client.Close()
		}
	})
}

// Stop stops accepting connections.
func (f *Front) Stop() error { return f.listener.Close() }

// Close stops accepting connections, and returns when Serve does not use a queue any more.
func (f *Front) Close() error {
	err := f.Stop()
	if errors.Is(err, net.ErrClosed) { // Stop was called before
		err = nil
	}
	for _, q := range []*Queue{f.own.Load(), f.standby.Load()} {
		if q != nil {
			_ = q.Close() // Serve may wait for its server
		}
	}
	f.serving.Wait()
	return err
}
