package runtime

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Bounds of tenants and tokens.
const (
	MaxTenants       = 100_000
	MaxTokens        = 100_000 // of the server
	MaxTenantTokens  = 1_000   // of one tenant, and without a tenant
	MaxTenantName    = 63      // bytes
	MaxTokenName     = 64      // bytes
	MaxTokenScope    = 32      // functions to which a token is limited
	MinPassword      = 12      // bytes
	MaxPassword      = 256     // bytes
	MaxTokenLifetime = 10 * 365 * 24 * time.Hour
	// MaxOverlap is how long the old secret of a token that is rotated may stay valid.
	MaxOverlap = 30 * 24 * time.Hour
)

// TenantRecord is a tenant: an owner of functions, jobs, executions and tokens.
type TenantRecord struct {
	Name    Tenant
	Created time.Time // zero for [DefaultTenant], which always exists
	// Deleting reports that the tenant and all that it owns are being deleted. It has no tokens.
	Deleting bool
	Limits   TenantLimits // of this tenant alone
	// OwnWorker says that the tenant's runs happen in a process that no other tenant shares, on a
	// server with worker processes.
	OwnWorker bool
}

// Token is a credential of a tenant, or of the server. The secret itself is not stored. A token has
// either a secret that the server generated, or a password that its owner chose.
type Token struct {
	ID        string // UUIDv7
	Tenant    Tenant // empty if the Scope is ScopeOperator
	Name      string // unique in its tenant; executions name it as their user
	Scope     Scope
	Functions []string // see [Identity]; only with ScopeInvoke
	Created   time.Time
	CreatedBy string    // user
	Expires   time.Time // zero: never
	LastUsed  time.Time // to the minute; zero: never
	Hash      [32]byte  // SHA-256 of the secret; zero with a Password
	// Previous is the hash of the secret before the last rotation, which is valid until
	// PreviousExpires.
	Previous        [32]byte
	PreviousExpires time.Time // zero: there is none
	Password        *PasswordHash
}

// PasswordHash is the Argon2id hash (RFC 9106) of a password with its parameters.
type PasswordHash struct {
	Salt, Hash  []byte
	Time        uint32 // passes
	Memory      uint32 // KiB
	Parallelism uint8
}

// HasPassword reports whether clients send the name of the token and a password.
func (t *Token) HasPassword() bool { return t.Password != nil }

// Identity returns what the token permits. use is that of its tenant.
func (t *Token) Identity(use *TenantUse) *Identity {
	i := &Identity{Tenant: t.Tenant, UserID: t.Name, Functions: t.Functions, Since: t.Created, Use: use}
	if t.Scope == ScopeOperator {
		i.Operator = true
	} else {
		i.Scope = t.Scope
	}
	return i
}

// Login returns the user name of a token with a password: its name, followed by @ and the tenant
// unless that is [DefaultTenant].
func (t *Token) Login() string {
	if t.Tenant == DefaultTenant {
		return t.Name
	}
	return t.Name + "@" + string(t.Tenant)
}

// TokenSpec is a request for a new token.
type TokenSpec struct {
	Tenant    Tenant // empty: that of the requester, or none for ScopeOperator
	Name      string
	Scope     Scope
	Functions []string
	Lifetime  time.Duration // zero: without end
	Password  string        // empty: the server generates a secret
}

// ValidateTenant checks the name of a tenant: 1 to [MaxTenantName] characters of a-z 0-9 - that start
// and end with a letter or a digit.
func ValidateTenant(name Tenant) error {
	edge := func(c byte) bool { return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' }
	ok := name != "" && len(name) <= MaxTenantName && edge(name[0]) && edge(name[len(name)-1])
	for i := 0; ok && i < len(name); i++ {
		ok = edge(name[i]) || name[i] == '-'
	}
	if !ok {
		return Errorf(CodeInvalidArgument, "the tenant name is not valid").
			WithHint(fmt.Sprintf("use 1 to %d of the characters a-z 0-9 - and start and end with a letter or a digit", MaxTenantName))
	}
	return nil
}

// Normalized returns a valid spec in its one form, or the error of one that is not valid.
func (s TokenSpec) Normalized() (TokenSpec, error) {
	invalid := func(hint, format string, args ...any) (TokenSpec, error) {
		return s, Errorf(CodeInvalidArgument, format, args...).WithHint(hint)
	}
	if len(s.Name) > MaxTokenName || ValidateName(s.Name) != nil {
		return invalid(fmt.Sprintf("use 1 to %d of the characters A-Z a-z 0-9 - _ . and do not start with a dot or a dash", MaxTokenName), "the token name is not valid")
	}
	if s.Name == AdminUser {
		return invalid("choose another name", "the name %s is that of the server's own token", AdminUser)
	}
	if s.Scope.String() == "" {
		return invalid("the scopes are read, invoke, deploy, admin and operator", "the scope is missing")
	}
	if s.Scope == ScopeOperator && s.Tenant != "" {
		return invalid("leave the tenant out", "a token with the scope operator belongs to no tenant")
	}
	if s.Lifetime < 0 || s.Lifetime > MaxTokenLifetime {
		return invalid("give at most ten years, or leave it out", "the lifetime of the token is out of bounds")
	}
	if err := ValidatePassword(s.Password); err != nil {
		return s, err
	}
	if len(s.Functions) == 0 {
		s.Functions = nil
		return s, nil
	}
	if s.Scope != ScopeInvoke {
		return invalid("give the token the scope invoke, or leave the functions out", "only tokens with the scope invoke can be limited to functions")
	}
	if len(s.Functions) > MaxTokenScope {
		return invalid("create several tokens", "the token names %d functions, at most %d are allowed", len(s.Functions), MaxTokenScope)
	}
	s.Functions = slices.Clone(s.Functions)
	slices.Sort(s.Functions)
	s.Functions = slices.Compact(s.Functions)
	for _, name := range s.Functions {
		if err := ValidateName(name); err != nil {
			return s, err
		}
	}
	return s, nil
}

// ValidatePassword checks a password: [MinPassword] to [MaxPassword] bytes of text without control
// characters. An empty one is valid: it is none.
func ValidatePassword(password string) error {
	if password == "" {
		return nil
	}
	if len(password) < MinPassword || len(password) > MaxPassword || !utf8.ValidString(password) || strings.ContainsFunc(password, func(r rune) bool { return r < ' ' || r == 0x7F }) {
		return Errorf(CodeInvalidArgument, "the password is not valid").
			WithHint(fmt.Sprintf("use %d to %d bytes of text without control characters", MinPassword, MaxPassword))
	}
	return nil
}

// NoTokenError returns the error for a token id that is unknown, or of another tenant.
func NoTokenError() *Error {
	return Errorf(CodeNotFound, "there is no token with this id").WithHint("list the tokens to see which exist")
}

// NoTenantError returns the error for a tenant that does not exist, or that the requester may not see.
func NoTenantError(name Tenant) *Error {
	return Errorf(CodeNotFound, "there is no tenant %.100q", string(name)).WithHint("check the name, or leave it out: the token determines the tenant")
}
