package wasi

import "math"

// blockSize is the number of bytes that are copied when a run changes one byte of a shared file. It
// is small enough to copy in some microseconds, and large enough that the largest file has a short
// list of blocks.
const blockSize = 64 << 10

// block is blockSize bytes of a file. The bytes beyond len(data) are zero and take no memory.
type block struct {
	owner *token
	data  []byte
}

// readAt copies from the file into p and returns the number of bytes copied.
func (s *System) readAt(n *inode, p []byte, offset int64) int {
	if offset >= n.size {
		return 0
	}
	p = p[:min(int64(len(p)), n.size-offset)]
	total := len(p)
	for len(p) > 0 {
		within := int(offset % blockSize)
		k := min(len(p), blockSize-within)
		copied := 0
		if i := offset / blockSize; i < int64(len(n.blocks)) && within < len(n.blocks[i].data) {
			copied = copy(p[:k], n.blocks[i].data[within:])
		}
		clear(p[copied:k])
		p = p[k:]
		offset += int64(k)
		s.spend(k)
	}
	return total
}

// writeAt copies p into the file, which belongs to this run, as far as the limits allow. It returns
// an errno only if it could write nothing.
func (s *System) writeAt(n *inode, p []byte, offset int64) (int, errno) {
	if offset > math.MaxInt64-int64(len(p)) {
		return 0, eFBIG
	}
	if len(p) == 0 {
		return 0, success
	}
	if excess := offset + int64(len(p)) - n.size - s.room(); excess > 0 {
		if excess >= int64(len(p)) {
			return 0, eNOSPC
		}
		p = p[:int64(len(p))-excess]
	}
	written := 0
	for len(p) > 0 {
		within := int(offset % blockSize)
		k := min(len(p), blockSize-within)
		b, ok := s.ownBlock(n, int(offset/blockSize), within+k)
		if !ok {
			break
		}
		copy(b[within:], p[:k])
		p = p[k:]
		offset += int64(k)
		written += k
		if offset > n.size {
			s.tmp.bytes += offset - n.size
			n.size = offset
		}
		s.spend(k)
	}
	if written == 0 {
		return 0, eNOSPC
	}
	n.modified = s.now()
	n.changed = n.modified
	return written, success
}

// room returns the number of bytes by which /tmp may still grow.
func (s *System) room() int64 {
	return max(s.limits.TmpBytes-s.tmp.bytes, 0)
}

// ownBlock returns the i-th block of the file, with at least need bytes and belonging to this run.
// It returns false if the memory is refused.
func (s *System) ownBlock(n *inode, i, need int) ([]byte, bool) {
	if more := i + 1 - len(n.blocks); more > 0 {
		cost := int64(more) * blockCost
		if !s.charge(cost) {
			return nil, false
		}
		n.charged += cost
		n.blocks = append(n.blocks, make([]block, more)...)
	}
	b := &n.blocks[i]
	if b.owner == s.token && need <= cap(b.data) {
		if held := len(b.data); need > held {
			b.data = b.data[:need]
			clear(b.data[held:])
		}
		return b.data, true
	}
	need = max(need, len(b.data))
	capacity := class(need)
	more := int64(capacity)
	if b.owner == s.token {
		more -= int64(cap(b.data))
	}
	if !s.charge(more) {
		return nil, false
	}
	n.charged += more
	grown := make([]byte, need, capacity)
	copy(grown, b.data)
	b.owner, b.data = s.token, grown
	s.work += capacity
	return grown, true
}

// resize truncates the file, which belongs to this run, or extends it by a hole.
func (s *System) resize(n *inode, size int64) errno {
	switch {
	case size > n.size:
		if size-n.size > s.room() {
			return eNOSPC
		}
	case size < n.size:
		s.cut(n, size)
	}
	s.tmp.bytes += size - n.size
	n.size = size
	n.modified = s.now()
	n.changed = n.modified
	return success
}

// cut drops all content from offset size on.
func (s *System) cut(n *inode, size int64) {
	keep := int((size + blockSize - 1) / blockSize)
	if keep < len(n.blocks) {
		back := int64(len(n.blocks)-keep) * blockCost
		for _, b := range n.blocks[keep:] {
			if b.owner == s.token {
				back += int64(cap(b.data))
			}
		}
		clear(n.blocks[keep:])
		n.blocks = n.blocks[:keep]
		n.charged -= back
		s.refund(back)
	}
	if tail := int(size % blockSize); tail > 0 && keep == len(n.blocks) && tail < len(n.blocks[keep-1].data) {
		n.blocks[keep-1].data = n.blocks[keep-1].data[:tail]
	}
}
