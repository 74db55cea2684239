package wasi

// Flags of path_open.
const (
	openCreate    = 1 << 0
	openDirectory = 1 << 1
	openExclusive = 1 << 2
	openTruncate  = 1 << 3
	openFlagsAll  = 1<<4 - 1
)

func pathOpen(s *System, g guest, p []uint64) errno {
	flags, rights, fdflags, result := uint32(p[4]), p[5], uint32(p[7]), uint32(p[8])
	if flags&^openFlagsAll != 0 || fdflags&^flagsAll != 0 || flags&openCreate != 0 && flags&openDirectory != 0 {
		return eINVAL
	}
	if !g.writable(result, 4) {
		return eFAULT
	}
	last := lastOf(p[1])
	switch {
	case flags&openCreate != 0 && (flags&openExclusive != 0 || last == keepLast):
		last = nameLast
	case flags&openCreate != 0:
		last = createLast
	}
	t, err := s.resolve(g, p[0], p[2], p[3], last)
	if err != success {
		return err
	}
	d := description{
		kind:     kindFile,
		readable: rights&rightRead != 0,
		writable: rights&rightWrite != 0,
		flags:    uint16(fdflags),
	}
	if err := s.mayOpen(t, &d, flags); err != success {
		return err
	}
	fd, err := s.vacant()
	if err != success {
		return err
	}
	switch {
	case !t.found:
		t.at = nodeRef{}
		if t.at.slot, err = s.create(t.dir.slot, t.name, false); err != success {
			return err
		}
	case t.at.isDevice():
		d.kind = t.at.tree.device
	case flags&openTruncate != 0:
		n, err := s.own(t.at.slot)
		if err != success {
			return err
		}
		if err := s.resize(n, 0); err != success {
			return err
		}
	}
	d.at = t.at
	s.install(fd, d)
	g.WriteUint32Le(result, fd)
	return success
}

// mayOpen returns the reason if a path cannot be opened in that way. It makes d the descriptor of a
// directory if the path leads to one.
func (s *System) mayOpen(t target, d *description, flags uint32) errno {
	if flags&openCreate != 0 && t.slash && t.dots == 0 {
		return eISDIR
	}
	if !t.found {
		switch {
		case flags&openCreate == 0:
			return eNOENT
		case t.dir.isReadOnly():
			return eROFS
		}
		return success
	}
	if flags&openCreate != 0 && flags&openExclusive != 0 {
		return eEXIST
	}
	if s.isDir(t.at) {
		if flags&(openCreate|openTruncate) != 0 || d.writable && flags&openDirectory == 0 {
			return eISDIR
		}
		d.kind, d.readable, d.writable = kindDirectory, false, false
		return success
	}
	switch {
	case flags&openDirectory != 0 || t.slash:
		return eNOTDIR
	case s.isLink(t.at):
		return eLOOP
	case t.at.isDevice():
		return success
	case t.at.isReadOnly() && (d.writable || flags&openTruncate != 0):
		return eROFS
	}
	return success
}
