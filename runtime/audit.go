package runtime

import (
	"strings"
	"time"
)

// Bounds of the audit log.
const (
	DefaultAuditAge = 90 * 24 * time.Hour
	// MaxAuditText bounds each text of an entry, in bytes: names in requests that are refused may be
	// longer than any name.
	MaxAuditText   = 256
	MaxAuditFields = 100 // names of what was set that an entry has, the first in their order
)

// AuditOutcome says what became of a change.
type AuditOutcome string

// The outcomes.
const (
	AuditDone AuditOutcome = "done"
	// AuditRefused is that of a request whose token does not permit it. Nothing has changed.
	AuditRefused AuditOutcome = "refused"
	// AuditUnknown is that of a change that has begun, and whose end was not recorded: the server
	// failed, or ended. It may have been made.
	AuditUnknown AuditOutcome = "unknown"
)

// ParseAuditOutcome returns the outcome that a filter names; an empty text is any. The error is
// CodeInvalidArgument.
func ParseAuditOutcome(text string) (AuditOutcome, error) {
	switch o := AuditOutcome(text); o {
	case "", AuditDone, AuditRefused, AuditUnknown:
		return o, nil
	}
	return "", Errorf(CodeInvalidArgument, "there is no outcome %q of changes", text).WithHint("use done, refused or unknown")
}

// AuditEntry records a change that a request or a command has made, or that a request was not permitted to make. It has no
// secrets: no values of contexts, environments or tokens.
type AuditEntry struct {
	ID      string    // UUIDv7
	Time    time.Time // when the request was admitted, or the command began
	Tenant  Tenant    // of what has changed; empty: the server
	By      AuditActor
	Remote  string // IP address and port that the request came from; empty: it was a command
	Outcome AuditOutcome
	// Operation is the kind of the thing that has changed, a dot, and what was done with it, such as
	// "function.update".
	Operation string
	Name      string   // of the thing; empty: it has none, or it is not known
	NewName   string   // that it has got; empty: it was not renamed
	Thing     string   // id of the thing; empty in the same way
	Fields    []string // names of what was set, such as "context"
	Count     int      // number of things
}

// AuditActor is the sender of a request, or a command that has changed the data folder by itself.
type AuditActor struct {
	User   string // name of its token, or the command: no name of a token has a space
	Token  string // id of its token; empty: the server's own, or a command
	Tenant Tenant // of its token; empty: the server
}

// Kind returns the kind of the thing that has changed, such as "function".
func (e *AuditEntry) Kind() string {
	kind, _, _ := strings.Cut(e.Operation, ".")
	return kind
}

// AuditFilter selects entries of the audit log. The zero value selects all.
type AuditFilter struct {
	Tenant    *Tenant   // what has changed belongs to it; nil: to any tenant or to the server
	Since     time.Time // at this time or later; zero: from the first on
	Until     time.Time // before; zero: up to now
	Token     string    // id or name of the token; empty: any
	Operation string    // empty: any
	Outcome   AuditOutcome
}

// Selects reports whether the filter selects an entry, whatever its tenant.
func (f *AuditFilter) Selects(e *AuditEntry) bool {
	return !e.Time.Before(f.Since) && (f.Until.IsZero() || e.Time.Before(f.Until)) &&
		(f.Token == "" || f.Token == e.By.Token || f.Token == e.By.User) &&
		(f.Operation == "" || f.Operation == e.Operation) &&
		(f.Outcome == "" || f.Outcome == e.Outcome)
}

// AuditStore stores the audit log, bounded in bytes and in age. If there are too many bytes, the
// tenants that have most lose their oldest entries, all down to the same size. Its methods may be
// called concurrently.
type AuditStore interface {
	// BeginAudit stores an entry of a change that begins: it is on disk as soon as anything is that is
	// stored later. The error is CodeUnavailable if the disk has no room for new work.
	BeginAudit(e AuditEntry) error
	// EndAudit stores the final form of an entry durably. begun is what BeginAudit has stored under its
	// id, nil if nothing is.
	EndAudit(e AuditEntry, begun *AuditEntry) error
	// DropAudit deletes an entry that BeginAudit has stored: nothing has changed.
	DropAudit(begun AuditEntry) error
	// ListAudit returns a page of entries, newest first. A page may have fewer than its limit, even none,
	// and a Next all the same: each page looks at a bounded number of entries.
	ListAudit(f AuditFilter, r PageRequest) (Page[AuditEntry], error)
}
