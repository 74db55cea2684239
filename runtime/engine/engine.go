package engine

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/callback"
	"github.com/faaspot/faaspot/runtime/cron"
	"github.com/faaspot/faaspot/runtime/dispatch"
	"github.com/faaspot/faaspot/runtime/internal/notify"
	"github.com/faaspot/faaspot/runtime/queue"
)

// Defaults of [Options].
const (
	// DefaultQueueLimit is how many runs may wait. A waiting run costs about a
	// kilobyte and its args.
	DefaultQueueLimit = 10_000
	// DefaultMaxRuns is how many runs may be under way at once. Runs that wait
	// for something cost memory alone; that has a budget of its own.
	DefaultMaxRuns = 1_000
	// DefaultCacheBytes is what current versions may take in memory.
	DefaultCacheBytes = 64 * runtime.MiB
	// DefaultBacklogLimit is how many executions may be queued in the background.
	// One takes at most 400 bytes of memory; its args are on the disk alone.
	DefaultBacklogLimit = 1_000_000
)

// abortTime is how long Close waits for the runs that it has stopped.
const abortTime = 5 * time.Second

// Options of an Engine. Store and Sandbox must be set.
type Options struct {
	Store   runtime.Store
	Sandbox runtime.Sandbox
	Log     *slog.Logger // nil: slog.Default

	// MemoryBudget bounds, in bytes, what all admitted runs together may
	// reserve: each reserves its memory and /tmp limits while it runs.
	// Zero: half of the machine's (or its cgroup's) memory.
	MemoryBudget int64
	// QueueLimit bounds the runs waiting to be admitted. Beyond it callers are
	// told CodeTooBusy. The last eighth is kept for tenants that have few runs
	// waiting. Zero: [DefaultQueueLimit].
	QueueLimit int
	// MaxRuns bounds the runs under way at once. Zero: [DefaultMaxRuns].
	MaxRuns int
	// CacheBytes bounds the sources and contexts kept in memory so that a run
	// need not read the store. Zero: [DefaultCacheBytes].
	CacheBytes int64
	// BacklogLimit bounds the executions queued in the background. Beyond it
	// callers are told CodeTooBusy. Zero: [DefaultBacklogLimit].
	BacklogLimit int
	// RetentionAge is how long executions are kept that are done, counted from
	// when they were accepted. Zero: [DefaultRetentionAge].
	RetentionAge time.Duration
	// RetentionCount is how many executions are kept that are done; the newest
	// are. Zero: [DefaultRetentionCount].
	RetentionCount int
	// Poster sends callbacks. Nil: none are sent, they wait for a process that can.
	Poster runtime.Poster
	// CallbackBody makes what is told of an execution of a job that has ended, JSON,
	// with the results of its tasks. It must be set with Poster.
	CallbackBody func(runtime.JobExecution, []runtime.Execution) []byte
	// Now tells the time. Nil: time.Now.
	Now func() time.Time
}

// Engine is the service over functions and executions.
type Engine struct {
	store   runtime.Store
	sandbox runtime.Sandbox
	log     *slog.Logger
	now     func() time.Time

	gate       *gate
	admission  *queue.Admission
	current    *versionCache
	changes    *keyedLock[functionKey] // held while a function changes
	jobChanges *keyedLock[functionKey] // held while a job changes
	once       *keyedLock[requestKey]  // held, before changes, by a request with an idempotency key

	background  *dispatch.Dispatcher
	deliveries  *callback.Deliverer
	schedules   *cron.Scheduler
	blocking    *blockingRuns
	records     *recorder
	completions *notify.Hub // final states of executions
	attempts    *notify.Hub // starts and ends of attempts, for those that follow logs

	retention sync.WaitGroup
	closing   sync.Once
	stop      chan struct{} // closed to end retention
	closed    chan struct{} // closed when everything has ended
}

