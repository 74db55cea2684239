package wasi

import (
	"bytes"
	"encoding/binary"

	"github.com/tetratelabs/wazero/api"
)

// guestModule returns a module with a memory of the given number of pages (below 128) that imports
// the given functions and exports each under its own name.
func guestModule(pages byte, imports []function) []byte {
	section := func(id byte, items [][]byte) []byte {
		body := binary.AppendUvarint(nil, uint64(len(items)))
		body = append(body, bytes.Join(items, nil)...)
		return append(binary.AppendUvarint([]byte{id}, uint64(len(body))), body...)
	}
	name := func(s string) []byte { return append(binary.AppendUvarint(nil, uint64(len(s))), s...) }
	var types, wants, funcs, bodies [][]byte
	exports := [][]byte{append(name("memory"), 2, 0)}
	for i, f := range imports {
		sig := binary.AppendUvarint([]byte{0x60}, uint64(len(f.params)))
		body := []byte{0}
		for j, letter := range f.params {
			sig = append(sig, map[rune]byte{'i': api.ValueTypeI32, 'I': api.ValueTypeI64}[letter])
			body = binary.AppendUvarint(append(body, 0x20), uint64(j)) // local.get j
		}
		if f.name == "proc_exit" {
			sig = append(sig, 0)
		} else {
			sig = append(sig, 1, api.ValueTypeI32)
		}
		body = append(binary.AppendUvarint(append(body, 0x10), uint64(i)), 0x0b) // call i, end
		index := binary.AppendUvarint(nil, uint64(i))
		types = append(types, sig)
		wants = append(wants, bytes.Join([][]byte{name(ModuleName), name(f.name), {0}, index}, nil))
		funcs = append(funcs, index)
		exports = append(exports, binary.AppendUvarint(append(name(f.name), 0), uint64(len(imports)+i)))
		bodies = append(bodies, append(binary.AppendUvarint(nil, uint64(len(body))), body...))
	}
	return bytes.Join([][]byte{
		[]byte("\x00asm\x01\x00\x00\x00"),
		section(1, types), section(2, wants), section(3, funcs),
		section(5, [][]byte{{0, pages}}),
		section(7, exports), section(10, bodies),
	}, nil)
}
