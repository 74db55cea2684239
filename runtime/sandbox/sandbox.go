package sandbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	goruntime "runtime"
	"sync"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/memory"
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
	// IdleSlots is the largest number of instances that stay ready between runs. Zero: 8 per place.
	IdleSlots int
	// Memory is the budget that images, idle slots and whatever a run needs beyond its reservation
	// are taken from. The caller takes the reservations of runs ([runtime.Limits.Reservation]) from
	// it. Nil: a budget of its own, of half the machine's memory.
	Memory *memory.Budget
	// Portable makes slots copy all of their memory for every run, as on systems that do not report
	// which pages were written.
	Portable bool
}

func (o Options) withDefaults() Options {
	o.Log = cmp.Or(o.Log, slog.Default())
	o.Processors = cmp.Or(max(o.Processors, 0), goruntime.GOMAXPROCS(0))
	o.IdleSlots = cmp.Or(max(o.IdleSlots, 0), 8*o.Processors)
	if o.Memory == nil {
		o.Memory = memory.New(memory.Machine()/2, o.Log)
	}
	return o
}

const (
	// coveredStacks is the number of native stacks of maxStack bytes that memory.Overhead covers.
	coveredStacks = 2
	// stacksShare is the divisor of the budget that further such stacks may have.
	stacksShare = 4
)

// fitProcessors returns the largest number of guests, at most n, that may compute at once with a
// memory budget, and the bytes of it that their native stacks take. wazero lets the stack of a guest
// that computes grow before the sandbox can take memory for it, so there must be room for that
// beforehand.
func fitProcessors(n int, budget int64) (fit int, bytes int64) {
	further := min(max(n-coveredStacks, 0), int(budget/stacksShare/maxStack))
	return min(n, coveredStacks+further), int64(further) * maxStack
}

// Sandbox runs functions, each in an interpreter of its own. It implements [runtime.Sandbox].
type Sandbox struct {
	guest      *guest
	processors *processors
	accounts   *accounts
	images     *images
	pool       *pool
	builds     builds
	closing    chan struct{} // one token for each slot that is closed in the background
	log        *slog.Logger

	mu     sync.Mutex
	active sync.WaitGroup
	closed bool
}

var _ runtime.Sandbox = (*Sandbox)(nil)

// Open compiles the guest, unless the cache has it, and starts the interpreter that all others are
// copies of.
func Open(ctx context.Context, o Options) (*Sandbox, error) {
	o = o.withDefaults()
	places, stacks := fitProcessors(o.Processors, o.Memory.Total())
	if places < o.Processors {
		o.Log.Info("the memory budget is too small for the native stacks of more runs that compute at once", "runs", places, "processors", o.Processors)
	}
	g, err := openGuest(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	s := &Sandbox{guest: g, processors: newProcessors(places, time.Now), images: newImages(), closing: make(chan struct{}, maxClosing), log: o.Log}
	s.accounts = openAccounts(o.Memory, s.reclaimSlots, s.reclaimImages)
	s.accounts.stacks.Add(stacks)
	spares := min(o.IdleSlots, sparesPerPlace*min(o.Processors, coveredPlaces))
	s.pool = &pool{limit: o.IdleSlots, account: s.accounts.idle, spare: spares}
	// Create one instance before any others can be created concurrently: the first fills in values
	// that the compiled module computes lazily and without a lock.
	first, err := g.newSlot(ctx, s.processors, s.accounts, sizeClass)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("sandbox: %w", err), g.close(ctx))
	}
	s.retire(first, true)
	return s, nil
}

// The slots that need no memory of the budget are sparesPerPlace for each of the first coveredPlaces
// guests that compute at once.
const (
	sparesPerPlace = 8
	coveredPlaces  = 2
)

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
		s.pool.discharge(slot)
	}
	s.images.clear()
	return errors.Join(append(errs, s.guest.close(context.Background()))...)
}

// Deploy implements [runtime.Sandbox]. The error is CodeTooBusy, with a RetryAfter, if there is no
// memory for the compiled code now.
func (s *Sandbox) Deploy(ctx context.Context, p runtime.Program) (runtime.Outcome, error) {
	if err := s.enter(); err != nil {
		return runtime.Outcome{}, err
	}
	defer s.active.Done()
	made := s.buildImage(ctx, p)
	if made.image != nil {
		made.image.release() // the cache has it
	}
	return made.outcome, made.err
}

