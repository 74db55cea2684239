package wasi

import "slices"

// State is what a run has left behind: its /tmp and its descriptor table. It is immutable; any
// number of Systems may start runs from it at the same time. [System.Capture] creates it.
type State struct {
	table     []descriptor
	tmp       tmpfs
	monotonic int64
	size      int64
}

// newEmptyState returns the State of a run without one: stdio, the preopen, and an empty /tmp
// created at wall time now.
func newEmptyState(tree *Tree, now int64) State {
	root := &inode{number: 1, isDir: true, linked: true, accessed: now, modified: now, changed: now}
	return State{
		table: []descriptor{
			{kind: kindStdin, readable: true},
			{kind: kindStdout, writable: true},
			{kind: kindStderr, writable: true},
			{kind: kindDirectory, preopen: true, at: nodeRef{tree: tree.root}},
		},
		tmp: tmpfs{nodes: []*inode{root}, number: 1},
	}
}

// Capture returns the file system of the run as it is now. The System continues with the same
// content and copies what it changes from now on; charged bytes stay charged until Reset. Capture
// returns nil, which Reset accepts as well, if /tmp is empty and no descriptor was opened or
// closed.
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

// Size returns the approximate number of bytes of host memory that the State takes, at least 1.
// Blocks that it shares with another State count in both.
func (st *State) Size() int64 {
	return st.size + int64(len(st.table))*64 + int64(len(st.tmp.nodes))*8
}
