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
	kept    uint64 // bytes that the heap took after memory was returned last
	free    func() // collects, and returns all free pages
}

func newHeapReturner() *heapReturner {
	h := &heapReturner{free: func() {
		goruntime.GC() // buffers in a sync.Pool outlive one collection
		debug.FreeOSMemory()
	}}
	for _, name := range []string{
		"/gc/heap/allocs:bytes", // the others are what the heap takes
		"/memory/classes/heap/objects:bytes", "/memory/classes/heap/free:bytes", "/memory/classes/heap/unused:bytes",
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

// look returns memory if the server is idle and the heap has grown by heapSlack since memory was
// returned last.
func (h *heapReturner) look() {
	allocated, size := h.measure()
	idle := allocated-h.last < heapIdle
	h.last = allocated
	if !idle || size < h.kept+heapSlack {
		h.kept = min(h.kept, size)
		return
	}
	h.free()
	h.last, h.kept = h.measure()
}

// measure returns the bytes that were allocated so far, and those that the heap takes.
func (h *heapReturner) measure() (allocated, size uint64) {
	metrics.Read(h.samples)
	for i := range h.samples {
		if n := h.samples[i].Value.Uint64(); i == 0 {
			allocated = n
		} else {
			size += n
		}
	}
	return allocated, size
}
