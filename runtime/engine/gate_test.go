package engine

import (
	"sync"
	"testing"
)

func TestGate(t *testing.T) {
	g := newGate()
	var inside sync.WaitGroup
	for range 8 {
		inside.Go(func() {
			for g.enter() {
				g.leave()
			}
		})
	}
	if !g.enter() {
		t.Fatal("the gate is stopped")
	}
	g.stop()
	select {
	case <-g.drained:
		t.Fatal("drained while a caller is inside")
	default:
	}
	if g.enter() {
		t.Fatal("entered a gate that is stopped")
	}
	g.leave()
	<-g.drained
	g.stop()
	<-g.drained
	inside.Wait()
}
