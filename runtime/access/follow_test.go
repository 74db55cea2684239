package access_test

import (
	"crypto/sha256"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/access"
)

// A Keeper that follows knows what another one has changed once Changed was called, and changes nothing until it leads.
func TestFollow(t *testing.T) {
	s := newStore()
	k := open(t, access.Options{Store: s})
	f := open(t, access.Options{Store: s, Follow: true})
	sync := func() {
		t.Helper()
		s.mu.Lock()
		tenants, tokens := slices.Collect(maps.Keys(s.tenants)), slices.Collect(maps.Keys(s.tokens))
		s.mu.Unlock()
		if err := f.Changed(append(tenants, "gone"), append(tokens, "gone")); err != nil {
			t.Fatal(err)
		}
	}
	valid := func(what, secret string, want bool) *runtime.Identity {
		t.Helper()
		who, err := f.Authenticate([]byte(secret))
		if (err == nil) != want {
			t.Errorf("%s: %v", what, err)
		}
		return who
	}
	if _, err := k.CreateTenant("b"); err != nil {
		t.Fatal(err)
	}
	token, secret := create(t, k, runtime.TokenSpec{Tenant: "b", Name: "ci", Scope: runtime.ScopeInvoke})
	user, _ := create(t, k, runtime.TokenSpec{Tenant: "b", Name: "ada", Scope: runtime.ScopeRead, Password: password})
	valid("a token before Changed is called", secret, false)
	sync()
	if who := valid("a token", secret, true); who.Tenant != "b" || who.Use != f.Use("b") {
		t.Errorf("%+v", who)
	}
	if who := f.KnownPassword([]byte("ada@b"), []byte(password)); who != nil {
		t.Error("a password is known that was not checked")
	}
	if _, err := f.AuthenticatePassword(t.Context(), []byte("ada@b"), []byte(password)); err != nil {
		t.Error(err)
	}
	if who := f.KnownPassword([]byte("ada@b"), []byte(password)); who == nil || who.Tenant != "b" {
		t.Errorf("a password that was checked is that of %+v", who)
	}
	for _, wrong := range [][2]string{{"ada@b", password + "!"}, {"ada", password}, {"ada@b", ""}} {
		if who := f.KnownPassword([]byte(wrong[0]), []byte(wrong[1])); who != nil {
			t.Errorf("%q is known", wrong)
		}
	}
	_, rotated, err := k.RotateToken(t.Context(), operator, token.ID, time.Hour, "")
	if err != nil {
		t.Fatal(err)
	}
	sync()
	valid("the secret before", secret, true)
	valid("the secret after", rotated, true)
	if err := f.Use("b").CountEgress(5, time.Now()); err != nil {
		t.Fatal(err)
	}
	if _, err := k.UpdateTenant("b", runtime.TenantChange{Limits: runtime.TenantLimitsChange{Numbers: map[string]int{"runs": 7}}}); err != nil {
		t.Fatal(err)
	}
	sync()
	if n := f.Use("b").Limits().Runs; n != 7 {
		t.Errorf("the tenant may have %d runs", n)
	}
	if sent := f.Use("b").Counted(); sent == (runtime.EgressDay{}) {
		t.Error("what the tenant has sent since is forgotten")
	}
	for _, id := range []string{token.ID, user.ID} {
		if _, err := k.DeleteToken(operator, id); err != nil {
			t.Fatal(err)
		}
		if err := f.Changed(nil, []string{id}); err != nil {
			t.Fatal(err)
		}
	}
	valid("a token that is gone", secret, false)
	valid("its other secret", rotated, false)
	if _, err := f.AuthenticatePassword(t.Context(), []byte("ada@b"), []byte(password)); runtime.CodeOf(err) != runtime.CodeUnauthenticated {
		t.Errorf("a password that is gone: %v", err)
	}
	if who := f.KnownPassword([]byte("ada@b"), []byte(password)); who != nil {
		t.Errorf("a password that is gone is known: %+v", who)
	}
	use, runs := f.Use("b"), newEngine()
	f.SetEngine(runs)
	if err := s.DropTenant("b"); err != nil {
		t.Fatal(err)
	}
	if err := f.Changed([]runtime.Tenant{"b"}, nil); err != nil {
		t.Fatal(err)
	}
	if f.Use("b") != nil || use.Enter() || !slices.Contains(runs.cancelledRuns, "b") {
		t.Error("a tenant that is gone may send requests, or its runs go on")
	}
	for _, admin := range []string{"one", "two"} {
		f.SetAdmin(sha256.Sum256([]byte(admin)))
		valid("the admin", admin, true)
	}
	valid("the admin before", "one", false)
	f.Lead()
}

// Nodes allow their parts of limits, and together no more than the whole, unless it is less than one for each.
func TestNodesShareLimits(t *testing.T) {
	s := newStore()
	k := open(t, access.Options{Store: s, Limits: runtime.TenantLimits{Runs: 10, RequestsPerSecond: 7, RequestBurst: 4, Queued: 9}})
	if _, err := k.CreateTenant("late"); err != nil {
		t.Fatal(err)
	}
	for nodes, want := range map[int]struct{ runs, burst int }{1: {10, 4}, 2: {5, 2}, 3: {3, 1}, 20: {1, 1}} {
		k.SetNodes(nodes)
		for _, name := range []runtime.Tenant{runtime.DefaultTenant, "late"} {
			use := k.Use(name)
			use.SetLimits(use.Limits()) // the bucket is full
			runs, requests := 0, 0
			for use.BeginRun() == nil {
				runs++
			}
			for range runs {
				use.EndRun()
			}
			for use.CheckRate() == nil {
				requests++
			}
			if runs != want.runs || requests != want.burst {
				t.Errorf("one of %d nodes allows %d runs and %d requests at once, want %+v", nodes, runs, requests, want)
			}
			if err := use.Reserve(9); err != nil {
				t.Errorf("what waits is on one node: %v", err)
			}
			use.Queue(-9)
		}
	}
}
