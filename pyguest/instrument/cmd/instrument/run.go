package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/faaspot/faaspot/pyguest/instrument"
)

const usage = `usage: instrument [flags] IN.wasm OUT.wasm

Adds yield calls to a WebAssembly module, so that compiled guest code calls its host regularly.
IN.wasm must import the function faas.yield. Before it writes OUT.wasm, it compiles the result,
and instruments and runs a small module in the same way. Prints statistics to stderr. Flags:
`

// run is main with its arguments and streams passed in. It returns 0, 1 if the module cannot be
// instrumented, 2 for wrong usage.
func run(args []string, stderr io.Writer) int {
	flags := flag.NewFlagSet("instrument", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprint(stderr, usage)
		flags.PrintDefaults()
	}
	budget := flags.Uint("budget", instrument.DefaultBudget, "ticks between two yields, at most 1<<30")
	stride := flags.Uint("stride", instrument.DefaultLoopStride, "loop iterations that are booked at once, a power of two from 2 to 1<<16")
	leaf := flags.Uint("leaf-stride", instrument.DefaultLeafStride, "the same for loops without calls inside, from 2 to 1<<16")
	chunk := flags.Uint("chunk", instrument.DefaultCopyChunk, "bytes that memory.copy and memory.fill move at once, 4 KiB to 1 GiB")
	tables := flags.Bool("allow-table-writes", false, "accept modules that write tables")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	if flags.NArg() != 2 {
		flags.Usage()
		return 2
	}
	options := instrument.Options{
		Budget:           uint32(min(*budget, 1<<32-1)),
		LoopStride:       uint32(min(*stride, 1<<32-1)),
		LeafStride:       uint32(min(*leaf, 1<<32-1)),
		CopyChunk:        uint32(min(*chunk, 1<<32-1)),
		AllowTableWrites: *tables,
	}
	stats, err := convert(context.Background(), flags.Arg(0), flags.Arg(1), options)
	if err != nil {
		fmt.Fprintln(stderr, err)
		return 1
	}
	fmt.Fprintf(stderr, "functions %d, changed %d\nloops %d, loop entries %d, indirect calls %d, recursive functions %d\nmemory.copy %d, memory.fill %d, conditional branches %d\nbytes %d -> %d (%+.1f %%)\n",
		stats.Functions, stats.Changed, stats.Loops, stats.LoopEntries, stats.IndirectCalls, stats.Entries,
		stats.Copies, stats.Fills, stats.Branches, stats.BytesIn, stats.BytesOut, 100*float64(stats.BytesOut-stats.BytesIn)/float64(stats.BytesIn))
	return 0
}

// convert instruments in to out. It writes nothing before the result has been verified.
func convert(ctx context.Context, in, out string, options instrument.Options) (instrument.Stats, error) {
	module, err := os.ReadFile(in)
	if err != nil {
		return instrument.Stats{}, err
	}
	instrumented, stats, err := instrument.Instrument(module, options)
	if err != nil {
		return stats, fmt.Errorf("%s: %w", in, err)
	}
	if err := selfTest(ctx, options); err != nil {
		return stats, fmt.Errorf("nothing was written: %w", err)
	}
	if err := compile(ctx, instrumented); err != nil {
		return stats, fmt.Errorf("nothing was written: the result of instrumenting %s is invalid, was the input valid? %w", in, err)
	}
	return stats, os.WriteFile(out, instrumented, 0o644)
}
