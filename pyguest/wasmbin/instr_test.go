package wasmbin_test

import (
	"context"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/faaspot/faaspot/pyguest/wasmbin"
)

// around builds a module that has one of everything that an instruction can name by index 0, and a
// function of the given code.
func around(code []byte) []byte {
	body := append([]byte{1, 1, wasmbin.TypeI32}, code...)
	return wasmbin.Join([]wasmbin.Section{
		{ID: wasmbin.SectionType, Body: []byte{1, wasmbin.FormFunc, 0, 0}},
		{ID: wasmbin.SectionFunction, Body: []byte{1, 0}},
		{ID: wasmbin.SectionTable, Body: []byte{1, wasmbin.TypeFuncref, 0, 1}},
		{ID: wasmbin.SectionMemory, Body: []byte{1, 0, 1}},
		{ID: wasmbin.SectionGlobal, Body: []byte{1, wasmbin.TypeI32, 1, wasmbin.OpI32Const, 0, wasmbin.OpEnd}},
		{ID: wasmbin.SectionElement, Body: []byte{1, 1, 0, 1, 0}},
		{ID: wasmbin.SectionDataCount, Body: []byte{1}},
		{ID: wasmbin.SectionCode, Body: append(wasmbin.AppendUint32([]byte{1}, uint32(len(body))), body...)},
		{ID: wasmbin.SectionData, Body: []byte{1, 1, 0}},
	})
}

// TestInstrAgainstCompiler compares the decoder with wazero: for every opcode, both accept it or
// both refuse it, and they agree on its end.
func TestInstrAgainstCompiler(t *testing.T) {
	ctx := context.Background()
	rt := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter().WithCoreFeatures(api.CoreFeaturesV2))
	defer rt.Close(ctx)
	valid := func(code ...byte) bool {
		// After unreachable, the operands may have any type, and before it the results are not
		// used.
		code = append(append([]byte{wasmbin.OpUnreachable}, code...), wasmbin.OpUnreachable, wasmbin.OpEnd)
		compiled, err := rt.CompileModule(ctx, around(code))
		if err != nil {
			return false
		}
		compiled.Close(ctx)
		return true
	}
	if !valid() {
		t.Fatal("the module around the instruction is invalid")
	}

	var opcodes [][]byte
	for op := range 256 {
		switch op {
		case wasmbin.OpElse, wasmbin.OpEnd, wasmbin.OpMiscPrefix, wasmbin.OpVecPrefix:
		default:
			opcodes = append(opcodes, []byte{byte(op)})
		}
	}
	for sub := range uint32(256) {
		opcodes = append(opcodes, wasmbin.AppendUint32([]byte{wasmbin.OpVecPrefix}, sub))
	}
	for sub := range uint32(40) {
		opcodes = append(opcodes, wasmbin.AppendUint32([]byte{wasmbin.OpMiscPrefix}, sub))
	}
	known := 0
	for _, opcode := range opcodes {
		immediates := make([]byte, 20)
		var tail []byte
		switch opcode[0] {
		case wasmbin.OpRefNull:
			immediates[0] = wasmbin.TypeFuncref
		case wasmbin.OpSelectTyped:
			immediates[0], immediates[1] = 1, wasmbin.TypeI32
		case wasmbin.OpBlock, wasmbin.OpLoop, wasmbin.OpIf:
			tail = []byte{wasmbin.OpEnd}
		}
		code := append(append([]byte{}, opcode...), immediates...)
		r := wasmbin.NewReader(code, 0)
		in, err := r.Instr()
		if err != nil {
			if valid(append(code, tail...)...) {
				t.Errorf("% x: %v, but wazero knows it", opcode, err)
			}
			continue
		}
		known++
		if in.Op != opcode[0] || (len(opcode) > 1 && opcode[1]&0x7f != byte(in.Sub&0x7f)) {
			t.Errorf("% x was read as %+v", opcode, in)
		}
		n := r.Pos()
		if !valid(append(append([]byte{}, code[:n]...), tail...)...) {
			t.Errorf("% x does not end after %d bytes", opcode, n)
		}
		if n == len(opcode) {
			continue
		}
		// With one byte less, the end of the function becomes an immediate.
		short := append([]byte{wasmbin.OpUnreachable}, code[:n-1]...)
		if _, err := rt.CompileModule(ctx, around(append(short, wasmbin.OpEnd))); err == nil {
			t.Errorf("% x ends before %d bytes", opcode, n)
		}
	}
	const plain, bulkAndSaturating, vector = 181, 18, 236
	if want := plain + bulkAndSaturating + vector; known != want {
		t.Errorf("%d instructions are known, want %d", known, want)
	}
}

// TestLongVectorOpcodes verifies that long encodings are refused: wazero would read them as other
// instructions.
func TestLongVectorOpcodes(t *testing.T) {
	for _, code := range [][]byte{{0xfd, 0x8c, 0x00}, {0xfd, 0x80, 0x81, 0x00}, {0xfd, 0xff, 0x03}} {
		if in, err := wasmbin.NewReader(append(code, make([]byte, 20)...), 0).Instr(); err == nil {
			t.Errorf("% x was read as %+v", code, in)
		}
	}
}

// TestBlockTypes covers all forms of block types and invalid ones next to them.
func TestBlockTypes(t *testing.T) {
	for _, b := range []byte{0x40, 0x7f, 0x7e, 0x7d, 0x7c, 0x7b, 0x70, 0x6f, 0x00, 0x3f} {
		if _, err := wasmbin.NewReader([]byte{wasmbin.OpLoop, b}, 0).Instr(); err != nil {
			t.Errorf("block type 0x%02x: %v", b, err)
		}
	}
	for _, code := range [][]byte{
		{wasmbin.OpLoop, 0x7a},
		{wasmbin.OpLoop, 0x6e},
		{wasmbin.OpLoop, 0x41},
		{wasmbin.OpLoop, 0x80, 0x7e},
		{wasmbin.OpLoop, 0x80, 0x80, 0x80, 0x80, 0x20},
		{wasmbin.OpLoop, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00},
		{wasmbin.OpLoop},
	} {
		if _, err := wasmbin.NewReader(code, 0).Instr(); err == nil {
			t.Errorf("% x was accepted", code)
		}
	}
	wide := []byte{wasmbin.OpLoop, 0xff, 0xff, 0xff, 0xff, 0x0f}
	if _, err := wasmbin.NewReader(wide, 0).Instr(); err != nil {
		t.Errorf("the largest type index: %v", err)
	}
}
