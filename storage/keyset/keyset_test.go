package keyset

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// newKeys returns a set of n keys.
func newKeys(t *testing.T, n int) *Keyset {
	t.Helper()
	k := &Keyset{}
	for range n {
		var err error
		if k, err = k.WithNew(); err != nil {
			t.Fatal(err)
		}
	}
	return k
}

func TestSealedValues(t *testing.T) {
	old := newKeys(t, 1)
	place, value := []byte("tenant/function"), []byte("a secret")
	sealed := old.Seal(place, value)
	if bytes.Contains(sealed, value) || sealed[0] != Marker || !old.Fresh(sealed) || old.Fresh(value) {
		t.Fatalf("sealed: %q", sealed)
	}
	if again := old.Seal(place, value); bytes.Equal(again, sealed) {
		t.Error("the same secret is encrypted to the same bytes")
	}
	both, err := old.WithNew()
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range []*Keyset{old, both} {
		if got, err := k.Open(place, sealed); err != nil || !bytes.Equal(got, value) {
			t.Errorf("got %q, %v", got, err)
		}
	}
	if both.Fresh(sealed) || !both.Fresh(both.Seal(place, value)) {
		t.Error("the newest key does not encrypt")
	}
	if _, err := both.Only().Open(place, sealed); !errors.Is(err, ErrNoKey) {
		t.Errorf("without its key: %v", err)
	}
	if _, err := old.Open([]byte("tenant/other"), sealed); !errors.Is(err, ErrNoKey) {
		t.Errorf("at another place: %v", err)
	}
	for i := range sealed {
		changed := bytes.Clone(sealed)
		changed[i] ^= 1
		if _, err := old.Open(place, changed); !errors.Is(err, ErrNoKey) {
			t.Errorf("byte %d changed: %v", i, err)
		}
		if _, err := old.Open(place, sealed[:i]); !errors.Is(err, ErrNoKey) {
			t.Errorf("cut to %d bytes: %v", i, err)
		}
	}
}

func TestKeysInFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	if _, err := Load(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a file: %v", err)
	}
	k := newKeys(t, 3)
	if err := k.Save(path); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is %v, %v", info, err)
	}
	got, err := Load(path)
	if err != nil || got.Len() != 3 {
		t.Fatalf("got %v, %v", got, err)
	}
	if v, err := got.Open(nil, k.Seal(nil, []byte("x"))); err != nil || string(v) != "x" || !got.Fresh(k.Seal(nil, nil)) {
		t.Errorf("got %q, %v", v, err)
	}
	if files, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*")); len(files) != 1 {
		t.Errorf("files are left: %v", files)
	}
}

// TestKeysAreSavedWhereALinkLeads checks that a link to a file with keys stays one.
func TestKeysAreSavedWhereALinkLeads(t *testing.T) {
	dir := t.TempDir()
	path, link := filepath.Join(dir, "keys"), filepath.Join(dir, "link")
	if err := errors.Join(newKeys(t, 1).Save(path), os.Symlink("keys", link), newKeys(t, 2).Save(link)); err != nil {
		t.Fatal(err)
	}
	if k, err := Load(path); err != nil || k.Len() != 2 {
		t.Errorf("the file has %v, %v", k, err)
	}
	if target, err := os.Readlink(link); err != nil || target != "keys" {
		t.Errorf("the link leads to %q, %v", target, err)
	}
}

// TestInterruptedSavesLeaveNoKeys checks that a save removes the files of those before that were killed,
// which may have keys that were deleted since.
func TestInterruptedSavesLeaveNoKeys(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{".keys.123", ".other.1", "keys.1"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := newKeys(t, 1).Save(filepath.Join(dir, "keys")); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 3 || files[0].Name() != ".other.1" {
		t.Errorf("there are %v, %v", files, err)
	}
}

// TestOneProcessCreatesKeys checks that keys which exist are not replaced by new ones: another process
// may have encrypted secrets with them already.
func TestOneProcessCreatesKeys(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	var created atomic.Int32
	var all sync.WaitGroup
	for range 8 {
		k := newKeys(t, 1)
		all.Go(func() {
			err := k.Create(path)
			if err == nil {
				created.Add(1)
				if got, err := Load(path); err != nil || !got.Fresh(k.Seal(nil, nil)) {
					t.Errorf("the file has other keys: %v", err)
				}
			} else if !errors.Is(err, os.ErrExist) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if files, _ := os.ReadDir(filepath.Dir(path)); created.Load() != 1 || len(files) != 1 {
		t.Errorf("%d created the file; there are %v", created.Load(), files)
	}
}

func TestParseRefuses(t *testing.T) {
	good := strings.Repeat("A", 43) + "="
	if k, err := Parse("# x\n" + good + ", " + good + "\n"); err != nil || k.Len() != 2 {
		t.Errorf("got %v, %v", k, err)
	}
	for _, text := range []string{"", "# only a comment", "AAAA", good[1:], good + good, strings.Repeat(good+"\n", MaxKeys+1)} {
		if _, err := Parse(text); err == nil || strings.Contains(err.Error(), "AAAA") {
			t.Errorf("%.50q: %v", text, err)
		}
	}
}

// TestKeysThatContinue checks that the key which has encrypted a value goes on to encrypt, if it is there, until the last
// one shall, and that names of keys say nothing else.
func TestKeysThatContinue(t *testing.T) {
	k := newKeys(t, 3)
	ids := k.IDs()
	if len(ids) != 3 || k.ID() != ids[2] || ids[0] == ids[1] {
		t.Fatalf("the keys are %v, and %s encrypts", ids, k.ID())
	}
	first := (&Keyset{keys: k.keys[:1]}).Seal(nil, []byte("x"))
	before := k.Continuing(first)
	sealed := before.Seal(nil, []byte("y"))
	if before.ID() != ids[0] || !before.Fresh(first) || !before.Fresh(sealed) || k.Fresh(sealed) || before.Only().ID() != ids[0] {
		t.Errorf("the key %s encrypts", before.ID())
	}
	for _, all := range []*Keyset{k, before} {
		if v, err := all.Open(nil, sealed); err != nil || string(v) != "y" {
			t.Errorf("got %q, %v", v, err)
		}
	}
	if again := before.WithLast(); again.ID() != ids[2] {
		t.Errorf("the key %s encrypts", again.ID())
	}
	for _, value := range [][]byte{nil, []byte("plain"), first[:10], newKeys(t, 1).Seal(nil, nil)} {
		if k.Continuing(value).ID() != ids[2] {
			t.Errorf("%q changes the key that encrypts", value)
		}
	}
	with, err := before.WithNew()
	if err != nil || with.Len() != 4 || with.ID() != with.IDs()[3] || len(k.IDs()) != 3 {
		t.Errorf("with a new key: %v, %v", with, err)
	}
}
