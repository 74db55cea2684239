package engine

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	goruntime "runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/callback"
	"github.com/faaspot/faaspot/runtime/cron"
	"github.com/faaspot/faaspot/runtime/dispatch"
	"github.com/faaspot/faaspot/runtime/internal/notify"
	"github.com/faaspot/faaspot/runtime/memory"
	"github.com/faaspot/faaspot/runtime/queue"
	"github.com/faaspot/faaspot/runtime/redact"
	"github.com/faaspot/faaspot/runtime/stats"
	"github.com/faaspot/faaspot/runtime/turns"
)

// Defaults of [Options].
const (
	// DefaultQueueLimit is the number of blocking runs that may wait. A waiting run takes about a
	// kilobyte of memory and its args.
	DefaultQueueLimit = 10_000
	// DefaultMaxRuns is the number of runs that may run at once, parked ones excluded. Runs that wait
	// for something cost only memory, which has its own budget, and mappings of the process.
	DefaultMaxRuns = 10_000
	// DefaultCacheBytes is the memory for current versions, in bytes.
	DefaultCacheBytes = 64 * runtime.MiB
	// DefaultBacklogLimit is the number of executions that may be queued in the background. An
	// execution takes at most 400 bytes of memory; its args are only on disk.
	DefaultBacklogLimit = 1_000_000
)

// abortTime is how long Close waits for the runs that it has aborted.
const abortTime = 5 * time.Second

// Options of an Engine. Store and Sandbox must be set.
type Options struct {
	Store   runtime.Store
	Sandbox runtime.Sandbox
	Log     *slog.Logger // nil: slog.Default

	// Memory is the budget from which runs take their memory, and the Engine what it holds for
	// others. Nil: a budget of half of the machine's (or its cgroup's) memory.
	Memory *memory.Budget
	// QueueLimit bounds the blocking runs that wait for memory. Beyond it callers get
	// CodeTooBusy. The last eighth is reserved for tenants that have few runs waiting. Zero:
	// [DefaultQueueLimit].
	QueueLimit int
	// MaxRuns bounds the runs that run at once. Zero: [DefaultMaxRuns].
	MaxRuns int
	// CacheBytes bounds the sources and contexts in memory, in bytes. A run of a cached version
	// need not read the store. Zero: [DefaultCacheBytes], or a sixteenth of the memory budget if
	// that is less.
	CacheBytes int64
	// BacklogLimit bounds the executions that are queued in the background. Beyond it callers get
	// CodeTooBusy. Zero: [DefaultBacklogLimit].
	BacklogLimit int
	// Retention says how long and how much of what has ended is stored. Zero in its Age, MinAge and
	// Count: [DefaultRetentionAge], [DefaultRetentionMinAge], [DefaultRetentionCount].
	Retention runtime.Retention
	// DropArgs says that args are not stored with executions, unless the function keeps them.
	DropArgs bool
	// NoSchedules says that schedules of jobs do not fire.
	NoSchedules bool
	// Poster sends callbacks. Nil: none are sent; they wait for a process that has a Poster.
	Poster runtime.Poster
	// CallbackBody renders the JSON body of a callback from an execution of a job that has ended
	// and its tasks, with their results. It must be set together with Poster.
	CallbackBody func(runtime.JobExecution, []runtime.Execution) []byte
	// Networks opens the networks of runs. Nil: no run has one, whatever its function's allow list is.
	Networks runtime.Networks
	// Uses returns the use of a tenant, nil for one without limits. It is called for each run,
	// concurrently. Nil: no tenant has limits.
	Uses func(runtime.Tenant) *runtime.TenantUse
	// Follow makes an Engine that only runs functions for callers that wait, until [Engine.Lead] is called: another process
	// changes what is in the Store. Nil: the Engine does everything.
	Follow *Following
	// Owner returns nil while no other process can have changed what is in the Store. A run whose caller waits does
	// not begin otherwise. Nil: it always does.
	Owner func() error
	// Places are where background runs happen besides the Sandbox. Nil: nowhere.
	Places runtime.Places
	// Adopt returns the runs that other nodes, or this one, have begun for an owner of the data before, and not ended. It is
	// called before the Engine continues the unfinished executions. Nil: there are none.
	Adopt func() []runtime.LentRun
	// Secrets gets the secrets that the Engine holds, to keep them out of the log. Nil: nothing does.
	Secrets *redact.Registry
	// OnEnd is called with each run that has ended, and whether a caller has waited for it; that
	// caller does not wait for OnEnd. It is called concurrently, and must not keep or change the
	// execution. Nil: nothing is called.
	OnEnd func(x *runtime.Execution, blocking bool)
	// Traces gets the attempts, runs and executions of jobs that have ended. Nil: runs have no timelines.
	Traces Traces
	// Now returns the time of day, which may jump: see [runtime.Clock]. It is called concurrently.
	// Nil: time.Now.
	Now func() time.Time
}

