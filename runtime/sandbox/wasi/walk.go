package wasi

import (
	"bytes"
	"strconv"
)

// nodeRef refers to a file, directory or symbolic link: of the Tree if tree is set, else the inode of
// /tmp in the slot.
type nodeRef struct {
	tree *treeNode
	slot uint32
}

// target is the result of following a path, which may lead to nothing.
type target struct {
	at    nodeRef
	found bool    // a file, directory or symbolic link exists at the path; at is set
	dir   nodeRef // the directory that contains, or would contain, the last name
	name  []byte  // the last name, a view of guest memory or of a link's target; nil after dots
	dots  int     // the number of dots if the path ends in "." or "..", which name no entry
	slash bool    // the path ends in "/", so that only a directory is accepted
}

// last says what to do if the last name of a path is a symbolic link. All others are followed.
type last uint8

const (
	// followLast leads to what the link refers to.
	followLast last = iota
	// keepLast leads to the link itself, unless a slash follows its name.
	keepLast
	// nameLast leads to the link itself: the call is about the name, which a slash does not change.
	nameLast
	// createLast leads to what the link refers to, unless a slash follows its name.
	createLast
)

// keeps reports whether the path leads to the link itself.
func (l last) keeps(slash bool) bool {
	return l == nameLast || l == keepLast && !slash || l == createLast && slash
}

// lastOf returns what the lookup flags of a call say.
func lastOf(flags uint64) last {
	const symlinkFollow = 1
	if flags&symlinkFollow != 0 {
		return followLast
	}
	return keepLast
}

// maxLinks is the largest number of symbolic links that one path leads through, as on Linux.
const maxLinks = 40

// stepCost is the work of looking up one name, in units of System.spend.
const stepCost = 64

// walk follows a path from a directory. It fails if the path is malformed, or if any name but the
// last is missing. The work is linear in the length of the path and of the at most maxLinks targets
// that it leads through.
func (s *System) walk(from nodeRef, path []byte, last last) (target, errno) {
	switch {
	case len(path) == 0:
		return target{}, eNOENT
	case len(path) > s.limits.PathLength:
		return target{}, eNAMETOOLONG
	case path[0] == '/':
		return target{}, ePERM
	case bytes.IndexByte(path, 0) >= 0:
		return target{}, eINVAL
	}
	t := target{at: from, found: true, dir: from, dots: 1}
	var outer [][]byte // what is left of the paths that contain the current one; each has a name
	links := 0
	for rest := path; ; {
		name := nextName(&rest)
		if name == nil {
			if len(outer) == 0 {
				return t, success
			}
			rest, outer = outer[len(outer)-1], outer[:len(outer)-1]
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
		more := len(bytes.TrimLeft(rest, "/")) > 0
		atEnd := !more && len(outer) == 0
		if atEnd && len(rest) > 0 {
			t.slash = true
		}
		if t.dir.tree == s.tree.descriptors && t.name != nil {
			s.followDescriptor(&t, atEnd && last.keeps(t.slash))
		}
		if !t.found || !s.isLink(t.at) || atEnd && last.keeps(t.slash) {
			continue
		}
		if links++; links > maxLinks {
			return target{}, eLOOP
		}
		if more {
			outer = append(outer, rest)
		}
		rest = s.tmp.nodes[t.at.slot].target
		t.at = t.dir
		if rest[0] == '/' {
			slash := t.slash
			root := nodeRef{tree: s.tree.root}
			t = target{at: root, found: true, dir: root, dots: 1, slash: slash}
		}
	}
}

// nextName removes the first name from a path, and the slashes before it, and returns it; nil if
// there is none.
func nextName(rest *[]byte) []byte {
	p := bytes.TrimLeft(*rest, "/")
	if len(p) == 0 {
		*rest = nil
		return nil
	}
	n := bytes.IndexByte(p, '/')
	if n < 0 {
		n = len(p)
	}
	*rest = p[n:]
	return p[:n]
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
		if n.links == 0 {
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

// followDescriptor makes an entry of /dev/fd lead to what the descriptor refers to, as the links there
// do on Linux. An entry that is kept itself is a character device, so that nothing changes its name.
func (s *System) followDescriptor(t *target, keep bool) {
	t.found = false
	n, err := strconv.ParseUint(string(t.name), 10, 32)
	if err != nil || len(t.name) > 1 && t.name[0] == '0' {
		return
	}
	d, closed := s.open(uint32(n))
	switch {
	case closed != success:
		return
	case d.kind == kindSocket && !keep:
		return // no path opens a socket
	case d.kind < kindFile && d.kind != kindSocket:
		t.at = nodeRef{tree: s.tree.devices[d.kind]}
	case keep:
		t.at = nodeRef{tree: s.tree.devices[kindNull]}
	default:
		t.at = d.at
	}
	t.found = true
}

// lookup returns an entry of a directory, and whether it exists.
func (s *System) lookup(dir nodeRef, name []byte) (nodeRef, bool) {
	if dir.tree != nil {
		return s.mounted(dir.tree.find(name))
	}
	entries := &s.tmp.nodes[dir.slot].entries
	i, ok := entries.find(name)
	if !ok {
		return nodeRef{}, false
	}
	return nodeRef{slot: entries.list[i].slot}, true
}

// mounted returns what a node of the Tree leads to, and whether that exists: of a mount point, what
// lies there.
func (s *System) mounted(n *treeNode) (nodeRef, bool) {
	switch {
	case n == nil:
		return nodeRef{}, false
	case !n.isMountPoint():
		return nodeRef{tree: n}, true
	case n.name == mountPoint:
		return nodeRef{}, true
	case s.mount == nil:
		return nodeRef{}, false
	}
	return nodeRef{tree: s.mount.root}, true
}

func (s *System) isDir(p nodeRef) bool {
	if p.tree != nil {
		return p.tree.isDir
	}
	return s.tmp.nodes[p.slot].isDir
}

// isLink reports whether p is a symbolic link, which the Tree has none of.
func (s *System) isLink(p nodeRef) bool {
	return p.tree == nil && s.tmp.nodes[p.slot].target != nil
}

// isTmp reports whether p is /tmp itself.
func (p nodeRef) isTmp() bool { return p == nodeRef{} }

// isReadOnly reports whether p lies outside /tmp.
func (p nodeRef) isReadOnly() bool { return p.tree != nil }
