package wasmbin_test

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tetratelabs/wazero"

	"github.com/faaspot/faaspot/pyguest/wasmbin"
)

func readFull(tb testing.TB) []byte {
	tb.Helper()
	b, err := os.ReadFile("testdata/full.wasm")
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func TestParse(t *testing.T) {
	m, err := wasmbin.Parse(readFull(t))
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Types) != 2 || !m.Types[0].Equal(wasmbin.FuncType{}) {
		t.Errorf("types %v", m.Types)
	}
	pair := wasmbin.FuncType{
		Params: []byte{wasmbin.TypeI32, wasmbin.TypeF64}, Results: []byte{wasmbin.TypeI64, wasmbin.TypeExternref},
	}
	if !m.Types[1].Equal(pair) || m.Types[0].Equal(pair) {
		t.Errorf("types %v", m.Types)
	}
	imports := []wasmbin.Import{
		{Module: "env", Name: "f", Kind: wasmbin.KindFunc, Type: 1},
		{Module: "env", Name: "g", Kind: wasmbin.KindGlobal},
		{Module: "env", Name: "k", Kind: wasmbin.KindGlobal},
	}
	if diff := cmp.Diff(imports, m.Imports); diff != "" {
		t.Error(diff)
	}
	exports := []wasmbin.Export{
		{Name: "memory", Kind: wasmbin.KindMemory},
		{Name: "stack", Kind: wasmbin.KindGlobal, Index: 2},
		{Name: "sp", Kind: wasmbin.KindGlobal, Index: 2},
		{Name: "main", Kind: wasmbin.KindFunc, Index: 1},
	}
	if diff := cmp.Diff(exports, m.Exports); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]uint32{1, 0}, m.Funcs); diff != "" || m.ImportedFuncs != 1 || m.Tables != 1 || m.Memories != 1 || len(m.Codes) != 1 {
		t.Errorf("funcs %v, %d imported, %d tables, %d memories, %d codes", m.Funcs, m.ImportedFuncs, m.Tables, m.Memories, len(m.Codes))
	}
	if diff := cmp.Diff([]uint32{1, 1, 0, 1, 1}, m.Referenced); diff != "" {
		t.Error(diff)
	}
	groups, locals, err := m.Codes[0].Reader().Locals()
	if groups != 2 || locals != 3 || err != nil {
		t.Errorf("%d locals in %d groups, %v", locals, groups, err)
	}
}

