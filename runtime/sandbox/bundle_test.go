package sandbox

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

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

// testBundles is the source of bundles of the shared boxes.
var testBundles = &bundleStore{}

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
	eachBox(t, func(t *testing.T, box *Sandbox) {
		p := deployedBundle(t, box, testBundles, map[string]string{
			"main.py": `
import importlib, importlib.metadata, importlib.resources, inspect, json, os, pickle, pkgutil, runpy, sys
import helper, space.inner
from pkg import deep
from pkg.deep import leaf
sys.path.append("/function/inside.zip")
import zipped_module
import main as itself
open_at_deploy = open("data.json")
open_at_deploy.read(1)
class Point:
    pass
def main(args, context):
    with importlib.resources.as_file(importlib.resources.files("pkg") / "r.txt") as path:
        resource = path.read_text()
    return {
        "helper": helper.value, "deep": leaf.up(), "space": space.inner.value,
        "data": json.load(open(os.path.join(os.path.dirname(__file__), "data.json"))),
        "relative": open("data.json").read(), "resource": resource, "package data": pkgutil.get_data("pkg", "r.txt").decode(),
        "version": importlib.metadata.version("thing"), "entry points": [e.name for e in importlib.metadata.entry_points(group="things")],
        "walk": [m.name for m in pkgutil.walk_packages(["/function"])],
        "source": inspect.getsource(leaf.up), "own source": inspect.getsource(Point), "zip": zipped_module.value,
        "same": itself.main is main, "pickle": type(pickle.loads(pickle.dumps(Point()))) is Point,
        "path": runpy.run_path("helper.py")["value"], "module": runpy.run_module("pkg.deep.leaf")["one"], "reload": importlib.reload(helper).value,
        "file": __file__, "name": __name__, "sys.path": [sys.path[0], sys.path[-1], "/usr/lib/python3.13" in sys.path], "cwd": os.getcwd(), "argv": sys.argv,
        "list": sorted(os.listdir("/function")), "cached": os.path.basename(helper.__cached__), "prefix": sys.pycache_prefix,
        "tmp": os.listdir("/tmp"), "still open": open_at_deploy.read(), "spec": __spec__.name,
    }
`,
			"helper.py": "value = 1\n", "data.json": `[1,2]`, "space/inner.py": "value = 'namespace'\n",
			"pkg/__init__.py": "", "pkg/r.txt": "resource", "pkg/deep/__init__.py": "from . import leaf\n",
			"pkg/deep/leaf.py":                     "from .. import deep as itself\nfrom ..other import one\ndef up(): return one + len(itself.__name__)\n",
			"pkg/other.py":                         "one = 1\n",
			"thing-1.2.dist-info/METADATA":         "Metadata-Version: 2.1\nName: thing\nVersion: 1.2\n",
			"thing-1.2.dist-info/entry_points.txt": "[things]\nfirst = thing:f\n",
			"inside.zip":                           string(zipped(t, map[string]string{"zipped_module.py": "value = 'from a zip'\n"})),
			"__pycache__/helper.cpython-313.pyc":   "not bytecode",
		})
		var got, want map[string]any
		if err := json.Unmarshal([]byte(result(t, box, p, "{}")), &got); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(`{
			"helper": 1, "deep": 9, "space": "namespace", "data": [1, 2], "relative": "[1,2]", "resource": "resource", "package data": "resource",
			"version": "1.2", "entry points": ["first"], "walk": ["helper", "main", "pkg", "pkg.deep", "pkg.deep.leaf", "pkg.other"],
			"source": "def up(): return one + len(itself.__name__)\n", "own source": "class Point:\n    pass\n", "zip": "from a zip",
			"same": true, "pickle": true, "path": 1, "module": 1, "reload": 1,
			"file": "/function/main.py", "name": "main", "sys.path": ["/function", "/function/inside.zip", true],
			"cwd": "/function", "argv": ["/function/main.py"],
			"list": ["__pycache__", "data.json", "helper.py", "inside.zip", "main.py", "pkg", "space", "thing-1.2.dist-info"],
			"cached": "helper.cpython-313.pyc", "prefix": null, "tmp": [], "still open": "1,2]", "spec": "main"
		}`), &want); err != nil {
			t.Fatal(err)
		}
		for key := range want {
			if !reflect.DeepEqual(got[key], want[key]) {
				t.Errorf("%s: got %v, want %v", key, got[key], want[key])
			}
		}
		if len(got) != len(want) {
			t.Errorf("there are %d values, want %d", len(got), len(want))
		}
	})
}

