package wire

// Tenant is an owner of functions, jobs, executions and tokens.
type Tenant[T any] struct {
	Name    string       `json:"name"`
	State   TenantState  `json:"state"`
	Created T            `json:"created"` // null for the tenant that always exists
	Limits  TenantLimits `json:"limits"`  // of this tenant alone; null: that of the server
	// OwnWorker says that its runs share a process with those of no other tenant.
	OwnWorker bool `json:"own_worker"`
}

// TenantLimits are the limits of a tenant. Null: there is none.
type TenantLimits struct {
	RequestsPerSecond *int `json:"requests_per_second"`
	RequestBurst      *int `json:"request_burst"` // requests that may arrive at once
	Runs              *int `json:"runs"`          // at once
	Queued            *int `json:"queued"`        // executions that wait in the background
	Functions         *int `json:"functions"`
	CodeBytes         *int `json:"code_bytes"`   // of all versions that are kept, and of bundles
	StoredBytes       *int `json:"stored_bytes"` // of everything else
	EgressBytes       *int `json:"egress_bytes"` // sent and received on a day, in UTC
	// EgressHosts are the rules beyond which functions reach nothing; "none" alone: they reach nothing.
	EgressHosts    []string `json:"egress_hosts"`
	ProcessorShare *int     `json:"processor_share"` // of the processors while others want them; null: 100
	MemoryBytes    *int     `json:"memory_bytes"`    // of runs at once
	ImageBytes     *int     `json:"image_bytes"`     // of images and idle instances in memory
}

// Numbers returns the limits that are numbers, by their names in the API.
func (l *TenantLimits) Numbers() map[string]*int {
	return map[string]*int{
		"requests_per_second": l.RequestsPerSecond,
		"request_burst":       l.RequestBurst,
		"runs":                l.Runs,
		"queued":              l.Queued,
		"functions":           l.Functions,
		"code_bytes":          l.CodeBytes,
		"stored_bytes":        l.StoredBytes,
		"egress_bytes":        l.EgressBytes,
		"processor_share":     l.ProcessorShare,
		"memory_bytes":        l.MemoryBytes,
		"image_bytes":         l.ImageBytes,
	}
}

// UpdateTenantRequest is a change of a tenant.
type UpdateTenantRequest struct {
	// Limits are the ones to change, by their names in [TenantLimits]; nil: that of the server.
	Limits map[string]any `json:"limits,omitempty"`
	// OwnWorker is whether its runs share a process with those of no other tenant; nil: it stays.
	OwnWorker *bool `json:"own_worker,omitempty"`
}

// TenantUsage is what a tenant has in progress and has stored, and the limits that apply to it.
type TenantUsage struct {
	Tenant      string       `json:"tenant"`
	Requests    int64        `json:"requests"`
	Runs        int64        `json:"runs"`
	Queued      int64        `json:"queued"`
	Functions   int64        `json:"functions"`
	CodeBytes   int64        `json:"code_bytes"`
	StoredBytes int64        `json:"stored_bytes"`
	EgressBytes int64        `json:"egress_bytes"` // today, in UTC
	MemoryBytes int64        `json:"memory_bytes"` // of runs
	ImageBytes  int64        `json:"image_bytes"`  // of images and idle instances in memory
	Limits      TenantLimits `json:"limits"`
}

// TenantState is the state of a tenant.
type TenantState string

// The states of a tenant.
const (
	TenantActive   TenantState = "active"
	TenantDeleting TenantState = "deleting" // it and all that it owns are being deleted
)

// Token is a credential without its secret.
type Token[T any] struct {
	ID        string   `json:"id"`
	Name      string   `json:"name"`
	Tenant    *string  `json:"tenant"` // null: it belongs to the server
	Scope     string   `json:"scope"`
	Functions []string `json:"functions"` // the only ones that it may run; empty: it is not limited
	Created   T        `json:"created"`
	CreatedBy string   `json:"created_by"`
	Expires   T        `json:"expires"`   // null: never
	LastUsed  T        `json:"last_used"` // to the minute; null: never
	// PreviousExpires is until when the secret before the last rotation is valid; null: it is not.
	PreviousExpires T       `json:"previous_expires"`
	Username        *string `json:"username"` // of a token with a password; null: it has a secret
}

// NewToken is the answer to a creation or rotation.
type NewToken[T any] struct {
	Token[T]
	Secret *string `json:"token"` // shown only here; null for a token with a password
}

// CreateTenantRequest is a request for a new tenant.
type CreateTenantRequest struct {
	Name string `json:"name"`
}

// CreateTokenRequest is a request for a new token.
type CreateTokenRequest struct {
	Name      string   `json:"name"`
	Scope     string   `json:"scope"`
	Tenant    string   `json:"tenant,omitempty"` // empty: that of the requester
	Functions []string `json:"functions,omitempty"`
	ExpiresIn float64  `json:"expires_in,omitempty"` // seconds; 0: never
	Password  string   `json:"password,omitempty"`
}

// RotateTokenRequest is a request for another secret of a token.
type RotateTokenRequest struct {
	Overlap  float64 `json:"overlap,omitempty"` // seconds for which the old secret stays valid
	Password string  `json:"password,omitempty"`
}