// Traces exports spans of attempts, runs and jobs. Its methods are called concurrently, after a caller has its answer
// or the end is stored. They must not wait, and must not keep or change their arguments.
type Traces interface {
	// OnAttempt is called with the end of an attempt of a background run, which has a Timeline.
	OnAttempt(x *runtime.Execution)
	// OnEnd is called with each run that has ended. A blocking run has its Timeline.
	OnEnd(x *runtime.Execution, blocking bool)
	// OnJobEnd is called with each execution of a job that has ended.
	OnJobEnd(x *runtime.JobExecution)
}

// Engine is the service over functions, executions and jobs. All methods may be called
// concurrently.
type Engine struct {
	store    *observedStore
	sandbox  runtime.Sandbox
	networks runtime.Networks // nil: there are none
	useOf    func(runtime.Tenant) *runtime.TenantUse
	log      *slog.Logger
	clock    *runtime.Clock
	secrets  *redact.Registry
	owner    func() error // see Options
	adopt    func() []runtime.LentRun
	dropArgs bool // see Options
	idle     bool // schedules do not fire

	follow     *Following               // see Options
	leads      atomic.Bool              // the Engine does not follow
	unsure     atomic.Pointer[string]   // id of the first run of the last batch that may be recorded; nil: none
	kept       atomic.Pointer[keptRuns] // that are not recorded; nil: none
	foreign    sync.Mutex               // held while runs of another process are recorded
	gate       *gate
	admission  *queue.Admission
	current    *versionCache
	changes    *keyedLock[functionKey] // by name of a function; held while it changes
	jobChanges *keyedLock[functionKey] // by name of a job; held while it changes
	once       *keyedLock[requestKey]  // by idempotency key of a change; held, before changes, by the request

	background  *dispatch.Dispatcher
	lent        lentRuns
	operations  *operations
	deliveries  *callback.Deliverer
	schedules   *cron.Scheduler
	bundles     *memory.Account // for reading bundles that are deployed
	blocking    *blockingRuns
	scans       *turns.Turns // see ScanExecutions
	records     *recorder
	completions *notify.Hub // notified of final states of executions
	attempts    *notify.Hub // notified of starts and ends of attempts, for followers of logs
	feeds       *feeds      // of followers of executions
	stats       *stats.Recorder

	retain        runtime.Retention
	retention     sync.WaitGroup // of expireAll and countHistory
	stopRetention chan struct{}
	closing       sync.Once
	closed        chan struct{} // closed when everything has ended
}