// TestBundleFailures checks what deployments of bundles report, and the frames of tracebacks.
func TestBundleFailures(t *testing.T) {
	box, store := boxes["mapped"], testBundles
	const record = "fast/__init__.py,,\nfast/_core.cpython-313-x86_64-linux-gnu.so,sha256=x,1\nfast-1.0.dist-info/RECORD,,\n"
	for name, c := range map[string]struct {
		files  map[string]string
		want   []string // in the message
		frames []string // in the traceback
		lacks  string   // not in the message
	}{
		"missing module": {
			files: map[string]string{"main.py": "import none_such\n"},
			want:  []string{"there is no module none_such", "requirements.txt"},
		},
		"missing module of a module": {
			files:  map[string]string{"main.py": "\nimport helper\n", "helper.py": "import none_such\n"},
			want:   []string{"there is no module none_such"},
			frames: []string{`File "/function/main.py", line 2`, "import helper", `File "/function/helper.py", line 1`, "import none_such"},
		},
		"missing name": {
			files: map[string]string{"main.py": "from helper import vale\n", "helper.py": "value = 1\n"},
			want:  []string{"cannot import name 'vale' from 'helper' (/function/helper.py)"},
		},
		"circular": {
			files: map[string]string{"main.py": "import a\n", "a.py": "from b import x\n", "b.py": "from a import y\nx = 1\n"},
			want:  []string{"partially initialized module 'a'", "circular import"},
		},
		"main that imports itself": {
			files: map[string]string{"main.py": "from main import value\nvalue = 1\n"},
			want:  []string{"cannot import name 'value'"},
		},
		"relative import in main": {
			files: map[string]string{"main.py": "from . import helper\n", "helper.py": ""},
			want:  []string{"a relative import finds nothing", "without a dot"},
		},
		"syntax error of main": {
			files:  map[string]string{"main.py": "x = 1\ndef main(:\n"},
			want:   []string{"invalid syntax"},
			frames: []string{`File "/function/main.py", line 2`, "def main(:"},
		},
		"syntax error of a module": {
			files:  map[string]string{"main.py": "import helper\n", "helper.py": "x = 1\nx = = 2\n"},
			want:   []string{"invalid syntax"},
			frames: []string{`File "/function/main.py", line 1`, `File "/function/helper.py", line 2`, "x = = 2"},
		},
		"missing file": {
			files: map[string]string{"main.py": "open('data.json')\n"},
			want:  []string{"data.json does not exist", "below /function", "put the file into the folder"},
		},
		"written file": {
			files: map[string]string{"main.py": "open('data.json', 'w')\n"},
			want:  []string{"data.json cannot be written", "/tmp"},
		},
		"extension module left out": {
			files: map[string]string{"main.py": "import fast\n", "fast/__init__.py": "from fast._core import f\n", "fast-1.0.dist-info/RECORD": record},
			want:  []string{"the package fast needs native code", "pure Python"}, frames: []string{`File "/function/fast/__init__.py", line 1`},
		},
		"extension module by from": {
			files: map[string]string{"main.py": "from fast import _core\n", "fast/__init__.py": "", "fast-1.0.dist-info/RECORD": record},
			want:  []string{"the package fast needs native code"},
		},
		"extension module behind an error": {
			files: map[string]string{
				"main.py": "import fast\n", "fast-1.0.dist-info/RECORD": record,
				"fast/__init__.py": "try:\n    from . import _core\nexcept ImportError as e:\n    raise ImportError('please read this') from e\n",
			},
			want: []string{"the package fast needs native code"},
		},
		"folder of extension modules left out": {
			files: map[string]string{
				"main.py": "import fast\n", "fast/__init__.py": "from fast._core import f\n",
				"fast-1.0.dist-info/RECORD": "fast/__init__.py,,\nfast/_core/f.abi3.so,sha256=x,1\n",
			},
			want: []string{"the package fast needs native code"},
		},
		"extension module in the bundle": {
			files: map[string]string{"main.py": "import lxml.etree\n", "lxml/__init__.py": "", "lxml/etree.cpython-313-x86_64-linux-gnu.so": "\x7fELF"},
			want:  []string{"the package lxml needs native code", "xml.etree.ElementTree"},
		},
		"package that refuses the platform": {
			files: map[string]string{
				"main.py": "import fast\n", "fast-1.0.dist-info/RECORD": record,
				"fast/__init__.py": "import sys\nraise NotImplementedError('platform %s is not supported' % sys.platform)\n",
			},
			want: []string{"platform wasi is not supported: the package fast needs native code", "pure Python"},
		},
		"package in Python that refuses the platform": {
			files: map[string]string{"main.py": "import slow\n", "slow.py": "raise NotImplementedError('not on wasi')\n", "fast-1.0.dist-info/RECORD": record},
			want:  []string{"not on wasi"}, lacks: "native code",
		},
		"extension module of a dependency": {
			files: map[string]string{"main.py": "import fastapi\n", "fastapi.py": "import fast\n", "fast/__init__.py": "from fast import _core\n", "fast-1.0.dist-info/RECORD": record},
			want:  []string{"the package fast needs native code", "use starlette, or flask, instead of fastapi"},
		},
		"no main": {
			files: map[string]string{"main.py": "def handler(a, b): pass\n"},
			want:  []string{"no function main", "rename handler to main"},
		},
		"missing standard library": {
			files: map[string]string{"main.py": "import tkinter\n"},
			want:  []string{"tkinter is absent"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			outcome, err := box.Deploy(context.Background(), bundled(t, store, c.files, runtime.Limits{}))
			if err != nil || outcome.Failure == nil {
				t.Fatalf("it deploys: %v", err)
			}
			for _, text := range c.want {
				if !strings.Contains(outcome.Failure.Message, text) {
					t.Errorf("the message is %q, without %q", outcome.Failure.Message, text)
				}
			}
			if c.lacks != "" && strings.Contains(outcome.Failure.Message, c.lacks) {
				t.Errorf("the message is %q, with %q", outcome.Failure.Message, c.lacks)
			}
			for _, text := range c.frames {
				if !strings.Contains(outcome.Failure.Traceback, text) {
					t.Errorf("the traceback has no %q:\n%s", text, outcome.Failure.Traceback)
				}
			}
			if strings.Contains(outcome.Failure.Traceback, "importlib") || strings.Contains(outcome.Failure.Traceback, "_faas_boot") {
				t.Errorf("the traceback has frames of the system:\n%s", outcome.Failure.Traceback)
			}
		})
	}
}

