package sandbox

import (
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

// GCPercent is what a server sets Go's GOGC to, see debug.SetGCPercent. A guest
// that recurses deeply makes wazero allocate its native stack anew, some
// megabytes at once. If that is what starts a collection, the guest pays for it
// and does not yield for 10 ms. Most of the memory is not Go's, so that collecting
// seldom costs little of it.
const GCPercent = 400

// Options of a Sandbox. The zero value works.
type Options struct {
	// CacheDir keeps the compiled guest between starts; made with mode 0700.
	// Empty: the guest is compiled at every start, which takes seconds.
	CacheDir string
	Log      *slog.Logger // nil: slog.Default

	// Places is how many guests may compute at once. Zero: GOMAXPROCS, as it
	// is when the sandbox is opened.
	Places int
	// IdleSlots is how many instances are kept ready between runs, at some
	// hundred KiB each. Zero: 8 per place.
	IdleSlots int
	// ImageBytes bounds what the images of functions may take. Those used
	// longest ago are dropped, and made again on demand. Zero: 512 MiB.
	ImageBytes int64
	// TmpBytes bounds what all runs together may keep in /tmp. Zero: 1 GiB.
	TmpBytes int64
	// Portable makes slots copy all of their memory for every run, as on
	// systems that do not tell which pages were written.
	Portable bool
}

func (o Options) withDefaults() Options {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Places <= 0 {
		o.Places = goruntime.GOMAXPROCS(0)
	}
	if o.IdleSlots <= 0 {
		o.IdleSlots = 8 * o.Places
	}
	if o.ImageBytes <= 0 {
		o.ImageBytes = 512 * runtime.MiB
	}
	if o.TmpBytes <= 0 {
		o.TmpBytes = 1024 * runtime.MiB
	}
	return o
}

// Sandbox runs functions, each in an interpreter of its own. It implements
// [runtime.Sandbox].
type Sandbox struct {
	guest   *guest
	places  *places
	images  *images
	pool    *pool
	tmp     atomic.Int64
	remakes singleflight.Group
	log     *slog.Logger

	discards chan struct{} // a token for each slot that is being closed

	mu     sync.Mutex
	active sync.WaitGroup
	closed bool
}

var _ runtime.Sandbox = (*Sandbox)(nil)

// Open compiles the guest, unless the cache has it, and starts the interpreter
// that all others are copies of.
func Open(ctx context.Context, o Options) (*Sandbox, error) {
	o = o.withDefaults()
	g, err := openGuest(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	s := &Sandbox{
		guest:  g,
		places: newPlaces(o.Places, time.Now),
		images: newImages(o.ImageBytes),
		pool:   &pool{limit: o.IdleSlots},
		log:    o.Log,

		discards: make(chan struct{}, maxDiscards),
	}
	s.tmp.Store(o.TmpBytes)
	// One instance is made before any others can be made at the same time:
	// the first fills in what the compiled module computes lazily, and unguarded.
	first, err := g.newSlot(ctx, s.places, &s.tmp)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("sandbox: %w", err), g.close(ctx))
	}
	s.pool.put(first)
	return s, nil
}

// errClosed is what calls after Close get.
var errClosed = errors.New("sandbox: closed")

// enter takes note of a call, so that Close waits for it.
func (s *Sandbox) enter() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errClosed
	}
	s.active.Add(1)
	return nil
}

// Close waits for the calls under way and frees everything. Idempotent.
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
	img, outcome, err := s.load(ctx, p)
	if img != nil {
		s.images.put(keyOf(p), img)
		img.release()
	}
	return outcome, err
}

// Run implements [runtime.Sandbox].
func (s *Sandbox) Run(ctx context.Context, c runtime.RunCall) (runtime.Outcome, error) {
	if err := s.enter(); err != nil {
		return runtime.Outcome{}, err
	}
	defer s.active.Done()
	img, outcome, err := s.imageOf(ctx, c.Program)
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
	return s.onSlot(ctx, img, c.Program.Tenant, r, nil)
}

