package dispatch

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/internal/backoff"
	"github.com/faaspot/faaspot/runtime/internal/notify"
	"github.com/faaspot/faaspot/runtime/memory"
	"github.com/faaspot/faaspot/runtime/queue"
)

// Engine is what a Dispatcher needs of the service that it belongs to. Methods are called
// concurrently, and without any lock of the Dispatcher.
type Engine interface {
	// AcquireVersion returns the current version of the function of a queued run. The
	// version must be released. If the function was deleted, the error is CodeNotFound.
	AcquireVersion(ctx context.Context, o *Origin) (*Version, error)
	// ReleaseVersion ends the use of a version.
	ReleaseVersion(v *Version)
	// JobDone is called once an execution of a job has ended and its end is on disk. It
	// may be called more than once for the same execution.
	JobDone(tenant runtime.Tenant, id string)
}

// Version is a version of a function that is ready to run. Apart from what is learned of its runs, it
// never changes.
type Version struct {
	Program runtime.Program
	Context []byte // JSON object, never empty
	Retries int    // see runtime.Version
	// DropArgs reports that the args of runs are not kept.
	DropArgs bool
	Usual    queue.Usual
}

// Store is the part of [runtime.Store] that a Dispatcher uses.
type Store interface {
	Start(leases []runtime.Lease) (refused []error, err error)
	Finish(ended []runtime.Execution, now time.Time) ([]runtime.FinishResult, error)
	SetSuspicion(changes []runtime.SuspicionChange) error
	GetArgs(tenant runtime.Tenant, id string) ([]byte, error)
}

const (
	// queuedRunBytes is the memory of a queued run, see BenchmarkStartWithBacklog.
	queuedRunBytes = 400
	// backlogShare is the divisor of the memory budget that queued runs may take.
	backlogShare = 4
)

// Options of a Dispatcher. All but Places must be set.
type Options struct {
	Engine    Engine
	Store     Store
	Sandbox   runtime.Sandbox
	Admission *queue.Admission
	// Places are where runs happen besides the Sandbox. Nil: nowhere.
	Places runtime.Places
	// Memory is the budget from which the Dispatcher takes what it holds: queued runs, and ends of
	// attempts that are not on disk.
	Memory *memory.Budget
	// Attempts is notified when an attempt of an execution begins and when its end is on
	// disk, Completions when an execution has reached its final state.
	Attempts, Completions *notify.Hub
	// BacklogLimit bounds the executions that are queued.
	BacklogLimit int
	Now          func() time.Time
	Log          *slog.Logger
}

// Dispatcher executes queued runs. All methods may be called concurrently.
type Dispatcher struct {
	o    Options
	made time.Time

	mu            sync.Mutex
	plan          plan                   // guarded by mu
	backlog       *memory.Account        // bytes of the plan's runs and groups; changed with mu held
	args          *memory.Account        // bytes of the args of attempts that run
	output        func() *memory.Account // bytes of the output of attempts that run elsewhere
	outbox        outbox
	refusedCommit time.Time // the last time at which the log said that ends are refused; for the committer alone

	shutting chan struct{} // closed by Stop
	leaser   notify.Signal // there may be something to lease
	freed    atomic.Bool   // a place may have become free
	counts   placeCounts
	stop     chan struct{} // closed when leaser and committer are to end
	stopOnce sync.Once
	group    sync.WaitGroup // of leaser and committer
}

// New returns a Dispatcher without queued runs. Runs may be added before [Dispatcher.Start].
func New(o Options) *Dispatcher {
	d := &Dispatcher{
		o:        o,
		made:     time.Now(),
		shutting: make(chan struct{}),
		leaser:   notify.NewSignal(),
		stop:     make(chan struct{}),
	}
	d.plan = newPlan(d.leaser)
	d.backlog = o.Memory.Open(memory.Options{Name: "queued runs", Heap: true, Queues: true, Max: o.Memory.Total() / backlogShare})
	d.args = o.Memory.Open(memory.Options{Name: "args of runs", Heap: true})
	d.output = sync.OnceValue(func() *memory.Account {
		return o.Memory.Open(memory.Options{Name: "output of runs on other nodes", Heap: true, Queues: true})
	})
	d.outbox = newOutbox(o.Memory)
	d.outbox.room.L = &d.outbox.mu
	if o.Places != nil {
		d.plan.away.lends = true
		o.Places.OnFree(func() {
			d.freed.Store(true)
			d.leaser.Set()
		})
	}
	return d
}

