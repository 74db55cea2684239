package server

import (
	"errors"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage"
	"github.com/faaspot/faaspot/storage/keyset"
)

func openStore(t *testing.T, o storage.Options) *storage.Store {
	t.Helper()
	o.Log = slog.New(slog.DiscardHandler)
	s, err := storage.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// smallDisk is a disk with a given number of free bytes.
type smallDisk struct {
	vfs.FS
	free *atomic.Uint64
}

func (d smallDisk) GetDiskUsage(string) (vfs.DiskUsage, error) {
	return vfs.DiskUsage{AvailBytes: d.free.Load()}, nil
}

// onlyEntry returns the only entry of an audit log.
func onlyEntry(t *testing.T, s *storage.Store) runtime.AuditEntry {
	t.Helper()
	page, err := s.ListAudit(runtime.AuditFilter{}, runtime.PageRequest{})
	if err != nil || len(page.Items) != 1 {
		t.Fatalf("the audit log has %+v, %v", page.Items, err)
	}
	return page.Items[0]
}

// TestCommandsAreRecorded checks the entry of a change that a command makes, of one that fails, and that
// nothing is changed that cannot be recorded.
func TestCommandsAreRecorded(t *testing.T) {
	for _, failure := range []error{nil, errors.New("no")} {
		s := openStore(t, storage.Options{Dir: filepath.Join(t.TempDir(), "store")})
		defer s.Close()
		err := record(s, "key.rotate", "fas x", func() (int, error) {
			if e := onlyEntry(t, s); e.Outcome != runtime.AuditUnknown {
				t.Errorf("during the change the entry is %+v", e)
			}
			return 3, failure
		})
		want, count := runtime.AuditDone, 3
		if failure != nil {
			want, count = runtime.AuditUnknown, 1
		}
		e := onlyEntry(t, s)
		if !errors.Is(err, failure) || e.Outcome != want || e.Count != count || e.Operation != "key.rotate" || e.By != (runtime.AuditActor{User: "fas x"}) || e.Remote != "" || e.Time.IsZero() {
			t.Errorf("after %v: %+v, %v", failure, e, err)
		}
	}
	fs := smallDisk{vfs.NewMem(), new(atomic.Uint64)}
	fs.free.Store(1 << 40)
	full := openStore(t, storage.Options{Dir: "store", FS: fs})
	defer full.Close()
	fs.free.Store(storage.DefaultMinFree - 1)
	err := record(full, "key.rotate", "fas x", func() (int, error) { t.Error("the change was made"); return 1, nil })
	if runtime.CodeOf(err) != runtime.CodeUnavailable {
		t.Errorf("on a full disk: %v", err)
	}
}

// TestChangesThatAreTriedAgain checks that a change which fails, and is tried until it succeeds, has one entry, and that the pauses
// between tries of a rotation grow up to a limit.
func TestChangesThatAreTriedAgain(t *testing.T) {
	s := openStore(t, storage.Options{Dir: filepath.Join(t.TempDir(), "store")})
	defer s.Close()
	f := rotation{key: "k"}
	failure := errors.New("no")
	var last time.Duration
	for range 20 {
		if err := f.entry.complete(s, "secrets.rotate", "fas x", func() (int, error) { return 0, failure }); !errors.Is(err, failure) {
			t.Fatal(err)
		}
		if e := onlyEntry(t, s); e.Outcome != runtime.AuditUnknown {
			t.Fatalf("after a failure: %+v", e)
		}
		pause := f.postpone()
		if pause < last || pause > rekeyPause {
			t.Errorf("a pause of %s after one of %s", pause, last)
		}
		last = pause
	}
	if last != rekeyPause {
		t.Errorf("the last pause is %s", last)
	}
	err := f.entry.complete(s, "secrets.rotate", "fas x", func() (int, error) { return 7, nil })
	if e := onlyEntry(t, s); err != nil || e.Outcome != runtime.AuditDone || e.Count != 7 {
		t.Errorf("after the success: %+v, %v", e, err)
	}
}

// TestRotationIsRecorded checks that a rotation of the keys of secrets is in the audit log.
func TestRotationIsRecorded(t *testing.T) {
	o := Secrets{Data: t.TempDir()}
	k, err := new(keyset.Keyset).WithNew()
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(k.Save(o.path()), openStore(t, storage.Options{Dir: filepath.Join(o.Data, "store"), Keys: k}).Close()); err != nil {
		t.Fatal(err)
	}
	changed, err := RotateSecrets(o, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if k, err = o.load(); err != nil {
		t.Fatal(err)
	}
	s := openStore(t, storage.Options{Dir: filepath.Join(o.Data, "store"), Keys: k})
	defer s.Close()
	if e := onlyEntry(t, s); e.Operation != "secrets.rotate" || e.Outcome != runtime.AuditDone || e.Count != changed || e.By.User != "fas secrets rotate" || e.Tenant != "" {
		t.Errorf("%+v", e)
	}
}
