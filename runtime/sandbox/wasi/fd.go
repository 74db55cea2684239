package wasi

import (
	"encoding/binary"
	"math"
)

// kind is the kind of object that a descriptor refers to.
type kind uint8

const (
	kindClosed kind = iota
	kindStdin
	kindStdout
	kindStderr
	kindNull
	kindZero
	kindFull
	kindRandom
	kindFile
	kindDirectory
)

// The flags of a descriptor.
const (
	flagAppend = 1 << 0
	flagsAll   = 1<<5 - 1 // with DSYNC, NONBLOCK, RSYNC and SYNC, which have no effect on memory
)

// descriptor is one entry of the descriptor table.
type descriptor struct {
	kind     kind
	readable bool
	writable bool
	preopen  bool
	flags    uint16
	at       nodeRef // of a file or directory
	offset   int64   // of a file
}

// open returns an open descriptor. The pointer is valid until the table changes.
func (s *System) open(fd uint32) (*descriptor, errno) {
	if uint64(fd) >= uint64(len(s.table)) || s.table[fd].kind == kindClosed {
		return nil, eBADF
	}
	return &s.table[fd], success
}

// openFile returns the descriptor of a file. Other descriptors have no position and no size.
func (s *System) openFile(fd uint32) (*descriptor, errno) {
	d, err := s.open(fd)
	switch {
	case err != success:
		return nil, err
	case d.kind == kindDirectory:
		return nil, eISDIR
	case d.kind != kindFile:
		return nil, eSPIPE
	}
	return d, success
}

// vacant returns the lowest free descriptor number, for which the table has an entry.
func (s *System) vacant() (uint32, errno) {
	for i := range s.table {
		if s.table[i].kind == kindClosed && i < s.limits.OpenFiles {
			return uint32(i), success
		}
	}
	if len(s.table) >= s.limits.OpenFiles {
		return 0, eMFILE
	}
	s.table = append(s.table, descriptor{})
	return uint32(len(s.table) - 1), success
}

// isOpen reports whether a descriptor refers to the inode in the slot.
func (s *System) isOpen(slot uint32) bool {
	for i := range s.table {
		d := &s.table[i]
		if d.kind >= kindFile && d.at == (nodeRef{slot: slot}) {
			return true
		}
	}
	return false
}

// release closes a descriptor and frees what no other descriptor or name refers to.
func (s *System) release(d *descriptor) {
	at, wasTmp := d.at, d.kind >= kindFile && !d.at.isReadOnly()
	*d = descriptor{}
	if wasTmp && !s.tmp.nodes[at.slot].linked && !s.isOpen(at.slot) {
		s.freeSlot(at.slot)
	}
}

func fdClose(s *System, _ guest, p []uint64) errno {
	d, err := s.open(uint32(p[0]))
	if err != success {
		return err
	}
	s.release(d)
	return success
}

func fdRenumber(s *System, _ guest, p []uint64) errno {
	from, err := s.open(uint32(p[0]))
	if err != success {
		return err
	}
	to, err := s.open(uint32(p[1]))
	if err != success {
		return err
	}
	if from == to {
		return success
	}
	s.release(to)
	*to = *from
	*from = descriptor{}
	return success
}

func fdSync(s *System, _ guest, p []uint64) errno {
	_, err := s.open(uint32(p[0]))
	return err
}

func fdAdvise(s *System, _ guest, p []uint64) errno {
	const lastAdvice = 5
	d, err := s.open(uint32(p[0]))
	switch {
	case err != success:
		return err
	case d.kind < kindFile:
		return eSPIPE
	case uint32(p[3]) > lastAdvice:
		return eINVAL
	}
	return success
}

func fdAllocate(s *System, _ guest, p []uint64) errno {
	d, err := s.openFile(uint32(p[0]))
	if err != success {
		return err
	}
	offset, length := p[1], p[2]
	switch {
	case length == 0 || offset > math.MaxInt64:
		return eINVAL
	case !d.writable:
		return eBADF
	case length > math.MaxInt64-offset:
		return eFBIG
	case int64(offset+length) <= s.tmp.nodes[d.at.slot].size:
		return success
	}
	n, err := s.own(d.at.slot)
	if err != success {
		return err
	}
	return s.resize(n, int64(offset+length))
}

// size returns the length of the file to which a file descriptor refers.
func (s *System) size(d *descriptor) int64 {
	if d.at.tree != nil {
		return int64(len(d.at.tree.data))
	}
	return s.tmp.nodes[d.at.slot].size
}

func fdSeek(s *System, g guest, p []uint64) errno {
	const set, current, end = 0, 1, 2
	if s.isAtStart(p[0]) {
		return g.writePosition(uint32(p[3]), 0)
	}
	d, err := s.openFile(uint32(p[0]))
	if err != success {
		return err
	}
	base := int64(0)
	switch uint32(p[2]) {
	case set:
	case current:
		base = d.offset
	case end:
		base = s.size(d)
	default:
		return eINVAL
	}
	delta := int64(p[1])
	if delta > math.MaxInt64-base {
		return eOVERFLOW
	}
	if base+delta < 0 {
		return eINVAL
	}
	if err := g.writePosition(uint32(p[3]), base+delta); err != success {
		return err
	}
	d.offset = base + delta
	return success
}

func fdTell(s *System, g guest, p []uint64) errno {
	if s.isAtStart(p[0]) {
		return g.writePosition(uint32(p[1]), 0)
	}
	d, err := s.openFile(uint32(p[0]))
	if err != success {
		return err
	}
	return g.writePosition(uint32(p[1]), d.offset)
}

// isAtStart reports whether a descriptor is of a device whose positions are all the first, such as
// /dev/null.
func (s *System) isAtStart(fd uint64) bool {
	d, err := s.open(uint32(fd))
	return err == success && d.kind >= kindNull && d.kind < kindFile
}

func (g guest) writePosition(at uint32, position int64) errno {
	if !g.WriteUint64Le(at, uint64(position)) {
		return eFAULT
	}
	return success
}

// preopenName is the path of the only preopen.
const preopenName = "/"

func (s *System) preopen(fd uint32) errno {
	d, err := s.open(fd)
	if err == success && !d.preopen {
		return eBADF
	}
	return err
}

func fdPrestatGet(s *System, g guest, p []uint64) errno {
	if err := s.preopen(uint32(p[0])); err != success {
		return err
	}
	const tagDirectory = 0
	prestat, ok := g.Read(uint32(p[1]), 8)
	if !ok {
		return eFAULT
	}
	binary.LittleEndian.PutUint32(prestat, tagDirectory)
	binary.LittleEndian.PutUint32(prestat[4:], uint32(len(preopenName)))
	return success
}

func fdPrestatDirName(s *System, g guest, p []uint64) errno {
	if err := s.preopen(uint32(p[0])); err != success {
		return err
	}
	if uint32(p[2]) < uint32(len(preopenName)) {
		return eNAMETOOLONG
	}
	if !g.WriteString(uint32(p[1]), preopenName) {
		return eFAULT
	}
	return success
}
