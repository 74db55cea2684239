package runtime

import (
	"cmp"
	"sync/atomic"
	"time"
)

// TenantUse counts what a tenant has in progress, and refuses what is beyond its limits. Nil is the
// use of a tenant without limits that cannot be deleted: it counts nothing. All methods may be called
// concurrently, and take no lock.
type TenantUse struct {
	requests, runs, queued atomic.Int64
	closed                 atomic.Bool
	waits                  atomic.Bool // a queued run waits for one that ends
	ownWorker              atomic.Bool // see [TenantRecord]

	began  time.Time
	full   atomic.Int64 // nanoseconds since began at which the bucket of requests is full again
	limits atomic.Pointer[TenantLimits]
}

// NewTenantUse returns the use of a tenant that has nothing in progress.
func NewTenantUse(l TenantLimits) *TenantUse {
	u := &TenantUse{began: time.Now()}
	u.SetLimits(l)
	return u
}

// SetLimits replaces the limits, which must be [TenantLimits.Effective]. What is in progress
// continues. It reports whether a queued run waits, see [TenantUse.TryRun].
func (u *TenantUse) SetLimits(l TenantLimits) (waits bool) {
	u.limits.Store(&l)
	u.full.Store(0)
	return u.waits.Swap(false)
}

// SetOwnWorker says whether further runs happen in a process that no other tenant shares.
func (u *TenantUse) SetOwnWorker(own bool) { u.ownWorker.Store(own) }

// OwnWorker reports what SetOwnWorker was called with.
func (u *TenantUse) OwnWorker() bool { return u != nil && u.ownWorker.Load() }

// Usage returns what is in progress, and the limits.
func (u *TenantUse) Usage() TenantUsage {
	return TenantUsage{Requests: u.requests.Load(), Runs: u.runs.Load(), Queued: u.queued.Load(), Limits: *u.limits.Load()}
}

// Enter counts a request, which must call Leave in the end. It reports false, and counts nothing,
// after Close.
func (u *TenantUse) Enter() bool {
	if u == nil {
		return true
	}
	u.requests.Add(1)
	if u.closed.Load() {
		u.requests.Add(-1)
		return false
	}
	return true
}

// Leave ends a request.
func (u *TenantUse) Leave() {
	if u != nil {
		u.requests.Add(-1)
	}
}

// Close refuses further requests.
func (u *TenantUse) Close() { u.closed.Store(true) }

// Reopen ends Close.
func (u *TenantUse) Reopen() { u.closed.Store(false) }

// Requests returns the number of requests in progress. Once it is zero after Close, no request is in
// progress any more; those that Enter refuses may be counted for a moment.
func (u *TenantUse) Requests() int64 { return u.requests.Load() }

// CheckRate takes a request from the bucket, which has room for RequestBurst of them and is filled at
// the rate RequestsPerSecond. The error, CodeTooBusy, has the time after which there is one again.
func (u *TenantUse) CheckRate() error {
	if u == nil {
		return nil
	}
	l := u.limits.Load()
	if l.RequestsPerSecond == 0 {
		return nil
	}
	each := int64(time.Second) / int64(l.RequestsPerSecond)
	now := int64(time.Since(u.began))
	for {
		full := u.full.Load()
		next := max(full, now) + each
		if wait := next - now - each*int64(l.RequestBurst); wait > 0 {
			err := tenantLimitError("the tenant sends too many requests: %d per second and %d at once are allowed", l.RequestsPerSecond, l.RequestBurst)
			err.RetryAfter = time.Duration(wait)
			return err
		}
		if u.full.CompareAndSwap(full, next) {
			return nil
		}
	}
}

// BeginRun counts a run, which must call EndRun in the end. The error is CodeTooBusy.
func (u *TenantUse) BeginRun() error {
	if u == nil || u.takeRun() {
		return nil
	}
	return u.runsError()
}

// CheckRuns returns the error that BeginRun would return now.
func (u *TenantUse) CheckRuns() error {
	if u == nil {
		return nil
	}
	if most := u.limits.Load().Runs; most > 0 && u.runs.Load() >= int64(most) {
		return u.runsError()
	}
	return nil
}

func (u *TenantUse) runsError() error {
	err := tenantLimitError("the tenant has as many runs as it may have at once: %d", u.limits.Load().Runs)
	err.Hint = "try again in a moment, or run the function in the background; " + raiseHint
	return err
}

