package instrument_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/faaspot/faaspot/pyguest/instrument"
)

// engines are the ways to run a module. The product uses the first; the second helps to distinguish
// its bugs from ours.
var engines = map[string]func() wazero.RuntimeConfig{
	"compiler":    wazero.NewRuntimeConfigCompiler,
	"interpreter": wazero.NewRuntimeConfigInterpreter,
}

// guest is one instance and the observations of its host.
type guest struct {
	api.Module
	ctx    context.Context
	yields int
	// onYield is called at each yield.
	onYield func()
}

func compile(ctx context.Context, rt wazero.Runtime, module []byte) error {
	_, err := rt.CompileModule(ctx, module)
	return err
}

func runtimeConfig(engine string) wazero.RuntimeConfig {
	return engines[engine]().WithCoreFeatures(api.CoreFeaturesV2).WithMemoryLimitPages(256)
}

// instantiate instantiates a module, with the imports from faas and env that the test modules need.
func instantiate(tb testing.TB, engine string, module []byte) *guest {
	tb.Helper()
	ctx := context.Background()
	rt := wazero.NewRuntimeWithConfig(ctx, runtimeConfig(engine))
	tb.Cleanup(func() { rt.Close(ctx) })
	g := &guest{ctx: ctx}
	_, err := rt.NewHostModuleBuilder(instrument.YieldModule).NewFunctionBuilder().
		WithGoFunction(api.GoFunc(func(context.Context, []uint64) {
			g.yields++
			if g.onYield != nil {
				g.onYield()
			}
		}), nil, nil).Export(instrument.YieldName).Instantiate(ctx)
	if err != nil {
		tb.Fatal(err)
	}
	// A host module cannot export globals; a module that does imports the function from the host.
	_, err = rt.NewHostModuleBuilder("host").NewFunctionBuilder().
		WithGoFunction(api.GoFunc(func(context.Context, []uint64) {}), []api.ValueType{api.ValueTypeI64}, nil).Export("before").Instantiate(ctx)
	if err != nil {
		tb.Fatal(err)
	}
	env, err := rt.CompileModule(ctx, readFile(tb, "env.wasm"))
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := rt.InstantiateModule(ctx, env, wazero.NewModuleConfig().WithName("env")); err != nil {
		tb.Fatal(err)
	}
	compiled, err := rt.CompileModule(ctx, module)
	if err != nil {
		tb.Fatal(err)
	}
	g.Module, err = rt.InstantiateModule(ctx, compiled, wazero.NewModuleConfig().WithName(""))
	if err != nil {
		tb.Fatal(err)
	}
	return g
}

// outcome is everything that a call leaves behind, except for the yields.
type outcome struct {
	results []uint64
	trap    string
	memory  []byte
}

func (o outcome) equal(p outcome) bool {
	if o.trap != p.trap || len(o.results) != len(p.results) || !bytes.Equal(o.memory, p.memory) {
		return false
	}
	for i := range o.results {
		if o.results[i] != p.results[i] {
			return false
		}
	}
	return true
}

func (g *guest) call(function string, args ...uint64) outcome {
	results, err := g.ExportedFunction(function).Call(g.ctx, args...)
	o := outcome{results: results}
	if err != nil {
		o.trap, _, _ = strings.Cut(err.Error(), "\n")
	}
	if m := g.Memory(); m != nil {
		view, _ := m.Read(0, m.Size())
		o.memory = bytes.Clone(view)
	}
	return o
}

func readFile(tb testing.TB, name string) []byte {
	tb.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func mustInstrument(tb testing.TB, module []byte, o instrument.Options) []byte {
	tb.Helper()
	out, _, err := instrument.Instrument(module, o)
	if err != nil {
		tb.Fatal(err)
	}
	return out
}

// settings are the options under which behaviour is compared: those of the product, and small ones
// so that short runs reach every branch of the added code.
var settings = map[string]instrument.Options{
	"product": {},
	"small":   {Budget: 10, LoopStride: 2, LeafStride: 3, CopyChunk: 4 << 10},
	"odd":     {Budget: 1, LoopStride: 4, LeafStride: 2, CopyChunk: 5<<10 + 1},
}
