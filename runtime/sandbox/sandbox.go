package sandbox

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	goruntime "runtime"
	"sync"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/memory"
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
	// IdleSlots is the number of instances that stay ready between runs; as many as were in use at
	// once within the last ten seconds stay in any case. Further ones with large images stay while they
	// are used. Zero: 8 per place, and 16 times as many with large images.
	IdleSlots int
	// ImageDir is a folder, created with mode 0700, in which images are stored for which there is
	// no memory. What is in it when the sandbox is opened or closed is removed. Empty, or in a file
	// system in memory, or on a system other than Linux: such images are made again for each run.
	ImageDir string
	// ImageDisk is the largest number of bytes that images take in ImageDir. Zero: an eighth of
	// what is free on the disk.
	ImageDisk int64
	// Bundles has the bundles of functions. Nil: no program may have one.
	Bundles runtime.BundleSource
	// Bytecode keeps the bytecode of bundles between starts. Nil: every start compiles them again.
	Bytecode runtime.BytecodeStore
	// BundleDir is a folder, created with mode 0700, in which bundles are unpacked. What is in it when
	// the sandbox is opened or closed is removed. Empty, or in a file system in memory, or on a system
	// other than Linux: they are unpacked into memory.
	BundleDir string
	// BundleDisk is the largest number of bytes that bundles take in BundleDir. Zero: an eighth of what
	// is free on the disk.
	BundleDisk int64
	// DiskFloor is the free space of the disk of ImageDir and BundleDir, in bytes, below which the
	// server accepts nothing new: images and bundles leave more.
	DiskFloor int64
	// ImageFiles and BundleFiles, if not nil, are used in place of ImageDir and BundleDir.
	ImageFiles, BundleFiles Disk
	// Memory is the budget that images, idle slots and whatever a run needs beyond its reservation
	// are taken from. The caller takes the reservations of runs ([runtime.Limits.Reservation]) from
	// it. Nil: a budget of its own, of half the machine's memory.
	Memory *memory.Budget
	// Uses returns the use of a tenant, which has its weight when tenants share the processors, and its
	// limit of images in memory; nil for one without limits. It is called concurrently. Nil: no tenant
	// has limits.
	Uses func(runtime.Tenant) *runtime.TenantUse
	// Portable makes slots copy all of their memory for every run, as on systems that do not report
	// which pages were written.
	Portable bool

	mappedSlots int // slots with a mapped image that stay while they are used

	clock  wasi.Clock // the guests' clock in tests; nil: that of the machine
	random io.Reader  // the guests' source of random bytes in tests; nil: crypto/rand
}

func (o Options) withDefaults() Options {
	o.Log = cmp.Or(o.Log, slog.Default())
	o.Processors = cmp.Or(max(o.Processors, 0), goruntime.GOMAXPROCS(0))
	o.mappedSlots = max(o.IdleSlots, 0)
	if o.IdleSlots <= 0 {
		o.IdleSlots = 8 * o.Processors
		o.mappedSlots = mappedShare * o.IdleSlots
	}
	if o.Memory == nil {
		o.Memory = memory.New(memory.Machine()/2, o.Log)
	}
	if o.clock == nil {
		o.clock = hostClock{time.Now()}
	}
	if o.random == nil {
		o.random = rand.Reader
	}
	return o
}

// imageDisk returns the disk of images, bundleDisk that of bundles. Nil: there is none.
func (o *Options) imageDisk() Disk { return o.disk(o.ImageFiles, "images", o.ImageDir, o.ImageDisk) }

func (o *Options) bundleDisk() Disk {
	return o.disk(o.BundleFiles, "bundles", o.BundleDir, o.BundleDisk)
}

// disk returns a disk that is given, or one in a folder.
func (o *Options) disk(given Disk, what, dir string, most int64) Disk {
	if given != nil {
		return given
	}
	if folder := OpenFolder(what, dir, most, o.DiskFloor, o.Log); folder != nil {
		return folder
	}
	return nil
}

const (
	// coveredStacks is the number of native stacks of maxStack bytes that memory.Overhead covers.
	coveredStacks = 2
	// stacksShare is the divisor of the budget that further such stacks may have.
	stacksShare = 4
)

// fitProcessors returns the largest number of guests, at most n, that may compute at once with a
// memory budget, and the bytes of it that their native stacks take. wazero lets the stack of a
// guest that computes grow before the sandbox can take memory for it, so there must be room for
// that beforehand.
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
	files      *imageFiles
	bundles    *bundles
	pool       *pool
	builds     builds
	closing    chan struct{} // one token for each slot that is closed in the background
	ended      chan struct{} // closed by Close
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
	s := &Sandbox{guest: g, processors: newProcessors(places, time.Now), closing: make(chan struct{}, maxClosing), ended: make(chan struct{}), log: o.Log}
	s.files = openImageFiles("images", o.imageDisk(), o.Log)
	s.images = newImages(s.files)
	s.bundles = newBundles(o, g, s.processors)
	s.accounts = openAccounts(o.Memory, s.reclaimSlots, s.reclaimImages, s.reclaimBundles)
	s.bundles.account, s.bundles.images, s.bundles.dropImages = s.accounts.bundles, s.bundleImages, s.dropImages
	s.accounts.stacks.Add(stacks)
	s.accounts.uses = o.Uses
	s.processors.weights = func(tenant runtime.Tenant) int { return s.accounts.useOf(tenant).ProcessorShare() }
	spares := min(o.IdleSlots, sparesPerPlace*min(o.Processors, coveredPlaces))
	s.pool = &pool{limit: o.IdleSlots, mapped: o.mappedSlots, account: s.accounts.idle, spare: spares, uses: o.Uses}
	// Create one instance before any others can be created concurrently: the first fills in values
	// that the compiled module computes lazily and without a lock.
	first, err := g.newSlot(ctx, s.processors, s.accounts, sizeClass)
	if err != nil {
		s.files.close()
		s.bundles.close()
		return nil, errors.Join(fmt.Errorf("sandbox: %w", err), g.close(ctx))
	}
	s.retire(first, true)
	go s.trim()
	return s, nil
}

