package secretfile_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/faaspot/faaspot/cmd/fas/internal/secretfile"
)

// TestParse reads files of all formats.
func TestParse(t *testing.T) {
	for _, c := range []struct{ path, text, want string }{
		{".env", "A=1\n# a comment\nexport B = two words # more\n\nC=\"x # y\"\nD='pa$1${W}'\n", `A="1" B="two words" C="x # y" D="pa$1${W}"`},
		{"-", "A=\"one\ntwo\"\r\nB=a=b\r\n", `A="one\ntwo" B="a=b"`},
		{"prod.env", "\ufeffA=pa$word\n", `A="pa$word"`},
		{"s.toml", "a = 1\n[b]\nc = 'x'\n", `a=1 b={"c":"x"}`},
		{"S.JSON", ` {"a":{"b":null},"c":1.50}`, `a={"b":null} c=1.50`},
	} {
		got, err := secretfile.Parse(c.path, c.text)
		if err != nil {
			t.Errorf("%s %q: %v", c.path, c.text, err)
		}
		if text := show(got); text != c.want {
			t.Errorf("%s %q is %s, want %s", c.path, c.text, text, c.want)
		}
	}
}

func show(values map[string]json.RawMessage) string {
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(values)) {
		parts = append(parts, key+"="+string(values[key]))
	}
	return strings.Join(parts, " ")
}

// TestWrongFiles reads files that are not valid. The errors name the file, and quote no value.
func TestWrongFiles(t *testing.T) {
	for _, c := range []struct{ path, text, want string }{
		{".env", "A=1\nno name s3cret!\n", "NAME=value"},
		{".env", "A=\"s3cret\n", "NAME=value"},
		{".env", "s3cret", "without a name"},
		{".env", "A=s3cret$2b\n", `"A" has a $`},
		{".env", "A=1\nB=\"s3cret${A}\"\n", `"B" has a $`},
		{".env", "# nothing\n", "no values"},
		{"s.toml", "a = 1\nb = s3cret\n", "line 2"},
		{"s.toml", "a = 'x'\na = 's3cret'\n", "line 2"},
		{"s.json", "{\"a\":1,\n\"a\":\"s3cret\"}", "line 2"},
		{"s.json", `["s3cret"]`, "object"},
		{"s.json", `{"a":null,"b":"s3cret"}`, `"a" is null`},
		{"s.json", `{"":"s3cret"}`, "without a name"},
		{"s.json", ``, "line 1"},
	} {
		values, err := secretfile.Parse(c.path, c.text)
		if err == nil {
			t.Errorf("%s %q is %s", c.path, c.text, show(values))
			continue
		}
		if text := err.Error(); !strings.Contains(text, c.want) || !strings.Contains(text, c.path) || strings.Contains(text, "s3cret") {
			t.Errorf("%s %q: %v, want %q", c.path, c.text, err, c.want)
		}
	}
}

// FuzzParse reads lines. What is accepted is strings with names.
func FuzzParse(f *testing.F) {
	f.Add("A=1\nexport B='x'\n# c\nC=\"a\\n$D\"")
	f.Add("=x\n'\"\\")
	f.Fuzz(func(t *testing.T, text string) {
		values, err := secretfile.Parse("-", text)
		for key, value := range values {
			var s string
			if err != nil || key == "" || json.Unmarshal(value, &s) != nil {
				t.Errorf("%q is %s, %v", key, value, err)
			}
		}
	})
}
