package instrument_test

import (
	"fmt"
	"testing"

	"github.com/faaspot/faaspot/pyguest/instrument"
)

// TestSameBehaviour runs every function of the control flow module before and after instrumenting.
func TestSameBehaviour(t *testing.T) {
	module := readFile(t, "control.wasm")
	numbers := []uint64{1, 2, 3, 7, 16, 40, 301}
	calls := map[string][]uint64{
		"count": {0, 1, 31, 32, 33, 255, 256, 257, 10_000}, "params": numbers, "result": {1, 2, 3, 4, 100, 1000}, "table": numbers,
		"leave": {1, 15, 16, 17, 1000, 5000}, "unreachable": {0, 1}, "arms": numbers, "immediates": numbers, "trap": {0, 1, 100, 1000},
	}
	pairs := map[string][][2]uint64{
		"nested": {{1, 1}, {3, 5}, {40, 40}, {64, 33}}, "plain": {{1, 0}, {5000, 0}}, "across": {{3, 2}, {100, 300}}, "across3": {{4, 4}, {20, 20}},
		"recursive": {{15, 0}}, "mutual": {{8, 0}}, "indirect": {{8, 0}}, "tree": {{8, 0}},
	}
	for engine := range engines {
		for name, options := range settings {
			t.Run(engine+"/"+name, func(t *testing.T) {
				before := instantiate(t, engine, module)
				after := instantiate(t, engine, mustInstrument(t, module, options))
				check := func(function string, args ...uint64) {
					t.Helper()
					want, got := before.call(function, args...), after.call(function, args...)
					if !want.equal(got) {
						t.Errorf("%s%v = %v %q, want %v %q", function, args, got.results, got.trap, want.results, want.trap)
					}
				}
				for function, numbers := range calls {
					for _, n := range numbers {
						check(function, n)
					}
				}
				for function, pairs := range pairs {
					for _, p := range pairs {
						check(function, p[0], p[1])
					}
				}
				if before.yields != 0 || after.yields == 0 {
					t.Errorf("%d yields before, %d after", before.yields, after.yields)
				}
			})
		}
	}
}

// TestTrapAtTheSamePlace verifies that the comparison above includes a trap, and where.
func TestTrapAtTheSamePlace(t *testing.T) {
	g := instantiate(t, "compiler", mustInstrument(t, readFile(t, "control.wasm"), settings["small"]))
	o := g.call("trap", 100)
	if o.trap != "wasm error: integer divide by zero" || o.memory[0] != 0 {
		t.Fatalf("trap %q with %d iterations left", o.trap, o.memory[0])
	}
}

// TestGapBetweenYields measures the work between two yields: iterations of leaf loops and calls of
// recursive functions, which the guest counts in an exported global.
func TestGapBetweenYields(t *testing.T) {
	module := readFile(t, "control.wasm")
	o := instrument.Options{Budget: 1000, LoopStride: 16, LeafStride: 64}
	const budget, stride, leaf = 1000, 16, 64
	tests := []struct {
		function string
		n, m     uint64
		// most is the longest gap allowed, least the shortest mean: yields must be neither too late
		// nor too frequent.
		most, least float64
	}{
		// A leaf loop is charged in full strides, of which one iteration is counted twice.
		{"plain", 100_000, 0, budget + leaf, budget - leaf},
		// Each of n rounds runs m iterations, fewer than a stride: rounds are charged, leaf
		// iterations are not.
		{"across", 20_000, 10, (budget + stride) * 10 * stride / (stride - 1), budget * 9},
		{"across", 20_000, leaf - 2, (budget + stride) * (leaf - 2) * stride / (stride - 1), budget * (leaf - 10)},
		// Leaf iterations beyond a stride are charged.
		{"across", 1000, 1000, budget * 2, budget / 2},
		// Three levels, none of which reaches its stride: the middle one is charged on entry.
		{"across3", 100_000, 3, 2 * budget, budget},
		{"across3", 5_000, stride - 1, 20 * budget, budget},
		// Recursion: at most the two calls of an activation have no tick of their own.
		{"recursive", 22, 0, 3*budget + 10, budget / 2},
		{"mutual", 15, 0, 3*budget + 10, budget / 2},
		{"indirect", 15, 0, 3 * budget, budget / 3},
		{"tree", 15, 0, 4 * budget, budget / 4},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%s/%d/%d", tt.function, tt.n, tt.m), func(t *testing.T) {
			g := instantiate(t, "compiler", mustInstrument(t, module, o))
			work := g.ExportedGlobal("work")
			var last, most uint64
			g.onYield = func() {
				most = max(most, work.Get()-last)
				last = work.Get()
			}
			if o := g.call(tt.function, tt.n, tt.m); o.trap != "" {
				t.Fatal(o.trap)
			}
			g.onYield()
			mean := float64(work.Get()) / float64(g.yields+1)
			t.Logf("%d yields, longest gap %d, mean %.0f", g.yields, most, mean)
			if float64(most) > tt.most {
				t.Errorf("longest gap %d, want at most %.0f", most, tt.most)
			}
			if mean < tt.least {
				t.Errorf("mean gap %.0f, want at least %.0f", mean, tt.least)
			}
		})
	}
}

// TestPanicInYield ends a run from the host. The instance is usable afterwards, with a full budget.
func TestPanicInYield(t *testing.T) {
	for engine := range engines {
		t.Run(engine, func(t *testing.T) {
			g := instantiate(t, engine, mustInstrument(t, readFile(t, "control.wasm"), instrument.Options{}))
			g.onYield = func() { panic("enough") }
			if o := g.call("count", 1<<31); o.trap != "enough (recovered by wazero)" {
				t.Fatalf("trap %q", o.trap)
			}
			if ticks := g.ExportedGlobal(instrument.TicksGlobal).Get(); ticks != instrument.DefaultBudget {
				t.Errorf("%d ticks left, want %d", ticks, instrument.DefaultBudget)
			}
			g.onYield = nil
			if o := g.call("count", 100_000); len(o.results) != 1 || o.results[0] != 100_000 {
				t.Errorf("after a panic: %v %q", o.results, o.trap)
			}
		})
	}
}
