package bundle

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/faaspot/faaspot/runtime"
)

// Bounds of the names in a bundle.
const (
	maxName  = 255             // bytes of a name between two slashes
	maxPath  = 1024            // bytes of a path
	maxDepth = 32              // names in a path
	maxPaths = 4 * runtime.MiB // bytes of all paths
	maxQuote = 100             // bytes of a path that a message shows
)

// Bounds of what a bundle unpacks to.
const (
	maxRatio  = 200              // times the length of the zip
	freeRatio = 16 * runtime.MiB // bytes to which a bundle may unpack whatever its length
)

// quote returns a name for a message, shortened to its end.
func quote(name string) string {
	if len(name) > maxQuote {
		return fmt.Sprintf("...%q", name[len(name)-maxQuote:])
	}
	return fmt.Sprintf("%q", name)
}

// checkPath returns what is wrong with the path of an entry, which has no slash at its end; empty if
// it is valid.
func checkPath(path string) (reason string) {
	switch {
	case path == "":
		return "has no name"
	case len(path) > maxPath:
		return fmt.Sprintf("has a path of more than %d bytes", maxPath)
	case !utf8.ValidString(path):
		return "has a name that is not UTF-8"
	case path[0] == '/':
		return "has an absolute path"
	case strings.ContainsRune(path, '\\'):
		return "has a backslash in its path, where a zip has slashes"
	case len(path) > 1 && path[1] == ':' && isLetter(path[0]):
		return "begins with the letter of a drive"
	case strings.IndexFunc(path, invisible) >= 0:
		return "has a control character in its name"
	}
	depth := 0
	for name := range strings.SplitSeq(path, "/") {
		if depth++; depth > maxDepth {
			return fmt.Sprintf("is more than %d folders deep", maxDepth)
		}
		switch {
		case name == "":
			return "has an empty name in its path"
		case name == "." || name == "..":
			return "has " + name + " in its path"
		case len(name) > maxName:
			return fmt.Sprintf("has a name of more than %d bytes in its path", maxName)
		case name[len(name)-1] == '.' || name[len(name)-1] == ' ':
			return "has a name that ends with a dot or a space in its path"
		}
	}
	return ""
}

// isLetter reports whether c is an ASCII letter.
func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// invisible reports whether a character has an effect on a line of text other than being part of it:
// a control character, a separator of lines, or one that reorders the text around it.
func invisible(r rune) bool {
	return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || unicode.Is(unicode.Bidi_Control, r)
}

// foldPath returns the form that two paths have in common if they differ only in case or in Unicode
// normalisation (the canonical caseless match of Unicode 3.13, without foldings to several runes).
func foldPath(path string) string {
	for i := range len(path) {
		if path[i] >= utf8.RuneSelf {
			return norm.NFD.String(strings.Map(foldRune, norm.NFD.String(path)))
		}
	}
	return strings.ToUpper(path)
}

// foldRune returns the least rune that differs from r only in case.
func foldRune(r rune) rune {
	least := r
	for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
		least = min(least, other)
	}
	return least
}

// tree collects the files and folders of a bundle.
type tree struct {
	nodes []node
	index map[string]int // by the path as foldPath returns it
	paths int            // bytes of all paths
	bytes int64          // announced sizes of all files
}

func newTree() *tree { return &tree{index: make(map[string]int)} }

// find returns the index of the node with a path, -1 if there is none.
func (t *tree) find(path string) int {
	if i, ok := t.index[foldPath(path)]; ok && t.nodes[i].Path == path {
		return i
	}
	return -1
}

// add adds an entry of the zip, and the folders above it.
func (t *tree) add(n node) error {
	if reason := checkPath(n.Path); reason != "" {
		return refuse(n.Path, "%s", reason).WithHint(hintRename)
	}
	t.bytes += n.Size
	if t.bytes > runtime.MaxBundleUnpacked {
		return tooLarge("the files of the bundle have more than %d MiB together", runtime.MaxBundleUnpacked/runtime.MiB)
	}
	n.listed = true
	return t.insert(n, n.Path, foldPath(n.Path))
}

// insert adds a node that is or contains the entry called name. The cost is that of one look-up,
// and one more for each folder that is new.
func (t *tree) insert(n node, name, key string) error {
	if i, ok := t.index[key]; ok {
		old := &t.nodes[i]
		switch {
		case old.Path != n.Path:
			return refuse(name, "and the entry %s differ only in case or in the form of their characters", quote(old.Path)).WithHint(hintRename)
		case old.IsDir != n.IsDir:
			return refuse(name, "needs %s to be a folder, and another entry needs it to be a file", quote(n.Path)).WithHint(hintRename)
		case n.listed && old.listed:
			return refuse(name, "is there twice")
		}
		if n.listed {
			*old = n
		}
		return nil
	}
	if len(t.nodes) == runtime.MaxBundleFiles {
		return tooLarge("the bundle has more than %d files and folders", runtime.MaxBundleFiles)
	}
	if t.paths += len(n.Path); t.paths > maxPaths {
		return tooLarge("the paths in the bundle have more than %d MiB together", maxPaths/runtime.MiB)
	}
	t.index[key] = len(t.nodes)
	t.nodes = append(t.nodes, n)
	slash := strings.LastIndexByte(n.Path, '/')
	if slash < 0 {
		return nil
	}
	// Folding neither adds nor removes a slash.
	folder := node{File: File{Path: n.Path[:slash], IsDir: true}}
	return t.insert(folder, name, key[:strings.LastIndexByte(key, '/')])
}
