package mesh

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/faaspot/faaspot/runtime/cluster"
)

const (
	// acceptPause is the time after a connection could not be accepted.
	acceptPause = 100 * time.Millisecond
	// maxStrangers bounds the connections that have not said yet what they want, or ask for the status.
	maxStrangers = 1 << 10
	// maxPeers bounds the connections on which other nodes send requests. One address may have as many as two nodes forward,
	// also when most are taken. maxLinks bounds those on which they send messages: a node has three.
	maxPeers = 2 * addressShare * maxForwarded
	maxLinks = 1 << 10
	// lingerTime and lingerBytes bound what is still read of a connection that this side has closed: closing
	// it with unread bytes would take from the other side what it has not read yet.
	lingerTime  = 5 * time.Second
	lingerBytes = 64 << 20
)

// ListenOptions are the options of Listen. All must be set, but TLS, Copy, Drain and Undrain.
type ListenOptions struct {
	TLS    *tls.Config // of the key of the cluster; nil: connections are not encrypted
	Status func() cluster.Status
	// Requests returns the queue that gets the connections on which other nodes send requests. Nil, and a closed one:
	// this node does not own the data.
	Requests func() *Queue
	// Link is called with each connection for messages of a kind from another node. It closes the connection.
	Link func(kind, node string, conn net.Conn)
	// Copy sends a copy of the data of this node, until ctx ends. Nil: this node sends none.
	Copy func(ctx context.Context, to net.Conn) error
	// Drain makes this node give up the data, see [cluster.Node.Drain], and lets its runs end for a while. Undrain takes
	// that back. Nil: other processes cannot ask for it.
	Drain   func(to string, grace time.Duration) error
	Undrain func()
	Log     *slog.Logger
}

// Listener serves other nodes.
type Listener struct {
	ListenOptions
	listener  net.Listener
	group     sync.WaitGroup
	strangers *places
	peers     *places
	links     *places
	ctx       context.Context // ends when Close is called
	cancel    context.CancelFunc
	copying   sync.Mutex // held while a copy is sent
}

// Listen serves other nodes on a listener, until Close is called.
func Listen(ln net.Listener, o ListenOptions) *Listener {
	l := &Listener{ListenOptions: o, listener: ln, strangers: newPlaces(maxStrangers), peers: newPlaces(maxPeers), links: newPlaces(maxLinks)}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	l.group.Go(func() {
		acceptAll(ln, o.Log, func(socket net.Conn) {
			leave, ok := l.strangers.take(socket)
			if !ok {
				_ = socket.Close()
				return
			}
			l.group.Go(func() {
				defer leave()
				l.serve(socket)
			})
		})
	})
	return l
}

// Close stops listening, and ends a copy that is being sent. Connections that were handed over stay open.
func (l *Listener) Close() error {
	err := l.listener.Close()
	l.cancel()
	l.group.Wait()
	return err
}

// acceptAll calls each with the connections of a listener until that is closed.
func acceptAll(ln net.Listener, log *slog.Logger, each func(net.Conn)) {
	for {
		conn, err := ln.Accept()
		switch {
		case err == nil:
			each(conn)
		case errors.Is(err, net.ErrClosed):
			return
		default:
			log.Warn("cannot accept a connection", "error", err)
			time.Sleep(acceptPause)
		}
	}
}

// serve reads the first line of a connection, and does what it says.
func (l *Listener) serve(socket net.Conn) {
	conn := socket
	if l.TLS != nil {
		conn = tls.Server(socket, l.TLS)
	}
	t := &tunnel{Conn: conn, socket: socket, leave: func() {}}
	if !l.hello(t) {
		_ = conn.Close()
		t.leave()
	}
}

// hello reports whether a connection was handed over.
func (l *Listener) hello(t *tunnel) bool {
	if t.SetDeadline(time.Now().Add(helloTime)) != nil {
		return false
	}
	line, err := readLine(t.Conn)
	if err != nil {
		return false
	}
	if line == statusLine {
		if text, err := json.Marshal(l.Status()); err == nil {
			_, _ = t.Write(text) // the other side asks again
		}
		return false
	}
	if line == copyLine {
		l.copyData(t)
		return false
	}
	if order, ok := strings.CutPrefix(line, drainLine); ok && l.Drain != nil {
		l.drain(t, order)
		return false
	}
	if line == requestsLine {
		requests := l.Requests()
		return requests.open() && accept(t, l.peers) && requests.Put(t)
	}
	link, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), linkLine)
	kind, node, named := strings.Cut(link, " ")
	if !ok || !named || !accept(t, l.links) {
		return false
	}
	go l.Link(kind, node, t)
	return true
}

// accept takes one of some places for a connection, and sends the line by which the other node knows.
func accept(t *tunnel, from *places) bool {
	leave, ok := from.take(t)
	if !ok {
		return false
	}
	t.leave = leave
	_, err := io.WriteString(t.Conn, acceptLine)
	return err == nil && t.SetDeadline(time.Time{}) == nil
}

// tunnel is a connection of another node.
type tunnel struct {
	net.Conn
	socket  net.Conn
	leave   func()     // gives back its place
	reading sync.Mutex // held by Read

	mu     sync.Mutex
	closed bool
}

// SyscallConn implements [syscall.Conn], by which a server sees that the other node has closed the connection.
func (t *tunnel) SyscallConn() (syscall.RawConn, error) {
	below, ok := t.socket.(syscall.Conn)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	return below.SyscallConn()
}

// unlessClosed calls f unless Close was called.
func (t *tunnel) unlessClosed(f func() error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return net.ErrClosed
	}
	return f()
}

// Read implements [net.Conn].
func (t *tunnel) Read(b []byte) (int, error) {
	t.reading.Lock()
	defer t.reading.Unlock()
	open := func() error { return nil }
	if err := t.unlessClosed(open); err != nil {
		return 0, err
	}
	n, err := t.Conn.Read(b)
	if err != nil && t.unlessClosed(open) != nil {
		err = net.ErrClosed
	}
	return n, err
}

// SetDeadline implements [net.Conn].
func (t *tunnel) SetDeadline(at time.Time) error {
	return t.unlessClosed(func() error { return t.Conn.SetDeadline(at) })
}

// SetReadDeadline implements [net.Conn].
func (t *tunnel) SetReadDeadline(at time.Time) error {
	return t.unlessClosed(func() error { return t.Conn.SetReadDeadline(at) })
}

// SetWriteDeadline implements [net.Conn].
func (t *tunnel) SetWriteDeadline(at time.Time) error {
	return t.unlessClosed(func() error { return t.Conn.SetWriteDeadline(at) })
}

// Close ends the connection, in the background: the other side still reads. A Read that waits ends.
func (t *tunnel) Close() error {
	err := t.unlessClosed(func() error {
		t.closed = true
		return t.Conn.SetReadDeadline(time.Unix(1, 0))
	})
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	go func() {
		defer t.leave()
		t.reading.Lock()
		defer t.reading.Unlock()
		linger(t.Conn)
	}()
	return nil
}

// halfCloser is a connection that can be closed for writing alone.
type halfCloser interface{ CloseWrite() error }

// linger closes a connection for writing, reads for a while what the other side still sends, and closes it.
func linger(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	if conn.SetDeadline(time.Now().Add(lingerTime)) != nil {
		return
	}
	if half, ok := conn.(halfCloser); ok && half.CloseWrite() == nil {
		_, _ = io.CopyN(io.Discard, conn, lingerBytes) // whatever it is
	}
}
