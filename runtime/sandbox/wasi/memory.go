package wasi

import (
	"encoding/binary"
	"math"

	"github.com/tetratelabs/wazero/api"
)

// guest is the memory of the calling guest. All its methods return false for addresses outside the
// memory.
type guest struct{ api.Memory }

// writable reports whether n bytes at p can be written, so that a call can be refused before it has
// any effect.
func (g guest) writable(p, n uint32) bool {
	_, ok := g.Read(p, n)
	return ok
}

// iovec is a buffer in guest memory.
type iovec struct{ at, length uint32 }

// fewVectors is the largest number of buffers in most calls; a list of this length needs no
// allocation.
const fewVectors = 8

// vectors reads an array of count buffers, each an address and a length, and checks that all lie
// within the memory. The array is read once, so that buffers which overlap it change nothing. Empty
// buffers are skipped, wherever they point.
func (g guest) vectors(array, count uint32, few *[fewVectors]iovec) ([]iovec, errno) {
	if count > maxVectors {
		return nil, eINVAL
	}
	raw, ok := g.Read(array, count*8)
	if !ok {
		return nil, eFAULT
	}
	buffers := few[:0]
	if count > fewVectors {
		buffers = make([]iovec, 0, count)
	}
	total := uint64(0)
	for ; len(raw) > 0; raw = raw[8:] {
		v := iovec{binary.LittleEndian.Uint32(raw), binary.LittleEndian.Uint32(raw[4:])}
		if v.length == 0 {
			continue
		}
		if !g.writable(v.at, v.length) {
			return nil, eFAULT
		}
		total += uint64(v.length)
		buffers = append(buffers, v)
	}
	if total > math.MaxInt32 {
		return nil, eINVAL // more than wasi-libc's ssize_t can report
	}
	return buffers, success
}

// bytes returns the content of a buffer that vectors has checked.
func (g guest) bytes(v iovec) []byte {
	p, _ := g.Read(v.at, v.length)
	return p
}
