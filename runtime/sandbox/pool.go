package sandbox

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/memory"
)

// pool holds the idle slots. Making a slot takes many times as long as a trivial run, and runs that
// wait come and go in waves, so the pool keeps as many slots as were in use at once recently. Beside
// these, it keeps those that have a mapped image loaded while they are used. The memory that slots keep
// is taken from an account.
type pool struct {
	limit   int // number of slots, with those in use, that are kept in any case
	mapped  int // number of slots with a mapped image that are kept while they are used
	account *memory.Account
	// spare is the number of small slots that are in the pool without being charged: they are part
	// of memory.Overhead. Without them, a server whose memory is full of runs would make a new slot
	// for each run.
	spare int
	uses  func(runtime.Tenant) *runtime.TenantUse // nil: no tenant has limits

	mu     sync.Mutex
	idle   idleSlots
	spares int    // slots in idle that are not charged
	busy   int    // calls that use a slot
	peak   int    // largest number of them in this period
	before int    // the same in the period before
	puts   int    // calls of put
	ended  [2]int // the same at the ends of the last two periods
	closed bool
}

// mappedShare is the number of slots with a mapped image that the pool keeps, for each other one that it
// keeps in any case.
const mappedShare = 16

// warmHits is the number of times that a slot must be taken, one after the other, for the image that it has
// loaded, until it is warm.
const warmHits = 8

// poolPeriod is the shortest time for which slots are kept that were in use at once; the longest is
// twice as long.
const poolPeriod = 10 * time.Second

// kept returns the largest number of slots, with those in use and without idle ones that have a mapped
// image or are warm, that there may be. It is called with mu held.
func (p *pool) kept() int { return max(p.limit, p.peak, p.before) }

// spareBytes is the largest size in bytes of a slot that need not be charged.
const spareBytes = 2 * runtime.MiB

// take returns an idle slot whose memory can grow to a number of bytes, or nil if the caller should
// create one; the caller uses a slot until it calls leave. It prefers a slot that has the image
// loaded, then one with nothing loaded. It takes any other only if there are as many slots as are
// kept, so that functions that alternate each retain slots of their own: a few, and many whose images
// are mapped. A slot that was taken again and again for the image that it has loaded is warm, and is left
// to it: a burst of runs would else take the slots of functions that run all the time, which would have to
// make new ones. From then on the caller's reservation covers the slot's memory.
func (p *pool) take(img *image, tenant runtime.Tenant, most int) *slot {
	s := p.find(img, tenant, most)
	if s != nil {
		p.discharge(s)
	}
	return s
}

func (p *pool) find(img *image, tenant runtime.Tenant, most int) *slot {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.busy++
	p.peak = max(p.peak, p.busy)
	// The limit of a function may have changed, and a job may have one of its own.
	s := p.idle.byKey[slotKey{img, tenant}].smallest(linkKey, true, func(s *slot) bool { return s.reserved >= most })
	found := s != nil
	fits := func(s *slot) bool { return s.reserved >= most && len(s.memory.data()) <= img.size }
	if s == nil {
		s = p.idle.byKey[slotKey{}].smallest(linkKey, true, fits)
	}
	if s == nil && p.isFull(img) {
		s = cmp.Or(p.idle.list(img).smallest(linkUse, false, fits), p.idle.copied.smallest(linkUse, false, fits))
	}
	if s != nil {
		p.remove(s)
		if s.hits++; !found {
			s.hits = 0
		}
	}
	return s
}

// isFull reports whether another slot for an image would be one more than are kept. It is called with mu
// held.
func (p *pool) isFull(img *image) bool {
	if img.mapped() && p.idle.mapped.len < p.mapped && p.account.Free() >= idleOverhead {
		return false
	}
	return p.idle.copied.len+p.busy > p.kept()
}

// remove removes a slot. It is called with mu held.
func (p *pool) remove(s *slot) {
	p.idle.remove(s)
	if s.isSpare {
		s.isSpare = false
		p.spares--
	}
}

// count returns the numbers of idle slots, and of those in use.
func (p *pool) count() (idle, busy int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.idle.len(), p.busy
}

// leave records that a call that took a slot has put it back, or has closed it.
func (p *pool) leave() {
	p.mu.Lock()
	p.busy--
	p.mu.Unlock()
}

// put returns a slot to the pool, before its caller leaves. If there is no room, or no memory, for it,
// put returns a slot that the caller must close, perhaps the same.
func (p *pool) put(s *slot) (surplus *slot) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || s.image != nil && s.image.forgotten.Load() {
		return s
	}
	switch {
	case s.idle <= spareBytes && p.spares < p.spare:
		s.isSpare = true
		p.spares++
	default:
		var kept bool
		if surplus, kept = p.charge(s); !kept {
			surplus = p.replaceSpare(s)
			kept = surplus != nil
		}
		if !kept {
			return s
		}
	}
	p.puts++
	s.put = p.puts
	if surplus == nil && p.overflows(s) {
		surplus = p.idle.list(s.image).first
		p.remove(surplus)
	}
	p.idle.add(s)
	return surplus
}

