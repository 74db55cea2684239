package access

import (
	"crypto/sha256"
	"fmt"
	"reflect"
	"slices"

	"github.com/faaspot/faaspot/runtime"
)

// Lead makes a Keeper that follows change its Store itself: it stores last uses and egress, and deletes tenants. It is
// called once.
func (k *Keeper) Lead() { k.closed.Go(func() { k.attend(k.running) }) }

// SetAdmin replaces the SHA-256 of the token that is operator, and admin of the default tenant. Zero: there is none.
func (k *Keeper) SetAdmin(hash [sha256.Size]byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	none := [sha256.Size]byte{}
	if hash == k.admin {
		return
	}
	if k.admin != none {
		k.revoke(&k.secrets, k.admin)
	}
	if k.admin = hash; hash != none {
		k.secrets.set(hash, newCredential(&state{identity: &runtime.Identity{
			Tenant: runtime.DefaultTenant, UserID: runtime.AdminUser, Scope: runtime.ScopeAdmin, Operator: true, Use: k.Use(runtime.DefaultTenant),
		}}))
	}
}

// Changed brings tenants and tokens up to date that another process has changed or deleted in the Store.
func (k *Keeper) Changed(tenants []runtime.Tenant, tokens []string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, name := range tenants {
		t, found, err := k.store.GetTenant(name)
		if err != nil {
			return fmt.Errorf("read a tenant: %w", err)
		}
		k.follow(name, t, found)
	}
	for _, id := range tokens {
		t, found, err := k.store.GetToken(id)
		if err != nil {
			return fmt.Errorf("read a token: %w", err)
		}
		k.followToken(id, t, found)
	}
	return nil
}

// follow brings a tenant up to date. The caller holds mu.
func (k *Keeper) follow(name runtime.Tenant, t runtime.TenantRecord, found bool) {
	known := k.tenants[name]
	switch {
	case !found && known != nil:
		for _, id := range slices.Clone(known.ids) {
			k.forget(k.tokens[id])
		}
		k.end(known)
		k.drop(known)
	case found && known == nil:
		k.memory.Add(tenantBytes + limitsBytes(&t.Limits))
		k.addTenant(t)
	case found:
		k.memory.Add(limitsBytes(&t.Limits))
		k.memory.Give(limitsBytes(&known.Limits))
		if known.Limits != t.Limits {
			known.use.SetLimits(t.Limits.Effective(k.defaults))
			if k.engine != nil {
				k.engine.LimitsChanged(name)
			}
		}
		if t.Egress != known.Egress { // the process that changes the Store counts what all have sent
			known.use.SetEgress(t.Egress)
		}
		known.TenantRecord = t
		known.use.SetOwnWorker(t.OwnWorker)
		if t.Deleting {
			k.end(known)
		}
	}
}

// end ends a tenant that another process deletes: requests in progress have its use. The caller holds mu.
func (k *Keeper) end(t *tenant) {
	t.use.Close()
	if k.engine != nil {
		k.engine.CancelRuns(t.Name)
	}
}

// followToken brings a token up to date. The caller holds mu.
func (k *Keeper) followToken(id string, t runtime.Token, found bool) {
	known := k.tokens[id]
	if found && t.Tenant != "" && k.tenants[t.Tenant] == nil {
		found = false // its tenant is gone
	}
	switch {
	case !found && known != nil:
		k.forget(known)
	case found && known != nil && onlyUsed(&known.token, &t):
		known.token.LastUsed = t.LastUsed
	case found:
		if known != nil {
			k.memory.Give(known.bytes)
		}
		k.memory.Add(sizeOf(&t))
		k.addToken(t)
	}
}

// onlyUsed reports whether two states of a token differ in its last use at most.
func onlyUsed(a, b *runtime.Token) bool {
	x := *a
	x.LastUsed = b.LastUsed
	return reflect.DeepEqual(x, *b)
}

// SetNodes says that a tenant may have what its limits allow on a number of nodes together: each allows its part.
func (k *Keeper) SetNodes(n int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if n == k.nodes {
		return
	}
	k.nodes = n
	for name, t := range k.tenants {
		if name == "" {
			continue
		}
		if t.use.SetNodes(n); k.engine != nil && t.use.Limits().Runs > 0 {
			k.engine.LimitsChanged(name)
		}
	}
}
