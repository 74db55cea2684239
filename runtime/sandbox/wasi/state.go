package wasi

import (
	"io"
	"iter"
	"slices"
	"strings"
)

// State is what a run has left behind: its /tmp and its descriptor table, and the Mount that it has
// seen. It is immutable; any number of Systems may start runs from it at the same time.
// [System.Capture] creates it, and [Mount.State].
type State struct {
	table     []descriptor
	opened    []description
	tmp       tmpfs
	mount     *Mount // nil: none
	monotonic int64
	numbered  int32 // see run
	size      int64
}

// newEmptyState returns the State of a run without one: stdio, the preopen, and an empty /tmp
// created at wall time now.
func newEmptyState(tree *Tree, now int64) State {
	root := &inode{number: 1, isDir: true, links: 1, accessed: now, modified: now, changed: now}
	return State{
		table: []descriptor{1, 2, 3, 4},
		opened: []description{
			{kind: kindStdin, readable: true, refs: 1},
			{kind: kindStdout, writable: true, refs: 1},
			{kind: kindStderr, writable: true, refs: 1},
			{kind: kindDirectory, preopen: true, refs: 1, at: nodeRef{tree: tree.root}},
		},
		tmp: tmpfs{nodes: []*inode{root}, number: 1},
	}
}

// Capture returns the file system of the run as it is now. The System continues with the same
// content and copies what it changes from now on; charged bytes stay charged until Reset. Capture
// returns nil, which Reset accepts as well, if /tmp is empty, no descriptor was opened or closed, no TLS
// engine was created, and there is no Mount.
func (s *System) Capture() *State {
	s.table = trimmed(s.table, func(d descriptor) bool { return d == 0 })
	s.opened = trimmed(s.opened, func(d description) bool { return d.refs == 0 })
	if s.mount == nil && s.numbered == 0 && s.tmp.files == 0 && slices.Equal(s.table, s.empty.table) && slices.Equal(s.opened, s.empty.opened) {
		return nil
	}
	s.token = nil
	s.ownsTmp = false
	c := &State{table: slices.Clone(s.table), opened: slices.Clone(s.opened), tmp: s.tmp, mount: s.mount, monotonic: s.monotonic, numbered: s.numbered}
	copySockets(c.opened)
	for _, n := range c.tmp.nodes {
		if n != nil {
			c.size += n.cost()
			for _, b := range n.blocks {
				c.size += int64(cap(b.data))
			}
		}
	}
	return c
}

// copySockets makes sockets belong to a list of descriptions alone. Connections are not copied: their
// sockets are dead.
func copySockets(opened []description) {
	for i := range opened {
		if k := opened[i].socket; k != nil {
			opened[i].socket = k.copy()
		}
	}
}

// Files returns the files below a directory of /tmp, by their path from there: relative, without the
// leading slash. It follows no symbolic links. The directory is a clean path from /tmp.
func (st *State) Files(dir string) iter.Seq2[string, *io.SectionReader] {
	return func(yield func(string, *io.SectionReader) bool) {
		slot := uint32(0)
		for name := range strings.SplitSeq(dir, "/") {
			n := st.tmp.nodes[slot]
			i, found := n.entries.find([]byte(name))
			if !n.isDir || !found {
				return
			}
			slot = n.entries.list[i].slot
		}
		st.files(slot, "", yield)
	}
}

// files yields the files below the inode in a slot, and reports whether to go on.
func (st *State) files(slot uint32, path string, yield func(string, *io.SectionReader) bool) bool {
	n := st.tmp.nodes[slot]
	switch {
	case n.isDir:
		for e := range n.entries.entries() {
			if !st.files(e.slot, strings.TrimPrefix(path+"/"+e.name, "/"), yield) {
				return false
			}
		}
	case n.target == nil:
		return yield(path, io.NewSectionReader(inodeReader{n}, 0, n.size))
	}
	return true
}

// inodeReader reads a file of a State.
type inodeReader struct{ *inode }

// ReadAt implements io.ReaderAt. The caller does not read beyond the size of the file.
func (r inodeReader) ReadAt(p []byte, offset int64) (int, error) {
	total := 0
	for len(p) > 0 {
		piece := p[:min(len(p), blockSize-int(offset%blockSize))]
		copied := 0
		if i := offset / blockSize; i < int64(len(r.blocks)) {
			if data := r.blocks[i].data; int(offset%blockSize) < len(data) {
				copied = copy(piece, data[offset%blockSize:])
			}
		}
		clear(piece[copied:])
		p = p[len(piece):]
		offset += int64(len(piece))
		total += len(piece)
	}
	return total, nil
}

// trimmed returns the list without the free entries at its end.
func trimmed[E any](list []E, isFree func(E) bool) []E {
	n := len(list)
	for n > 0 && isFree(list[n-1]) {
		n--
	}
	return list[:n]
}

// Size returns the approximate number of bytes of host memory that the State takes, at least 1.
// Blocks that it shares with another State count in both.
func (st *State) Size() int64 {
	return st.size + int64(len(st.table))*4 + int64(len(st.opened))*64 + int64(len(st.tmp.nodes))*8
}
