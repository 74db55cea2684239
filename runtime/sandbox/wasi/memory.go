package wasi

import (
	"encoding/binary"
	"math"

	"github.com/tetratelabs/wazero/api"
)

// guest is the memory of the calling guest. All its methods answer false for what does not lie within the memory.
type guest struct{ api.Memory }

// writable tells whether n bytes at p can be written, so that a result can be refused before anything is done for it.
func (g guest) writable(p, n uint32) bool {
	_, ok := g.Read(p, n)
	return ok
}

// span is a piece of guest memory.
type span struct{ at, length uint32 }

// fewVectors is how many buffers most calls name at most: the spans of so many need no allocation.
const fewVectors = 8

// vectors reads an array of count buffers, each an address and a length, and checks that all lie within the memory. The array is
// read once, so that buffers which overlap it change nothing. Empty buffers are left out, wherever they point.
func (g guest) vectors(array, count uint32, few *[fewVectors]span) ([]span, errno) {
	if count > maxVectors {
		return nil, eINVAL
	}
	raw, ok := g.Read(array, count*8)
	if !ok {
		return nil, eFAULT
	}
	spans := few[:0]
	if count > fewVectors {
		spans = make([]span, 0, count)
	}
	total := uint64(0)
	for ; len(raw) > 0; raw = raw[8:] {
		v := span{binary.LittleEndian.Uint32(raw), binary.LittleEndian.Uint32(raw[4:])}
		if v.length == 0 {
			continue
		}
		if !g.writable(v.at, v.length) {
			return nil, eFAULT
		}
		total += uint64(v.length)
		spans = append(spans, v)
	}
	if total > math.MaxInt32 {
		return nil, eINVAL // more than wasi-libc's ssize_t can report
	}
	return spans, success
}

// bytes returns a span that vectors has checked.
func (g guest) bytes(v span) []byte {
	p, _ := g.Read(v.at, v.length)
	return p
}
