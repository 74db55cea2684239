package wasi

import (
	"bytes"
	"math/bits"
	"slices"
)

// token marks inodes and blocks that belong to one run. Those with another token are shared with
// other runs and never changed.
type token struct{ _ byte }

// tmpfs is the content of /tmp. Copying the struct shares the content; System.own copies what a run
// is about to change.
type tmpfs struct {
	nodes  []*inode // by slot; slot 0 is /tmp itself; nil marks a free slot
	free   []uint32 // the free slots
	number uint64   // the highest inode number assigned so far
	files  int      // names below /tmp, and nameless files that are open
	bytes  int64    // the sum of all sizes
}

// inode is a file, directory or symbolic link of /tmp.
type inode struct {
	owner   *token
	number  uint64 // as the guest sees it; never reused within a run
	charged int64  // bytes of host memory, if it belongs to this run

	isDir  bool
	links  int    // names; without one it lives until its last descriptor is closed
	target []byte // of a symbolic link: a path, never empty; nil for anything else

	accessed, modified, changed int64 // nanoseconds since 1970

	size   int64 // of a file; of a symbolic link, the length of its target
	blocks []block

	parent  uint32 // slot; of a directory
	entries directory
}

const (
	// inodeCost is the charge in bytes for an inode: the struct and its entries in the tables, as
	// Go's allocator rounds them.
	inodeCost = 320
	// entryCost is the charge in bytes for a directory entry, in addition to the name: struct and
	// index, half of each unused.
	entryCost = 144
	// blockCost is the charge in bytes for an entry in a file's list of blocks, half of them
	// unused.
	blockCost = 64
)

// cost returns the bytes of host memory that the inode takes, without the content of its blocks.
func (n *inode) cost() int64 {
	c := int64(inodeCost) + int64(len(n.blocks))*blockCost + int64(len(n.target))
	for e := range n.entries.entries() {
		c += entryCost + int64(len(e.name))
	}
	return c
}

// own makes the inode in the slot belong to this run, so that it can be changed, and returns it.
func (s *System) own(slot uint32) (*inode, errno) {
	n := s.tmp.nodes[slot]
	if s.token != nil && n.owner == s.token {
		return n, success
	}
	s.ownTables()
	cost := n.cost()
	s.spend(int(cost))
	if !s.charge(cost) {
		return nil, eNOSPC
	}
	c := *n
	c.owner = s.token
	c.charged = cost
	c.blocks = slices.Clone(n.blocks)
	c.entries = n.entries.clone()
	s.tmp.nodes[slot] = &c
	return &c, success
}

// ownTables makes the tables of slots belong to this run. They are not charged: Limits.TmpFiles
// keeps them well below 1 MiB by default.
func (s *System) ownTables() {
	if s.token == nil {
		s.token = new(token)
	}
	if !s.ownsTmp {
		s.tmp.nodes = slices.Clone(s.tmp.nodes)
		s.tmp.free = slices.Clone(s.tmp.free)
		s.ownsTmp = true
	}
}

// create adds an empty file or directory to a directory that has no entry with that name, and
// returns its slot.
func (s *System) create(dir uint32, name []byte, isDir bool) (uint32, errno) {
	if s.tmp.nodes[dir].links == 0 {
		return 0, eNOENT
	}
	if s.tmp.files >= s.limits.TmpFiles {
		return 0, eNOSPC
	}
	if isDir && s.depth(dir) >= s.limits.Depth {
		return 0, eNAMETOOLONG
	}
	parent, err := s.own(dir)
	if err != success {
		return 0, err
	}
	if !s.charge(inodeCost) {
		return 0, eNOSPC
	}
	if !s.chargeEntry(parent, name) {
		s.refund(inodeCost)
		return 0, eNOSPC
	}
	now := s.now()
	s.tmp.number++
	s.tmp.files++
	n := &inode{
		owner: s.token, number: s.tmp.number, charged: inodeCost, isDir: isDir, links: 1,
		accessed: now, modified: now, changed: now, parent: dir,
	}
	var slot uint32
	if last := len(s.tmp.free) - 1; last >= 0 {
		slot = s.tmp.free[last]
		s.tmp.free = s.tmp.free[:last]
		s.tmp.nodes[slot] = n
	} else {
		slot = uint32(len(s.tmp.nodes))
		s.tmp.nodes = append(s.tmp.nodes, n)
	}
	parent.entries.add(string(name), slot)
	parent.modified, parent.changed = now, now
	return slot, success
}

