package memory

import (
	"context"
	goruntime "runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

const (
	// governPeriod is the time between two looks at what the accounts hold.
	governPeriod = 50 * time.Millisecond
	// idlePeriod is the same while nothing is taken or given, so that an idle server stays idle.
	idlePeriod = time.Second
	// limitStep is the change of Go's memory limit, in bytes, that is worth its cost: changing
	// the limit stops all goroutines for a moment.
	limitStep = 16 * runtime.MiB
	// window is the time for which the limit stays when accounts have given bytes back, which may soon
	// be needed again, as far as the budget has room.
	window = time.Second
	// excess is the number of bytes beyond the limit that Go may have before it is collected at once,
	// at most once every collectPause.
	excess       = 16 * runtime.MiB
	collectPause = 200 * time.Millisecond
	// growth is the number of bytes that Go's memory may have grown since it was last returned. More is
	// returned once it has not grown by growthStep for defaultQuiet: returning memory that is soon needed
	// again costs a page fault for each page.
	growth       = 64 * runtime.MiB
	growthStep   = 8 * runtime.MiB
	defaultQuiet = 15 * time.Second
	// minHeap is the smallest memory limit for Go, in bytes. Below it the collector would run all
	// the time.
	minHeap = 96 * runtime.MiB
)

// Govern keeps Go's memory within its share until ctx ends, and then removes the limit. Call it once
// the server is ready: what the process then has outside of Go's memory is part of [Overhead], or of
// [WorkerOverhead] if the Budget is leased, and
// so is what Go's memory needs beyond the accounts.
func (b *Budget) Govern(ctx context.Context) {
	outside := max(Resident()-goMemory(), 0)
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(-1))
	ticker, idle := time.NewTicker(governPeriod), time.NewTicker(idlePeriod)
	defer ticker.Stop()
	defer idle.Stop()
	g := governor{base: max(b.base-outside, minHeap), floor: goMemory() - b.Heap(), quiet: b.quiet}
	for {
		now := time.Now()
		if limit, change := g.limit(b.Heap(), b.total-b.Used(), now); change {
			debug.SetMemoryLimit(limit)
		}
		if g.shouldCollect(goMemory()-b.Heap(), b.Heap(), now) {
			goruntime.GC() // buffers in a sync.Pool outlive one collection
			debug.FreeOSMemory()
			g.returned(goMemory() - b.Heap())
		}
		b.idle.Store(true)
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		if !b.idle.Load() {
			continue
		}
		select {
		case <-b.busy:
		case <-idle.C:
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
	floor     int64 // bytes of Go's memory that no account held when it was last returned because it was quiet, or fewer
	has       int64 // bytes of Go's memory that no account held when it last grew
	grew      time.Time
	quiet     time.Duration // see defaultQuiet
	collected time.Time
	exceeded  bool // it was collected then because it exceeded its limit
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
	limit = g.base + held + min(g.recent-held, max(free, 0))
	if d := limit - g.current; g.current != 0 && d < limitStep && d > -limitStep {
		return g.current, false
	}
	g.current = limit
	return limit, true
}

// shouldCollect reports whether to collect garbage and return memory to the system now, while Go
// has bytes of memory beside those that accounts hold: it exceeds its limit, or it has grown and is
// quiet.
func (g *governor) shouldCollect(has, held int64, now time.Time) bool {
	if has > g.has+growthStep {
		g.grew = now
	}
	if has > g.has+growthStep || has < g.has {
		g.has = has
	}
	switch {
	case has+held > g.current+excess && now.Sub(g.collected) >= collectPause:
		g.exceeded = true
	case has > g.floor+growth && now.Sub(g.grew) >= g.quiet:
		g.exceeded = false
	default:
		return false
	}
	g.collected = now
	return true
}

// returned is called when memory was returned to the system, and Go has bytes beside those that accounts
// hold. What it has in the middle of a load that exceeds its limit is no measure of what it needs: the
// rest is returned after the load.
func (g *governor) returned(has int64) {
	if g.has = has; !g.exceeded {
		g.floor = has
	}
	g.floor = min(g.floor, has)
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
