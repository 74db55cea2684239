package storage

import (
	"bytes"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/commit"
	"github.com/faaspot/faaspot/storage/internal/keys"
	"github.com/faaspot/faaspot/storage/internal/kv"
	"github.com/faaspot/faaspot/storage/internal/storetest"
	"github.com/faaspot/faaspot/storage/keyset"
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

	s, err = openSealed(t, dir, both.Newest())
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
