package serverfile

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/faaspot/faaspot/runtime"
)

func TestRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fasd.toml")
	text := "# a comment\nlisten = \"127.0.0.1:1\"\n\nworkers = 2\naccess_log = true\negress_allow = [\n  \"a:1\",\n  \"b\"]\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	want := []Setting{
		{"listen", 2, Text, []string{"127.0.0.1:1"}},
		{"workers", 4, Whole, []string{"2"}},
		{"access_log", 5, Flag, []string{"true"}},
		{"egress_allow", 6, List, []string{"a:1", "b"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := Read(path + ".no"); err == nil {
		t.Error("a file that does not exist is read")
	}
}

// All mistakes are reported at once, with their lines.
func TestMistakes(t *testing.T) {
	for text, want := range map[string][]string{
		"a = 1\nb = \n":                          {"f:2: "},
		"a = 1\na = 2\n":                         {"f:2: "},
		"a = 1.5\nok = 1\n\n[t]\nb = 1\nc = 1\n": {"f:1: a has", "f:4: t has"},
		"a = [1]\nb = 2020-01-01\nc.d = 1":       {"f:1: a has", "f:2: b has", "f:3: c has"},
		"[[t]]\na = 1\n":                         {"f:1: t has"},
	} {
		_, err := parse("f", []byte(text))
		coded, ok := errors.AsType[*runtime.Error](err)
		if !ok {
			t.Errorf("%q: %v", text, err)
			continue
		}
		got := []string{coded.Message}
		for _, more := range coded.More {
			got = append(got, more.Message)
		}
		if len(got) != len(want) {
			t.Errorf("%q: %q", text, got)
			continue
		}
		for i := range want {
			if !strings.HasPrefix(got[i], want[i]) {
				t.Errorf("%q: %q, want %q", text, got, want)
			}
		}
	}
}

// FuzzParse reads anything. Every setting has a line of the text.
func FuzzParse(f *testing.F) {
	f.Add("listen = \"x\"\n[a]\nb = 1\n")
	f.Add("a.b = [\"x\"]\n\"q\" = true")
	f.Fuzz(func(t *testing.T, text string) {
		all, err := parse("f", []byte(text))
		for _, s := range all {
			if s.Line < 1 || s.Line > 1+strings.Count(text, "\n") || s.Kind == "" {
				t.Fatalf("%+v, %v", s, err)
			}
		}
	})
}