// New returns an Engine that continues the executions that the store holds as queued. The
// caller closes the Store and the Sandbox, after [Engine.Close].
func New(o Options) (*Engine, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	e := &Engine{
		store:       o.Store,
		sandbox:     guardedSandbox{o.Sandbox},
		log:         o.Log,
		now:         o.Now,
		gate:        newGate(),
		admission:   queue.NewAdmission(o.MemoryBudget, o.MaxRuns, o.QueueLimit),
		current:     newVersionCache(o.CacheBytes),
		changes:     newKeyedLock[functionKey](),
		jobChanges:  newKeyedLock[functionKey](),
		once:        newKeyedLock[requestKey](),
		blocking:    newBlockingRuns(),
		records:     newRecorder(o.Store.Record, o.Log),
		completions: notify.NewHub(),
		attempts:    notify.NewHub(),
		stop:        make(chan struct{}),
		closed:      make(chan struct{}),
	}
	e.background = dispatch.New(dispatch.Options{
		Engine: e, Store: o.Store, Sandbox: e.sandbox, Admission: e.admission, Attempts: e.attempts, Completions: e.completions,
		BacklogLimit: o.BacklogLimit, Now: o.Now, Log: o.Log,
	})
	e.deliveries = callback.New(callback.Options{
		Store: o.Store, Poster: o.Poster, Now: o.Now, Log: o.Log,
		Body: func(x *runtime.JobExecution) ([]byte, error) {
			tasks, err := e.taskResults(x)
			if err != nil {
				return nil, err
			}
			return o.CallbackBody(*x, tasks), nil
		},
	})
	e.schedules = cron.New(cron.Options{Start: e.startTick, LastTick: o.Store.LastTick, Now: o.Now, Log: o.Log})
	if err := e.recover(); err != nil {
		return nil, err
	}
	if err := e.scheduleAll(); err != nil {
		return nil, unrecovered(err)
	}
	if err := e.deliveries.Start(); err != nil {
		return nil, unrecovered(err)
	}
	e.records.start()
	e.background.Start()
	e.schedules.Start()
	from := o.Now()
	e.retention.Go(func() { e.expireAll(e.stop, from, o.RetentionAge, o.RetentionCount) })
	o.Log.Debug("engine: ready", "memory_budget", o.MemoryBudget, "max_runs", o.MaxRuns, "queue_limit", o.QueueLimit)
	return e, nil
}

// withDefaults checks the options and fills in defaults.
func (o Options) withDefaults() (Options, error) {
	if o.Store == nil || o.Sandbox == nil || (o.Poster == nil) != (o.CallbackBody == nil) {
		return o, fmt.Errorf("engine: Options.Store and Options.Sandbox must be set, and CallbackBody with Poster")
	}
	if o.MemoryBudget < 0 || o.QueueLimit < 0 || o.MaxRuns < 0 || o.CacheBytes < 0 || o.BacklogLimit < 0 || o.RetentionAge < 0 || o.RetentionCount < 0 {
		return o, fmt.Errorf("engine: an option is negative: memory budget %d, queue limit %d, runs %d, cache %d, backlog %d, retention %v and %d",
			o.MemoryBudget, o.QueueLimit, o.MaxRuns, o.CacheBytes, o.BacklogLimit, o.RetentionAge, o.RetentionCount)
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.MemoryBudget == 0 {
		o.MemoryBudget = machineMemory() / 2
	}
	o.QueueLimit = cmp.Or(o.QueueLimit, DefaultQueueLimit)
	o.MaxRuns = cmp.Or(o.MaxRuns, DefaultMaxRuns)
	o.CacheBytes = cmp.Or(o.CacheBytes, DefaultCacheBytes)
	o.BacklogLimit = cmp.Or(o.BacklogLimit, DefaultBacklogLimit)
	o.RetentionAge = cmp.Or(o.RetentionAge, DefaultRetentionAge)
	o.RetentionCount = cmp.Or(o.RetentionCount, DefaultRetentionCount)
	return o, nil
}

// Close stops accepting and leasing, refuses the callers that wait for a place, and waits
// until everything under way has ended. What is queued in the background stays queued for
// the next process. If ctx ends first, background runs are stopped and queued again without
// counting a failure; if callers still wait then, or the store does not write, Close returns
// the error of ctx, and a later Close waits further. From the first call on, every other
// method fails with CodeUnavailable.
func (e *Engine) Close(ctx context.Context) error {
	e.schedules.Stop()
	e.deliveries.Stop()
	left := e.gate.shut()
	e.background.Stop()
	e.admission.Stop()
	e.closing.Do(func() { go e.wait(left) })
	select {
	case <-e.closed:
		return nil
	case <-ctx.Done():
	}
	e.background.Abort()
	e.deliveries.Abort()
	timer := time.NewTimer(abortTime)
	defer timer.Stop()
	select {
	case <-e.background.Drained():
	case <-timer.C:
		return ctx.Err()
	}
	select {
	case <-left:
	default:
		return ctx.Err()
	}
	select {
	case <-e.closed:
		return nil
	case <-timer.C:
		return ctx.Err()
	}
}

// wait waits for the parts of the Engine, in the order in which they need each other.
func (e *Engine) wait(left <-chan struct{}) {
	e.schedules.Wait()
	<-left
	e.background.Wait()
	e.deliveries.Wait()
	e.records.end()
	close(e.stop)
	e.retention.Wait()
	close(e.closed)
}

// enter counts a caller in, unless the Engine is closed. After nil the caller must leave the
// gate.
func (e *Engine) enter() error {
	if !e.gate.enter() {
		return runtime.ShuttingDownError()
	}
	return nil
}

// fault gives an error of the store or the sandbox its place: an *Error passes
// as it is, anything else is internal. No error stays none.
func fault(op string, err error) error {
	if err == nil {
		return nil
	}
	if e, ok := runtime.AsError(err); ok {
		if e.Op == "" {
			named := *e
			named.Op = op
			return &named
		}
		return err
	}
	return runtime.Internal(op, err)
}
