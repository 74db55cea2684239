package wasi

import (
	"bytes"
	"unicode/utf8"
)

// nodeRef refers to a file or directory: of the Tree if tree is set, else the inode of /tmp in the
// slot.
type nodeRef struct {
	tree *treeNode
	slot uint32
}

// target is the result of following a path, which may lead to nothing.
type target struct {
	at    nodeRef
	found bool    // a file or directory exists at the path; at is set
	dir   nodeRef // the directory that contains, or would contain, the last name
	name  []byte  // the last name, a view of guest memory; nil after dots
	dots  int     // the number of dots if the path ends in "." or "..", which name no entry
	slash bool    // the path ends in "/", so that only a directory is accepted
}

// stepCost is the work of looking up one name, in units of System.spend.
const stepCost = 64

// walk follows a path from a directory. It fails if the path is malformed, or if any name but the
// last is missing.
func (s *System) walk(from nodeRef, path []byte) (target, errno) {
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

// step moves from the directory at t.at to one of its entries.
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

// lookup returns an entry of a directory, and whether it exists.
func (s *System) lookup(dir nodeRef, name []byte) (nodeRef, bool) {
	if dir.tree != nil {
		c := dir.tree.index[string(name)]
		switch {
		case c == nil:
			return nodeRef{}, false
		case c.isMount():
			return nodeRef{}, true
		}
		return nodeRef{tree: c}, true
	}
	entries := &s.tmp.nodes[dir.slot].entries
	i, ok := entries.find(name)
	if !ok {
		return nodeRef{}, false
	}
	return nodeRef{slot: entries.list[i].slot}, true
}

func (s *System) isDir(p nodeRef) bool {
	if p.tree != nil {
		return p.tree.isDir
	}
	return s.tmp.nodes[p.slot].isDir
}

// isTmp reports whether p is /tmp itself.
func (p nodeRef) isTmp() bool { return p == nodeRef{} }

// isReadOnly reports whether p lies outside /tmp.
func (p nodeRef) isReadOnly() bool { return p.tree != nil }
