package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/commit"
	"github.com/faaspot/faaspot/storage/internal/keys"
	"github.com/faaspot/faaspot/storage/internal/kv"
	"github.com/faaspot/faaspot/storage/internal/record"
	"github.com/faaspot/faaspot/storage/internal/storetest"
	"github.com/faaspot/faaspot/storage/keyset"
	"github.com/faaspot/faaspot/storage/replog/mem"
)

const canary = "canary-9f3b71c2"

func newKeys(t *testing.T) *keyset.Keyset {
	t.Helper()
	k, err := new(keyset.Keyset).WithNew()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// openSealed opens a store on the disk.
func openSealed(t *testing.T, dir string, k *keyset.Keyset) (*Store, error) {
	t.Helper()
	o := options(vfs.Default, dir)
	o.Keys = k
	return Open(o)
}

// filesWith returns the files of a folder that contain a text.
func filesWith(t *testing.T, dir, text string) (found []string) {
	t.Helper()
	must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		if bytes.Contains(content, []byte(text)) {
			found = append(found, filepath.Base(path))
		}
		return err
	}))
	return found
}

// secretID returns the id of the job, its execution and its deliveries of a name.
func secretID(t *testing.T, name string) keys.ID {
	t.Helper()
	return mustID(t, storetest.ID(rand.New(rand.NewPCG(uint64(len(name)), 0)), start.Add(time.Duration(len(name))*time.Second)))
}

