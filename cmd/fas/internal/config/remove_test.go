package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRemoveProfile(t *testing.T) {
	for name, tc := range map[string]struct {
		remove  string
		removed bool
		want    string
	}{
		"one that is not in use": {"empty", true, strings.Replace(handWritten, "    empty:\n", "", 1)},
		"an absent one":          {"absent", false, handWritten},
		"the one in use": {"prod", true, `# my servers
other_tool: {keep: me}
faaspot:
  color: blue
  profiles:
    empty:
`},
	} {
		t.Run(name, func(t *testing.T) {
			path := write(t, handWritten)
			var removed bool
			err := Update(path, func(f *File) (err error) {
				removed, err = f.RemoveProfile(tc.remove)
				return err
			})
			if err != nil || removed != tc.removed {
				t.Fatalf("%v, %v", removed, err)
			}
			if diff := cmp.Diff(tc.want, read(t, path)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// After the removal of the last profile the file can be read and changed.
func TestRemoveTheLastProfile(t *testing.T) {
	for _, content := range []string{"faaspot:\n  profile: a\n  profiles:\n    a:\n      port: 1\n", "faaspot: {profile: a, profiles: {a: {}}}\n"} {
		path := write(t, content)
		if err := Update(path, func(f *File) error { _, err := f.RemoveProfile("a"); return err }); err != nil {
			t.Fatal(err)
		}
		f, err := Load(path)
		if err != nil || f.Active() != "" || len(f.Names()) != 0 {
			t.Errorf("%v, %q, %v", err, f.Active(), f.Names())
		}
		if err := Update(path, func(f *File) error { return f.SetProfile("b", Profile{Port: 2}) }); err != nil {
			t.Fatal(err)
		}
		if f, err = Load(path); err != nil || len(f.Names()) != 1 {
			t.Errorf("after another one: %v, %s", err, read(t, path))
		}
	}
	path := write(t, "")
	if err := Update(path, func(f *File) error {
		removed, err := f.RemoveProfile("a")
		if removed {
			t.Error("removed from nothing")
		}
		return err
	}); err != nil {
		t.Error(err)
	}
}

func TestWithDefaults(t *testing.T) {
	for name, tc := range map[string]struct{ given, want Profile }{
		"nothing":         {Profile{}, Profile{Host: "127.0.0.1", Protocol: "http", Port: 8080}},
		"https":           {Profile{Host: "h", Protocol: "HTTPS", Token: "t"}, Profile{Host: "h", Protocol: "https", Port: 443, Token: "t"}},
		"enabled":         {Profile{Protocol: "http", SSLEnabled: true}, Profile{Host: "127.0.0.1", Protocol: "https", Port: 443, SSLEnabled: true}},
		"all of it given": {Profile{Host: "h", Protocol: "http", Port: 9}, Profile{Host: "h", Protocol: "http", Port: 9}},
	} {
		if diff := cmp.Diff(tc.want, tc.given.WithDefaults()); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
