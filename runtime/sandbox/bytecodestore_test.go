package sandbox

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"sync"
	"testing"

	"github.com/faaspot/faaspot/pyguest"
	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/sandbox/wasi"
)

// bytecodeStore keeps bytecode in memory.
type bytecodeStore struct {
	mu     sync.Mutex
	files  map[bundleKey][]byte
	stored int
	loaded int
	err    error // of all calls; nil: none
}

func (s *bytecodeStore) FindBytecode(tenant runtime.Tenant, id runtime.BundleID, build runtime.GuestBuild) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if build != pyguest.Build() {
		return 0, errDisk
	}
	return int64(len(s.files[bundleKey{tenant, id}])), s.err
}

func (s *bytecodeStore) ReadBytecode(_ context.Context, tenant runtime.Tenant, id runtime.BundleID, _ runtime.GuestBuild, w io.Writer) error {
	s.mu.Lock()
	content := s.files[bundleKey{tenant, id}]
	s.loaded++
	s.mu.Unlock()
	_, err := w.Write(content)
	return err
}

func (s *bytecodeStore) StoreBytecode(_ context.Context, tenant runtime.Tenant, id runtime.BundleID, _ runtime.GuestBuild, size int64, content io.Reader) error {
	data, err := io.ReadAll(content)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil || int64(len(data)) != size {
		return errDisk
	}
	if s.files == nil {
		s.files = make(map[bundleKey][]byte)
	}
	s.files[bundleKey{tenant, id}] = data
	s.stored++
	return nil
}

// compiledModules reports the modules of the bundle that were compiled by the deployment that made the
// image, and those that have bytecode.
const compiledModules = `
import os, importlib._bootstrap_external as machinery
compiled = []
original = machinery.SourceLoader.source_to_code
def counting(self, data, path, **more):
    compiled.append(path)
    return original(self, data, path, **more)
machinery.SourceLoader.source_to_code = counting
import pkg.one, two
def main(args, context):
    names = [os.path.join(folder, name) for folder, _, files in os.walk("/function") for name in files]
    return [compiled, sorted(n for n in names if "__pycache__" in n), pkg.one.value + two.value]
`

// TestBytecodeSurvivesARestart opens one server after another on the same stores: only the first one
// compiles a bundle, and a tenant does not get the bytecode of another.
func TestBytecodeSurvivesARestart(t *testing.T) {
	kept, zips := &bytecodeStore{}, &bundleStore{}
	files := map[string]string{"main.py": compiledModules, "pkg/one.py": "value = 1\n", "two.py": "value = 2\n", "three.py": ""}
	want := `[[],["/function/__pycache__/main.cpython-313.pyc","/function/__pycache__/two.cpython-313.pyc","/function/pkg/__pycache__/one.cpython-313.pyc"],3]`
	p := bundled(t, zips, files, runtime.Limits{})
	for start := range 3 {
		box := openBox(t, Options{Bundles: zips, Bytecode: kept, BundleDir: t.TempDir()})
		if start == 0 {
			if outcome, err := box.Deploy(context.Background(), p); err != nil || outcome.Failure != nil {
				t.Fatal(err, outcome.Failure)
			}
		}
		if got := result(t, box, p, "{}"); got != want {
			t.Errorf("start %d: got %s", start, got)
		}
		if kept.stored != 1 || kept.loaded != min(start, 1) {
			t.Errorf("start %d: stored %d times, loaded %d times", start, kept.stored, kept.loaded)
		}
		other := p
		other.Tenant, other.FunctionID = runtime.Tenant([]string{"x", "y", "z"}[start]), "other"
		zips.add(other.Tenant, zipped(t, files))
		if got := result(t, box, other, "{}"); got != want || len(kept.files) != start+2 {
			t.Errorf("start %d, another tenant: %s, stored %d", start, got, len(kept.files))
		}
		kept.stored, kept.loaded = 1, 0
		box.Forget(p.FunctionID, p.Version)
		box.Forget("other", p.Version)
		settle(box)
		if held := box.accounts.bundles.trees.Held() + box.accounts.bundles.contents.Held(); held != 0 || box.bundles.files.files != 0 || box.bundles.files.disk != 0 {
			t.Errorf("%d bytes, %d files, %d bytes of disk are left", held, box.bundles.files.files, box.bundles.files.disk)
		}
	}
}