// Start begins to execute what is queued.
func (d *Dispatcher) Start() {
	d.group.Go(d.leaseAll)
	d.group.Go(d.commitAll)
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, a := range d.plan.startAdopted() {
		go d.runAway(a)
	}
}

// clock returns nanoseconds since the Dispatcher was made, counted from 1. Unlike the time
// of day it never jumps, so retries are neither late nor early when the clock is set.
func (d *Dispatcher) clock() int64 { return int64(time.Since(d.made)) + 1 }

// QueuedRun returns the queued run of an execution as the store holds it.
func (d *Dispatcher) QueuedRun(o *Origin, x *runtime.Execution) *QueuedRun {
	r := NewQueuedRun(o, x)
	if x.Attempt > 0 {
		r.waiting = d.o.Now().UnixNano()
	}
	if !x.NotBefore.IsZero() {
		wait := min(x.NotBefore.Sub(d.o.Now()), longestDelay+longestDelay/backoff.JitterFraction)
		r.notBefore = d.clock() + int64(max(wait, 0))
	}
	return r
}

// Reserve reserves places in the backlog for n executions that are about to be accepted, and
// memory for their group, nil if they are no tasks. use is that of their tenant. After nil, the caller
// must call [Dispatcher.Unreserve]. The errors are CodeTooBusy, and CodeTooLarge for more executions
// than the tenant may ever have queued.
func (d *Dispatcher) Reserve(n int, g *TaskGroup, use *runtime.TenantUse) error {
	if err := use.Reserve(n); err != nil {
		return err
	}
	err := d.takePlaces(n, g)
	if err != nil {
		use.Queue(-n)
	}
	return err
}

// takePlaces is Reserve without the limit of the tenant.
func (d *Dispatcher) takePlaces(n int, g *TaskGroup) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.plan.size()+n > d.o.BacklogLimit {
		err := runtime.Errorf(runtime.CodeTooBusy, "too many runs are queued in the background, %d are allowed", d.o.BacklogLimit).
			WithHint("wait until some of them are done")
		err.RetryAfter = runtime.BusyRetry
		return err
	}
	bytes := int64(n) * queuedRunBytes
	if g != nil {
		bytes += g.Bytes()
	}
	if !d.backlog.TryTake(bytes) {
		return d.backlog.Refuse(bytes)
	}
	d.plan.reserved += n
	return nil
}

// account makes the memory taken that of the runs in the plan. It is called with mu held.
func (d *Dispatcher) account() {
	switch change := int64(d.plan.size()+len(d.plan.active))*queuedRunBytes + d.plan.groupBytes - d.backlog.Held(); {
	case change > 0:
		d.backlog.Add(change)
	case change < 0:
		d.backlog.Give(-change)
	}
}

// Unreserve returns n reserved places, of which added were used by AddReserved.
func (d *Dispatcher) Unreserve(n, added int, use *runtime.TenantUse) {
	use.Queue(added - n)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.plan.reserved -= n
	d.account()
}

// Add queues runs that the store holds as queued, of a process before.
func (d *Dispatcher) Add(runs []*QueuedRun) { d.add(runs, d.plan.put) }

// AddReserved queues runs that the store holds as queued, and for which places are reserved.
func (d *Dispatcher) AddReserved(runs []*QueuedRun) { d.add(runs, d.plan.putReserved) }

func (d *Dispatcher) add(runs []*QueuedRun, put func(*QueuedRun)) {
	d.mu.Lock()
	for _, r := range runs {
		put(r)
	}
	d.account()
	enough := d.plan.enough()
	d.mu.Unlock()
	if !enough || d.o.Places != nil {
		d.leaser.Set()
	}
}