// putSecrets stores a record of each kind that has secrets.
func putSecrets(t *testing.T, s *Store, name string) {
	t.Helper()
	id := secretID(t, name)
	f := function("a", "id-"+name, name, 1)
	v := version(f.ID, 1, "code")
	v.Context = []byte(`{"key":"` + canary + `"}`)
	must(t, s.CreateFunction(f, v, by("a")))
	x := runtime.JobExecution{
		ID: id.String(), Name: id.String(), Tenant: "a", JobID: id.String(), Job: name, Revision: 1, Created: start, Finished: start, State: runtime.StateSucceeded,
		Env: map[string]string{"KEY": canary}, EnvOverride: map[string]string{"KEY": canary}, Callback: &runtime.Callback{URL: "https://example.com", Secret: canary},
	}
	j := runtime.Job{ID: id.String(), Tenant: "a", Name: name, Revision: 1, Created: start, Updated: start, Spec: runtime.JobSpec{
		Function: name, Env: []runtime.EnvVar{{Name: "KEY", Value: canary, Secret: true}}, Triggers: []runtime.Trigger{{ID: "t", CallbackSecret: canary}},
	}}
	must(t, s.writeEnds(commit.NewWork, func(b *pebble.Batch, e *ends) error {
		dead := runtime.Delivery{ID: id.String(), Tenant: "b", Callback: *x.Callback, Dead: true}
		_, accepted := putJobAccepted(b, s.db, &x, id)
		_, revision := putRevision(b, s.db, j)
		return firstOf(accepted, putDoneJob(b, s.db, e, &x, id), revision, putDelivery(b, s.db, dead))
	}))
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// checkSecrets checks that the secrets of a name can be read.
func checkSecrets(t *testing.T, s *Store, name string) {
	t.Helper()
	id := secretID(t, name)
	v, err := s.GetVersion("a", "id-"+name, 1)
	must(t, err)
	x, err := readJobDone(s.db, "a", id)
	must(t, err)
	d, err := s.GetDelivery("a", id.String())
	must(t, err)
	dead, err := s.GetDeadLetter("b", id.String())
	must(t, err)
	revisions, err := s.ListJobRevisions("a", id.String())
	must(t, err)
	for what, got := range map[string]string{
		"context": string(v.Context), "environment": x.Env["KEY"], "override": x.EnvOverride["KEY"], "callback": x.Callback.Secret,
		"delivery": d.Callback.Secret, "dead letter": dead.Callback.Secret, "trigger": revisions[0].Spec.Triggers[0].CallbackSecret, "job": revisions[0].Spec.Env[0].Value,
	} {
		if !strings.Contains(got, canary) {
			t.Errorf("%s: the %s is %q", name, what, got)
		}
	}
}

// TestSecretsAreEncrypted looks for secrets in all files of a store, and in records that an earlier
// release has stored until they are encrypted.
func TestSecretsAreEncrypted(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	plain, err := openSealed(t, dir, nil)
	must(t, err)
	putSecrets(t, plain, "plain")
	must(t, plain.Close())
	if len(filesWith(t, dir, canary)) == 0 {
		t.Fatal("the search finds no secret that is not encrypted")
	}

	old := newKeys(t)
	s, err := openSealed(t, dir, old)
	must(t, err)
	putSecrets(t, s, "sealed")
	checkSecrets(t, s, "plain")
	checkSecrets(t, s, "sealed")
	must(t, s.Close())

	both, err := old.WithNew()
	must(t, err)
	s, err = openSealed(t, dir, both)
	must(t, err)
	changed, err := s.Reseal()
	must(t, err)
	if changed == 0 {
		t.Error("nothing was encrypted")
	}
	if again, err := s.Reseal(); err != nil || again != 0 {
		t.Errorf("%d records were encrypted again, %v", again, err)
	}
	must(t, s.Close())
	if found := filesWith(t, dir, canary); len(found) > 0 {
		t.Errorf("secrets are in %v", found)
	}

	s, err = openSealed(t, dir, both.Only())
	must(t, err)
	checkSecrets(t, s, "plain")
	checkSecrets(t, s, "sealed")
	must(t, s.Close())
}

// TestNewSecretsAreNeverWritten looks for secrets while the store is in use, in its log too.
func TestNewSecretsAreNeverWritten(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	s, err := openSealed(t, dir, newKeys(t))
	must(t, err)
	for i := range 20 {
		putSecrets(t, s, strings.Repeat("x", i+1))
	}
	if found := filesWith(t, dir, canary); len(found) > 0 {
		t.Errorf("secrets are in %v", found)
	}
	must(t, s.Close())
	if found := filesWith(t, dir, canary); len(found) > 0 {
		t.Errorf("after the end, secrets are in %v", found)
	}
}

func TestWrongKeysAreRefused(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	right := newKeys(t)
	s, err := openSealed(t, dir, right)
	must(t, err)
	must(t, s.Close())
	for name, k := range map[string]*keyset.Keyset{"other keys": newKeys(t), "no keys": nil} {
		if s, err := openSealed(t, dir, k); err == nil || !strings.Contains(err.Error(), errKeys.Error()) {
			t.Errorf("%s: %v", name, err)
			if err == nil {
				must(t, s.Close())
			}
		}
	}
	s, err = openSealed(t, dir, right)
	must(t, err)
	must(t, s.Close())
}

// TestSecretsStayAtTheirPlace checks that a secret of one tenant cannot be read as that of another.
func TestSecretsStayAtTheirPlace(t *testing.T) {
	s, err := openSealed(t, filepath.Join(t.TempDir(), "store"), newKeys(t))
	must(t, err)
	defer func() { must(t, s.Close()) }()
	putSecrets(t, s, "mine")
	from := keys.VersionPart(keys.KindContext, "a", "id-mine", 1)
	value, closer, err := s.db.Get(from)
	must(t, err)
	b := s.db.NewBatch()
	to := keys.VersionPart(keys.KindContext, "b", "id-mine", 1)
	must(t, firstOf(b.Set(to, bytes.Clone(value), nil), closer.Close(), s.commits.Commit(b, commit.Outcome), b.Close()))
	if got, err := kv.Get(s.db, to, func(value []byte) (string, error) { return string(value), nil }); err == nil {
		t.Errorf("the moved secret is %q", got)
	}
}

// TestSealers checks that values for a purpose are read after a restart, and with the former key as long as it is there, and
// at no other place, for no other purpose, and not as secrets.
func TestSealers(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	k := newKeys(t)
	s, err := openSealed(t, dir, k)
	must(t, err)
	place := []byte("place")
	first, err := s.Sealer("cursors").Seal(place, []byte(canary))
	must(t, err)
	must(t, s.Close())
	if _, err := s.Sealer("cursors").Seal(place, nil); err == nil {
		t.Error("a store that is closed encrypts")
	}
	both, err := k.WithNew()
	must(t, err)
	s, err = openSealed(t, dir, both)
	must(t, err)
	defer func() { must(t, s.Close()) }()
	second, err := s.Sealer("cursors").Seal(place, []byte(canary))
	must(t, err)
	for _, sealed := range [][]byte{first, second} {
		if value, err := s.Sealer("cursors").Open(place, sealed); err != nil || string(value) != canary {
			t.Errorf("got %q, %v", value, err)
		}
		if _, err := s.Sealer("cursors").Open([]byte("other"), sealed); err == nil {
			t.Error("it is read at another place")
		}
		if _, err := s.Sealer("other").Open(place, sealed); err == nil {
			t.Error("it is read for another purpose")
		}
		if _, err := both.Open(place, sealed); err == nil {
			t.Error("it is read as a secret")
		}
		changed := bytes.Clone(sealed)
		changed[len(changed)-1] ^= 1
		if _, err := s.Sealer("cursors").Open(place, changed); err == nil {
			t.Error("it is read although it was changed")
		}
	}
	must(t, errorOf(s.Rekey(t.Context(), both.ID())))
	third, err := s.Sealer("cursors").Seal(place, []byte(canary))
	must(t, err)
	must(t, s.UseKeys(both.Only()))
	if _, err := s.Sealer("cursors").Open(place, first); !errors.Is(err, keyset.ErrNoKey) {
		t.Errorf("without its key: %v", err)
	}
	if _, err := s.Sealer("cursors").Open(place, third); err != nil {
		t.Error(err)
	}
}

// TestRekeyWhileInUse changes the key of a replica that owns its log while functions, with contexts, are created, changed and
// deleted. Before, the new key encrypts nothing, although it is there; afterwards, no other does, neither here nor in a
// replica that follows, and each function has its last context. The former key cannot be removed before.
func TestRekeyWhileInUse(t *testing.T) {
	shared, old := mem.New(), newKeys(t)
	open := func(dir string, follow bool, k *keyset.Keyset) *Store {
		o := onLog(vfs.NewMem(), dir, shared.Client(), follow)
		o.Keys = k
		s, err := Open(o)
		must(t, err)
		t.Cleanup(func() { must(t, s.Close()) })
		return s
	}
	s, f := open("owner", false, old), open("follower", true, old)
	const functions = 600 // more than a step takes
	contextOf := func(i int, version uint64) []byte {
		return fmt.Appendf(nil, `{"function":%d,"version":%d}`, i, version)
	}
	id := func(i int) string { return fmt.Sprint("f", i) }
	put := func(i int, n uint64) error {
		v := version(id(i), n, "code")
		v.Context = contextOf(i, n)
		if n == 1 {
			return s.CreateFunction(function("a", id(i), id(i), 1), v, by("a"))
		}
		return s.UpdateFunction(function("a", id(i), id(i), n), &v, by("a"))
	}
	for i := range functions {
		must(t, put(i, 1))
	}
	both, err := old.WithNew()
	must(t, err)
	follow(t, f, s)
	must(t, errors.Join(s.UseKeys(both), f.UseKeys(both)))
	must(t, put(0, 2))
	for _, key := range sealedBy(t, s, both) {
		if key != old.ID() {
			t.Fatal("the new key encrypts before it is used")
		}
	}
	if use, err := s.KeyUse(); err != nil || use != (KeyUse{old.ID(), both.ID(), false}) {
		t.Errorf("the keys are used so: %+v, %v", use, err)
	}
	s.RefuseNewWork(true)
	if changed, err := s.Rekey(t.Context(), both.ID()); err == nil || changed > 0 {
		t.Errorf("a log that is nearly full took %d secrets, %v", changed, err)
	}
	s.RefuseNewWork(false)
	stop, changing := make(chan struct{}), sync.WaitGroup{}
	last, gone := slices.Repeat([]uint64{1}, functions), make([]bool, functions)
	last[0] = 2
	for part := range 4 {
		changing.Go(func() {
			for i := part; ; i = (i + 4) % functions {
				select {
				case <-stop:
					return
				default:
				}
				var err error
				switch {
				case gone[i]:
				case i%10 == 9:
					err = s.DeleteFunction("a", id(i), by("a"))
					gone[i] = true
				default:
					last[i]++
					err = put(i, last[i])
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Rekey(canceled, both.ID()); err == nil {
		t.Error("it was not interrupted")
	}
	must(t, s.UseKeys(both)) // it encrypts as before
	for _, missing := range []*keyset.Keyset{both.WithLast().Only(), old, newKeys(t)} {
		if err := s.UseKeys(missing); !errors.Is(err, errKeys) {
			t.Errorf("a key that is needed is missing: %v", err)
		}
	}
	changed, err := s.Rekey(t.Context(), both.ID())
	must(t, err)
	close(stop)
	changing.Wait()
	if use, err := s.KeyUse(); err != nil || use != (KeyUse{both.ID(), both.ID(), true}) || changed == 0 {
		t.Errorf("the keys are used so: %+v, %v, %d records", use, err, changed)
	}
	must(t, f.UseKeys(both))
	follow(t, f, s)
	must(t, f.CheckKeys())
	only := both.Only()
	for _, r := range []*Store{s, f} {
		must(t, r.UseKeys(only))
		for at, key := range sealedBy(t, r, only) {
			if key != only.ID() {
				t.Fatalf("the former key encrypts %x", at)
			}
		}
		for i, n := range last {
			if gone[i] {
				continue
			}
			v, err := r.GetVersion("a", id(i), n)
			must(t, err)
			if want := contextOf(i, n); !bytes.Equal(v.Context, want) {
				t.Fatalf("function %d has %s, want %s", i, v.Context, want)
			}
		}
	}
	checkInvariants(t, s)
	late := open("late", true, old)
	follow(t, late, s)
	if err := late.CheckKeys(); !errors.Is(err, errKeys) {
		t.Errorf("a replica without the new key: %v", err)
	}
	must(t, late.UseKeys(only))
	must(t, late.Own(t.Context()))
	v := version("new", 1, "code")
	v.Context = []byte("{}")
	must(t, late.CreateFunction(function("a", "new", "new", 1), v, by("a")))
}

// sealedBy returns the names of the keys that have encrypted secrets, by the keys of their records.
func sealedBy(t *testing.T, s *Store, k *keyset.Keyset) map[string]string {
	t.Helper()
	found := make(map[string]string)
	it, err := s.db.NewIter(nil)
	must(t, err)
	for ok := it.First(); ok; ok = it.Next() {
		if value := it.Value(); len(value) > 0 && value[0] == keyset.Marker {
			found[string(it.Key())] = k.Continuing(value).ID()
			if !k.Continuing(value).Fresh(value) {
				t.Fatalf("another key encrypts %x", it.Key())
			}
		}
	}
	must(t, errors.Join(it.Error(), it.Close()))
	if len(found) == 0 {
		t.Fatal("nothing is encrypted")
	}
	return found
}

// TestRekeyBesideLongReads changes the keys, and encrypts with the new one, while a read goes on that lasts until that has
// ended: neither waits for the other, and the owner of a log says meanwhile that it is alive.
func TestRekeyBesideLongReads(t *testing.T) {
	old := newKeys(t)
	o := onLog(vfs.NewMem(), "owner", mem.New().Client(), false)
	o.Keys = old
	s, err := Open(o)
	must(t, err)
	defer func() { must(t, s.Close()) }()
	putSecrets(t, s, "before")
	both, err := old.WithNew()
	must(t, err)
	reads := 0
	must(t, s.EachDelivery(func(runtime.Delivery) error {
		reads++
		must(t, s.UseKeys(both))
		if _, err := s.Rekey(t.Context(), old.ID()); err == nil || !strings.Contains(err.Error(), both.ID()) {
			t.Errorf("with a key that is not the last one: %v", err)
		}
		changed, err := s.Rekey(t.Context(), both.ID())
		if err != nil || changed == 0 {
			t.Errorf("%d records, %v", changed, err)
		}
		must(t, s.UseKeys(both.Only()))
		must(t, s.Beat())
		_, err = s.Setting("none")
		if runtime.CodeOf(err) != runtime.CodeNotFound {
			t.Errorf("a setting: %v", err)
		}
		return nil
	}))
	if reads == 0 {
		t.Fatal("there was no read")
	}
	checkSecrets(t, s, "before")
}

// TestRekeyDuringWrites checks that a step of Rekey and a write that has begun do not overtake each other.
func TestRekeyDuringWrites(t *testing.T) {
	old := newKeys(t)
	s, err := openSealed(t, filepath.Join(t.TempDir(), "store"), old)
	must(t, err)
	defer func() { must(t, s.Close()) }()
	putSecrets(t, s, "before")
	both, err := old.WithNew()
	must(t, err)
	must(t, s.UseKeys(both))
	rekeyed, written := make(chan error, 1), strings.Repeat("w", len(`{"key":"`+canary+`"}`))
	at := keys.VersionPart(keys.KindContext, "a", "id-before", 1)
	must(t, s.commits.Write(commit.NewWork, func(b *pebble.Batch) error {
		sealed := old.Seal(at, record.EncodeRaw([]byte(written)))
		go func() { rekeyed <- errorOf(s.Rekey(t.Context(), both.ID())) }()
		time.Sleep(50 * time.Millisecond) // in which it would encrypt all that it has to
		return b.Set(at, sealed, nil)
	}))
	must(t, <-rekeyed)
	must(t, s.UseKeys(both.Only()))
	v, err := s.GetVersion("a", "id-before", 1)
	if err != nil || string(v.Context) != written {
		t.Errorf("got %q, %v", v.Context, err)
	}
}

// TestRekeyBehindASecretThatNoKeyDecrypts checks that all others are encrypted, and that the error says which one is not.
func TestRekeyBehindASecretThatNoKeyDecrypts(t *testing.T) {
	old := newKeys(t)
	s, err := openSealed(t, filepath.Join(t.TempDir(), "store"), old)
	must(t, err)
	defer func() { must(t, s.Close()) }()
	putSecrets(t, s, "before")
	lost := keys.VersionPart(keys.KindContext, "a", "gone", 1)
	must(t, s.commits.Write(commit.NewWork, func(b *pebble.Batch) error { return b.Set(lost, newKeys(t).Seal(lost, []byte("x")), nil) }))
	both, err := old.WithNew()
	must(t, err)
	must(t, s.UseKeys(both))
	changed, err := s.Rekey(t.Context(), both.ID())
	if !errors.Is(err, keyset.ErrNoKey) || !strings.Contains(err.Error(), `1 records, the first of them with the context of a function of tenant "a"`) || changed == 0 {
		t.Errorf("%d records, %v", changed, err)
	}
	if use, err := s.KeyUse(); err != nil || use != (KeyUse{both.ID(), both.ID(), false}) {
		t.Errorf("the keys are used so: %+v, %v", use, err)
	}
	must(t, s.commits.Write(commit.Relief, func(b *pebble.Batch) error { return b.Delete(lost, nil) }))
	for at, key := range sealedBy(t, s, both) {
		if key != both.ID() && at != string(keys.Setting(keyCheck)) {
			t.Errorf("%x is not encrypted with the new key", at)
		}
	}
	must(t, errorOf(s.Rekey(t.Context(), both.ID())))
}

// TestBundlesWhileKeysChange stores, reads and deletes one bundle by many at once, while the keys change, and closes the store
// meanwhile: all of it ends.
func TestBundlesWhileKeysChange(t *testing.T) {
	old := newKeys(t)
	both, err := old.WithNew()
	must(t, err)
	for range 10 {
		o := onLog(vfs.NewMem(), "owner", mem.New().Client(), false)
		o.Keys = both
		s, err := Open(o)
		must(t, err)
		b, content := bundleNumber(1)
		var users sync.WaitGroup
		for i := range 4 {
			users.Go(func() {
				id := fmt.Sprint("f", i)
				for {
					release, err := s.StageBundle(t.Context(), "a", b, bytes.NewReader(content))
					if err == nil {
						v := version(id, 1, "source")
						v.Bundle = b
						err = errors.Join(s.CreateFunction(function("a", id, id, 1), v, by("a")), s.DeleteFunction("a", id, by("a")))
						release()
					}
					if err != nil {
						return // it is closed
					}
				}
			})
			users.Go(func() {
				for s.Health() == nil {
					_, _ = readBundle(s, "a", b.ID) // which may be deleted
				}
			})
		}
		for range 20 {
			must(t, s.UseKeys(both))
			must(t, errorOf(s.Rekey(t.Context(), both.ID())))
		}
		must(t, s.Close())
		users.Wait()
	}
}
