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
	kindExecution
	kindSocket
	kindNull
	kindZero
	kindFull
	kindRandom
	kindFile
	kindDirectory
)

// The flags of a descriptor.
const (
	flagAppend   = 1 << 0
	flagNonblock = 1 << 2   // of sockets
	flagsAll     = 1<<5 - 1 // with DSYNC, RSYNC and SYNC, which have no effect on memory
)

// description is an open file, device or directory. Descriptors that are duplicates of each other
// share one, with its position and flags.
type description struct {
	kind     kind
	readable bool
	writable bool
	preopen  bool
	flags    uint16
	refs     uint32  // descriptors; a free entry has none
	at       nodeRef // of a file or directory
	offset   int64   // of a file or of /dev/execution
	socket   *socket // of a socket
}

// descriptor is one entry of the descriptor table: the index of its description plus 1; 0 if it is
// closed.
type descriptor uint32

// open returns the description of an open descriptor. The pointer is valid until another is opened.
func (s *System) open(fd uint32) (*description, errno) {
	if uint64(fd) >= uint64(len(s.table)) || s.table[fd] == 0 {
		return nil, eBADF
	}
	return &s.opened[s.table[fd]-1], success
}

// openFile returns the descriptor of a file. Other descriptors have no position and no size.
func (s *System) openFile(fd uint32) (*description, errno) {
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

// openPositioned returns the descriptor of a file, or of a device such as /dev/zero, which gives the
// same at each position.
func (s *System) openPositioned(fd uint32) (*description, errno) {
	if s.isAtStart(uint64(fd)) {
		return s.open(fd)
	}
	return s.openFile(fd)
}

// vacant returns the lowest free descriptor number, for which the table has an entry.
func (s *System) vacant() (uint32, errno) {
	for i := range s.table {
		if s.table[i] == 0 && i < s.limits.OpenFiles {
			return uint32(i), success
		}
	}
	if len(s.table) >= s.limits.OpenFiles {
		return 0, eMFILE
	}
	s.table = append(s.table, 0)
	return uint32(len(s.table) - 1), success
}

// install makes a closed descriptor, for which the table has an entry, refer to a new description.
func (s *System) install(fd uint32, d description) {
	d.refs = 1
	for i := range s.opened {
		if s.opened[i].refs == 0 {
			s.opened[i] = d
			s.table[fd] = descriptor(i + 1)
			return
		}
	}
	s.opened = append(s.opened, d)
	s.table[fd] = descriptor(len(s.opened))
}

// isOpen reports whether a descriptor refers to the inode in the slot.
func (s *System) isOpen(slot uint32) bool {
	for i := range s.opened {
		d := &s.opened[i]
		if d.kind >= kindFile && d.at == (nodeRef{slot: slot}) {
			return true
		}
	}
	return false
}

// release closes a descriptor and frees what no other descriptor or name refers to.
func (s *System) release(fd uint32) {
	d := &s.opened[s.table[fd]-1]
	s.table[fd] = 0
	if d.refs--; d.refs > 0 {
		return
	}
	at, wasTmp, k := d.at, d.kind >= kindFile && !d.at.isReadOnly(), d.socket
	*d = description{}
	if k != nil {
		s.closeSocket(k)
	}
	if wasTmp && s.tmp.nodes[at.slot].links == 0 && !s.isOpen(at.slot) {
		s.freeSlot(at.slot)
	}
}

func fdClose(s *System, _ guest, p []uint64) errno {
	_, err := s.open(uint32(p[0]))
	if err != success {
		return err
	}
	s.release(uint32(p[0]))
	return success
}

func fdRenumber(s *System, _ guest, p []uint64) errno {
	from, to := uint32(p[0]), uint32(p[1])
	if _, err := s.open(from); err != success {
		return err
	}
	if _, err := s.open(to); err != success {
		return err
	}
	if from == to {
		return success
	}
	s.release(to)
	s.table[to], s.table[from] = s.table[from], 0
	return success
}

// fdDup makes a descriptor a duplicate of another: the lowest free one if the number is -1, else
// that one, which is closed first.
func fdDup(s *System, g guest, p []uint64) errno {
	const lowest = math.MaxUint32
	from, to := uint32(p[0]), uint32(p[1])
	if _, err := s.open(from); err != success {
		return err
	}
	if !g.writable(uint32(p[2]), 4) {
		return eFAULT
	}
	switch {
	case to == lowest:
		var err errno
		if to, err = s.vacant(); err != success {
			return err
		}
	case uint64(to) >= uint64(s.limits.OpenFiles):
		return eBADF
	case uint64(to) >= uint64(len(s.table)):
		s.table = append(s.table, make([]descriptor, int(to)+1-len(s.table))...)
	}
	if from != to {
		if s.table[to] != 0 {
			s.release(to)
		}
		s.table[to] = s.table[from]
		s.opened[s.table[to]-1].refs++
	}
	g.WriteUint32Le(uint32(p[2]), to)
	return success
}

// tmpUsage reports the size of /tmp in bytes and what is left of it, and the same in files.
func tmpUsage(s *System, g guest, p []uint64) errno {
	usage, ok := g.Read(uint32(p[0]), 32)
	if !ok {
		return eFAULT
	}
	files := int64(s.limits.TmpFiles)
	for i, v := range [...]int64{s.limits.TmpBytes, s.room(), files, max(files-int64(s.tmp.files), 0)} {
		binary.LittleEndian.PutUint64(usage[8*i:], uint64(v))
	}
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
func (s *System) size(d *description) int64 {
	if d.at.tree != nil {
		return d.at.tree.length()
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
