package instrument_test

import (
	"context"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	"github.com/tetratelabs/wazero"

	"github.com/faaspot/faaspot/pyguest/instrument"
	"github.com/faaspot/faaspot/pyguest/wasmbin"
)

// maxFuzzInput limits the size of one input in bytes, and so the time to compile it.
const maxFuzzInput = 16 << 10

// FuzzInstrument instruments arbitrary bytes: it must not panic, and a valid module must stay
// valid.
func FuzzInstrument(f *testing.F) {
	names, err := filepath.Glob("testdata/*.wasm")
	if err != nil || len(names) == 0 {
		f.Fatalf("seeds: %v, %v", names, err)
	}
	for _, name := range names {
		f.Add(readFile(f, filepath.Base(name)))
	}
	f.Add(generate([]byte("a structured program")))
	ctx := context.Background()
	f.Fuzz(func(t *testing.T, module []byte) {
		if len(module) > maxFuzzInput {
			return
		}
		sections, err := wasmbin.Sections(module)
		if err != nil {
			if _, _, err := instrument.Instrument(module, instrument.Options{}); err == nil {
				t.Fatal("a module without sections was accepted")
			}
			return
		}
		// wazero reads beyond the end of a malformed name section, so that its result depends on
		// the bytes there.
		sections = slices.DeleteFunc(sections, func(s wasmbin.Section) bool { return s.ID == wasmbin.SectionCustom })
		module = wasmbin.Join(sections)
		out, stats, err := instrument.Instrument(module, instrument.Options{AllowTableWrites: true})
		if err != nil {
			return
		}
		// Each loop, entry and call adds a few dozen bytes.
		if most := len(module)*40 + 1000; len(out) > most || stats.BytesOut != len(out) {
			t.Fatalf("%d bytes became %d, stats say %d", len(module), len(out), stats.BytesOut)
		}
		rt := wazero.NewRuntimeWithConfig(ctx, runtimeConfig("interpreter"))
		defer rt.Close(ctx)
		if compile(ctx, rt, module) != nil {
			return
		}
		if err := compile(ctx, rt, out); err != nil {
			t.Fatalf("the result is invalid: %v", err)
		}
		if _, _, err := instrument.Instrument(out, instrument.Options{AllowTableWrites: true}); err == nil {
			t.Fatal("a second pass was not refused")
		}
	})
}

// FuzzPrograms runs generated programs before and after instrumenting. If the program traps, it
// must trap at the same point.
func FuzzPrograms(f *testing.F) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 8 {
		data := make([]byte, 600)
		for i := range data {
			data[i] = byte(random.Uint32())
		}
		f.Add(data, int32(random.Uint32()))
	}
	f.Fuzz(func(t *testing.T, data []byte, arg int32) {
		module := generate(data)
		names := slices.Sorted(maps.Keys(settings))
		name := names[uint32(arg)%uint32(len(names))]
		instrumented := mustInstrument(t, module, settings[name])
		for engine := range engines {
			want := instantiate(t, engine, module).call("run", uint64(uint32(arg)))
			got := instantiate(t, engine, instrumented).call("run", uint64(uint32(arg)))
			if !want.equal(got) {
				t.Errorf("%s, %s: %v %q, want %v %q", engine, name, got.results, got.trap, want.results, want.trap)
			}
		}
	})
}

// TestGeneratedPrograms verifies that the generator creates programs that end in many ways.
func TestGeneratedPrograms(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	ends := map[string]int{}
	loops, yields := 0, 0
	const programs = 150
	for range programs {
		data := make([]byte, 1500)
		for i := range data {
			data[i] = byte(random.Uint32())
		}
		module := generate(data)
		want := instantiate(t, "interpreter", module).call("run", 3)
		out, stats, err := instrument.Instrument(module, settings["small"])
		if err != nil {
			t.Fatal(err)
		}
		loops += stats.Loops
		after := instantiate(t, "compiler", out)
		if got := after.call("run", 3); !want.equal(got) {
			t.Errorf("%v %q, want %v %q", got.results, got.trap, want.results, want.trap)
		}
		ends[want.trap]++
		yields += after.yields
	}
	t.Logf("%d loops, %d yields, ends %v", loops, yields, ends)
	if ends[""] < programs/10 || len(ends) < 4 || loops < 2*programs || yields < programs {
		t.Error("the programs are too much alike")
	}
}
