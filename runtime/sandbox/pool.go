package sandbox

import (
	"slices"
	"sync"

	"github.com/faaspot/faaspot/runtime"
)

// pool keeps slots that no run is using.
type pool struct {
	limit int

	mu     sync.Mutex
	idle   []*slot // used last at the end
	closed bool
}

// take gives an idle slot, or nil if a new one is to be made. One that the
// image is laid in already is best, then one with nothing laid. Another is taken
// only when the pool is full, so that a few functions in turn each keep slots of
// their own.
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

// put gives a slot back. It answers with a slot to be closed, if one is too many.
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

// forget makes idle slots let go of an image.
func (p *pool) forget(img *image) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.idle {
		if s.image == img {
			s.forget()
		}
	}
}

// close refuses further slots and answers with those that were idle.
func (p *pool) close() []*slot {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	idle := p.idle
	p.idle = nil
	return idle
}
