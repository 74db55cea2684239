package instrument

import (
	"cmp"
	"fmt"
	"math/bits"
)

// TicksGlobal is the export name of the global with the remaining ticks, a mutable i32.
const TicksGlobal = "faas_ticks"

// The import that is called when the ticks are used up: a function without parameters and results.
const (
	YieldModule = "faas"
	YieldName   = "yield"
)

// Defaults of Options.
const (
	// DefaultBudget limits the number of pages that a loop can touch for the first time between two
	// yields, and is so large that the cost of a yield hardly matters.
	DefaultBudget = 8192
	// DefaultLoopStride is small, so that few iterations are not counted where loops with calls are
	// nested.
	DefaultLoopStride = 32
	// DefaultLeafStride is so large that the code that runs once per stride hardly matters beside a
	// stride of the tightest loops.
	DefaultLeafStride = 256
	// DefaultCopyChunk is small enough to be moved in far less than 10 ms, with all its pages
	// touched for the first time.
	DefaultCopyChunk = 256 << 10
)

// Limits of strides. A loop counts the iteration in which a stride ends twice, so with a stride of
// 1 it would make no progress.
const (
	minStride = 2
	maxStride = 1 << 16
)

// Options configure Instrument. The zero value has the settings of the product.
type Options struct {
	// Budget is the number of ticks between two yields, at most 1<<30; 0 means DefaultBudget.
	Budget uint32
	// LoopStride is the number of iterations that a loop books at once, a power of two from 2 to
	// 1<<16; 0 means DefaultLoopStride. A larger stride is cheaper and less exact.
	LoopStride uint32
	// LeafStride is the same for loops without calls inside, from 2 to 1<<16; 0 means
	// DefaultLeafStride. They are the tightest, and gain the most from a large stride.
	LeafStride uint32
	// CopyChunk is the number of bytes that a memory.copy or memory.fill moves at once, from 4 KiB
	// to 1 GiB; 0 means DefaultCopyChunk.
	CopyChunk uint32
	// AllowTableWrites accepts modules that contain table.set, table.grow, table.fill, table.copy
	// or table.init. The sandbox never restores tables, so it needs modules that do not write them.
	AllowTableWrites bool
}

// WithDefaults returns the options with zeros replaced by the defaults.
func (o Options) WithDefaults() Options {
	o.Budget = cmp.Or(o.Budget, DefaultBudget)
	o.LoopStride = cmp.Or(o.LoopStride, DefaultLoopStride)
	o.LeafStride = cmp.Or(o.LeafStride, DefaultLeafStride)
	o.CopyChunk = cmp.Or(o.CopyChunk, DefaultCopyChunk)
	return o
}

// validate checks options after WithDefaults.
func (o Options) validate() error {
	switch {
	case o.Budget > 1<<30:
		return fmt.Errorf("instrument: Budget %d exceeds %d", o.Budget, 1<<30)
	case bits.OnesCount32(o.LoopStride) != 1 || o.LoopStride < minStride || o.LoopStride > maxStride:
		return fmt.Errorf("instrument: LoopStride %d is not a power of two from %d to %d", o.LoopStride, minStride, maxStride)
	case o.LeafStride < minStride || o.LeafStride > maxStride:
		return fmt.Errorf("instrument: LeafStride %d is not between %d and %d", o.LeafStride, minStride, maxStride)
	case o.CopyChunk < 4<<10 || o.CopyChunk > 1<<30:
		return fmt.Errorf("instrument: CopyChunk %d is not between %d and %d", o.CopyChunk, 4<<10, 1<<30)
	}
	return nil
}

// Stats reports what Instrument has changed.
type Stats struct {
	// Functions is the number of functions that the module defines, Changed the number of those
	// with new code.
	Functions, Changed int
	// Loops is the number of loops, each of which counts its iterations.
	Loops int
	// LoopEntries, IndirectCalls and Entries are the numbers of places that spend one tick: before
	// an outermost loop, before an indirect call outside of loops, and at the start of a function
	// that directly recurses.
	LoopEntries, IndirectCalls, Entries int
	// Copies and Fills are the numbers of memory.copy and memory.fill instructions replaced.
	Copies, Fills int
	// Branches is the number of conditional branches that became an if, including those of the
	// counters.
	Branches int
	// BytesIn and BytesOut are the sizes of the module before and after.
	BytesIn, BytesOut int
}
