package keys

import (
	"bytes"
	"testing"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// FuzzKeys reads keys of every layout. A key that is read has exactly the bytes of the key that is
// made of what was read.
func FuzzKeys(f *testing.F) {
	const tenant = "tenant\x00\xff"
	at, id := time.Unix(0, 1_700_000_000_000_000_001), ID{1, 2, 255}
	stream := Stream{tenant, Resource{'f', "id"}, runtime.FieldStatus, "x\x00"}
	for kind := range uint8(5) {
		for _, key := range [][]byte{
			KeptAt(tenant, "f\x00", at, id), KeptTasksAt(tenant, id, "f", id), Position{1, id}.AppendTo(stream.Prefix()),
			BundleUse(tenant, runtime.BundleID{7}, "f", 1), append(OfKind(tenant, KindKept), id[:]...), nil,
		} {
			f.Add(kind, key)
		}
	}
	f.Fuzz(func(t *testing.T, kind uint8, key []byte) {
		var again []byte
		switch kind % 5 {
		case 0:
			function, end, err := ParseKept(tenant, key)
			if err != nil || end.Before(time.Unix(0, 0)) {
				return
			}
			again = KeptAt(tenant, function, end, ID(key[len(key)-len(ID{}):]))
		case 1:
			job, function, err := ParseKeptTasks(tenant, key)
			if err != nil {
				return
			}
			again = KeptTasksAt(tenant, job, function, ID(key[len(key)-len(ID{}):]))
		case 2:
			s, first, err := ParsePostings(tenant, key)
			if err != nil || s.Field == "" {
				return
			}
			again = first.AppendTo(s.Prefix())
		case 3:
			id, rest, err := ParseBundle(KindBundleUse, tenant, key)
			if err != nil {
				return
			}
			again = append(BundleUses(tenant, id), rest...)
		case 4:
			id, err := DecodeID(OfKind(tenant, KindKept), key)
			if err != nil {
				return
			}
			again = append(OfKind(tenant, KindKept), id[:]...)
		}
		// The caller has found the key behind its prefix, which not every reader looks at again.
		prefix := len(OfKind(tenant, 0))
		if !bytes.Equal(again[prefix:], key[prefix:]) {
			t.Fatalf("%x is read as the key %x", key, again)
		}
	})
}

// FuzzParseID reads ids and traces: only the usual form of a UUIDv7 is one.
func FuzzParseID(f *testing.F) {
	const id = "01900000-0000-7000-8000-000000000000"
	for _, text := range []string{id, "{" + id + "}", "urn:uuid:" + id, "019000000000700080000000000000ff", "", "01900000-0000-4000-8000-000000000000"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if id, ok := ParseID(text); ok && !bytes.EqualFold([]byte(id.String()), []byte(text)) {
			t.Errorf("%q is read as %v", text, id)
		}
		if id, ok := ParseOwnTrace(text); ok && OwnTrace(id) != text {
			t.Errorf("the trace %q is read as of %v", text, id)
		}
	})
}