// takeRun counts a run, unless there are as many as may be.
func (u *TenantUse) takeRun() bool {
	for {
		n := u.runs.Load()
		if most := u.limits.Load().Runs; most > 0 && n >= int64(most) {
			return false
		}
		if u.runs.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// TryRun counts a queued run that is about to start, as BeginRun does. After false the next EndRun or
// SetLimits reports that a run waits.
func (u *TenantUse) TryRun() bool {
	for u != nil && !u.takeRun() {
		if u.waits.Swap(true) {
			return false
		}
		// A run may have ended before waits was set: try once more.
	}
	return true
}

// ForceRun counts a run whatever the limits are.
func (u *TenantUse) ForceRun() {
	if u != nil {
		u.runs.Add(1)
	}
}

// EndRun ends a run. It reports whether a queued run waits for that.
func (u *TenantUse) EndRun() (waits bool) {
	if u == nil {
		return false
	}
	u.runs.Add(-1)
	return u.waits.Load() && u.waits.Swap(false)
}

// Reserve counts n executions that are about to be queued. The error is CodeTooBusy, or CodeTooLarge
// if so many can never be queued.
func (u *TenantUse) Reserve(n int) error {
	if u == nil {
		return nil
	}
	for {
		queued := u.queued.Load()
		if most := u.limits.Load().Queued; most > 0 && queued+int64(n) > int64(most) {
			err := tenantLimitError("the tenant has %d executions that wait in the background, and may have %d: there is no place for %d more", queued, most, n)
			if n > most {
				err.Code, err.RetryAfter = CodeTooLarge, 0
				err.Hint = "send fewer at once; " + raiseHint
			}
			return err
		}
		if u.queued.CompareAndSwap(queued, queued+int64(n)) {
			return nil
		}
	}
}

// Queue adds n to the executions that wait in the background, whatever the limits are.
func (u *TenantUse) Queue(n int) {
	if u != nil {
		u.queued.Add(int64(n))
	}
}

const raiseHint = "the operator of the server can raise the limit of the tenant"

func tenantLimitError(format string, args ...any) *Error {
	err := Errorf(CodeTooBusy, format, args...).WithHint("try again in a moment; " + raiseHint)
	err.RetryAfter = BusyRetry
	return err
}

// MaxTenantLimit is the largest value of each limit of a tenant.
const MaxTenantLimit = 1_000_000

// TenantLimits are the limits of a tenant. Zero: there is no limit, or none of this tenant alone.
type TenantLimits struct {
	RequestsPerSecond int
	RequestBurst      int // requests that may arrive at once; zero: as many as per second
	Runs              int // at once, those included that wait for memory
	Queued            int // executions that wait in the background
}

// Effective returns the limits of a tenant that has limits of its own beside the defaults.
func (l TenantLimits) Effective(defaults TenantLimits) TenantLimits {
	e := TenantLimits{
		RequestsPerSecond: cmp.Or(l.RequestsPerSecond, defaults.RequestsPerSecond),
		Runs:              cmp.Or(l.Runs, defaults.Runs),
		Queued:            cmp.Or(l.Queued, defaults.Queued),
	}
	if e.RequestsPerSecond > 0 {
		e.RequestBurst = cmp.Or(l.RequestBurst, l.RequestsPerSecond, defaults.RequestBurst, defaults.RequestsPerSecond)
	}
	return e
}

// Validate checks that the limits are in bounds.
func (l TenantLimits) Validate() error {
	for _, n := range []int{l.RequestsPerSecond, l.RequestBurst, l.Runs, l.Queued} {
		if n < 0 || n > MaxTenantLimit {
			return Errorf(CodeInvalidArgument, "the limit %d of a tenant is out of bounds", n).
				WithHint("give a number from 1 to 1000000, or 0 for the default of the server")
		}
	}
	return nil
}

// TenantLimitsChange is a change of the limits of a tenant. Nil: it stays.
type TenantLimitsChange struct {
	RequestsPerSecond, RequestBurst, Runs, Queued *int
}

// TenantChange is a change of a tenant. Nil: it stays.
type TenantChange struct {
	Limits    TenantLimitsChange
	OwnWorker *bool
}

// Of returns changed limits.
func (c TenantLimitsChange) Of(l TenantLimits) TenantLimits {
	set := func(to *int, n *int) {
		if n != nil {
			*to = *n
		}
	}
	set(&l.RequestsPerSecond, c.RequestsPerSecond)
	set(&l.RequestBurst, c.RequestBurst)
	set(&l.Runs, c.Runs)
	set(&l.Queued, c.Queued)
	return l
}

// TenantUsage is what a tenant has in progress, and its limits.
type TenantUsage struct {
	Requests, Runs, Queued int64
	Limits                 TenantLimits // effective
}
