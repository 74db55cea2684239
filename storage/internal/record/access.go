package record

import (
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// tenantRecord is the record of a runtime.TenantRecord, without its name. Field names are part of
// the format.
type tenantRecord struct {
	Created   time.Time          `json:"created,omitzero"`
	Deleting  bool               `json:"deleting,omitempty"`
	Limits    tenantLimitsRecord `json:"limits,omitzero"`
	Egress    egressRecord       `json:"egress,omitzero"`
	OwnWorker bool               `json:"own_worker,omitempty"`
}

type tenantLimitsRecord struct {
	RequestsPerSecond int    `json:"requests_per_second,omitempty"`
	RequestBurst      int    `json:"request_burst,omitempty"`
	Runs              int    `json:"runs,omitempty"`
	Queued            int    `json:"queued,omitempty"`
	Functions         int    `json:"functions,omitempty"`
	CodeBytes         int    `json:"code_bytes,omitempty"`
	StoredBytes       int    `json:"stored_bytes,omitempty"`
	EgressBytes       int    `json:"egress_bytes,omitempty"`
	EgressHosts       string `json:"egress_hosts,omitempty"`
	ProcessorShare    int    `json:"processor_share,omitempty"`
	Memory            int    `json:"memory_bytes,omitempty"`
	Images            int    `json:"image_bytes,omitempty"`
}

type egressRecord struct {
	Day   int64 `json:"day"`
	Bytes int64 `json:"bytes"`
}

// EncodeTenant returns the value of a tenant.
func EncodeTenant(t runtime.TenantRecord) ([]byte, error) {
	return encodeJSON(EncodingJSON, tenantRecord{t.Created, t.Deleting, tenantLimitsRecord(t.Limits), egressRecord(t.Egress), t.OwnWorker})
}

// DecodeTenant decodes what EncodeTenant returns.
func DecodeTenant(name runtime.Tenant, value []byte) (runtime.TenantRecord, error) {
	var r tenantRecord
	err := decodeJSON(value, &r, EncodingJSON)
	return runtime.TenantRecord{
		Name: name, Created: r.Created, Deleting: r.Deleting, Limits: runtime.TenantLimits(r.Limits), Egress: runtime.EgressDay(r.Egress), OwnWorker: r.OwnWorker,
	}, err
}

// tokenRecord is the record of a runtime.Token, without its id. Field names are part of the format.
type tokenRecord struct {
	Tenant          string          `json:"tenant,omitempty"`
	Name            string          `json:"name"`
	Scope           string          `json:"scope"`
	Functions       []string        `json:"functions,omitempty"`
	Created         time.Time       `json:"created"`
	CreatedBy       string          `json:"created_by,omitempty"`
	Expires         time.Time       `json:"expires,omitzero"`
	LastUsed        time.Time       `json:"last_used,omitzero"`
	Hash            string          `json:"hash,omitempty"` // hex
	Previous        string          `json:"previous,omitempty"`
	PreviousExpires time.Time       `json:"previous_expires,omitzero"`
	Password        *passwordRecord `json:"password,omitempty"`
}

type passwordRecord struct {
	Salt        []byte `json:"salt"`
	Hash        []byte `json:"hash"`
	Time        uint32 `json:"time"`
	Memory      uint32 `json:"memory"` // KiB
	Parallelism uint8  `json:"parallelism"`
}

// EncodeToken returns the value of a token.
func EncodeToken(t runtime.Token) ([]byte, error) {
	r := tokenRecord{
		Tenant: string(t.Tenant), Name: t.Name, Scope: t.Scope.String(), Functions: t.Functions, Created: t.Created,
		CreatedBy: t.CreatedBy, Expires: t.Expires, LastUsed: t.LastUsed, PreviousExpires: t.PreviousExpires,
	}
	if p := t.Password; p != nil {
		r.Password = &passwordRecord{p.Salt, p.Hash, p.Time, p.Memory, p.Parallelism}
	} else {
		r.Hash = hex.EncodeToString(t.Hash[:])
	}
	if !t.PreviousExpires.IsZero() {
		r.Previous = hex.EncodeToString(t.Previous[:])
	}
	return encodeJSON(EncodingJSON, r)
}

// DecodeToken decodes what EncodeToken returns.
func DecodeToken(id string, value []byte) (runtime.Token, error) {
	var r tokenRecord
	if err := decodeJSON(value, &r, EncodingJSON); err != nil {
		return runtime.Token{}, err
	}
	t := runtime.Token{
		ID: id, Tenant: runtime.Tenant(r.Tenant), Name: r.Name, Functions: r.Functions, Created: r.Created, CreatedBy: r.CreatedBy,
		Expires: r.Expires, LastUsed: r.LastUsed, PreviousExpires: r.PreviousExpires,
	}
	var err error
	if t.Scope, err = runtime.ParseScope(r.Scope); err != nil {
		return t, fmt.Errorf("the value is damaged: %w", err)
	}
	if (t.Scope == runtime.ScopeOperator) != (t.Tenant == "") {
		return t, fmt.Errorf("the value is damaged: the scope %s does not match the tenant %q", r.Scope, r.Tenant)
	}
	if p := r.Password; p != nil {
		if p.Time == 0 || p.Parallelism == 0 {
			return t, errors.New("the value is damaged: it has no parameters of the password hash")
		}
		t.Password = &runtime.PasswordHash{Salt: p.Salt, Hash: p.Hash, Time: p.Time, Memory: p.Memory, Parallelism: p.Parallelism}
	} else if t.Hash, err = decodeHash(r.Hash); err != nil {
		return t, err
	}
	if !t.PreviousExpires.IsZero() {
		t.Previous, err = decodeHash(r.Previous)
	}
	return t, err
}

func decodeHash(text string) (hash [32]byte, err error) {
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != len(hash) {
		return hash, fmt.Errorf("the value is damaged: %d characters are no hash", len(text))
	}
	return [32]byte(raw), nil
}
