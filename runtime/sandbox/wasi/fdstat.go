package wasi

import "encoding/binary"

// File types.
const (
	typeCharacterDevice = 2
	typeDirectory       = 3
	typeRegular         = 4
	typeSocketDgram     = 5
	typeSocketStream    = 6
	typeSymbolicLink    = 7
)

// The rights that wasi-libc examines. They report how a descriptor was opened; access is decided
// without them.
const (
	rightDatasync      = 1 << 0
	rightRead          = 1 << 1
	rightSeek          = 1 << 2
	rightSetFlags      = 1 << 3
	rightSync          = 1 << 4
	rightTell          = 1 << 5
	rightWrite         = 1 << 6
	rightAdvise        = 1 << 7
	rightAllocate      = 1 << 8
	rightFilestatGet   = 1 << 21
	rightFilestatSize  = 1 << 22
	rightFilestatTimes = 1 << 23
	rightPoll          = 1 << 27
	rightsAll          = 1<<30 - 1
	rightsOfEveryFile  = rightSetFlags | rightSeek | rightTell | rightAdvise | rightFilestatGet | rightFilestatTimes |
		rightPoll | rightDatasync | rightSync
	rightsOfReadingFile = rightRead
	rightsOfWritingFile = rightWrite | rightAllocate | rightFilestatSize
)

// rights returns the rights of a descriptor. wasi-libc opens a file with the rights that its mode
// needs, out of those inherited from the directory, so directories have all rights. Stdio has the
// right to seek, although seeking fails, because wasi-libc treats a character device without it as
// a terminal.
func (d *description) rights() (base, inheriting uint64) {
	if d.kind == kindDirectory {
		return rightsAll, rightsAll
	}
	base = rightsOfEveryFile
	if d.readable {
		base |= rightsOfReadingFile
	}
	if d.writable {
		base |= rightsOfWritingFile
	}
	return base, 0
}

func (d *description) fileType() uint8 {
	switch d.kind {
	case kindFile:
		return typeRegular
	case kindDirectory:
		return typeDirectory
	case kindSocket:
		if d.socket.stream {
			return typeSocketStream
		}
		return typeSocketDgram
	}
	return typeCharacterDevice
}

func fdFdstatGet(s *System, g guest, p []uint64) errno {
	d, err := s.open(uint32(p[0]))
	if err != success {
		return err
	}
	stat, ok := g.Read(uint32(p[1]), 24)
	if !ok {
		return eFAULT
	}
	base, inheriting := d.rights()
	binary.LittleEndian.PutUint16(stat, uint16(d.fileType()))
	binary.LittleEndian.PutUint32(stat[2:], uint32(d.flags))
	binary.LittleEndian.PutUint16(stat[6:], 0)
	binary.LittleEndian.PutUint64(stat[8:], base)
	binary.LittleEndian.PutUint64(stat[16:], inheriting)
	return success
}

func fdFdstatSetFlags(s *System, _ guest, p []uint64) errno {
	d, err := s.open(uint32(p[0]))
	if err != success {
		return err
	}
	if uint32(p[1])&^flagsAll != 0 {
		return eINVAL
	}
	d.flags = uint16(p[1])
	return success
}