// overflows reports whether an idle slot must go for another one. It is called with mu held.
func (p *pool) overflows(s *slot) bool {
	switch n := p.idle.list(s.image).len; {
	case n == 0 || s.isWarm():
		return false
	case s.image.mapped():
		return n >= p.mapped
	default:
		return n+max(p.busy, 1) > p.kept()
	}
}

// charge takes what a slot keeps, of the budget and of what its tenant may keep. If the latter is used up,
// the slot replaces one of the least recently used of its tenant, which the caller must close, because
// the reservation of its run covers one of the two. It is called with mu held.
func (p *pool) charge(s *slot) (replaced *slot, ok bool) {
	if !p.account.TakeFree(s.idle) {
		return nil, false
	}
	s.keeper = nil
	if s.image != nil && p.uses != nil {
		s.keeper = p.uses(s.tenant)
	}
	if !s.keeper.TakeImages(s.idle) {
		own := func(o *slot) bool { return o.keeper == s.keeper && o.charged >= s.idle }
		replaced = cmp.Or(p.idle.mapped.smallest(linkUse, false, own), p.idle.copied.smallest(linkUse, false, own), p.idle.warm.smallest(linkUse, false, own))
		if replaced == nil {
			p.account.Give(s.idle)
			return nil, false
		}
		p.remove(replaced)
		p.account.Give(replaced.charged)
		s.keeper.GiveImages(replaced.charged - s.idle)
		replaced.charged = 0
	}
	s.charged = s.idle
	return replaced, true
}

// replaceSpare makes a small slot a spare slot in place of the least recently used one that reserves
// fewer bytes, and returns that, or nil if there is none. Any run can use the larger one, while runs
// with a large memory would never find a spare slot among those of runs with a small one. It is
// called with mu held.
func (p *pool) replaceSpare(s *slot) (replaced *slot) {
	if s.idle > spareBytes {
		return nil
	}
	smaller := func(o *slot) bool { return o.isSpare && o.reserved < s.reserved }
	replaced = cmp.Or(p.idle.copied.smallest(linkUse, false, smaller), p.idle.mapped.smallest(linkUse, false, smaller), p.idle.warm.smallest(linkUse, false, smaller))
	if replaced == nil {
		return nil
	}
	p.remove(replaced)
	s.isSpare = true
	p.spares++
	return replaced
}

// discharge returns what was taken for a slot that was in the pool: it was closed, or it is in use.
func (p *pool) discharge(s *slot) {
	if s.charged > 0 {
		p.account.Give(s.charged)
		s.keeper.GiveImages(s.charged)
		s.charged = 0
	}
}

// nextPeriod begins a period. It removes and returns the least recently used slots that were not
// needed in the last two. The caller must close them.
func (p *pool) nextPeriod() (removed []*slot) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.before, p.peak = p.peak, p.busy
	unused := p.ended[0]
	p.ended = [2]int{p.ended[1], p.puts}
	for s := p.idle.warm.first; s != nil && s.put <= unused; s = p.idle.warm.first {
		p.idle.remove(s)
		s.hits = 0
		p.idle.add(s)
	}
	for s := range p.idle.each() {
		if s.isWarm() {
			break // they come last
		}
		surplus := p.idle.copied.len+p.busy > p.kept()
		if s.image.mapped() {
			surplus = p.idle.len()+p.busy > p.kept() && s.put <= unused
		}
		if surplus {
			p.remove(s)
			removed = append(removed, s)
		}
	}
	return removed
}

// removeImage removes and returns the slots that have an image loaded. The caller must close them.
func (p *pool) removeImage(img *image) (removed []*slot) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for s := range p.idle.each() {
		if s.image == img {
			p.remove(s)
			removed = append(removed, s)
		}
	}
	return removed
}

// idleByImage returns the numbers of idle slots by the image that they have loaded.
func (p *pool) idleByImage() map[*image]int32 {
	p.mu.Lock()
	defer p.mu.Unlock()
	idle := make(map[*image]int32)
	for s := range p.idle.each() {
		idle[s.image]++
	}
	return idle
}

// eachTenant calls visit for the tenant of each idle slot that has an image loaded.
func (p *pool) eachTenant(visit func(runtime.Tenant)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for s := range p.idle.each() {
		if s.keeper != nil {
			visit(s.tenant)
		}
	}
}

// reclaim removes and returns the least recently used charged slots that keep n bytes, and their
// bytes. The caller must close them.
func (p *pool) reclaim(n int64) (removed []*slot, bytes int64) {
	return p.reclaimOf(func(*slot) bool { return true }, n)
}

// reclaimOf is reclaim for the slots that a function selects.
func (p *pool) reclaimOf(selects func(*slot) bool, n int64) (removed []*slot, bytes int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for s := range p.idle.each() {
		if bytes >= n {
			break
		}
		if !s.isSpare && selects(s) {
			p.remove(s)
			removed = append(removed, s)
			bytes += s.charged
		}
	}
	return removed, bytes
}

// close returns the idle slots and makes the pool refuse further ones.
func (p *pool) close() []*slot {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	idle := slices.Collect(p.idle.each())
	p.idle = idleSlots{}
	return idle
}
