package lend

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/cluster/mesh"
	"github.com/faaspot/faaspot/runtime/memory"
)

const (
	// HoldTime is how long a node without a connection to an owner goes on to run what it has begun, and keeps ends. It is
	// longer than it takes to replace an owner.
	HoldTime = time.Minute
	// heldShare is the divisor of the memory budget that ends may take which no owner takes at present, and maxHeldBytes bounds
	// that, in bytes. Those that are on their way to an owner are never given up: instead, nothing begins.
	heldShare    = 16
	maxHeldBytes = 64 << 20
	// maxRuns bounds the runs that run or whose ends the owner has not recorded.
	maxRuns = 1 << 13
	// recentTime is the time for which calls may come for a grant, and those of a grantSlot of it are kept as one.
	recentTime = grantTime + askTime
	grantSlot  = askTime / 4
)

// errSuperseded ends a connection of an owner when there is another one.
var errSuperseded = errors.New("there is a later connection, or a later owner")

// ServerOptions are the options of a Server. All must be set.
type ServerOptions struct {
	Lender runtime.RunLender
	// Lends reports whether the node lends at present.
	Lends func() bool
	// Epoch returns the latest epoch of an owner that the node knows.
	Epoch  func() uint64
	Memory *memory.Budget
	Log    *slog.Logger
}

// Server runs functions for the owner of the data.
type Server struct {
	ServerOptions
	account *memory.Account
	intake  *intake
	maxHeld int64  // bytes of ends
	name    string // of this Server

	mu      sync.Mutex
	epoch   uint64 // the latest of a hello, and the owner of it
	owner   string
	session *session // nil: there is none
	since   time.Time
	runs    map[key]*lentRun
	active  int           // runs that have not ended
	bytes   int64         // that they may use
	held    int64         // bytes of ends
	expiry  *time.Timer   // of what is kept without a connection
	grants  []pastGrant   // of the session, those of recentTime
	stopped bool          // no run begins
	closed  bool          // no owner is served
	idle    chan struct{} // closed when stopped and no run is active
}

// pastGrant is the most of the grants of a grantSlot.
type pastGrant struct {
	since time.Time
	grant
}

// NewServer returns a Server. Close must be called.
func NewServer(o ServerOptions) *Server {
	account := o.Memory.Open(memory.Options{Name: "runs for another node", Heap: true})
	return &Server{
		ServerOptions: o, account: account, intake: newIntake(account, o.Memory.Total()),
		maxHeld: min(o.Memory.Total()/heldShare, maxHeldBytes), name: rand.Text(), runs: make(map[key]*lentRun), idle: make(chan struct{}),
	}
}

// Close refuses further runs, and waits until those that run have ended, or ctx ends. Then it cancels them: their owner
// queues them again without a charge. It returns when the ends are recorded, or after a short time, and closes the connection.
func (s *Server) Close(ctx context.Context) {
	s.mu.Lock()
	if s.stopped {
		s.mu.Unlock()
		return
	}
	s.stopped = true
	s.settle()
	if s.session != nil {
		s.session.notify()
	}
	s.mu.Unlock()
	select {
	case <-s.idle:
	case <-ctx.Done():
		s.mu.Lock()
		for _, r := range s.runs {
			if !r.ended {
				r.cancel(runtime.ShuttingDownError())
			}
		}
		s.mu.Unlock()
		select {
		case <-s.idle:
		case <-time.After(silenceTime): // they do not end: the caller notices
		}
	}
	s.flush()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.session != nil {
		s.session.close()
	}
	if s.expiry != nil {
		s.expiry.Stop()
	}
	for _, r := range s.runs {
		if r.ended {
			s.forget(r)
		}
	}
}

// flush waits until the owner has recorded all ends that it waits for, and has the answers to all calls that it has sent, for a short time.
// An owner whose connection is lost may come back meanwhile. One that is silent is waited for only if there is something to give.
func (s *Server) flush() {
	for deadline := time.Now().Add(helloTime); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		s.mu.Lock()
		over := s.flushed()
		s.mu.Unlock()
		if over {
			return
		}
	}
}

// The methods below are called with mu held, unless they say otherwise.

// flushed reports whether an owner has recorded and answered all.
func (s *Server) flushed() bool {
	if x := s.session; x != nil && (!x.noted && !x.silent() || x.sending || len(x.answers) > 0) {
		return false
	}
	for _, r := range s.runs {
		if r.ended && (!r.left || s.session == nil) {
			return false
		}
	}
	return true
}

// settle closes idle if nothing runs and nothing will.
func (s *Server) settle() {
	if s.stopped && s.active == 0 {
		select {
		case <-s.idle:
		default:
			close(s.idle)
		}
	}
}

