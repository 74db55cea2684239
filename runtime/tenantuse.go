package runtime

import (
	"cmp"
	"fmt"
	"sync/atomic"
	"time"
)

// TenantUse counts what a tenant has in progress, and refuses what is beyond its limits. Nil is the
// use of a tenant without limits that cannot be deleted: it counts nothing. All methods may be called
// concurrently; those that count requests, runs and executions take no lock.
type TenantUse struct {
	requests, runs, queued atomic.Int64
	away                   atomic.Int64 // runs on other nodes, which runs does not count
	images                 atomic.Int64 // bytes, see TakeImages
	closed                 atomic.Bool
	waits                  atomic.Bool  // a queued run waits for one that ends
	ownWorker              atomic.Bool  // see [TenantRecord]
	nodes                  atomic.Int32 // among which requests and runs are divided; 0: there is one

	began  time.Time
	full   atomic.Int64 // nanoseconds since began at which the bucket of requests is full again
	limits atomic.Pointer[limitsInForce]
	egress egressUse
}

// limitsInForce are limits, prepared for use.
type limitsInForce struct {
	TenantLimits
	ceiling *EgressCeiling
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
	ceiling, err := ParseEgressCeiling(l.Hosts())
	if err != nil { // what cannot be read allows nothing
		ceiling = &EgressCeiling{}
	}
	u.limits.Store(&limitsInForce{l, ceiling})
	u.full.Store(0)
	return u.waits.Swap(false)
}

// Limits returns the limits.
func (u *TenantUse) Limits() TenantLimits {
	if u == nil {
		return TenantLimits{}
	}
	return u.limits.Load().TenantLimits
}

// SetNodes says that the limits of requests and runs are those of a number of nodes together, of which this process is
// one: it allows its part, but at least one.
func (u *TenantUse) SetNodes(n int) { u.nodes.Store(int32(n)) }

// part returns the part of a limit that this node allows.
func (u *TenantUse) part(limit int) int {
	if limit == 0 {
		return 0
	}
	return max(limit/max(int(u.nodes.Load()), 1), 1)
}

// SetOwnWorker says whether further runs happen in a process that no other tenant shares.
func (u *TenantUse) SetOwnWorker(own bool) { u.ownWorker.Store(own) }

// OwnWorker reports what SetOwnWorker was called with.
func (u *TenantUse) OwnWorker() bool { return u != nil && u.ownWorker.Load() }

