package sandbox

import (
	"context"
	"errors"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/sandbox/wasi"
)

func keyOf(p runtime.Program) imageKey { return imageKey{p.FunctionID, p.Version} }

// acquireImage returns the program's image, which the caller must release. An image that was
// dropped is built again, once for all callers that wait for it. The image is nil if the program no
// longer loads, or if the run's deadline passes or its context ends; then the outcome has the
// reason.
func (s *Sandbox) acquireImage(ctx context.Context, p runtime.Program, r request) built {
	key := keyOf(p)
	if !s.images.worthBuilding(key, r.started, s.room) {
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

// room returns the size of the largest image that could be stored now, in memory or on disk.
func (s *Sandbox) room() int64 { return max(s.imageRoom(), s.files.diskRoom(time.Now())) }

// imageRoom returns the number of bytes of memory that an image could take now, if all caches gave
// up theirs.
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
		func(slot *slot, outcome runtime.Outcome, files *bundleFiles) (_ runtime.Outcome, usable bool, err error) {
			if made.image, err = s.capture(slot, keyOf(p)); made.image != nil {
				if made.image.bundle = files.retain(); files != nil {
					made.image.imports = newRunImports()
				}
			}
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

// deployedNext is a continuation of a deployment. files are those of the program's bundle, which the
// slot refers to; nil: it has none.
type deployedNext func(slot *slot, outcome runtime.Outcome, files *bundleFiles) (_ runtime.Outcome, usable bool, err error)

// deploy compiles and deploys a program. If that succeeds, next is called with the slot as the
// module body left it; see callOnSlot. r has what both calls have in common. The error is
// CodeTooBusy if there is no memory for the compiled code now.
func (s *Sandbox) deploy(ctx context.Context, p runtime.Program, r request, next deployedNext) (runtime.Outcome, error) {
	r.postponed = len(p.Allow) > 0
	if !p.Bundle.IsZero() {
		return s.deployBundle(ctx, p, r, next)
	}
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
	return s.callOnSlot(ctx, s.guest.bare, p.Tenant, r,
		func(slot *slot, outcome runtime.Outcome) (runtime.Outcome, bool, error) {
			return next(slot, outcome, nil)
		})
}

// keepBytecode is the code of a deployment that writes the bytecode of the bundle's modules to /tmp.
var keepBytecode = []byte{1}

// loadTime returns the longest time that loading a program may take, where a run has these limits.
func loadTime(p runtime.Program, limits runtime.Limits) time.Duration {
	if p.Bundle.IsZero() {
		return limits.Timeout
	}
	return max(limits.Timeout, runtime.MaxBundleDeploy)
}

// deployBundle is deploy for a program with a bundle. All of it, with the unpacking, may take the
// loadTime of the program, unless r has a deadline.
//
// The first deployment of a bundle is made twice: once to compile the modules that it imports, and
// then in an interpreter that finds their bytecode, so that the image has no leftovers of the
// compiler.
func (s *Sandbox) deployBundle(ctx context.Context, p runtime.Program, r request, next deployedNext) (runtime.Outcome, error) {
	if r.started.IsZero() {
		r.limits.Timeout = loadTime(p, r.limits)
		r.started = s.processors.now()
		r.deadline = r.started.Add(r.limits.Timeout)
	}
	bounded, cancel := context.WithDeadline(ctx, r.deadline)
	defer cancel()
	files, err := s.bundles.acquire(bounded, p)
	if errors.Is(err, endOfRun{}) {
		outcome := stoppedOutcome(ctx, r.limits)
		outcome.Usage.Duration = s.processors.now().Sub(r.started)
		return outcome, nil
	} else if err != nil {
		return runtime.Outcome{}, err
	}
	defer files.release()
	r.op = opDeploy
	var compiled bool
	if r.files, compiled = files.start(); !compiled {
		r.inputs = [3][]byte{[]byte(p.Name), p.Source, keepBytecode}
		outcome, err := s.callOnSlot(ctx, s.guest.bare, p.Tenant, r, func(slot *slot, outcome runtime.Outcome) (runtime.Outcome, bool, error) {
			return outcome, true, s.keepBytecode(slot, files)
		})
		if err != nil || outcome.Failure != nil {
			return outcome, err
		}
		r.files, _ = files.start()
	}
	r.inputs = [3][]byte{[]byte(p.Name), p.Source, nil}
	return s.callOnSlot(ctx, s.guest.bare, p.Tenant, r,
		func(slot *slot, outcome runtime.Outcome) (runtime.Outcome, bool, error) {
			return next(slot, outcome, files)
		})
}

// keepBytecode adds to a bundle the bytecode that a deployment has left in a slot. A disk may take
// long, so the call has no permit to compute meanwhile. An error endOfRun means that the call must
// end.
func (s *Sandbox) keepBytecode(slot *slot, files *bundleFiles) error {
	left := slot.system.Capture()
	ctx, cancel := context.WithDeadline(slot.claim.ctx, slot.claim.deadline)
	defer cancel()
	s.processors.release(&slot.claim)
	if err := files.addBytecode(ctx, left); err != nil || !s.processors.acquire(&slot.claim) {
		return slot.pause()
	}
	return nil
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

// capture returns the image of the memory that a deployment has left in a slot: in memory, or on
// disk if there is no memory for it. It returns nil if it can be stored in neither.
func (s *Sandbox) capture(slot *slot, key imageKey) (*image, error) {
	base, m := s.guest.base, slot.memory
	pages, err := findPages(base, slot.image, m, slot)
	if err != nil {
		return nil, err
	}
	l, c, err := s.files.inMemory(base, m, pages, slot)
	if err != nil {
		return nil, err
	}
	files := slot.system.Capture()
	mapped, heap := imageCost(&l, false, files)
	// Caches do not give up their memory in vain.
	use := s.accounts.useOf(slot.tenant)
	if mapped+heap <= s.imageRoom() && s.takeImage(slot, use, mapped, heap) {
		return s.newImage(slot, use, l, c, files, slot)
	}
	c.free()
	if class := slot.stopped(s.processors.now()); class != "" {
		slot.call.endClass = class
		return nil, endOfRun{}
	}
	img, err := s.captureOnDisk(slot, l, files)
	if img == nil && err == nil {
		s.images.noteUnkept(key, mapped+heap, s.processors.now())
	}
	return img, err
}

// takeImage takes the cost of an image in memory, of the budget and of what its tenant may keep. It
// returns as slot.take does.
func (s *Sandbox) takeImage(slot *slot, use *runtime.TenantUse, mapped, heap int64) bool {
	n := mapped + heap
	if !s.takeOfTenant(slot, use, n) {
		return false
	}
	if !s.accounts.images.take(slot, mapped, heap) {
		use.GiveImages(n)
		return false
	}
	return true
}

// takeOfTenant takes n bytes of those that the slot's tenant may keep in memory. If they are not free,
// it moves the least recently used images of the tenant to disk, with no permit meanwhile. It returns
// as slot.take does.
func (s *Sandbox) takeOfTenant(slot *slot, use *runtime.TenantUse, n int64) bool {
	if use.TakeImages(n) {
		return true
	}
	if !use.MayKeep(n) {
		return false
	}
	s.processors.release(&slot.claim)
	s.reclaimTenant(slot.tenant, use, n)
	taken := use.TakeImages(n)
	if !s.processors.acquire(&slot.claim) {
		if taken {
			use.GiveImages(n)
		}
		return false
	}
	return taken
}

// reclaimTenant makes room for n bytes among those that a tenant may keep in memory: its least recently
// used images move to disk, or are dropped, and their slots are closed; then other slots.
func (s *Sandbox) reclaimTenant(tenant runtime.Tenant, use *runtime.TenantUse, n int64) {
	ctx, cancel := context.WithTimeout(context.Background(), s.images.moving)
	defer cancel()
	for _, cached := range s.images.ofTenant(tenant, use.ImagesBeyond(n), s.pool.idleByImage) {
		for _, slot := range s.pool.removeImage(cached.image) {
			s.closeSlot(slot)
		}
		s.images.giveUp(ctx, cached)
	}
	if left := use.ImagesBeyond(n); left > 0 {
		removed, _ := s.pool.reclaimOf(func(o *slot) bool { return o.keeper == use }, left)
		for _, slot := range removed {
			s.closeSlot(slot)
		}
	}
}

// reclaimTenants frees what tenants keep in memory beyond their limits, which may have been lowered.
func (s *Sandbox) reclaimTenants() {
	for tenant, use := range s.tenantsBeyond() {
		s.reclaimTenant(tenant, use, 0)
	}
}

// tenantsBeyond returns the tenants that keep more in memory than they may.
func (s *Sandbox) tenantsBeyond() map[runtime.Tenant]*runtime.TenantUse {
	beyond := make(map[runtime.Tenant]*runtime.TenantUse)
	if s.accounts.uses == nil {
		return beyond
	}
	check := func(tenant runtime.Tenant) {
		if use := s.accounts.useOf(tenant); use.ImagesBeyond(0) > 0 {
			beyond[tenant] = use
		}
	}
	s.images.eachTenant(check)
	s.pool.eachTenant(check)
	return beyond
}

// newImage returns an image whose cost was taken, or gives that back.
func (s *Sandbox) newImage(slot *slot, use *runtime.TenantUse, l layout, c content, files *wasi.State, p pauser) (img *image, err error) {
	defer func() {
		if img == nil { // an error, or a panic
			mapped, heap := imageCost(&l, c.disk, files)
			s.accounts.images.give(mapped, heap)
			if !c.disk {
				use.GiveImages(mapped + heap)
			}
		}
	}()
	if img, err = newImage(s.guest.base, slot.memory, l, c, files, p); err == nil {
		img.account, img.tenant, img.use = &s.accounts.images, slot.tenant, use
	}
	return img, err
}

// captureOnDisk returns an image on disk, or nil if it cannot be stored there. A disk may take
// long, so the call has no permit to compute meanwhile. An error endOfRun means that the call must
// end.
func (s *Sandbox) captureOnDisk(slot *slot, l layout, files *wasi.State) (*image, error) {
	s.processors.release(&slot.claim)
	img, err := s.writeToDisk(slot, l, files)
	if err != nil {
		return nil, err
	}
	if !s.processors.acquire(&slot.claim) {
		if img != nil {
			img.release()
		}
		return nil, slot.pause()
	}
	return img, nil
}

// writeToDisk is captureOnDisk without a permit: pausing then ends the call.
func (s *Sandbox) writeToDisk(slot *slot, l layout, files *wasi.State) (*image, error) {
	ctx, cancel := context.WithDeadline(slot.claim.ctx, slot.claim.deadline)
	defer cancel()
	if !s.files.beginWrite(ctx) {
		return nil, slot.pause()
	}
	defer s.files.endWrite()
	if !s.images.makeRoom(l.bytes()) {
		return nil, nil
	}
	c, err := s.files.onDisk(l.bytes())
	if err != nil {
		return nil, nil // wrote has reported it
	}
	if _, heap := imageCost(&l, true, files); !s.accounts.images.heap.TakeFree(heap) {
		c.free()
		return nil, nil
	}
	img, err := s.newImage(slot, nil, l, c, files, contextPauser{ctx})
	if err != nil && ctx.Err() != nil {
		return nil, slot.pause()
	}
	s.files.wrote(err)
	return img, nil
}

// contextPauser is the pauser of work without a permit. It ends with a context.
type contextPauser struct{ context.Context }

func (p contextPauser) pause() error { return p.Err() }

// runUnkept makes a run of a program for whose image there is no memory: it deploys the program in
// a slot, and calls it there.
func (s *Sandbox) runUnkept(ctx context.Context, p runtime.Program, r request) (runtime.Outcome, error) {
	deployment := request{started: r.started, deadline: r.deadline, limits: r.limits}
	ran := false
	outcome, err := s.deploy(ctx, p, deployment, func(slot *slot, _ runtime.Outcome, _ *bundleFiles) (runtime.Outcome, bool, error) {
		ran = true
		if r.started.IsZero() { // loading has had its own time
			r.deadline = s.processors.now().Add(r.limits.Timeout)
		}
		r.files = slot.system.Capture()
		slot.rewind()
		outcome, _ := slot.invoke(ctx, &r)
		return outcome, false, slot.call.platform // the slot has no image that it could be restored to
	})
	if !ran && r.logs != nil {
		r.logs.AppendAll(outcome.Logs)
		outcome.Logs = r.logs.End()
	}
	r.start(&outcome.Usage)
	return outcome, err
}
