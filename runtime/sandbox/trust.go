package sandbox

import (
	"github.com/faaspot/faaspot/runtime/sandbox/tlsengine"
	"github.com/faaspot/faaspot/runtime/sandbox/wasi"
)

// tenantTrust are the trust anchors of a tenant.
type tenantTrust struct {
	store  *tlsengine.Store
	tenant string
}

// Trust implements wasi.Control.
func (s *slot) Trust() wasi.Trust { return tenantTrust{s.accounts.trust, string(s.tenant)} }

// Default implements wasi.Trust.
func (t tenantTrust) Default() *tlsengine.Roots { return t.store.Default() }

// Find implements wasi.Trust.
func (t tenantTrust) Find(sum string) *tlsengine.Roots { return t.store.Find(t.tenant, sum) }

// Keep implements wasi.Trust.
func (t tenantTrust) Keep(r *tlsengine.Roots) bool { return t.store.Keep(t.tenant, r) }
