package sandbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	goruntime "runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/sandbox/wasi"
)

// GCPercent is the value that a server sets GOGC to, see debug.SetGCPercent. A guest that recurses
// deeply makes wazero reallocate its native stack, several megabytes at once. If that starts a
// collection, the guest pays for it and does not yield for 10 ms. Most of the memory is outside the
// Go heap, so rare collections cost little of it.
const GCPercent = 400

// Options configures a Sandbox. The zero value works.
type Options struct {
	// CacheDir is the folder that stores the compiled guest between starts, created with mode 0700.
	// Empty: every start compiles the guest, which takes seconds.
	CacheDir string
	Log      *slog.Logger // nil: slog.Default

	// Processors is the largest number of guests that compute at once. Zero: the value of
	// GOMAXPROCS when the sandbox is opened.
	Processors int
	// IdleSlots is the largest number of instances that stay ready between runs, at some hundred
	// KiB each. Zero: 8 per place.
	IdleSlots int
	// ImageBytes is the largest size in bytes of all cached images of functions. The least recently
	// used are dropped, and rebuilt on demand. Zero: 512 MiB.
	ImageBytes int64
	// TmpBytes is the largest number of bytes that all runs together may have in /tmp. Zero: 1 GiB.
	TmpBytes int64
	// Portable makes slots copy all of their memory for every run, as on systems that do not report
	// which pages were written.
	Portable bool
}

func (o Options) withDefaults() Options {
	o.Log = cmp.Or(o.Log, slog.Default())
	o.Processors = cmp.Or(max(o.Processors, 0), goruntime.GOMAXPROCS(0))
	o.IdleSlots = cmp.Or(max(o.IdleSlots, 0), 8*o.Processors)
	o.ImageBytes = cmp.Or(max(o.ImageBytes, 0), 512*runtime.MiB)
	o.TmpBytes = cmp.Or(max(o.TmpBytes, 0), 1024*runtime.MiB)
	return o
}

// Sandbox runs functions, each in an interpreter of its own. It implements [runtime.Sandbox].
type Sandbox struct {
	guest      *guest
	processors *processors
	images     *images
	pool       *pool
	tmpBudget  atomic.Int64
	rebuilds   singleflight.Group
	log        *slog.Logger

	discards chan struct{} // one token for each slot that is being closed

	mu     sync.Mutex
	active sync.WaitGroup
	closed bool
}

var _ runtime.Sandbox = (*Sandbox)(nil)

// Open compiles the guest, unless the cache has it, and starts the interpreter that all others are
// copies of.
func Open(ctx context.Context, o Options) (*Sandbox, error) {
	o = o.withDefaults()
	g, err := openGuest(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	s := &Sandbox{
		guest:      g,
		processors: newProcessors(o.Processors, time.Now),
		images:     newImages(o.ImageBytes),
		pool:       &pool{limit: o.IdleSlots},
		log:        o.Log,

		discards: make(chan struct{}, maxDiscards),
	}
	s.tmpBudget.Store(o.TmpBytes)
	// Create one instance before any others can be created concurrently: the first fills in values
	// that the compiled module computes lazily and without a lock.
	first, err := g.newSlot(ctx, s.processors, &s.tmpBudget)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("sandbox: %w", err), g.close(ctx))
	}
	s.pool.put(first)
	return s, nil
}

// errClosed is returned by calls after Close.
var errClosed = errors.New("sandbox: closed")

// enter registers a call, so that Close waits for it.
func (s *Sandbox) enter() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errClosed
	}
	s.active.Add(1)
	return nil
}

// Close waits for the calls in progress and frees everything. It is idempotent.
func (s *Sandbox) Close() error {
	s.mu.Lock()
	closed := s.closed
	s.closed = true
	s.mu.Unlock()
	s.active.Wait()
	if closed {
		return nil
	}
	var errs []error
	for _, slot := range s.pool.close() {
		errs = append(errs, slot.close())
	}
	s.images.clear()
	return errors.Join(append(errs, s.guest.close(context.Background()))...)
}

// Deploy implements [runtime.Sandbox].
func (s *Sandbox) Deploy(ctx context.Context, p runtime.Program) (runtime.Outcome, error) {
	if err := s.enter(); err != nil {
		return runtime.Outcome{}, err
	}
	defer s.active.Done()
	img, outcome, err := s.buildImage(ctx, p)
	if img != nil {
		s.images.put(keyOf(p), img)
		img.release()
	}
	return outcome, err
}

// Run implements [runtime.Sandbox]. The result has at most [runtime.MaxResult] bytes, but is
// whatever the guest has sent: the caller must check that it is JSON.
func (s *Sandbox) Run(ctx context.Context, c runtime.RunCall) (runtime.Outcome, error) {
	if err := s.enter(); err != nil {
		return runtime.Outcome{}, err
	}
	defer s.active.Done()
	img, outcome, err := s.acquireImage(ctx, c.Program)
	if img == nil {
		if c.Logs != nil {
			c.Logs.AppendAll(outcome.Logs)
			outcome.Logs = c.Logs.End()
		}
		return outcome, err
	}
	defer img.release()
	limits := c.Limits
	if limits == (runtime.Limits{}) {
		limits = c.Program.Limits
	}
	r := request{op: opRun, inputs: [3][]byte{c.Args, contextOf(c)}, limits: limits.WithDefaults(), logs: c.Logs}
	return s.callOnSlot(ctx, img, c.Program.Tenant, r, nil)
}

