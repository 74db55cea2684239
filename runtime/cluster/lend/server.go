package lend

import (
	"container/list"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
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
	// lingerTime is how long a node keeps an end that the owner has acknowledged, if there is memory: the owner may be lost
	// before it has recorded it, and so are the ends of all the time for which it could not write to the log. It is longer than an
	// owner that answers and cannot write is tolerated ([cluster.StuckTime]). The owner must have sent something that long after, so
	// that the ends of its last moments are kept for HoldTime.
	lingerTime = 30 * time.Second
	// heldShare is the divisor of the memory budget that ends may take which no owner takes at present, and maxHeldBytes bounds
	// that, in bytes. Those that are on their way to an owner are never given up: instead, nothing begins.
	heldShare    = 16
	maxHeldBytes = 64 << 20
	// maxRuns bounds the runs that run or whose ends the owner does not have, and the further ends that are kept.
	maxRuns = 1 << 13
	// recentGrants is the number of grants that may be valid at once.
	recentGrants = int(grantTime/askTime) + 1
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
	maxHeld int64  // bytes of ends
	name    string // of this Server

	mu      sync.Mutex
	epoch   uint64 // the latest of a hello, and the owner of it
	owner   string
	session *session // nil: there is none
	since   time.Time
	runs    map[key]*lentRun
	active  int                 // runs that have not ended
	bytes   int64               // that they may use
	held    int64               // bytes of ends that the owner does not have
	kept    int64               // bytes of ends that it has acknowledged
	acked   list.List           // of *lentRun, with these ends: those first that were acknowledged first
	expiry  *time.Timer         // of what is kept without a connection
	grants  [recentGrants]grant // the last ones
	stopped bool                // no run begins
	closed  bool                // no owner is served
	idle    chan struct{}       // closed when stopped and no run is active
}

// lentRun is a run that the node has begun. The mutex of its Server guards what follows logs.
type lentRun struct {
	offered
	cancel context.CancelCauseFunc
	over   chan struct{} // closed when it has ended
	logs   *runtime.LogBuffer

	sent        int    // bytes of output that the owner has, or are on the way
	taken       bool   // the owner waits for it, on the present connection
	queued      bool   // in session.ready
	cancelledIn uint64 // the epoch of the owner that has cancelled it; 0: none has
	unwanted    bool   // it is forgotten when it ends
	ended       bool
	outcome     runtime.Outcome // without logs
	fault       *fault
	rest        runtime.Logs // all of its output, when it has ended
	size        int64        // bytes that are counted
	ackedAt     time.Time
	acked       *list.Element // of Server.acked; nil: the owner does not have its end
}

// NewServer returns a Server. Close must be called.
func NewServer(o ServerOptions) *Server {
	return &Server{
		ServerOptions: o, account: o.Memory.Open(memory.Options{Name: "runs for another node", Heap: true}),
		maxHeld: min(o.Memory.Total()/heldShare, maxHeldBytes), name: rand.Text(), runs: make(map[key]*lentRun), idle: make(chan struct{}),
	}
}

// Close refuses further runs, and waits until those that run have ended, or ctx ends. Then it cancels them: their owner
// queues them again without a charge. It returns when it has sent the ends, or cannot, and closes the connection.
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

// flush waits until the owner has all ends that it waits for, and the answers to all calls that it has sent, for a short time.
// An owner whose connection is lost may come back meanwhile.
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

