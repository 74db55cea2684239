package jobfile

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faaspot/faaspot/runtime"
)

func TestSettings(t *testing.T) {
	two := 2
	for text, want := range map[string]Settings{
		"":                         {},
		"# nothing\n":              {},
		"allow = []":               {Allow: []string{}},
		`timeout = "2m"`:           {Timeout: 120},
		"timeout = 1.5\nretries=2": {Timeout: 1.5, Retries: &two},
		"memory = 256\nallow = [\n  \"API.example.com:443\", # the shop\n  \"udp:10.0.0.0/8:53\",\n]": {Memory: 256, Allow: []string{"API.example.com:443", "udp:10.0.0.0/8:53"}},
	} {
		got, err := ParseSettings("f.toml", []byte(text))
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%q: %v %s", text, err, diff)
		}
	}
	for text, want := range map[string]string{
		"memory = 1":                          "f.toml:1:1: memory of 1 is out of bounds",
		"timeout = 0":                         "f.toml:1:1: timeout of 0 seconds is out of bounds",
		"retries = 11":                        "f.toml:1:1: retries of 11 is out of bounds",
		"retries = \"1\"":                     "f.toml:1:1: retries is a string, not a whole number",
		"\nallow = \"a:1\"":                   "f.toml:2:1: allow is a string, not an array of strings",
		"allow = [1]":                         "f.toml:1:10: allow[0] is a whole number, not a string",
		"allow = [\n\"a:1\",\n \"http://b\"]": "f.toml:3:2: allow[1]: the rule \"http://b\" cannot be allowed: it is a URL",
		"alow = []":                           "f.toml:1:1: alow is not known here",
		"allow = [":                           "f.toml:",
		"[allow]":                             "f.toml:1:2: allow is a table, not an array of strings",
		"context = {}":                        "f.toml:1:1: context is not known here",
	} {
		_, err := ParseSettings("f.toml", []byte(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// FuzzSettings reads files with settings of functions. What is read is in bounds.
func FuzzSettings(f *testing.F) {
	for _, text := range []string{"timeout = 1.5\nmemory = 128\nretries = 2\nallow = [\"a.example:443\"]", "timeout = \"2m\"", "memory = 1e3", "allow = []", "retries = -1", "timeout = nan", "x = 1", "[allow]\na=1", "allow = [1, [\"x\"]]"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseSettings(FunctionFile, []byte(text))
		if err != nil {
			if runtime.CodeOf(err) != runtime.CodeInvalidArgument {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		limits := runtime.Limits{Timeout: time.Duration(s.Timeout * float64(time.Second)), Memory: int64(s.Memory) * runtime.MiB}
		if err := limits.Validate(); err != nil {
			t.Fatalf("%q is read as %+v: %v", text, s, err)
		}
		if _, err := runtime.ParseAllow(s.Allow); err != nil {
			t.Fatalf("%q is read as %+v: %v", text, s, err)
		}
		if s.Retries != nil && (*s.Retries < 0 || *s.Retries > runtime.MaxRetries) {
			t.Fatalf("%q is read as %d retries", text, *s.Retries)
		}
	})
}