// TestStoredBytecodeIsChecked changes what is stored, and lets the store fail: the bundle is compiled
// again, and nothing is kept of what is not valid.
func TestStoredBytecodeIsChecked(t *testing.T) {
	kept, zips := &bytecodeStore{}, &bundleStore{}
	box := openBox(t, Options{Bundles: zips, Bytecode: kept, BundleDir: t.TempDir()})
	p := deployedBundle(t, box, zips, map[string]string{"main.py": "import two\ndef main(args, context): return two.value\n", "two.py": "value = 2\n"})
	key := bundleKey{p.Tenant, p.Bundle.ID}
	good := kept.files[key]
	again := func() string {
		box.Forget(p.FunctionID, p.Version)
		settle(box)
		return result(t, box, p, "{}")
	}
	for _, bad := range [][]byte{
		good[:1], good[:5], good[:len(good)-1], append(bytes.Clone(good), 0),
		{0},
		{0, 1},
		{1},
		bytes.Repeat([]byte{255}, 100),
		bytes.Replace(good, []byte("two."), []byte("twq."), 1),
		bytes.Replace(good, []byte("__pycache__/two"), []byte("../__pycache_/t"), 1),
	} {
		kept.files[key], kept.stored = bad, 0
		if got := again(); got != "2" || kept.stored != 1 || !bytes.Equal(kept.files[key], good) {
			t.Errorf("%.40q: got %s, stored %d times", bad, got, kept.stored)
		}
	}
	kept.err = errDisk
	if got := again(); got != "2" {
		t.Errorf("a store that fails: got %s", got)
	}
	kept.err, kept.stored = nil, 0
	if got := again(); got != "2" || kept.stored != 0 {
		t.Errorf("got %s, stored %d times", got, kept.stored)
	}
	box.Forget(p.FunctionID, p.Version)
	settle(box)
	if held := box.accounts.bundles.trees.Held() + box.accounts.bundles.contents.Held(); held != 0 || box.bundles.files.files != 0 || box.bundles.files.disk != 0 {
		t.Errorf("%d bytes, %d files, %d bytes of disk are left", held, box.bundles.files.files, box.bundles.files.disk)
	}
}

// FuzzBytecodeIndex reads what may be stored as bytecode: no file lies outside of it, and each belongs
// to a module of its own.
func FuzzBytecodeIndex(f *testing.F) {
	sources := []wasi.MountEntry{{Path: "main.py"}, {Path: "a/b.py"}, {Path: "a", IsDir: true}, {Path: "c.txt"}, {Path: "d.py", IsDir: true}}
	good := bytecodeIndex([]wasi.MountEntry{{Path: "__pycache__/main.cpython-313.pyc", Size: 3}, {Path: "a/__pycache__/b.cpython-313.pyc", Size: 2}})
	f.Add(append(good, "abcde"...))
	twice := bytecodeIndex([]wasi.MountEntry{{Path: "__pycache__/main.cpython-313.pyc"}, {Path: "__pycache__/main.cpython-313.pyc"}})
	f.Add(twice)
	f.Add(binary.AppendUvarint(nil, 1<<63))
	f.Fuzz(func(t *testing.T, data []byte) {
		found, err := readBytecodeIndex(bytes.NewReader(data), int64(len(data)), sources)
		if err != nil {
			return
		}
		total, seen := int64(0), map[string]bool{}
		for _, e := range found {
			expected, _ := bytecodePaths(sources)
			if !expected[e.Path] || seen[e.Path] || e.Offset < 0 || e.Size < 0 || e.Offset+e.Size > int64(len(data)) {
				t.Errorf("%+v", e)
			}
			seen[e.Path] = true
			total += e.Size
		}
		if total > int64(len(data)) {
			t.Errorf("%d bytes of %d", total, len(data))
		}
	})
}