// There may be thousands of slots to trim: after trimBatch of them, others go on for trimPause.
const (
	trimBatch = 8
	trimPause = time.Millisecond
)

// trim closes idle slots that were not needed recently, and frees what tenants keep beyond limits that were
// lowered, until the sandbox is closed.
func (s *Sandbox) trim() {
	ticker := time.NewTicker(poolPeriod)
	defer ticker.Stop()
	for {
		select {
		case <-s.ended:
			return
		case <-ticker.C:
			if s.enter() != nil {
				return
			}
			for i, slot := range s.pool.nextPeriod() {
				if i%trimBatch == trimBatch-1 {
					time.Sleep(trimPause) // closing delays page faults of the whole process
				}
				s.closeSlot(slot)
			}
			s.reclaimTenants()
			s.active.Done()
		}
	}
}

// The slots that need no memory of the budget are sparesPerPlace for each of the first
// coveredPlaces guests that compute at once.
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

// Slots returns the numbers of idle slots, and of those in use.
func (s *Sandbox) Slots() (idle, busy int) { return s.pool.count() }

// Kept reports whether the folder of the compiled guest has its code, so that the next start need not compile it.
func (s *Sandbox) Kept() bool { return s.guest.kept }

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
	close(s.ended)
	var errs []error
	for _, slot := range s.pool.close() {
		errs = append(errs, slot.close())
		s.pool.discharge(slot)
	}
	s.images.clear()
	s.files.close()
	s.bundles.close()
	return errors.Join(append(errs, s.guest.close(context.Background()))...)
}

// Deploy implements [runtime.Sandbox]. The error is CodeTooBusy, with a RetryAfter, if there is no
// memory for the compiled code now, or no place for the unpacked bundle. It is CodeInvalidArgument or
// CodeTooLarge if the bundle cannot be unpacked.
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
	r := request{op: opRun, entered: s.processors.now(), inputs: [3][]byte{c.Args, contextOf(c)}, limits: limits, logs: c.Logs, room: c.Room, network: c.Network, info: runInfo{c.Info, p.Version}}
	img := s.images.get(keyOf(p))
	if img == nil {
		// Building the image counts as a part of the run, which has reserved its own memory only. A
		// bundle may need more time to load than its runs have.
		building := r
		building.limits.Timeout = loadTime(p, limits)
		building.started = s.processors.now()
		building.deadline = building.started.Add(building.limits.Timeout)
		p.Limits.Memory = min(p.Limits.WithDefaults().Memory, limits.Memory)
		made := s.acquireImage(ctx, p, building)
		r.built = true
		if p.Bundle.IsZero() {
			r.started, r.deadline = building.started, building.deadline
		}
		switch img = made.image; {
		case made.unkept:
			return s.runUnkept(ctx, p, r)
		case img == nil:
			if c.Logs != nil {
				c.Logs.AppendAll(made.outcome.Logs)
				made.outcome.Logs = c.Logs.End()
			}
			made.outcome.Usage.Duration = s.processors.now().Sub(building.started)
			return made.outcome, made.err
		}
	}
	defer img.release()
	if int64(img.size) > max(limits.Memory, int64(s.guest.base.size)) {
		return runtime.Outcome{Failure: &runtime.Failure{Class: runtime.ClassMemory, Message: fmt.Sprintf(
			"the function has %d MB of memory after its module body, more than the %d MB of this run", int64(img.size)/runtime.MiB, limits.Memory/runtime.MiB)}}, nil
	}
	var next continuation
	if img.imports.begin() {
		r.inputs[1] = learning(c)
		next = func(slot *slot, outcome runtime.Outcome) (runtime.Outcome, bool, error) {
			img.imports.add(slot.system.Capture())
			return outcome, true, nil
		}
	}
	return s.callOnSlot(ctx, img, p.Tenant, r, next)
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
	s.bundles.forget(imageKey{functionID, version})
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

// reclaimImages moves images that nobody uses to disk, or drops them, until n bytes are free.
func (s *Sandbox) reclaimImages(n int64) int64 {
	if s.enter() != nil {
		return 0
	}
	defer s.active.Done()
	return s.images.reclaim(n)
}

// bundleImages returns the images that no run uses, by their bundles.
func (s *Sandbox) bundleImages() map[*bundleFiles][]cachedImage {
	return s.images.ofBundles(s.pool.idleByImage)
}

// dropImages drops images that bundleImages has returned and that no run uses yet, and reports whether
// there were any. The next run builds them again.
func (s *Sandbox) dropImages(chosen []cachedImage) bool {
	removed := s.images.removeUnused(chosen, s.pool.idleByImage)
	for _, img := range removed {
		s.forget(img)
	}
	return len(removed) > 0
}

// reclaimBundles drops unpacked bundles that no run uses, until n bytes are free.
func (s *Sandbox) reclaimBundles(n int64) int64 {
	if s.enter() != nil {
		return 0
	}
	defer s.active.Done()
	return s.bundles.reclaim(n)
}
