package storage

import (
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/keys"
	"github.com/faaspot/faaspot/storage/internal/kv"
)

func accessOf(t *testing.T, s *Store) (tenants []runtime.TenantRecord, tokens []runtime.Token) {
	t.Helper()
	must(t, s.EachTenant(func(r runtime.TenantRecord) error { tenants = append(tenants, r); return nil }))
	must(t, s.EachToken(func(r runtime.Token) error { tokens = append(tokens, r); return nil }))
	return tenants, tokens
}

// TestAccessIsDurable checks that tenants and tokens are the same after lost power, with all fields.
func TestAccessIsDurable(t *testing.T) {
	mem := vfs.NewCrashableMem()
	s := openOn(t, mem, "store")
	at := time.Date(2026, 2, 3, 4, 5, 6, 7, time.UTC)
	acme := runtime.TenantRecord{Name: "acme", Created: at, OwnWorker: true}
	all := []runtime.Token{
		{
			ID: "1", Tenant: "acme", Name: "ci", Scope: runtime.ScopeInvoke, Functions: []string{"f", "g"}, Created: at, CreatedBy: "ada",
			Expires: at.Add(time.Hour), LastUsed: at, Hash: [32]byte{1}, Previous: [32]byte{2}, PreviousExpires: at.Add(time.Minute),
		},
		{ID: "2", Name: "ops", Scope: runtime.ScopeOperator, Created: at, Password: &runtime.PasswordHash{Salt: []byte{1}, Hash: []byte{2}, Time: 3, Memory: 4, Parallelism: 5}},
		{ID: "3", Tenant: "acme", Name: "gone", Scope: runtime.ScopeRead, Created: at, Hash: [32]byte{3}},
		{ID: "4", Tenant: "acme", Name: "revoked", Scope: runtime.ScopeRead, Created: at, Hash: [32]byte{4}},
	}
	must(t, s.PutTenant(acme, nil))
	must(t, s.PutTokens(all))
	must(t, s.DeleteToken("3"))
	must(t, s.DeleteToken("of no token"))
	acme.Deleting = true
	must(t, s.PutTenant(acme, []string{"4"}))
	lost := openOn(t, crashClone(mem, vfs.CrashCloneCfg{}), "store")
	tenants, tokens := accessOf(t, lost)
	if diff := cmp.Diff([]runtime.TenantRecord{acme}, tenants); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(all[:2], tokens); diff != "" {
		t.Error(diff)
	}
}

// TestDropTenant checks that a tenant is dropped with all kinds of records, once it has none that
// changes by itself, and that tenants whose names are alike lose nothing.
func TestDropTenant(t *testing.T) {
	s := goldenStore(t)
	const tenant = "t\x00"
	if err := s.DropTenant(tenant); runtime.CodeOf(err) != runtime.CodeConflict {
		t.Fatalf("a tenant with functions was dropped: %v", err)
	}
	// Neighbours have a record of every kind that the tenant has.
	count := func(name runtime.Tenant) (n int) {
		must(t, kv.EachKey(s.db, keys.OfTenant(name), func(_, _ []byte) error { n++; return nil }))
		return n
	}
	neighbours := []runtime.Tenant{"t", "t\x00\x00", "t\x00\x01", "t\x01", "s", "u"}
	all := keys.OfTenant(tenant)
	copied := s.db.NewBatch()
	must(t, kv.EachKey(s.db, all, func(key, value []byte) error {
		for _, other := range neighbours {
			must(t, copied.Set(append(keys.OfTenant(other), key[len(all):]...), value, nil))
		}
		return nil
	}))
	must(t, copied.Commit(pebble.Sync))
	before := count(tenant)
	for _, kind := range []byte{keys.KindFunction, keys.KindFunctionName, keys.KindJob, keys.KindJobName, keys.KindAccepted, keys.KindJobAccepted, keys.KindBundle} {
		if err := s.DropTenant(tenant); runtime.CodeOf(err) != runtime.CodeConflict {
			t.Fatalf("a tenant with records of the kind %c was dropped: %v", kind, err)
		}
		prefix := keys.OfKind(tenant, kind)
		must(t, s.db.DeleteRange(prefix, keys.PrefixEnd(prefix), pebble.Sync))
	}
	must(t, s.DropTenant(tenant))
	if n := count(tenant); n != 0 {
		t.Errorf("%d records are left", n)
	}
	for _, other := range neighbours {
		if n := count(other); n != before {
			t.Errorf("the tenant %q has %d records, it had %d", other, n, before)
		}
	}
	if tenants, tokens := accessOf(t, s); len(tenants) != 0 || len(tokens) != 2 {
		t.Errorf("there are %d tenants and %d tokens", len(tenants), len(tokens))
	}
	if _, known := s.usage.all[tenant]; known {
		t.Error("the usage of the tenant is still counted")
	}
	must(t, s.DropTenant("of nothing"))
}