// Free lets queued runs of a tenant start that have waited because of its limit of runs.
func (d *Dispatcher) Free(tenant runtime.Tenant) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.plan.free(tenant)
}

// Idle reports whether no run waits for its turn, and how many runs have a lease and have
// not begun.
func (d *Dispatcher) Idle() (ahead int, idle bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.plan.ahead, d.plan.idle()
}

// Cancel stops the attempt of an execution, if there is one: the execution then ends as cancelled.
// The store must have noted the cancellation already. active reports that there is an attempt whose end
// is not on disk, and returned that it had ended before.
func (d *Dispatcher) Cancel(id string) (active, returned bool) {
	d.mu.Lock()
	a := d.plan.active[id]
	if a == nil || a.returned && !a.cancelled {
		d.mu.Unlock()
		return a != nil, a != nil
	}
	a.cancelled = true
	d.mu.Unlock()
	a.cancel()
	d.withdraw(a)
	return true, false
}

// Forget gives back the place of a queued run that was cancelled before it had a lease. The store must
// have cancelled it.
func (d *Dispatcher) Forget(tenant runtime.Tenant, id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.plan.forget(tenant, id)
	d.account()
}

// Returned reports whether an execution has an attempt that has ended, and whose end is not on disk
// yet. The Attempts hub is notified when it is.
func (d *Dispatcher) Returned(tenant runtime.Tenant, id string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	a := d.plan.active[id]
	return a != nil && a.run.Tenant == tenant && a.returned && !a.cancelled
}

// Unstored reports whether an execution has ended, also because it was cancelled, and that is not on disk yet. One whose attempt is
// followed by another has not.
func (d *Dispatcher) Unstored(tenant runtime.Tenant, id string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	a := d.plan.active[id]
	return a != nil && a.run.Tenant == tenant && a.returned && a.final
}

// Logs returns a page of the logs of an execution that has an attempt which has begun and
// whose end is not on disk; else ok is false. written is closed when the attempt writes more.
func (d *Dispatcher) Logs(tenant runtime.Tenant, id string, from runtime.LogPosition) (p runtime.LogPage, written <-chan struct{}, ok bool) {
	d.mu.Lock()
	a := d.plan.active[id]
	if a == nil || a.logs == nil || a.run.Tenant != tenant {
		d.mu.Unlock()
		return runtime.LogPage{}, nil, false
	}
	state := runtime.StateRunning
	if a.cancelled {
		state = runtime.StateCancelling
	}
	logs := a.logs
	d.mu.Unlock()
	p, written = logs.Page(int(a.run.attempt), from)
	p.State = state
	return p, written, true
}

// Stop ends leasing. What has a lease runs to its end, but what runs on other nodes is left to the next owner of the data.
func (d *Dispatcher) Stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.plan.closing {
		close(d.shutting)
		d.plan.leaveAway()
		d.plan.close()
		for _, a := range d.plan.startAdopted() { // which were never started
			go d.leaveAdopted(a)
		}
		d.leaser.Set()
	}
}

// Stopping returns a channel that [Dispatcher.Stop] closes.
func (d *Dispatcher) Stopping() <-chan struct{} { return d.shutting }

// Abort stops all runs so that they are queued again. It is called after Stop.
func (d *Dispatcher) Abort() {
	d.mu.Lock()
	for _, a := range d.plan.active {
		a.cancel()
	}
	d.mu.Unlock()
	d.outbox.abort()
}

// Drained returns a channel that is closed after Stop, once no run has a lease any more.
func (d *Dispatcher) Drained() <-chan struct{} { return d.plan.drained }

// Wait waits until the Dispatcher is drained and its goroutines have ended. It is called
// after Stop.
func (d *Dispatcher) Wait() {
	<-d.plan.drained
	d.stopOnce.Do(func() { close(d.stop) })
	d.group.Wait()
}