// TestBundleTraceback fails in a module during a run: the frames of all files are shown with their
// lines, and types of main have no prefix.
func TestBundleTraceback(t *testing.T) {
	box, store := boxes["mapped"], testBundles
	p := deployedBundle(t, box, store, map[string]string{
		"main.py":         "from pkg.work import work\nclass Odd(Exception): pass\ndef main(args, context):\n    if args:\n        raise Odd('x')\n    return work(0)\n",
		"pkg/__init__.py": "", "pkg/work.py": "\n\ndef work(n):\n    return 1 / n\n",
	})
	f := run(t, box, p, "{}").Failure
	if f == nil || f.Type != "ZeroDivisionError" || f.Line != 6 {
		t.Fatalf("%+v", f)
	}
	for _, text := range []string{`File "/function/main.py", line 6, in main`, "return work(0)", `File "/function/pkg/work.py", line 4, in work`, "return 1 / n", "~~^~~"} {
		if !strings.Contains(f.Traceback, text) {
			t.Errorf("no %q in\n%s", text, f.Traceback)
		}
	}
	if f := run(t, box, p, `{"a":1}`).Failure; f == nil || f.Type != "Odd" || !strings.HasSuffix(f.Traceback, "\nOdd: x\n") {
		t.Errorf("%+v", f)
	}
}

// TestBundleReplacesModules has modules with names of the standard library, as Python on Linux
// imports them.
func TestBundleReplacesModules(t *testing.T) {
	box, store := boxes["mapped"], testBundles
	p := deployedBundle(t, box, store, map[string]string{
		"main.py":         "import sys\nkept = 'json' in sys.modules and 'csv' in sys.modules\nimport queue, secrets, xml, os, faas, json, csv\ndef main(args, context):\n    return [queue.mine, secrets.mine, xml.mine, os.sep, hasattr(faas, 'mine'), hasattr(sys, 'mine'), kept, json.loads('1'), bool(csv.reader)]\n",
		"queue.py":        "mine = 'queue'\n",
		"secrets.py":      "mine = 'secrets'\n",
		"xml/__init__.py": "mine = 'xml'\n",
		"os.py":           "mine = 1\n", "faas.py": "mine = 1\n", "sys.py": "mine = 1\n",
		"json.txt": "data", "csv/data.txt": "a folder of data",
	})
	if got := result(t, box, p, "{}"); got != `["queue","secrets","xml","/",false,false,true,1,true]` {
		t.Error(got)
	}
	if got := result(t, boxes["mapped"], deployed(t, boxes["mapped"], "import queue\ndef main(a, c): return hasattr(queue, 'mine')\n", runtime.Limits{}), "{}"); got != "false" {
		t.Error("another function sees the module")
	}
}

