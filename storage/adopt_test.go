package storage

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/replog"
	"github.com/faaspot/faaspot/storage/replog/mem"
)

// A store that was alone becomes the first replica of a log with all that it has. A store without a copy of it cannot
// follow that log, and one that was adopted beside it neither.
func TestAdopt(t *testing.T) {
	alone(t, "a store that is adopted has no log")
	dir, other := t.TempDir()+"/store", t.TempDir()+"/store"
	for _, d := range []string{dir, other} {
		s, err := Open(options(vfs.Default, d))
		must(t, err)
		two(t, s)
		must(t, s.Close())
	}
	at, err := Adopt(Options{Dir: dir}, 1)
	must(t, err)
	if again, err := Adopt(Options{Dir: dir}, 1); err != nil || again != at {
		t.Fatalf("adopted again, it is at %v instead of %v: %v", again, at, err)
	}
	if _, err := Open(Options{Dir: dir}); err == nil {
		t.Error("a replica is opened without its log")
	}
	shared := mem.NewBehind(at.Seq)
	first := openReplica(t, vfs.Default, dir, shared.Client(), false)
	must(t, first.PutSetting("a", []byte("b")))
	if _, err := first.GetFunctionByName("a", "two"); err != nil {
		t.Error(err)
	}

	empty := openReplica(t, vfs.NewMem(), "empty", shared.Client(), true)
	if err := empty.Follow(t.Context(), nil); !errors.Is(err, replog.ErrTrimmed) {
		t.Errorf("an empty store follows: %v", err)
	}
	_, err = Adopt(Options{Dir: other}, 1)
	must(t, err)
	second := openReplica(t, vfs.Default, other, shared.Client(), true)
	if err := second.Follow(t.Context(), nil); !errors.Is(err, replog.ErrBroken) {
		t.Errorf("another store that was adopted follows: %v", err)
	}
	var archive bytes.Buffer
	must(t, first.Backup(t.Context(), "v1", &archive))
	copied := unpackBackup(t, archive.Bytes())
	i, err := Inspect(InspectOptions{Dir: copied})
	if at, _ := first.Applied(); err != nil || i.Applied != at {
		t.Errorf("the copy is at %v, the store at %v: %v", i.Applied, at, err)
	}
	third, err := Open(onLog(vfs.Default, copied, shared.Client(), true))
	must(t, err)
	must(t, first.PutSetting("a", []byte("c")))
	follow(t, third, first)
	wantSame(t, "the copy", dump(t, third), dump(t, first))
	must(t, third.Close())
}

// A replica begins the next generation with all that it has applied; the others of the generation before are outdated. It
// can be a store alone again.
func TestAdoptTheNextGeneration(t *testing.T) {
	dir, rest := t.TempDir()+"/store", t.TempDir()+"/store"
	lost := mem.New()
	s, err := Open(onLog(vfs.Default, dir, lost.Client(), false))
	must(t, err)
	two(t, s)
	before, _ := s.Applied()
	must(t, s.Close())
	f, err := Open(onLog(vfs.Default, rest, lost.Client(), true))
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	if err := f.Follow(ctx, func(r replog.Record, _ Changes) {
		if r.At == before {
			cancel()
		}
	}); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	must(t, f.Close())

	at, err := Adopt(Options{Dir: dir}, 2)
	if err != nil || at.Seq != before.Seq || at.Epoch != before.Epoch || at.Hash == before.Hash {
		t.Fatalf("generation 2 begins at %v, generation 1 has ended at %v: %v", at, before, err)
	}
	if _, err := Adopt(Options{Dir: dir}, 1); err == nil {
		t.Error("a store goes back to an earlier generation")
	}
	next := func(dir string, follow bool) Options {
		o := onLog(vfs.Default, dir, mem.NewBehind(at.Seq).Client(), follow)
		o.Replication.Generation = 2
		return o
	}
	if s, err = Open(next(dir, false)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.GetFunctionByName("a", "two"); err != nil {
		t.Error(err)
	}
	must(t, s.Close())
	if _, err := Open(next(rest, true)); !errors.Is(err, ErrOutdated) || runtime.CodeOf(err) != runtime.CodeUnavailable {
		t.Errorf("an outdated replica is opened: %v", err)
	}
	must(t, Detach(Options{Dir: dir}))
	if s, err = Open(Options{Dir: dir}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.GetFunctionByName("a", "two"); err != nil {
		t.Error(err)
	}
	must(t, s.PutSetting("a", []byte("d")))
	must(t, s.Close())
}