// Serve serves a connection of an owner until that ends, and returns why. It closes the connection. It takes mu, as do
// attach, detach, expire and obey.
func (s *Server) Serve(conn net.Conn) error {
	paced := &pacedConn{Conn: conn, limit: helloTime}
	link := mesh.NewLink(paced)
	defer func() { _ = link.Close() }()
	open, end := context.WithCancel(context.Background())
	defer end()
	size := &meter{intake: s.intake, ctx: open, most: maxHello}
	defer size.end()
	link.OnMessage(size.begin)
	var h hello
	if err := link.Receive(&h, helloTime); err != nil {
		return err
	}
	x, o := s.attach(h, paced)
	if x != nil {
		defer s.detach(x)
	}
	if err := link.Send(o, helloTime); err != nil {
		return err
	}
	if x == nil {
		return fmt.Errorf("the owner %s of epoch %d is refused: %s", h.Owner, h.Epoch, o.Refused)
	}
	paced.limit, size.most = silenceTime, math.MaxInt64
	var writing sync.WaitGroup
	defer writing.Wait()
	defer x.close()
	writing.Go(func() { x.write(link) })
	for {
		var o order
		if err := link.Receive(&o, silenceTime); err != nil {
			return err
		}
		if err := s.obey(x, &o); err != nil {
			return err
		}
		size.handled()
	}
}

// attach makes a connection the one of the owner, and returns what is offered. The session is nil if the owner is refused.
func (s *Server) attach(h hello, conn *pacedConn) (*session, offer) {
	known := s.Epoch()
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return nil, offer{Refused: "the node has stopped"}
	case h.Epoch < max(known, s.epoch):
		return nil, offer{Refused: "there is a later owner"}
	case h.Epoch == s.epoch && h.Owner != s.owner:
		return nil, offer{Refused: "another node has this epoch"}
	}
	if s.session != nil {
		s.session.close()
	}
	later := h.Epoch > s.epoch
	s.epoch, s.owner, s.grants = h.Epoch, h.Owner, nil
	s.session = &session{server: s, conn: conn, epoch: h.Epoch, wake: make(chan struct{}, 1), closed: make(chan struct{})}
	if s.stopped {
		s.session.notify()
	}
	o := offer{Server: s.name}
	for _, r := range s.runs {
		r.taken, r.queued, r.sent = false, false, 0
		r.left = r.left && !later
		if !r.unwanted {
			o.Runs = append(o.Runs, r.offered)
		}
	}
	return s.session, o
}

// detach notes that a connection has ended.
func (s *Server) detach(x *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.session != x {
		return
	}
	for _, r := range s.runs {
		r.taken = false
	}
	s.session, s.since = nil, time.Now()
	if since := s.since; !s.closed {
		s.expiry = time.AfterFunc(HoldTime, func() { s.expire(since) })
	}
}

// expire gives up all runs if there was no connection since a time.
func (s *Server) expire(since time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.session != nil || !s.since.Equal(since) {
		return
	}
	if len(s.runs) > 0 {
		s.Log.Warn("no owner of the data has asked for runs that this node has begun: they are given up", "runs", len(s.runs), "owner", s.owner)
	}
	for _, r := range s.runs {
		s.drop(r)
	}
}

// grant notes what is granted.
func (s *Server) grant(g grant) {
	now := time.Now()
	s.grants = slices.DeleteFunc(s.grants, func(p pastGrant) bool { return now.Sub(p.since) > recentTime+grantSlot })
	if n := len(s.grants); n == 0 || now.Sub(s.grants[n-1].since) >= grantSlot {
		s.grants = append(s.grants, pastGrant{since: now})
	}
	last := &s.grants[len(s.grants)-1]
	last.Runs, last.Bytes = max(last.Runs, g.Runs), max(last.Bytes, g.Bytes)
}

// mostGranted returns the most that calls may use now.
func (s *Server) mostGranted() (most grant) {
	for _, p := range s.grants {
		if time.Since(p.since) <= recentTime+grantSlot {
			most.Runs, most.Bytes = max(most.Runs, p.Runs), max(most.Bytes, p.Bytes)
		}
	}
	return most
}

// obey does what an owner asks for.
func (s *Server) obey(x *session, o *order) error {
	known, lends := s.Epoch(), len(o.Calls) > 0 && s.Lends()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.session != x || known > x.epoch {
		return errSuperseded
	}
	for _, k := range o.Acks {
		if r := s.runs[k]; r != nil && r.ended {
			s.forget(r)
		}
	}
	for _, k := range o.Drops {
		if r := s.runs[k]; r != nil && !r.taken {
			s.drop(r)
		}
	}
	for _, t := range o.Takes {
		switch r := s.runs[t.Key]; {
		case r == nil: // it was offered, and has not begun
			x.answer(t.Key, unusedFault)
		case r.unwanted:
			x.answer(t.Key, lostFault)
		default:
			r.taken, r.left, r.sent = true, false, max(t.From, 0)
			x.queue(r)
		}
	}
	for i := range o.Calls {
		s.begin(x, &o.Calls[i], lends)
	}
	for _, k := range o.Cancels {
		if r := s.runs[k]; r != nil && !r.ended {
			r.cancelledIn = x.epoch
			r.cancel(nil)
		}
	}
	for _, k := range o.Leaves {
		if r := s.runs[k]; r != nil {
			r.taken, r.left = false, true
		}
	}
	x.noted = x.noted || o.Noted
	if o.Asks > 0 {
		x.asked = o.Asks
		x.notify()
	}
	return nil
}