// TestSingleFileHasNoBundle compares what a function without a bundle sees with what it always saw,
// after bundles ran in the same box.
func TestSingleFileHasNoBundle(t *testing.T) {
	box, store := boxes["mapped"], testBundles
	deployedBundle(t, box, store, map[string]string{"main.py": "import helper\ndef main(a, c): pass\n", "helper.py": ""})
	p := deployed(t, box, `
import os, sys
def main(args, context):
    return [os.listdir("/"), os.path.exists("/function"), "/function" in sys.path, os.getcwd(), __name__, __file__, "main" in sys.modules, sys.pycache_prefix, os.listdir("/tmp")]
`, runtime.Limits{})
	want := `[["dev","etc","tmp","usr"],false,false,"/","function","/function/f.py",false,null,[]]`
	if got := result(t, box, p, "{}"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	f := run(t, box, deployed(t, box, "def main(a, c):\n    import none_such\n", runtime.Limits{}), "{}").Failure
	if f == nil || !strings.Contains(f.Message, "a function is one file") {
		t.Errorf("%+v", f)
	}
}

// TestBundleIsUnpackedOnce deploys several versions of a bundle at once, forgets their images, and runs
// them again.
func TestBundleIsUnpackedOnce(t *testing.T) {
	box, store := bundleBox(t, Options{})
	p := bundled(t, store, map[string]string{"main.py": "import helper\ndef main(args, context): return helper.value\n", "helper.py": "value = 1\n"}, runtime.Limits{})
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			p := p
			p.Version = uint64(i + 1)
			if outcome, err := box.Deploy(context.Background(), p); err != nil || outcome.Failure != nil {
				t.Errorf("%v %+v", err, outcome.Failure)
			}
		})
	}
	wg.Wait()
	if store.reads != 1 {
		t.Errorf("the bundle was read %d times", store.reads)
	}
	// An image that was dropped for memory is built from the unpacked bundle.
	box.images.drop(keyOf(p)).release()
	if got := result(t, box, p, "{}"); got != "1" || store.reads != 1 {
		t.Errorf("%s, read %d times", got, store.reads)
	}
	// The same bundle of another tenant is another one.
	other := p
	other.Tenant, other.FunctionID = "other", "other"
	if _, err := box.Deploy(context.Background(), other); runtime.CodeOf(err) != runtime.CodeNotFound {
		t.Errorf("another tenant has the bundle: %v", err)
	}
	if n := len(box.bundles.byKey); n != 1 {
		t.Errorf("%d bundles are unpacked", n)
	}
	for i := range 4 {
		box.Forget(p.FunctionID, uint64(i+1))
	}
	settle(box)
	if n := len(box.bundles.byKey); n != 0 {
		t.Errorf("%d bundles are left", n)
	}
	if held := box.accounts.bundles.trees.Held() + box.accounts.bundles.contents.Held(); held != 0 || box.bundles.files.files != 0 || box.bundles.files.disk != 0 {
		t.Errorf("%d bytes, %d files, %d bytes of disk are left", held, box.bundles.files.files, box.bundles.files.disk)
	}
	if got := result(t, box, p, "{}"); got != "1" || store.reads != 3 {
		t.Errorf("after it was forgotten: %s, read %d times", got, store.reads)
	}
}

// TestBytecodeIsCompiledOnce checks that the image of a bundle is made of bytecode, that later
// deployments find it, and that only modules of the bundle are kept.
func TestBytecodeIsCompiledOnce(t *testing.T) {
	box, store := boxes["mapped"], testBundles
	source := `
import os, sys, importlib._bootstrap_external as machinery
compiled = []
original = machinery.SourceLoader.source_to_code
def counting(self, data, path, **more):
    compiled.append(path)
    return original(self, data, path, **more)
machinery.SourceLoader.source_to_code = counting
import pkg.one, pkg.two
os.makedirs("/tmp/.faaspot-bytecode/function/pkg", exist_ok=True)
open("/tmp/.faaspot-bytecode/function/pkg/none.cpython-313.pyc", "w").write("no source")
open("/tmp/.faaspot-bytecode/function/pkg/one.pyc", "w").write("no bytecode")
open("/tmp/made.py", "w").write("")
sys.path.append("/tmp")
import made
def main(args, context):
    names = [os.path.join(folder, name) for folder, _, files in os.walk("/function") for name in files]
    return {"compiled": compiled, "files": sorted(n[len("/function/"):] for n in names if "__pycache__" in n), "value": pkg.one.value}
`
	p := deployedBundle(t, box, store, map[string]string{"main.py": source, "pkg/one.py": "value = 1\n", "pkg/two.py": "", "pkg/three.py": ""})
	want := `{"compiled":["/tmp/made.py"],"files":["__pycache__/main.cpython-313.pyc","pkg/__pycache__/one.cpython-313.pyc","pkg/__pycache__/two.cpython-313.pyc"],"value":1}`
	for version := range uint64(2) {
		p.Version += version
		if version > 0 {
			if outcome, err := box.Deploy(context.Background(), p); err != nil || outcome.Failure != nil {
				t.Fatal(err, outcome.Failure)
			}
		}
		if got := result(t, box, p, "{}"); got != want {
			t.Errorf("version %d: got %s", p.Version, got)
		}
	}
}