func TestGlobals(t *testing.T) {
	got, err := wasmbin.Globals(readFull(t))
	if err != nil {
		t.Fatal(err)
	}
	want := []wasmbin.Global{
		{Index: 0, Type: wasmbin.TypeF32, Mutable: true, Imported: true},
		{Index: 2, Type: wasmbin.TypeI32, Mutable: true, Exports: []string{"stack", "sp"}},
		{Index: 4, Type: wasmbin.TypeFuncref, Mutable: true},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestJoinIsTheInverseOfSections(t *testing.T) {
	module := readFull(t)
	sections, err := wasmbin.Sections(module)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(module, wasmbin.Join(sections)) {
		t.Error("the module has changed")
	}
}

func TestSplitData(t *testing.T) {
	module := readFull(t)
	out, segments, err := wasmbin.SplitData(module)
	if err != nil {
		t.Fatal(err)
	}
	want := []wasmbin.Segment{{Offset: 16, Bytes: []byte("first")}, {Offset: 0xfff0, Bytes: []byte("second")}}
	if diff := cmp.Diff(want, segments); diff != "" {
		t.Error(diff)
	}
	before, _ := wasmbin.Sections(module)
	after, err := wasmbin.Sections(out)
	if err != nil {
		t.Fatal(err)
	}
	var kept []wasmbin.Section
	for _, s := range before {
		if s.ID != wasmbin.SectionCustom && s.ID != wasmbin.SectionData && s.ID != wasmbin.SectionDataCount {
			kept = append(kept, s)
		}
	}
	if len(kept) != len(after) || len(after) == len(before) {
		t.Fatalf("%d sections of %d, want %d", len(after), len(before), len(kept))
	}
	for i := range kept {
		if kept[i].ID != after[i].ID || !bytes.Equal(kept[i].Body, after[i].Body) {
			t.Errorf("section %d differs", kept[i].ID)
		}
	}
}

// withSection builds a module with one function () -> () of the given code and replaces one of its
// sections.
func withSection(t *testing.T, code []byte, id wasmbin.SectionID, body ...byte) []byte {
	t.Helper()
	function := append(wasmbin.AppendUint32([]byte{1}, uint32(len(code)+1)), 0)
	sections := []wasmbin.Section{
		{ID: wasmbin.SectionType, Body: []byte{1, wasmbin.FormFunc, 0, 0}},
		{ID: wasmbin.SectionFunction, Body: []byte{1, 0}},
		{ID: wasmbin.SectionMemory, Body: []byte{1, 0, 1}},
		{ID: wasmbin.SectionCode, Body: append(function, code...)},
	}
	return wasmbin.Join(wasmbin.Replace(sections, id, body))
}

func TestSplitDataRefuses(t *testing.T) {
	end := []byte{wasmbin.OpEnd}
	tests := map[string]struct {
		module []byte
		want   string
	}{
		"passive":           {withSection(t, end, wasmbin.SectionData, 1, 1, 0), "only active"},
		"other memory":      {withSection(t, end, wasmbin.SectionData, 1, 2, 1, wasmbin.OpI32Const, 0, wasmbin.OpEnd, 0), "memory 1"},
		"global as offset":  {withSection(t, end, wasmbin.SectionData, 1, 0, wasmbin.OpGlobalGet, 0, wasmbin.OpEnd, 0), "not one i32.const"},
		"longer expression": {withSection(t, end, wasmbin.SectionData, 1, 0, wasmbin.OpI32Const, 0, wasmbin.OpI32Const, 0, wasmbin.OpI32Add, wasmbin.OpEnd, 0), "not one i32.const"},
		"too short":         {withSection(t, end, wasmbin.SectionData, 1, 0, wasmbin.OpI32Const, 0, wasmbin.OpEnd, 2, 0), "2 bytes announced, 1 left"},
		"left over":         {withSection(t, end, wasmbin.SectionData, 0, 0), "1 bytes left over"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			out, segments, err := wasmbin.SplitData(tt.module)
			if err == nil || !strings.Contains(err.Error(), tt.want) || out != nil || segments != nil {
				t.Errorf("%v, %v, error %v, want one with %q", out, segments, err, tt.want)
			}
		})
	}
	explicit := withSection(t, end, wasmbin.SectionData, 1, 2, 0, wasmbin.OpI32Const, 0x7f, wasmbin.OpEnd, 1, 'x')
	_, segments, err := wasmbin.SplitData(explicit)
	if diff := cmp.Diff([]wasmbin.Segment{{Offset: 1<<32 - 1, Bytes: []byte("x")}}, segments); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

// TestCodeThatNamesSegments verifies that an engine refuses the invalid modules that SplitData can
// return.
func TestCodeThatNamesSegments(t *testing.T) {
	for name, code := range map[string][]byte{
		"data.drop":   {0xfc, 9, 0, wasmbin.OpEnd},
		"memory.init": {wasmbin.OpI32Const, 0, wasmbin.OpI32Const, 0, wasmbin.OpI32Const, 0, 0xfc, 8, 0, 0, wasmbin.OpEnd},
	} {
		out, _, err := wasmbin.SplitData(withSection(t, code, wasmbin.SectionDataCount, 0))
		if err != nil {
			t.Fatal(name, err)
		}
		engine := wazero.NewRuntime(t.Context())
		if _, err := engine.CompileModule(t.Context(), out); err == nil || !strings.Contains(err.Error(), "data count") {
			t.Errorf("%s: compiled without its segments: %v", name, err)
		}
		if err := engine.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// TestHollow verifies that a hollow module is valid, has everything but code, and differs if the
// code does.
func TestHollow(t *testing.T) {
	module := readFull(t)
	out, err := wasmbin.Hollow(module)
	if err != nil {
		t.Fatal(err)
	}
	before, _ := wasmbin.Sections(module)
	after, err := wasmbin.Sections(out)
	if err != nil || len(after) != len(before)+1 {
		t.Fatalf("%d sections of %d, %v", len(after), len(before), err)
	}
	for i, s := range before {
		if same := bytes.Equal(s.Body, after[i].Body); after[i].ID != s.ID || same != (s.ID != wasmbin.SectionCode) {
			t.Errorf("section %d: it has id %d, the same body: %v", s.ID, after[i].ID, same)
		}
	}
	seen := map[string]bool{}
	for _, code := range [][]byte{{wasmbin.OpEnd}, {0x01, wasmbin.OpEnd}} {
		out, err := wasmbin.Hollow(withSection(t, code, wasmbin.SectionExport, append(wasmbin.AppendName([]byte{1}, "f"), 0, 0)...))
		if err != nil {
			t.Fatal(err)
		}
		seen[string(out)] = true
		engine := wazero.NewRuntime(t.Context())
		instance, err := engine.Instantiate(t.Context(), out)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := instance.ExportedFunction("f").Call(t.Context()); err == nil || !strings.Contains(err.Error(), "unreachable") {
			t.Errorf("calling what has no code: %v", err)
		}
		if err := engine.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if len(seen) != 2 {
		t.Error("different code gave the same hollow module")
	}
}

func TestImmutableTables(t *testing.T) {
	if err := wasmbin.ImmutableTables(readFull(t)); err != nil {
		t.Error(err)
	}
	end := []byte{wasmbin.OpEnd}
	table := append(wasmbin.AppendName([]byte{1}, "env"), 1, 't', byte(wasmbin.KindTable), wasmbin.TypeFuncref, 0, 1)
	tests := map[string][]byte{
		"table.set":  withSection(t, []byte{0x26, 0, wasmbin.OpEnd}, wasmbin.SectionTable, 1, wasmbin.TypeFuncref, 0, 1),
		"table.init": withSection(t, []byte{0xfc, 12, 0, 0, wasmbin.OpEnd}, wasmbin.SectionTable, 1, wasmbin.TypeFuncref, 0, 1),
		"table.copy": withSection(t, []byte{0xfc, 14, 0, 0, wasmbin.OpEnd}, wasmbin.SectionTable, 1, wasmbin.TypeFuncref, 0, 1),
		"table.grow": withSection(t, []byte{0xfc, 15, 0, wasmbin.OpEnd}, wasmbin.SectionTable, 1, wasmbin.TypeFuncref, 0, 1),
		"table.fill": withSection(t, []byte{0xfc, 17, 0, wasmbin.OpEnd}, wasmbin.SectionTable, 1, wasmbin.TypeFuncref, 0, 1),
		"imported":   withSection(t, end, wasmbin.SectionImport, table...),
		"exported":   withSection(t, end, wasmbin.SectionExport, 1, 1, 't', byte(wasmbin.KindTable), 0),
	}
	for name, module := range tests {
		if err := wasmbin.ImmutableTables(module); err == nil || !strings.Contains(err.Error(), "table") {
			t.Errorf("%s: error %v", name, err)
		}
	}
	reads := []byte{0xfc, 16, 0, wasmbin.OpEnd}
	if err := wasmbin.ImmutableTables(withSection(t, reads, wasmbin.SectionTable, 1, wasmbin.TypeFuncref, 0, 1)); err != nil {
		t.Error(err)
	}
}

func TestNumbers(t *testing.T) {
	for _, v := range []uint32{0, 1, 127, 128, 16383, 16384, 1<<32 - 1} {
		got, err := wasmbin.NewReader(wasmbin.AppendUint32(nil, v), 0).Uint32()
		if got != v || err != nil {
			t.Errorf("%d came back as %d, %v", v, got, err)
		}
	}
	for _, v := range []int32{0, 1, -1, 63, 64, -64, -65, 8191, 8192, -8192, -8193, 1<<31 - 1, -1 << 31} {
		got, err := wasmbin.NewReader(wasmbin.AppendInt32(nil, v), 0).Int32()
		if got != v || err != nil {
			t.Errorf("%d came back as %d, %v", v, got, err)
		}
	}
	for _, b := range [][]byte{{0x80}, {0x80, 0x80, 0x80, 0x80, 0x10}, {0x80, 0x80, 0x80, 0x80, 0x80, 0x00}, {0xff, 0xff, 0xff, 0xff, 0xff}} {
		if v, err := wasmbin.NewReader(b, 0).Uint32(); err == nil {
			t.Errorf("% x was read as %d", b, v)
		}
	}
	for _, b := range [][]byte{{0xff}, {0x80, 0x80, 0x80, 0x80, 0x08}, {0xff, 0xff, 0xff, 0xff, 0x4f}, {0x80, 0x80, 0x80, 0x80, 0x80, 0x00}} {
		if v, err := wasmbin.NewReader(b, 0).Int32(); err == nil {
			t.Errorf("% x was read as %d", b, v)
		}
	}
	long := []byte{0xff, 0xff, 0xff, 0xff, 0x7f}
	if v, err := wasmbin.NewReader(long, 0).Int32(); v != -1 || err != nil {
		t.Errorf("% x was read as %d, %v", long, v, err)
	}
}

func TestErrorsHaveAPosition(t *testing.T) {
	module := readFull(t)
	_, err := wasmbin.Parse(append(bytes.Clone(module), 13, 0))
	var format *wasmbin.FormatError
	if !errors.As(err, &format) || format.Offset != len(module) {
		t.Errorf("error %v, want one at 0x%x", err, len(module))
	}
}

func FuzzParse(f *testing.F) {
	f.Add(readFull(f))
	f.Fuzz(func(t *testing.T, module []byte) {
		original := bytes.Clone(module)
		m, err := wasmbin.Parse(module)
		out, segments, splitErr := wasmbin.SplitData(module)
		tablesErr := wasmbin.ImmutableTables(module)
		globals, globalsErr := wasmbin.Globals(module)
		hollow, hollowErr := wasmbin.Hollow(module)
		if !bytes.Equal(original, module) {
			t.Fatal("the module was modified")
		}
		if err != nil {
			if splitErr == nil || tablesErr == nil || globalsErr == nil {
				t.Fatalf("Parse fails with %v, others do not", err)
			}
			return
		}
		if h, err := wasmbin.Parse(hollow); err != nil || hollowErr != nil || !cmp.Equal(h.Funcs, m.Funcs) || len(h.Codes) != len(m.Codes) {
			t.Fatalf("a hollow module: %v, %v", hollowErr, err)
		}
		if globalsErr != nil || len(globals) > len(m.Globals) {
			t.Fatalf("%d of %d globals, %v", len(globals), len(m.Globals), globalsErr)
		}
		if splitErr != nil {
			return
		}
		total := 0
		for _, s := range segments {
			total += len(s.Bytes)
		}
		if len(out)+total > len(module) {
			t.Fatalf("%d bytes of module and %d of data out of %d", len(out), total, len(module))
		}
		again, none, err := wasmbin.SplitData(out)
		if err != nil || len(none) != 0 || !bytes.Equal(again, out) {
			t.Fatalf("splitting again gives %d segments, %v", len(none), err)
		}
	})
}
