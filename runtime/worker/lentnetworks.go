package worker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/worker/internal/wire"
)

// limitGrace is the time after which the server ends a connection that has reached a limit, if the worker
// has not.
const limitGrace = 5 * time.Second

// lentNetworks are the networks of the runs in one worker. The worker asks for each by the id of its run;
// it can name no other run than its own.
type lentNetworks struct {
	conn  *conn
	grace time.Duration // limitGrace, except in tests
	most  int           // sockets that the worker may have

	mu   sync.Mutex
	runs map[uint64]*lentNetwork
	lent int // sockets that the worker has
}

// lentNetwork is the network of a run, and the sockets of it that the worker has.
type lentNetwork struct {
	runtime.Network
	of *lentNetworks

	mu      sync.Mutex
	last    uint64 // id of the latest socket
	sockets map[uint64]*lentSocket
	ended   bool
}

// lentSocket is a socket that a worker reads and writes.
type lentSocket struct {
	runtime.Socket
	lender runtime.Lender
	grace  time.Duration

	mu             sync.Mutex
	connecting     runtime.Connecting // nil: it has connected, or cannot
	sent, received int64              // bytes that are counted
	limit          error              // that it has reached; it stays, as the connection ends
}

// newLentNetworks serves the calls about networks of a worker's connection.
func newLentNetworks(c *conn) *lentNetworks {
	l := &lentNetworks{conn: c, grace: limitGrace, most: mostSockets(), runs: make(map[uint64]*lentNetwork)}
	for k, serve := range map[kind]func(context.Context, *lentNetwork, *wire.Decoder) ([]byte, []int, error){
		kindResolve: l.resolve, kindCheck: l.check, kindServerName: l.serverName,
		kindConnect: l.connect, kindDial: l.dial, kindConnected: l.connected, kindCount: l.count, kindFlush: l.flush,
	} {
		c.handle(k, func(ctx context.Context, payload []byte, fds []int) ([]byte, []int, error) {
			closeFDs(fds)
			d := wire.Decode(payload)
			run := d.Uint()
			if run == 0 {
				d.Fail()
				return nil, nil, l.malformed(&d)
			}
			n := l.find(run)
			if n == nil {
				return nil, nil, runEndedError()
			}
			reply, replyFDs, err := serve(ctx, n, &d)
			return reply, replyFDs, crossing(err)
		})
	}
	c.handlers[kindMade].note = l.made
	c.handlers[kindHangUp].note = l.hangUp
	return l
}

// crossing returns an error of a network as the worker gets it: of its causes only numbers of the system
// arrive there.
func crossing(err error) error {
	var number syscall.Errno
	if errors.As(err, &number) || !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	e := runtime.Errorf(runtime.CodeUnavailable, "no answer arrived in time")
	if coded, ok := runtime.AsError(err); ok {
		*e = *coded
	}
	e.Err = syscall.ETIMEDOUT
	return e
}

// open lends the network of a run to the worker, until close.
func (l *lentNetworks) open(run uint64, n runtime.Network) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.runs[run] = &lentNetwork{Network: n, of: l}
}

// close ends that. The caller of the run closes the network itself, and so all connections.
func (l *lentNetworks) close(run uint64) {
	l.mu.Lock()
	n := l.runs[run]
	delete(l.runs, run)
	l.mu.Unlock()
	if n == nil {
		return
	}
	n.mu.Lock()
	n.ended = true
	held := len(n.sockets)
	n.mu.Unlock()
	n.audit(0)
	l.hold(-held)
}

// mostSockets returns the number of sockets that a worker may have: of its descriptors, as many as leave
// those of its images and of its runs, so that it can receive others. It may open as many files as the server.
func mostSockets() int {
	const parts, of = 3, 8
	var l syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l) != nil {
		return 0
	}
	return int(min(l.Cur, 1<<20)) * parts / of
}

// hold counts n more sockets of the worker, and reports whether it may have them.
func (l *lentNetworks) hold(n int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n > 0 && l.lent+n > l.most {
		return false
	}
	l.lent += n
	return true
}

// audit counts the bytes that the worker has transferred and not reported.
func (l *lentNetworks) audit() {
	l.mu.Lock()
	all := slices.Collect(maps.Values(l.runs))
	l.mu.Unlock()
	for _, n := range all {
		n.audit(maxUncounted)
	}
}

