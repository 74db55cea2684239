package storage

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/disk"
)

// allUnsynced is what a process leaves that was killed: the system still writes everything.
func allUnsynced() vfs.CrashCloneCfg {
	return vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(1, 1))}
}

// readAll returns the content of a file, and replace sets it.
func readAll(t *testing.T, fs vfs.FS, name string) []byte {
	t.Helper()
	f, err := fs.Open(name)
	must(t, err)
	content, err := io.ReadAll(f)
	must(t, err)
	must(t, f.Close())
	return content
}

func replace(t *testing.T, fs vfs.FS, name string, content []byte) {
	t.Helper()
	f, err := fs.Create(name, vfs.WriteCategoryUnspecified)
	must(t, err)
	_, err = f.Write(bytes.Clone(content))
	must(t, err)
	must(t, f.Close())
}

// killedStore returns the files that a killed process leaves, with a manifest of several entries, and the
// ids of the executions that it has acknowledged.
func killedStore(t *testing.T) (killed *vfs.MemFS, ids []string) {
	t.Helper()
	mem := vfs.NewCrashableMem()
	s, c := openOn(t, mem, "store"), newClerk()
	for range 3 {
		x := c.done()
		must(t, s.Record([]runtime.Execution{x}))
		must(t, s.health.Flush(s.db.DB))
		ids = append(ids, x.ID)
	}
	// The logs of what is in tables are gone. The last execution is in the log.
	x := c.done()
	must(t, s.Record([]runtime.Execution{x}))
	must(t, s.PutTenant(runtime.TenantRecord{Name: "t"}, nil)) // syncs the log
	return crashClone(mem, allUnsynced()), append(ids, x.ID)
}

// copyOf returns a copy of the files of a store.
func copyOf(t *testing.T, from vfs.FS) vfs.FS {
	t.Helper()
	fs := vfs.NewMem()
	must(t, fs.MkdirAll("store", 0o700))
	_, err := vfs.Clone(from, fs, "store", "store")
	must(t, err)
	return fs
}

// opensWhole opens a store and checks that it has all executions. It returns false if the store is refused.
func opensWhole(t *testing.T, what string, fs vfs.FS, ids []string) bool {
	t.Helper()
	s, err := Open(options(fs, "store"))
	if err != nil {
		wantCode(t, err, runtime.CodeUnavailable)
		return false
	}
	defer s.Close()
	for _, id := range ids {
		if _, err := s.GetExecution(runtime.DefaultTenant, id); err != nil {
			t.Errorf("%s: the execution %s is lost: %v", what, id, err)
			break
		}
	}
	return true
}

// A store is refused if any byte of its manifest is flipped, and wherever it is cut: Pebble would open an
// older state.
func TestDamagedManifest(t *testing.T) {
	alone(t, "it opens copies of a folder, whose logs would go on")
	t.Parallel()
	killed, ids := killedStore(t)
	desc, err := pebble.Peek("store", killed)
	must(t, err)
	sound := readAll(t, killed, desc.ManifestFilename)
	try := func(what string, manifest []byte) bool {
		fs := copyOf(t, killed)
		replace(t, fs, desc.ManifestFilename, manifest)
		return opensWhole(t, what, fs, ids)
	}
	if !try("as it was", sound) {
		t.Fatal("a sound store is refused")
	}
	for i := 0; i < len(sound); i += 3 {
		flipped := bytes.Clone(sound)
		flipped[i] ^= 0x41
		if try(fmt.Sprintf("byte %d of %d", i, len(sound)), flipped) {
			t.Errorf("byte %d of %d is flipped, and the store opens", i, len(sound))
		}
		if try(fmt.Sprintf("cut at %d of %d", i, len(sound)), sound[:i]) {
			t.Errorf("the manifest is cut at %d of %d, and the store opens", i, len(sound))
		}
	}
}

// A note about the manifest that is missing or damaged keeps no store from opening.
func TestDamagedNoteOfTheManifest(t *testing.T) {
	alone(t, "it opens copies of a folder, whose logs would go on")
	t.Parallel()
	killed, ids := killedStore(t)
	path := killed.PathJoin("store", disk.ManifestsName)
	sound := readAll(t, killed, path)
	for i := range sound {
		fs := copyOf(t, killed)
		flipped := bytes.Clone(sound)
		flipped[i] ^= 1
		replace(t, fs, path, flipped)
		if !opensWhole(t, fmt.Sprintf("byte %d", i), fs, ids) {
			t.Errorf("byte %d of %q is flipped, and the store is refused", i, sound)
		}
	}
	fs := copyOf(t, killed)
	must(t, fs.Remove(path))
	if !opensWhole(t, "without the note", fs, ids) {
		t.Error("without the note the store is refused")
	}
}

// Power is lost again and again, with some of the unsynced data on the disk, while manifests are created
// and written: no store is refused because of its manifest.
func TestLostPowerLeavesGoodManifests(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 4))
		fs, c, ids := vfs.NewCrashableMem(), newClerk(), []string(nil)
		for generation := range 8 {
			s, err := Open(options(fs, "store"))
			if err != nil {
				t.Fatalf("seed %d, generation %d: %v", seed, generation, err)
			}
			for _, id := range ids {
				if _, err := s.GetExecution(runtime.DefaultTenant, id); err != nil {
					t.Fatalf("seed %d, generation %d: %v", seed, generation, err)
				}
			}
			for range rng.IntN(3) {
				x := c.done()
				must(t, s.Record([]runtime.Execution{x}))
				must(t, s.health.Flush(s.db.DB))
				ids = append(ids, x.ID)
			}
			lost := crashClone(fs, vfs.CrashCloneCfg{UnsyncedDataPercent: []int{0, 30, 70, 100}[rng.IntN(4)], RNG: rng})
			must(t, s.Close())
			fs = lost
		}
	}
}
