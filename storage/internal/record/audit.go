package record

import (
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// auditRecord is the record of a runtime.AuditEntry, without its id. Field names are part of the format.
type auditRecord struct {
	Time        time.Time `json:"time"`
	Tenant      string    `json:"tenant,omitempty"`
	User        string    `json:"user,omitempty"`
	Token       string    `json:"token,omitempty"`
	TokenTenant string    `json:"token_tenant,omitempty"`
	Remote      string    `json:"remote,omitempty"`
	Outcome     string    `json:"outcome"`
	Operation   string    `json:"operation"`
	Name        string    `json:"name,omitempty"`
	NewName     string    `json:"new_name,omitempty"`
	Thing       string    `json:"thing,omitempty"`
	Fields      []string  `json:"fields,omitempty"`
	Count       int       `json:"count,omitempty"`
}

// EncodeAudit returns the value of an entry of the audit log.
func EncodeAudit(e runtime.AuditEntry) ([]byte, error) {
	return encodeJSON(EncodingJSON, auditRecord{
		Time: e.Time, Tenant: string(e.Tenant), User: e.By.User, Token: e.By.Token, TokenTenant: string(e.By.Tenant), Remote: e.Remote,
		Outcome: string(e.Outcome), Operation: e.Operation, Name: e.Name, NewName: e.NewName, Thing: e.Thing, Fields: e.Fields, Count: e.Count,
	})
}

// DecodeAudit decodes what EncodeAudit returns.
func DecodeAudit(id string, value []byte) (runtime.AuditEntry, error) {
	var r auditRecord
	err := decodeJSON(value, &r, EncodingJSON)
	return runtime.AuditEntry{
		ID: id, Time: r.Time, Tenant: runtime.Tenant(r.Tenant),
		By:     runtime.AuditActor{User: r.User, Token: r.Token, Tenant: runtime.Tenant(r.TokenTenant)},
		Remote: r.Remote, Outcome: runtime.AuditOutcome(r.Outcome), Operation: r.Operation, Name: r.Name, NewName: r.NewName, Thing: r.Thing,
		Fields: r.Fields, Count: r.Count,
	}, err
}
