package faaspot

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/strictjson"
)

func TestContext(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                        `{}`,
		" \n\t":                   `{}`,
		"\ufeff":                  `{}`,
		"# nothing\n":             `{}`,
		"key = \"value\"\n":       `{"key":"value"}`,
		"\ufeffkey = 'a\\b'":      `{"key":"a\\b"}`,
		"b = 1\na = -2.5\nc=true": `{"b":1,"a":-2.5,"c":true}`,
		"n = 1.0\nm = 1":          `{"n":1.0,"m":1}`,
		"n = 9007199254740993":    `{"n":9007199254740993}`,
		"html = \"<a&b>\"":        `{"html":"<a&b>"}`,
		"a.b.c = 1\na.b.d = 2\n":  `{"a":{"b":{"c":1,"d":2}}}`,
		"\"a.b\" = 1":             `{"a.b":1}`,
		"[db]\nuser = \"u\"\n[db.pool]\nsize = 3\n":               `{"db":{"user":"u","pool":{"size":3}}}`,
		"[[p]]\nx = 1\n[[p]]\nx = 2\n":                            `{"p":[{"x":1},{"x":2}]}`,
		"l = [1, [\"a\", {b = 2}], []]":                           `{"l":[1,["a",{"b":2}],[]]}`,
		"t = 1979-05-27T07:32:00Z":                                `{"t":"1979-05-27T07:32:00Z"}`,
		"t = 1979-05-27T07:32:00.123456+02:00":                    `{"t":"1979-05-27T07:32:00.123456+02:00"}`,
		"t = 1979-05-27T07:32:00.5\nd = 1979-05-27\nc = 07:32:00": `{"t":"1979-05-27T07:32:00.5","d":"1979-05-27","c":"07:32:00"}`,
		"s = \"\"\"\na\n[[[ ...\n\"\"\"\n":                        `{"s":"a\n[[[ ...\n"}`,
		"s = \"" + strings.Repeat("[.", 100) + "\"":               `{"s":"` + strings.Repeat("[.", 100) + `"}`,
		"l = [" + strings.Repeat("1.5, ", 100) + "]":              `{"l":[` + strings.TrimSuffix(strings.Repeat("1.5,", 100), ",") + `]}`,
		` {"a" : {"b": [1.0, 1e3]} } `:                            `{"a" : {"b": [1.0, 1e3]} }`,
		"\ufeff{}":                                                `{}`,
	} {
		got, err := new(contextReader).parse(text)
		if err != nil || string(got) != want {
			t.Errorf("%q became %s, %v; want %s", text, got, err, want)
		}
	}
}

func TestContextErrors(t *testing.T) {
	t.Parallel()
	for text, line := range map[string]int{
		"a = 1\nb":                        2,
		"a = 1\nb = \n":                   2,
		"a = 1\n\na = 2":                  3,
		"a = \"x\ny = 1":                  1,
		"a = \"\\q\"":                     1,
		"a = 1\nb = [1, 2\n":              2,
		"a = inf":                         0,
		"a = 1\nb = 99999999999999999999": 2,
		"a = 2024-13-01":                  1,
		"a = \"\x00\"":                    1,
		"a = 1\n\xff = 2":                 2,
		"a = '''\n\n'''\nb.b = " + strings.Repeat("[", strictjson.DefaultMaxDepth-1) + strings.Repeat("]", strictjson.DefaultMaxDepth-1): 4,
		"# x\n" + strings.Repeat("a.", strictjson.DefaultMaxDepth) + "a = 1":                                                             2,
		"{\n\"a\": tru\n}": 2,
	} {
		got, err := new(contextReader).parse(text)
		e, ok := errors.AsType[*runtime.Error](err)
		if !ok || e.Code != runtime.CodeInvalidArgument || e.Line != line || e.Hint == "" {
			t.Errorf("%.60q became %s, %+v; want line %d", text, got, err, line)
		}
		if ok && strings.HasSuffix(e.Message, ": ") {
			t.Errorf("%.60q: no reason in %q", text, e.Message)
		}
	}
}

// TestContextDepth checks that the parser can read the deepest allowed context, even if every line
// is that deep.
func TestContextDepth(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for i := 0; b.Len() < runtime.MaxContext/8; i++ {
		fmt.Fprintf(&b, "%sk%d = 1\n", strings.Repeat("a.", strictjson.DefaultMaxDepth-2), i)
	}
	got, err := new(contextReader).parse(b.String())
	if err != nil || !json.Valid(got) {
		t.Errorf("%v", err)
	}
}

func FuzzContext(f *testing.F) {
	f.Add("a = 1")
	f.Add("[a.b]\nc = '''\nx'''\n[[d]]\ne = 1979-05-27")
	f.Add(`{"a": [1, "\ud83d\ude00"]}`)
	f.Add(strings.Repeat("a = {", 100))
	f.Fuzz(func(t *testing.T, text string) {
		got, err := new(contextReader).parse(text)
		if err == nil && web.CheckObject(got) != nil {
			t.Fatalf("%q became %q: %v", text, got, web.CheckObject(got))
		}
		if err != nil && runtime.CodeOf(err) == runtime.CodeInternal {
			t.Fatalf("%q: %v", text, err)
		}
	})
}
