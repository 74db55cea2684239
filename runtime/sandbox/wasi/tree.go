package wasi

import (
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"
)

// treeTime is the time of every file in a Tree, in nanoseconds since 1970: 1 January 1980, the
// earliest that a zip archive can express, so that archiving such a file does not fail.
const treeTime = 315532800 * 1e9

// mountPoint is the name in the root directory under which /tmp lies.
const mountPoint = "tmp"

// Tree is a read-only file system. It is immutable and safe for concurrent use.
type Tree struct {
	root        *treeNode
	devices     map[kind]*treeNode
	descriptors *treeNode // /dev/fd
}

// treeNode is a file or directory of a Tree.
type treeNode struct {
	name     string
	number   uint64
	parent   *treeNode // the root is its own parent
	isDir    bool
	device   kind // of a character device; kindClosed for a file or directory
	mounted  bool // of a Mount
	data     []byte
	children []*treeNode          // sorted by name
	index    map[string]*treeNode // nil in a Mount
	source   io.ReaderAt          // of a file of a Mount, which has size bytes of it, from offset on
	offset   int64
	size     int64
}

// NewTree returns a Tree of files by path ("/usr/lib/python3.13/os.pyc"; the leading slash is
// optional). Directories are created as needed, and /dev has its devices. The Tree references the
// contents without copying them, so they must not change any more. Paths must be clean
// ([fs.ValidPath]), and none may lie at or under /tmp, /dev or /function or under another file.
func NewTree(files map[string][]byte) (*Tree, error) {
	root := &treeNode{isDir: true}
	root.parent = root
	for _, path := range slices.Sorted(maps.Keys(files)) {
		if err := root.insert(strings.TrimPrefix(path, "/"), files[path]); err != nil {
			return nil, fmt.Errorf("wasi: tree: file %q: %w", path, err)
		}
	}
	for _, name := range []string{mountPoint, functionPoint} {
		if _, err := root.child(name, true); err != nil {
			return nil, err
		}
	}
	t := &Tree{root: root, devices: map[kind]*treeNode{}}
	for _, path := range slices.Sorted(maps.Keys(devices)) {
		n, err := root.descend(deviceFolder + "/" + path)
		if err != nil {
			return nil, err
		}
		n.device = devices[path]
		t.devices[n.device] = n
	}
	t.descriptors = t.devices[kindNull].parent.index["fd"]
	number := uint64(0)
	root.seal(&number)
	return t, nil
}

func (n *treeNode) insert(path string, data []byte) error {
	if err := checkPath(path); err != nil {
		return err
	}
	for _, taken := range []string{mountPoint, deviceFolder, functionPoint} {
		if path == taken || strings.HasPrefix(path, taken+"/") {
			return fmt.Errorf("/%s belongs to the run", taken)
		}
	}
	n, err := n.descend(path)
	if err != nil {
		return err
	}
	n.data = data
	return nil
}

// checkPath returns an error unless a path is clean and relative.
func checkPath(path string) error {
	if !fs.ValidPath(path) || path == "." || strings.ContainsRune(path, 0) {
		return fmt.Errorf("not a clean path of UTF-8 without NUL")
	}
	return nil
}

// descend returns the file at a path that does not exist yet. It creates directories as needed.
func (n *treeNode) descend(path string) (*treeNode, error) {
	dir, name := n, path
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		var err error
		if dir, err = n.directories(path[:i]); err != nil {
			return nil, err
		}
		name = path[i+1:]
	}
	if dir.index[name] != nil {
		return nil, fmt.Errorf("exists twice, or is also a directory")
	}
	return dir.child(name, false)
}

// directories returns the directory at a path. It creates it, and those above it, as needed.
func (n *treeNode) directories(path string) (*treeNode, error) {
	for name := range strings.SplitSeq(path, "/") {
		c, err := n.child(name, true)
		if err != nil {
			return nil, err
		}
		if !c.isDir {
			return nil, fmt.Errorf("%q is also a file", name)
		}
		n = c
	}
	return n, nil
}

// child returns the child with that name and creates it if it is missing.
func (n *treeNode) child(name string, isDir bool) (*treeNode, error) {
	if !n.isDir {
		return nil, fmt.Errorf("lies under %q, which is a file", n.name)
	}
	if c := n.index[name]; c != nil {
		return c, nil
	}
	if len(name) > maxName {
		return nil, fmt.Errorf("a name has %d bytes, at most %d are possible", len(name), maxName)
	}
	c := &treeNode{name: strings.Clone(name), parent: n, isDir: isDir}
	if n.index == nil {
		n.index = map[string]*treeNode{}
	}
	n.index[c.name] = c
	n.children = append(n.children, c)
	return c, nil
}

// seal sorts the children and numbers all nodes, so that equal files give equal Trees.
func (n *treeNode) seal(number *uint64) {
	*number++
	n.number = *number
	slices.SortFunc(n.children, func(a, b *treeNode) int { return strings.Compare(a.name, b.name) })
	for _, c := range n.children {
		c.seal(number)
	}
}

// isMountPoint reports whether this is a directory of the Tree's root over which something else lies.
func (n *treeNode) isMountPoint() bool {
	return (n.name == mountPoint || n.name == functionPoint) && !n.mounted && n.parent.parent == n.parent && n.parent != n
}

// find returns the child with that name, or nil.
func (n *treeNode) find(name []byte) *treeNode {
	if n.index != nil {
		return n.index[string(name)]
	}
	i, found := slices.BinarySearchFunc(n.children, name, func(c *treeNode, name []byte) int {
		switch { // comparisons of this form do not allocate
		case c.name < string(name):
			return -1
		case c.name > string(name):
			return 1
		}
		return 0
	})
	if !found {
		return nil
	}
	return n.children[i]
}

// length returns the size of a file in bytes.
func (n *treeNode) length() int64 {
	if n.mounted {
		return n.size
	}
	return int64(len(n.data))
}
