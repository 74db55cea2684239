package wasi

import (
	"fmt"
	"io"
	"math"
	"unsafe"
)

// functionPoint is the name in the root directory under which a Mount lies.
const functionPoint = "function"

// Mount is a read-only folder that a run sees as /function, beside the Tree. Its files are ranges of
// what Readers return, so that their contents are not in memory. It is immutable and safe for
// concurrent use, as far as the Readers are.
type Mount struct {
	root  *treeNode
	state State
	size  int64
}

// MountEntry is a file or folder of a Mount.
type MountEntry struct {
	Path  string // clean and relative, as [fs.ValidPath] defines it
	IsDir bool
	// A file has Size bytes of the content of Reader, from Offset on. An error of the Reader, or its
	// end before that, returns EIO.
	Reader io.ReaderAt
	Offset int64
	Size   int64
}

// Mount returns a Mount of the entries, for runs with this Tree. Directories are created as needed.
// Runs that start from [Mount.State] find an empty /tmp of the wall time now, in nanoseconds since
// 1970.
func (t *Tree) Mount(entries []MountEntry, now int64) (*Mount, error) {
	m := &Mount{root: &treeNode{name: functionPoint, parent: t.root, isDir: true, device: kindClosed, mounted: true}}
	for i := range entries {
		if err := m.root.mount(&entries[i]); err != nil {
			return nil, fmt.Errorf("wasi: mount: %q: %w", entries[i].Path, err)
		}
	}
	number := uint64(0)
	m.root.seal(&number)
	m.size = m.root.compact()
	m.state = newEmptyState(t, now)
	m.state.mount = m
	return m, nil
}

// mount adds an entry below the root of a Mount.
func (n *treeNode) mount(e *MountEntry) error {
	if e.Offset < 0 || e.Size < 0 || e.Size > math.MaxInt64-e.Offset {
		return fmt.Errorf("the range of %d bytes at %d is not valid", e.Size, e.Offset)
	}
	if err := checkPath(e.Path); err != nil {
		return err
	}
	if e.IsDir {
		_, err := n.directories(e.Path)
		return err
	}
	n, err := n.descend(e.Path)
	if err != nil {
		return err
	}
	n.source, n.offset, n.size, n.mounted = e.Reader, e.Offset, e.Size, true
	return nil
}

// compact drops what only building a Mount needs, and returns the bytes of memory that the rest
// takes.
func (n *treeNode) compact() int64 {
	n.index, n.mounted = nil, true
	n.children = append(make([]*treeNode, 0, len(n.children)), n.children...)
	size := int64(unsafe.Sizeof(*n)) + int64(len(n.name)) + int64(len(n.children))*int64(unsafe.Sizeof(n))
	for _, c := range n.children {
		size += c.compact()
	}
	return size
}

// Size returns the number of bytes of host memory that the Mount takes.
func (m *Mount) Size() int64 { return m.size }

// State returns the State of a run that has done nothing yet and sees the Mount.
func (m *Mount) State() *State { return &m.state }

// readSource copies from a file of a Mount. It returns an errno only if it could read nothing.
func (s *System) readSource(t *treeNode, p []byte, offset int64) (int, errno) {
	if offset >= t.size {
		return 0, success
	}
	p = p[:min(int64(len(p)), t.size-offset)]
	total := 0
	for len(p) > 0 {
		piece := p[:min(len(p), blockSize)]
		n, err := t.source.ReadAt(piece, t.offset+offset)
		total += n
		if n < len(piece) && err != nil {
			if total > 0 {
				break
			}
			return 0, eIO
		}
		p = p[n:]
		offset += int64(n)
		s.spend(n)
	}
	return total, success
}
