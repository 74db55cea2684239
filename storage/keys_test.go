package storage

import (
	"bytes"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/faaspot/faaspot/runtime"
)

// hostileTexts are names and ids that try to be more than one text.
var hostileTexts = []string{"", "a", "a\x00", "a\x00\x01", "a\x00\xff", "a\x00\xff\x00\x01n", "\x00", "\x00\x01", "\xff", "\xff\xff", "../x", "t", "ü", strings.Repeat("x", 10_000)}

func text() *rapid.Generator[string] {
	return rapid.OneOf(rapid.SampledFrom(hostileTexts), rapid.StringOfN(rapid.RuneFrom([]rune{0, 1, 0xFF, 'a', 'n'}), 0, 6, -1))
}

func TestTextsSortAsTheirBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := text().Draw(t, "a"), text().Draw(t, "b")
		if got, want := bytes.Compare(keyName("t", a), keyName("t", b)), strings.Compare(a, b); got != want {
			t.Fatalf("keys of %q and %q compare as %d, the texts as %d", a, b, got, want)
		}
	})
}

func TestKeysAreReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tenant, name := runtime.Tenant(text().Draw(t, "tenant")), text().Draw(t, "name")
		number := rapid.Uint64().Draw(t, "number")
		if got, err := nameOf(keyNames(tenant), keyName(tenant, name)); err != nil || got != name {
			t.Fatalf("name %q came back as %q, %v", name, got, err)
		}
		if got, err := numberOf(keyVersions(tenant, name), keyOfVersion(kindVersion, tenant, name, number)); err != nil || got != number {
			t.Fatalf("number %d came back as %d, %v", number, got, err)
		}
	})
}

// A key says of which record it is, and of whose: no two records share one, and
// the prefixes by which a tenant's records are found are those of no other.
func TestKeysDoNotCollide(t *testing.T) {
	type record struct {
		kind   byte
		tenant string
		id     string
		number uint64
	}
	key := func(r record) []byte {
		switch r.kind {
		case spaceMeta:
			return keyFormat()
		case kindName:
			return keyName(runtime.Tenant(r.tenant), r.id)
		case kindFunction:
			return keyFunction(runtime.Tenant(r.tenant), r.id)
		case 0:
			return keySetting(r.id)
		}
		return keyOfVersion(r.kind, runtime.Tenant(r.tenant), r.id, r.number)
	}
	draw := func(t *rapid.T, label string) record {
		r := record{kind: rapid.SampledFrom([]byte{spaceMeta, 0, kindName, kindFunction, kindVersion, kindSource, kindContext}).Draw(t, label)}
		if r.kind == spaceMeta {
			return r
		}
		r.id = text().Draw(t, label+" id")
		if r.kind == 0 {
			return r
		}
		r.tenant = text().Draw(t, label+" tenant")
		if r.kind != kindName && r.kind != kindFunction {
			r.number = rapid.Uint64Range(0, 3).Draw(t, label+" number")
		}
		return r
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := draw(t, "a"), draw(t, "b")
		if same := bytes.Equal(key(a), key(b)); same != (a == b) {
			t.Fatalf("%+v has key %x, %+v has key %x", a, key(a), b, key(b))
		}
		names := keyNames(runtime.Tenant(a.tenant))
		if bytes.HasPrefix(key(b), names) != (b.kind == kindName && b.tenant == a.tenant) {
			t.Fatalf("prefix of the names of %q and key of %+v", a.tenant, b)
		}
		versions := keyVersions(runtime.Tenant(a.tenant), a.id)
		if bytes.HasPrefix(key(b), versions) != (b.kind == kindVersion && b.tenant == a.tenant && b.id == a.id) {
			t.Fatalf("prefix of the versions of %+v and key of %+v", a, b)
		}
	})
}

func TestKeyEnd(t *testing.T) {
	for _, test := range []struct{ prefix, want string }{
		{"a", "b"}, {"a\xff", "b"}, {"a\x00\x01n", "a\x00\x01o"}, {"\xff\xff", ""},
	} {
		if got := keyEnd([]byte(test.prefix)); string(got) != test.want {
			t.Errorf("keyEnd(%q) = %q, want %q", test.prefix, got, test.want)
		}
	}
}

func FuzzCutText(f *testing.F) {
	for _, text := range hostileTexts {
		f.Add(appendText(nil, text))
	}
	f.Fuzz(func(t *testing.T, key []byte) {
		text, rest, err := cutText(key)
		if err != nil {
			return
		}
		if again := append(appendText(nil, text), rest...); !bytes.Equal(again, key) {
			t.Fatalf("%x is read as %q and %x, which is written as %x", key, text, rest, again)
		}
	})
}
