package runtime

import "context"

// AccessStore stores tenants and tokens, with the guarantees of [FunctionStore]. The caller serialises
// all writes, and checks names and bounds.
type AccessStore interface {
	// EachTenant calls visit with each stored tenant, and EachToken with each token, until visit
	// fails. visit must not call the store.
	EachTenant(visit func(TenantRecord) error) error
	EachToken(visit func(Token) error) error
	// GetTenant and GetToken return one of them, if it is stored.
	GetTenant(name Tenant) (t TenantRecord, found bool, err error)
	GetToken(id string) (t Token, found bool, err error)
	// PutTenant stores a tenant in place of one with its name, and deletes the tokens with the ids in
	// the same batch.
	PutTenant(t TenantRecord, revoked []string) error
	// PutTenants stores tenants, in one batch.
	PutTenants(all []TenantRecord) error
	// PutTokens stores tokens in place of those with their ids.
	PutTokens(all []Token) error
	// DeleteToken deletes a token. Without one with the id it does nothing.
	DeleteToken(id string) error
	// DropTenant deletes the record of a tenant and everything that belongs to it. The error is
	// CodeConflict, and nothing has changed, while it has functions, jobs, bundles, or executions that
	// are not done.
	DropTenant(name Tenant) error
	// ReclaimTenant frees the disk space of a tenant that was dropped, unless it is so little that the
	// next writes free it. It may take long, and ends with ctx. It may run while the store is written.
	ReclaimTenant(ctx context.Context, name Tenant) error
}
