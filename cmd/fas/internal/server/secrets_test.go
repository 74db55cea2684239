package server

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/faaspot/faaspot/storage"
	"github.com/faaspot/faaspot/storage/keyset"
)

// TestRotationNeedsData checks that a rotation in a folder without data, such as one that was misspelled,
// changes neither the keys, which are those of another folder, nor the disk.
func TestRotationNeedsData(t *testing.T) {
	dir := t.TempDir()
	o := Secrets{Data: filepath.Join(dir, "data"), File: filepath.Join(dir, "keys")}
	_, keep, err := o.open(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := keep(); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(o.File)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := RotateSecrets(o, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "there is no data") {
		t.Errorf("got %d, %v", n, err)
	}
	after, err := os.ReadFile(o.File)
	if files, _ := os.ReadDir(dir); err != nil || string(after) != string(before) || len(files) != 1 {
		t.Errorf("the keys or the folder have changed: %v, %v", files, err)
	}
}

// TestRotationAfterManyThatFailed checks that a file with as many keys as there may be, of rotations that
// failed, is rotated.
func TestRotationAfterManyThatFailed(t *testing.T) {
	dir := t.TempDir()
	o := Secrets{Data: dir, File: filepath.Join(dir, "keys")}
	k := new(keyset.Keyset)
	for range keyset.MaxKeys {
		var err error
		if k, err = k.WithNew(); err != nil {
			t.Fatal(err)
		}
	}
	s, err := storage.Open(storage.Options{Dir: filepath.Join(dir, "store"), Log: slog.New(slog.DiscardHandler), Keys: k})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := k.Save(o.File); err != nil {
		t.Fatal(err)
	}
	if _, err := RotateSecrets(o, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	if k, err := o.load(); err != nil || k.Len() != 1 {
		t.Errorf("the file has %v, %v", k, err)
	}
}

// TestMissingKeys checks that a folder whose key file is missing is refused, and gets no new key: with it,
// the next start would fail in another way, and a later backup would have a key that opens nothing.
func TestMissingKeys(t *testing.T) {
	dir := t.TempDir()
	o := Secrets{Data: dir}
	open := func() error {
		k, keep, err := o.open(slog.New(slog.DiscardHandler))
		if err != nil {
			return err
		}
		s, err := storage.Open(storage.Options{Dir: filepath.Join(dir, "store"), Log: slog.New(slog.DiscardHandler), Keys: k, KeepKeys: keep})
		if err != nil {
			return err
		}
		return s.Close()
	}
	for range 2 { // the first start generates the key, the second reads it
		if err := open(); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Rename(o.path(), filepath.Join(dir, "elsewhere")); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := open(); err == nil || !strings.Contains(err.Error(), "its secrets are encrypted with keys that are not given") {
			t.Errorf("without its keys: %v", err)
		}
		if _, err := os.Stat(o.path()); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("a file with keys was made: %v", err)
		}
	}
	if err := os.Rename(filepath.Join(dir, "elsewhere"), o.path()); err != nil {
		t.Fatal(err)
	}
	if err := open(); err != nil {
		t.Errorf("with its keys: %v", err)
	}
}
