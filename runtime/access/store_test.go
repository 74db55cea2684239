package access_test

import (
	"context"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/access"
)

// store holds tenants and tokens in memory.
type store struct {
	mu      sync.Mutex
	tenants map[runtime.Tenant]runtime.TenantRecord
	tokens  map[string]runtime.Token
	written map[string]int                                       // how often each token was stored
	err     error                                                // of all writes
	reclaim func(ctx context.Context, name runtime.Tenant) error // nil: nothing
}

func newStore() *store {
	return &store{tenants: map[runtime.Tenant]runtime.TenantRecord{}, tokens: map[string]runtime.Token{}, written: map[string]int{}}
}

func (s *store) write(change func()) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		change()
	}
	return s.err
}

func (s *store) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

func (s *store) writesOf(id string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.written[id]
}

func (s *store) EachTenant(visit func(runtime.TenantRecord) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(s.tenants)) {
		if err := visit(s.tenants[name]); err != nil {
			return err
		}
	}
	return nil
}

func (s *store) EachToken(visit func(runtime.Token) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(s.tokens)) {
		if err := visit(s.tokens[id]); err != nil {
			return err
		}
	}
	return nil
}

func (s *store) GetTenant(name runtime.Tenant) (t runtime.TenantRecord, found bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, found = s.tenants[name]
	return t, found, nil
}

func (s *store) GetToken(id string) (t runtime.Token, found bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, found = s.tokens[id]
	return t, found, nil
}

func (s *store) PutTenant(t runtime.TenantRecord, revoked []string) error {
	return s.write(func() {
		s.tenants[t.Name] = t
		for _, id := range revoked {
			delete(s.tokens, id)
		}
	})
}

func (s *store) PutTenants(all []runtime.TenantRecord) error {
	return s.write(func() {
		for _, t := range all {
			s.tenants[t.Name] = t
		}
	})
}

func (s *store) PutTokens(all []runtime.Token) error {
	return s.write(func() {
		for _, t := range all {
			s.tokens[t.ID] = t
			s.written[t.ID]++
		}
	})
}

func (s *store) DeleteToken(id string) error { return s.write(func() { delete(s.tokens, id) }) }

func (s *store) DropTenant(name runtime.Tenant) error {
	return s.write(func() { delete(s.tenants, name) })
}

func (s *store) ReclaimTenant(ctx context.Context, name runtime.Tenant) error {
	if s.reclaim == nil {
		return nil
	}
	return s.reclaim(ctx, name)
}

var operator = &runtime.Identity{Operator: true, UserID: "op"}

func open(t testing.TB, o access.Options) *access.Keeper {
	t.Helper()
	k, err := access.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close() })
	return k
}

// create creates a token, and its tenant if that does not exist.
func create(t testing.TB, k *access.Keeper, s runtime.TokenSpec) (runtime.Token, string) {
	t.Helper()
	if _, err := k.GetTenant(s.Tenant); err != nil && s.Tenant != "" {
		if _, err := k.CreateTenant(s.Tenant); err != nil {
			t.Fatal(err)
		}
	}
	token, secret, err := k.CreateToken(t.Context(), operator, s)
	if err != nil {
		t.Fatal(err)
	}
	return token, secret
}

func wantCode(t testing.TB, err error, code runtime.Code) {
	t.Helper()
	if runtime.CodeOf(err) != code {
		t.Errorf("got %v, want the code %q", err, code)
	}
}
