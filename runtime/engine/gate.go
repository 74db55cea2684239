package engine

import (
	"sync"
	"sync/atomic"
)

// shutBit is set in a gate's state once it is shut; the bits below count who is
// inside.
const shutBit = 1 << 62

// gate lets callers in until it is shut, and tells when the last has left.
type gate struct {
	state atomic.Int64
	once  sync.Once
	ended chan struct{}
}

func newGate() *gate { return &gate{ended: make(chan struct{})} }

// enter counts a caller in, unless the gate is shut.
func (g *gate) enter() bool {
	if g.state.Add(1)&shutBit == 0 {
		return true
	}
	g.leave()
	return false
}

// leave counts out a caller that entered.
func (g *gate) leave() {
	if g.state.Add(-1) == shutBit {
		g.once.Do(func() { close(g.ended) })
	}
}

// shut lets nobody in any more. The channel it gives is closed when nobody is
// inside.
func (g *gate) shut() <-chan struct{} {
	for {
		old := g.state.Load()
		if g.state.CompareAndSwap(old, old|shutBit) {
			if old&^shutBit == 0 {
				g.once.Do(func() { close(g.ended) })
			}
			return g.ended
		}
	}
}
