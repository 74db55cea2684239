package wasi

import (
	"fmt"
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
	data     []byte
	children []*treeNode // sorted by name
	index    map[string]*treeNode
}

// NewTree returns a Tree of files by path ("/usr/lib/python3.13/os.pyc"; the leading slash is
// optional). Directories are created as needed, and /dev has its devices. The Tree references the
// contents without copying them, so they must not change any more. Paths must be clean
// ([fs.ValidPath]), and none may lie at or under /tmp or /dev or under another file.
func NewTree(files map[string][]byte) (*Tree, error) {
	root := &treeNode{isDir: true}
	root.parent = root
	for _, path := range slices.Sorted(maps.Keys(files)) {
		if err := root.insert(strings.TrimPrefix(path, "/"), files[path]); err != nil {
			return nil, fmt.Errorf("wasi: tree: file %q: %w", path, err)
		}
	}
	if _, err := root.child(mountPoint, true); err != nil {
		return nil, err
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
	if !fs.ValidPath(path) || path == "." || strings.ContainsRune(path, 0) {
		return fmt.Errorf("not a clean path of UTF-8 without NUL")
	}
	for _, taken := range []string{mountPoint, deviceFolder} {
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

// descend returns the file at a path that does not exist yet. It creates directories as needed.
func (n *treeNode) descend(path string) (*treeNode, error) {
	names := strings.Split(path, "/")
	for i, name := range names {
		if len(name) > maxName {
			return nil, fmt.Errorf("a name has %d bytes, at most %d are possible", len(name), maxName)
		}
		last := i == len(names)-1
		if last && n.index[name] != nil {
			return nil, fmt.Errorf("exists twice, or is also a directory")
		}
		var err error
		if n, err = n.child(name, !last); err != nil {
			return nil, err
		}
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
	c := &treeNode{name: name, parent: n, isDir: isDir}
	if n.index == nil {
		n.index = map[string]*treeNode{}
	}
	n.index[name] = c
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

// isMount reports whether this is the directory over which /tmp lies.
func (n *treeNode) isMount() bool {
	return n.name == mountPoint && n.parent.parent == n.parent && n.parent != n
}
