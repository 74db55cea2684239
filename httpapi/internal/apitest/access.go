package apitest

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/faaspot/faaspot/httpapi"
	"github.com/faaspot/faaspot/httpapi/faaspot"
	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/access"
	"github.com/faaspot/faaspot/storage"
)

// Names of tenants in requests: one that exists, and one that is created.
const (
	SomeTenant = "acme"
	NewTenant  = "new"
)

// accessCalls records the calls of a Fake about tenants and tokens.
type accessCalls struct{ fake *Fake }

var someTenant = runtime.TenantRecord{Name: SomeTenant, Created: Time}

// called records a call of an identity, and returns the error of the fake. A fake that is nil panics.
func (a accessCalls) called(by *runtime.Identity) error {
	a.fake.mu.Lock()
	defer a.fake.mu.Unlock()
	if by != nil {
		a.fake.Tenants = append(a.fake.Tenants, by.Tenant)
	}
	return a.fake.Err
}

func (a accessCalls) tenant() (runtime.TenantRecord, error) { return someTenant, a.called(nil) }

func (a accessCalls) token(by *runtime.Identity) (runtime.Token, error) {
	return runtime.Token{ID: ID, Tenant: SomeTenant, Name: "ci", Scope: runtime.ScopeDeploy, Created: Time, CreatedBy: runtime.AdminUser}, a.called(by)
}

func (a accessCalls) CreateTenant(runtime.Tenant) (runtime.TenantRecord, error) { return a.tenant() }

func (a accessCalls) ListTenants(runtime.PageRequest) runtime.Page[runtime.TenantRecord] {
	return runtime.Page[runtime.TenantRecord]{Items: []runtime.TenantRecord{someTenant}}
}

func (a accessCalls) GetTenant(runtime.Tenant) (runtime.TenantRecord, error) { return a.tenant() }

func (a accessCalls) UpdateTenant(runtime.Tenant, runtime.TenantChange) (runtime.TenantRecord, error) {
	return a.tenant()
}

func (a accessCalls) Usage(name runtime.Tenant) (runtime.TenantUsage, error) {
	return runtime.TenantUsage{Requests: 1, Limits: runtime.TenantLimits{Runs: 10}}, a.called(&runtime.Identity{Tenant: name})
}

func (a accessCalls) DeleteTenant(context.Context, runtime.Tenant, bool) (runtime.TenantRecord, error) {
	return a.tenant()
}

func (a accessCalls) CreateToken(_ context.Context, by *runtime.Identity, _ runtime.TokenSpec) (runtime.Token, string, error) {
	t, err := a.token(by)
	return t, "fas_secret", err
}

func (a accessCalls) ListTokens(by *runtime.Identity, _ runtime.Tenant, _ runtime.PageRequest) (runtime.Page[runtime.Token], error) {
	t, err := a.token(by)
	return runtime.Page[runtime.Token]{Items: []runtime.Token{t}}, err
}

func (a accessCalls) GetToken(by *runtime.Identity, _ string) (runtime.Token, error) {
	return a.token(by)
}

func (a accessCalls) DeleteToken(by *runtime.Identity, _ string) (runtime.Token, error) {
	return a.token(by)
}

func (a accessCalls) RotateToken(_ context.Context, by *runtime.Identity, _ string, _ time.Duration, _ string) (runtime.Token, string, error) {
	t, err := a.token(by)
	return t, "fas_secret", err
}

// Access returns an implementation of httpapi's Access that records its calls in f and fails as f does.
func (f *Fake) Access() faaspot.Access { return accessCalls{f} }

// OpenAccess returns a Keeper over a store in memory. Its admin token is Token.
func OpenAccess(t testing.TB) *access.Keeper {
	t.Helper()
	store, err := storage.Open(storage.Options{Dir: "store", FS: vfs.NewMem(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	k, err := access.Open(access.Options{Store: store, Admin: httpapi.HashToken(Token)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(k.Close(), store.Close()); err != nil {
			t.Error(err)
		}
	})
	return k
}

// NewToken creates a token, and its tenant if that does not exist, and returns its secret.
func NewToken(t testing.TB, k *access.Keeper, s runtime.TokenSpec) string {
	t.Helper()
	if s.Tenant != "" {
		if _, err := k.GetTenant(s.Tenant); err != nil {
			if _, err := k.CreateTenant(s.Tenant); err != nil {
				t.Fatal(err)
			}
		}
	}
	_, secret, err := k.CreateToken(t.Context(), &runtime.Identity{Operator: true, UserID: "op"}, s)
	if err != nil {
		t.Fatal(err)
	}
	return secret
}
