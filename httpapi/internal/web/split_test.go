package web

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"
)

// Arrays and objects are split as the standard library splits them.
func FuzzSplit(f *testing.F) {
	for _, text := range []string{
		"", " ", "[", "[]", " [ ] ", "{}", "[1]", "[{},{}]", `[ "a,]" , "\"", [1,[2]] , {"a":[1,2]} ]`, "[1,]", "[,1]", "[1] x", "null", `"]"`,
		`{"a":1}`, `{ "a" : "x:,}" , "b\"\u0063" : {"c":[{}]} , "":null}`, `{"a":1,"a":2}`, `{"tasks":[1,2]}`, `["\\",1]`, `{"\\":"\\\\"}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var want []json.RawMessage
		wantOK := json.Unmarshal(text, &want) == nil && want != nil
		got, ok := SplitArray(text, len(text))
		if ok != wantOK || ok && !slices.EqualFunc(got, want, equal) {
			t.Errorf("%q: got %q, %v; want %q, %v", text, got, ok, want, wantOK)
		}
		if some, _ := SplitArray(text, 1); len(some) != min(len(want), 2) {
			t.Errorf("%q: got %q for at most 1", text, some)
		}
		var members map[string]json.RawMessage
		if json.Unmarshal(text, &members) != nil || members == nil || json.Valid(text) && !isUTF8(text) {
			return
		}
		split, ok := splitObject(text, len(text))
		if !ok || !maps.EqualFunc(split, members, equal) {
			t.Errorf("%q: got %q, %v; want %q", text, split, ok, members)
		}
		if value, ok := SoleMember(text, "tasks"); ok && !equal(value, members["tasks"]) {
			t.Errorf("%q: got %q", text, value)
		}
	})
}

func equal(a, b json.RawMessage) bool { return string(a) == string(b) }

// isUTF8 reports whether the standard library leaves the text as it is.
func isUTF8(text []byte) bool {
	var v any
	if json.Unmarshal(text, &v) != nil {
		return false
	}
	for _, r := range string(text) {
		if r == '\uFFFD' {
			return false
		}
	}
	return true
}

// TestUnquote decodes strings as encoding/json does, into their own memory.
func TestUnquote(t *testing.T) {
	for _, text := range []string{
		`""`, `"a"`, `"[{\"a\":\"\\u00e9\"}]"`, `"\b\f\n\r\t\/\\\""`, `"é\u00e9\u20ac\ud83d\ude00x"`, `"\ud800\ud83d\ude00"`,
		`"\udc00"`, `"\ud800"`, `"\ud800x"`, `"x\u0000"`, `"\ud800\n"`,
	} {
		var want string
		if err := json.Unmarshal([]byte(text), &want); err != nil {
			t.Fatal(err)
		}
		raw := json.RawMessage(text)
		got, ok := Unquote(raw)
		if !ok || string(got) != want || len(got) > 0 && &got[0] != &raw[1] {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
	for _, text := range []string{"", "null", "1", "{}", "[]"} {
		if _, ok := Unquote(json.RawMessage(text)); ok {
			t.Errorf("%s is a string", text)
		}
	}
}
