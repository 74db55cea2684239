package main

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// quantity is a number with its unit.
type quantity struct {
	n    float64
	unit unit
}

// unit is the unit of a quantity.
type unit int

const (
	none unit = iota // no figure
	inSeconds
	perSecond
	inBytes
	bytesPerSecond
	number
)

// elapsed returns a length of time as a quantity.
func elapsed(d time.Duration) quantity { return quantity{d.Seconds(), inSeconds} }

// String formats the quantity for people, with three digits or so.
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
	case bytesPerSecond:
		return fmt.Sprintf("%.0f MB/s", q.n/1e6)
	case number:
		return fmt.Sprintf("%.0f", q.n)
	}
	return ""
}

// ratioText formats a ratio the way people say it: 3.10x, or 1/80 if it is below 0.1.
func ratioText(r float64) string {
	if r < 0.1 {
		return fmt.Sprintf("1/%.0f", 1/r)
	}
	return fmt.Sprintf("%.2fx", r)
}

// median returns the median of a non-empty list.
func median[T ~int64 | ~float64](list []T) T {
	sorted := slices.Sorted(slices.Values(list))
	mid := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[mid]
	}
	return (sorted[mid-1] + sorted[mid]) / 2
}

// mean returns the arithmetic mean of a non-empty list.
func mean[T ~int64 | ~float64](list []T) T {
	var sum T
	for _, x := range list {
		sum += x
	}
	return sum / T(len(list))
}

// percentile returns the smallest value of the list that is at least as large as the fraction p,
// from 0 to 1, of all values.
func percentile[T ~int64 | ~float64](list []T, p float64) T {
	sorted := slices.Sorted(slices.Values(list))
	return sorted[max(int(math.Ceil(p*float64(len(sorted))))-1, 0)]
}

// geometricMean returns the geometric mean of a non-empty list of positive numbers.
func geometricMean[T ~int64 | ~float64](list []T) T {
	sum := 0.0
	for _, x := range list {
		sum += math.Log(float64(x))
	}
	return T(math.Exp(sum / float64(len(list))))
}
