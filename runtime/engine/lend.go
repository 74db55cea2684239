package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/dispatch"
	"github.com/faaspot/faaspot/runtime/queue"
	"github.com/faaspot/faaspot/runtime/redact"
)

// lendPatience is how long a run for the owner of the data waits for memory that is about to be free.
const lendPatience = 250 * time.Millisecond

var _ runtime.RunLender = (*Engine)(nil)

// lentRuns are the runs for the owner of the data, while they run.
type lentRuns struct {
	running atomic.Int64
	mu      sync.Mutex
	cancels map[*context.CancelCauseFunc]struct{}
	aborted bool // none begins any more
}

// begin counts a run. The caller must call end.
func (l *lentRuns) begin(ctx context.Context) (_ context.Context, end func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	l.running.Add(1)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cancels == nil {
		l.cancels = make(map[*context.CancelCauseFunc]struct{})
	}
	l.cancels[&cancel] = struct{}{}
	if l.aborted {
		cancel(runtime.ShuttingDownError())
	}
	return ctx, func() {
		l.mu.Lock()
		delete(l.cancels, &cancel)
		l.mu.Unlock()
		l.running.Add(-1)
		cancel(nil)
	}
}

// abort ends all runs, so that their owner queues them again.
func (l *lentRuns) abort() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.aborted = true
	for cancel := range l.cancels {
		(*cancel)(runtime.ShuttingDownError())
	}
}

// unused returns the error of a run that this node does not begin, for a reason of its own.
func unused(why error) error { return fmt.Errorf("%w: %w", runtime.ErrPlaceUnused, why) }

// unfit returns the error of a run that this node does not begin, although it would begin others.
func unfit(why error) error { return fmt.Errorf("%w: %w", runtime.ErrPlaceUnfit, why) }

// RunLent implements [runtime.RunLender]. The run is neither recorded nor listed here, and its end is not counted: the owner
// does that. It counts as one of the runs of its tenant here, and its bytes as egress here, where it has its network.
func (e *Engine) RunLent(ctx context.Context, c runtime.RunCall) (o runtime.Outcome, err error) {
	if err := e.enter(); err != nil {
		return o, unused(err)
	}
	defer e.gate.leave()
	if !e.follows() {
		return o, unused(errOwnsData)
	}
	p := &c.Program
	origin := &dispatch.Origin{Tenant: p.Tenant, Use: e.useOf(p.Tenant), FunctionID: p.FunctionID, Function: c.Info.Function, Version: p.Version, Pinned: c.Pinned}
	if err := origin.Use.BeginRun(); err != nil {
		return o, unfit(err)
	}
	defer e.endRun(p.Tenant, origin.Use)
	ctx, end := e.lent.begin(ctx)
	defer end()
	version, space, err := e.admitLent(ctx, origin, &c)
	if err != nil {
		return o, err
	}
	defer e.current.release(version)
	defer space.Release()
	if !e.follows() { // it owns the data since, and has looked at what runs before this
		return o, unused(errOwnsData)
	}
	if e.secrets != nil && len(c.Env) > 0 {
		defer e.secrets.Hold(redact.Texts(c.Env)...)()
	}
	c.Program, c.Context, c.Room = version.Program, version.Context, space
	if o, err = e.sandbox.Run(ctx, c); ctx.Err() != nil {
		if cause, ok := runtime.AsError(context.Cause(ctx)); ok && (err != nil || o.Failure != nil && o.Failure.Class == runtime.ClassCancelled) {
			return runtime.Outcome{Egress: o.Egress, Usage: o.Usage}, cause
		}
	}
	return o, err
}

// errOwnsData is why a node that owns the data lends nothing: it is the one that decides what runs where.
var errOwnsData = errors.New("this node owns the data")

// errOtherVersion is why a run for the owner does not begin: the two have not the same state of the function.
var errOtherVersion = errors.New("the current version of the function is another one here")

// errHasShare and errNoMemory are why a run for the owner does not begin: it would have to wait for others of its tenant, or of any.
var (
	errHasShare = errors.New("its function or its tenant has as much memory here as it may")
	errNoMemory = errors.New("this node has no memory for the run")
)

