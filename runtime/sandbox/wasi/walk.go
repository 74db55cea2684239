package wasi

import (
	"bytes"
	"unicode/utf8"
)

// place is a file or directory: of the Tree if tree is set, else the inode of /tmp in that slot.
type place struct {
	tree *treeNode
	slot uint32
}

// target is what a path leads to, or could.
type target struct {
	at    place
	found bool   // something is at the path; at is set
	dir   place  // the directory that has, or would have, the last name
	name  []byte // the last name; a view of guest memory; nil after dots
	dots  int    // how many dots, if the path ends in "." or "..", so that it names no entry
	slash bool   // the path ends in "/", so that only a directory will do
}

// stepCost is what looking up one name counts as work.
const stepCost = 64

// walk follows a path from a directory. It fails if the path is malformed or anything but its last name is missing.
func (s *System) walk(from place, path []byte) (target, errno) {
	switch {
	case len(path) == 0:
		return target{}, eNOENT
	case len(path) > s.limits.PathLength:
		return target{}, eNAMETOOLONG
	case path[0] == '/':
		return target{}, ePERM
	case bytes.IndexByte(path, 0) >= 0:
		return target{}, eINVAL
	case !utf8.Valid(path):
		return target{}, eILSEQ
	}
	t := target{at: from, found: true, dir: from, dots: 1}
	for rest := path; len(rest) > 0; {
		name := rest
		if i := bytes.IndexByte(rest, '/'); i >= 0 {
			name, rest = rest[:i], rest[i+1:]
			t.slash = true
		} else {
			rest = nil
			t.slash = false
		}
		if len(name) == 0 {
			continue
		}
		if !t.found {
			return target{}, eNOENT
		}
		if !s.isDir(t.at) {
			return target{}, eNOTDIR
		}
		if err := s.step(&t, name); err != success {
			return target{}, err
		}
		s.spend(stepCost)
	}
	return t, success
}

// step goes from the directory that t is at to one of its entries.
func (s *System) step(t *target, name []byte) errno {
	t.dir, t.name = t.at, nil
	switch string(name) {
	case ".":
		t.dots = 1
		return success
	case "..":
		t.dots = 2
		if t.at.tree != nil {
			t.at.tree = t.at.tree.parent
			return success
		}
		if t.at.slot == 0 {
			t.at.tree = s.tree.root
			return success
		}
		n := s.tmp.nodes[t.at.slot]
		if !n.linked {
			return eNOENT
		}
		t.at.slot = n.parent
		return success
	}
	if len(name) > maxName {
		return eNAMETOOLONG
	}
	t.dots, t.name = 0, name
	t.at, t.found = s.lookup(t.dir, name)
	return success
}

// lookup finds an entry of a directory.
func (s *System) lookup(dir place, name []byte) (place, bool) {
	if dir.tree != nil {
		c := dir.tree.index[string(name)]
		switch {
		case c == nil:
			return place{}, false
		case c.isMount():
			return place{}, true
		}
		return place{tree: c}, true
	}
	entries := &s.tmp.nodes[dir.slot].entries
	i, ok := entries.find(name)
	if !ok {
		return place{}, false
	}
	return place{slot: entries.list[i].slot}, true
}

func (s *System) isDir(p place) bool {
	if p.tree != nil {
		return p.tree.isDir
	}
	return s.tmp.nodes[p.slot].isDir
}

// isTmp tells whether p is /tmp itself.
func (p place) isTmp() bool { return p == place{} }

// isReadOnly tells whether p lies outside /tmp.
func (p place) isReadOnly() bool { return p.tree != nil }
