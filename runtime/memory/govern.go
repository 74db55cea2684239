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
	// window is the time after which Go is made to return memory that the accounts have given
	// back. It may soon be needed again, so while the budget has room, a limit stays for as long.
	window = time.Second
	// returnStep is the number of bytes that must have been given back for a collection that
	// returns them to the system, and excess the bytes beyond the limit that Go may have.
	returnStep = 32 * runtime.MiB
	excess     = 16 * runtime.MiB
	// collectPause is the time between two collections that an excess causes.
	collectPause = 200 * time.Millisecond
	// growth is the number of bytes that Go's memory may grow, whatever the reason, before it is
	// collected and returned, at most once every growthPause.
	growth      = 64 * runtime.MiB
	growthPause = 10 * time.Second
	// minHeap is the smallest memory limit for Go, in bytes. Below it the collector would run all
	// the time.
	minHeap = 96 * runtime.MiB
)

// Govern keeps Go's memory within its share until ctx ends, and then removes the limit. Call it once
// the server is ready: what the process then has outside of Go's memory is part of [Overhead], and
// so is what Go's memory needs beyond the accounts.
func (b *Budget) Govern(ctx context.Context) {
	outside := max(Resident()-goMemory(), 0)
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(-1))
	ticker := time.NewTicker(governPeriod)
	defer ticker.Stop()
	g := governor{base: max(Overhead-outside, minHeap), floor: goMemory(), collected: time.Now()}
	for {
		now := time.Now()
		if limit, change := g.limit(b.Heap(), b.total-b.Used(), now); change {
			debug.SetMemoryLimit(limit)
		}
		if g.shouldCollect(goMemory(), now) {
			debug.FreeOSMemory()
			g.floor = goMemory()
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
	base      int64 // bytes of Go's memory that no account holds
	current   int64 // the present limit; 0: none yet
	recent    int64 // the most that accounts held on Go's heap in the present and the last window
	present   int64 // the most of the present window
	began     time.Time
	peak      int64 // the most since memory was last returned
	floor     int64 // bytes of Go's memory when it was last returned
	collected time.Time
}

// limit returns the memory limit for Go while accounts hold bytes on its heap and free bytes of the
// budget are left, and whether it differs enough from the present one. What was given back in the
// last windows counts as held, as far as nobody else needs it.
func (g *governor) limit(held, free int64, now time.Time) (limit int64, change bool) {
	if now.Sub(g.began) >= window {
		g.recent, g.present, g.began = g.present, 0, now
	}
	g.present = max(g.present, held)
	g.recent = max(g.recent, g.present)
	g.peak = max(g.peak, held)
	limit = g.base + held + min(g.recent-held, max(free, 0))
	if d := limit - g.current; g.current != 0 && d < limitStep && d > -limitStep {
		return g.current, false
	}
	g.current = limit
	return limit, true
}

// shouldCollect reports whether to collect garbage and return memory to the system now, while Go
// has bytes of memory: accounts have given much back, Go exceeds its limit, or it has grown.
func (g *governor) shouldCollect(has int64, now time.Time) bool {
	switch {
	case g.peak-g.recent >= returnStep:
		g.peak = g.recent
	case has > g.current+excess && now.Sub(g.collected) >= collectPause:
	case has > g.floor+growth && now.Sub(g.collected) >= growthPause:
	default:
		return false
	}
	g.collected = now
	return true
}

// goMemory returns the bytes of memory that Go's runtime has mapped and not returned to the system.
func goMemory() int64 {
	samples := []metrics.Sample{
		{Name: "/memory/classes/total:bytes"},
		{Name: "/memory/classes/heap/released:bytes"},
	}
	metrics.Read(samples)
	return int64(samples[0].Value.Uint64() - samples[1].Value.Uint64())
}