// TestBundleWithoutBytecode deploys where the bytecode has no place: /tmp is full.
func TestBundleWithoutBytecode(t *testing.T) {
	box, store := boxes["mapped"], testBundles
	p := bundled(t, store, map[string]string{"main.py": "import helper, os\ndef main(args, context): return [helper.value, os.listdir('/tmp')]\n", "helper.py": "value = 1\n"}, runtime.Limits{Tmp: 1})
	if outcome, err := box.Deploy(context.Background(), p); err != nil || outcome.Failure != nil {
		t.Fatal(err, outcome.Failure)
	}
	if got := result(t, box, p, "{}"); got != "[1,[]]" {
		t.Error(got)
	}
}

// TestBundleErrors makes the source and the places of bundles fail.
func TestBundleErrors(t *testing.T) {
	box, store := bundleBox(t, Options{})
	files := map[string]string{"main.py": "def main(args, context): return 1\n"}
	deploy := func(p runtime.Program) error {
		t.Helper()
		outcome, err := box.Deploy(context.Background(), p)
		if outcome.Failure != nil {
			t.Fatalf("the function is blamed: %+v", outcome.Failure)
		}
		return err
	}
	p := bundled(t, store, files, runtime.Limits{})
	store.err = errDisk
	if err := deploy(p); runtime.CodeOf(err) != runtime.CodeInternal || !errors.Is(err, errDisk) {
		t.Errorf("the source fails: %v", err)
	}
	store.err = nil
	if err := deploy(p); err != nil {
		t.Errorf("the source works again: %v", err)
	}
	short := bundled(t, store, files, runtime.Limits{})
	for _, by := range []int64{-1, 1} {
		wrong := short
		wrong.Tenant = "w"
		wrong.Bundle = store.add("w", zipped(t, files))
		wrong.Bundle.Bytes += by
		if err := deploy(wrong); err == nil {
			t.Errorf("a bundle of %d bytes more than its record deploys", -by)
		}
	}
	noZip := program("", runtime.Limits{})
	noZip.Bundle = store.add(noZip.Tenant, []byte("this is no zip"))
	if err := deploy(noZip); runtime.CodeOf(err) != runtime.CodeInvalidArgument {
		t.Errorf("no zip: %v", err)
	}
	if n := len(box.bundles.byKey); n != 1 {
		t.Errorf("%d bundles are in the cache", n)
	}
	if box.bundles.files.files != 2 {
		t.Errorf("%d files are open", box.bundles.files.files)
	}
	// If the disk fails they are in memory, which is taken from the budget.
	box.bundles.files.store.(*Folder).dir = filepath.Join(t.TempDir(), "gone")
	inMemory := bundled(t, store, map[string]string{"main.py": "def main(args, context): return open('/function/data').read(3)\n", "data": strings.Repeat("abc", runtime.MiB)}, runtime.Limits{})
	if err := deploy(inMemory); err != nil {
		t.Fatal(err)
	}
	if held := box.accounts.bundles.contents.Held(); held < 3*runtime.MiB || held > 4*runtime.MiB {
		t.Errorf("%d bytes are taken", held)
	}
	if got := result(t, box, inMemory, "{}"); got != `"abc"` {
		t.Error(got)
	}
	// Unless a run uses it, its memory goes to others.
	img := box.images.get(keyOf(inMemory))
	if freed := box.bundles.reclaim(1); freed != 0 {
		t.Errorf("%d bytes of a bundle in use are freed", freed)
	}
	img.release()
	if freed := box.bundles.reclaim(1 << 40); freed < 3*runtime.MiB || box.accounts.bundles.contents.Held() != 0 {
		t.Errorf("%d bytes are freed, %d are held", freed, box.accounts.bundles.contents.Held())
	}
	if got := result(t, box, inMemory, "{}"); got != `"abc"` {
		t.Errorf("after it was dropped: %s", got)
	}
	// Neither disk nor memory.
	box.Forget(inMemory.FunctionID, inMemory.Version)
	all := box.accounts.closing.Free()
	box.accounts.closing.Add(all)
	defer box.accounts.closing.Give(all)
	if err := deploy(bundled(t, store, map[string]string{"main.py": "", "data": strings.Repeat("abcd", runtime.MiB)}, runtime.Limits{})); runtime.CodeOf(err) != runtime.CodeTooBusy {
		t.Errorf("without a place: %v", err)
	}
}

