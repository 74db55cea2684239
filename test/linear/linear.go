// Package linear owns the check that work grows with the size of its input, and not with its
// square. It counts work, allocated bytes or steps, and never reads a clock.
//
// It refuses to know what is measured.
//
//	linear.Bytes(t, limit, func(size int) func() {
//		text := hostile(size)
//		return func() { parse(text) }
//	})
package linear

import (
	"math"
	"runtime"
	"testing"
)

const (
	// maxExponent is the largest growth that passes: work proportional to n log n has 1.1 at the
	// sizes that the tests use.
	maxExponent = 1.2
	// doublings is how often the size is doubled. The growth is their average, because buffers grow
	// in steps.
	doublings = 2
	// shortened is what the largest size is divided by with -short.
	shortened = 4
	// attempts is how often work is counted that seems to grow too fast: what else the process
	// allocates counts as well.
	attempts = 3
)

// Bytes fails t if the bytes that a run allocates grow faster than the size of its input. prepare
// returns the run for a size, and is not counted itself. The largest size should be the limit of
// what is measured. The test must not be parallel: everything that the process allocates counts.
func Bytes(t testing.TB, largest int, prepare func(size int) (run func())) {
	t.Helper()
	Steps(t, largest, func(size int) int {
		run := prepare(size)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		run()
		runtime.ReadMemStats(&after)
		return int(after.TotalAlloc - before.TotalAlloc)
	})
}

// Steps fails t if the number of steps that count returns grows faster than the size.
func Steps(t testing.TB, largest int, count func(size int) int) {
	t.Helper()
	if testing.Short() {
		largest /= shortened
	}
	var sizes, counts [doublings + 1]int
	var exponent float64
	for range attempts {
		for i := range sizes {
			sizes[i] = largest >> (doublings - i)
			counts[i] = count(sizes[i])
		}
		exponent = math.Log2(float64(counts[doublings]+1)/float64(counts[0]+1)) / doublings
		if exponent <= maxExponent {
			return
		}
	}
	t.Errorf("sizes of %v take %v: the work grows with the size to the power of %.2f; at most %.1f is linear", sizes, counts, exponent, maxExponent)
}