// audit counts bytes of sockets of which the worker has not reported more than some.
func (n *lentNetwork) audit(more int64) {
	n.mu.Lock()
	all := slices.Collect(maps.Values(n.sockets))
	n.mu.Unlock()
	for _, s := range all {
		s.audit(more)
	}
}

// find returns the network of a run. Nil: the run has none, or has ended.
func (l *lentNetworks) find(run uint64) *lentNetwork {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.runs[run]
}

// malformed ends the connection of a worker that has sent a malformed message, and returns the error.
func (l *lentNetworks) malformed(d *wire.Decoder) error {
	err := d.Err()
	if err == nil {
		return nil
	}
	err = fmt.Errorf("about a network: %w", err)
	l.conn.abort(err)
	return runtime.Internal("worker.network", err)
}

func (l *lentNetworks) resolve(ctx context.Context, n *lentNetwork, d *wire.Decoder) ([]byte, []int, error) {
	family, host := d.String(maxNetworkText), d.String(maxHostText)
	if err := l.malformed(d); err != nil {
		return nil, nil, err
	}
	addresses, err := n.Resolve(ctx, family, host)
	if err != nil {
		return nil, nil, err
	}
	addresses = addresses[:min(len(addresses), runtime.MaxAddresses)]
	reply := wire.AppendUint(nil, uint64(len(addresses)))
	for _, a := range addresses {
		reply = wire.AppendBytes(reply, a.AsSlice())
	}
	return reply, nil, nil
}

func (l *lentNetworks) check(_ context.Context, n *lentNetwork, d *wire.Decoder) ([]byte, []int, error) {
	network, to := decodeTarget(d)
	if err := l.malformed(d); err != nil {
		return nil, nil, err
	}
	return nil, nil, n.Check(network, to)
}

func (l *lentNetworks) serverName(_ context.Context, n *lentNetwork, d *wire.Decoder) ([]byte, []int, error) {
	id, name := d.Uint(), d.String(maxHostText)
	if err := l.malformed(d); err != nil {
		return nil, nil, err
	}
	if id == 0 {
		return nil, nil, n.CheckServerName(name)
	}
	s := n.socket(id)
	if s == nil {
		return nil, nil, socketClosedError()
	}
	return nil, nil, s.CheckServerName(name)
}

// socketClosedError returns the error for a socket that is closed, or that there is not.
func socketClosedError() error {
	return runtime.Errorf(runtime.CodeUnavailable, "the connection is closed")
}

// connect replies with nothing if the address needs dial.
func (l *lentNetworks) connect(_ context.Context, n *lentNetwork, d *wire.Decoder) ([]byte, []int, error) {
	network, to := decodeTarget(d)
	if err := l.malformed(d); err != nil {
		return nil, nil, err
	}
	connector, ok := n.Network.(runtime.Connector)
	if !ok {
		return nil, nil, nil
	}
	c, err := connector.Connect(network, to)
	if c == nil || err != nil {
		return nil, nil, err
	}
	ended, failure := c.Connected()
	s := &lentSocket{Socket: c}
	if !ended {
		s.connecting = c
	}
	id, fd, err := n.lend(s)
	if err != nil {
		return nil, nil, err
	}
	reply := wire.AppendBool(wire.AppendUint(nil, id), ended)
	if failure != nil {
		reply = appendError(reply, crossing(failure))
	}
	return reply, []int{fd}, nil
}

func (l *lentNetworks) dial(ctx context.Context, n *lentNetwork, d *wire.Decoder) ([]byte, []int, error) {
	network, to := decodeTarget(d)
	if err := l.malformed(d); err != nil {
		return nil, nil, err
	}
	c, err := n.Dial(ctx, network, to)
	if err != nil {
		return nil, nil, err
	}
	id, fd, err := n.lend(&lentSocket{Socket: c})
	if err != nil {
		return nil, nil, err
	}
	return wire.AppendUint(nil, id), []int{fd}, nil
}

// lend gives a socket its id, and returns its descriptor. It closes the socket after an error.
func (n *lentNetwork) lend(s *lentSocket) (id uint64, fd int, err error) {
	if !n.of.hold(1) {
		_ = s.Close()
		return 0, 0, tooManyError("connections")
	}
	if id, fd, err = n.give(s); err != nil {
		_ = s.Close()
		n.of.hold(-1)
	}
	return id, fd, err
}

