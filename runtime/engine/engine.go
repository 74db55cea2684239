package engine

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/faaspot/faaspot/runtime"
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

// handBackTime is for how long Close waits for what it has stopped.
const handBackTime = 5 * time.Second

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
	admission  *admission
	current    *versionCache
	changes    *keyedLock[functionKey] // held by whoever changes a function
	jobChanges *keyedLock[functionKey] // held by whoever changes a job
	once       *keyedLock[requestKey]  // held before changes by whoever has such a key

	deliveries *deliverer
	schedules  *scheduler
	napping    context.CancelFunc // ends schedules
	asleep     chan struct{}      // closed when they have ended

	background   *dispatcher
	backlogLimit int
	ends         *notices // of executions
	turns        *notices // of starts and ends of attempts, for those who follow their logs
	underWay     *underWay
	records      *recorder

	retention sync.WaitGroup
	closing   sync.Once
	stop      chan struct{} // ends retention
	closed    chan struct{} // everything has ended
}

// New makes an Engine, and goes on with the executions that the store has
// queued. Whoever made the Store and the Sandbox closes them, after
// [Engine.Close].
func New(o Options) (*Engine, error) {
	if o.Store == nil || o.Sandbox == nil || (o.Poster == nil) != (o.CallbackBody == nil) {
		return nil, fmt.Errorf("runtime: an Engine needs a Store and a Sandbox, and a CallbackBody with a Poster")
	}
	if o.MemoryBudget < 0 || o.QueueLimit < 0 || o.MaxRuns < 0 || o.CacheBytes < 0 || o.BacklogLimit < 0 || o.RetentionAge < 0 || o.RetentionCount < 0 {
		return nil, fmt.Errorf("runtime: an option of the Engine is negative: memory budget %d, queue limit %d, runs %d, cache %d, backlog %d, retention %v and %d",
			o.MemoryBudget, o.QueueLimit, o.MaxRuns, o.CacheBytes, o.BacklogLimit, o.RetentionAge, o.RetentionCount)
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.MemoryBudget == 0 {
		o.MemoryBudget = machineMemory() / 2
	}
	if o.QueueLimit == 0 {
		o.QueueLimit = DefaultQueueLimit
	}
	if o.MaxRuns == 0 {
		o.MaxRuns = DefaultMaxRuns
	}
	if o.CacheBytes == 0 {
		o.CacheBytes = DefaultCacheBytes
	}
	if o.BacklogLimit == 0 {
		o.BacklogLimit = DefaultBacklogLimit
	}
	if o.RetentionAge == 0 {
		o.RetentionAge = DefaultRetentionAge
	}
	if o.RetentionCount == 0 {
		o.RetentionCount = DefaultRetentionCount
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	e := &Engine{
		store:      o.Store,
		sandbox:    o.Sandbox,
		log:        o.Log,
		now:        o.Now,
		gate:       newGate(),
		admission:  newAdmission(o.MemoryBudget, o.MaxRuns, o.QueueLimit),
		current:    newVersionCache(o.CacheBytes),
		changes:    newKeyedLock[functionKey](),
		jobChanges: newKeyedLock[functionKey](),
		once:       newKeyedLock[requestKey](),

		backlogLimit: o.BacklogLimit,
		ends:         newNotices(),
		turns:        newNotices(),
		underWay:     newUnderWay(),
		records:      newRecorder(o.Store.Record, o.Log),
		stop:         make(chan struct{}),
		closed:       make(chan struct{}),
	}
	e.background = newDispatcher(e)
	e.deliveries = newDeliverer(&o)
	e.schedules = newScheduler(o.Now, o.Log)
	e.schedules.start, e.schedules.tick = e.startTick, o.Store.LastTick
	if err := e.recover(); err != nil {
		return nil, err
	}
	if err := e.scheduleAll(); err != nil {
		return nil, unrecovered(err)
	}
	if err := e.deliveries.begin(); err != nil {
		return nil, unrecovered(err)
	}
	e.records.start()
	e.background.start()
	e.beginSchedules()
	from := o.Now()
	e.retention.Go(func() { e.expireAll(e.stop, from, o.RetentionAge, o.RetentionCount) })
	o.Log.Debug("engine: ready", "memory_budget", o.MemoryBudget, "max_runs", o.MaxRuns, "queue_limit", o.QueueLimit)
	return e, nil
}

// Close stops admitting and leasing, turns away the callers that wait, and waits
// until what was begun has ended. What is queued in the background stays queued
// for the next process. When ctx ends before, runs in the background are stopped
// and queued again without a charge; if then callers are still waited for, or
// the store does not write, the error is that of ctx, and a later Close waits
// on. From the first call on every other method fails with CodeUnavailable.
func (e *Engine) Close(ctx context.Context) error {
	e.napping()
	e.deliveries.shut()
	left := e.gate.shut()
	e.background.shut()
	e.admission.shut()
	e.closing.Do(func() { go e.end(left) })
	select {
	case <-e.closed:
		return nil
	case <-ctx.Done():
	}
	e.background.handBack()
	e.deliveries.stop()
	timer := time.NewTimer(handBackTime)
	defer timer.Stop()
	select {
	case <-e.background.drained:
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

// end ends all goroutines once nobody needs them.
func (e *Engine) end(left <-chan struct{}) {
	<-e.asleep
	<-left
	<-e.background.drained
	e.background.end()
	e.deliveries.end()
	e.records.end()
	close(e.stop)
	e.retention.Wait()
	close(e.closed)
}

// enter counts the caller in; it must leave the gate afterwards.
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
