package wasi

import "bytes"

// resolve follows a path of the guest, given by its address and length, from a directory
// descriptor.
func (s *System) resolve(g guest, fd, at, length uint64, last last) (target, errno) {
	d, err := s.open(uint32(fd))
	if err != success {
		return target{}, err
	}
	if d.kind != kindDirectory {
		return target{}, eNOTDIR
	}
	if uint64(uint32(length)) > uint64(s.limits.PathLength) {
		return target{}, eNAMETOOLONG
	}
	path, ok := g.Read(uint32(at), uint32(length))
	if !ok {
		return target{}, eFAULT
	}
	return s.walk(d.at, path, last)
}

// resolveExisting follows a path that must lead to a file, directory or symbolic link.
func (s *System) resolveExisting(g guest, fd, at, length uint64, last last) (target, errno) {
	t, err := s.resolve(g, fd, at, length, last)
	switch {
	case err != success:
	case !t.found:
		err = eNOENT
	case t.slash && !s.isDir(t.at):
		err = eNOTDIR
	}
	return t, err
}

func pathCreateDirectory(s *System, g guest, p []uint64) errno {
	t, err := s.resolve(g, p[0], p[1], p[2], nameLast)
	switch {
	case err != success:
		return err
	case t.found:
		return eEXIST
	case t.dir.isReadOnly():
		return eROFS
	}
	_, err = s.create(t.dir.slot, t.name, true)
	return err
}

func pathRemoveDirectory(s *System, g guest, p []uint64) errno {
	t, err := s.resolveExisting(g, p[0], p[1], p[2], nameLast)
	switch {
	case err != success:
		return err
	case t.dots == 1:
		return eINVAL
	case t.dots == 2:
		return eNOTEMPTY
	case !s.isDir(t.at):
		return eNOTDIR
	case t.at.isTmp():
		return eBUSY
	case t.at.isReadOnly():
		return eROFS
	case s.tmp.nodes[t.at.slot].entries.len() > 0:
		return eNOTEMPTY
	}
	return s.remove(t.dir.slot, t.name, t.at.slot)
}

func pathUnlinkFile(s *System, g guest, p []uint64) errno {
	t, err := s.resolveExisting(g, p[0], p[1], p[2], nameLast)
	switch {
	case err != success:
		return err
	case s.isDir(t.at):
		return eISDIR
	case t.at.isReadOnly():
		return eROFS
	}
	return s.remove(t.dir.slot, t.name, t.at.slot)
}

func pathRename(s *System, g guest, p []uint64) errno {
	from, err := s.resolve(g, p[0], p[1], p[2], nameLast)
	if err != success {
		return err
	}
	to, err := s.resolve(g, p[3], p[4], p[5], nameLast)
	if err != success {
		return err
	}
	if err := s.mayRename(from, to); err != success {
		return err
	}
	if to.found && to.at == from.at {
		return success
	}
	return s.rename(from, to)
}

// mayRename returns the reason if from cannot be renamed to to.
func (s *System) mayRename(from, to target) errno {
	switch {
	case from.dots > 0 || to.dots > 0:
		return eBUSY
	case !from.found:
		return eNOENT
	case from.at.isTmp() || to.found && to.at.isTmp():
		return eBUSY
	case from.at.isReadOnly() || to.dir.isReadOnly():
		return eROFS
	case s.tmp.nodes[to.dir.slot].links == 0:
		return eNOENT
	}
	moved, isDir := from.at.slot, s.isDir(from.at)
	switch {
	case !isDir && (from.slash || to.slash):
		return eNOTDIR
	case isDir && s.within(to.dir.slot, moved):
		return eINVAL
	case !to.found:
	case to.at == from.at:
		return success
	case s.within(from.dir.slot, to.at.slot):
		return eNOTEMPTY
	case isDir && !s.isDir(to.at):
		return eNOTDIR
	case !isDir && s.isDir(to.at):
		return eISDIR
	case isDir && s.tmp.nodes[to.at.slot].entries.len() > 0:
		return eNOTEMPTY
	}
	if isDir && s.depth(to.dir.slot)+1+s.height(moved) > s.limits.Depth {
		return eNAMETOOLONG
	}
	return success
}

// within reports whether dir, a directory that has a name, is other or lies below it.
func (s *System) within(dir, other uint32) bool {
	for dir != other && dir != 0 {
		dir = s.tmp.nodes[dir].parent
	}
	return dir == other
}

// rename moves the entry and replaces an existing target. Everything that can fail comes before the
// first change.
func (s *System) rename(from, to target) errno {
	moved, err := s.own(from.at.slot)
	if err != success {
		return err
	}
	oldDir, err := s.own(from.dir.slot)
	if err != success {
		return err
	}
	newDir, err := s.own(to.dir.slot)
	if err != success {
		return err
	}
	if !s.chargeEntry(newDir, to.name) {
		return eNOSPC
	}
	name := string(to.name)
	if to.found {
		if err := s.orphan(to.at.slot); err != success {
			cost := entryCost + int64(len(name))
			newDir.charged -= cost
			s.refund(cost)
			return err
		}
		s.dropEntry(newDir, to.name)
	}
	s.dropEntry(oldDir, from.name)
	newDir.entries.add(name, from.at.slot)
	moved.parent = to.dir.slot
	now := s.now()
	moved.changed = now
	oldDir.modified, oldDir.changed = now, now
	newDir.modified, newDir.changed = now, now
	return success
}

// mayLink returns the reason if a link cannot be created at the path.
func (t target) mayLink() errno {
	switch {
	case t.found:
		return eEXIST
	case t.dir.isReadOnly():
		return eROFS
	case t.slash:
		return eNOENT
	}
	return success
}

func pathLink(s *System, g guest, p []uint64) errno {
	from, err := s.resolveExisting(g, p[0], p[2], p[3], lastOf(p[1]))
	if err != success {
		return err
	}
	to, err := s.resolve(g, p[4], p[5], p[6], nameLast)
	if err == success {
		err = to.mayLink()
	}
	switch {
	case err != success:
		return err
	case s.tmp.nodes[to.dir.slot].links == 0:
		return eNOENT
	case from.at.isReadOnly():
		return eXDEV
	case s.isDir(from.at):
		return ePERM
	}
	return s.link(to.dir.slot, to.name, from.at.slot)
}

func pathSymlink(s *System, g guest, p []uint64) errno {
	at, length := uint32(p[0]), uint32(p[1])
	switch {
	case length == 0:
		return eNOENT
	case uint64(length) > uint64(s.limits.PathLength):
		return eNAMETOOLONG
	}
	text, ok := g.Read(at, length)
	if !ok {
		return eFAULT
	}
	if bytes.IndexByte(text, 0) >= 0 {
		return eINVAL
	}
	to, err := s.resolve(g, p[2], p[3], p[4], nameLast)
	if err == success {
		err = to.mayLink()
	}
	if err != success {
		return err
	}
	return s.symlink(to.dir.slot, to.name, text)
}

func pathReadlink(s *System, g guest, p []uint64) errno {
	t, err := s.resolveExisting(g, p[0], p[1], p[2], keepLast)
	switch {
	case err != success:
		return err
	case !s.isLink(t.at):
		return eINVAL
	}
	text := s.tmp.nodes[t.at.slot].target
	text = text[:min(uint64(len(text)), uint64(uint32(p[4])))]
	if !g.writable(uint32(p[3]), uint32(len(text))) || !g.writable(uint32(p[5]), 4) {
		return eFAULT
	}
	g.Write(uint32(p[3]), text)
	g.WriteUint32Le(uint32(p[5]), uint32(len(text)))
	return success
}
