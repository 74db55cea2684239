package server

import (
	"context"
	goruntime "runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// heapPeriod is the time between two looks at the heap.
	heapPeriod = 5 * time.Second
	// heapSlack is the memory, in bytes, that garbage and free pages may take on an idle server.
	heapSlack = 64 << 20
	// heapIdle is the largest number of bytes that an idle server allocates in a heapPeriod.
	heapIdle = 64 << 20
)

// heapReturner gives the memory of a burst back to the system. Go collects garbage when the heap has
// grown by GOGC per cent: after a burst of large results, a server that has little to do would keep
// the garbage, and the pages that it took, for minutes.
type heapReturner struct {
	samples []metrics.Sample
	last    uint64 // bytes allocated until the last look
	kept    uint64 // bytes that could not be returned at the last attempt
	free    func() // collects, and returns all free pages
}

// Indexes of heapReturner.samples.
const (
	heapAllocated = iota
	heapObjects
	heapLive
	heapFree
	heapUnused
)

func newHeapReturner() *heapReturner {
	h := &heapReturner{free: func() {
		goruntime.GC() // buffers in a sync.Pool outlive one collection
		debug.FreeOSMemory()
	}}
	for _, name := range []string{
		heapAllocated: "/gc/heap/allocs:bytes",
		heapObjects:   "/memory/classes/heap/objects:bytes",
		heapLive:      "/gc/heap/live:bytes",
		heapFree:      "/memory/classes/heap/free:bytes",
		heapUnused:    "/memory/classes/heap/unused:bytes",
	} {
		h.samples = append(h.samples, metrics.Sample{Name: name})
	}
	return h
}

// run looks at the heap until ctx ends.
func (h *heapReturner) run(ctx context.Context) {
	ticker := time.NewTicker(heapPeriod)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			h.look()
		case <-ctx.Done():
			return
		}
	}
}

// look returns memory if the server is idle and a collection may free more than heapSlack.
func (h *heapReturner) look() {
	metrics.Read(h.samples)
	of := func(i int) uint64 { return h.samples[i].Value.Uint64() }
	allocated := of(heapAllocated)
	idle := allocated-h.last < heapIdle
	h.last = allocated
	if !idle || h.returnable(of) < h.kept+heapSlack {
		return
	}
	h.free()
	metrics.Read(h.samples)
	h.last, h.kept = of(heapAllocated), h.returnable(of)
}

// returnable returns the bytes that a collection may return: pages without objects, and what became
// garbage since the last collection. What was live then may be garbage, too, once the heap has
// allocated as much again.
func (h *heapReturner) returnable(of func(int) uint64) uint64 {
	garbage := of(heapObjects) - min(of(heapObjects), of(heapLive))
	return of(heapFree) + garbage
}
