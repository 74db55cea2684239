//go:build linux

package corpus

import (
	"maps"
	"slices"
	"testing"
)

// TestCompare verifies that the comparison detects differences of values, types and shapes, and no
// others.
func TestCompare(t *testing.T) {
	for _, c := range []struct {
		want, got string
		paths     []string
	}{
		{`{"a": [1, {"b": null}], "c": "x"}`, `{"c": "x", "a": [1, {"b": null}]}`, nil},
		{`1`, `1.0`, []string{"$"}},
		{`1`, `true`, []string{"$"}},
		{`0.1`, `0.10000000000000002`, []string{"$"}},
		{`-0.0`, `0.0`, []string{"$"}},
		{`[1, 2, 3]`, `[1, 3, 2]`, []string{"$[1]", "$[2]"}},
		{`[1, 2]`, `[1]`, []string{"$"}},
		{`{"a": 1, "b": 2}`, `{"a": 1, "c": 2}`, []string{"$.b", "$.c"}},
		{`{"a": {}}`, `{"a": []}`, []string{"$.a"}},
		{`[]`, `null`, []string{"$"}},
		{`"é"`, `"e"`, []string{"$"}},
	} {
		want, err := decode([]byte(c.want))
		if err != nil {
			t.Fatal(err)
		}
		got, err := decode([]byte(c.got))
		if err != nil {
			t.Fatal(err)
		}
		found := map[string]values{}
		compare("$", want, got, found)
		if paths := slices.Sorted(maps.Keys(found)); !slices.Equal(paths, c.paths) {
			t.Errorf("%s and %s differ at %v, want %v", c.want, c.got, paths, c.paths)
		}
	}
}
