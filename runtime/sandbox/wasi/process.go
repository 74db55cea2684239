package wasi

import (
	"encoding/binary"
	"io"
)

// stringList is argv or environ, in the form in which it is copied to a guest.
type stringList struct {
	offsets []uint32 // start of each string in data
	data    []byte   // the strings, each terminated by NUL
}

func newStringList(values []string) stringList {
	var l stringList
	for _, v := range values {
		l.offsets = append(l.offsets, uint32(len(l.data)))
		l.data = append(append(l.data, v...), 0)
	}
	return l
}

// sizes writes the number of strings and their total size in bytes.
func (l stringList) sizes(g guest, count, size uint32) errno {
	if !g.writable(count, 4) || !g.writable(size, 4) {
		return eFAULT
	}
	g.WriteUint32Le(count, uint32(len(l.offsets)))
	g.WriteUint32Le(size, uint32(len(l.data)))
	return success
}

// get writes the addresses of the strings, and the strings.
func (l stringList) get(g guest, pointers, data uint32) errno {
	array, ok := g.Read(pointers, uint32(len(l.offsets))*4)
	if !ok || !g.writable(data, uint32(len(l.data))) {
		return eFAULT
	}
	for i, offset := range l.offsets {
		binary.LittleEndian.PutUint32(array[4*i:], data+offset)
	}
	g.Write(data, l.data)
	return success
}

func argsGet(s *System, g guest, p []uint64) errno {
	return s.args.get(g, uint32(p[0]), uint32(p[1]))
}

func argsSizesGet(s *System, g guest, p []uint64) errno {
	return s.args.sizes(g, uint32(p[0]), uint32(p[1]))
}

func environGet(s *System, g guest, p []uint64) errno {
	return s.env.get(g, uint32(p[0]), uint32(p[1]))
}

func environSizesGet(s *System, g guest, p []uint64) errno {
	return s.env.sizes(g, uint32(p[0]), uint32(p[1]))
}

// procExit does not return, because Control.Exit does not. Its errno goes nowhere: proc_exit has no
// result.
func procExit(s *System, _ guest, p []uint64) errno {
	s.control.Exit(uint32(p[0]))
	return success
}

func schedYield(s *System, _ guest, _ []uint64) errno {
	s.work = 0
	s.control.Checkpoint()
	return success
}

// randomPiece is the number of random bytes read between two checkpoints: crypto/rand takes about
// 100 µs for 64 KiB.
const randomPiece = 64 << 10

func randomGet(s *System, g guest, p []uint64) errno {
	buf, ok := g.Read(uint32(p[0]), uint32(p[1]))
	if !ok {
		return eFAULT
	}
	for len(buf) > 0 {
		piece := buf[:min(len(buf), randomPiece)]
		if _, err := io.ReadFull(s.random, piece); err != nil {
			return eIO
		}
		buf = buf[len(piece):]
		s.spend(len(piece) * (workPerCheckpoint / randomPiece))
	}
	return success
}

func noSuchFunction(*System, guest, []uint64) errno { return eNOSYS }
