package sandbox

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/faaspot/faaspot/runtime"
)

// bundleStore is a source of bundles in memory.
type bundleStore struct {
	mu    sync.Mutex
	zips  map[bundleKey][]byte
	reads int
	err   error // of the next reads; nil: none
}

func (s *bundleStore) ReadBundle(_ context.Context, tenant runtime.Tenant, id runtime.BundleID, w io.Writer) error {
	s.mu.Lock()
	s.reads++
	content, found := s.zips[bundleKey{tenant, id}]
	err := s.err
	s.mu.Unlock()
	switch {
	case err != nil:
		return err
	case !found:
		return runtime.Errorf(runtime.CodeNotFound, "no such bundle")
	}
	_, err = w.Write(content)
	return err
}

// add stores a bundle for a tenant.
func (s *bundleStore) add(tenant runtime.Tenant, content []byte) runtime.Bundle {
	id := runtime.BundleID(sha256.Sum256(content))
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.zips == nil {
		s.zips = make(map[bundleKey][]byte)
	}
	s.zips[bundleKey{tenant, id}] = content
	return runtime.Bundle{ID: id, Bytes: int64(len(content))}
}

// zipped returns a zip of files by path.
func zipped(t testing.TB, files map[string]string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, path := range slices.Sorted(maps.Keys(files)) {
		f, err := w.Create(path)
		if err == nil {
			_, err = io.WriteString(f, files[path])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// bundleBox opens a box that unpacks bundles in a folder of its own, and returns it with its source.
func bundleBox(t testing.TB, o Options) (*Sandbox, *bundleStore) {
	t.Helper()
	store := &bundleStore{}
	o.Bundles = store
	if o.BundleDir == "" {
		o.BundleDir = t.TempDir()
	}
	return openBox(t, o), store
}

// bundled returns a program with a bundle of these files.
func bundled(t testing.TB, store *bundleStore, files map[string]string, limits runtime.Limits) runtime.Program {
	t.Helper()
	p := program(files[runtime.BundleMain], limits)
	p.Bundle = store.add(p.Tenant, zipped(t, files))
	return p
}

// deployedBundle deploys a bundle of these files, which must succeed.
func deployedBundle(t testing.TB, box *Sandbox, store *bundleStore, files map[string]string) runtime.Program {
	t.Helper()
	p := bundled(t, store, files, runtime.Limits{})
	if outcome, err := box.Deploy(context.Background(), p); err != nil || outcome.Failure != nil {
		t.Fatalf("deploying: %v %+v", err, outcome.Failure)
	}
	return p
}

var errDisk = errors.New("the disk fails")

// TestBundle imports what bundles have, in the ways that programs do.
func TestBundle(t *testing.T) {
	box, store := bundleBox(t, Options{})
	p := deployedBundle(t, box, store, map[string]string{
		"main.py": `
import json, os, sys, pkgutil, importlib.resources, importlib.metadata, inspect, zipimport
import helper, space.inner
from pkg import deep
from pkg.deep import leaf
sys.path.append("/function/inside.zip")
import zipped_module
import main as itself
def main(args, context):
    return {
        "helper": helper.value, "deep": leaf.up(), "space": space.inner.value,
        "data": json.load(open(os.path.join(os.path.dirname(__file__), "data.json"))),
        "relative": open("data.json").read(), "resource": importlib.resources.files("pkg").joinpath("r.txt").read_text(),
        "version": importlib.metadata.version("thing"), "walk": [m.name for m in pkgutil.walk_packages(["/function"])],
        "source": inspect.getsource(leaf.up), "zip": zipped_module.value, "same": itself.main is main,
        "file": __file__, "name": __name__, "path": sys.path, "cwd": os.getcwd(), "argv": sys.argv, "list": sorted(os.listdir("/function")),
        "cached": os.path.basename(helper.__cached__), "prefix": sys.pycache_prefix, "tmp": os.listdir("/tmp"),
    }
`,
		"helper.py": "value = 1\n", "data.json": `[1,2]`, "space/inner.py": "value = 'namespace'\n",
		"pkg/__init__.py": "", "pkg/r.txt": "resource", "pkg/deep/__init__.py": "from . import leaf\n",
		"pkg/deep/leaf.py":                   "from ... import pkg\n"[:0] + "from .. import deep as itself\nfrom ..other import one\ndef up(): return one + len(itself.__name__)\n",
		"pkg/other.py":                       "one = 1\n",
		"thing-1.2.dist-info/METADATA":       "Metadata-Version: 2.1\nName: thing\nVersion: 1.2\n",
		"inside.zip":                         string(zipped(t, map[string]string{"zipped_module.py": "value = 'from a zip'\n"})),
		"__pycache__/helper.cpython-313.pyc": "not bytecode",
	})
	t.Log(result(t, box, p, "{}"))
}
