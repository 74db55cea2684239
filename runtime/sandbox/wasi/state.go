package wasi

import "slices"

// State is what a run left behind: its /tmp and its table of descriptors. It is immutable; any number of Systems may begin runs
// from it at the same time. Make one with [System.Capture].
type State struct {
	table     []descriptor
	tmp       tmpfs
	monotonic int64
	size      int64
}

// newEmptyState is what a run without a State begins with: stdio, the preopen, and an empty /tmp made at wall time now.
func newEmptyState(tree *Tree, now int64) State {
	root := &inode{number: 1, isDir: true, linked: true, accessed: now, modified: now, changed: now}
	return State{
		table: []descriptor{
			{kind: kindStdin, readable: true},
			{kind: kindStdout, writable: true},
			{kind: kindStderr, writable: true},
			{kind: kindDirectory, preopen: true, at: place{tree: tree.root}},
		},
		tmp: tmpfs{nodes: []*inode{root}, number: 1},
	}
}

// Capture keeps what the run has made of its file system so far. The System goes on with the same content, copying what it
// changes from now on; what was charged stays so until Reset. Capture returns nil, which Reset takes as well, if there is nothing
// to keep: nothing in /tmp, and no descriptor opened or closed.
func (s *System) Capture() *State {
	open := len(s.table)
	for open > 0 && s.table[open-1].kind == kindClosed {
		open--
	}
	s.table = s.table[:open]
	if s.tmp.files == 0 && slices.Equal(s.table, s.empty.table) {
		return nil
	}
	s.token = nil
	s.ownsTmp = false
	c := &State{table: slices.Clone(s.table), tmp: s.tmp, monotonic: s.monotonic}
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

// Size is about how many bytes of host memory the State takes, at least 1. Blocks that it shares with another State count in both.
func (st *State) Size() int64 {
	return st.size + int64(len(st.table))*64 + int64(len(st.tmp.nodes))*8
}
