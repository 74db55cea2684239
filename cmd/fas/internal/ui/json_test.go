package ui

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// An array that is written element by element looks as if it were one value.
func TestJSONArray(t *testing.T) {
	for _, list := range [][]any{{}, {1}, {"<a>", map[string]any{"b": []any{1, 2}}, nil}} {
		var whole, parts strings.Builder
		if err := (&Terminal{Out: &whole}).WriteJSON(map[string]any{"list": list}); err != nil {
			t.Fatal(err)
		}
		parts.WriteString("{\n  \"list\": ")
		array := JSONArray{Out: &parts, Prefix: "  "}
		for _, v := range list {
			if err := array.Add(v); err != nil {
				t.Fatal(err)
			}
		}
		if err := array.End(); err != nil {
			t.Fatal(err)
		}
		parts.WriteString("\n}\n")
		if diff := cmp.Diff(whole.String(), parts.String()); diff != "" {
			t.Error(diff)
		}
		if !json.Valid([]byte(parts.String())) {
			t.Error("it is not JSON")
		}
	}
}

func TestOneLine(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "a b": "a b", "a\nb": "a", "\x1b[31mred\a": "\ufffd[31mred\ufffd", "ü\t": "ü\ufffd",
	} {
		if got := OneLine(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
