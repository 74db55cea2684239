package runtime

import "strings"

// Caller is who asks for an execution, and on whose behalf. The zero value is
// nobody: a schedule, for one.
type Caller struct {
	// UserID names the user behind the token.
	UserID string
	// RID is the resource that asks, such as the job whose task an execution is.
	RID string
	// TraceID is the trace (W3C Trace Context) that the request belongs to, 32
	// lower-case hex digits. Empty: the execution begins one of its own.
	TraceID string
	// TraceOwner is the resource that the trace began with, if that is not what
	// is executed.
	TraceOwner string
}

// Identity is who a token belongs to.
type Identity struct {
	Tenant Tenant
	UserID string // as in [Caller]
}

// AdminUser is the user behind the token that a server makes for itself.
const AdminUser = "admin"

// BeginTrace gives an execution that belongs to no trace one of its own: its id
// without dashes.
func (c *Caller) BeginTrace(id string) {
	if c.TraceID == "" {
		c.TraceID = TraceOf(id)
	}
}

// TraceOf is the trace that an execution begins.
func TraceOf(id string) string { return strings.ReplaceAll(id, "-", "") }
