package keys_test

import (
	"bytes"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/keys"
	"github.com/faaspot/faaspot/storage/internal/storetest"
)

// TestTableEnd checks that a table ends where the keys of a kind that grows begin and end, and before
// the next tenant.
func TestTableEnd(t *testing.T) {
	grown := string([]byte{keys.KindBundleChunk, keys.KindAccepted, keys.KindArgs, keys.KindLogs, keys.KindResult, keys.KindDone})
	rapid.Check(t, func(t *rapid.T) {
		tenant := runtime.Tenant(storetest.Text().Draw(t, "tenant"))
		kind := rapid.ByteRange('A', 'z').Draw(t, "kind")
		prefix := keys.OfKind(tenant, kind)
		key := append(bytes.Clone(prefix), rapid.SliceOf(rapid.Byte()).Draw(t, "rest")...)
		end := keys.TableEnd(key)
		if bytes.Compare(end, key) <= 0 || !bytes.HasPrefix(end, prefix[:len(prefix)-1]) {
			t.Fatalf("a table with %q ends at %q", key, end)
		}
		for between := kind + 1; between < 'z'; between++ {
			first := keys.OfKind(tenant, between)
			inside := bytes.Compare(first, end) < 0
			if inside && (strings.IndexByte(grown, kind) >= 0 || strings.IndexByte(grown, between) >= 0) {
				t.Fatalf("a table with %q has keys of the kind %q, too: it ends at %q", key, between, end)
			}
			if !inside {
				break
			}
		}
	})
	for key, want := range map[string]string{
		"": "t", "mformat": "t", "sx": "t", "ta\x00\x01": "ta\x00\x01A",
		"t": "", "tabc": "", "tabc\x00": "", "tabc\x00\x02": "", "u": "", // no keys of the store
	} {
		if end := keys.TableEnd([]byte(key)); string(end) != want {
			t.Errorf("a table with %q ends at %q, want %q", key, end, want)
		}
	}
}