// TestBundleDiskFails lets the disk fail between runs and during them.
func TestBundleDiskFails(t *testing.T) {
	box, store := bundleBox(t, Options{})
	p := deployedBundle(t, box, store, map[string]string{"main.py": `
def main(args, context):
    try:
        return open("/function/data").read()
    except OSError as e:
        return [e.errno, e.strerror]
`, "data": "abc"})
	if got := result(t, box, p, "{}"); got != `"abc"` {
		t.Fatal(got)
	}
	f := box.bundles.byKey[bundleKey{p.Tenant, p.Bundle.ID}]
	if !f.contents[0].disk {
		t.Skip("the folder of the test is in memory")
	}
	if err := f.contents[0].file.Truncate(0); err != nil {
		t.Fatal(err)
	}
	if got := result(t, box, p, "{}"); got != `[5,"Input/output error"]` {
		t.Errorf("got %s", got)
	}
}

// TestBundlesOnDiskAreBounded deploys more than the disk may hold: bundles that are not used give way.
func TestBundlesOnDiskAreBounded(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, imagePrefix+"left"), []byte("by an earlier process"), 0o600); err != nil {
		t.Fatal(err)
	}
	box, store := bundleBox(t, Options{BundleDir: dir, BundleDisk: 5 * runtime.MiB})
	if names, err := os.ReadDir(dir); err != nil || len(names) != 0 {
		t.Errorf("at the start there are %v, %v", names, err)
	}
	var programs []runtime.Program
	for i := range 4 {
		p := deployedBundle(t, box, store, map[string]string{
			"main.py": "def main(args, context): return open('/function/data').read(1)\n", "data": strings.Repeat(fmt.Sprint(i), 2*runtime.MiB),
		})
		programs = append(programs, p)
		if box.bundles.files.disk > 5*runtime.MiB {
			t.Errorf("%d bytes are on disk", box.bundles.files.disk)
		}
		if held := box.accounts.bundles.contents.Held(); held > 0 {
			t.Errorf("%d bytes are in memory, although there are bundles on disk that no run uses", held)
		}
	}
	if n := len(box.bundles.byKey); n > 2 || n == 0 {
		t.Errorf("%d bundles are unpacked", n)
	}
	// Runs find their own bundle, although others take its room meanwhile.
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for i, p := range programs {
				outcome, err := box.Run(context.Background(), runtime.RunCall{Program: p, Args: noContext, Context: noContext})
				if err != nil || string(outcome.Result) != fmt.Sprintf(`"%d"`, i) {
					t.Errorf("bundle %d: %v, %q %+v", i, err, outcome.Result, outcome.Failure)
				}
			}
		})
	}
	wg.Wait()
}

// TestLargeBundlesGiveWayFirst deploys more than the disk may hold for one tenant: the image and the
// bundle of another tenant stay, although they were used before.
func TestLargeBundlesGiveWayFirst(t *testing.T) {
	box, store := bundleBox(t, Options{BundleDisk: 5 * runtime.MiB})
	small := deployedBundle(t, box, store, map[string]string{"main.py": "def main(args, context): return 1\n"})
	for i := range 4 {
		p := program("", runtime.Limits{})
		p.Tenant = "large"
		p.Bundle = store.add(p.Tenant, zipped(t, map[string]string{
			"main.py": "def main(args, context): return 1\n", "data": strings.Repeat(fmt.Sprint(i), 2*runtime.MiB),
		}))
		if outcome, err := box.Deploy(context.Background(), p); err != nil || outcome.Failure != nil {
			t.Fatalf("%v %+v", err, outcome.Failure)
		}
	}
	img := box.images.get(keyOf(small))
	if img == nil {
		t.Fatal("the image of the other tenant is gone")
	}
	img.release()
	if n := len(box.bundles.byKey); n > 3 {
		t.Errorf("%d bundles are unpacked", n)
	}
}

