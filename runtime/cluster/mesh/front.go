package mesh

import (
	"context"
	"crypto/tls"
	"errors"
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
	// clientTime and ownerTime bound how long a client, and the owner, may take to read what was sent. An owner does not
	// read the next request of a connection before it has answered the last one.
	clientTime = 15 * time.Second
	ownerTime  = 5 * time.Minute
	// halfTime bounds how long one direction of a tunnel stays open when the other one has ended, and nothing comes.
	halfTime = 10 * time.Second
	// quietTime is the time after an answer without any byte after which a connection ends when the node stops.
	quietTime = time.Second
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
	slots    *places
	ctx      context.Context
	cancel   context.CancelFunc
	times    times

	mu     sync.Mutex
	joined map[*joined]bool

	own     atomic.Pointer[Queue] // of a server for all connections; nil: they are led to the owner
	standby atomic.Pointer[Queue] // of a server for connections that cannot be led there
}

// times are bounds of the connections of a Front, which tests change.
type times struct{ client, owner, half time.Duration }

// NewFront returns a front for the connections of a listener. Serve must be called.
func NewFront(ln net.Listener, o FrontOptions) *Front {
	f := &Front{FrontOptions: o, listener: ln, slots: newPlaces(maxTunnels), joined: make(map[*joined]bool), times: times{clientTime, ownerTime, halfTime}}
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
		leave, ok := f.slots.take(client)
		if !ok {
			f.keep(client)
			return
		}
		f.group.Go(func() {
			defer leave()
			f.lead(client)
		})
	})
}

// Stop stops accepting connections.
func (f *Front) Stop() error { return f.listener.Close() }

// Drain waits until the connections that lead to another node have ended, until ctx ends. It ends those that wait for the
// next request of their clients. Stop must have been called.
func (f *Front) Drain(ctx context.Context) {
	ticker := time.NewTicker(watchTime)
	defer ticker.Stop()
	for {
		f.mu.Lock()
		left := len(f.joined)
		for j := range f.joined {
			if j.quiet() {
				go j.end()
			}
		}
		f.mu.Unlock()
		if left == 0 {
			return
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// Close stops accepting connections, and ends those that lead to another node.
func (f *Front) Close() error {
	err := f.Stop()
	if errors.Is(err, net.ErrClosed) { // Stop was called before
		err = nil
	}
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
	times
	owner          string
	client, server net.Conn
	asked          atomic.Bool  // the last bytes came from the client
	moved          atomic.Int64 // when, in nanoseconds since 1970
}

// end closes both sides.
func (j *joined) end() { _, _ = j.client.Close(), j.server.Close() }

// quiet reports whether the connection waits for the next request of its client.
func (j *joined) quiet() bool {
	return !j.asked.Load() && time.Since(time.Unix(0, j.moved.Load())) >= quietTime
}

// join copies between two connections until both directions have ended, or another node owns the data.
func (f *Front) join(client, server net.Conn, owner cluster.Status) {
	j := &joined{times: f.times, owner: owner.Node, client: client, server: server}
	j.moved.Store(time.Now().UnixNano())
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
	up := &stream{to: server, from: client, patience: j.times.owner, moved: func() { j.note(true) }}
	down := &stream{to: client, from: server, patience: j.times.client, moved: func() { j.note(false) }}
	up.other, down.other = down, up
	var both sync.WaitGroup
	for _, one := range []*stream{up, down} {
		both.Go(func() {
			if !one.pour(j.half) {
				j.end() // nothing that the other side sends helps any more
			}
		})
	}
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

// note notes that bytes have come from the client, or from the owner.
func (j *joined) note(asked bool) {
	j.asked.Store(asked)
	j.moved.Store(time.Now().UnixNano())
}

// stream is one direction of a connection.
type stream struct {
	to, from net.Conn
	patience time.Duration // within which to must read
	moved    func()        // is called when bytes have come
	other    *stream
	half     atomic.Bool // the other direction has ended
}

// pour copies what one connection sends to another, and then says there that it was all. It returns false if the
// connection must end.
func (s *stream) pour(half time.Duration) bool {
	buf := make([]byte, copyBytes)
	for {
		n, err := s.from.Read(buf)
		if n > 0 {
			s.moved()
			if s.to.SetWriteDeadline(time.Now().Add(s.patience)) != nil {
				return false
			}
			if _, err := s.to.Write(buf[:n]); err != nil {
				return false
			}
			if s.half.Load() {
				_ = s.from.SetReadDeadline(time.Now().Add(half))
			}
		}
		if err != nil {
			if !errors.Is(err, io.EOF) || closeWrite(s.to) != nil {
				return false
			}
			// A side that sends no more may still read, but not for ever.
			s.other.half.Store(true)
			_ = s.to.SetReadDeadline(time.Now().Add(half))
			return true
		}
	}
}

// closeWrite says on a connection that nothing follows, also below its encryption: the other side may look there only.
func closeWrite(conn net.Conn) error {
	half, ok := conn.(halfCloser)
	if !ok {
		return errors.ErrUnsupported
	}
	err := half.CloseWrite()
	if encrypted, ok := conn.(*tls.Conn); ok && err == nil {
		if below, ok := encrypted.NetConn().(halfCloser); ok {
			err = below.CloseWrite()
		}
	}
	return err
}
