package queue

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// Run is the memory of one run, from its wait in the queue to its end. The caller sets the exported
// fields before the run is given to an [Admission], and does not change them until it is released.
// Then the same Run may be used again.
type Run struct {
	Tenant   runtime.Tenant
	Function string // id: the runs of a function share a part of the memory
	Group    string // runs of one group start in the order in which they came
	Bytes    int64  // the most that the run may use
	// Usual says what runs of the same version hold while they wait. Nil: not known.
	Usual *Usual
	// Aside is called, under the lock of the Admission and at most once, if the run must wait until
	// others of its function or its tenant have ended. byTenant reports that it is the tenant that has its
	// share. Nil: nobody needs to know.
	Aside func(byTenant bool)

	admission *Admission
	charged   int64 // bytes that are taken for it

	// While it is in the queue:
	item      Item[*Run]
	aside     bool // Aside was called
	overtaken int  // runs that overtook it since it became its tenant's next
	// notify is called with the decision on a background run, under the lock of the
	// Admission. It is nil for a blocked caller, which waits for decided instead.
	notify  func(refused bool)
	decided chan struct{} // closed with the decision; in Reclaim, when the memory was taken back
	refusal error         // the decision, nil if the run starts
	holds   int64         // bytes of the request of a blocked caller

	// Since it has started:
	share    *share // of its function
	waits    bool   // since Lend or Park
	parked   bool   // since Park
	lent     int64  // bytes that it lends since then
	most     int64  // the most that it has held while it waited
	age      age
	position // among the runs of its function that take back what they have lent
}

var _ runtime.Room = (*Run)(nil)

// begin prepares the run for an Admission.
func (r *Run) begin(a *Admission) {
	*r = Run{Tenant: r.Tenant, Function: r.Function, Group: r.Group, Bytes: r.Bytes, Usual: r.Usual, Aside: r.Aside, admission: a}
}

// decide delivers the decision on a run that was in the queue: nil, or why it does not start.
func (r *Run) decide(refusal error) {
	if r.notify != nil {
		r.notify(refusal != nil)
		return
	}
	r.refusal = refusal
	close(r.decided)
}

// setAside notifies the owner of a run that waits for others of its function or its tenant.
func (r *Run) setAside(byTenant bool) {
	if r.Aside != nil && !r.aside {
		r.aside = true
		r.Aside(byTenant)
	}
}

func (r *Run) wants() int64 { return r.lent }

// Release returns the memory of a run that has ended.
func (r *Run) Release() {
	a := r.admission
	a.mu.Lock()
	defer a.mu.Unlock()
	if r.waits { // it has ended meanwhile
		if r.lent > 0 {
			a.memory.Forgive(r.lent)
		}
		a.forget(r)
		r.count(-r.charged, 0, -1)
	} else {
		r.count(-r.charged, -1, 0)
	}
	if r.most > 0 && r.Usual != nil {
		r.Usual.learn(r.most)
	}
	a.running--
	a.shares.leave(r)
	a.freeTenant(r.Tenant)
	a.memory.Return(r.charged)
	r.charged = 0
	a.admitIfWanted()
	a.memory.Serve()
}

// Lend implements [runtime.Room]. The run lends what it does not hold, or less if runs of its version
// usually hold more when they wait.
func (r *Run) Lend(held int64) { r.lend(held, false) }

// Park implements [runtime.Room].
func (r *Run) Park(held int64) { r.lend(held, true) }

func (r *Run) lend(held int64, parks bool) {
	a := r.admission
	a.mu.Lock()
	defer a.mu.Unlock()
	held = min(held, r.Bytes) // whatever a worker says
	r.most = max(r.most, held)
	keeps := held
	if r.Usual != nil {
		keeps = max(keeps, r.Usual.Bytes())
	}
	a.lend(r, min(keeps, r.Bytes))
	if r.parked = parks; parks {
		a.parked++
	}
	a.freeTenant(r.Tenant)
	a.admitIfWanted()
}

// Reclaim implements [runtime.Room]. The error is the cause of the end of ctx, or CodeUnavailable with
// a RetryAfter if the memory was not free within patience.
func (r *Run) Reclaim(ctx context.Context, patience time.Duration) error {
	a := r.admission
	a.mu.Lock()
	if (r.lent == 0 || a.ages.order.Len() == 0 && !a.startIsDue() && r.mayGoOn()) && a.takeBack(r) {
		a.mu.Unlock()
		return nil
	}
	r.decided = make(chan struct{})
	a.wait(r)
	a.admit()
	a.mu.Unlock()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-r.decided:
		return nil
	case <-ctx.Done():
	case <-timer.C:
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if r.age.element == nil {
		return nil
	}
	shares := r.mayGoOn()
	a.endWait(r)
	a.admit() // others may have waited behind it
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return stuckError(shares, patience)
}

// stuckError returns the error of a run that could not go on: for want of memory of the server or, unless
// its shares have room, of that of its function or tenant.
func stuckError(shares bool, patience time.Duration) error {
	err := runtime.Errorf(runtime.CodeUnavailable, "the run could not go on: after it had waited for something, the server had no memory left for it for %g seconds", patience.Seconds()).
		WithHint("try again in a moment, or run the server with a larger memory budget")
	if !shares {
		err = runtime.Errorf(runtime.CodeUnavailable, "the run could not go on: after it had waited for something, others of its function or tenant had all the memory that they may have at once for %g seconds", patience.Seconds()).
			WithHint("try again in a moment, or let fewer of them wait at once; " + runtime.RaiseHint)
	}
	err.RetryAfter = runtime.BusyRetry
	return err
}

// mayGoOn reports whether the shares of the run have room for it.
func (r *Run) mayGoOn() bool {
	for s := r.share; s.parent != nil; s = s.parent {
		if !s.hasRoom(r.lent) {
			return false
		}
	}
	return true
}

// Usual estimates what the runs of a version hold at most while they wait for something, so that a
// run that waits for the first time does not lend what it will hold when it waits again. The zero
// value knows nothing. All methods may be called concurrently.
type Usual struct{ bytes atomic.Int64 }

// Bytes returns the estimate: about the most that a recent run has held.
func (u *Usual) Bytes() int64 { return u.bytes.Load() }

// usualRuns is the number of runs after which most of a larger value is forgotten.
const usualRuns = 32

// learn adds what a run has held.
func (u *Usual) learn(held int64) {
	known := u.bytes.Load()
	if held < known {
		held = known - (known-held+usualRuns-1)/usualRuns
	}
	u.bytes.Store(held) // a value that another run stores meanwhile may be lost
}

// String is for tests and logs.
func (r *Run) String() string {
	return fmt.Sprintf("run of %s/%s: %d of %d bytes, %d lent", r.Tenant, r.Group, r.charged, r.Bytes, r.lent)
}
