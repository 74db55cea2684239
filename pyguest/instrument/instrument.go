package instrument

import (
	"fmt"

	"github.com/faaspot/faaspot/pyguest/wasmbin"
)

// Instrument returns a copy of module that calls the yield import regularly, whatever it computes.
// The module is not modified; untouched parts of the result are byte for byte those of the module.
//
// It fails on modules that it does not fully understand, that are instrumented already, that do not
// import the yield function, and, unless allowed, on modules that write tables. It does not
// validate: for an invalid module it returns an error or an invalid module.
func Instrument(module []byte, options Options) ([]byte, Stats, error) {
	stats := Stats{BytesIn: len(module)}
	options = options.WithDefaults()
	if err := options.validate(); err != nil {
		return nil, stats, err
	}
	m, err := wasmbin.Parse(module)
	if err != nil {
		return nil, stats, fmt.Errorf("instrument: %w", err)
	}
	t, yieldType, err := newTicker(m, options)
	if err != nil {
		return nil, stats, err
	}
	functions := make([]function, len(m.Codes))
	for i, code := range m.Codes {
		index := uint32(m.ImportedFuncs + i)
		typeIndex := m.Funcs[index]
		if uint64(typeIndex) >= uint64(len(m.Types)) {
			return nil, stats, fmt.Errorf("instrument: function %d: no type %d", index, typeIndex)
		}
		functions[i] = function{index: index, params: len(m.Types[typeIndex].Params), results: len(m.Types[typeIndex].Results), code: code}
		if err := functions[i].scan(options); err != nil {
			return nil, stats, err
		}
	}
	tickRecursion(functions, m.ImportedFuncs)

	stats.Functions = len(functions)
	codes := wasmbin.AppendUint32(nil, uint32(len(functions)+addedFunctions(m)))
	for i := range functions {
		body, err := t.rewrite(&functions[i], &stats)
		if err != nil {
			return nil, stats, err
		}
		codes = append(wasmbin.AppendUint32(codes, uint32(len(body))), body...)
	}
	if m.Memories == 0 && stats.Copies+stats.Fills > 0 {
		return nil, stats, fmt.Errorf("instrument: the module copies or fills memory but has none")
	}
	out, err := t.assemble(m, yieldType, codes)
	if err != nil {
		return nil, stats, err
	}
	stats.BytesOut = len(out)
	return out, stats, nil
}
