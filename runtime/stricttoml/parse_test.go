package stricttoml

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/faaspot/faaspot/runtime/strictjson"
	"github.com/faaspot/faaspot/test/linear"
)

// largest is the limit of the texts that the server parses.
const largest = 256 << 10

// TestDepth nests in every way that TOML has, up to the limit and one beyond it, and mixes them.
func TestDepth(t *testing.T) {
	t.Parallel()
	const limit = 50
	dots := func(n int) string { return strings.Repeat("a.", n-1) + "a" }
	for name, nested := range map[string]func(n int) string{ // n levels inside the root
		"arrays": func(n int) string { return "k = " + strings.Repeat("[", n) + strings.Repeat("]", n) },
		"arrays after a long string": func(n int) string {
			return `k = ["""x"""", ` + strings.Repeat("[", n-1) + strings.Repeat("]", n)
		},
		"inline tables":  func(n int) string { return "k = " + strings.Repeat("{a = ", n) + "1" + strings.Repeat("}", n) },
		"dotted keys":    func(n int) string { return dots(n+1) + " = 1" },
		"inline dots":    func(n int) string { return "k = {" + dots(n) + " = 1}" },
		"headers":        func(n int) string { return "[" + dots(n) + "]" },
		"header and key": func(n int) string { return "[" + dots(n-10) + "]\n" + dots(11) + " = 1" },
		"header and value": func(n int) string {
			return "[" + dots(n-10) + "]\nk = " + strings.Repeat("[", 10) + strings.Repeat("]", 10)
		},
		"arrays of tables": func(n int) string { return "[[" + dots(n-1) + "]]" },
		"tables in arrays of tables": func(n int) string {
			return "[[a]]\n[[a.a]]\n[[a.a.a]]\n[a.a.a." + dots(n-6) + "]"
		},
	} {
		if table, err := Parse([]byte(nested(limit-1)), limit); err != nil {
			t.Errorf("%s: %v", name, err)
		} else if text, err := table.JSON(); err != nil || strictjson.Check(text, strictjson.Options{MaxDepth: limit}) != nil {
			t.Errorf("%s became %s, %v", name, text, err)
		}
		_, err := Parse([]byte(nested(limit)), limit)
		if e, ok := errors.AsType[*Error](err); !ok || e.Reason != "nested more than 50 deep" {
			t.Errorf("%s, beyond the limit: %v", name, err)
		}
	}
}

// hostile are texts that a parser may read in quadratic time, or with much memory: each function
// returns about n bytes.
var hostile = map[string]func(n int) string{
	"arrays": func(n int) string { return "k = " + strings.Repeat("[", n/2) + strings.Repeat("]", n/2) },
	"arrays behind quotes": func(n int) string {
		return `k = ["""x"""", ` + strings.Repeat("[", n/2) + strings.Repeat("]", n/2) + "]"
	},
	"open arrays":                func(n int) string { return "k = " + strings.Repeat("[", n) },
	"open tables":                func(n int) string { return "k = " + strings.Repeat("{a=", n/3) },
	"dots":                       func(n int) string { return strings.Repeat("a.", n/2) + "a = 1" },
	"dots in a table":            func(n int) string { return `k=["""x"""", {` + strings.Repeat("a.", n/2) + "a=1}]" },
	"a long header":              func(n int) string { return "[" + strings.Repeat("a.", n/2) + "a]" },
	"deep lines":                 func(n int) string { return numbered(n, strings.Repeat("a.", 150)+"k%d = 1\n") },
	"different deep lines":       func(n int) string { return numbered(n, "k%d."+strings.Repeat("a.", 150)+"a = 1\n") },
	"keys":                       func(n int) string { return numbered(n, "k%d = 1\n") },
	"keys of a table":            func(n int) string { return "[t]\n" + numbered(n, "k%d = 1\n") },
	"keys of an inline table":    func(n int) string { return "t = {" + strings.TrimSuffix(numbered(n, "k%d=1,"), ",") + "}" },
	"dotted keys":                func(n int) string { return numbered(n, "a.b.k%d = 1\n") },
	"tables":                     func(n int) string { return numbered(n, "[k%d]\n") },
	"subtables":                  func(n int) string { return numbered(n, "[a.b.k%d]\n") },
	"tables in an array":         func(n int) string { return "[[a]]\n" + numbered(n, "[a.k%d]\nb = 1\n") },
	"arrays of tables":           func(n int) string { return strings.Repeat("[[a]]\n", n/6) },
	"nested arrays of tables":    func(n int) string { return "[[a]]\n" + strings.Repeat("[[a.b]]\n", n/8) },
	"arrays in turns":            func(n int) string { return strings.Repeat("[[a]]\nb.c.d = 1\n[[e]]\n", n/23) },
	"a wide array":               func(n int) string { return "k = [" + strings.Repeat("1,", n/2) + "]" },
	"empty inline tables":        func(n int) string { return "k = [" + strings.Repeat("{},", n/3) + "]" },
	"small inline tables":        func(n int) string { return "k = [" + strings.Repeat("{a=1},", n/6) + "]" },
	"strings":                    func(n int) string { return "k = [" + strings.Repeat(`"",`, n/3) + "]" },
	"escapes":                    func(n int) string { return "k = [" + strings.Repeat(`"\n",`, n/5) + "]" },
	"long escapes":               func(n int) string { return "k = [" + strings.Repeat(`"""\n""",`, n/9) + "]" },
	"an open string":             func(n int) string { return "k = [" + strings.Repeat(`"""\n""",`, n/9) + `"""\n` },
	"quotes":                     func(n int) string { return `k = """` + strings.Repeat(`""\n`, n/4) + `"""` },
	"one escaped string":         func(n int) string { return `k = "` + strings.Repeat(`\"`, n/2) + `"` },
	"a long key":                 func(n int) string { return "[" + strings.Repeat("k", n/2) + "]\n" + numbered(n/2, "k%d = 1\n") },
	"a long key around an array": func(n int) string { return strings.Repeat("k", n/2) + " = [" + strings.Repeat("1,", n/4) + "]" },
	"a long key twice":           func(n int) string { k := strings.Repeat("k", n/2); return k + " = 1\n" + k + " = 1\n" },
	"empty lines":                func(n int) string { return strings.Repeat("\n", n) },
	"spaces":                     func(n int) string { return strings.Repeat(" ", n) },
	"comments":                   func(n int) string { return strings.Repeat("#\n", n/2) },
	"comments in arrays":         func(n int) string { return "k = [" + strings.Repeat("#\n", n/2) + "]" },
	"a long integer":             func(n int) string { return "k = " + strings.Repeat("9", n) },
	"a long float":               func(n int) string { return "k = 0." + strings.Repeat("9", n) },
	"underscores":                func(n int) string { return "k = 1" + strings.Repeat("_1", n/2) + ".0" },
	"floats":                     func(n int) string { return "k = [" + strings.Repeat("1e300,", n/6) + "]" },
	"times":                      func(n int) string { return "k = [" + strings.Repeat("07:32:00,", n/9) + "]" },
	"a long fraction":            func(n int) string { return "k = 07:32:00." + strings.Repeat("9", n) },
	"a long date":                func(n int) string { return "k = 1979-05-27 " + strings.Repeat("0", n) },
	"infinite at the end":        func(n int) string { return numbered(n, "k%d = 1\n") + "z = inf" },
}

