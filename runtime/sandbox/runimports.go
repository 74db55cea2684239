package sandbox

import (
	"bytes"
	"io"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/sandbox/wasi"
)

const (
	// learningRuns is the number of runs of an image that report the modules that they import.
	learningRuns = 3
	// writtenImports is the file in /tmp to which such a run writes the names, one a line;
	// _faas_boot/program.py has the same name.
	writtenImports = ".faaspot-imports"
	// maxImports and maxImportBytes bound the names that are kept of an image.
	maxImports     = 200
	maxImportBytes = 8 * runtime.KiB
	// runImportsCost is the largest number of bytes on Go's heap that the names take.
	runImportsCost = maxImportBytes + 2*maxImports*16 + runtime.KiB
)

// runImports holds the names of the modules that the first runs of an image have imported, which their
// later runs import again. Only images of bundles have one: it is about packages that import lazily.
type runImports struct {
	left atomic.Int32 // runs that may still report

	mu    sync.Mutex
	names []string // in the order in which they were imported
	bytes int      // of the names
}

func newRunImports() *runImports {
	r := &runImports{}
	r.left.Store(learningRuns)
	return r
}

// begin reports whether a run that begins now is to report its imports.
func (r *runImports) begin() bool {
	return r != nil && r.left.Load() > 0 && r.left.Add(-1) >= 0
}

// add adds the names that a run has left in /tmp. It believes nothing: any code can write the file.
func (r *runImports) add(left *wasi.State) {
	if left == nil {
		return
	}
	for _, file := range left.Files(writtenImports) {
		if file.Size() > maxImportBytes {
			return
		}
		text, err := io.ReadAll(file)
		if err != nil {
			return
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		for line := range bytes.SplitSeq(text, []byte("\n")) {
			if len(r.names) == maxImports || r.bytes+len(line) > maxImportBytes {
				return
			}
			if name := string(line); isModule(name) && !slices.Contains(r.names, name) {
				r.names = append(r.names, name)
				r.bytes += len(name)
			}
		}
		return
	}
}

// list returns the names.
func (r *runImports) list() []string {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.names)
}

// isModule reports whether a text can be the name of a module: names of ASCII letters, digits and
// underscores, separated by dots.
func isModule(name string) bool {
	empty := true // the part that ends here
	for i := range len(name) {
		switch c := name[i]; {
		case c == '.' && !empty:
			empty = true
		case c == '_', 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9' && !empty:
			empty = false
		default:
			return false
		}
	}
	return !empty
}

// learning returns the context that the guest receives in a run that reports its imports.
func learning(c runtime.RunCall) []byte {
	env := c.Env
	if env == nil {
		env = noVariables
	}
	return slices.Concat([]byte("["), c.Context, []byte(","), env, []byte(",1]"))
}

// noVariables is an empty environment.
var noVariables = []byte("{}")

// RunImports implements [runtime.Sandbox].
func (s *Sandbox) RunImports(functionID string, version uint64) []string {
	return s.images.runImports(imageKey{functionID, version}).list()
}

// runImports returns the imports of the runs of an image, nil if there are none or no image. It does not
// count as a use of the image.
func (c *images) runImports(key imageKey) *runImports {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.byKey[key]
	if e == nil {
		return nil
	}
	return e.Value.(*cachedImage).image.imports
}
