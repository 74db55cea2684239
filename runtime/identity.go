package runtime

import (
	"slices"
	"time"
)

// AdminUser is the user of the token that a server creates for itself. No other token has this name.
const AdminUser = "admin"

// Scope is what a token permits. Of the scopes of a tenant each one includes those before it.
type Scope uint8

// The scopes. The zero value is none.
const (
	ScopeRead     Scope = iota + 1 // read functions, executions, jobs and dead letters
	ScopeInvoke                    // run functions and jobs, and cancel executions
	ScopeDeploy                    // create, change and delete functions and jobs; send and delete dead letters
	ScopeAdmin                     // create and delete tokens of the tenant
	ScopeOperator                  // manage the server: tenants, all tokens, memory. It includes no scope of a tenant
)

var scopeNames = []string{"", "read", "invoke", "deploy", "admin", "operator"}

// String returns the name of a scope in the API.
func (s Scope) String() string {
	if int(s) < len(scopeNames) {
		return scopeNames[s]
	}
	return ""
}

// ParseScope returns the scope with a name.
func ParseScope(name string) (Scope, error) {
	if i := slices.Index(scopeNames, name); i > 0 {
		return Scope(i), nil
	}
	return 0, Errorf(CodeInvalidArgument, "there is no scope %.40q", name).
		WithHint("the scopes are read, invoke, deploy, admin and operator")
}

// Identity is who sends a request, and what it may do. It does not change.
type Identity struct {
	Tenant  Tenant // empty: none; the Scope is then zero
	UserID  string // see [Caller]
	TokenID string // empty: the server's own token
	// Scope is what the identity may do in its tenant: ScopeRead to ScopeAdmin; zero: nothing.
	Scope    Scope
	Operator bool // whether it may also do what ScopeOperator permits
	// Functions are the names of the only functions that it may run, sorted. It then sees only the
	// executions that it started. Empty: it is not limited.
	Functions []string
	// Since is when the token was created. Executions of its user that are older are those of an
	// earlier token with the same name.
	Since time.Time
	Use   *TenantUse // of the tenant
}

// InvalidTokenError returns the error for a token that is unknown, expired or revoked.
func InvalidTokenError() *Error {
	return Errorf(CodeUnauthenticated, "the token is not valid").
		WithHint("check the token, and that it has not expired; the server stores only its hash, so it cannot show the token")
}

// Permits reports whether the identity has a scope, or one that includes it.
func (i *Identity) Permits(s Scope) bool {
	if s == ScopeOperator {
		return i.Operator
	}
	return s != 0 && i.Scope >= s
}

// Limited reports whether the identity may run only some functions.
func (i *Identity) Limited() bool { return len(i.Functions) > 0 }

// MayRun reports whether the identity is not limited to other functions.
func (i *Identity) MayRun(function string) bool {
	if !i.Limited() {
		return true
	}
	_, found := slices.BinarySearch(i.Functions, function)
	return found
}

// KeyOwner returns whose the identity's idempotency keys are: its own, so that they return only
// executions that it sees, or empty for those of its tenant.
func (i *Identity) KeyOwner() string {
	if !i.Limited() {
		return ""
	}
	return i.UserID + " " + i.Since.UTC().Format(time.RFC3339Nano)
}

// Sees reports whether the identity may see and cancel an execution of its tenant.
func (i *Identity) Sees(x *Execution) bool {
	return !i.Limited() || x.Caller.UserID == i.UserID && !x.Created.Before(i.Since)
}
