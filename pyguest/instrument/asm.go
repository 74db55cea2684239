package instrument

import "github.com/faaspot/faaspot/pyguest/wasmbin"

// asm is code under construction.
type asm []byte

func (a *asm) op(ops ...byte)  { *a = append(*a, ops...) }
func (a *asm) uint32(v uint32) { *a = wasmbin.AppendUint32(*a, v) }
func (a *asm) index(op byte, i uint32) {
	a.op(op)
	a.uint32(i)
}

func (a *asm) i32(v int32) {
	a.op(wasmbin.OpI32Const)
	*a = wasmbin.AppendInt32(*a, v)
}

func (a *asm) i64(v int64) {
	a.op(wasmbin.OpI64Const)
	*a = wasmbin.AppendInt64(*a, v)
}

// access appends a load or store at an offset, without a hint about alignment.
func (a *asm) access(op byte, offset uint32) {
	a.op(op, 0)
	a.uint32(offset)
}
func (a *asm) get(local uint32)   { a.index(wasmbin.OpLocalGet, local) }
func (a *asm) set(local uint32)   { a.index(wasmbin.OpLocalSet, local) }
func (a *asm) getGlobal(g uint32) { a.index(wasmbin.OpGlobalGet, g) }
func (a *asm) setGlobal(g uint32) { a.index(wasmbin.OpGlobalSet, g) }
func (a *asm) call(f uint32)      { a.index(wasmbin.OpCall, f) }
func (a *asm) ifThen()            { a.op(wasmbin.OpIf, wasmbin.TypeEmpty) }
func (a *asm) loop()              { a.op(wasmbin.OpLoop, wasmbin.TypeEmpty) }
func (a *asm) end()               { a.op(wasmbin.OpEnd) }
func (a *asm) memoryCopy()        { a.op(wasmbin.OpMiscPrefix, wasmbin.MiscMemoryCopy, 0, 0) }
func (a *asm) memoryFill()        { a.op(wasmbin.OpMiscPrefix, wasmbin.MiscMemoryFill, 0) }

// body returns the code as a function body: its size, its local declarations (count, type pairs),
// the code and the final end.
func (a asm) body(locals ...byte) []byte {
	var b asm
	b.op(byte(len(locals) / 2))
	b.op(locals...)
	b.op(a...)
	b.end()
	return append(wasmbin.AppendUint32(nil, uint32(len(b))), b...)
}
