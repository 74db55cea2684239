package wasi

import (
	"encoding/binary"
	"math"
)

// Device numbers in a filestat.
const (
	deviceTree    = 1
	deviceTmp     = 2
	deviceStdio   = 3
	deviceMount   = 4
	deviceSockets = 5
)

// filestat holds the attributes of a file that the guest can query.
type filestat struct {
	device, number              uint64
	fileType                    uint8
	links, size                 uint64
	accessed, modified, changed int64
}

func (s *System) stat(p nodeRef) filestat {
	if t := p.tree; t != nil {
		st := filestat{
			device: deviceTree, number: t.number, fileType: typeRegular, links: 1,
			size: uint64(t.length()), accessed: treeTime, modified: treeTime, changed: treeTime,
		}
		if t.mounted {
			st.device = deviceMount
		}
		if t.isDir {
			st.fileType = typeDirectory
		} else if t.device != kindClosed {
			st = deviceStat(t.device)
		}
		return st
	}
	n := s.tmp.nodes[p.slot]
	st := filestat{
		device: deviceTmp, number: n.number, fileType: typeRegular,
		size: uint64(n.size), accessed: n.accessed, modified: n.modified, changed: n.changed,
	}
	st.links = uint64(n.links)
	switch {
	case n.isDir:
		st.fileType = typeDirectory
	case n.target != nil:
		st.fileType = typeSymbolicLink
	}
	return st
}

// deviceStat returns the attributes of stdio and of other character devices.
func deviceStat(k kind) filestat {
	return filestat{device: deviceStdio, number: uint64(k), fileType: typeCharacterDevice, links: 1}
}

// filestatSize is the size in bytes of a filestat in guest memory.
const filestatSize = 64

func (g guest) writeFilestat(at uint32, st filestat) errno {
	b, ok := g.Read(at, filestatSize)
	if !ok {
		return eFAULT
	}
	for i, v := range [...]uint64{
		st.device, st.number, uint64(st.fileType), st.links, st.size,
		uint64(st.accessed), uint64(st.modified), uint64(st.changed),
	} {
		binary.LittleEndian.PutUint64(b[8*i:], v)
	}
	return success
}

func fdFilestatGet(s *System, g guest, p []uint64) errno {
	d, err := s.open(uint32(p[0]))
	if err != success {
		return err
	}
	st := deviceStat(d.kind)
	switch {
	case d.kind >= kindFile:
		st = s.stat(d.at)
	case d.kind == kindSocket:
		st.device, st.number, st.fileType = deviceSockets, uint64(s.table[uint32(p[0])]), d.fileType()
	}
	return g.writeFilestat(uint32(p[1]), st)
}

func pathFilestatGet(s *System, g guest, p []uint64) errno {
	t, err := s.resolveExisting(g, p[0], p[2], p[3], lastOf(p[1]))
	if err != success {
		return err
	}
	return g.writeFilestat(uint32(p[4]), s.stat(t.at))
}

func fdFilestatSetSize(s *System, _ guest, p []uint64) errno {
	d, err := s.open(uint32(p[0]))
	switch {
	case err != success:
		return err
	case d.kind != kindFile || !d.writable:
		return eINVAL
	case p[1] > math.MaxInt64:
		return eINVAL
	}
	n, err := s.own(d.at.slot)
	if err != success {
		return err
	}
	return s.resize(n, int64(p[1]))
}

// setTimes changes the times of a file or directory as the flags say.
func (s *System) setTimes(at nodeRef, accessed, modified uint64, flags uint32) errno {
	const setAccessed, setAccessedNow, setModified, setModifiedNow, all = 1, 2, 4, 8, 15
	switch {
	case flags&^all != 0,
		flags&setAccessed != 0 && flags&setAccessedNow != 0,
		flags&setModified != 0 && flags&setModifiedNow != 0,
		flags&setAccessed != 0 && accessed > math.MaxInt64,
		flags&setModified != 0 && modified > math.MaxInt64:
		return eINVAL
	case at.isReadOnly():
		return eROFS
	}
	n, err := s.own(at.slot)
	if err != success {
		return err
	}
	n.changed = s.now()
	if flags&setAccessed != 0 {
		n.accessed = int64(accessed)
	}
	if flags&setAccessedNow != 0 {
		n.accessed = n.changed
	}
	if flags&setModified != 0 {
		n.modified = int64(modified)
	}
	if flags&setModifiedNow != 0 {
		n.modified = n.changed
	}
	return success
}

func fdFilestatSetTimes(s *System, _ guest, p []uint64) errno {
	d, err := s.open(uint32(p[0]))
	if err != success {
		return err
	}
	if d.kind < kindFile {
		return eINVAL
	}
	return s.setTimes(d.at, p[1], p[2], uint32(p[3]))
}

func pathFilestatSetTimes(s *System, g guest, p []uint64) errno {
	t, err := s.resolveExisting(g, p[0], p[2], p[3], lastOf(p[1]))
	if err != success {
		return err
	}
	return s.setTimes(t.at, p[4], p[5], uint32(p[6]))
}
