package client

import (
	"context"
	"net/url"
	"time"

	"github.com/faaspot/faaspot/httpapi/wire"
)

const auditPath = "/v1/audit/"

// AuditEntry is an entry of the audit log. Its JSON form is also the --json output of the command line.
type AuditEntry = wire.AuditEntry[Moment]

// AuditFilter says which entries of the audit log to list. The zero value selects all that the sender may
// see.
type AuditFilter struct {
	Tenant    string    // owner of what has changed; empty: any
	Token     string    // id or name
	Operation string    // such as function.update
	Outcome   string    // done, refused or unknown
	Since     time.Time // at this time or later
	Until     time.Time // before
}

// Audit calls page with entries of the audit log, newest first, as [Client.ListExecutions] does.
func (c *Client) Audit(ctx context.Context, f AuditFilter, limit int, page func([]AuditEntry) error) (more bool, err error) {
	query := url.Values{}
	for name, value := range map[string]string{"tenant": f.Tenant, "token": f.Token, "operation": f.Operation, "outcome": f.Outcome} {
		if value != "" {
			query.Set(name, value)
		}
	}
	for name, at := range map[string]time.Time{"since": f.Since, "until": f.Until} {
		if !at.IsZero() {
			query.Set(name, at.UTC().Format(time.RFC3339Nano))
		}
	}
	return listAll(ctx, c, auditPath, query, limit, page)
}
