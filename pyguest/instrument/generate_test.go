package instrument_test

import (
	"github.com/faaspot/faaspot/pyguest/instrument"
	"github.com/faaspot/faaspot/pyguest/wasmbin"
)

// generator turns bytes into a valid module of structured programs. Whatever the bytes, the program
// ends: every loop iteration and every call burns fuel, and without fuel the program traps. There
// is too little fuel for the call stack of any engine to overflow.
type generator struct {
	data []byte
	code []byte
	// labels holds for every open block whether a branch to it takes an i32.
	labels []bool
	// size limits the amount of code still to be generated.
	size int
}

// Content of the generated module. Functions have one i32 parameter, one i32 result and three more
// i32 locals.
const (
	genFunctions = 4
	genLocals    = 4
	genFuel      = 400
	// genFuelGlobal is the index of the global that holds the fuel.
	genFuelGlobal = 0
	// Indices of types.
	genVoid, genUnary, genBlock = 0, 1, 2
)

func (g *generator) next() byte {
	if len(g.data) == 0 {
		return 0
	}
	b := g.data[0]
	g.data = g.data[1:]
	return b
}

func (g *generator) below(n int) int          { return int(g.next()) % n }
func (g *generator) emit(b ...byte)           { g.code = append(g.code, b...) }
func (g *generator) emit32(op byte, v uint32) { g.code = wasmbin.AppendUint32(append(g.code, op), v) }
func (g *generator) local() uint32            { return uint32(g.below(genLocals)) }

// burn takes one from the fuel and traps when it is used up.
func (g *generator) burn() {
	g.emit32(wasmbin.OpGlobalGet, genFuelGlobal)
	g.emit(wasmbin.OpI32Const, 1, wasmbin.OpI32Sub)
	g.emit32(wasmbin.OpGlobalSet, genFuelGlobal)
	g.emit32(wasmbin.OpGlobalGet, genFuelGlobal)
	g.emit(wasmbin.OpI32Eqz, wasmbin.OpIf, wasmbin.TypeEmpty, wasmbin.OpUnreachable, wasmbin.OpEnd)
}

// push emits an expression that leaves one i32.
func (g *generator) push(depth int) {
	g.size--
	kind := g.below(12)
	if depth > 3 || g.size < 0 {
		kind %= 3
	}
	switch kind {
	case 0, 1:
		g.emit32(wasmbin.OpLocalGet, g.local())
	case 2:
		g.code = wasmbin.AppendInt32(append(g.code, wasmbin.OpI32Const), int32(g.next())<<g.below(12)-100)
	case 3, 4:
		g.push(depth + 1)
		g.push(depth + 1)
		g.emit([]byte{wasmbin.OpI32Add, wasmbin.OpI32Sub, wasmbin.OpI32And, 0x73, 0x6c, wasmbin.OpI32LtU, 0x6e}[g.below(7)])
	case 5: // i32.load
		g.address(depth)
		g.emit(0x28, 2, byte(g.below(100)))
	case 6:
		g.block(depth, wasmbin.OpBlock)
	case 7, 8:
		g.block(depth, wasmbin.OpLoop)
	case 9:
		g.push(depth + 1)
		g.emit(wasmbin.OpIf, wasmbin.TypeI32)
		g.arm(depth)
		g.emit(wasmbin.OpElse)
		g.arm(depth)
		g.emit(wasmbin.OpEnd)
	case 10:
		g.push(depth + 1)
		g.emit32(wasmbin.OpCall, uint32(1+g.below(genFunctions)))
	case 11:
		g.push(depth + 1)
		g.push(depth + 1)
		g.emit(wasmbin.OpCallIndirect, genUnary, 0)
	}
}

func (g *generator) arm(depth int) {
	g.labels = append(g.labels, true)
	g.statements(depth + 1)
	g.push(depth + 1)
	g.labels = g.labels[:len(g.labels)-1]
}

// block emits a block or loop that leaves one i32, with or without one i32 as parameter.
func (g *generator) block(depth int, op byte) {
	params := g.below(2) == 1
	if params {
		g.push(depth + 1)
		g.emit(op, genBlock)
	} else {
		g.emit(op, wasmbin.TypeI32)
	}
	if op == wasmbin.OpLoop {
		g.burn()
	}
	g.labels = append(g.labels, op == wasmbin.OpBlock || params)
	if params {
		g.emit32(wasmbin.OpLocalSet, g.local())
	}
	g.statements(depth + 1)
	g.push(depth + 1)
	g.labels = g.labels[:len(g.labels)-1]
	g.emit(wasmbin.OpEnd)
}

// address leaves an address that is mostly within the single page of memory.
func (g *generator) address(depth int) {
	g.push(depth + 1)
	if g.below(30) > 0 {
		g.code = wasmbin.AppendInt32(append(g.code, wasmbin.OpI32Const), 0xfff)
		g.emit(wasmbin.OpI32And)
	}
}

// length leaves a length from 0 to 8 KiB: small, within a chunk, or beyond.
func (g *generator) length(depth int) {
	g.push(depth + 1)
	g.code = wasmbin.AppendInt32(append(g.code, wasmbin.OpI32Const), 0x1fff)
	g.emit(wasmbin.OpI32And)
}

func (g *generator) statements(depth int) {
	for range g.below(4) {
		g.statement(depth)
	}
}

