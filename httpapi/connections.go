package httpapi

import (
	"container/list"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/memory"
	"github.com/faaspot/faaspot/runtime/netaddr"
)

const (
	// connBytes is the memory of a connection, in bytes: the library's buffers, contexts and
	// goroutine, and a small body and answer.
	connBytes = 40 * runtime.KiB
	// tlsBytes is what an encrypted connection takes besides, in bytes: the records that are read and
	// written, and the state of its handshake.
	tlsBytes = 48 * runtime.KiB
	// strangersShare is the divisor of the memory budget for connections without an accepted
	// token, and minStrangers the number of them that is allowed with any budget.
	strangersShare = 16
	minStrangers   = 64
	// maxPerAddress is the number of connections from one address on which no token was accepted,
	// beyond which those that are silent for silence are closed, the oldest first. A client that
	// opens many connections at once sends its requests within that time.
	maxPerAddress = 256
	silence       = time.Second
	// burstPerAddress is the number of those beyond which a new one is refused if none can be closed.
	burstPerAddress = 4 * maxPerAddress
	// stuckTime is the time after which a stranger that does not read its answer, or whose closed
	// connection is read on, may be closed to make room.
	stuckTime = 100 * time.Millisecond
	// idleShare is the divisor of the memory budget for all connections, beyond which idle ones
	// are closed.
	idleShare = 4
	// searchBound bounds the connections that one search for one to close looks at, and evictions
	// those that one new connection closes when memory is short.
	searchBound = 64
	evictions   = 4
	// stalled is the time after which a client that does not read counts as one, if memory is short.
	stalled = 2 * time.Second
	// acceptPause is the time between two attempts to accept when no file descriptor is free, and
	// the first one after any other error; each further error doubles it, up to maxAcceptPause.
	acceptPause    = 20 * time.Millisecond
	maxAcceptPause = time.Second
	// refuseTime bounds how long a refused client may take to receive the answer.
	refuseTime = 10 * time.Millisecond
)

// connections are the open connections of a server. There are two classes. Connections on which no
// token was accepted yet, strangers, are limited in all and for each address. When there are too
// many, those are closed for which the server waits longest, so that a new client that sends its
// request is served. Connections with an accepted token are limited only by memory and file
// descriptors; idle ones are closed if these are short.
type connections struct {
	memory    *memory.Account
	budget    *memory.Budget
	strangers int   // largest number of strangers
	files     int   // largest number of connections
	size      int64 // memory of one, in bytes
	// always makes room in the memory budget for every connection, whether it is used up or not.
	always bool

	mu      sync.Mutex
	number  int
	checked int64 // when dropStalled last looked, in Unix nanoseconds
	known   map[*conn]struct{}
	unknown *list.List                // of *conn, all strangers, oldest first
	from    map[netip.Addr]*list.List // of *conn, the same by address
}

// place is the place of a connection in the connections of its server.
type place struct {
	trusted atomic.Bool  // a token was accepted
	blocked atomic.Int64 // since when the server waits for a stranger, in Unix nanoseconds; 0: it does not
	stuck   atomic.Int64 // since when an answer is written to a stranger, or it lingers, likewise
	writes  atomic.Int64 // since when a piece of a large answer is written, in Unix nanoseconds; 0: none
	idle    atomic.Bool  // between two requests
	address netip.Addr

	// The mutex of connections guards these.
	charged      bool
	one, atOne   *list.Element // in unknown and from; nil: not a stranger
	disconnected bool          // closed to make room
}

// newConnections returns the connections of a listener, of which each takes size bytes.
func newConnections(b *memory.Budget, most int, size int64) *connections {
	return &connections{
		memory:    b.Open(memory.Options{Name: "connections of clients", Heap: true, Requests: true}),
		budget:    b,
		strangers: min(most, int(max(b.Total()/strangersShare/size, minStrangers))),
		size:      size,
		files:     maxConnections(),
		known:     make(map[*conn]struct{}),
		unknown:   list.New(),
		from:      make(map[netip.Addr]*list.List),
	}
}

// add adds a new connection, and closes others if there are too many. It reports false if there is
// no room for the new one.
func (s *connections) add(c *conn) bool {
	c.address = netaddr.Client(c.socket.RemoteAddr())
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.peer { // it has shown that it is one of the cluster
		if c.charged = s.charge(); c.charged {
			s.number++
			s.known[c] = struct{}{}
			c.trusted.Store(true)
		}
		return c.charged
	}
	if at := s.from[c.address]; at != nil {
		for n := 0; n < searchBound && at.Len() >= maxPerAddress && s.evictStranger(at, time.Now().Add(-silence)); n++ {
		}
		if at.Len() >= burstPerAddress {
			return false
		}
	}
	if s.unknown.Len() >= s.strangers && !s.evictStranger(s.unknown, time.Now()) {
		return false
	}
	if c.charged = s.charge(); !c.charged {
		return false
	}
	s.number++
	c.blocked.Store(time.Now().UnixNano()) // unless it has sent something
	c.one = s.unknown.PushBack(c)
	at := s.from[c.address]
	if at == nil {
		at = list.New()
		s.from[c.address] = at
	}
	c.atOne = at.PushBack(c)
	return true
}

// charge takes the memory of a new connection, and closes others if it is short. It reports false if
// there is no room.
func (s *connections) charge() bool {
	if s.always {
		s.memory.Add(s.size)
		return true
	}
	for s.number >= s.files || s.memory.Held() > s.budget.Total()/idleShare {
		if !s.evict() {
			break
		}
	}
	if s.number >= s.files {
		return false
	}
	for range evictions {
		if s.memory.TryTake(s.size) {
			return true
		}
		if !s.evict() {
			break
		}
	}
	return false
}

