package sandbox

import (
	"slices"
	"sync"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/memory"
)

// pool holds the idle slots. Their number is bounded, and the memory that they keep is taken from
// an account.
type pool struct {
	limit   int
	account *memory.Account

	mu     sync.Mutex
	idle   []*slot // most recently used last
	closed bool
}

// take returns an idle slot, or nil if the caller should create one. It prefers a slot that has the
// image loaded, then one with nothing loaded. It takes any other only if the pool is full, so that
// a few functions that alternate each retain slots of their own. From then on the caller's
// reservation covers the slot's memory.
func (p *pool) take(img *image, tenant runtime.Tenant) *slot {
	s := p.find(img, tenant)
	if s != nil {
		p.discharge(s)
	}
	return s
}

func (p *pool) find(img *image, tenant runtime.Tenant) *slot {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := len(p.idle) - 1; i >= 0; i-- {
		if s := p.idle[i]; s.image == img && s.tenant == tenant {
			return p.remove(i)
		}
	}
	full := len(p.idle) >= p.limit
	for i, s := range p.idle {
		if (full || s.image == nil) && len(s.memory.data()) <= img.size {
			return p.remove(i)
		}
	}
	return nil
}

func (p *pool) remove(i int) *slot {
	s := p.idle[i]
	p.idle = slices.Delete(p.idle, i, i+1)
	return s
}

// put returns a slot to the pool. If there is no room, or no memory, for it, put returns a slot that
// the caller must close, perhaps the same.
func (p *pool) put(s *slot) (surplus *slot) {
	if !p.account.TakeFree(s.idle) {
		return s
	}
	s.charged = s.idle
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || s.image != nil && s.image.forgotten.Load() {
		return s
	}
	if len(p.idle) >= p.limit {
		surplus = p.remove(0)
	}
	p.idle = append(p.idle, s)
	return surplus
}

// discharge returns what was taken for a slot that was in the pool: it was closed, or it is in use.
func (p *pool) discharge(s *slot) {
	if s.charged > 0 {
		p.account.Give(s.charged)
		s.charged = 0
	}
}

// removeImage removes and returns the slots that have an image loaded. The caller must close them.
func (p *pool) removeImage(img *image) (removed []*slot) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle = slices.DeleteFunc(p.idle, func(s *slot) bool {
		if s.image == img {
			removed = append(removed, s)
		}
		return s.image == img
	})
	return removed
}

// reclaim removes and returns the least recently used slots that keep n bytes, and their bytes. The
// caller must close them.
func (p *pool) reclaim(n int64) (removed []*slot, bytes int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.idle) > 0 && bytes < n {
		s := p.remove(0)
		removed = append(removed, s)
		bytes += s.charged
	}
	return removed, bytes
}

// close returns the idle slots and makes the pool refuse further ones.
func (p *pool) close() []*slot {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	idle := p.idle
	p.idle = nil
	return idle
}
