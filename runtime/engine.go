package runtime

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
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
	DefaultCacheBytes = 64 * MiB
)

// Options of an Engine. Store and Sandbox must be set.
type Options struct {
	Store   Store
	Sandbox Sandbox
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
	// Now tells the time. Nil: time.Now.
	Now func() time.Time
}

// Engine is the service over functions and executions.
type Engine struct {
	store   Store
	sandbox Sandbox
	log     *slog.Logger
	now     func() time.Time

	gate      *gate
	admission *admission
	current   *versionCache
	changes   *keyedLock[functionKey] // held by whoever changes a function
}

// Deployment is the answer to a change of a function: the function as it is
// now (as it was, if it was deleted) and the id of the execution that did it.
type Deployment struct {
	Function    Function
	ExecutionID string
	Logs        Logs // what the module body wrote
}

// FunctionDetail is a function with its current version.
type FunctionDetail struct {
	Function Function
	Version  Version
}

// New makes an Engine. Whoever made the Store and the Sandbox closes them,
// after [Engine.Close].
func New(o Options) (*Engine, error) {
	if o.Store == nil || o.Sandbox == nil {
		return nil, fmt.Errorf("runtime: an Engine needs a Store and a Sandbox")
	}
	if o.MemoryBudget < 0 || o.QueueLimit < 0 || o.MaxRuns < 0 || o.CacheBytes < 0 {
		return nil, fmt.Errorf("runtime: an option of the Engine is negative: memory budget %d, queue limit %d, runs %d, cache %d",
			o.MemoryBudget, o.QueueLimit, o.MaxRuns, o.CacheBytes)
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
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Log.Debug("engine: ready", "memory_budget", o.MemoryBudget, "max_runs", o.MaxRuns, "queue_limit", o.QueueLimit)
	return &Engine{
		store:     o.Store,
		sandbox:   o.Sandbox,
		log:       o.Log,
		now:       o.Now,
		gate:      newGate(),
		admission: newAdmission(o.MemoryBudget, o.MaxRuns, o.QueueLimit),
		current:   newVersionCache(o.CacheBytes),
		changes:   newKeyedLock[functionKey](),
	}, nil
}

// Close stops admitting, turns away what waits, and waits until what was
// admitted has ended, or ctx: then the error is that of ctx, and a later Close
// waits on. From the first call on every other method fails with
// CodeUnavailable.
func (e *Engine) Close(ctx context.Context) error {
	ended := e.gate.shut()
	e.admission.shut()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// enter counts the caller in; it must leave the gate afterwards.
func (e *Engine) enter() error {
	if !e.gate.enter() {
		return shuttingDown()
	}
	return nil
}

func shuttingDown() error {
	err := Errorf(CodeUnavailable, "the server is shutting down").WithHint("try again in a moment")
	err.RetryAfter = time.Second
	return err
}

// newID makes a UUIDv7: ids of later things sort behind those of earlier ones.
// It panics if the system has no random numbers to give, as crypto/rand does.
func newID() string { return uuid.Must(uuid.NewV7()).String() }

// fault gives an error of the store or the sandbox its place: an *Error passes
// as it is, anything else is internal.
func fault(op string, err error) error {
	if e, ok := asError(err); ok {
		if e.Op == "" {
			named := *e
			named.Op = op
			return &named
		}
		return err
	}
	return Internal(op, err)
}