// contextOf returns the context that the guest receives: a pair with the environment, if the run
// has one of its own.
func contextOf(c runtime.RunCall) []byte {
	if c.Env == nil {
		return c.Context
	}
	pair := make([]byte, 0, len(c.Context)+len(c.Env)+3)
	pair = append(append(pair, '['), c.Context...)
	return append(append(append(pair, ','), c.Env...), ']')
}

// Forget implements [runtime.Sandbox].
func (s *Sandbox) Forget(functionID string, version uint64) {
	key := imageKey{functionID, version}
	if img := s.images.get(key); img != nil {
		s.images.drop(key)
		s.pool.unload(img)
		img.release()
	}
}

func keyOf(p runtime.Program) imageKey { return imageKey{p.FunctionID, p.Version} }

// acquireImage returns the program's image, which the caller must release. An image that was
// dropped is rebuilt, once for all callers that wait for it. The image is nil if the program no
// longer loads; then the outcome has the reason.
func (s *Sandbox) acquireImage(ctx context.Context, p runtime.Program) (*image, runtime.Outcome, error) {
	key := keyOf(p)
	for {
		if img := s.images.get(key); img != nil {
			return img, runtime.Outcome{}, nil
		}
		// The first caller may go away while others still wait.
		ctx := context.WithoutCancel(ctx)
		outcome, err, _ := s.rebuilds.Do(fmt.Sprintf("%s/%d", key.function, key.version), func() (any, error) {
			return s.Deploy(ctx, p)
		})
		if err != nil {
			return nil, runtime.Outcome{}, err
		}
		if outcome := outcome.(runtime.Outcome); outcome.Failure != nil {
			return nil, outcome, nil
		}
		// The image is cached now, unless Forget has dropped it in between: then try again.
	}
}

// buildImage builds the program's image, which the caller must release. The image is nil if the
// program does not load; then the outcome has the reason.
func (s *Sandbox) buildImage(ctx context.Context, p runtime.Program) (*image, runtime.Outcome, error) {
	// Use two interpreters: what the compiler leaves in memory would enlarge the image.
	r := request{op: opCompile, inputs: [3][]byte{[]byte(p.Name), p.Source}, limits: p.Limits.WithDefaults()}
	outcome, err := s.callOnSlot(ctx, s.guest.bare, p.Tenant, r, nil)
	if err != nil || outcome.Failure != nil {
		return nil, outcome, err
	}
	var img *image
	r.op, r.inputs[2] = opDeploy, outcome.Result
	outcome, err = s.callOnSlot(ctx, s.guest.bare, p.Tenant, r, func(slot *slot) (err error) {
		img, err = newImage(s.guest.base, slot.image, slot.memory, slot.system.Capture())
		return err
	})
	if err != nil || outcome.Failure != nil {
		if img != nil {
			img.release()
		}
		return nil, outcome, err
	}
	return img, outcome, nil
}

// callOnSlot makes a call on any slot. If the call succeeds, inspect, unless nil, is called with
// the slot as the call left it.
func (s *Sandbox) callOnSlot(ctx context.Context, img *image, tenant runtime.Tenant, r request, inspect func(*slot) error) (runtime.Outcome, error) {
	var c claim
	s.processors.acquire(&c)
	defer s.processors.release()
	slot := s.pool.take(img, tenant)
	if slot == nil {
		var err error
		if slot, err = s.guest.newSlot(ctx, s.processors, &s.tmpBudget); err != nil {
			return runtime.Outcome{}, err
		}
	}
	slot.claim = c
	return s.callSlot(ctx, slot, img, tenant, r, inspect)
}

// callSlot prepares the slot, makes the call, restores the slot and returns it to the pool.
func (s *Sandbox) callSlot(ctx context.Context, slot *slot, img *image, tenant runtime.Tenant, r request, inspect func(*slot) error) (runtime.Outcome, error) {
	if err := slot.prepare(img, tenant); err != nil {
		s.discard(slot)
		return runtime.Outcome{}, err
	}
	r.deadline = s.processors.now().Add(r.limits.Timeout)
	outcome, usable := slot.invoke(ctx, r)
	var err error
	if inspect != nil && outcome.Failure == nil {
		err = inspect(slot)
	}
	if usable {
		var restoreErr error
		outcome.Usage.Pages, usable, restoreErr = slot.restore()
		if restoreErr != nil {
			s.log.Error("cannot restore a slot; it is closed", "error", restoreErr)
		}
	}
	if !usable {
		s.discard(slot)
	} else if surplus := s.pool.put(slot); surplus != nil {
		s.discard(surplus)
	}
	return outcome, err
}

// maxDiscards is the largest number of slots that are closed in the background while callers
// already have their answer. Each may still hold all of its run's memory, which no longer counts
// against any limit, so there are few; further slots are closed at once.
const maxDiscards = 4

// discard closes a slot, in the background if possible: unmapping half a gigabyte takes tens of
// milliseconds.
func (s *Sandbox) discard(slot *slot) {
	// Free at once what the run had in /tmp.
	slot.system.Reset(nil, wasi.Limits{})
	select {
	case s.discards <- struct{}{}:
		s.active.Add(1)
		go func() {
			defer s.active.Done()
			s.closeSlot(slot)
			<-s.discards
		}()
	default:
		s.closeSlot(slot)
	}
}

func (s *Sandbox) closeSlot(slot *slot) {
	if err := slot.close(); err != nil {
		s.log.Error("cannot close a slot", "error", err)
	}
}
