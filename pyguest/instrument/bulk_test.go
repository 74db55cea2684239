package instrument_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/faaspot/faaspot/pyguest/instrument"
)

const bulkMemory = 48 << 16

// pattern fills memory with bytes that distinguish every offset from its neighbours, also a chunk
// away.
func pattern(g *guest) {
	view, _ := g.Memory().Read(0, bulkMemory)
	x := uint32(1)
	for i := range view {
		x = x*1664525 + 1013904223
		view[i] = byte(x >> 24)
	}
}

func TestBulkOperations(t *testing.T) {
	const chunk = 64 << 10
	const end = bulkMemory
	operations := []struct {
		function  string
		dst, x, n uint64
	}{
		{"copy", 0, 0, 0},
		{"copy", 10, 0, 100},
		{"copy", 0, 10, 256},
		{"copy", 10, 0, 257},
		{"copy", 5, 5, 3 * chunk},
		{"copy", 0, 1, chunk},
		{"copy", 1, 0, chunk},
		{"copy", 0, 1, chunk + 1},
		{"copy", 1, 0, chunk + 1},
		{"copy", 0, 1, 3 * chunk},
		{"copy", 1, 0, 3 * chunk},
		{"copy", 0, 3, 3*chunk + 5},
		{"copy", 3, 0, 3*chunk + 5},
		{"copy", 0, chunk, 4 * chunk},
		{"copy", chunk, 0, 4 * chunk},
		{"copy", 0, chunk - 1, 4*chunk + 1},
		{"copy", chunk + 1, 0, 4*chunk - 1},
		{"copy", 0, 5 * chunk, 5 * chunk},
		{"copy", 5 * chunk, 0, 5 * chunk},
		{"copy", 20 * chunk, 3, 20*chunk - 3},
		{"copy", 20*chunk - 4, 3, 20*chunk - 3},
		{"copy", end - 3*chunk, 0, 3 * chunk},
		{"copy", 0, end - 3*chunk, 3 * chunk},
		{"copy", 1, 0, end - 1},
		{"copy", 0, 1, end - 1},
		{"copy", 0, 0, end},
		// Out of bounds, by little and by much, by source, destination, and by sums that wrap at 32
		// bits.
		{"copy", end, 0, 0},
		{"copy", end + 1, 0, 0},
		{"copy", end - 255, 0, 256},
		{"copy", end - 3*chunk + 1, 0, 3 * chunk},
		{"copy", 0, end - 3*chunk + 1, 3 * chunk},
		{"copy", 1<<32 - 1, 0, 3 * chunk},
		{"copy", 0, 1<<32 - 1, 3 * chunk},
		{"copy", 1<<32 - chunk, 0, 2 * chunk},
		{"copy", 0, 0, 1<<32 - 1},
		{"copy", chunk, chunk, 1<<32 - chunk},
		{"copy", end - chunk, 0, chunk + 1},
		{"copy", 1 << 31, 1 << 31, 1 << 31},
		{"fill", 0, 7, 0},
		{"fill", 5, 0x1234, 256},
		{"fill", 5, 300, 257},
		{"fill", 1, 9, chunk},
		{"fill", 1, 9, chunk + 1},
		{"fill", 3, 255, 5*chunk + 3},
		{"fill", end - 3*chunk, 1, 3 * chunk},
		{"fill", 0, 1, end},
		{"fill", end, 1, 0},
		{"fill", end + 1, 1, 0},
		{"fill", end - 3*chunk + 1, 1, 3 * chunk},
		{"fill", 1<<32 - 1, 1, 3 * chunk},
		{"fill", 0, 1, 1<<32 - 1},
		{"fill", end - chunk, 1, chunk + 1},
	}
	module := readFile(t, "bulk.wasm")
	for engine := range engines {
		t.Run(engine, func(t *testing.T) {
			before := instantiate(t, engine, module)
			after := instantiate(t, engine, mustInstrument(t, module, instrument.Options{CopyChunk: chunk}))
			for _, op := range operations {
				pattern(before)
				pattern(after)
				after.yields = 0
				want := before.call(op.function, op.dst, op.x, op.n)
				got := after.call(op.function, op.dst, op.x, op.n)
				if want.trap != got.trap {
					t.Errorf("%+v: trap %q, want %q", op, got.trap, want.trap)
				}
				if !bytes.Equal(want.memory, got.memory) {
					t.Errorf("%+v: memory differs", op)
				}
				if got.trap != "" && after.yields > 0 {
					t.Errorf("%+v: %d yields before a trap", op, after.yields)
				}
				// 1 MiB costs more ticks than the budget: the bytes alone cause yields.
				if least := int(op.n >> 20); got.trap == "" && after.yields < least {
					t.Errorf("%+v: %d yields, want %d", op, after.yields, least)
				}
			}
		})
	}
}