// Run implements [runtime.Sandbox]. The result has at most [runtime.MaxResult] bytes, but is
// whatever the guest has sent: the caller must check that it is JSON.
//
// The error is CodeTooBusy, with a RetryAfter, if the image must be built again and there is no
// memory for that now. The function was not called; it is no fault of the platform.
func (s *Sandbox) Run(ctx context.Context, c runtime.RunCall) (runtime.Outcome, error) {
	if err := s.enter(); err != nil {
		return runtime.Outcome{}, err
	}
	defer s.active.Done()
	p, limits := c.Program, c.Limits
	if limits == (runtime.Limits{}) {
		limits = p.Limits
	}
	limits = limits.WithDefaults()
	r := request{op: opRun, inputs: [3][]byte{c.Args, contextOf(c)}, limits: limits, logs: c.Logs}
	img := s.images.get(keyOf(p))
	if img == nil {
		// Building the image counts as a part of the run, which has reserved its own memory only.
		r.started = s.processors.now()
		r.deadline = r.started.Add(limits.Timeout)
		p.Limits.Memory = min(p.Limits.WithDefaults().Memory, limits.Memory)
		made := s.acquireImage(ctx, p, r)
		switch img = made.image; {
		case made.unkept:
			return s.runUnkept(ctx, p, r)
		case img == nil:
			if c.Logs != nil {
				c.Logs.AppendAll(made.outcome.Logs)
				made.outcome.Logs = c.Logs.End()
			}
			made.outcome.Usage.Duration = s.processors.now().Sub(r.started)
			return made.outcome, made.err
		}
	}
	defer img.release()
	if int64(img.size) > max(limits.Memory, int64(s.guest.base.size)) {
		return runtime.Outcome{Failure: &runtime.Failure{Class: runtime.ClassMemory, Message: fmt.Sprintf(
			"the function has %d MB of memory after its module body, more than the %d MB of this run", int64(img.size)/runtime.MiB, limits.Memory/runtime.MiB)}}, nil
	}
	return s.callOnSlot(ctx, img, p.Tenant, r, nil)
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
	if s.enter() != nil {
		return
	}
	defer s.active.Done()
	if img := s.images.drop(imageKey{functionID, version}); img != nil {
		s.forget(img)
	}
}

// forget releases an image that was removed from the cache, and closes the idle slots that have it
// loaded. A slot that is in use is closed afterwards.
func (s *Sandbox) forget(img *image) {
	img.forgotten.Store(true)
	for _, slot := range s.pool.removeImage(img) {
		s.closeSlot(slot)
	}
	img.release()
}

// reclaimSlots closes the least recently used idle slots that keep n bytes.
func (s *Sandbox) reclaimSlots(n int64) int64 {
	if s.enter() != nil {
		return 0
	}
	defer s.active.Done()
	removed, bytes := s.pool.reclaim(n)
	for _, slot := range removed {
		s.closeSlot(slot)
	}
	return bytes
}

// reclaimImages drops images that cost n bytes and that nobody uses.
func (s *Sandbox) reclaimImages(n int64) int64 {
	if s.enter() != nil {
		return 0
	}
	defer s.active.Done()
	return s.images.reclaim(n)
}

func keyOf(p runtime.Program) imageKey { return imageKey{p.FunctionID, p.Version} }

// acquireImage returns the program's image, which the caller must release. An image that was
// dropped is built again, once for all callers that wait for it. The image is nil if the program no
// longer loads, or if the run's deadline passes or its context ends; then the outcome has the
// reason.
func (s *Sandbox) acquireImage(ctx context.Context, p runtime.Program, r request) built {
	key := keyOf(p)
	if !s.images.worthBuilding(key, r.started, s.imageRoom) {
		return built{unkept: true}
	}
	waiting, cancel := context.WithDeadline(ctx, r.deadline)
	defer cancel()
	made, ok := s.builds.wait(waiting, buildKey{key, p.Limits.Memory}, func(ctx context.Context) built {
		if img := s.images.get(key); img != nil { // another build has just ended
			return built{image: img}
		}
		return s.buildImage(ctx, p)
	})
	if !ok {
		made = built{outcome: stoppedOutcome(ctx, r.limits)}
	}
	return made
}

// imageRoom returns the number of bytes that an image could take now, if all caches gave up theirs.
func (s *Sandbox) imageRoom() int64 {
	a := s.accounts
	return a.images.mapped.Free() + a.idle.Held() + a.images.mapped.Held()
}

// stoppedOutcome returns the outcome of a call that ended before its guest began: it was cancelled,
// or its deadline passed.
func stoppedOutcome(ctx context.Context, limits runtime.Limits) runtime.Outcome {
	c := call{endClass: runtime.ClassTimeout, limits: limits}
	if ctx.Err() != nil {
		c.endClass = runtime.ClassCancelled
	}
	return runtime.Outcome{Failure: endFailure(&c)}
}

