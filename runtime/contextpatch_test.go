package runtime_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/test/linear"
)

// TestPatchContext patches contexts. What a patch does not name stays as it is written, byte for byte.
func TestPatchContext(t *testing.T) {
	for _, c := range []struct{ context, patch, want string }{
		{``, `{"a":1}`, `{"a":1}`},
		{`{}`, `{"a":null}`, `{}`},
		{`{"a":1}`, `{"a":null}`, `{}`},
		{`{"b":1,"a":2}`, `{"c":3,"b":"x"}`, `{"b":"x","a":2,"c":3}`},
		{`{"a":{"x":1,"y":2}}`, `{"a":{"x":3}}`, `{"a":{"x":3}}`},
		{`{"a":1}`, `{"a":{"x":null}}`, `{"a":{"x":null}}`},
		{`{"kept":null,"a":1}`, `{"a":2}`, `{"kept":null,"a":2}`},
		{` { "n" : 1.50e+01 , "t":"<\u00e9>" } `, `{ "z" : [ 1 ] }`, `{"n" : 1.50e+01,"t":"<\u00e9>","z" : [ 1 ]}`},
		{`{"\u0061":1,"b":2}`, `{"a":3}`, `{"a":3,"b":2}`},
		{`{"a":1}`, `{"\u0061":null}`, `{}`},
		{`{"":1}`, `{"":2}`, `{"":2}`},
		{`{"a,b":"{,\"","c":[{},{"d":","}]}`, `{"e":0}`, `{"a,b":"{,\"","c":[{},{"d":","}],"e":0}`},
	} {
		got, err := runtime.PatchContext([]byte(c.context), []byte(c.patch))
		if err != nil || string(got) != c.want {
			t.Errorf("%s with %s is %s, want %s: %v", c.context, c.patch, got, c.want, err)
		}
	}
	for _, broken := range []string{`[]`, `"s3cret"`, `{"s3cret":`, `{"s3cret" 1}`, `x`} {
		if _, err := runtime.PatchContext([]byte(broken), []byte(`{"a":1}`)); runtime.CodeOf(err) != runtime.CodeInternal || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v", broken, err)
		}
	}
}

// TestPatchedContextsAreBounded adds to a context up to its limit, and a byte more. A patch that frees room may
// use it.
func TestPatchedContextsAreBounded(t *testing.T) {
	full := []byte(`{"a":"` + strings.Repeat("x", runtime.MaxContext-16) + `"}`)
	patch := func(n int) []byte { return fmt.Appendf(nil, `{"b":%q}`, strings.Repeat("y", n)) }
	got, err := runtime.PatchContext(full, patch(1))
	if err != nil || len(got) != runtime.MaxContext {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if _, err := runtime.PatchContext(full, patch(2)); runtime.CodeOf(err) != runtime.CodeTooLarge {
		t.Errorf("a byte too much: %v", err)
	}
	if _, err := runtime.PatchContext(full, []byte(`{"a":null,"b":"`+strings.Repeat("y", runtime.MaxContext-32)+`"}`)); err != nil {
		t.Error(err)
	}
}

// FuzzPatchContext compares with a merge of the decoded objects.
func FuzzPatchContext(f *testing.F) {
	f.Add(`{"a":1,"b":{"c":null}}`, `{"b":null,"d":[1,"x"]}`)
	f.Add(`{ "é":1 , "\u00e9x":2}`, "{\"\\u00e9\":\"\\ud83d\\ude00\"\n}")
	f.Fuzz(func(t *testing.T, context, patch string) {
		for _, text := range []string{context, patch} {
			if text == "" || runtime.ValidateObject("text", []byte(text), runtime.MaxContext/4) != nil {
				t.Skip()
			}
		}
		patched, err := runtime.PatchContext([]byte(context), []byte(patch))
		if err != nil || runtime.ValidateObject("context", patched, runtime.MaxContext) != nil {
			t.Fatalf("%q: %v", patched, err)
		}
		decoded := func(text []byte) (object map[string]any) {
			d := json.NewDecoder(strings.NewReader(string(text)))
			d.UseNumber()
			if err := d.Decode(&object); err != nil {
				t.Fatal(err)
			}
			return object
		}
		want, changes := decoded([]byte(context)), decoded([]byte(patch))
		maps.Copy(want, changes)
		maps.DeleteFunc(want, func(name string, value any) bool {
			_, changed := changes[name]
			return changed && value == nil
		})
		if diff := cmp.Diff(want, decoded(patched)); diff != "" {
			t.Error(diff)
		}
	})
}

// TestLinearPatches doubles contexts and patches up to their limit.
func TestLinearPatches(t *testing.T) {
	for name, value := range map[string]string{"members": `0,`, "nested": strings.Repeat("[", 100) + strings.Repeat("]", 100) + ","} {
		t.Run(name, func(t *testing.T) {
			linear.Bytes(t, runtime.MaxContext/2, func(size int) func() {
				object := func(begin int) []byte {
					text := []byte("{")
					for i := begin; len(text) < size; i++ {
						text = fmt.Appendf(text, `"k%06d":%s`, i, value)
					}
					return append(text, `"end":0}`...)
				}
				context, patch := object(0), object(1000)
				return func() {
					if _, err := runtime.PatchContext(context, patch); err != nil && runtime.CodeOf(err) != runtime.CodeTooLarge {
						t.Error(err)
					}
				}
			})
		})
	}
}
