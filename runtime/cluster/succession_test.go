package cluster_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

// From when an owner says that it leaves until the next one serves, all nodes know that the shard is being handed over, and who waits
// for that waits no longer. If the owner is lost meanwhile, or no node follows it, they believe that for a short time.
func TestSuccession(t *testing.T) {
	scene(t, func(t *testing.T, w *world, owner *host, _ *ledger) {
		time.Sleep(3 * time.Second) // the others have heard who is who
		handOver := func(want bool, when string) {
			t.Helper()
			for _, h := range w.nodes {
				if p := h.process(); p != nil && p.node.HandsOver() != want {
					t.Errorf("%s: the node %s says %v", when, h.name, !want)
				}
			}
		}
		handOver(false, "an owner that stays")
		for _, h := range w.nodes {
			h.process().node.AwaitOwner(t.Context()) // at once
		}
		left := owner.process().node
		left.Leave()
		handOver(true, "an owner that leaves")
		limited, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if left.AwaitOwner(limited); limited.Err() == nil {
			t.Error("there is another owner before the one that leaves has given up the shard")
		}
		handOver(true, "an owner that leaves for a while")
		var waiting sync.WaitGroup
		for _, h := range w.nodes {
			waiting.Go(func() {
				h.process().node.AwaitOwner(t.Context())
				if now := w.owner(); now == nil || now == owner {
					t.Errorf("who waits on the node %s finds no other owner", h.name)
				}
			})
		}
		must(t, left.Drain(""))
		waiting.Wait()
		time.Sleep(time.Second)
		handOver(false, "the next owner")
		left.Undrain()

		time.Sleep(10 * time.Second)
		next := w.owner()
		next.process().node.Leave()
		handOver(true, "the next owner leaves")
		for _, h := range w.nodes {
			h.unfit.Store(true)
		}
		next.crash(rand.New(rand.NewPCG(6, 1)))
		time.Sleep(6 * time.Second)
		if w.owner() != nil {
			t.Error("a node owns the shard that cannot")
		}
		handOver(false, "an owner that was lost when it left")
		for _, h := range w.nodes {
			h.unfit.Store(false)
		}
		next.start()
		now := w.await(t, settleTime)
		time.Sleep(3 * time.Second)
		for _, h := range w.nodes {
			h.unfit.Store(true)
		}
		must(t, now.process().node.Drain(""))
		time.Sleep(time.Second)
		handOver(true, "no node takes the shard that was given up")
		time.Sleep(10 * time.Second)
		handOver(false, "no node has taken the shard for a while")
		for _, h := range w.nodes {
			h.unfit.Store(false)
		}
	})
}
