package keys

import "github.com/faaspot/faaspot/runtime"

// Tenants returns the prefix of the records of all tenants.
func Tenants() []byte { return []byte{SpaceAccess, 'w'} }

// Tenant returns the key of the record of a tenant.
func Tenant(name runtime.Tenant) []byte { return AppendText(Tenants(), string(name)) }

// Tokens returns the prefix of all tokens.
func Tokens() []byte { return []byte{SpaceAccess, 'k'} }

// Token returns the key of a token.
func Token(id string) []byte { return AppendText(Tokens(), id) }

// OfTenant returns the prefix of everything that belongs to a tenant, except for its record and its
// tokens.
func OfTenant(name runtime.Tenant) []byte {
	return AppendText(append(make([]byte, 0, keySize), SpaceTenants), string(name))
}
