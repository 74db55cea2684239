package storage

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/replog"
	"github.com/faaspot/faaspot/storage/replog/mem"
)

// adopted makes a store the first replica of a generation.
func adopted(t *testing.T, dir string, generation uint64) replog.Position {
	t.Helper()
	place, err := PlaceOf(dir)
	must(t, err)
	at := Succeeding(place, generation, sha256.Sum256([]byte(dir)))
	must(t, Adopt(Options{Dir: dir}, at))
	return at
}

// founded is a log that was made from the data of a store.
type founded struct {
	replog.Log
	at replog.Position
}

func (f founded) Origin() (uint64, []byte) { return f.at.Seq, f.at.Hash[:] }

// The folder that a log was made from is the only one that continues there, also before it has written to the log. A folder that
// has more than the generation began with is kept.
func TestOnlyTheOriginContinues(t *testing.T) {
	alone(t, "a store that is adopted has no log")
	dir, other := t.TempDir()+"/store", t.TempDir()+"/store"
	for _, d := range []string{dir, other} {
		s, err := Open(options(vfs.Default, d))
		must(t, err)
		must(t, s.Close())
	}
	at, wrong := adopted(t, dir, 1), adopted(t, other, 1)
	open := func(dir string, generation uint64, from replog.Position) error {
		o := onLog(vfs.Default, dir, founded{mem.NewBehind(from.Seq).Client(), from}, true)
		o.Replication.Generation = generation
		s, err := Open(o)
		if err == nil {
			must(t, s.Close())
		}
		return err
	}
	if err := open(other, 1, at); !errors.Is(err, errOther) {
		t.Errorf("another folder continues: %v", err)
	}
	must(t, open(dir, 1, at))
	log := founded{mem.NewBehind(at.Seq).Client(), at}
	if err := Continues(t.Context(), log, wrong); !errors.Is(err, errOther) {
		t.Errorf("a copy of another folder: %v", err)
	}
	must(t, Continues(t.Context(), log, at))

	ahead := at
	ahead.Seq = 0
	if err := open(dir, 2, ahead); !errors.Is(err, errAhead) || errors.Is(err, ErrOutdated) {
		t.Errorf("a folder with more than the generation began with: %v", err)
	}
	if err := open(dir, 2, at); !errors.Is(err, ErrOutdated) {
		t.Errorf("a folder of an earlier generation: %v", err)
	}
}

// A copy is at a place of the log, or refused.
func TestContinues(t *testing.T) {
	shared, foreign := mem.New(), mem.New()
	places := make(map[*mem.Log]replog.Position)
	for _, l := range []*mem.Log{shared, foreign} {
		s := openReplica(t, vfs.NewMem(), "one", l.Client(), false)
		must(t, s.PutSetting("a", []byte("b")))
		places[l], _ = s.Applied()
		must(t, s.PutSetting("a", []byte("c")))
	}
	for trimmed := range 2 {
		must(t, Continues(t.Context(), shared.Client(), places[shared]))
		if err := Continues(t.Context(), shared.Client(), places[foreign]); !errors.Is(err, replog.ErrBroken) {
			t.Errorf("trimmed %d: a copy from another log: %v", trimmed, err)
		}
		must(t, shared.Client().Trim(t.Context(), places[shared].Seq+1))
	}
}

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
	at := adopted(t, dir, 1)
	if err := Adopt(Options{Dir: dir}, at); err != nil {
		t.Fatalf("adopted again: %v", err)
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
	adopted(t, other, 1)
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

	at := adopted(t, dir, 2)
	if at.Seq != before.Seq || at.Epoch != before.Epoch || at.Hash == before.Hash {
		t.Fatalf("generation 2 begins at %v, generation 1 has ended at %v", at, before)
	}
	if err := Adopt(Options{Dir: dir}, Succeeding(&at, 1, before.Hash)); err == nil {
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
