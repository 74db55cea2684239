package main

import (
	"context"
	_ "embed" // for the self-test module
	"fmt"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/faaspot/faaspot/pyguest/instrument"
)

// selftest is compiled from selftest.wat.
//
//go:embed selftest.wasm
var selftest []byte

// compile validates a module with the engine and the features that the sandbox uses.
func compile(ctx context.Context, module []byte) error {
	rt := newRuntime(ctx)
	defer rt.Close(ctx)
	_, err := rt.CompileModule(ctx, module)
	return err
}

func newRuntime(ctx context.Context) wazero.Runtime {
	return wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigCompiler().WithCoreFeatures(api.CoreFeaturesV2))
}

// selftestTicks are, per export of the self-test module, the least and the largest number of ticks
// that a unit of its argument costs. A loop that calls another is charged for itself, and for the
// other only if that reaches its stride; not every call of a recursion is charged; with the
// smallest stride, each iteration is charged twice.
var selftestTicks = []struct {
	function    string
	least, most float64
}{
	{"leaf", 0.9, 2.1},
	{"calling", 0.9, 8.5},
	{"recursive", 0.3, 1.1},
	{"bulk", 2.9, 3.1},
}

// selfTest instruments the self-test module under the options, runs it before and after, and fails
// unless the results are equal and the number of yields matches the options.
func selfTest(ctx context.Context, options instrument.Options) error {
	instrumented, _, err := instrument.Instrument(selftest, options)
	if err != nil {
		return err
	}
	options = options.WithDefaults()
	// Enough work for some yields, and too little to fill the module's memory.
	n := uint32(min(4*uint64(max(options.Budget, options.LoopStride, options.LeafStride)), 60_000))
	for _, tt := range selftestTicks {
		want, before, err := runExport(ctx, selftest, tt.function, n)
		if err != nil {
			return err
		}
		got, yields, err := runExport(ctx, instrumented, tt.function, n)
		if err != nil {
			return err
		}
		if got != want {
			return fmt.Errorf("self-test: %s(%d) is %d, and was %d before", tt.function, n, got, want)
		}
		// A yield comes when the ticks fall below zero, or at most a stride or a chunk later.
		slack := float64(max(options.LoopStride, options.LeafStride, options.CopyChunk/64))
		least := int(float64(n)*tt.least/(float64(options.Budget)+1+slack)) - 1
		most := int(float64(n)*tt.most/float64(options.Budget)) + 1
		if before != 0 || yields < least || yields > most {
			return fmt.Errorf("self-test: %s(%d) made %d yields, want %d to %d", tt.function, n, yields, least, most)
		}
	}
	return nil
}

// runExport calls an export of a self-test module with one number. It returns the result and the
// number of yields.
func runExport(ctx context.Context, module []byte, function string, n uint32) (result uint64, yields int, err error) {
	rt := newRuntime(ctx)
	defer rt.Close(ctx)
	_, err = rt.NewHostModuleBuilder(instrument.YieldModule).NewFunctionBuilder().
		WithGoFunction(api.GoFunc(func(context.Context, []uint64) { yields++ }), nil, nil).
		Export(instrument.YieldName).Instantiate(ctx)
	if err != nil {
		return 0, 0, err
	}
	instance, err := rt.Instantiate(ctx, module)
	if err != nil {
		return 0, 0, fmt.Errorf("self-test: %w", err)
	}
	results, err := instance.ExportedFunction(function).Call(ctx, uint64(n))
	if err != nil {
		return 0, 0, fmt.Errorf("self-test: %s(%d): %w", function, n, err)
	}
	return results[0], yields, nil
}
