package main

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// quantity is a number of some unit.
type quantity struct {
	n    float64
	unit unit
}

type unit int

const (
	none unit = iota // there is no such figure
	inSeconds
	perSecond
	inBytes
)

func elapsed(d time.Duration) quantity { return quantity{d.Seconds(), inSeconds} }

func (q quantity) String() string {
	switch q.unit {
	case inSeconds:
		switch {
		case q.n >= 1:
			return fmt.Sprintf("%.2f s", q.n)
		case q.n >= 1e-3:
			return fmt.Sprintf("%.3g ms", q.n*1e3)
		}
		return fmt.Sprintf("%.3g µs", q.n*1e6)
	case perSecond:
		return fmt.Sprintf("%.0f/s", q.n)
	case inBytes:
		return fmt.Sprintf("%.0f MB", q.n/mb)
	}
	return ""
}

// ratioText writes a ratio as people say it: 3.1x, or 1/80 if it is small.
func ratioText(r float64) string {
	if r < 0.1 {
		return fmt.Sprintf("1/%.0f", 1/r)
	}
	return fmt.Sprintf("%.2fx", r)
}

// median of a list that is not empty.
func median[T ~int64 | ~float64](list []T) T {
	sorted := slices.Sorted(slices.Values(list))
	mid := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[mid]
	}
	return (sorted[mid-1] + sorted[mid]) / 2
}

// percentile gives the smallest value that p of the list, from 0 to 1, do not
// exceed.
func percentile[T ~int64 | ~float64](list []T, p float64) T {
	sorted := slices.Sorted(slices.Values(list))
	return sorted[max(int(math.Ceil(p*float64(len(sorted))))-1, 0)]
}

func geometricMean[T ~int64 | ~float64](list []T) T {
	sum := 0.0
	for _, x := range list {
		sum += math.Log(float64(x))
	}
	return T(math.Exp(sum / float64(len(list))))
}
