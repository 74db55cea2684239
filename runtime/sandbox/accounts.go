package sandbox

import (
	"context"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/memory"
	"github.com/faaspot/faaspot/runtime/sandbox/tlsengine"
)

// accounts are what a sandbox takes from the memory budget beside the reservations of its runs.
type accounts struct {
	idle    *memory.Account // idle slots
	closing *memory.Account // slots that are closed in the background
	images  imageAccount
	bundles bundleAccount
	stacks  *memory.Account // native stacks beyond stackShare
	code    *memory.Account // compiled sources while they are deployed
	tmp     *memory.Account // /tmp of runs, which their reservations cover
	results *memory.Account // results that a slot has received, which its reservation covers

	uses func(runtime.Tenant) *runtime.TenantUse // nil: no tenant has limits

	connections *memory.Account // of runs to the network
	files       runFiles
	trust       *tlsengine.Store
}

// imageAccount holds the cost of images. What they take on Go's heap is counted apart.
type imageAccount struct{ mapped, heap *memory.Account }

// openAccounts opens the accounts. When memory is needed, idle slots are closed first, then images
// are dropped, and then bundles.
func openAccounts(b *memory.Budget, reclaimSlots, reclaimImages, reclaimBundles func(n int64) int64) *accounts {
	trust := b.Open(memory.Options{Name: "trust anchors", Heap: true})
	return &accounts{
		idle: b.Open(memory.Options{Name: "idle instances", HeapEach: idleHeap, Reclaim: reclaimSlots, Borrows: true}),
		images: imageAccount{
			mapped: b.Open(memory.Options{Name: "images", Reclaim: reclaimImages}),
			heap:   b.Open(memory.Options{Name: "images", Heap: true}),
		},
		bundles: bundleAccount{
			contents: b.Open(memory.Options{Name: "bundles", Reclaim: reclaimBundles}),
			trees:    b.Open(memory.Options{Name: "bundles", Heap: true}),
		},
		closing: b.Open(memory.Options{Name: "closing instances", HeapEach: idleHeap}),
		stacks:  b.Open(memory.Options{Name: "native stacks", Heap: true}),
		code:    b.Open(memory.Options{Name: "deployments", Heap: true}),
		tmp:     b.Open(memory.Options{Name: "/tmp", Heap: true, Covered: true}),
		results: b.Open(memory.Options{Name: "results", Heap: true, Covered: true}),

		connections: b.Open(memory.Options{Name: "connections of runs"}),
		files:       runFiles{most: mostRunFiles()},
		trust:       tlsengine.NewStore(trust.Hold),
	}
}

// useOf returns the use of a tenant, nil for one without limits.
func (a *accounts) useOf(tenant runtime.Tenant) *runtime.TenantUse {
	if a.uses == nil {
		return nil
	}
	return a.uses(tenant)
}

const (
	// idleOverhead is the memory in bytes of an idle slot beside its pages: the instance, page
	// tables and a small native stack. idleHeap is the part of it on Go's heap.
	idleOverhead = runtime.MiB
	idleHeap     = runtime.MiB / 4

	// patience is the longest time that a call waits until caches have given up memory that it
	// needs beyond its reservation.
	patience = 200 * time.Millisecond
)

// take takes n bytes for the call in progress, and reports whether it did. If they are not free, it
// returns the permit while it waits for them, at most for patience. After true the call has a
// permit. After false it may have none; then it must end.
func (s *slot) take(a *memory.Account, n int64) bool {
	if a.TryTake(n) {
		return true
	}
	if n > a.Largest() {
		return false
	}
	s.processors.release(&s.claim)
	ctx, cancel := context.WithTimeout(s.claim.ctx, min(patience, time.Until(s.claim.deadline)))
	defer cancel()
	err := a.Take(ctx, n)
	if !s.processors.acquire(&s.claim) {
		if err == nil {
			a.Give(n)
		}
		return false
	}
	return err == nil
}

// take takes the cost of an image for the call that has created it. It returns as slot.take does.
func (a *imageAccount) take(s *slot, mapped, heap int64) bool {
	if !s.take(a.mapped, mapped) {
		return false
	}
	if !s.take(a.heap, heap) {
		a.mapped.Give(mapped)
		return false
	}
	return true
}

// give returns the cost of an image whose memory was freed.
func (a *imageAccount) give(mapped, heap int64) {
	a.mapped.Give(mapped)
	a.heap.Give(heap)
}