// contextOf is what the guest is told as context: with the environment, if the
// run has one of its own.
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
		s.pool.forget(img)
		img.release()
	}
}

func keyOf(p runtime.Program) imageKey { return imageKey{p.FunctionID, p.Version} }

// imageOf gives the program's image, which the caller must release. If it is
// gone it is made again, once for all who ask at the same time; the outcome
// says why there is none if the program does not load any more.
func (s *Sandbox) imageOf(ctx context.Context, p runtime.Program) (*image, runtime.Outcome, error) {
	key := keyOf(p)
	for {
		if img := s.images.get(key); img != nil {
			return img, runtime.Outcome{}, nil
		}
		// Whoever asks first may go away; the others still wait.
		ctx := context.WithoutCancel(ctx)
		outcome, err, _ := s.remakes.Do(fmt.Sprintf("%s/%d", key.function, key.version), func() (any, error) {
			return s.Deploy(ctx, p)
		})
		if err != nil {
			return nil, runtime.Outcome{}, err
		}
		if outcome := outcome.(runtime.Outcome); outcome.Failure != nil {
			return nil, outcome, nil
		}
		// It is there now, but for a Forget in between: then once more.
	}
}

// load makes the program's image, which the caller must release. Without one the
// outcome says why.
func (s *Sandbox) load(ctx context.Context, p runtime.Program) (*image, runtime.Outcome, error) {
	// Two interpreters: what the compiler leaves behind would swell the image.
	r := request{op: opCompile, inputs: [3][]byte{[]byte(p.Name), p.Source}, limits: p.Limits.WithDefaults()}
	outcome, err := s.onSlot(ctx, s.guest.bare, p.Tenant, r, nil)
	if err != nil || outcome.Failure != nil {
		return nil, outcome, err
	}
	var img *image
	r.op, r.inputs[2] = opDeploy, outcome.Result
	outcome, err = s.onSlot(ctx, s.guest.bare, p.Tenant, r, func(slot *slot) (err error) {
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

// onSlot makes a call on some slot. keep, if not nil, is called with the slot as
// the call left it, if it succeeded.
func (s *Sandbox) onSlot(ctx context.Context, img *image, tenant runtime.Tenant, r request, keep func(*slot) error) (runtime.Outcome, error) {
	var t turn
	s.places.take(&t)
	defer s.places.give()
	slot := s.pool.take(img, tenant)
	if slot == nil {
		var err error
		if slot, err = s.guest.newSlot(ctx, s.places, &s.tmp); err != nil {
			return runtime.Outcome{}, err
		}
	}
	slot.turn = t
	return s.onThis(ctx, slot, img, tenant, r, keep)
}

func (s *Sandbox) onThis(ctx context.Context, slot *slot, img *image, tenant runtime.Tenant, r request, keep func(*slot) error) (runtime.Outcome, error) {
	if err := slot.prepare(img, tenant); err != nil {
		s.discard(slot)
		return runtime.Outcome{}, err
	}
	r.deadline = s.places.now().Add(r.limits.Timeout)
	outcome, usable := slot.invoke(ctx, r)
	var err error
	if keep != nil && outcome.Failure == nil {
		err = keep(slot)
	}
	if usable {
		var restoreErr error
		outcome.Usage.Pages, usable, restoreErr = slot.restore()
		if restoreErr != nil {
			s.log.Error("a slot could not be restored and is dropped", "error", restoreErr)
		}
	}
	if !usable {
		s.discard(slot)
	} else if surplus := s.pool.put(slot); surplus != nil {
		s.discard(surplus)
	}
	return outcome, err
}

// maxDiscards is how many slots are closed behind the backs of those who wait
// for an answer. Each may still hold all of its run's memory, which the run no
// longer answers for, so there are few; what is beyond is closed at once.
const maxDiscards = 4

// discard closes a slot. To unmap half a gigabyte takes tens of milliseconds.
func (s *Sandbox) discard(slot *slot) {
	slot.system.Reset(nil, wasi.Limits{}) // What its run had in /tmp is free at once.
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
		s.log.Error("closing a slot", "error", err)
	}
}
