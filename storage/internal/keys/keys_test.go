package keys

import (
	"bytes"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/storetest"
)

func TestTextsSortAsTheirBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := storetest.Text().Draw(t, "a"), storetest.Text().Draw(t, "b")
		if got, want := bytes.Compare(FunctionName("t", a), FunctionName("t", b)), strings.Compare(a, b); got != want {
			t.Fatalf("keys of %q and %q compare as %d, the texts as %d", a, b, got, want)
		}
	})
}

func TestKeysAreReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tenant, name := runtime.Tenant(storetest.Text().Draw(t, "tenant")), storetest.Text().Draw(t, "name")
		number := rapid.Uint64().Draw(t, "number")
		if got, err := DecodeText(FunctionNames(tenant), FunctionName(tenant, name)); err != nil || got != name {
			t.Fatalf("name %q came back as %q, %v", name, got, err)
		}
		if got, err := DecodeNumber(Versions(tenant, name), VersionPart(KindVersion, tenant, name, number)); err != nil || got != number {
			t.Fatalf("number %d came back as %d, %v", number, got, err)
		}
	})
}

// A key says which record it belongs to, and to which tenant: no two records share a key, and the
// prefixes by which a tenant's records are found belong to no other tenant.
func TestKeysDoNotCollide(t *testing.T) {
	type record struct {
		kind   byte
		tenant string
		id     string
		number uint64
	}
	key := func(r record) []byte {
		switch r.kind {
		case SpaceMeta:
			return Format()
		case KindFunctionName:
			return FunctionName(runtime.Tenant(r.tenant), r.id)
		case KindFunction:
			return Function(runtime.Tenant(r.tenant), r.id)
		case 0:
			return Setting(r.id)
		}
		return VersionPart(r.kind, runtime.Tenant(r.tenant), r.id, r.number)
	}
	draw := func(t *rapid.T, label string) record {
		r := record{kind: rapid.SampledFrom([]byte{SpaceMeta, 0, KindFunctionName, KindFunction, KindVersion, KindSource, KindContext}).Draw(t, label)}
		if r.kind == SpaceMeta {
			return r
		}
		r.id = storetest.Text().Draw(t, label+" id")
		if r.kind == 0 {
			return r
		}
		r.tenant = storetest.Text().Draw(t, label+" tenant")
		if r.kind != KindFunctionName && r.kind != KindFunction {
			r.number = rapid.Uint64Range(0, 3).Draw(t, label+" number")
		}
		return r
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := draw(t, "a"), draw(t, "b")
		if same := bytes.Equal(key(a), key(b)); same != (a == b) {
			t.Fatalf("%+v has key %x, %+v has key %x", a, key(a), b, key(b))
		}
		names := FunctionNames(runtime.Tenant(a.tenant))
		if bytes.HasPrefix(key(b), names) != (b.kind == KindFunctionName && b.tenant == a.tenant) {
			t.Fatalf("prefix of the names of %q and key of %+v", a.tenant, b)
		}
		versions := Versions(runtime.Tenant(a.tenant), a.id)
		if bytes.HasPrefix(key(b), versions) != (b.kind == KindVersion && b.tenant == a.tenant && b.id == a.id) {
			t.Fatalf("prefix of the versions of %+v and key of %+v", a, b)
		}
	})
}

func TestKeyEnd(t *testing.T) {
	for _, test := range []struct{ prefix, want string }{
		{"a", "b"}, {"a\xff", "b"}, {"a\x00\x01n", "a\x00\x01o"}, {"\xff\xff", ""},
	} {
		if got := PrefixEnd([]byte(test.prefix)); string(got) != test.want {
			t.Errorf("PrefixEnd(%q) = %q, want %q", test.prefix, got, test.want)
		}
	}
}

func FuzzCutText(f *testing.F) {
	for _, text := range storetest.HostileTexts {
		f.Add(AppendText(nil, text))
	}
	f.Fuzz(func(t *testing.T, key []byte) {
		text, rest, err := CutText(key)
		if err != nil {
			return
		}
		if again := append(AppendText(nil, text), rest...); !bytes.Equal(again, key) {
			t.Fatalf("%x is read as %q and %x, which is written as %x", key, text, rest, again)
		}
	})
}

// No two kinds of records share a byte.
var kindsOfJobs = []byte{
	KindJobName, KindJob, KindRevision, KindTick, KindJobCount, KindJobAccepted, KindJobProgress, KindUnfinishedByJob, KindJobDone, KindDoneByJob,
	KindJobExecutionName, KindDelivery, KindDeadLetter, KindPostings,
}

func TestKindsAreDistinct(t *testing.T) {
	seen := map[byte]bool{}
	for _, kinds := range [][]byte{{KindFunctionName, KindFunction, KindVersion, KindSource, KindContext, KindBundle, KindBundleChunk, KindBundleUse, KindBytecode}, kindsOfExecutions, kindsOfJobs} {
		for _, kind := range kinds {
			if seen[kind] {
				t.Errorf("two kinds are %q", kind)
			}
			seen[kind] = true
		}
	}
}
