package runargs

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
	"github.com/faaspot/faaspot/runtime"
)

func TestReadBulk(t *testing.T) {
	for name, tc := range map[string]struct {
		text  string
		want  []string
		wrong string // in the error
	}{
		"nothing":             {"", nil, ""},
		"blank lines":         {"\n  \n\r\n", nil, ""},
		"lines":               {"{\"n\": 1}\n{}\n", []string{`{"n": 1}`, `{}`}, ""},
		"no newline at end":   {"{}\n{\"b\":2}", []string{`{}`, `{"b":2}`}, ""},
		"CRLF and blanks":     {"{}\r\n\r\n {\"b\":2} \r\n", []string{`{}`, `{"b":2}`}, ""},
		"not JSON":            {"{}\n\n{name: 1}\n", nil, "line 3 of the standard input is not a JSON object: "},
		"not an object":       {"[1]\n", nil, "line 1 of the standard input is not a JSON object: "},
		"two on a line":       {"{}{}\n", nil, "line 1 of "},
		"over several lines":  {"{\n}\n", nil, "line 1 of "},
		"the same name twice": {"{}\n{\"a\":1,\"a\":2}\n", nil, "line 2 of "},
		"not UTF-8":           {"{}\n{\"a\":\"\xff\"}\n", nil, "line 2 of "},
		"one that is large":   {"{}\n{\"a\":\"" + strings.Repeat("x", runtime.MaxArgs) + "\"}\n", nil, "line 2 of the standard input is too large"},
	} {
		t.Run(name, func(t *testing.T) {
			a := &ui.Terminal{In: strings.NewReader(tc.text)}
			runs, err := ReadLines(t.Context(), a, "-")
			if tc.wrong != "" {
				if err == nil || !strings.Contains(err.Error(), tc.wrong) {
					t.Errorf("got %v, want %q", err, tc.wrong)
				}
				return
			}
			var got []string
			for _, run := range runs {
				got = append(got, string(run))
			}
			if diff := cmp.Diff(tc.want, got); err != nil || diff != "" {
				t.Errorf("%v, %s", err, diff)
			}
		})
	}
}

func TestParseBulk(t *testing.T) {
	runs, err := ParseEntries([]string{"k1=v1, k2=v2", "k3=v3", "text=hello, world"})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"k1":"v1","k2":"v2"}|{"k3":"v3"}|{"text":"hello, world"}`
	if got := string(bytes.Join(runs, []byte("|"))); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for _, entry := range []string{"", "name", "a=1, a=2"} {
		if _, err := ParseEntries([]string{"a=1", entry}); runtime.CodeOf(err) != runtime.CodeInvalidArgument {
			t.Errorf("%q: %v", entry, err)
		}
	}
}

// The chunks together are all runs, no chunk exceeds a bound without need, and none has room for
// the first run of the next.
func TestBulkParts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		runs := rapid.SliceOfN(rapid.SliceOfN(rapid.Just(byte('x')), 1, 20), 0, 30).Draw(t, "runs")
		most := rapid.IntRange(1, 8).Draw(t, "most")
		mostBytes := rapid.IntRange(3, 60).Draw(t, "bytes")
		size := func(part [][]byte) int {
			return len("[]") + len(bytes.Join(part, []byte(","))) + len(",")
		}
		var all [][]byte
		var before [][]byte
		number := 0
		for n, part := range Chunks(runs, most, mostBytes) {
			if n != number || len(part) == 0 || len(part) > most || len(part) > 1 && size(part) > mostBytes {
				t.Fatalf("part %d, the %dth: %d runs of %d bytes", n, number, len(part), size(part))
			}
			if n > 0 && len(before) < most && size(append(slices.Clone(before), part[0])) <= mostBytes {
				t.Fatalf("part %d had room for more", n-1)
			}
			number++
			before = part
			all = append(all, part...)
		}
		if !slices.EqualFunc(all, runs, bytes.Equal) {
			t.Fatalf("%d runs became %d", len(runs), len(all))
		}
	})
}