// New returns an Engine that continues the unfinished executions in the store. The caller closes
// the Store and the Sandbox after [Engine.Close].
func New(o Options) (*Engine, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	clock := runtime.NewClock(o.Now)
	counted, following := stats.New(o.Memory, clock.Now), newFeeds()
	store := &observedStore{Store: o.Store, stats: counted, feeds: following, onEnd: o.OnEnd, traces: o.Traces}
	guarded := guardedSandbox{Sandbox: o.Sandbox, networks: o.Networks}
	if o.Traces != nil {
		guarded.now = clock.Now
	}
	e := &Engine{
		store:         store,
		sandbox:       guarded,
		networks:      o.Networks,
		useOf:         o.Uses,
		log:           o.Log,
		clock:         clock,
		secrets:       o.Secrets,
		owner:         o.Owner,
		adopt:         o.Adopt,
		dropArgs:      o.DropArgs,
		idle:          o.NoSchedules,
		follow:        o.Follow,
		retain:        o.Retention,
		gate:          newGate(),
		admission:     queue.NewAdmission(o.Memory, o.MaxRuns, o.QueueLimit),
		current:       newVersionCache(o.CacheBytes, o.Memory),
		changes:       newKeyedLock[functionKey](),
		jobChanges:    newKeyedLock[functionKey](),
		once:          newKeyedLock[requestKey](),
		bundles:       o.Memory.Open(memory.Options{Name: "bundles that are checked", Heap: true}),
		blocking:      newBlockingRuns(),
		scans:         turns.New(max(1, goruntime.GOMAXPROCS(0)/2)),
		completions:   notify.NewHub(),
		attempts:      notify.NewHub(),
		feeds:         following,
		stats:         counted,
		stopRetention: make(chan struct{}),
		closed:        make(chan struct{}),
	}
	e.leads.Store(o.Follow == nil)
	e.records = newRecorder(e.record, e.follows, o.Memory, o.Log)
	e.admission.Limit = func(tenant runtime.Tenant) int64 { return e.useOf(tenant).Memory() }
	e.background = dispatch.New(dispatch.Options{
		Engine: e, Store: store, Sandbox: e.sandbox, Places: o.Places, Admission: e.admission, Memory: o.Memory, Attempts: e.attempts, Completions: e.completions,
		BacklogLimit: o.BacklogLimit, Now: clock.Now, Log: o.Log,
	})
	e.deliveries = callback.New(callback.Options{
		Store: o.Store, Poster: o.Poster, Now: clock.Now, Log: o.Log, Secrets: o.Secrets,
		Body: func(x *runtime.JobExecution, results bool) ([]byte, error) {
			tasks, err := e.taskResults(x, results)
			if err != nil {
				return nil, err
			}
			reported := *x
			e.setExpiry(&reported)
			return o.CallbackBody(reported, tasks), nil
		},
	})
	e.operations = newOperations(e, o.Memory)
	e.schedules = cron.New(cron.Options{Start: e.startTick, LastTick: o.Store.LastTick, Now: clock.Now, Log: o.Log})
	e.records.keep = e.keep
	e.recordKept()
	e.records.start()
	if o.Follow == nil {
		if err := e.begin(); err != nil {
			e.records.stop()
			return nil, err
		}
	}
	o.Log.Debug("engine: ready", "memory_budget", o.Memory.Total(), "max_runs", o.MaxRuns, "queue_limit", o.QueueLimit, "follows", o.Follow != nil)
	return e, nil
}

// begin continues the unfinished executions in the store, and begins all that an Engine does by itself.
func (e *Engine) begin() error {
	start := e.clock.Now()
	// What has ended before this is counted as history, all else when it ends.
	history, err := e.store.EndedRuns(start.Add(-runtime.MaxStatsWindow))
	if err != nil {
		return recoverError(err)
	}
	e.leads.Store(true)
	operations, err := e.resume()
	if err != nil {
		_ = history.Close() // nothing was read from it
		return err
	}
	e.background.Start()
	e.schedules.Start()
	e.operations.beginAll(operations)
	e.retention.Go(func() { e.expireAll(e.stopRetention, start, e.retain) })
	e.retention.Go(func() { e.countHistory(history, e.stopRetention) })
	return nil
}

