package storage

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"path/filepath"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/commit"
	"github.com/faaspot/faaspot/storage/internal/keys"
	"github.com/faaspot/faaspot/storage/keyset"
	"github.com/faaspot/faaspot/storage/replog"
	"github.com/faaspot/faaspot/storage/replog/mem"
)

// TestRotationsAreTakenOver checks that a replica which becomes the owner in the middle of a rotation, or after it, encrypts
// with the new key, and goes on with the rotation; and that one with data from before starts with the new key alone.
func TestRotationsAreTakenOver(t *testing.T) {
	shared, fs, old := mem.New(), vfs.NewMem(), newKeys(t)
	both, err := old.WithNew()
	must(t, err)
	open := func(dir string, follow bool, k *keyset.Keyset) *Store {
		t.Helper()
		o := onLog(fs, dir, shared.Client(), follow)
		o.Keys = k
		s, err := Open(o)
		must(t, err)
		t.Cleanup(func() { must(t, s.Close()) })
		return s
	}
	// own makes a replica the owner, which then encrypts with the new key.
	own := func(s *Store, name string, k *keyset.Keyset, done bool) {
		t.Helper()
		must(t, s.Own(t.Context()))
		if use, err := s.KeyUse(); err != nil || use != (KeyUse{k.ID(), k.ID(), done}) {
			t.Errorf("%s uses the keys so: %+v, %v", name, use, err)
		}
		putSecrets(t, s, name)
		at := keys.VersionPart(keys.KindContext, "a", "id-"+name, 1)
		if key := sealedBy(t, s, k)[string(at)]; key != both.ID() {
			t.Errorf("%s encrypts with the key %q, want %q", name, key, both.ID())
		}
	}
	first, second, third, late := open("first", false, old), open("second", true, old), open("third", true, old), open("late", true, old)
	putSecrets(t, first, "before")
	for _, s := range []*Store{second, third, late} {
		follow(t, s, first)
	}
	must(t, errors.Join(late.Close(), first.UseKeys(both), second.UseKeys(both), third.UseKeys(both)))
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := first.Rekey(canceled, both.ID()); !errors.Is(err, context.Canceled) {
		t.Fatalf("the rotation was not interrupted: %v", err)
	}
	follow(t, second, first)
	own(second, "in-the-middle", both, false)
	if changed, err := second.Rekey(t.Context(), both.ID()); err != nil || changed == 0 {
		t.Errorf("the next owner changed %d records, %v", changed, err)
	}
	follow(t, third, second)
	own(third, "afterwards", both, true)

	late = open("late", true, both.Only())
	if err := late.CheckKeys(); !errors.Is(err, errKeys) {
		t.Errorf("before it has read the log: %v", err)
	}
	follow(t, late, third)
	must(t, late.CheckKeys())
	own(late, "late", both.Only(), true)
	for _, name := range []string{"before", "in-the-middle", "afterwards", "late"} {
		checkSecrets(t, late, name)
	}
}

// TestRekeyLooksWhileOthersWrite checks that writes wait only for what is encrypted again: here nothing is, and a write that
// lasts goes on.
func TestRekeyLooksWhileOthersWrite(t *testing.T) {
	s, err := openSealed(t, filepath.Join(t.TempDir(), "store"), newKeys(t))
	must(t, err)
	defer func() { must(t, s.Close()) }()
	putSecrets(t, s, "fresh")
	lost := keys.VersionPart(keys.KindContext, "a", "lost", 1)
	must(t, s.commits.Write(commit.NewWork, func(b *pebble.Batch) error { return b.Set(lost, newKeys(t).Seal(lost, []byte("x")), nil) }))
	r := resealing{tenant: "a"}
	must(t, s.commits.Write(commit.NewWork, func(*pebble.Batch) (err error) {
		for _, kind := range sealedKinds {
			r.kind = kind
			err = errors.Join(err, s.resealAll(t.Context(), keys.OfKind("a", kind), &r))
		}
		return err
	}))
	if r.failed != 1 || r.changed != 0 {
		t.Errorf("%d records failed and %d were changed, want 1 and 0", r.failed, r.changed)
	}
}