// TestManyBundlesGiveWayAtOnce deploys a bundle that needs the room of many: they are chosen in one look
// at the images, not in one for each.
func TestManyBundlesGiveWayAtOnce(t *testing.T) {
	box, store := bundleBox(t, Options{BundleDisk: 5 * runtime.MiB})
	deploy := func(size int) {
		deployedBundle(t, box, store, map[string]string{
			"main.py": "def main(args, context): return 1\n", "data": strings.Repeat("x", size),
		})
	}
	for i := range 12 {
		deploy(400*runtime.KiB + i)
	}
	looks, images := 0, box.bundles.images
	box.bundles.images = func() map[*bundleFiles][]cachedImage {
		looks++
		return images()
	}
	deploy(9 * runtime.MiB / 2)
	// The zip, its contents and their bytecode need room.
	if n := len(box.bundles.byKey); n > 2 || looks == 0 || looks > 3 {
		t.Errorf("%d bundles are unpacked, after %d looks", n, looks)
	}
}

// TestBundlesThatGiveWay chooses among the bundles of several tenants.
func TestBundlesThatGiveWay(t *testing.T) {
	b := &bundles{}
	images := make(map[*bundleFiles][]cachedImage)
	names := make(map[*bundleFiles]string)
	add := func(name string, size, holders, idle int) {
		f := &bundleFiles{key: bundleKey{tenant: runtime.Tenant(name[:1])}, holders: holders, contents: []content{{size: size, disk: true}}}
		f.element = b.order.PushFront(f)
		names[f] = name
		if idle > 0 {
			images[f] = make([]cachedImage, idle)
		}
	}
	add("a1", 10, 1, 1)
	add("b1", 30, 1, 1)
	add("b2", 30, 2, 1) // a run uses it
	add("b3", 30, 2, 2)
	add("c1", 100, 1, 0) // a run uses it
	add("a2", 10, 1, 1)
	add("a3", 25, 1, 1)
	for _, want := range []struct {
		bytes int64
		files int
		names string
	}{
		{0, 0, ""}, {1, 0, "b1"}, {30, 1, "b1"}, {31, 0, "b1 b3"}, {61, 0, "b1 b3 a1"}, {0, 4, "b1 b3 a1 a2"}, {1000, 0, "b1 b3 a1 a2 a3"},
	} {
		var got []string
		for _, f := range b.choose(true, want.bytes, want.files, images) {
			got = append(got, names[f])
		}
		if strings.Join(got, " ") != want.names {
			t.Errorf("%d bytes, %d files: %v give way, want %s", want.bytes, want.files, got, want.names)
		}
	}
	if got := b.choose(false, 1, 1, images); len(got) > 0 {
		t.Errorf("%v give way to a bundle in memory", got)
	}
}

// TestBundleIsUnpackedInTime ends deployments while the bundle is read.
func TestBundleIsUnpackedInTime(t *testing.T) {
	box, store := bundleBox(t, Options{})
	p := bundled(t, store, map[string]string{"main.py": "def main(args, context): return 1\n"}, runtime.Limits{})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	outcome, err := box.Deploy(ctx, p)
	if err != nil || outcome.Failure == nil || outcome.Failure.Class != runtime.ClassCancelled {
		t.Errorf("%v %+v", err, outcome.Failure)
	}
	if len(box.bundles.byKey) != 0 {
		t.Error("a part of a bundle is left")
	}
	// One that waits for another's unpacking does it itself if that ends.
	blocked := make(chan struct{})
	if !box.bundles.unpacking.Take(context.Background(), p.Tenant) {
		t.Fatal("no turn")
	}
	ctx, cancel = context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		close(blocked)
		box.Deploy(ctx, p)
	})
	<-blocked
	wg.Go(func() {
		if outcome, err := box.Deploy(context.Background(), p); err != nil || outcome.Failure != nil {
			t.Errorf("%v %+v", err, outcome.Failure)
		}
	})
	cancel()
	box.bundles.unpacking.Give(p.Tenant)
	wg.Wait()
	if got := result(t, box, p, "{}"); got != "1" {
		t.Error(got)
	}
}

