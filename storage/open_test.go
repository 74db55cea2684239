package storage

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/disk"
	"github.com/faaspot/faaspot/storage/internal/keys"
	"github.com/faaspot/faaspot/storage/internal/kv"
	"github.com/faaspot/faaspot/storage/internal/record"
)

// wantRefusal expects that Open fails with a message that names the folder, and a hint.
func wantRefusal(t *testing.T, o Options, why string) {
	t.Helper()
	s, err := Open(o)
	if err == nil {
		_ = s.Close()
		t.Fatalf("the store was opened, want a refusal: %s", why)
	}
	e, ok := errors.AsType[*runtime.Error](err)
	if !ok || e.Code != runtime.CodeUnavailable || !strings.Contains(e.Message, why) || !strings.Contains(e.Message, o.Dir) || e.Hint == "" {
		t.Fatalf("got %#v, want a message with %q and %q, and a hint", err, why, o.Dir)
	}
}

// filled makes a store with three functions, and five executions that are not done, on the real
// disk, as a clean stop leaves it.
func filled(t *testing.T) (dir string) {
	t.Helper()
	dir = filepath.Join(fastDir(t), "store")
	must(t, fill(t, dir).Close())
	return dir
}

// fill makes three functions in a store that stays open, and accepts five executions, one of which
// waits for its second attempt and one of which runs.
func fill(t *testing.T, dir string) *Store {
	t.Helper()
	s := openOn(t, vfs.Default, dir)
	for _, id := range []string{"id1", "id2", "id3"} {
		must(t, s.CreateFunction(function("a", id, id, 1), version(id, 1, strings.Repeat(id, 1000)), by("a")))
	}
	c := newClerk()
	_, _, err := s.Accept(c.batch(3), nil)
	must(t, err)
	x := begin(t, s, c)
	x.State = runtime.StateQueued
	settled, err := s.Finish([]runtime.Execution{x}, c.at)
	must(t, errors.Join(err, settled[0].Err))
	begin(t, s, c)
	return s
}

// killed makes the same store as a killed process leaves it: all records are in the log.
func killed(t *testing.T) (dir string) {
	t.Helper()
	dir = filepath.Join(fastDir(t), "store")
	from := filepath.Join(fastDir(t), "store")
	fill(t, from)
	must(t, os.CopyFS(dir, os.DirFS(from)))
	must(t, os.Chmod(dir, 0o700))
	return dir
}

func onDisk(dir string) Options { return options(vfs.Default, dir) }

func TestOpenCreatesAPrivateFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	openOn(t, vfs.Default, dir)
	for _, d := range []string{dir, filepath.Dir(dir)} {
		info, err := os.Stat(d)
		must(t, err)
		if info.Mode().Perm() != 0o700 {
			t.Errorf("%s has mode %v", d, info.Mode())
		}
	}
}

func TestOpenNeedsADir(t *testing.T) {
	if _, err := Open(Options{}); err == nil {
		t.Fatal("a store without a folder was opened")
	}
}

func TestOneProcessAtATime(t *testing.T) {
	dir := filled(t)
	s := openOn(t, vfs.Default, dir)
	wantRefusal(t, onDisk(dir), "another process uses it")
	must(t, s.Close())
	openOn(t, vfs.Default, dir)
}

// The lock of another process is found, too. This test runs itself as that process.
func TestLockOfAnotherProcess(t *testing.T) {
	if dir := os.Getenv("FAASPOT_TEST_OPEN"); dir != "" {
		wantRefusal(t, onDisk(dir), "another process uses it")
		return
	}
	dir := filled(t)
	openOn(t, vfs.Default, dir)
	if out, err := runSelf("TestLockOfAnotherProcess", "FAASPOT_TEST_OPEN="+dir); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func TestForeignFolders(t *testing.T) {
	t.Run("other files", func(t *testing.T) {
		dir := t.TempDir()
		must(t, os.WriteFile(filepath.Join(dir, "thesis.txt"), []byte("x"), 0o600))
		wantRefusal(t, onDisk(dir), "not a store of faaspot")
		if _, err := os.Stat(filepath.Join(dir, "thesis.txt")); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("other store", func(t *testing.T) {
		dir := t.TempDir()
		db, err := pebble.Open(dir, &pebble.Options{Logger: disk.NewLogger(quiet, func(m string) { panic(died(m)) })})
		must(t, err)
		must(t, db.Set([]byte("k"), []byte("v"), pebble.Sync))
		must(t, db.Close())
		wantRefusal(t, onDisk(dir), "not a store of faaspot")
	})
	t.Run("file", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "file")
		must(t, os.WriteFile(file, nil, 0o600))
		wantRefusal(t, onDisk(file), "not a folder")
		wantRefusal(t, onDisk(filepath.Join(file, "below")), "not a folder")
	})
	t.Run("open to all", func(t *testing.T) {
		dir := filled(t)
		must(t, os.Chmod(dir, 0o777))
		wantRefusal(t, onDisk(dir), "every user of this machine may write to it")
	})
	t.Run("no permission", func(t *testing.T) {
		// Root may do anything, so the disk itself refuses.
		wantRefusal(t, failing(syscall.EACCES), "permission denied")
	})
	t.Run("newer", func(t *testing.T) {
		dir := filled(t)
		s := openOn(t, vfs.Default, dir)
		must(t, s.db.Set(keys.Format(), record.EncodeNumber(formatVersion+1), pebble.Sync))
		must(t, s.Close())
		wantRefusal(t, onDisk(dir), fmt.Sprintf("a newer release of faaspot has written it: its format is %d, this release reads %d", formatVersion+1, formatVersion))
	})
}

// failing returns options for a disk on which every write fails.
func failing(err error) Options {
	mem := vfs.NewMem()
	return options(errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
			return &os.PathError{Op: "open", Path: op.Path, Err: err}
		}
		return nil
	})), "store")
}

