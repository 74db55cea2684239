package memory

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

const (
	// governPeriod is the time between two looks at what the accounts hold.
	governPeriod = 50 * time.Millisecond
	// limitStep is the change of Go's memory limit, in bytes, that is worth its cost: changing
	// the limit stops all goroutines for a moment.
	limitStep = 16 * runtime.MiB
	// returnStep is the number of bytes that must have been freed before Go is made to return
	// them to the system, and returnPause the time between two such collections.
	returnStep  = 32 * runtime.MiB
	returnPause = time.Second
	// minHeap is the smallest memory limit for Go, in bytes. Below it the collector would run all
	// the time.
	minHeap = 96 * runtime.MiB
)

// Govern keeps Go's memory within its share until ctx ends, and then removes the limit. Call it once
// the server is ready: what the process then has outside of Go's memory is part of [Overhead], and
// so is what Go's memory needs beyond the accounts.
func (b *Budget) Govern(ctx context.Context) {
	outside := max(Resident()-goMemory(), 0)
	base := max(Overhead-outside, minHeap)
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(-1))
	ticker := time.NewTicker(governPeriod)
	defer ticker.Stop()
	g := governor{base: base}
	for {
		if limit, change := g.limit(b.Heap()); change {
			debug.SetMemoryLimit(limit)
		}
		if g.shouldReturn(time.Now()) {
			debug.FreeOSMemory()
			g.returned(time.Now())
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// governor decides on Go's memory limit, and when memory is returned to the system.
type governor struct {
	base    int64 // bytes of Go's memory that no account holds
	current int64 // the present limit; 0: none yet
	held    int64 // bytes that accounts hold on Go's heap
	peak    int64 // the most that they have held since memory was last returned
	last    time.Time
}

// limit returns the memory limit for Go while accounts hold bytes on its heap, and whether it
// differs enough from the present one.
func (g *governor) limit(held int64) (limit int64, change bool) {
	g.held, g.peak = held, max(g.peak, held)
	limit = g.base + held
	if d := limit - g.current; g.current != 0 && d < limitStep && d > -limitStep {
		return g.current, false
	}
	g.current = limit
	return limit, true
}

// shouldReturn reports whether enough was freed for a collection that returns it to the system.
func (g *governor) shouldReturn(now time.Time) bool {
	return g.peak-g.held >= returnStep && now.Sub(g.last) >= returnPause
}

// returned notes that memory was returned.
func (g *governor) returned(now time.Time) { g.peak, g.last = g.held, now }

// goMemory returns the bytes of memory that Go's runtime has mapped and not returned to the system.
func goMemory() int64 {
	samples := []metrics.Sample{
		{Name: "/memory/classes/total:bytes"},
		{Name: "/memory/classes/heap/released:bytes"},
	}
	metrics.Read(samples)
	return int64(samples[0].Value.Uint64() - samples[1].Value.Uint64())
}