// accepted notes that a token was accepted on a connection.
func (s *connections) accepted(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.acquaint(c); !c.disconnected && !c.closed.Load() {
		s.known[c] = struct{}{}
	}
	c.trusted.Store(true)
}

// remove removes a connection that is closed.
func (s *connections) remove(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(c)
}

// evict closes a connection for which the server waits: a stranger if there is one, else an idle
// one.
func (s *connections) evict() bool {
	if s.evictStranger(s.unknown, time.Now()) {
		return true
	}
	looked := 0
	for c := range s.known {
		if c.idle.Load() && !c.peer && !c.readable() { // a node closes its own, and may be sending what must not be sent twice
			s.disconnect(c)
			return true
		}
		if looked++; looked == searchBound*searchBound {
			break
		}
	}
	return false
}

// evictStranger closes the oldest of some strangers for which the server waits since before a time,
// or whose clients do not read. Those that it may not close go to the end of the list, so that the
// next search looks at others.
func (s *connections) evictStranger(some *list.List, before time.Time) bool {
	for range min(searchBound, some.Len()) {
		e := some.Front()
		c := e.Value.(*conn)
		if c.waits(before) {
			s.disconnect(c)
			return true
		}
		some.MoveToBack(e)
	}
	return false
}

// waits reports whether the server waits for a stranger since before a time: for a request, or until
// it has read an answer.
func (c *conn) waits(before time.Time) bool {
	if since := c.blocked.Load(); since != 0 && since <= before.UnixNano() && !c.readable() {
		return true
	}
	since := c.stuck.Load()
	return since != 0 && since <= min(before.UnixNano(), time.Now().Add(-stuckTime).UnixNano())
}

// dropStalled closes connections whose clients have read nothing of a large answer for stalled.
func (s *connections) dropStalled() {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := time.Now().Add(-stalled).UnixNano()
	if s.checked > before {
		return
	}
	s.checked = time.Now().UnixNano()
	for c := range s.known {
		if since := c.writes.Load(); since != 0 && since <= before {
			s.disconnect(c)
		}
	}
}

// dropSilent closes the strangers that have sent nothing or do not read, for which a shutdown would
// wait.
func (s *connections) dropSilent() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for e := s.unknown.Front(); e != nil; {
		c := e.Value.(*conn)
		e = e.Next()
		if c.waits(time.Now()) {
			s.disconnect(c)
		}
	}
}

// silent reports whether there is a stranger that has sent nothing yet, or does not read. One that had an answer, and keeps its
// connection, is none.
func (s *connections) silent() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for e := s.unknown.Front(); e != nil; e = e.Next() {
		if c := e.Value.(*conn); !c.idle.Load() && c.waits(time.Now()) {
			return true
		}
	}
	return false
}

// disconnect closes a connection to make room. The goroutine that serves it notices.
func (s *connections) disconnect(c *conn) {
	c.disconnected = true
	s.drop(c)
	_ = c.socket.Close() // nothing waits for the client to read the end of an encrypted one
}

// drop forgets a connection and gives back its memory.
func (s *connections) drop(c *conn) {
	s.acquaint(c)
	delete(s.known, c)
	if c.charged {
		c.charged = false
		s.number--
		s.memory.Give(s.size)
	}
}

// acquaint removes a connection from the strangers.
func (s *connections) acquaint(c *conn) {
	if c.one == nil {
		return
	}
	s.unknown.Remove(c.one)
	at := s.from[c.address]
	if at.Remove(c.atOne); at.Len() == 0 {
		delete(s.from, c.address)
	}
	c.one, c.atOne = nil, nil
}

// evictOne closes a connection to make room, if it finds one.
func (s *connections) evictOne() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.evict()
}

// refusal is the answer on a connection for which there is no room.
var refusal = func() string {
	const body = `{"message":"the server has no room for another connection","error_code":"unavailable","hint":"try again in a moment"}`
	return "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nX-Content-Type-Options: nosniff\r\n" +
		"Retry-After: 1\r\nConnection: close\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body
}()

// listener accepts connections as conn. Close may be called more than once.
type listener struct {
	net.Listener
	server   *Server
	conns    *connections
	secure   *tls.Config // nil: connections are not encrypted
	peers    bool        // other nodes forward requests on them
	close    sync.Once
	closed   atomic.Bool
	closeErr error
}

func (l *listener) Close() error {
	l.close.Do(func() {
		l.closed.Store(true)
		l.closeErr = l.Listener.Close()
	})
	return l.closeErr
}

func (l *listener) Accept() (net.Conn, error) {
	s := l.server
	pause := acceptPause
	for {
		nc, err := l.Listener.Accept()
		if err != nil {
			if l.closed.Load() || errors.Is(err, net.ErrClosed) {
				return nil, err
			}
			// The library would stop serving for ever.
			s.opts.Log.Warn("http: cannot accept a connection", slog.Any("err", err))
			if noFile(err) {
				l.conns.evictOne()
				pause = acceptPause
			}
			time.Sleep(pause)
			pause = min(2*pause, maxAcceptPause)
			continue
		}
		pause = acceptPause
		c := s.newConn(nc, l)
		if l.conns.add(c) {
			return c, nil
		}
		if l.secure == nil && nc.SetWriteDeadline(time.Now().Add(refuseTime)) == nil {
			_, _ = nc.Write([]byte(refusal)) // the connection is refused whether or not it arrives
		}
		_ = nc.Close()
	}
}

// noFile reports whether a connection could not be accepted because the process or the system is
// short of something, or the client is gone.
func noFile(err error) bool {
	for _, short := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED} {
		if errors.Is(err, short) {
			return true
		}
	}
	return false
}
