package engine

import (
	"sync"
	"sync/atomic"
)

// stoppedBit is set in the state of a gate that is stopped; the bits below it count the callers
// inside.
const stoppedBit = 1 << 62

// gate admits callers until it is stopped, and reports when the last one has left.
type gate struct {
	state   atomic.Int64
	once    sync.Once
	drained chan struct{} // closed when the gate is stopped and no caller is inside
}

func newGate() *gate { return &gate{drained: make(chan struct{})} }

// enter admits a caller, unless the gate is stopped. After true the caller must leave.
func (g *gate) enter() bool {
	if g.state.Add(1)&stoppedBit == 0 {
		return true
	}
	g.leave()
	return false
}

// leave ends the stay of a caller.
func (g *gate) leave() {
	if g.state.Add(-1) == stoppedBit {
		g.once.Do(func() { close(g.drained) })
	}
}

// stop admits no further caller.
func (g *gate) stop() {
	for {
		old := g.state.Load()
		if g.state.CompareAndSwap(old, old|stoppedBit) {
			if old&^stoppedBit == 0 {
				g.once.Do(func() { close(g.drained) })
			}
			return
		}
	}
}