// buildImage builds the program's image and puts it into the cache, unless there is no memory for
// it. The caller must release it.
func (s *Sandbox) buildImage(ctx context.Context, p runtime.Program) (made built) {
	returned := false
	defer func() {
		if !returned && made.image != nil { // a panic
			made.image.release()
		}
	}()
	made.outcome, made.err = s.deploy(ctx, p, request{limits: p.Limits.WithDefaults()},
		func(slot *slot, outcome runtime.Outcome) (_ runtime.Outcome, usable bool, err error) {
			made.image, err = s.capture(slot, keyOf(p))
			made.unkept = made.image == nil && err == nil
			return outcome, true, err
		})
	if made.image != nil && (made.err != nil || made.outcome.Failure != nil) {
		made.image.release()
		made.image = nil
	}
	if made.image != nil {
		if previous := s.images.put(keyOf(p), made.image); previous != nil {
			s.forget(previous)
		}
	}
	returned = true
	return made
}

// smallCode is the size of compiled code, in bytes, up to which runtime.RunOverhead covers it.
const smallCode = 256 * runtime.KiB

// deploy compiles and deploys a program. If that succeeds, next is called with the slot as the
// module body left it; see callOnSlot. r has what both calls have in common. The error is
// CodeTooBusy if there is no memory for the compiled code now.
func (s *Sandbox) deploy(ctx context.Context, p runtime.Program, r request, next continuation) (runtime.Outcome, error) {
	// Use two interpreters: what the compiler leaves in memory would enlarge the image.
	r.op, r.inputs = opCompile, [3][]byte{[]byte(p.Name), p.Source}
	outcome, err := s.callOnSlot(ctx, s.guest.bare, p.Tenant, r, nil)
	if err != nil || outcome.Failure != nil {
		return outcome, err
	}
	code := outcome.Result
	if n := int64(len(code)); n > smallCode {
		if err := s.takeCode(ctx, r.deadline, n); errors.Is(err, endOfRun{}) {
			return stoppedOutcome(ctx, r.limits), nil
		} else if err != nil {
			return runtime.Outcome{}, err
		}
		defer s.accounts.code.Give(n)
	}
	r.op, r.inputs[2] = opDeploy, code
	return s.callOnSlot(ctx, s.guest.bare, p.Tenant, r, next)
}

// takeCode takes n bytes for compiled code, and waits for them at most for patience. The error is
// endOfRun if the call that needs them must end, or CodeTooBusy.
func (s *Sandbox) takeCode(ctx context.Context, deadline time.Time, n int64) error {
	patient, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if !deadline.IsZero() {
		patient, cancel = context.WithDeadline(patient, deadline)
		defer cancel()
	}
	err := s.accounts.code.Take(patient, n)
	if err != nil && (ctx.Err() != nil || !deadline.IsZero() && !s.processors.now().Before(deadline)) {
		return endOfRun{}
	}
	return err
}

// capture returns the image of the memory that a deployment has left in a slot, or nil if there is
// no memory for it.
func (s *Sandbox) capture(slot *slot, key imageKey) (img *image, err error) {
	pages, err := findPages(s.guest.base, slot.image, slot.memory, slot)
	if err != nil {
		return nil, err
	}
	files := slot.system.Capture()
	mapped, heap := imageCost(len(pages), files)
	// Caches do not give up their memory in vain.
	if mapped+heap > s.imageRoom() || !s.accounts.images.take(slot, mapped, heap) {
		if class := slot.stopped(s.processors.now()); class != "" {
			slot.call.endClass = class
			return nil, endOfRun{}
		}
		s.images.noteUnkept(key, mapped+heap, s.processors.now())
		return nil, nil
	}
	defer func() {
		if img == nil { // an error, or a panic
			s.accounts.images.give(mapped, heap)
		}
	}()
	if img, err = newImage(s.guest.base, slot.memory, pages, files, slot); err != nil {
		return nil, err
	}
	img.account = &s.accounts.images
	return img, nil
}

// runUnkept makes a run of a program for whose image there is no memory: it deploys the program in a
// slot, and calls it there.
func (s *Sandbox) runUnkept(ctx context.Context, p runtime.Program, r request) (runtime.Outcome, error) {
	deployment := request{started: r.started, deadline: r.deadline, limits: r.limits}
	ran := false
	outcome, err := s.deploy(ctx, p, deployment, func(slot *slot, _ runtime.Outcome) (runtime.Outcome, bool, error) {
		ran = true
		r.files = slot.system.Capture()
		slot.rewind()
		outcome, _ := slot.invoke(ctx, &r)
		return outcome, false, nil // the slot has no image that it could be restored to
	})
	if !ran && r.logs != nil {
		r.logs.AppendAll(outcome.Logs)
		outcome.Logs = r.logs.End()
	}
	return outcome, err
}

// continuation continues a call that has succeeded, with the slot as the call left it. It returns
// the outcome, and whether the slot can be restored.
type continuation func(*slot, runtime.Outcome) (outcome runtime.Outcome, usable bool, err error)