// remove deletes the name of the inode in the slot, and frees the inode unless a descriptor refers
// to it.
func (s *System) remove(dir uint32, name []byte, slot uint32) errno {
	parent, err := s.own(dir)
	if err != success {
		return err
	}
	if err := s.orphan(slot); err != success {
		return err
	}
	s.dropEntry(parent, name)
	parent.modified = s.now()
	parent.changed = parent.modified
	return success
}

// orphan takes one name from the inode in the slot, and frees the inode if neither another name nor
// a descriptor refers to it. The caller then removes the entry, which cannot fail.
func (s *System) orphan(slot uint32) errno {
	if s.tmp.nodes[slot].links == 1 && !s.isOpen(slot) {
		s.freeSlot(slot)
		return success
	}
	n, err := s.own(slot)
	if err != success {
		return err
	}
	if n.links--; n.links > 0 {
		s.tmp.files--
	}
	n.changed = s.now()
	return success
}

// link adds a name for the file or symbolic link in the slot to a directory that has no entry with
// that name.
func (s *System) link(dir uint32, name []byte, slot uint32) errno {
	if s.tmp.nodes[dir].links == 0 || s.tmp.nodes[slot].links == 0 {
		return eNOENT
	}
	if s.tmp.files >= s.limits.TmpFiles {
		return eNOSPC
	}
	n, err := s.own(slot)
	if err != success {
		return err
	}
	parent, err := s.own(dir)
	if err != success {
		return err
	}
	if !s.chargeEntry(parent, name) {
		return eNOSPC
	}
	s.tmp.files++
	n.links++
	n.changed = s.now()
	parent.entries.add(string(name), slot)
	parent.modified, parent.changed = n.changed, n.changed
	return success
}

// symlink adds a symbolic link with that target to a directory that has no entry with that name.
func (s *System) symlink(dir uint32, name, target []byte) errno {
	size := int64(len(target))
	if size > s.room() || !s.charge(size) {
		return eNOSPC
	}
	slot, err := s.create(dir, name, false)
	if err != success {
		s.refund(size)
		return err
	}
	n := s.tmp.nodes[slot]
	n.target = bytes.Clone(target)
	n.size = size
	n.charged += size
	s.tmp.bytes += size
	return success
}

// freeSlot frees the inode in the slot.
func (s *System) freeSlot(slot uint32) {
	s.ownTables()
	n := s.tmp.nodes[slot]
	if n.owner == s.token {
		s.refund(n.charged)
	}
	s.tmp.bytes -= n.size
	s.tmp.files--
	s.tmp.nodes[slot] = nil
	s.tmp.free = append(s.tmp.free, slot)
}

// chargeEntry requests the memory of one more entry. It reports whether the memory is granted.
func (s *System) chargeEntry(dir *inode, name []byte) bool {
	cost := entryCost + int64(len(name))
	if !s.charge(cost) {
		return false
	}
	dir.charged += cost
	return true
}

// dropEntry removes the entry with that name from a directory that belongs to this run.
func (s *System) dropEntry(dir *inode, name []byte) {
	i, ok := dir.entries.find(name)
	if !ok {
		return
	}
	cost := entryCost + int64(len(name))
	dir.charged -= cost
	s.refund(cost)
	dir.entries.remove(i)
}

// depth returns the number of directories from /tmp, which has depth 0, to this one.
func (s *System) depth(slot uint32) int {
	d := 0
	for ; slot != 0; slot = s.tmp.nodes[slot].parent {
		d++
	}
	return d
}

// height returns the number of levels of directories below this one.
func (s *System) height(slot uint32) int {
	type visit struct {
		slot  uint32
		level int
	}
	highest := 0
	for stack := []visit{{slot, 0}}; len(stack) > 0; {
		v := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		highest = max(highest, v.level)
		entries := &s.tmp.nodes[v.slot].entries
		s.spend(64 * len(entries.list))
		for e := range entries.entries() {
			if s.tmp.nodes[e.slot].isDir {
				stack = append(stack, visit{e.slot, v.level + 1})
			}
		}
	}
	return highest
}

// class returns the capacity of a block that needs need bytes: a power of two from 512 to
// blockSize.
func class(need int) int {
	const least = 512
	if need <= least {
		return least
	}
	return 1 << bits.Len(uint(need-1))
}