// statement emits code that leaves the stack unchanged.
func (g *generator) statement(depth int) {
	g.size--
	kind := g.below(14)
	if depth > 6 || g.size < 0 {
		kind = 0
	}
	switch kind {
	case 0, 1:
		g.push(depth + 1)
		g.emit32(wasmbin.OpLocalSet, g.local())
	case 2: // i32.store
		g.address(depth)
		g.push(depth + 1)
		g.emit(0x36, 2, byte(g.below(100)))
	case 3, 4, 5: // a loop without values, with many iterations
		g.emit(wasmbin.OpLoop, []byte{wasmbin.TypeEmpty, genVoid}[g.below(2)])
		g.labels = append(g.labels, false)
		g.burn()
		g.statements(depth + 1)
		g.push(depth + 1)
		g.emit(wasmbin.OpBrIf, 0)
		g.labels = g.labels[:len(g.labels)-1]
		g.emit(wasmbin.OpEnd)
	case 6:
		g.emit(wasmbin.OpBlock, wasmbin.TypeEmpty)
		g.labels = append(g.labels, false)
		g.statements(depth + 1)
		g.labels = g.labels[:len(g.labels)-1]
		g.emit(wasmbin.OpEnd)
	case 7:
		g.push(depth + 1)
		g.emit(wasmbin.OpIf, wasmbin.TypeEmpty)
		g.labels = append(g.labels, false)
		g.statements(depth + 1)
		g.labels = g.labels[:len(g.labels)-1]
		g.emit(wasmbin.OpEnd)
	case 8: // br_if
		label, value := g.label()
		if value {
			g.push(depth + 1)
		}
		g.push(depth + 1)
		g.emit32(wasmbin.OpBrIf, label)
		if value {
			g.emit32(wasmbin.OpLocalSet, g.local())
		}
	case 9: // br, and dead code
		label, value := g.label()
		if value {
			g.push(depth + 1)
		}
		g.emit32(wasmbin.OpBr, label)
		g.statements(depth + 1)
	case 10:
		g.branchTable(depth)
	case 11: // memory.copy
		g.address(depth)
		g.address(depth)
		g.length(depth)
		g.emit(wasmbin.OpMiscPrefix, wasmbin.MiscMemoryCopy, 0, 0)
	case 12: // memory.fill
		g.address(depth)
		g.push(depth + 1)
		g.length(depth)
		g.emit(wasmbin.OpMiscPrefix, wasmbin.MiscMemoryFill, 0)
	case 13:
		g.push(depth + 1)
		g.emit(wasmbin.OpReturn)
	}
}

// label returns the target of a branch and whether it takes a value.
func (g *generator) label() (uint32, bool) {
	n := g.below(len(g.labels))
	return uint32(n), g.labels[len(g.labels)-1-n]
}

// branchTable emits a br_table whose targets all take a value, or all take none.
func (g *generator) branchTable(depth int) {
	first, value := g.label()
	targets := []uint32{first}
	for range g.below(6) {
		if label, v := g.label(); v == value {
			targets = append(targets, label)
		}
	}
	if value {
		g.push(depth + 1)
	}
	g.push(depth + 1)
	g.emit32(wasmbin.OpBrTable, uint32(len(targets)-1))
	for _, label := range targets {
		g.code = wasmbin.AppendUint32(g.code, label)
	}
	g.statements(depth + 1)
}

// generate returns the module. It exports the function "run" and the memory.
func generate(data []byte) []byte {
	g := generator{data: data}
	codes := []byte{genFunctions}
	for range genFunctions {
		g.code = []byte{1, genLocals - 1, wasmbin.TypeI32}
		g.labels = []bool{true}
		g.size = 400
		g.burn()
		g.statements(0)
		g.push(0)
		g.emit(wasmbin.OpEnd)
		codes = append(wasmbin.AppendUint32(codes, uint32(len(g.code))), g.code...)
	}
	fuel := wasmbin.AppendInt32([]byte{1, wasmbin.TypeI32, 1, wasmbin.OpI32Const}, genFuel)
	exports := append(wasmbin.AppendName([]byte{2}, "run"), byte(wasmbin.KindFunc), 1)
	exports = append(wasmbin.AppendName(exports, "memory"), byte(wasmbin.KindMemory), 0)
	imports := wasmbin.AppendName([]byte{1}, instrument.YieldModule)
	imports = append(wasmbin.AppendName(imports, instrument.YieldName), byte(wasmbin.KindFunc), genVoid)
	return wasmbin.Join([]wasmbin.Section{
		{ID: wasmbin.SectionType, Body: []byte{
			3,
			wasmbin.FormFunc, 0, 0,
			wasmbin.FormFunc, 1, wasmbin.TypeI32, 1, wasmbin.TypeI32,
			wasmbin.FormFunc, 1, wasmbin.TypeI32, 1, wasmbin.TypeI32,
		}},
		{ID: wasmbin.SectionImport, Body: imports},
		{ID: wasmbin.SectionFunction, Body: []byte{genFunctions, genUnary, genUnary, genUnary, genUnary}},
		{ID: wasmbin.SectionTable, Body: []byte{1, wasmbin.TypeFuncref, 0, genFunctions}},
		{ID: wasmbin.SectionMemory, Body: []byte{1, 0, 1}},
		{ID: wasmbin.SectionGlobal, Body: append(fuel, wasmbin.OpEnd)},
		{ID: wasmbin.SectionExport, Body: exports},
		{ID: wasmbin.SectionElement, Body: []byte{1, 0, wasmbin.OpI32Const, 0, wasmbin.OpEnd, genFunctions, 1, 2, 3, 4}},
		{ID: wasmbin.SectionCode, Body: codes},
	})
}
