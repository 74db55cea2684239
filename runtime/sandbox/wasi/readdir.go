package wasi

import "encoding/binary"

// direntSize is the number of bytes before each name in a listing.
const direntSize = 24

// listing fills a buffer of the guest with directory entries. The last one is truncated at the end
// of the buffer.
type listing struct {
	buf  []byte
	used int
}

// add returns false when the buffer is full.
func (l *listing) add(cookie, number uint64, fileType uint8, name string) bool {
	var head [direntSize]byte
	binary.LittleEndian.PutUint64(head[:], cookie)
	binary.LittleEndian.PutUint64(head[8:], number)
	binary.LittleEndian.PutUint32(head[16:], uint32(len(name)))
	head[20] = fileType
	l.used += copy(l.buf[l.used:], head[:])
	l.used += copy(l.buf[l.used:], name)
	return l.used < len(l.buf)
}

func fdReaddir(s *System, g guest, p []uint64) errno {
	d, err := s.open(uint32(p[0]))
	if err != success {
		return err
	}
	if d.kind != kindDirectory {
		return eNOTDIR
	}
	buf, ok := g.Read(uint32(p[1]), uint32(p[2]))
	if !ok || !g.writable(uint32(p[4]), 4) {
		return eFAULT
	}
	l := listing{buf: buf}
	s.list(&l, d.at, p[3])
	g.WriteUint32Le(uint32(p[4]), uint32(l.used))
	return success
}

// list adds the entries that follow a cookie.
func (s *System) list(l *listing, dir nodeRef, cookie uint64) {
	if len(l.buf) == 0 {
		return
	}
	if cookie < cookieDot && !l.add(cookieDot, s.stat(dir).number, typeDirectory, ".") {
		return
	}
	if cookie < cookieDotDot {
		up := target{at: dir}
		if s.step(&up, []byte("..")) != success {
			up.at = dir
		}
		if !l.add(cookieDotDot, s.stat(up.at).number, typeDirectory, "..") {
			return
		}
	}
	if dir.tree != nil {
		s.listTree(l, dir.tree, max(cookie, cookieDotDot)-cookieDotDot)
		return
	}
	for e := range s.tmp.nodes[dir.slot].entries.after(cookie) {
		st := s.stat(nodeRef{slot: e.slot})
		s.spend(direntSize + len(e.name))
		if !l.add(e.cookie, st.number, st.fileType, e.name) {
			return
		}
	}
}

// listTree adds the children of a directory of the Tree, except the first skip ones.
func (s *System) listTree(l *listing, dir *treeNode, skip uint64) {
	for i := skip; i < uint64(len(dir.children)); i++ {
		c := dir.children[i]
		at, exists := s.mounted(c)
		if !exists {
			continue
		}
		st := s.stat(at)
		s.spend(direntSize + len(c.name))
		if !l.add(cookieDotDot+1+i, st.number, st.fileType, c.name) {
			return
		}
	}
}