// admitLent waits until there is memory for a run for the owner, and returns its version, which is still the right one, and its memory.
// The caller must release both. The errors are ErrPlaceUnused.
func (e *Engine) admitLent(ctx context.Context, o *dispatch.Origin, c *runtime.RunCall) (*dispatch.Version, *queue.Run, error) {
	version, err := e.versionOf(ctx, o)
	if err != nil {
		return nil, nil, unfit(err)
	}
	limits := c.Limits
	if limits == (runtime.Limits{}) {
		limits = version.Program.Limits
	}
	turn := o.FunctionID
	if c.Info.JobExecution != "" {
		turn = c.Info.JobExecution
	}
	space := &queue.Run{
		Tenant: o.Tenant, Function: o.FunctionID, Group: dispatch.AdmissionGroup(turn), Bytes: limits.Reservation(), Usual: &version.Usual,
	}
	e.current.release(version) // what waits must not hold the code
	if err := e.admission.Possible(space.Bytes); err != nil {
		return nil, nil, unfit(err)
	}
	decided := make(chan bool, 1)
	e.admission.Enqueue(space, func(refused bool) { decided <- refused })
	timer := time.NewTimer(lendPatience)
	defer timer.Stop()
	var refused bool
	select {
	case refused = <-decided:
	case <-timer.C:
		if err = unused(errNoMemory); e.admission.Exceeds(space) {
			err = unfit(errHasShare)
		}
	case <-ctx.Done():
		err = unfit(context.Cause(ctx))
	}
	if err != nil {
		if e.admission.Withdraw(space) {
			return nil, nil, err
		}
		refused = <-decided // the decision came first
	}
	if refused {
		return nil, nil, unused(runtime.ShuttingDownError())
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	} else if version, err = e.versionOf(ctx, o); err == nil { // it may have changed meanwhile
		return version, space, nil
	}
	space.Release()
	return nil, nil, unfit(err)
}

// versionOf returns the version of an origin, if this node knows it as the one to run. The caller must release it.
func (e *Engine) versionOf(ctx context.Context, o *dispatch.Origin) (*dispatch.Version, error) {
	v, err := e.AcquireVersion(ctx, o)
	if err != nil {
		return nil, err
	}
	if v.Program.Version != o.Version {
		e.current.release(v)
		return nil, errOtherVersion
	}
	return v, nil
}

// Lendable implements [runtime.RunLender]. A node that owns the data lends nothing.
func (e *Engine) Lendable() (bytes int64, places int) {
	if !e.follows() {
		return 0, 0
	}
	return e.admission.Spare()
}

// lentList holds the runs that this process may adopt, by execution.
type lentList map[executionKey]runtime.LentRun

type executionKey struct {
	tenant runtime.Tenant
	id     string
}

func newLentList(all []runtime.LentRun) lentList {
	list := make(lentList, len(all))
	for _, l := range all {
		key := executionKey{l.Tenant, l.Execution}
		if known, twice := list[key]; twice { // of two attempts the store holds the later one as running, if any
			if known.Attempt > l.Attempt {
				l, known = known, l
			}
			cancelLent(known)
		}
		list[key] = l
	}
	return list
}

// adopts reports whether another node runs the attempt of an execution that is running.
func (l lentList) adopts(x *runtime.Execution) bool {
	found, ok := l[executionKey{x.Tenant, x.ID}]
	return ok && found.Attempt == x.Attempt
}

// take removes and returns the run of an execution that is adopted.
func (l lentList) take(x *runtime.Execution) runtime.LentRun {
	key := executionKey{x.Tenant, x.ID}
	defer delete(l, key)
	return l[key]
}

// cancelRest cancels the runs that are not adopted.
func (l lentList) cancelRest() {
	for _, run := range l {
		cancelLent(run)
	}
}

// cancelLent cancels a run that nobody waits for: its execution has ended, or has another attempt.
func cancelLent(l runtime.LentRun) { l.Place.Release() }

// logLimits are the bounds of the output of runs that are adopted, in bytes, by version.
type logLimits map[versionKey]int64

// of returns the bound of a run.
func (l logLimits) of(s runtime.Store, x *runtime.Execution, number uint64) int64 {
	key := versionKey{x.FunctionID, number}
	if known, ok := l[key]; ok {
		return known
	}
	limits := runtime.Limits{}.WithDefaults()
	if v, err := s.GetVersion(x.Tenant, x.FunctionID, number); err == nil { // else it was dropped since
		limits = v.Limits.WithDefaults()
	}
	l[key] = limits.Logs
	return limits.Logs
}
