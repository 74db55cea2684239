package backup

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

// files are the files of a backup, by name.
type files map[string]string

func write(t testing.TB, names []string, all files) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := NewWriter(&out, Info{Release: "v1", Time: time.Unix(1_700_000_000, 0).UTC()})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if err := w.Add(name, int64(len(all[name])), strings.NewReader(all[name])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func read(archive []byte) (all files, c Contents, err error) {
	all = files{}
	c, err = Read(bytes.NewReader(archive), func(name string, size int64, content io.Reader) error {
		text, err := io.ReadAll(content)
		if err == nil && int64(len(text)) != size {
			err = io.ErrUnexpectedEOF
		}
		all[name] = string(text)
		return err
	})
	return all, c, err
}

func TestBackupComesBack(t *testing.T) {
	want := files{"000001.sst": strings.Repeat("x", 100_000), "MANIFEST-000002": "m", "marker.manifest.000001.MANIFEST-000002": ""}
	archive := write(t, []string{"000001.sst", "MANIFEST-000002", "marker.manifest.000001.MANIFEST-000002"}, want)
	got, c, err := read(archive)
	if err != nil || c.Files != 3 || c.Bytes != 100_001 || c.Release != "v1" || c.Time.Unix() != 1_700_000_000 {
		t.Fatalf("%+v, %v", c, err)
	}
	for name, text := range want {
		if got[name] != text {
			t.Errorf("%s came back with %d bytes", name, len(got[name]))
		}
	}
	if c, err := Read(bytes.NewReader(archive), nil); err != nil || c.Files != 3 {
		t.Errorf("only checked: %+v, %v", c, err)
	}
}

// Each changed byte of a header or of a file, and each shorter archive, is noticed. What tar leaves
// between files and at the end of the archive has no meaning.
func TestDamageOfABackup(t *testing.T) {
	want := files{"1.sst": strings.Repeat("a", 600), "2.log": "bb"}
	archive := write(t, []string{"1.sst", "2.log"}, want)
	sums := bytes.LastIndex(archive, []byte("  store/2.log\n")) + len("  store/2.log\n")
	for n := range sums {
		if _, _, err := read(archive[:n]); err == nil {
			t.Fatalf("an archive of %d bytes of %d is accepted", n, len(archive))
		}
	}
	for at := range sums {
		changed := bytes.Clone(archive)
		changed[at] ^= 0x41
		got, _, err := read(changed)
		if err != nil {
			continue
		}
		for name, text := range want {
			if got[name] != text || len(got) != len(want) {
				t.Fatalf("a change of byte %d changes %s and is accepted", at, name)
			}
		}
	}
}

func TestNamesInABackup(t *testing.T) {
	for _, name := range []string{"", ".", "..", "../x", "a/b", "/etc/passwd", "a\x00", ".hidden", "a\\b", strings.Repeat("n", maxName+1)} {
		w, err := NewWriter(io.Discard, Info{})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Add(name, 0, strings.NewReader("")); err == nil {
			t.Errorf("a file %q is written", name)
		}
		var out bytes.Buffer
		if w, err = NewWriter(&out, Info{}); err == nil {
			err = errors.Join(w.add(folder+name, 0, strings.NewReader("")), w.Close())
		}
		if err != nil {
			continue // tar has no such name
		}
		if _, _, err := read(out.Bytes()); !errors.Is(err, ErrDamaged) {
			t.Errorf("a file %q is read: %v", name, err)
		}
	}
	twice := write(t, []string{"a", "a"}, files{"a": "x"})
	if _, _, err := read(twice); !errors.Is(err, ErrDamaged) {
		t.Errorf("two files of one name: %v", err)
	}
	if _, _, err := read(write(t, nil, nil)); !errors.Is(err, ErrDamaged) {
		t.Errorf("no files: %v", err)
	}
}

func TestBackupOfANewerRelease(t *testing.T) {
	archive := bytes.Replace(write(t, []string{"a"}, files{"a": "x"}), []byte(`"format": 1`), []byte(`"format": 2`), 1)
	if _, _, err := read(archive); err == nil || errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "format 2") {
		t.Errorf("got %v", err)
	}
}

// FuzzRead reads anything. It ends, and gives out no name that leaves the folder.
func FuzzRead(f *testing.F) {
	f.Add(write(f, []string{"a", "b"}, files{"a": "x", "b": strings.Repeat("y", 2000)}))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, archive []byte) {
		_, err := Read(bytes.NewReader(archive), func(name string, _ int64, _ io.Reader) error {
			if !validName(name) {
				t.Fatalf("the name %q is given out", name)
			}
			return nil
		})
		if err == nil && !bytes.Contains(archive, []byte(sumsName)) {
			t.Fatal("an archive without sums is accepted")
		}
	})
}