// TestSmallBulkOperations tries every small length, with ranges that are apart or overlap by any
// amount, inside memory and across its end, with addresses that wrap.
func TestSmallBulkOperations(t *testing.T) {
	const end, window, most = bulkMemory, 256, 40
	module := readFile(t, "bulk.wasm")
	before := instantiate(t, "compiler", module)
	after := instantiate(t, "compiler", mustInstrument(t, module, instrument.Options{}))
	// Both ends of memory: no access is near anything else.
	run := func(g *guest, function string, dst, x, n uint64) (trap string, ends [2 * window]byte) {
		low, _ := g.Memory().Read(0, window)
		high, _ := g.Memory().Read(end-window, window)
		for i := range low {
			low[i], high[i] = byte(i), byte(255-i)
		}
		if _, err := g.ExportedFunction(function).Call(g.ctx, dst, x, n); err != nil {
			trap, _, _ = strings.Cut(err.Error(), "\n")
		}
		copy(ends[:window], low)
		copy(ends[window:], high)
		return trap, ends
	}
	compare := func(function string, dst, x, n uint64) {
		wantTrap, want := run(before, function, dst, x, n)
		gotTrap, got := run(after, function, dst, x, n)
		if gotTrap != wantTrap || got != want {
			t.Errorf("%s(%d, %d, %d): trap %q, want %q, or memory differs", function, dst, x, n, gotTrap, wantTrap)
		}
	}
	for n := range uint64(most) {
		for shift := range uint64(most) {
			compare("copy", 100, 100+shift, n)
			compare("copy", 100+shift, 100, n)
			for _, edge := range []uint64{end, 1<<32 - 1} {
				compare("copy", edge-shift, 100, n)
				compare("copy", 100, edge-shift, n)
				compare("fill", edge-shift, 3, n)
			}
		}
		compare("fill", 100, 0x1fe, n)
	}
}

// TestCopyAfterGrowth copies to the end of a memory that has grown: its size must be read, not
// remembered.
func TestCopyAfterGrowth(t *testing.T) {
	g := instantiate(t, "compiler", mustInstrument(t, readFile(t, "bulk.wasm"), instrument.Options{}))
	if o := g.call("grow", 16); o.trap != "" || o.results[0] != 48 {
		t.Fatalf("grow: %v %q", o.results, o.trap)
	}
	if o := g.call("fill", 48<<16, 1, 16<<16); o.trap != "" || o.memory[64<<16-1] != 1 {
		t.Errorf("fill: %q", o.trap)
	}
	if o := g.call("copy", 60<<16, 48<<16, 4<<16+1); o.trap == "" {
		t.Error("a copy beyond the end did not trap")
	}
}

// TestManySmallCopies makes copies that are too small for a chunk, in calls without loops: the
// bytes add up.
func TestManySmallCopies(t *testing.T) {
	g := instantiate(t, "compiler", mustInstrument(t, readFile(t, "bulk.wasm"), instrument.Options{}))
	const n, times = 4 << 10, 2000
	for range times {
		g.call("copy", 0, 1<<20, n)
	}
	// 64 bytes are a tick.
	if want := times * n / 64 / instrument.DefaultBudget; g.yields < want-1 || g.yields > want+1 {
		t.Errorf("%d yields, want about %d", g.yields, want)
	}
}