func TestDisksThatCannotBeWritten(t *testing.T) {
	wantRefusal(t, failing(syscall.EROFS), "read-only")
	wantRefusal(t, failing(syscall.ENOSPC), "no space is left")
}

// Whatever is missing or damaged, Open fails or the store holds all records; it is never empty.
func TestMissingAndDamagedFiles(t *testing.T) {
	t.Parallel()
	for state, make := range map[string]func(*testing.T) string{"stopped": filled, "killed": killed} {
		for _, harm := range []struct {
			name string
			do   func(content []byte) []byte // nil: remove the file
		}{
			{"missing", nil},
			{"empty", func([]byte) []byte { return []byte{} }},
			{"cut", func(b []byte) []byte { return b[:len(b)/2] }},
			{"flipped", func(b []byte) []byte {
				b[len(b)/2] ^= 0xFF
				return b
			}},
		} {
			for _, pattern := range []string{"*.log", "*.sst", "MANIFEST-*", "marker.manifest.*"} {
				t.Run(state+" "+pattern+" "+harm.name, func(t *testing.T) {
					dir := make(t)
					harmed := false
					files, err := filepath.Glob(filepath.Join(dir, pattern))
					must(t, err)
					for _, file := range files {
						content, err := os.ReadFile(file)
						must(t, err)
						if harm.do == nil {
							must(t, os.Remove(file))
							harmed = true
						} else if len(content) > 0 {
							must(t, os.WriteFile(file, harm.do(content), 0o600))
							harmed = true
						}
					}
					if !harmed {
						t.Skip("there is no such file, or it is empty")
					}
					// Damage in the last block of a log looks like writes that were never synced:
					// the last writes of a killed server look like those of one that lost power.
					torn := state == "killed" && pattern == "*.log" && harm.do != nil
					wantHeldOrRefused(t, dir, torn)
				})
			}
		}
	}
}

// wantHeldOrRefused opens a store of fill whose files were damaged. If torn is set, the last writes
// may be missing.
func wantHeldOrRefused(t *testing.T, dir string, torn bool) {
	t.Helper()
	s, err := Open(onDisk(dir))
	if err != nil {
		e, ok := errors.AsType[*runtime.Error](err)
		if !ok || e.Code != runtime.CodeUnavailable || e.Hint == "" {
			t.Fatalf("the refusal has no code or hint: %#v", err)
		}
		t.Log(e.Message)
		return
	}
	defer s.Close()
	all, err := s.ListFunctions("a", "", 10)
	if err != nil {
		t.Log(err) // a damaged table is found when it is read
		return
	}
	for i, f := range all {
		if _, err := s.GetVersion("a", f.ID, 1); err != nil {
			t.Log(err)
			return
		}
		if want := "id" + string(rune('1'+i)); f.ID != want {
			t.Errorf("function %d is %s, want %s", i, f.ID, want)
		}
	}
	if len(all) != 3 && !torn {
		t.Errorf("the store has %d of 3 functions", len(all))
	}
	var states []string
	err = s.EachUnfinished(func(x runtime.Execution) error {
		states = append(states, fmt.Sprint(x.State, x.Attempt))
		return nil
	})
	if err != nil {
		t.Log(err)
		return
	}
	if want := []string{"queued0", "queued0", "queued0", "queued1", "running1"}; !slices.Equal(states, want) && !torn {
		t.Errorf("the store has %v of the executions %v", states, want)
	}
}

// A damaged record is reported at the start of the server: no execution is skipped.
func TestDamagedRecordsOfExecutions(t *testing.T) {
	for name, kind := range map[string]byte{"lease": keys.KindLease, "waiting": keys.KindWaiting, "accepted": keys.KindAccepted} {
		t.Run(name, func(t *testing.T) {
			dir := filled(t)
			s := openOn(t, vfs.Default, dir)
			var lower keys.ID
			found := kv.NewIDIterator(s.db, keys.OfKind("default", kind), lower, keys.LastID)
			found.First()
			if !found.Valid {
				t.Fatal("there is no such record")
			}
			key := slices.Clone(found.Key())
			must(t, found.Close())
			must(t, s.db.Set(key, []byte{record.EncodingFields2, 0xFF}, pebble.Sync))
			must(t, s.Close())
			wantRefusal(t, onDisk(dir), "the store is damaged: key")
		})
	}
}
