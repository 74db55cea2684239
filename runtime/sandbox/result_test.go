package sandbox

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// badResults cannot be encoded as JSON. where is the path in the value that the message must
// contain.
var badResults = []struct {
	name, main, where string
	class             runtime.Class
}{
	{"object", "return object()", "$ is of type object", runtime.ClassResultInvalid},
	{"set", "return {1}", "$ is of type set", runtime.ClassResultInvalid},
	{"bytes", "return {'a': [0, b'x']}", "$.a[1] is of type bytes", runtime.ClassResultInvalid},
	{"complex", "return 1j", "$ is of type complex", runtime.ClassResultInvalid},
	{"decimal", "import decimal\nreturn [decimal.Decimal(1)]", "$[0] is of type Decimal", runtime.ClassResultInvalid},
	{"datetime", "import datetime\nreturn datetime.datetime.now()", "$ is of type datetime", runtime.ClassResultInvalid},
	{"function", "return main", "$ is of type function", runtime.ClassResultInvalid},
	{"generator", "return (x for x in ())", "$ is of type generator", runtime.ClassResultInvalid},
	{"coroutine", "async def f(): pass\nreturn [f()]", "$[0] is of type coroutine", runtime.ClassResultInvalid},
	{"cyclic list", "l = []\nl.append(l)\nreturn l", "contains itself", runtime.ClassResultInvalid},
	{"cyclic dict", "d = {}\nd['x'] = [d]\nreturn d", "$.x[0] contains itself", runtime.ClassResultInvalid},
	{"nan", "return [float('nan')]", "$[0] is nan", runtime.ClassResultInvalid},
	{"infinity", "return {'x': float('inf')}", "$.x is inf", runtime.ClassResultInvalid},
	{"lone surrogate", "return ['\\ud800']", "$[0] is a string with a lone surrogate", runtime.ClassResultInvalid},
	{"surrogate key", "return {'\\udfff': 1}", "lone surrogate", runtime.ClassResultInvalid},
	{"tuple key", "return {'a': {(1, 2): 3}}", "$.a has a key of type tuple", runtime.ClassResultInvalid},
	{"bytes key", "return {b'a': 3}", "$ has a key of type bytes", runtime.ClassResultInvalid},
	{"nan key", "return {float('nan'): 3}", "$ has the key nan", runtime.ClassResultInvalid},
	{"deep", "l = []\nfor _ in range(300): l = [l]\nreturn l", "[0][0]", runtime.ClassResultInvalid}, // by the engine
	{"too large", "return 'x' * 7_000_000", "", runtime.ClassResultTooLarge},
	{"too large escaped", "return '\\0' * 2_000_000", "", runtime.ClassResultTooLarge},
	{"one over", "return 'x' * (6 * 1024 * 1024 - 1)", "", runtime.ClassResultTooLarge},
	{"hostile dict", "class D(dict):\n    def items(self): raise ValueError\nreturn D(a=object())", "", runtime.ClassResultInvalid},
	{"endless dict", "class D(dict):\n    def items(self):\n        while True: yield 'a', 1\nreturn D(a=1)", "", runtime.ClassTimeout},
	{"hostile float", "class F(float):\n    def __repr__(self): return '1, 2'\nreturn [F(float('nan'))]", "", runtime.ClassResultInvalid},
	{"huge integer", "return 10**5000", "", runtime.ClassResultInvalid},
}

func TestBadResults(t *testing.T) {
	eachBox(t, func(t *testing.T, box *Sandbox) {
		for i, bad := range badResults {
			if !sampled(box, i) {
				continue
			}
			t.Run(bad.name, func(t *testing.T) {
				limits := runtime.Limits{Timeout: 30 * time.Second}
				if bad.class == runtime.ClassTimeout {
					limits.Timeout = 10 * runtime.MinTimeout
				}
				p := deployed(t, box, body(bad.main), limits)
				defer box.Forget(p.FunctionID, p.Version)
				classes := []runtime.Class{bad.class}
				if bad.class == runtime.ClassTimeout {
					classes = append(classes, runtime.ClassMemory)
				}
				f := fails(t, box, p, "{}", classes...)
				if !strings.Contains(f.Message, bad.where) || f.Message == "" {
					t.Errorf("got %q, want %q in it", f.Message, bad.where)
				}
			})
		}
	})
}

