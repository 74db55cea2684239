package keyset

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"
)

// FuzzKeyset reads texts of keys. A set that is read seals and opens, and no value that it has not
// sealed for a place is opened there.
func FuzzKeyset(f *testing.F) {
	one := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32))
	set, err := Parse(one)
	if err != nil {
		f.Fatal(err)
	}
	sealed := set.Seal([]byte("place"), []byte("secret"))
	for _, text := range []string{one, "# a comment\n" + one + "," + one, strings.Repeat(one+"\n", MaxKeys+1), "x", ""} {
		f.Add(text, []byte("place"), sealed)
		f.Add(text, []byte("other place"), sealed[:len(sealed)-1])
	}
	f.Fuzz(func(t *testing.T, text string, place, value []byte) {
		set, err := Parse(text)
		if err != nil {
			if strings.Contains(err.Error(), one) {
				t.Fatal("the error shows a key")
			}
			return
		}
		got, err := set.Open(place, set.Seal(place, value))
		if err != nil || !bytes.Equal(got, value) {
			t.Fatalf("%q came back as %q, %v", value, got, err)
		}
		// The corpus has one value that is sealed with the key of the corpus.
		if got, err := set.Open(place, value); err == nil && (string(got) != "secret" || string(place) != "place") {
			t.Fatalf("%x is opened at %q as %q", value, place, got)
		}
		if _, err := set.Open(append(place, 'x'), set.Seal(place, value)); err == nil {
			t.Fatal("a value is opened at another place")
		}
	})
}
