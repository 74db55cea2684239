package apitest

import (
	"context"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/faaspot/faaspot/httpapi"
	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/access"
)

// Names of tenants in requests: one that exists, and one that is created.
const (
	SomeTenant = "acme"
	NewTenant  = "new"
)

// FakeAccess answers every request about tenants and tokens.
type FakeAccess struct{}

var someTenant = runtime.TenantRecord{Name: SomeTenant, Created: Time}

func someToken() runtime.Token {
	return runtime.Token{ID: ID, Tenant: SomeTenant, Name: "ci", Scope: runtime.ScopeDeploy, Created: Time, CreatedBy: runtime.AdminUser}
}

func (FakeAccess) CreateTenant(runtime.Tenant) (runtime.TenantRecord, error) { return someTenant, nil }

func (FakeAccess) ListTenants(runtime.PageRequest) runtime.Page[runtime.TenantRecord] {
	return runtime.Page[runtime.TenantRecord]{Items: []runtime.TenantRecord{someTenant}}
}

func (FakeAccess) GetTenant(runtime.Tenant) (runtime.TenantRecord, error) { return someTenant, nil }

func (FakeAccess) DeleteTenant(context.Context, runtime.Tenant, bool) (runtime.TenantRecord, error) {
	return someTenant, nil
}

func (FakeAccess) CreateToken(context.Context, *runtime.Identity, runtime.TokenSpec) (runtime.Token, string, error) {
	return someToken(), "fas_secret", nil
}

func (FakeAccess) ListTokens(*runtime.Identity, runtime.Tenant, runtime.PageRequest) (runtime.Page[runtime.Token], error) {
	return runtime.Page[runtime.Token]{Items: []runtime.Token{someToken()}}, nil
}

func (FakeAccess) GetToken(*runtime.Identity, string) (runtime.Token, error) { return someToken(), nil }

func (FakeAccess) DeleteToken(*runtime.Identity, string) (runtime.Token, error) {
	return someToken(), nil
}

func (FakeAccess) RotateToken(context.Context, *runtime.Identity, string, time.Duration, string) (runtime.Token, string, error) {
	return someToken(), "fas_secret", nil
}

// AccessStore holds tenants and tokens in memory.
type AccessStore struct {
	mu      sync.Mutex
	tenants map[runtime.Tenant]runtime.TenantRecord
	tokens  map[string]runtime.Token
	Writes  int // batches of tokens that were stored
}

// NewAccessStore returns an empty store.
func NewAccessStore() *AccessStore {
	return &AccessStore{tenants: map[runtime.Tenant]runtime.TenantRecord{}, tokens: map[string]runtime.Token{}}
}

func (s *AccessStore) EachTenant(visit func(runtime.TenantRecord) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(s.tenants)) {
		if err := visit(s.tenants[name]); err != nil {
			return err
		}
	}
	return nil
}

func (s *AccessStore) EachToken(visit func(runtime.Token) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(s.tokens)) {
		if err := visit(s.tokens[id]); err != nil {
			return err
		}
	}
	return nil
}

func (s *AccessStore) PutTenant(t runtime.TenantRecord, revoked []string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tenants[t.Name] = t
	for _, id := range revoked {
		delete(s.tokens, id)
	}
	return nil
}

func (s *AccessStore) PutTokens(all []runtime.Token) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Writes++
	for _, t := range all {
		s.tokens[t.ID] = t
	}
	return nil
}

func (s *AccessStore) DeleteToken(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.tokens, id)
	return nil
}

func (s *AccessStore) DropTenant(name runtime.Tenant) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.tenants, name)
	return nil
}

// OpenAccess returns a Keeper in memory whose admin token is Token.
func OpenAccess(t testing.TB) *access.Keeper {
	t.Helper()
	k, err := access.Open(access.Options{Store: NewAccessStore(), Admin: httpapi.HashToken(Token)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close() })
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