// callOnSlot makes a call on any slot. next may be nil. Everything that is done for the call counts
// as its duration. A panic leaves nothing behind: the slot is closed.
func (s *Sandbox) callOnSlot(ctx context.Context, img *image, tenant runtime.Tenant, r request, next continuation) (runtime.Outcome, error) {
	c := claim{ctx: ctx, deadline: r.deadline}
	defer s.processors.release(&c)
	if !s.processors.acquire(&c) || c.stopped(c.since) != "" {
		outcome := stoppedOutcome(ctx, r.limits)
		if r.logs != nil {
			outcome.Logs = r.logs.End()
		}
		return outcome, nil
	}
	if r.started.IsZero() {
		r.started = c.since
		r.deadline = c.since.Add(r.limits.Timeout)
		c.deadline = r.deadline
	}
	most := max(r.limits.Memory, int64(img.size))
	slot := s.pool.take(img, tenant, int(most))
	if slot == nil {
		var err error
		if slot, err = s.guest.newSlot(ctx, s.processors, s.accounts, classOf(most)); err != nil {
			return runtime.Outcome{}, err
		}
	}
	slot.claim, c = c, claim{} // the slot has the permit now
	returned := false
	defer func() {
		if !returned { // a panic: the state of the slot is unknown
			s.processors.release(&slot.claim)
			s.discard(slot)
		}
	}()
	outcome, usable, err := s.callSlot(ctx, slot, img, tenant, &r, next)
	returned = true
	c, slot.claim = slot.claim, claim{}
	surplus := slot
	if usable && slot.image != nil {
		// The next run gets the permit, and is to find the slot.
		surplus, usable = s.pool.put(slot), false
	}
	s.processors.release(&c)
	if surplus != nil {
		s.retire(surplus, usable)
	}
	outcome.Usage.Duration = s.processors.now().Sub(r.started)
	return outcome, err
}

// callSlot prepares the slot, makes the call and restores the slot. If usable is false, the slot must
// be closed.
func (s *Sandbox) callSlot(ctx context.Context, slot *slot, img *image, tenant runtime.Tenant, r *request, next continuation) (outcome runtime.Outcome, usable bool, err error) {
	if err := slot.prepare(img, tenant); errors.Is(err, endOfRun{}) {
		outcome.Failure = endFailure(&slot.call)
		if r.logs != nil {
			outcome.Logs = r.logs.End()
		}
		return outcome, false, nil
	} else if err != nil {
		return runtime.Outcome{}, false, err
	}
	outcome, usable = slot.invoke(ctx, r)
	if next != nil && outcome.Failure == nil {
		if outcome, usable, err = next(slot, outcome); errors.Is(err, endOfRun{}) {
			logs := outcome.Logs
			return runtime.Outcome{Failure: endFailure(&slot.call), Logs: logs}, false, nil
		}
	}
	if usable {
		var restoreErr error
		outcome.Usage.Pages, usable, restoreErr = slot.restore()
		if restoreErr != nil && !errors.Is(restoreErr, endOfRun{}) {
			s.log.Error("cannot restore a slot; it is closed", "error", restoreErr)
		}
	}
	return outcome, usable, err
}

// retire drops the memory of a usable slot and returns it to the pool, or closes the slot. Its caller
// holds no permit to compute, because returning half a gigabyte to the system takes tens of
// milliseconds, and still has its reservation, because the memory exists until it returns.
func (s *Sandbox) retire(slot *slot, usable bool) {
	if usable {
		err := slot.memory.drop()
		if slot.idle = idleOverhead; err == nil {
			slot = s.pool.put(slot)
		} else {
			s.log.Error("cannot drop the memory of a slot; it is closed", "error", err)
		}
	}
	if slot != nil {
		s.discard(slot)
	}
}

// maxClosing is the largest number of slots that are closed in the background. Each takes a
// processor that no run has a permit for.
const maxClosing = 4

// discard closes a slot: in the background, so that the caller of the run need not wait, if the
// memory that the slot may have is free beside the reservation of its run.
func (s *Sandbox) discard(slot *slot) {
	select {
	case s.closing <- struct{}{}:
	default:
		s.closeSlot(slot)
		return
	}
	n := int64(len(slot.memory.data()))
	if !s.accounts.closing.TakeFree(n) {
		<-s.closing
		s.closeSlot(slot)
		return
	}
	slot.rewind() // frees what the run had in /tmp
	s.active.Add(1)
	go func() {
		defer s.active.Done()
		s.closeSlot(slot)
		s.accounts.closing.Give(n)
		<-s.closing
	}()
}

func (s *Sandbox) closeSlot(slot *slot) {
	if err := slot.close(); err != nil {
		s.log.Error("cannot close a slot", "error", err)
	}
	s.pool.discharge(slot)
}
