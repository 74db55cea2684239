package strictjson_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/faaspot/faaspot/runtime/strictjson"
)

func check(doc string) error { return strictjson.Check([]byte(doc), strictjson.Options{}) }

func TestAccepted(t *testing.T) {
	for _, doc := range []string{
		"0", "-0", "1", "-1", "10", "0.5", "-0.0e0", "1e5", "1E+5", "1e-5", "1.5e308", "1e-400", "0e99999999999999999999", "0.00001e312",
		"1.7976931348623157e308", strings.Repeat("9", strictjson.MaxDigits), "-" + strings.Repeat("9", strictjson.MaxDigits),
		"true", "false", "null", `""`, `"a"`, `"ü"`, `"\u00fc"`, `"\ud83d\ude00"`, `"😀"`, `"\"\\\/\b\f\n\r\t\u0000"`, "\"\x7f\"", `"\ufeff"`,
		"[]", "[ ]", "[1]", "[1 , 2]", "{}", "{ }", `{"a":1}`, `{ "a" : 1 , "b" : [ { } ] }`, " \t\r\n1 \t\r\n",
		`{"":1}`, `{"a":{"a":{"a":1}}}`, `[{"a":1},{"a":1}]`, `{"a":1,"A":2}`, `{"é":1,"e\u0301":2}`,
		`{"0":0,"1":0,"2":0,"3":0,"4":0,"5":0,"6":0,"7":0,"8":{"0":0,"8":0},"9":0}`,
		manyNames(8), manyNames(9), manyNames(31), manyNames(32), manyNames(33), manyNames(5000),
		strings.Repeat("[", 200) + strings.Repeat("]", 200),
	} {
		if err := check(doc); err != nil {
			t.Errorf("%.100s: %v", doc, err)
		}
		if !json.Valid([]byte(doc)) {
			t.Errorf("%.100s: encoding/json does not accept it", doc)
		}
	}
}