// Usage returns what is in progress, what was sent and received today, and the limits.
func (u *TenantUse) Usage() TenantUsage {
	return TenantUsage{
		Requests: u.requests.Load(), Runs: u.runs.Load() + u.away.Load(), Queued: u.queued.Load(),
		Egress: u.Egress(time.Now()).Bytes, Limits: u.Limits(),
		Images: u.images.Load(),
	}
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
	each, burst := int64(time.Second)/int64(u.part(l.RequestsPerSecond)), u.part(l.RequestBurst)
	now := int64(time.Since(u.began))
	for {
		full := u.full.Load()
		next := max(full, now) + each
		if wait := next - now - each*int64(burst); wait > 0 {
			err := tenantLimitError("the tenant sends too many requests: %d per second and %d at once are allowed", u.part(l.RequestsPerSecond), burst)
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
	if most := u.part(u.limits.Load().Runs); most > 0 && u.runs.Load() >= int64(most) {
		return u.runsError()
	}
	return nil
}

func (u *TenantUse) runsError() error {
	err := tenantLimitError("the tenant has as many runs as it may have at once: %d", u.part(u.limits.Load().Runs))
	err.Hint = "try again in a moment, or run the function in the background; " + RaiseHint
	return err
}

// takeRun counts a run, unless there are as many as may be.
func (u *TenantUse) takeRun() bool {
	for {
		n := u.runs.Load()
		if most := u.part(u.limits.Load().Runs); most > 0 && n >= int64(most) {
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

// GoAway counts a run on another node, which must call EndAway in the end. The limit of runs does not apply: see RunsHere.
func (u *TenantUse) GoAway() {
	if u != nil {
		u.away.Add(1)
	}
}

// EndAway ends a run on another node.
func (u *TenantUse) EndAway() {
	if u != nil {
		u.away.Add(-1)
	}
}

// RunsAway returns the number of runs on other nodes.
func (u *TenantUse) RunsAway() int {
	if u == nil {
		return 0
	}
	return int(u.away.Load())
}

// RunsHere returns how many runs the tenant may have on each node, 0 without a limit.
func (u *TenantUse) RunsHere() int {
	if u == nil {
		return 0
	}
	return u.part(u.limits.Load().Runs)
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
				err.Hint = "send fewer at once; " + RaiseHint
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

// TakeImages counts n bytes of images and idle instances that stay in memory for the tenant, which must
// be given back with GiveImages. It reports false, and counts nothing, if that is beyond the limit.
func (u *TenantUse) TakeImages(n int64) bool {
	if u == nil {
		return true
	}
	for {
		held := u.images.Load()
		if most := u.limits.Load().Images; most > 0 && held+n > int64(most) {
			return false
		}
		if u.images.CompareAndSwap(held, held+n) {
			return true
		}
	}
}

// GiveImages ends TakeImages.
func (u *TenantUse) GiveImages(n int64) {
	if u != nil {
		u.images.Add(-n)
	}
}

// MayKeep reports whether n bytes of images would be within the limit if there were no others.
func (u *TenantUse) MayKeep(n int64) bool {
	if u == nil {
		return true
	}
	most := u.limits.Load().Images
	return most == 0 || n <= int64(most)
}

// ImagesBeyond returns by how many bytes the images of the tenant would exceed its limit if they kept n
// more; zero or less: they would not.
func (u *TenantUse) ImagesBeyond(n int64) int64 {
	if u == nil {
		return 0
	}
	if most := u.limits.Load().Images; most > 0 {
		return u.images.Load() + n - int64(most)
	}
	return 0
}

// ProcessorShare returns the weight of the tenant when tenants share the processors.
func (u *TenantUse) ProcessorShare() int {
	if u == nil {
		return DefaultProcessorShare
	}
	return cmp.Or(u.limits.Load().ProcessorShare, DefaultProcessorShare)
}

// Memory returns the bytes that the runs of the tenant may have at once, zero without a limit.
func (u *TenantUse) Memory() int64 {
	if u == nil {
		return 0
	}
	return int64(u.limits.Load().Memory)
}

// RaiseHint says who can raise a limit of a tenant.
const RaiseHint = "the operator of the server can raise the limit of the tenant"

func tenantLimitError(format string, args ...any) *Error {
	err := Errorf(CodeTooBusy, format, args...).WithHint("try again in a moment; " + RaiseHint)
	err.RetryAfter = BusyRetry
	return err
}

// MaxTenantLimit is the largest value of a limit of a tenant that is a number, and MaxTenantBytes of one
// that is a size in bytes.
const (
	MaxTenantLimit = 1_000_000
	MaxTenantBytes = 1 << 50
)

// DefaultProcessorShare is the weight of a tenant without one when tenants share the processors, and
// MaxProcessorShare the largest weight.
const (
	DefaultProcessorShare = 100
	MaxProcessorShare     = 1000
)

// TenantLimits are the limits of a tenant. Zero: there is no limit, or none of this tenant alone. They
// are comparable. Those that are numbers are in [TenantNumbers], too.
type TenantLimits struct {
	RequestsPerSecond int
	RequestBurst      int // requests that may arrive at once; zero: as many as per second
	Runs              int // at once, those included that wait for memory
	Queued            int // executions that wait in the background
	Functions         int
	CodeBytes         int // of sources and contexts of all versions that are kept, and of bundles
	StoredBytes       int // of everything else, such as executions with their results, jobs and dead letters
	EgressBytes       int // that functions send and receive on a day, in UTC
	// EgressHosts is a ceiling over the allow lists of functions, as [NormalEgressHosts] returns it.
	EgressHosts    string
	ProcessorShare int // weight when tenants share the processors
	Memory         int // bytes that its runs may have at once
	Images         int // bytes of images and idle instances that stay in memory
}

// TenantNumber describes a limit of a tenant that is a number.
type TenantNumber struct {
	Name  string // in the API
	Text  string // for people: "20 runs"
	Bytes bool   // it is a size in bytes
	Most  int    // largest value; zero: MaxTenantLimit or MaxTenantBytes
	Of    func(*TenantLimits) *int
}

// TenantNumbers are the limits of a tenant that are numbers, in the order in which they are shown.
var TenantNumbers = []TenantNumber{
	{Name: "requests_per_second", Text: "requests per second", Of: func(l *TenantLimits) *int { return &l.RequestsPerSecond }},
	{Name: "request_burst", Text: "requests at once", Of: func(l *TenantLimits) *int { return &l.RequestBurst }},
	{Name: "runs", Text: "runs", Of: func(l *TenantLimits) *int { return &l.Runs }},
	{Name: "queued", Text: "queued", Of: func(l *TenantLimits) *int { return &l.Queued }},
	{Name: "functions", Text: "functions", Of: func(l *TenantLimits) *int { return &l.Functions }},
	{Name: "code_bytes", Text: "of code", Bytes: true, Of: func(l *TenantLimits) *int { return &l.CodeBytes }},
	{Name: "stored_bytes", Text: "stored", Bytes: true, Of: func(l *TenantLimits) *int { return &l.StoredBytes }},
	{Name: "egress_bytes", Text: "of egress a day", Bytes: true, Of: func(l *TenantLimits) *int { return &l.EgressBytes }},
	{Name: "processor_share", Text: "as share of the processors", Most: MaxProcessorShare, Of: func(l *TenantLimits) *int { return &l.ProcessorShare }},
	{Name: "memory_bytes", Text: "of memory of runs", Bytes: true, Of: func(l *TenantLimits) *int { return &l.Memory }},
	{Name: "image_bytes", Text: "of images in memory", Bytes: true, Of: func(l *TenantLimits) *int { return &l.Images }},
}

// Max returns the largest value of the limit.
func (n *TenantNumber) Max() int {
	switch {
	case n.Most > 0:
		return n.Most
	case n.Bytes:
		return MaxTenantBytes
	}
	return MaxTenantLimit
}

// Effective returns the limits of a tenant that has limits of its own beside the defaults.
func (l TenantLimits) Effective(defaults TenantLimits) TenantLimits {
	e := l
	for i := range TenantNumbers {
		n := TenantNumbers[i].Of(&e)
		*n = cmp.Or(*n, *TenantNumbers[i].Of(&defaults))
	}
	e.EgressHosts = cmp.Or(l.EgressHosts, defaults.EgressHosts)
	e.RequestBurst = 0
	if e.RequestsPerSecond > 0 {
		e.RequestBurst = cmp.Or(l.RequestBurst, l.RequestsPerSecond, defaults.RequestBurst, defaults.RequestsPerSecond)
	}
	return e
}

// Validate checks that the limits are in bounds.
func (l TenantLimits) Validate() error {
	for i := range TenantNumbers {
		of := &TenantNumbers[i]
		if n := *of.Of(&l); n < 0 || n > of.Max() {
			return Errorf(CodeInvalidArgument, "the limit %s of a tenant, %d, is out of bounds", of.Name, n).
				WithHint(fmt.Sprintf("give a number from 1 to %d, or 0 for the default of the server", of.Max()))
		}
	}
	_, err := ParseEgressCeiling(l.Hosts())
	return err
}

// TenantLimitsChange is a change of the limits of a tenant.
type TenantLimitsChange struct {
	Numbers     map[string]int // new values by the names in TenantNumbers; others stay
	EgressHosts *string        // nil: it stays
}

// TenantChange is a change of a tenant. Nil: it stays.
type TenantChange struct {
	Limits    TenantLimitsChange
	OwnWorker *bool
}

// Of returns changed limits.
func (c TenantLimitsChange) Of(l TenantLimits) TenantLimits {
	for i := range TenantNumbers {
		if n, changed := c.Numbers[TenantNumbers[i].Name]; changed {
			*TenantNumbers[i].Of(&l) = n
		}
	}
	if c.EgressHosts != nil {
		l.EgressHosts = *c.EgressHosts
	}
	return l
}

// TenantUsage is what a tenant has in progress, what it has stored, and its limits.
type TenantUsage struct {
	Requests, Runs, Queued int64
	Stored                 TenantStored
	Egress                 int64        // bytes that functions have sent and received today, in UTC
	Memory                 int64        // bytes that its runs have
	Images                 int64        // bytes of its images and idle instances in memory
	Limits                 TenantLimits // effective
}