// give is lend for a socket that is held.
func (n *lentNetwork) give(s *lentSocket) (id uint64, fd int, err error) {
	s.grace = n.of.grace
	ok := false
	if s.lender, ok = s.Socket.(runtime.Lender); !ok {
		return 0, 0, runtime.Internal("worker.lend", errors.New("the socket cannot be lent"))
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ended {
		return 0, 0, runEndedError()
	}
	if fd, err = s.lender.Lend(); err != nil {
		return 0, 0, err
	}
	if n.sockets == nil {
		n.sockets = make(map[uint64]*lentSocket)
	}
	n.last++
	n.sockets[n.last] = s
	return n.last, fd, nil
}

// socket returns a socket that the worker has. Nil: it is closed, or there is none.
func (n *lentNetwork) socket(id uint64) *lentSocket {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.sockets[id]
}

func (l *lentNetworks) connected(_ context.Context, n *lentNetwork, d *wire.Decoder) ([]byte, []int, error) {
	id := d.Uint()
	if err := l.malformed(d); err != nil {
		return nil, nil, err
	}
	s := n.socket(id)
	if s == nil {
		return nil, nil, socketClosedError()
	}
	ended, err := s.settle()
	return wire.AppendBool(nil, ended), nil, err
}

// settle finds out whether the attempt to connect has ended, and its error.
func (s *lentSocket) settle() (ended bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.connecting == nil {
		return true, nil
	}
	if ended, err = s.connecting.Connected(); ended && err == nil {
		s.connecting = nil
	}
	return ended, err
}

// made handles the note that a socket has connected.
func (l *lentNetworks) made(payload []byte) error {
	d := wire.Decode(payload)
	run, id := d.Uint(), d.Uint()
	if err := d.Err(); err != nil {
		return fmt.Errorf("about a connection: %w", err)
	}
	if n := l.find(run); n != nil {
		if s := n.socket(id); s != nil {
			_, _ = s.settle() // the worker uses the socket, and so sees the error
		}
	}
	return nil
}

func (l *lentNetworks) count(_ context.Context, n *lentNetwork, d *wire.Decoder) ([]byte, []int, error) {
	id, sent, received := d.Uint(), d.Size(), d.Size()
	if err := l.malformed(d); err != nil {
		return nil, nil, err
	}
	s := n.socket(id)
	if s == nil {
		return nil, nil, nil
	}
	return nil, nil, s.count(sent, received)
}

// count counts the bytes of a socket, of which the worker reports the sum. Reports may overtake each other,
// and each gets the error of a limit that was reached, also one with nothing new.
func (s *lentSocket) count(sent, received int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	moreSent, moreReceived := max(0, sent-s.sent), max(0, received-s.received)
	s.sent, s.received = s.sent+moreSent, s.received+moreReceived
	err := s.Count(int(moreSent), int(moreReceived))
	if err != nil && s.limit == nil {
		s.limit = err
		time.AfterFunc(s.grace, func() { _ = s.Close() })
	}
	return s.limit
}

// audit counts bytes of the socket, if the worker has not reported more than some.
func (s *lentSocket) audit(more int64) {
	sent, received, ok := s.lender.Transferred()
	if !ok {
		return
	}
	s.mu.Lock()
	missing := max(0, sent-s.sent) + max(0, received-s.received)
	s.mu.Unlock()
	if missing > more {
		_ = s.count(sent, received) // after a limit it ends the connection
	}
}

// flush replies: notes that came before it have been handled.
func (l *lentNetworks) flush(_ context.Context, _ *lentNetwork, d *wire.Decoder) ([]byte, []int, error) {
	return nil, nil, l.malformed(d)
}

// hangUp handles the note that a socket is closed.
func (l *lentNetworks) hangUp(payload []byte) error {
	d := wire.Decode(payload)
	run, id, sent, received := d.Uint(), d.Uint(), d.Size(), d.Size()
	if err := d.Err(); err != nil {
		return fmt.Errorf("about a connection: %w", err)
	}
	n := l.find(run)
	if n == nil {
		return nil
	}
	n.mu.Lock()
	s := n.sockets[id]
	if n.ended {
		s = nil
	}
	if s != nil {
		delete(n.sockets, id)
	}
	n.mu.Unlock()
	if s == nil {
		return nil
	}
	l.hold(-1)
	_, _ = s.settle() // so that it counts as a connection
	_ = s.count(sent, received)
	s.audit(0)
	_ = s.Close()
	return nil
}