func TestRefused(t *testing.T) {
	twenty := manyNames(20)
	for _, test := range []struct {
		doc    string
		offset int
		path   string
		reason string
	}{
		{"", 0, "$", "the document is empty"},
		{" \n", 2, "$", "the document is empty"},
		{"\xef\xbb\xbf{}", 0, "$", "byte order mark"},
		{"\xef\xbb\xbf", 0, "$", "byte order mark"},
		{"\xff\xfe1\x00", 0, "$", "a value should be here"},
		{"1 2", 2, "$", "something follows"},
		{"{}x", 2, "$", "something follows"},
		{"1\x00", 1, "$", "something follows"},
		{"\v1", 0, "$", "a value should be here"},
		{"\u00a01", 0, "$", "a value should be here"},
		{"x", 0, "$", "a value should be here"},
		{"nul", 0, "$", "a value should be here"},
		{"truE", 0, "$", "a value should be here"},
		{"NaN", 0, "$", "a value should be here"},
		{"Infinity", 0, "$", "a value should be here"},
		{"-Infinity", 1, "$", "a digit should be here"},
		{"'a'", 0, "$", "a value should be here"},
		{"/**/1", 0, "$", "a value should be here"},

		{"01", 0, "$", "must not start with a zero"},
		{"-01", 1, "$", "must not start with a zero"},
		{"-", 1, "$", "a digit should be here"},
		{"+1", 0, "$", "a value should be here"},
		{".5", 0, "$", "a value should be here"},
		{"1.", 2, "$", "a digit should follow the decimal point"},
		{"1.e5", 2, "$", "a digit should follow the decimal point"},
		{"1e", 2, "$", "a digit should be in the exponent"},
		{"1e+", 3, "$", "a digit should be in the exponent"},
		{"0x1", 1, "$", "something follows"},
		{"1_0", 1, "$", "something follows"},
		{"[1e400]", 1, "$[0]", "too large for a float"},
		{"-1e400", 0, "$", "too large for a float"},
		{"1e309", 0, "$", "too large for a float"},
		{"1.7976931348623159e308", 0, "$", "too large for a float"},
		{"1e99999999999999999999", 0, "$", "too large for a float"},
		{strings.Repeat("1", 400) + ".0", 0, "$", "too large for a float"},
		{strings.Repeat("9", strictjson.MaxDigits+1), 0, "$", "more than 4300 digits"},
		{"-" + strings.Repeat("9", strictjson.MaxDigits+1), 0, "$", "more than 4300 digits"},
		{"0." + strings.Repeat("0", strictjson.MaxDigits), 0, "$", "more than 4300 digits"},
		{"1e-" + strings.Repeat("0", strictjson.MaxDigits), 0, "$", "more than 4300 digits"},

		{`"`, 0, "$", "ends inside a string"},
		{`["abcdefghijk`, 1, "$[0]", "ends inside a string"},
		{`"\`, 1, "$", "ends inside a string"},
		{"\"a\nb\"", 2, "$", "control character"},
		{"\"abcdefghijklm\x1f\"", 14, "$", "control character"},
		{"\"\x00\"", 1, "$", "control character"},
		{`"\x"`, 1, "$", "a backslash must be followed by"},
		{`"\U0041"`, 1, "$", "a backslash must be followed by"},
		{`"\u12"`, 1, "$", "four hexadecimal digits"},
		{`"\u12g4"`, 1, "$", "four hexadecimal digits"},
		{`"\u+123"`, 1, "$", "four hexadecimal digits"},
		{`"\ud800"`, 1, "$", "surrogate"},
		{`"a\udc00"`, 2, "$", "surrogate"},
		{`"\ud800\ud800"`, 1, "$", "surrogate"},
		{`"\ud800x"`, 1, "$", "surrogate"},
		{`"\ud800\n"`, 1, "$", "surrogate"},
		{`"\ude00\ud83d"`, 1, "$", "surrogate"},
		{"\"\xff\"", 1, "$", "not valid UTF-8"},
		{"\"abcdefgh\xc3\"", 9, "$", "not valid UTF-8"},
		{"\"\xc0\x80\"", 1, "$", "not valid UTF-8"},     // overlong
		{"\"\xed\xa0\x80\"", 1, "$", "not valid UTF-8"}, // surrogate
		{"\"\xf4\x90\x80\x80\"", 1, "$", "not valid UTF-8"},

		{"[", 1, "$[0]", "ends where a value should be"},
		{"[1", 2, "$", "ends inside an array"},
		{"[1,", 3, "$[1]", "ends where a value should be"},
		{"[1,]", 3, "$[1]", "a value should be here"},
		{"[,1]", 1, "$[0]", "a value should be here"},
		{"[1 2]", 3, "$", "a comma or the end of the array"},
		{"[1}", 2, "$", "a comma or the end of the array"},
		{"{", 1, "$", "ends inside an object"},
		{`{"a"`, 4, "$.a", "a colon should follow"},
		{`{"a" 1}`, 5, "$.a", "a colon should follow"},
		{`{"a":`, 5, "$.a", "ends where a value should be"},
		{`{"a":}`, 5, "$.a", "a value should be here"},
		{`{"a":1`, 6, "$", "ends inside an object"},
		{`{"a":1,`, 7, "$", "ends inside an object"},
		{`{"a":1,}`, 7, "$", "a member name"},
		{`{"a":1 "b":2}`, 7, "$", "a comma or the end of the object"},
		{`{a:1}`, 1, "$", "a member name"},
		{`{1:1}`, 1, "$", "a member name"},
		{`{,}`, 1, "$", "a member name"},
		{`{"a":1]`, 6, "$", "a comma or the end of the object"},

		{`{"items":[1,2,{"n":01}]}`, 19, "$.items[2].n", "must not start with a zero"},
		{`{"first name":[{"":x}]}`, 19, `$["first name"][0][""]`, "a value should be here"},
		{`{"a\u0022\n\u202e":x}`, 19, "$[\"a\\\"\\n\\u202e\"]", "a value should be here"},
		{`{"a":1,"a":2}`, 7, "$.a", "appears twice"},
		{`{"a":1,"b":{"c":1,"\u0063":2}}`, 18, "$.b.c", "appears twice"},
		{`{"😀":1,"\ud83d\ude00":2}`, 10, `$["😀"]`, "appears twice"},
		{`{"\u0000":1,"\u0000":2}`, 12, `$["\x00"]`, "appears twice"},
		{`{"":1,"":2}`, 6, `$[""]`, "appears twice"},
		{strings.TrimSuffix(twenty, "}") + `,"name\u0033":1}`, len(twenty), "$.name3", "appears twice"},
		{strings.TrimSuffix(twenty, "}") + `,"name19":1}`, len(twenty), "$.name19", "appears twice"},
		{strings.Repeat("[", 201) + strings.Repeat("]", 201), 200, strings.Repeat("[0]", 200), "deeper than 200"},
		{strings.Repeat("[", 100_000), 200, strings.Repeat("[0]", 200), "deeper than 200"},
	} {
		err := check(test.doc)
		e, ok := errors.AsType[*strictjson.Error](err)
		if !ok {
			t.Errorf("%.100q is accepted: %v", test.doc, err)
			continue
		}
		path := e.Path
		if head, tail, cut := strings.Cut(path, "…"); cut && strings.HasPrefix("$"+test.path, head) && strings.HasSuffix(test.path, tail) {
			path = test.path
		}
		if e.Offset != test.offset || path != test.path || !strings.Contains(e.Reason, test.reason) {
			t.Errorf("%.100q: got %v, want %s: %s (byte %d)", test.doc, err, test.path, test.reason, test.offset)
		}
	}
}

func TestObject(t *testing.T) {
	object := strictjson.Options{Object: true}
	for _, doc := range []string{`{}`, ` {"a":1} `} {
		if err := strictjson.Check([]byte(doc), object); err != nil {
			t.Errorf("%s: %v", doc, err)
		}
	}
	for doc, reason := range map[string]string{
		"[]": "must be an object", "null": "must be an object", `"{}"`: "must be an object",
		"": "is empty", "nope": "a value should be here", "{": "ends inside an object",
	} {
		if err := strictjson.Check([]byte(doc), object); err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("%q: %v, want %q", doc, err, reason)
		}
	}
}

func TestMaxDepth(t *testing.T) {
	for _, depth := range []int{1, 2, 200, 201, 1000, strictjson.MaxDepth} {
		o := strictjson.Options{MaxDepth: depth}
		fits := strings.Repeat(`{"a":`, depth-1) + "[]" + strings.Repeat("}", depth-1)
		if err := strictjson.Check([]byte(fits), o); err != nil {
			t.Errorf("depth %d: %v", depth, err)
		}
		if err := strictjson.Check([]byte("["+fits+"]"), o); err == nil {
			t.Errorf("depth %d is accepted where %d is allowed", depth+1, depth)
		}
	}
	if err := strictjson.Check([]byte(strings.Repeat("[", 20_000)), strictjson.Options{MaxDepth: 1 << 30}); err == nil {
		t.Error("nesting without end is accepted")
	}
}

func TestPathsAreShort(t *testing.T) {
	name := strings.Repeat("ü", 1000)
	err := check(strings.Repeat(`{"`+name+`":`, 50) + "x")
	e, ok := errors.AsType[*strictjson.Error](err)
	if !ok || len(e.Path) > 300 || !utf8.ValidString(e.Path) || !strings.Contains(e.Path, "…") {
		t.Fatalf("the path has %d bytes: %v", len(e.Path), err)
	}
}

// TestNoAllocations verifies that small documents, including those with 32 names, cause no
// allocation.
func TestNoAllocations(t *testing.T) {
	for _, doc := range []string{small, manyNames(32), `{"a":"\u00e9\ud83d\ude00"}`, strings.Repeat("[", 100) + strings.Repeat("]", 100)} {
		data := []byte(doc)
		if n := testing.AllocsPerRun(100, func() {
			if err := strictjson.Check(data, strictjson.Options{}); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%.60s: %v allocations", doc, n)
		}
	}
}

// TestDuplicatesAmongMany verifies that a duplicate is found wherever the two names are and however
// many names are around and between them.
func TestDuplicatesAmongMany(t *testing.T) {
	for _, n := range []int{2, 8, 9, 10, 31, 32, 33, 34, 100} {
		for first := range n {
			for second := first + 1; second < n; second++ {
				var b strings.Builder
				for i := range n {
					k := i
					if i == second {
						k = first
					}
					fmt.Fprintf(&b, `,"n%d":{"n0":[],"n%d":0}`, k, n)
				}
				err := check("{" + b.String()[1:] + "}")
				if e, ok := errors.AsType[*strictjson.Error](err); !ok || e.Path != fmt.Sprintf("$.n%d", first) {
					t.Fatalf("%d names, number %d again as %d: %v", n, first, second, err)
				}
			}
		}
	}
}
