package strictjson_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"testing"
	"unicode/utf8"

	"github.com/faaspot/faaspot/runtime/strictjson"
)

// FuzzCheck compares Check with encoding/json. A document that Check accepts must be accepted and
// read without loss. A document that only encoding/json accepts must violate one of the rules in
// the documentation of the package.
func FuzzCheck(f *testing.F) {
	for _, seed := range []string{
		small, manyNames(12), `{"a":1,"\u0061":2}`, `[1e400,"\ud800",01]`, "\xef\xbb\xbf{}", `"\ud83d\ude00"`, "\"\xff\"", "[[[[]]]]",
		`{"a":{"b":[{"c":-0.5e-7}]}}`, "1.7976931348623159e308", " {\r\n\t} ", `{"":null,"\u0000":true,"a\"":false}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		err := strictjson.Check(doc, strictjson.Options{})
		if err == nil {
			accepted(t, doc)
			return
		}
		e, ok := errors.AsType[*strictjson.Error](err)
		if !ok || e.Offset < 0 || e.Offset > len(doc) || e.Reason == "" || len(e.Path) > 300 || !utf8.ValidString(e.Error()) {
			t.Fatalf("%q: the error is %#v", doc, err)
		}
		if json.Valid(doc) && !stricter(doc) {
			t.Fatalf("%q is refused without need: %v", doc, err)
		}
	})
}

func accepted(t *testing.T, doc []byte) {
	d := json.NewDecoder(bytes.NewReader(doc))
	d.UseNumber()
	var value any
	if err := d.Decode(&value); err != nil {
		t.Fatalf("%q: encoding/json returned %v", doc, err)
	}
	if stricter(doc) {
		t.Fatalf("%q is accepted", doc)
	}
	again, err := json.Marshal(value)
	if err != nil {
		t.Fatalf("%q is read as %v, which cannot be written: %v", doc, value, err)
	}
	if err := strictjson.Check(again, strictjson.Options{}); err != nil {
		t.Fatalf("%q comes back as %q: %v", doc, again, err)
	}
}

// stricter reports, independently of Check, whether doc, which encoding/json accepts, breaks a rule
// of Check.
func stricter(doc []byte) bool {
	if !utf8.Valid(doc) || loneSurrogate(doc) {
		return true
	}
	d := json.NewDecoder(bytes.NewReader(doc))
	d.UseNumber()
	return odd(d, 0)
}

// odd reads one value and reports whether it is too deep, has a duplicate name or has a number that
// is too large.
func odd(d *json.Decoder, depth int) bool {
	token, err := d.Token()
	if err != nil {
		return true
	}
	switch token := token.(type) {
	case json.Number:
		digits := 0
		float := false
		for _, b := range []byte(token) {
			if b >= '0' && b <= '9' {
				digits++
			}
			float = float || b == '.' || b|0x20 == 'e'
		}
		value, _ := token.Float64()
		return digits > strictjson.MaxDigits || float && math.IsInf(value, 0)
	case json.Delim:
		if depth == strictjson.DefaultMaxDepth {
			return true
		}
		names := map[string]bool{}
		for d.More() {
			if token == '{' {
				name, err := d.Token()
				if err != nil || names[name.(string)] {
					return true
				}
				names[name.(string)] = true
			}
			if odd(d, depth+1) {
				return true
			}
		}
		_, err := d.Token()
		return err != nil
	}
	return false
}

// loneSurrogate searches for a \u escape of half a pair. A backslash appears only inside strings,
// and escapes the character after it.
func loneSurrogate(doc []byte) bool {
	for i := 0; i < len(doc); i++ {
		if doc[i] != '\\' {
			continue
		}
		i++
		if doc[i] != 'u' {
			continue
		}
		var s string
		high := doc[i+1]|0x20 == 'd' && doc[i+2]|0x20 >= '8' && (doc[i+2] == '8' || doc[i+2] == '9' || doc[i+2]|0x20 == 'a' || doc[i+2]|0x20 == 'b')
		size := 5
		if high && i+11 <= len(doc) && doc[i+5] == '\\' && doc[i+6] == 'u' {
			size = 11
		}
		text := append(append([]byte(`"\`), doc[i:i+size]...), '"')
		if err := json.Unmarshal(text, &s); err != nil {
			return true
		}
		if r, _ := utf8.DecodeRuneInString(s); r == utf8.RuneError && !bytes.EqualFold(text, []byte(`"\ufffd"`)) {
			return true
		}
		i += size - 1
	}
	return false
}
