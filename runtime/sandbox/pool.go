package sandbox

import (
	"slices"
	"sync"

	"github.com/faaspot/faaspot/runtime"
)

// pool holds the idle slots.
type pool struct {
	limit int

	mu     sync.Mutex
	idle   []*slot // most recently used last
	closed bool
}

// take returns an idle slot, or nil if the caller should create one. It prefers a slot that has the
// image loaded, then one with nothing loaded. It takes any other only if the pool is full, so that
// a few functions that alternate each retain slots of their own.
func (p *pool) take(img *image, tenant runtime.Tenant) *slot {
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

// put returns a slot to the pool. If the pool is full, it returns another slot, which the caller
// must close.
func (p *pool) put(s *slot) (surplus *slot) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return s
	}
	if len(p.idle) >= p.limit {
		surplus = p.remove(0)
	}
	p.idle = append(p.idle, s)
	return surplus
}

// unload makes idle slots release an image.
func (p *pool) unload(img *image) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.idle {
		if s.image == img {
			s.unload()
		}
	}
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
