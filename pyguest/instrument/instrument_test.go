package instrument_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/faaspot/faaspot/pyguest/instrument"
	"github.com/faaspot/faaspot/pyguest/wasmbin"
)

func parse(t *testing.T, module []byte) *wasmbin.Module {
	t.Helper()
	m, err := wasmbin.Parse(module)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestUntouched compares the parts that must stay byte for byte: custom sections and functions
// without loops, copies, indirect calls and recursion.
func TestUntouched(t *testing.T) {
	for _, name := range []string{"control.wasm", "bulk.wasm", "sections.wasm", "noloop.wasm"} {
		t.Run(name, func(t *testing.T) {
			// A custom section at the start, one in the middle, one at the end.
			sections, err := wasmbin.Sections(readFile(t, name))
			if err != nil {
				t.Fatal(err)
			}
			custom := wasmbin.Section{ID: wasmbin.SectionCustom, Body: wasmbin.AppendName(nil, "note")}
			sections = slices.Insert(sections, 2, custom)
			module := wasmbin.Join(append(append([]wasmbin.Section{custom}, sections...), custom))
			before := parse(t, module)
			after := parse(t, mustInstrument(t, module, instrument.Options{}))

			var customBefore, customAfter [][]byte
			for _, s := range before.Sections {
				if s.ID == wasmbin.SectionCustom {
					customBefore = append(customBefore, s.Body)
				}
			}
			for _, s := range after.Sections {
				if s.ID == wasmbin.SectionCustom {
					customAfter = append(customAfter, s.Body)
				}
			}
			if diff := cmp.Diff(customBefore, customAfter); diff != "" {
				t.Errorf("custom sections: %s", diff)
			}
			for _, id := range []wasmbin.SectionID{
				wasmbin.SectionImport, wasmbin.SectionTable, wasmbin.SectionMemory, wasmbin.SectionStart, wasmbin.SectionElement,
				wasmbin.SectionDataCount, wasmbin.SectionData,
			} {
				if !bytes.Equal(before.Section(id), after.Section(id)) {
					t.Errorf("section %d differs", id)
				}
			}
			for i, code := range before.Codes {
				same := bytes.Equal(code.Body, after.Codes[i].Body)
				if loopless := !bytes.Contains(code.Body, []byte{wasmbin.OpLoop}) && !bytes.Contains(code.Body, []byte{wasmbin.OpMiscPrefix}) &&
					!bytes.Contains(code.Body, []byte{wasmbin.OpCall}) && !bytes.Contains(code.Body, []byte{wasmbin.OpCallIndirect}); loopless && !same {
					t.Errorf("function %d differs", i)
				}
			}
		})
	}
}

// TestSections runs a module with a start function, passive data, a data count and all kinds of
// element segments.
func TestSections(t *testing.T) {
	module := readFile(t, "sections.wasm")
	for engine := range engines {
		options := instrument.Options{AllowTableWrites: true}
		before, after := instantiate(t, engine, module), instantiate(t, engine, mustInstrument(t, module, options))
		want, got := before.call("main"), after.call("main")
		if !want.equal(got) || want.trap != "" {
			t.Errorf("%s: %v %q, want %v %q", engine, got.results, got.trap, want.results, want.trap)
		}
	}
}

func TestStats(t *testing.T) {
	module := readFile(t, "control.wasm")
	out, got, err := instrument.Instrument(module, instrument.Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := instrument.Stats{
		Functions: 23, Changed: 17, Loops: 24, LoopEntries: 3, IndirectCalls: 2, Entries: 2, Branches: 38,
		BytesIn: len(module), BytesOut: len(out),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	_, got, err = instrument.Instrument(readFile(t, "bulk.wasm"), instrument.Options{})
	if err != nil || got.Copies != 1 || got.Fills != 1 {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestDeterministic verifies that the guest build produces the same bytes each time.
func TestDeterministic(t *testing.T) {
	module := readFile(t, "control.wasm")
	original := bytes.Clone(module)
	first := mustInstrument(t, module, instrument.Options{})
	for range 20 {
		if !bytes.Equal(first, mustInstrument(t, module, instrument.Options{})) {
			t.Fatal("two runs, two results")
		}
	}
	if !bytes.Equal(original, module) {
		t.Error("the input was changed")
	}
}

// TestMutableState verifies that the instrumenter adds one mutable global, and no other state.
func TestMutableState(t *testing.T) {
	module := readFile(t, "control.wasm")
	before, err := wasmbin.Globals(module)
	if err != nil {
		t.Fatal(err)
	}
	out := mustInstrument(t, module, instrument.Options{})
	after, err := wasmbin.Globals(out)
	if err != nil {
		t.Fatal(err)
	}
	want := append(before, wasmbin.Global{
		Index: uint32(len(before)), Type: wasmbin.TypeI32, Mutable: true, Exports: []string{instrument.TicksGlobal},
	})
	if diff := cmp.Diff(want, after); diff != "" {
		t.Error(diff)
	}
	if err := wasmbin.ImmutableTables(out); err != nil {
		t.Error(err)
	}
}

// module builds a small module around one function of type () -> (), which is function 1, after the
// import.
func module(locals []byte, code ...byte) []byte {
	body := append(append([]byte{}, locals...), code...)
	return wasmbin.Join([]wasmbin.Section{
		{ID: wasmbin.SectionType, Body: []byte{1, wasmbin.FormFunc, 0, 0}},
		{ID: wasmbin.SectionImport, Body: importYield(byte(wasmbin.KindFunc), 0)},
		{ID: wasmbin.SectionFunction, Body: []byte{1, 0}},
		{ID: wasmbin.SectionTable, Body: []byte{1, wasmbin.TypeFuncref, 0, 1}},
		{ID: wasmbin.SectionMemory, Body: []byte{1, 0, 1}},
		{ID: wasmbin.SectionCode, Body: append(wasmbin.AppendUint32([]byte{1}, uint32(len(body))), body...)},
	})
}

func importYield(desc ...byte) []byte {
	b := wasmbin.AppendName([]byte{1}, instrument.YieldModule)
	return append(wasmbin.AppendName(b, instrument.YieldName), desc...)
}

func TestRefuses(t *testing.T) {
	noLocals := []byte{0}
	with := func(id wasmbin.SectionID, body ...byte) []byte {
		sections, err := wasmbin.Sections(module(noLocals, wasmbin.OpEnd))
		if err != nil {
			t.Fatal(err)
		}
		return wasmbin.Join(wasmbin.Replace(sections, id, body))
	}
	instrumented := mustInstrument(t, module(noLocals, wasmbin.OpEnd), instrument.Options{})
	tests := map[string]struct {
		module  []byte
		options instrument.Options
		want    string
	}{
		"empty":                {nil, instrument.Options{}, "not a WebAssembly module"},
		"twice":                {instrumented, instrument.Options{}, "instrumented already"},
		"no yield":             {with(wasmbin.SectionImport, 0), instrument.Options{}, "does not import the function faas.yield"},
		"yield of other type":  {with(wasmbin.SectionType, 1, wasmbin.FormFunc, 1, wasmbin.TypeI32, 0), instrument.Options{}, "takes or returns values"},
		"yield without type":   {with(wasmbin.SectionType, 0), instrument.Options{}, "takes or returns values"},
		"yield is a global":    {with(wasmbin.SectionImport, importYield(byte(wasmbin.KindGlobal), wasmbin.TypeI32, 0)...), instrument.Options{}, "does not import the function"},
		"shared memory":        {with(wasmbin.SectionMemory, 1, 3, 1, 1), instrument.Options{}, "shared memory"},
		"64-bit memory":        {with(wasmbin.SectionMemory, 1, 4, 1), instrument.Options{}, "unknown memory flags 0x04"},
		"two memories":         {with(wasmbin.SectionMemory, 2, 0, 1, 0, 1), instrument.Options{}, "2 memories"},
		"unknown opcode":       {module(noLocals, 0xfe, 0x03, wasmbin.OpEnd), instrument.Options{}, "function 1: wasm: offset 0x32: unknown opcode 0xfe"},
		"unknown misc opcode":  {module(noLocals, 0xfc, 18, wasmbin.OpEnd), instrument.Options{}, "function 1: wasm: offset 0x32: unknown opcode 0xfc 18"},
		"relaxed vector":       {module(noLocals, 0xfd, 0x80, 0x02, wasmbin.OpEnd), instrument.Options{}, "unknown opcode 0xfd 256"},
		"tail call":            {module(noLocals, 0x12, 0, wasmbin.OpEnd), instrument.Options{}, "unknown opcode 0x12"},
		"throw":                {module(noLocals, 0x08, 0, wasmbin.OpEnd), instrument.Options{}, "unknown opcode 0x08"},
		"second memory":        {module(noLocals, 0x20, 0, 0x28, 0x42, 1, 0, wasmbin.OpEnd), instrument.Options{}, "unknown alignment or memory flags 66"},
		"no end":               {module(noLocals, 0x01), instrument.Options{}, "unexpected end"},
		"open loop":            {module(noLocals, wasmbin.OpLoop, 0x40, wasmbin.OpEnd), instrument.Options{}, "unexpected end"},
		"code after the end":   {module(noLocals, wasmbin.OpEnd, 0x01), instrument.Options{}, "1 bytes after the end"},
		"too many locals":      {module([]byte{1, 0xd0, 0x86, 0x03, wasmbin.TypeI32}, wasmbin.OpLoop, 0x40, wasmbin.OpEnd, wasmbin.OpEnd), instrument.Options{}, "50000 parameters and locals and 1 added ones are more than 50000"},
		"far too many locals":  {module([]byte{1, 0xff, 0xff, 0xff, 0xff, 0x0f, wasmbin.TypeI32}, wasmbin.OpEnd), instrument.Options{}, "4294967295 locals are more than 50000"},
		"table.set":            {module(noLocals, 0x41, 0, 0xd0, 0x70, 0x26, 0, wasmbin.OpEnd), instrument.Options{}, "function 1, offset 0x36: opcode 0x26 0 writes a table"},
		"table.grow":           {module(noLocals, 0xd0, 0x70, 0x41, 0, 0xfc, 15, 0, 0x1a, wasmbin.OpEnd), instrument.Options{}, "opcode 0xfc 15 writes a table"},
		"table.fill":           {module(noLocals, 0x41, 0, 0xd0, 0x70, 0x41, 0, 0xfc, 17, 0, wasmbin.OpEnd), instrument.Options{}, "opcode 0xfc 17 writes a table"},
		"table.copy":           {module(noLocals, 0x41, 0, 0x41, 0, 0x41, 0, 0xfc, 14, 0, 0, wasmbin.OpEnd), instrument.Options{}, "opcode 0xfc 14 writes a table"},
		"table.init":           {module(noLocals, 0x41, 0, 0x41, 0, 0x41, 0, 0xfc, 12, 0, 0, wasmbin.OpEnd), instrument.Options{}, "opcode 0xfc 12 writes a table"},
		"large budget":         {module(noLocals, wasmbin.OpEnd), instrument.Options{Budget: 1<<30 + 1}, "Budget"},
		"odd stride":           {module(noLocals, wasmbin.OpEnd), instrument.Options{LoopStride: 48}, "LoopStride 48"},
		"endless stride":       {module(noLocals, wasmbin.OpEnd), instrument.Options{LoopStride: 1}, "LoopStride 1"},
		"endless leaf stride":  {module(noLocals, wasmbin.OpEnd), instrument.Options{LeafStride: 1}, "LeafStride 1"},
		"large leaf stride":    {module(noLocals, wasmbin.OpEnd), instrument.Options{LeafStride: 1<<16 + 1}, "LeafStride"},
		"small chunk":          {module(noLocals, wasmbin.OpEnd), instrument.Options{CopyChunk: 100}, "CopyChunk 100"},
		"copy without memory":  {with(wasmbin.SectionMemory, 0), instrument.Options{}, ""},
		"repeated section":     {append(with(wasmbin.SectionMemory, 0), byte(wasmbin.SectionMemory), 1, 0), instrument.Options{}, "repeated or out of order"},
		"unknown section":      {append(with(wasmbin.SectionMemory, 0), 13, 0), instrument.Options{}, "unknown section id 13"},
		"functions and bodies": {with(wasmbin.SectionFunction, 2, 0, 0), instrument.Options{}, "2 functions declared, 1 bodies"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			out, _, err := instrument.Instrument(tt.module, tt.options)
			if tt.want == "" {
				if err != nil {
					t.Errorf("error %v", err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
			if out != nil {
				t.Error("a result besides the error")
			}
		})
	}
}

// TestLongEncodings uses indices, counts and block types in more bytes than needed.
func TestLongEncodings(t *testing.T) {
	code := []byte{
		wasmbin.OpBlock, 0xc0, 0x7f, // empty, in two bytes
		wasmbin.OpLoop, 0x80, 0x80, 0x00, // type 0, in three bytes
		wasmbin.OpBrIf - 1, 0x81, 0x80, 0x80, 0x80, 0x00, // br 1, in five bytes
		wasmbin.OpEnd, wasmbin.OpEnd,
		wasmbin.OpI32Const, 0x80, 0x80, 0x00, 0x1a,
		wasmbin.OpEnd,
	}
	m := module([]byte{0x81, 0x00, 0x82, 0x80, 0x00, wasmbin.TypeI64}, code...)
	out := mustInstrument(t, m, instrument.Options{})
	instantiate(t, "compiler", m)
	instantiate(t, "compiler", out)
	if !bytes.Contains(out, []byte{wasmbin.OpI32Const, 0x80, 0x80, 0x00, 0x1a}) {
		t.Error("the constant was rewritten")
	}
}

// TestConditionalBranches covers a branch to its function's label, and one that takes a value,
// which an if could not see.
func TestConditionalBranches(t *testing.T) {
	const i32, get, block = wasmbin.TypeI32, wasmbin.OpLocalGet, wasmbin.OpBlock
	code := []byte{
		get, 0, wasmbin.OpBrIf, 0,
		block, wasmbin.TypeEmpty, get, 0, wasmbin.OpBrIf, 0, wasmbin.OpEnd,
		block, i32, get, 0, get, 0, wasmbin.OpBrIf, 0, wasmbin.OpEnd, 0x1a,
		wasmbin.OpEnd,
	}
	want := []byte{
		get, 0, wasmbin.OpIf, wasmbin.TypeEmpty, wasmbin.OpBr, 1, wasmbin.OpEnd,
		block, wasmbin.TypeEmpty, get, 0, wasmbin.OpIf, wasmbin.TypeEmpty, wasmbin.OpBr, 1, wasmbin.OpEnd, wasmbin.OpEnd,
		block, i32, get, 0, get, 0, wasmbin.OpBrIf, 0, wasmbin.OpEnd, 0x1a,
		wasmbin.OpEnd,
	}
	m := module([]byte{1, 1, i32}, code...)
	out := mustInstrument(t, m, instrument.Options{})
	instantiate(t, "compiler", m)
	instantiate(t, "compiler", out)
	if !bytes.Contains(out, want) {
		t.Errorf("% x does not hold % x", out, want)
	}
}

// TestTableWritesAllowed verifies that the option accepts modules that write tables.
func TestTableWritesAllowed(t *testing.T) {
	m := module([]byte{0}, 0x41, 0, 0xd0, 0x70, 0x26, 0, wasmbin.OpEnd)
	instantiate(t, "compiler", mustInstrument(t, m, instrument.Options{AllowTableWrites: true}))
}
