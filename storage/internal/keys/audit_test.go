package keys

import (
	"bytes"
	"testing"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/storetest"
)

// The keys of a tenant's entries lead back to both, sort by the ids, and no tenant has a key of another.
func TestAuditKeys(t *testing.T) {
	older, newer := ID{0, 14: 1}, ID{0, 15: 0, 14: 2}
	for _, text := range storetest.HostileTexts {
		tenant := runtime.Tenant(text)
		a, b := AuditByTenant(tenant, older), AuditByTenant(tenant, newer)
		if got, id, err := ParseAuditByTenant(a); got != tenant || id != older || err != nil || bytes.Compare(a, b) >= 0 {
			t.Errorf("%q: %q, %v, %v", text, got, id, err)
		}
		for _, other := range storetest.HostileTexts {
			if bytes.HasPrefix(a, AuditsOfTenant(runtime.Tenant(other))) != (other == text) {
				t.Errorf("%q has a key of %q", other, text)
			}
		}
		if bytes.HasPrefix(a, Audits()) || bytes.HasPrefix(a, Tokens()) || bytes.HasPrefix(a, Tenants()) || bytes.HasPrefix(Audit(older), AuditsByTenant()) {
			t.Errorf("%q: the keys of two kinds begin alike", text)
		}
	}
}

func FuzzParseAuditByTenant(f *testing.F) {
	f.Add(AuditByTenant("a", ID{1}))
	f.Add(AuditsByTenant())
	f.Add(AuditsOfTenant("a\x00b"))
	f.Fuzz(func(t *testing.T, key []byte) {
		tenant, id, err := ParseAuditByTenant(key)
		if err == nil && !bytes.Equal(AuditByTenant(tenant, id)[len(AuditsByTenant()):], key[len(AuditsByTenant()):]) {
			t.Fatalf("%x is read as %q, %v", key, tenant, id)
		}
	})
}
