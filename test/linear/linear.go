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
	doublings   = 3
)

// Bytes fails t if the bytes that a run allocates grow faster than the size of its input. prepare
// returns the run for a size, and is not counted itself. The largest size should be the limit of
// what is measured. The test must not be parallel: everything that the process allocates counts.
func Bytes(t testing.TB, largest int, prepare func(size int) (run func())) {
	t.Helper()
	Steps(t, largest, func(size int) int { return allocated(prepare(size)) })
}

// Steps fails t if the number of steps that count returns grows faster than the size.
func Steps(t testing.TB, largest int, count func(size int) int) {
	t.Helper()
	sizes, counts := make([]int, doublings+1), make([]int, doublings+1)
	for i := range sizes {
		sizes[i] = largest >> (doublings - i)
		counts[i] = count(sizes[i])
	}
	// The average of the last two doublings, because buffers grow in steps.
	first, last := counts[doublings-2], counts[doublings]
	if exponent := math.Log2(float64(last+1)/float64(first+1)) / 2; exponent > maxExponent {
		t.Errorf("sizes of %v take %v: the work grows with the size to the power of %.2f; at most %.1f is linear", sizes, counts, exponent, maxExponent)
	}
}

// allocated returns the bytes that run allocates: the least of three times, because the goroutines
// of the test binary and the collector allocate as well.
func allocated(run func()) int {
	least := math.MaxInt
	for range 3 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		run()
		runtime.ReadMemStats(&after)
		least = min(least, int(after.TotalAlloc-before.TotalAlloc))
	}
	return least
}