// TestRekeyBesideSlowContent checks that a bundle whose content does not come holds up neither the keys nor other writes.
func TestRekeyBesideSlowContent(t *testing.T) {
	old := newKeys(t)
	both, err := old.WithNew()
	must(t, err)
	o := onLog(vfs.NewMem(), "owner", mem.New().Client(), false)
	o.Keys = old
	s, err := Open(o)
	must(t, err)
	defer func() { must(t, s.Close()) }()
	putSecrets(t, s, "before")
	must(t, s.UseKeys(both))
	b, content := bundleNumber(1)
	begun, more, staged := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	begin, rest := sync.OnceFunc(func() { close(begun) }), bytes.NewReader(content)
	go func() {
		release, err := s.StageBundle(t.Context(), "a", b, readerFunc(func(p []byte) (int, error) {
			begin()
			<-more
			return rest.Read(p)
		}))
		if err == nil {
			release()
		}
		staged <- err
	}()
	<-begun
	if changed, err := s.Rekey(t.Context(), both.ID()); err != nil || changed == 0 {
		t.Errorf("%d records, %v", changed, err)
	}
	must(t, s.PutSetting("other", []byte("x")))
	close(more)
	must(t, <-staged)
	checkSecrets(t, s, "before")
}

// TestAdoptUsesNoNewKey checks that a replica which begins another log encrypts nothing with a key that is not used yet: it may
// be taken back. A job of an earlier release, which knows its function by name alone, is what would be encrypted.
func TestAdoptUsesNoNewKey(t *testing.T) {
	dir, old := filepath.Join(t.TempDir(), "store"), newKeys(t)
	both, err := old.WithNew()
	must(t, err)
	open := func(l replog.Log, generation uint64) *Store {
		t.Helper()
		o := onLog(vfs.Default, dir, l, generation > 1)
		o.Replication.Generation, o.Keys = generation, old
		s, err := Open(o)
		must(t, err)
		return s
	}
	s := open(mem.New().Client(), 1)
	j := runtime.Job{ID: runtime.NewID(), Tenant: "a", Name: "job", Revision: 1, Created: start, Updated: start, Spec: runtime.JobSpec{Function: "later"}}
	must(t, s.CreateJob(j))
	putSecrets(t, s, "later")
	must(t, s.Close())

	place, err := PlaceOf(dir)
	must(t, err)
	at := Succeeding(place, 2, sha256.Sum256([]byte("x")))
	must(t, Adopt(Options{Dir: dir, Log: quiet, Keys: both}, at))
	s = open(founded{mem.NewBehind(at.Seq).Client(), at}, 2)
	defer func() { must(t, s.Close()) }()
	must(t, s.CheckKeys())
	checkSecrets(t, s, "later")
	if _, err := s.ListJobRevisions("a", j.ID); err != nil {
		t.Errorf("without the new key: %v", err)
	}
	must(t, s.Own(t.Context()))
	if j, err := s.GetJobByID("a", j.ID); err != nil || j.Spec.FunctionID != "id-later" {
		t.Errorf("the next owner binds the job to %q, %v", j.Spec.FunctionID, err)
	}
}

// TestRekeyOnAFullDisk checks that secrets that are encrypted again take no room of ends and deletions, and that it is
// repeated.
func TestRekeyOnAFullDisk(t *testing.T) {
	old := newKeys(t)
	both, err := old.WithNew()
	must(t, err)
	free := uint64(1 << 40)
	o := onLog(sizedFS{vfs.NewMem(), &free}, "owner", mem.New().Client(), false)
	o.Keys, o.Ballast = old, 1<<20
	s, err := Open(o)
	must(t, err)
	defer func() { must(t, s.Close()) }()
	putSecrets(t, s, "before")
	must(t, s.UseKeys(both))
	free = DefaultMinFree - 1
	if changed, err := s.Rekey(t.Context(), both.ID()); changed != 0 || runtime.CodeOf(err) != runtime.CodeUnavailable || s.ballast.Held() != o.Ballast {
		t.Errorf("%d records, %v; the ballast has %d bytes", changed, err, s.ballast.Held())
	}
	free = 1 << 40
	if changed, err := s.Rekey(t.Context(), both.ID()); err != nil || changed == 0 {
		t.Errorf("with room again: %d records, %v", changed, err)
	}
	must(t, s.UseKeys(both.Only()))
	checkSecrets(t, s, "before")
}
