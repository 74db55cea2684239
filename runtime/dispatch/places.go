package dispatch

import (
	"context"
	"errors"
	goruntime "runtime"
	"slices"
	"sync/atomic"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/memory"
)

// placeCounts counts attempts on other nodes.
type placeCounts struct {
	sent, unused, lost, adopted atomic.Uint64
}

// openPlaces begins a step of the leaser.
func (d *Dispatcher) openPlaces() {
	if d.o.Places == nil {
		return
	}
	freed, nodes, here := d.freed.Swap(false), d.o.Places.Nodes(), d.o.Admission.Figures()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.plan.open(d.clock(), freed, nodes, here, goruntime.GOMAXPROCS(0))
}

// book takes places on other nodes for those of a step that are to go away. Those that wait for memory here, and get one, go away at once.
// Of the others those that get one, or that cannot run, are leased with the others of the step; the rest keeps its turn.
func (d *Dispatcher) book(s *step) {
	if len(s.moves)+len(s.away) == 0 {
		return
	}
	taken, missed := 0, 0
	for _, a := range s.moves {
		switch place, ok := d.take(a); {
		case !ok:
			missed++
		case d.moveAway(a, place):
			taken++
		}
	}
	var without []*attempt
	for _, a := range s.away {
		var ok bool
		if err := d.findMemory(a); err != nil && a.ctx.Err() == nil { // it ends when it has a lease
			d.stay(a)
			s.batch = append(s.batch, a)
		} else if err != nil {
			without = append(without, a)
		} else if a.place, ok = d.take(a); ok {
			taken++
			s.batch = append(s.batch, a)
		} else {
			missed++
			without = append(without, a)
		}
	}
	for _, a := range without {
		d.releaseReserved(a)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, a := range slices.Backward(without) {
		d.plan.putBackInTurn(a)
	}
	d.plan.checkDrained() // it may be closing since they were chosen
	d.plan.settle(taken, missed)
	d.account()
}

// sureOutput is the divisor of the part of the memory budget that output may take although what is queued has taken all that it may:
// else a backlog that is full would keep its runs from the nodes that are to work it off.
const sureOutput = 64

// mostOutput is the memory that is taken for the output of an attempt that runs elsewhere, in bytes. Few write more; what they write
// is bounded by the limit of their output and the number of places.
const mostOutput = 64 * runtime.KiB

// take takes a place for an attempt, and memory for its output. If there is none, that is noted.
func (d *Dispatcher) take(a *attempt) (place runtime.Place, ok bool) {
	d.mu.Lock()
	hopeless := a.bytes >= d.plan.away.leastOf(a.run.Tenant)
	d.mu.Unlock()
	if hopeless {
		return nil, false
	}
	if d.takeOutput(a.output) {
		if place, ok = d.o.Places.Take(a.run.Tenant, a.bytes, a.run.Use.RunsHere()); ok {
			return countedPlace{place, d.output(), a.output}, true
		}
		d.output().Give(a.output)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.plan.miss(a, d.clock())
	return nil, false
}

// takeOutput takes memory for the output of an attempt that runs elsewhere. The leaser alone calls it.
func (d *Dispatcher) takeOutput(bytes int64) bool {
	account := d.output()
	if account.TryTake(bytes) {
		return true
	}
	if account.Held()+bytes > d.o.Memory.Total()/sureOutput {
		return false
	}
	account.Add(bytes)
	return true
}

// countedPlace is a place of a run for whose output memory is taken: it arrives while the run writes it.
type countedPlace struct {
	runtime.Place
	output *memory.Account
	bytes  int64
}

// Release implements [runtime.Place].
func (p countedPlace) Release() {
	p.output.Give(p.bytes)
	p.Place.Release()
}

// moveAway lets an attempt run at a place that waits for memory here, and reports whether it does: else it has its memory, or
// has ended.
func (d *Dispatcher) moveAway(a *attempt, place runtime.Place) bool {
	if !a.enqueued.Load() || !d.o.Admission.Withdraw(&a.memory) {
		place.Release()
		return false
	}
	a.enqueued.Store(false)
	a.place = place
	d.mu.Lock()
	d.plan.move(a)
	d.mu.Unlock()
	go d.runAway(a)
	return true
}

// stay lets an attempt that was to go away, and has no lease, begin here.
func (d *Dispatcher) stay(a *attempt) {
	d.releaseReserved(a)
	d.mu.Lock()
	defer d.mu.Unlock()
	a.run.Use.ForceRun()
	d.plan.fetch(a)
}

// Adopt makes an attempt that another process has begun one of this Dispatcher, which waits for its end: r is its execution, that
// the store holds as x. logs bounds its output in bytes. It is called before [Dispatcher.Start].
func (d *Dispatcher) Adopt(r *QueuedRun, x *runtime.Execution, l runtime.LentRun, logs int64) {
	d.counts.adopted.Add(1)
	a := d.newAttempt(r)
	r.waiting = x.Started.UnixNano()
	bytes := min(logs, mostOutput)
	d.output().Add(bytes)
	l.Place = countedPlace{l.Place, d.output(), bytes}
	a.place, a.adopted, a.started = l.Place, &l, x.Started
	a.began, a.logs = l.Started, runtime.NewLogBuffer(logs)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.plan.adopt(a)
	if a.cancelled = x.CancelRequested; a.cancelled {
		a.cancel()
	}
	d.account()
}

// runAway runs an attempt that has a lease at its place, to its end.
func (d *Dispatcher) runAway(a *attempt) {
	ctx, begins := d.beginAway(a)
	if !begins {
		a.place.Release()
		a.place = nil
		d.endUnstarted(a, a.onStopped(runtime.Outcome{}))
		return
	}
	d.o.Attempts.Notify(a.run.id)
	x, err := a.executeAway(ctx)
	switch {
	case errors.Is(err, runtime.ErrPlaceUnused):
		d.counts.unused.Add(1)
		d.comeBack(a)
		return
	case err != nil: // it is left
		a.place.Release()
		d.releaseVersions([]*attempt{a})
		d.mu.Lock()
		defer d.mu.Unlock()
		d.plan.drop(a)
		d.account()
		return
	}
	a.markReturned()
	x.Logs = a.logs.End()
	x.Timeline = a.timeline
	d.mu.Lock()
	a.leave = nil
	d.plan.away.learn(a.run.FunctionID, a.took)
	d.mu.Unlock()
	a.setResult(x)
	d.outbox.reserve(x.Weight()) // until then no other run takes the place, and has a result
	a.place.Release()
	d.handOver(a)
}

// beginAway lets an attempt at a place begin, unless it was stopped or this process does not begin anything any more.
func (d *Dispatcher) beginAway(a *attempt) (ctx context.Context, begins bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if a.adopted == nil {
		if a.ctx.Err() != nil || d.plan.closing {
			return nil, false
		}
		a.began = d.o.Now()
		if a.logs == nil { // else it was refused before
			a.logs = runtime.NewLogBuffer(a.version.Program.Limits.Logs)
		}
	}
	ctx, a.leave = context.WithCancelCause(a.ctx)
	if d.plan.closing && !a.isOwn() {
		d.plan.leaveTo(a)
	}
	return ctx, true
}

// executeAway runs an attempt at its place and returns the execution to store. The errors are ErrPlaceUnused, if it has not
// begun and this process may begin it, and ErrOwnerLeaves, if it goes on.
func (a *attempt) executeAway(ctx context.Context) (x runtime.Execution, err error) {
	call := a.adoptedCall()
	if a.adopted == nil {
		var over bool
		call, x, over = a.prepare()
		defer a.dispatcher.args.Give(int64(len(call.Args)))
		if over {
			return x, nil
		}
		call.Pinned = a.run.Pinned
		a.dispatcher.counts.sent.Add(1)
	}
	outcome, err := a.place.Run(ctx, call)
	unused := errors.Is(err, runtime.ErrPlaceUnused)
	switch {
	case unused && a.ctx.Err() == nil && a.adopted == nil:
		return x, runtime.ErrPlaceUnused
	case (err != nil || outcome.Failure != nil && outcome.Failure.Class == runtime.ClassCancelled) && a.isLeft():
		return x, runtime.ErrOwnerLeaves
	case unused && a.ctx.Err() == nil: // the node had not begun it when this process became the owner
		a.takeBack()
		return a.requeued(), nil
	case unused:
		err = runtime.ErrPlaceLost // it was stopped
	}
	now := a.dispatcher.o.Now()
	for _, c := range outcome.Egress {
		if a.isOwn() {
			break // this node has counted it
		}
		_ = a.run.Use.CountEgress(c.Sent+c.Received, now) // it was sent; the other node has kept to the limit
	}
	return a.conclude(outcome, err), nil
}

// adoptedCall returns the call of an attempt that was adopted.
func (a *attempt) adoptedCall() (call runtime.RunCall) {
	if l := a.adopted; l != nil {
		call.Program = runtime.Program{Tenant: l.Tenant, FunctionID: a.run.FunctionID, Version: l.Version}
		call.Info = runtime.RunInfo{Execution: a.run.id, Attempt: l.Attempt, Function: a.run.Function}
		call.Logs = a.logs
	}
	return call
}

// leaveAdopted leaves an attempt that was adopted, and whose end nobody would write, to the next owner of the data.
func (d *Dispatcher) leaveAdopted(a *attempt) {
	ctx, leave := context.WithCancelCause(context.Background())
	leave(runtime.ErrOwnerLeaves)
	_, _ = a.place.Run(ctx, a.adoptedCall()) // what has ended there meanwhile, the next owner finds
	a.place.Release()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.plan.drop(a)
	d.account()
}

// takeBack notes that the attempt has not begun, and that its run goes in front of its group again.
func (a *attempt) takeBack() {
	a.dispatcher.mu.Lock()
	defer a.dispatcher.mu.Unlock()
	a.takenBack = true
}

// isLeft reports whether the attempt is left to the next owner of the data.
func (a *attempt) isLeft() bool {
	a.dispatcher.mu.Lock()
	defer a.dispatcher.mu.Unlock()
	return a.left
}

// comeBack lets an attempt whose place was not used begin here, if there is room for it; else it is queued again, behind others
// that were refused.
func (d *Dispatcher) comeBack(a *attempt) {
	a.place.Release()
	a.place = nil
	d.mu.Lock()
	begins := d.plan.comeBack(a, d.clock())
	d.mu.Unlock()
	if begins {
		d.admit(a)
		return
	}
	a.logs.End()
	d.endUnstarted(a, a.onStopped(runtime.Outcome{}))
}