// flushed reports whether nothing is left to send to an owner.
func (s *Server) flushed() bool {
	if x := s.session; x != nil && (!x.noted || x.sending || len(x.answers) > 0) {
		return false
	}
	for _, r := range s.runs {
		if r.ended && r.acked == nil && (r.taken || s.session == nil) {
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
	paced := &pacedConn{conn, helloTime}
	link := mesh.NewLink(paced)
	defer func() { _ = link.Close() }()
	var h hello
	if err := link.Receive(&h, helloTime); err != nil {
		return err
	}
	x, o := s.attach(h, conn)
	if x != nil {
		defer s.detach(x)
	}
	if err := link.Send(o, helloTime); err != nil {
		return err
	}
	if x == nil {
		return fmt.Errorf("the owner %s of epoch %d is refused: %s", h.Owner, h.Epoch, o.Refused)
	}
	paced.limit = silenceTime
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
	}
}

// attach makes a connection the one of the owner, and returns what is offered. The session is nil if the owner is refused.
func (s *Server) attach(h hello, conn net.Conn) (*session, offer) {
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
	again := h.Epoch == s.epoch && h.Owner == s.owner
	s.epoch, s.owner, s.grants = h.Epoch, h.Owner, [recentGrants]grant{}
	s.session = &session{server: s, conn: conn, epoch: h.Epoch, again: again, wake: make(chan struct{}, 1), closed: make(chan struct{})}
	if s.stopped {
		s.session.notify()
	}
	o := offer{Server: s.name}
	for _, r := range s.runs {
		r.taken, r.queued, r.sent = false, false, 0
		if !again {
			s.unack(r) // this owner may not have recorded its end
		}
		if !r.unwanted && r.acked == nil {
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

// obey does what an owner asks for.
func (s *Server) obey(x *session, o *order) error {
	known, lends := s.Epoch(), len(o.Calls) > 0 && s.Lends()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.session != x || known > x.epoch {
		return errSuperseded
	}
	for _, k := range o.Acks {
		if r := s.runs[k]; r != nil && r.ended && r.taken {
			s.ack(r)
		}
	}
	for _, k := range o.Drops {
		switch r := s.runs[k]; {
		case r == nil || r.taken:
		case r.ended && x.again: // the owner has its end, whose acknowledgement was lost with the connection before
			s.ack(r)
		default:
			s.drop(r)
		}
	}
	for _, t := range o.Takes {
		if r := s.runs[t.Key]; r == nil || r.unwanted {
			x.answer(t.Key, lostFault)
		} else {
			s.unack(r)
			r.taken, r.sent = true, max(t.From, 0)
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
			r.taken = false
		}
	}
	x.noted = x.noted || o.Noted
	if o.Asks > 0 {
		x.asked = o.Asks
		x.notify()
		s.sweep(time.Now().Add(-lingerTime))
	}
	return nil
}

// begin begins a run if the node lends.
func (s *Server) begin(x *session, c *call, lends bool) {
	k := c.key()
	if r := s.runs[k]; r != nil {
		if !r.taken || r.acked != nil {
			x.answer(k, lostFault) // it has run
		}
		return
	}
	var most grant
	for _, g := range s.grants {
		most.Runs, most.Bytes = max(most.Runs, g.Runs), max(most.Bytes, g.Bytes)
	}
	full := s.active >= most.Runs || s.bytes+c.Bytes > most.Bytes || len(s.runs)-s.acked.Len() >= maxRuns || s.held > s.maxHeld
	if !lends || s.stopped || full || c.Bytes < 0 || !s.account.TryTake(c.size()) {
		x.answer(k, unusedFault)
		return
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	r := &lentRun{
		offered: offered{Key: k, Tenant: c.Tenant, Version: c.Version, Bytes: c.Bytes, Started: time.Now().UTC()},
		cancel:  cancel, over: make(chan struct{}), logs: runtime.NewLogBuffer(c.LogLimit), taken: true, size: c.size(),
	}
	s.runs[k] = r
	s.active++
	s.bytes += c.Bytes
	go s.run(ctx, r, runtime.RunCall{
		Program: runtime.Program{Tenant: c.Tenant, FunctionID: c.FunctionID, Version: c.Version},
		Args:    c.Args, Env: c.Env, Limits: c.Limits, Info: c.Info, Pinned: c.Pinned, Logs: r.logs,
	})
}

// run runs a function. It is called without mu.
func (s *Server) run(ctx context.Context, r *lentRun, c runtime.RunCall) {
	defer r.cancel(nil)
	timer := time.AfterFunc(followPause, func() { s.follow(r) })
	outcome, err := s.Lender.RunLent(ctx, c)
	timer.Stop()
	close(r.over)
	logs := r.logs.End()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.resize(r, int64(len(outcome.Result))+r.logs.Size()+partBytes)
	s.active--
	s.bytes -= r.Bytes
	s.held += r.size
	r.ended, r.outcome, r.rest, r.fault = true, outcome, logs, newFault(err)
	r.outcome.Logs = runtime.Logs{}
	s.settle()
	if unused := r.fault != nil && r.fault.Unused; unused || r.unwanted || s.closed {
		s.forget(r)
		if unused && r.taken {
			s.session.answer(r.Key, r.fault)
		}
		return
	}
	if !s.makeRoom() && !r.taken { // no owner takes ends
		r.outcome, r.rest, r.fault = runtime.Outcome{}, runtime.Logs{}, lostFault
		s.resize(r, partBytes)
	}
	if r.taken {
		s.session.queue(r)
	}
}

// drop cancels a run that nobody wants, and forgets it when it has ended.
func (s *Server) drop(r *lentRun) {
	if r.ended {
		s.forget(r)
		return
	}
	r.unwanted, r.taken = true, false
	r.cancel(nil)
}
