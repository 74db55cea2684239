package keys

import "github.com/faaspot/faaspot/runtime"

// Audits returns the prefix of all entries of the audit log, in the order of their times.
func Audits() []byte { return []byte{SpaceAccess, 'a'} }

// Audit returns the key of an entry of the audit log.
func Audit(id ID) []byte { return append(Audits(), id[:]...) }

// AuditsByTenant returns the prefix of the keys of AuditByTenant of all tenants.
func AuditsByTenant() []byte { return []byte{SpaceAccess, 'b'} }

// AuditsOfTenant returns the prefix of the keys that find the entries of a tenant, or of the server.
func AuditsOfTenant(tenant runtime.Tenant) []byte {
	return AppendText(AuditsByTenant(), string(tenant))
}

// AuditByTenant returns the key by which an entry is found by its tenant.
func AuditByTenant(tenant runtime.Tenant, id ID) []byte {
	return append(AuditsOfTenant(tenant), id[:]...)
}

// ParseAuditByTenant returns the parts of a key of AuditByTenant.
func ParseAuditByTenant(key []byte) (tenant runtime.Tenant, id ID, err error) {
	prefix := AuditsByTenant()
	if len(key) < len(prefix) {
		return "", id, ErrKey
	}
	name, rest, err := CutText(key[len(prefix):])
	if err != nil || len(rest) != len(id) {
		return "", id, ErrKey
	}
	return runtime.Tenant(name), ID(rest), nil
}