// numbered repeats a format of one number, up to about n bytes.
func numbered(n int, format string) string {
	var b strings.Builder
	for i := 100_000; b.Len() < n; i++ {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

// TestLinear doubles hostile texts up to the limit: reading and rendering them takes memory in
// proportion to their length.
func TestLinear(t *testing.T) {
	for name, text := range hostile {
		t.Run(name, func(t *testing.T) {
			linear.Bytes(t, largest, func(size int) func() {
				text := []byte(text(size))
				return func() {
					if table, err := Parse(text, strictjson.DefaultMaxDepth); err == nil {
						_, _ = table.JSON()
					}
				}
			})
		})
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range hostile {
		f.Add(text(1000))
	}
	f.Add("[a.b]\nc = '''\nx'''\n[[d]]\ne = 1979-05-27\nf = 07:32\ng = 1979-05-27t07:32:00z")
	f.Fuzz(func(t *testing.T, text string) {
		const depth = 20
		table, err := Parse([]byte(text), depth)
		if e, ok := errors.AsType[*Error](err); err != nil && (!ok || e.Offset < 0 || e.Offset > len(text) || e.Reason == "") {
			t.Fatalf("%q: %#v", text, err)
		}
		if err != nil {
			return
		}
		object, err := table.JSON()
		if err != nil {
			return // an infinite number
		}
		if err := strictjson.Check(object, strictjson.Options{Object: true, MaxDepth: depth}); err != nil {
			t.Fatalf("%q became %s: %v", text, object, err)
		}
		// The object has the order of the document, a map has none.
		var read any
		decoder := json.NewDecoder(bytes.NewReader(object))
		decoder.UseNumber()
		if err := decoder.Decode(&read); err != nil {
			t.Fatal(err)
		}
		if got, want := sorted(t, read), sorted(t, withFloats(table.Map())); got != want {
			t.Fatalf("%q became %s and, as a map, %s", text, got, want)
		}
	})
}

// sorted returns a value as JSON, with the members of objects in the order of their names.
func sorted(t *testing.T, v any) string {
	t.Helper()
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// withFloats replaces floats by what JSON has for them.
func withFloats(v any) any {
	switch v := v.(type) {
	case float64:
		return FloatJSON(v)
	case []any:
		for i := range v {
			v[i] = withFloats(v[i])
		}
	case map[string]any:
		for name := range v {
			v[name] = withFloats(v[name])
		}
	}
	return v
}

// TestFloatsStayFloats verifies that a whole number with a point does not become an integer.
func TestFloatsStayFloats(t *testing.T) {
	const text = "a = 1.0\nb = 1\nc = -0.0\nd = 1e3\ne = 1e300\nf = [2.0, 2]\ng = 0.5\n"
	const want = `{"a":1.0,"b":1,"c":-0.0,"d":1000.0,"e":1e+300,"f":[2.0,2],"g":0.5}`
	table, err := Parse([]byte(text), 10)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := table.JSON(); err != nil || string(got) != want {
		t.Errorf("got %s, %v; want %s", got, err, want)
	}
}
