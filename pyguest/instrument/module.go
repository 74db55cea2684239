package instrument

import (
	"fmt"

	"github.com/faaspot/faaspot/pyguest/wasmbin"
)

// newTicker finds the yield import and assigns indices to everything that will be added, after
// everything that the module has, so that no index of the module changes. The second result is the
// type index of functions without parameters and results.
func newTicker(m *wasmbin.Module, options Options) (*ticker, uint32, error) {
	if m.Memories > 1 {
		return nil, 0, fmt.Errorf("instrument: %d memories, only one is supported", m.Memories)
	}
	for _, e := range m.Exports {
		if e.Name == TicksGlobal {
			return nil, 0, fmt.Errorf("instrument: the module exports %q, so it is instrumented already", TicksGlobal)
		}
	}
	first := uint32(len(m.Funcs))
	t := &ticker{
		options: options,
		ticks:   uint32(len(m.Globals)),
		pause:   first, stride: first + 1, leafStride: first + 2, copy: first + 3, fill: first + 4,
	}
	index := uint32(0)
	for _, im := range m.Imports {
		if im.Kind != wasmbin.KindFunc {
			continue
		}
		if im.Module == YieldModule && im.Name == YieldName {
			if uint64(im.Type) >= uint64(len(m.Types)) || !m.Types[im.Type].Equal(wasmbin.FuncType{}) {
				return nil, 0, fmt.Errorf("instrument: the import %s.%s takes or returns values, it must not", YieldModule, YieldName)
			}
			t.yield = index
			return t, im.Type, nil
		}
		index++
	}
	return nil, 0, fmt.Errorf("instrument: the module does not import the function %s.%s; declare it and use it once, or the linker drops it", YieldModule, YieldName)
}

// bulkType is the signature of memory.copy and memory.fill.
var bulkType = wasmbin.FuncType{Params: []byte{wasmbin.TypeI32, wasmbin.TypeI32, wasmbin.TypeI32}}

// addedFunctions returns the number of functions to add: without a memory there is nothing to copy
// or fill.
func addedFunctions(m *wasmbin.Module) int {
	if m.Memories == 0 {
		return 3
	}
	return 5
}

// assemble returns the new module. codes holds the number of all functions and the bodies of those
// that the module had.
func (t *ticker) assemble(m *wasmbin.Module, yieldType uint32, codes []byte) ([]byte, error) {
	codes = append(codes, t.pauseBody()...)
	codes = append(codes, t.strideBody(t.options.LoopStride)...)
	codes = append(codes, t.strideBody(t.options.LeafStride)...)
	var types []byte
	for range 3 {
		types = wasmbin.AppendUint32(types, yieldType)
	}
	sections := append([]wasmbin.Section{}, m.Sections...)
	grow := func(id wasmbin.SectionID, n uint32, elements []byte) error {
		body, err := wasmbin.AppendElements(m.Section(id), n, elements)
		if err != nil {
			return fmt.Errorf("instrument: section %d: %w", id, err)
		}
		sections = wasmbin.Replace(sections, id, body)
		return nil
	}
	if m.Memories > 0 {
		codes = append(codes, t.copyBody()...)
		codes = append(codes, t.fillBody()...)
		typeIndex := uint32(len(m.Types))
		for i, ft := range m.Types {
			if ft.Equal(bulkType) {
				typeIndex = uint32(i)
				break
			}
		}
		if typeIndex == uint32(len(m.Types)) {
			signature := append([]byte{wasmbin.FormFunc, byte(len(bulkType.Params))}, bulkType.Params...)
			if err := grow(wasmbin.SectionType, 1, append(signature, 0)); err != nil {
				return nil, err
			}
		}
		types = wasmbin.AppendUint32(wasmbin.AppendUint32(types, typeIndex), typeIndex)
	}
	if err := grow(wasmbin.SectionFunction, uint32(addedFunctions(m)), types); err != nil {
		return nil, err
	}
	var global asm
	global.op(wasmbin.TypeI32, 1)
	global.i32(int32(t.options.Budget))
	global.end()
	if err := grow(wasmbin.SectionGlobal, 1, global); err != nil {
		return nil, err
	}
	export := wasmbin.AppendName(nil, TicksGlobal)
	export = append(export, byte(wasmbin.KindGlobal))
	if err := grow(wasmbin.SectionExport, 1, wasmbin.AppendUint32(export, t.ticks)); err != nil {
		return nil, err
	}
	return wasmbin.Join(wasmbin.Replace(sections, wasmbin.SectionCode, codes)), nil
}
