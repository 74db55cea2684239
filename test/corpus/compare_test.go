//go:build linux

package corpus

import (
	"maps"
	"slices"
	"strings"
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

// TestDifferencesMustBeExact verifies that an undocumented difference fails the test, and so does a
// documented one that is gone, has another value, or has no reason.
func TestDifferencesMustBeExact(t *testing.T) {
	known := func(subject string) []difference {
		return []difference{{
			Subject: subject, Linux: "one", Here: "two",
			Values: map[string]map[string]values{"p": {"$.a": {"1", "2"}}},
		}}
	}
	for _, c := range []struct {
		name  string
		known []difference
		found map[string]values
		want  string // part of the only problem, empty if there is none
	}{
		{"documented", known("x"), map[string]values{"$.a": {"1", "2"}}, ""},
		{"none", nil, nil, ""},
		{"new", nil, map[string]values{"$.b": {"1", "2"}}, "p: $.b\n"},
		{"gone", known("x"), nil, "does not differ any more"},
		{"without a reason", known(""), map[string]values{"$.a": {"1", "2"}}, "without a reason"},
	} {
		all := problems(c.known, map[string]map[string]values{"p": c.found})
		if (c.want == "") != (len(all) == 0) || len(all) > 1 || len(all) == 1 && !strings.Contains(all[0], c.want) {
			t.Errorf("%s: the problems are %q, want %q", c.name, all, c.want)
		}
	}
	if all := problems(known("x"), map[string]map[string]values{"p": {"$.a": {"1", "3"}}}); len(all) != 2 {
		t.Errorf("another value: the problems are %q, want two", all)
	}
}