func TestGoodResults(t *testing.T) {
	box := boxes["mapped"]
	for main, want := range map[string]string{
		"return None":          "null",
		"pass":                 "null",
		"return (1, (2,), [])": "[1,[2],[]]",
		"return {1: 2, None: 3, True: 4, 1.5: 5}":                               `{"1":4,"null":3,"1.5":5}`,
		"return '\\0\\x1f\\u2028\\U0001f600\"\\\\/'":                            "\"\\u0000\\u001f\u2028\U0001f600\\\"\\\\/\"",
		"return 10**400 // 10**399":                                             "10",
		"return 2**64":                                                          "18446744073709551616",
		"return [1.0, -0.0, 1e300, 5e-324]":                                     "[1.0,-0.0,1e+300,5e-324]",
		"import enum\nreturn enum.IntEnum('E', 'A').A":                          "1",
		"import collections\nreturn collections.OrderedDict(a=1)":               `{"a":1}`,
		"class S(str):\n    def __str__(self): return 'evil'\nreturn S('good')": `"good"`,
		"class I(int):\n    def __repr__(self): return 'evil'\nreturn I(7)":     "7",
		"l = [1]\nreturn [l, l]":                                                "[[1],[1]]",
		"return len('x' * 6_000_000)":                                           "6000000",
	} {
		if got := result(t, box, deployed(t, box, body(main), runtime.Limits{}), "{}"); got != want {
			t.Errorf("%s: got %s, want %s", main, got, want)
		}
	}
	p := deployed(t, box, body("return 'x' * (6 * 1024 * 1024 - 2)"), runtime.Limits{})
	if got := result(t, box, p, "{}"); len(got) != runtime.MaxResult {
		t.Errorf("the largest result has %d bytes", len(got))
	}
}

// TestArgsArriveAsTheyAre passes args that are valid but unusual.
func TestArgsArriveAsTheyAre(t *testing.T) {
	eachBox(t, func(t *testing.T, box *Sandbox) {
		p := deployed(t, box, body("return args"), runtime.Limits{})
		for i, args := range []string{
			`{}`,
			`{"":{"":[[],{},null,true,false]}}`,
			`{"n":[0,-1,123456789012345678901234567890,1.5,1e300]}`,
			`{"s":["é","😀","\u0000\"\\",""]}`,
			`{"deep":` + strings.Repeat("[", 150) + strings.Repeat("]", 150) + `}`,
			`{"long":"` + strings.Repeat("x", runtime.MaxArgs-11) + `"}`,
			`{"many":[` + strings.Repeat("1,", 1_000_000) + `1]}`,
			`{"__proto__":1,"__class__":"x"}`,
		} {
			if !sampled(box, i) {
				continue
			}
			got := result(t, box, p, args)
			var a, b any
			if json.Unmarshal([]byte(args), &a) != nil || json.Unmarshal([]byte(got), &b) != nil {
				t.Fatalf("%.100s: got %.100s", args, got)
			}
			wantText, _ := json.Marshal(a)
			gotText, _ := json.Marshal(b)
			if string(wantText) != string(gotText) {
				t.Errorf("%.100s: got %.100s", args, got)
			}
		}
	})
}

// TestUncheckedArgs passes args that the engine would refuse, because it accepts only
// strict JSON. The run may fail, but nothing else may happen.
func TestUncheckedArgs(t *testing.T) {
	eachBox(t, func(t *testing.T, box *Sandbox) {
		p := deployed(t, box, body("return 'ran'"), runtime.Limits{Timeout: 30 * time.Second})
		for _, args := range []string{
			"", " ", "{", `{"a":1`, "\xff", `{"a":"` + "\xff" + `"}`, "\xef\xbb\xbf{}", `{"a":` + strings.Repeat("9", 10_000) + `}`,
			`{"a":` + strings.Repeat("[", 100_000), `{"a":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + "}",
		} {
			checkClass(t, runInTime(t, box, p, args), "", runtime.ClassError, runtime.ClassMemory, runtime.ClassStack)
		}
	})
}
