package lend

import (
	"context"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// lentRun is a run that the node has begun. The mutex of its Server guards what follows logs.
type lentRun struct {
	offered
	cancel context.CancelCauseFunc
	over   chan struct{} // closed when it has ended
	logs   *runtime.LogBuffer

	sent        int    // bytes of output that the owner has, or are on the way
	taken       bool   // the owner waits for it, on the present connection
	left        bool   // the owner has left it to the next one
	queued      bool   // in session.ready
	cancelledIn uint64 // the epoch of the owner that has cancelled it; 0: none has
	unwanted    bool   // it is forgotten when it ends
	ended       bool
	outcome     runtime.Outcome // without logs
	fault       *fault
	rest        runtime.Logs // all of its output, when it has ended
	size        int64        // bytes that are counted
}

// The methods below are called with the mutex of the Server held, unless they say otherwise.

// begin begins a run if the node lends.
func (s *Server) begin(x *session, c *call, lends bool) {
	k := c.key()
	if r := s.runs[k]; r != nil {
		if !r.taken {
			x.answer(k, lostFault) // it has run
		}
		return
	}
	most := s.mostGranted()
	full := s.active >= most.Runs || s.bytes+c.Bytes > most.Bytes || len(s.runs) >= maxRuns || s.held > s.maxHeld
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
	if s.held > s.maxHeld && !r.taken { // no owner takes ends
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

// resize counts what a run holds.
func (s *Server) resize(r *lentRun, size int64) {
	s.account.Hold(size - r.size)
	if r.ended {
		s.held += size - r.size
	}
	r.size = size
}

// forget forgets a run that has ended.
func (s *Server) forget(r *lentRun) {
	if s.runs[r.Key] != r {
		return
	}
	delete(s.runs, r.Key)
	s.account.Give(r.size)
	s.held -= r.size
}

// stopped reports whether a run that was cancelled has ended for that.
func (r *lentRun) stopped() bool {
	if r.fault != nil {
		return !r.fault.WorkerLost && !r.fault.PlaceLost
	}
	return r.outcome.Failure != nil && r.outcome.Failure.Class == runtime.ClassCancelled
}
