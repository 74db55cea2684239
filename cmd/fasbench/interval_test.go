package main

import (
	"math"
	"testing"
	"time"
)

func TestTQuantile(t *testing.T) {
	// From tables of the t distribution.
	for degrees, want := range map[int]float64{1: 12.706, 9: 2.262, 11: 2.201, 19: 2.093, 29: 2.045, 99: 1.984} {
		if got := tQuantile(degrees); math.Abs(got-want) > 0.001 {
			t.Errorf("with %d degrees of freedom: got %.4f, want %.3f", degrees, got, want)
		}
	}
}

func TestPairedRatio(t *testing.T) {
	base := []time.Duration{100, 200, 400}
	same := pairedRatio(base, []time.Duration{110, 220, 440})
	if math.Abs(same.ratio-1.1) > 1e-9 || math.Abs(same.low-1.1) > 1e-9 || math.Abs(same.high-1.1) > 1e-9 {
		t.Errorf("equal ratios: got %+v", same)
	}
	// The logarithms are -ln 2, 0 and ln 2: mean 0, standard deviation ln 2.
	got := pairedRatio(base, []time.Duration{50, 200, 800})
	half := 4.3027 * math.Ln2 / math.Sqrt(3)
	if math.Abs(got.ratio-1) > 1e-9 || math.Abs(math.Log(got.high)-half) > 1e-9 || math.Abs(math.Log(got.low)+half) > 1e-9 {
		t.Errorf("got %+v, want 1 with the factor %.3f", got, math.Exp(half))
	}
}