// resume continues what earlier processes have left, and returns the operations of them.
func (e *Engine) resume() (left []runtime.Operation, err error) {
	if err := e.recover(); err != nil {
		return nil, err
	}
	if err := e.scheduleAll(); err != nil {
		return nil, recoverError(err)
	}
	if left, err = e.operations.left(); err != nil {
		return nil, recoverError(err)
	}
	if err := e.deliveries.Start(); err != nil {
		e.deliveries.Stop()
		e.deliveries.Abort()
		e.deliveries.Wait()
		return nil, recoverError(err)
	}
	return left, nil
}

// withDefaults validates the options and fills in defaults.
func (o Options) withDefaults() (Options, error) {
	if o.Store == nil || o.Sandbox == nil || (o.Poster == nil) != (o.CallbackBody == nil) {
		return o, fmt.Errorf("engine: Options.Store and Options.Sandbox must be set, and CallbackBody with Poster")
	}
	if o.QueueLimit < 0 || o.MaxRuns < 0 || o.CacheBytes < 0 || o.BacklogLimit < 0 || o.Retention.Negative() {
		return o, fmt.Errorf("engine: an option is negative: queue limit %d, runs %d, cache %d, backlog %d, retention %+v",
			o.QueueLimit, o.MaxRuns, o.CacheBytes, o.BacklogLimit, o.Retention)
	}
	if o.Adopt == nil {
		o.Adopt = func() []runtime.LentRun { return nil }
	}
	if o.Owner == nil {
		o.Owner = func() error { return nil }
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Uses == nil {
		o.Uses = func(runtime.Tenant) *runtime.TenantUse { return nil }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Memory == nil {
		o.Memory = memory.New(memory.Machine()/2, o.Log)
	}
	o.QueueLimit = cmp.Or(o.QueueLimit, DefaultQueueLimit)
	o.MaxRuns = cmp.Or(o.MaxRuns, DefaultMaxRuns)
	o.CacheBytes = cmp.Or(o.CacheBytes, min(DefaultCacheBytes, o.Memory.Total()/16))
	o.BacklogLimit = cmp.Or(o.BacklogLimit, DefaultBacklogLimit)
	o.Retention.Age = cmp.Or(o.Retention.Age, DefaultRetentionAge)
	o.Retention.MinAge = cmp.Or(o.Retention.MinAge, DefaultRetentionMinAge)
	o.Retention.Count = cmp.Or(o.Retention.Count, DefaultRetentionCount)
	return o, nil
}

// Close stops accepting and leasing, refuses the callers that wait for memory, and waits until
// everything has ended. Background runs that are queued stay queued for the next process. If ctx
// ends first, running background runs are aborted and queued again without counting a failure; if
// callers still wait then, or the store does not write, Close returns the error of ctx, and a
// later Close continues to wait. From the first call on, every other method returns
// CodeUnavailable.
func (e *Engine) Close(ctx context.Context) error {
	e.schedules.Stop()
	e.deliveries.Stop()
	e.gate.stop()
	e.operations.halt()
	e.background.Stop()
	e.admission.Stop()
	e.closing.Do(func() { go e.wait() })
	select {
	case <-e.closed:
		return nil
	case <-ctx.Done():
	}
	e.records.giveUp()
	e.lent.abort()
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
	case <-e.gate.drained:
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

// wait waits for the parts of the Engine, in the order in which they depend on each other.
func (e *Engine) wait() {
	e.schedules.Wait()
	<-e.gate.drained
	e.operations.wait()
	e.background.Wait()
	e.deliveries.Wait()
	e.records.stop()
	e.records.wait()
	close(e.stopRetention)
	e.retention.Wait()
	e.stats.Close()
	close(e.closed)
}

// enter admits a caller, unless the Engine is closed. After nil the caller must leave the gate.
func (e *Engine) enter() error {
	if !e.gate.enter() {
		return runtime.ShuttingDownError()
	}
	return nil
}

// withOp returns err as a *runtime.Error that names the operation: an *Error without an operation
// gets op, any other error becomes internal. It returns nil for nil.
func withOp(op string, err error) error {
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