// TestBundlesOfOthersAreUnpackedMeanwhile holds up the unpacking of one tenant's bundles: those of
// others are deployed.
func TestBundlesOfOthersAreUnpackedMeanwhile(t *testing.T) {
	box, store := bundleBox(t, Options{})
	files := map[string]string{"main.py": "def main(args, context): return 1\n"}
	p := bundled(t, store, files, runtime.Limits{})
	if !box.bundles.unpacking.Take(context.Background(), p.Tenant) { // it is unpacking a large one
		t.Fatal("no turn")
	}
	var wg sync.WaitGroup
	for n := range 5 { // and has many more
		p := bundled(t, store, map[string]string{"main.py": files["main.py"], "n.txt": fmt.Sprint(n)}, runtime.Limits{})
		wg.Go(func() {
			if outcome, err := box.Deploy(context.Background(), p); err != nil || outcome.Failure != nil {
				t.Errorf("%v %+v", err, outcome.Failure)
			}
		})
	}
	for _, tenant := range []runtime.Tenant{"x", "y", "x"} {
		other := bundled(t, store, map[string]string{"main.py": files["main.py"], "n.txt": string(tenant)}, runtime.Limits{})
		other.Tenant, other.Bundle = tenant, store.add(tenant, store.zips[bundleKey{other.Tenant, other.Bundle.ID}])
		if outcome, err := box.Deploy(context.Background(), other); err != nil || outcome.Failure != nil {
			t.Errorf("%v %+v", err, outcome.Failure)
		}
	}
	box.bundles.unpacking.Give(p.Tenant)
	wg.Wait()
}

// TestBundleDeployHasItsOwnTime deploys a bundle whose runs have less time than its imports take.
func TestBundleDeployHasItsOwnTime(t *testing.T) {
	box, store := boxes["mapped"], testBundles
	p := bundled(t, store, map[string]string{"main.py": "import time\ntime.sleep(0.3)\nprint('loaded')\ndef main(args, context): return 1\n"}, runtime.Limits{Timeout: 100 * time.Millisecond})
	outcome, err := box.Deploy(context.Background(), p)
	if err != nil || outcome.Failure != nil {
		t.Fatalf("%v %+v", err, outcome.Failure)
	}
	if output := string(outcome.Logs.Data); strings.Count(output, "loaded") != 1 {
		t.Errorf("the deployment, which is made twice, has the log %q", output)
	}
}

// TestRunsWaitForTheirBundle runs functions whose images are gone, as after a restart, and whose imports
// take longer than their runs may.
func TestRunsWaitForTheirBundle(t *testing.T) {
	box, store := boxes["mapped"], testBundles
	p := bundled(t, store, map[string]string{
		"main.py": "import time\ntime.sleep(0.6)\ndef main(args, context):\n    return time.sleep(args['s'])\n",
	}, runtime.Limits{Timeout: 500 * time.Millisecond})
	files, err := box.bundles.acquire(context.Background(), p) // it stays compiled, which takes less time
	if err != nil {
		t.Fatal(err)
	}
	defer files.release()
	for _, kept := range []bool{true, false} {
		forget := func() {
			box.Forget(p.FunctionID, p.Version)
			if !kept {
				box.images.noteUnkept(keyOf(p), math.MaxInt64, time.Now().Add(time.Hour))
			}
		}
		forget()
		if got := result(t, box, p, `{"s": 0}`); got != "null" {
			t.Errorf("image kept: %v: got %s", kept, got)
		}
		forget()
		outcome, err := box.Run(context.Background(), runtime.RunCall{Program: p, Args: []byte(`{"s": 30}`), Context: noContext})
		if err != nil || outcome.Failure == nil || outcome.Failure.Class != runtime.ClassTimeout || !strings.Contains(outcome.Failure.Message, " 0.5 seconds") {
			t.Errorf("image kept: %v: a run that takes too long ended with %v, %+v", kept, err, outcome.Failure)
		}
	}
	box.Forget(p.FunctionID, p.Version)
}

// TestDiskFailsWhileUnpacking writes to a file that fails: the error is not one of the bundle.
func TestDiskFailsWhileUnpacking(t *testing.T) {
	box, _ := bundleBox(t, Options{})
	write := func(w io.Writer) error {
		_, err := io.WriteString(w, "0123456789")
		return err
	}
	for name, c := range map[string]struct {
		broken bool
		size   int
		write  func(io.Writer) error
	}{
		"the disk fails":        {true, 10, write},
		"the content is longer": {false, 9, write},
		"it is shorter":         {false, 11, write},
		"the source fails":      {false, 10, func(io.Writer) error { return errDisk }},
	} {
		file, err := box.bundles.files.onDisk(c.size)
		if err != nil {
			t.Skip(err)
		}
		if c.broken {
			file.stored.Close()
		}
		if _, failed, err := box.bundles.fillFile(file, c.write); err == nil || failed != c.broken {
			t.Errorf("%s: failed is %v, %v", name, failed, err)
		}
	}
	if n := box.bundles.files.files; n != 0 {
		t.Errorf("%d files are left", n)
	}
}
