package access_test

import (
	"crypto/sha256"
	"fmt"
	goruntime "runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/access"
	"github.com/faaspot/faaspot/runtime/memory"
)

// TestTokensSurviveRestart checks that a Keeper accepts after a restart exactly what it accepted before,
// and that no secret is stored.
func TestTokensSurviveRestart(t *testing.T) {
	s := newStore()
	admin := sha256.Sum256([]byte("the admin"))
	k := open(t, access.Options{Store: s, Admin: admin})
	ci, secret := create(t, k, runtime.TokenSpec{Tenant: "acme", Name: "ci", Scope: runtime.ScopeInvoke, Functions: []string{"g", "f", "g"}})
	ops, opsSecret := create(t, k, runtime.TokenSpec{Name: "ops", Scope: runtime.ScopeOperator})
	deleted, gone := create(t, k, runtime.TokenSpec{Tenant: "acme", Name: "gone", Scope: runtime.ScopeRead})
	if _, err := k.DeleteToken(operator, deleted.ID); err != nil {
		t.Fatal(err)
	}
	_, second, err := k.RotateToken(t.Context(), operator, ops.ID, time.Hour, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, stored := range s.tokens {
		if text := fmt.Sprintf("%+v %s", stored, stored.Hash); strings.Contains(text, secret) || strings.Contains(text, second) {
			t.Errorf("a secret is stored: %s", text)
		}
	}
	for name, k := range map[string]*access.Keeper{"before": k, "after": open(t, access.Options{Store: s, Admin: admin})} {
		who, err := k.Authenticate([]byte(secret))
		if err != nil || who.Tenant != "acme" || who.UserID != "ci" || who.Scope != runtime.ScopeInvoke || who.Operator || !cmp.Equal(who.Functions, []string{"f", "g"}) || !who.Since.Equal(ci.Created) {
			t.Errorf("%s: %+v, %v", name, who, err)
		}
		for _, secret := range []string{opsSecret, second} {
			if who, err := k.Authenticate([]byte(secret)); err != nil || !who.Operator || who.Tenant != "" || who.Permits(runtime.ScopeRead) {
				t.Errorf("%s: %+v, %v", name, who, err)
			}
		}
		if who, err := k.Authenticate([]byte("the admin")); err != nil || !who.Operator || who.Scope != runtime.ScopeAdmin || who.Tenant != runtime.DefaultTenant {
			t.Errorf("%s: %+v, %v", name, who, err)
		}
		for _, wrong := range []string{"", gone, secret[:len(secret)-1], secret + "x", strings.ToUpper(secret), string(ci.Hash[:]), "ci", strings.Repeat("x", 10_000)} {
			_, err := k.Authenticate([]byte(wrong))
			wantCode(t, err, runtime.CodeUnauthenticated)
		}
	}
}

// TestExpiry checks that tokens and the secrets before a rotation end at their times, to the nanosecond.
func TestExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := open(t, access.Options{Store: newStore()})
		_, short := create(t, k, runtime.TokenSpec{Tenant: "a", Name: "short", Scope: runtime.ScopeRead, Lifetime: time.Hour})
		long, first := create(t, k, runtime.TokenSpec{Tenant: "a", Name: "long", Scope: runtime.ScopeRead, Lifetime: 2 * time.Hour})
		_, second, err := k.RotateToken(t.Context(), operator, long.ID, 90*time.Minute, "")
		if err != nil {
			t.Fatal(err)
		}
		valid := func(secrets ...string) {
			t.Helper()
			for _, secret := range []string{short, first, second} {
				_, err := k.Authenticate([]byte(secret))
				want := false
				for _, s := range secrets {
					want = want || s == secret
				}
				if (err == nil) != want {
					t.Errorf("valid %v, want %v", err == nil, want)
				}
			}
		}
		began := time.Now()
		at := func(d time.Duration) { time.Sleep(time.Until(began.Add(d))) }
		valid(short, first, second)
		at(time.Hour - 1)
		valid(short, first, second)
		at(time.Hour)
		valid(first, second)
		at(90*time.Minute - 1)
		valid(first, second)
		at(90 * time.Minute)
		valid(second)
		at(2*time.Hour - 1)
		valid(second)
		at(2 * time.Hour)
		valid()
		k.Close()
	})
}

// TestLastUseIsWrittenOncePerMinute checks that a token that is used all the time is stored at most once
// per minute, and that the last use survives a restart.
// TestExpiredTokensAreNotRotated: the new secret would be of no use, and nothing would say so.
func TestExpiredTokensAreNotRotated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := open(t, access.Options{Store: newStore()})
		token, _ := create(t, k, runtime.TokenSpec{Tenant: "a", Name: "short", Scope: runtime.ScopeRead, Lifetime: time.Hour})
		user, _ := create(t, k, runtime.TokenSpec{Tenant: "a", Name: "ada", Scope: runtime.ScopeRead, Lifetime: time.Hour, Password: password})
		time.Sleep(time.Hour - 1)
		if _, _, err := k.RotateToken(t.Context(), operator, token.ID, 0, ""); err != nil {
			t.Errorf("before it expires: %v", err)
		}
		time.Sleep(time.Nanosecond)
		_, _, err := k.RotateToken(t.Context(), operator, token.ID, time.Hour, "")
		wantCode(t, err, runtime.CodeConflict)
		_, _, err = k.RotateToken(t.Context(), operator, user.ID, 0, password+"!")
		wantCode(t, err, runtime.CodeConflict)
		k.Close()
	})
}

func TestLastUseIsWrittenOncePerMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		k := open(t, access.Options{Store: s})
		used, secret := create(t, k, runtime.TokenSpec{Tenant: "a", Name: "used", Scope: runtime.ScopeRead})
		idle, _ := create(t, k, runtime.TokenSpec{Tenant: "a", Name: "idle", Scope: runtime.ScopeRead})
		for range 600 {
			if _, err := k.Authenticate([]byte(secret)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		synctest.Wait()
		if n := s.writesOf(used.ID) - 1; n < 5 || n > 10 {
			t.Errorf("it was stored %d times in 10 minutes", n)
		}
		if n := s.writesOf(idle.ID); n != 1 {
			t.Errorf("a token that is not used was stored %d times", n)
		}
		k.Close()
		k = open(t, access.Options{Store: s})
		got, err := k.GetToken(operator, used.ID)
		if ago := time.Since(got.LastUsed); err != nil || ago < 0 || ago > 2*time.Minute {
			t.Errorf("the last use was %v ago, %v", ago, err)
		}
		if got, err := k.GetToken(operator, idle.ID); err != nil || !got.LastUsed.IsZero() {
			t.Errorf("%v, %v", got.LastUsed, err)
		}
		k.Close()
	})
}

// TestChangeThatIsNotStored checks that nothing changes in memory if it cannot be stored.
func TestChangeThatIsNotStored(t *testing.T) {
	s := newStore()
	k := open(t, access.Options{Store: s})
	token, secret := create(t, k, runtime.TokenSpec{Tenant: "a", Name: "one", Scope: runtime.ScopeRead})
	s.fail(runtime.Errorf(runtime.CodeUnavailable, "the disk is full"))
	_, _, err := k.CreateToken(t.Context(), operator, runtime.TokenSpec{Tenant: "a", Name: "two", Scope: runtime.ScopeRead})
	wantCode(t, err, runtime.CodeUnavailable)
	_, _, err = k.RotateToken(t.Context(), operator, token.ID, 0, "")
	wantCode(t, err, runtime.CodeUnavailable)
	_, err = k.DeleteToken(operator, token.ID)
	wantCode(t, err, runtime.CodeUnavailable)
	_, err = k.CreateTenant("b")
	wantCode(t, err, runtime.CodeUnavailable)
	if _, err := k.Authenticate([]byte(secret)); err != nil {
		t.Error(err)
	}
	_, err = k.GetTenant("b")
	wantCode(t, err, runtime.CodeNotFound)
	s.fail(nil)
	create(t, k, runtime.TokenSpec{Tenant: "a", Name: "two", Scope: runtime.ScopeRead})
}

// TestBounds checks that no caller adds tenants or tokens without end, and what is refused.
func TestBounds(t *testing.T) {
	s := newStore()
	for i := range runtime.MaxTenants - 3 { // default, a and other are added
		name := runtime.Tenant(fmt.Sprint("t", i))
		s.tenants[name] = runtime.TenantRecord{Name: name, Created: time.Now()}
	}
	k := open(t, access.Options{Store: s})
	spec := runtime.TokenSpec{Tenant: "a", Name: "t", Scope: runtime.ScopeInvoke}
	create(t, k, spec)
	for name, c := range map[string]struct {
		change func(*runtime.TokenSpec)
		code   runtime.Code
	}{
		"taken":               {func(s *runtime.TokenSpec) {}, runtime.CodeAlreadyExists},
		"no name":             {func(s *runtime.TokenSpec) { s.Name = "" }, runtime.CodeInvalidArgument},
		"long name":           {func(s *runtime.TokenSpec) { s.Name = strings.Repeat("n", runtime.MaxTokenName+1) }, runtime.CodeInvalidArgument},
		"with @":              {func(s *runtime.TokenSpec) { s.Name = "n@a" }, runtime.CodeInvalidArgument},
		"admin":               {func(s *runtime.TokenSpec) { s.Name = "admin" }, runtime.CodeInvalidArgument},
		"no scope":            {func(s *runtime.TokenSpec) { s.Name, s.Scope = "n", 0 }, runtime.CodeInvalidArgument},
		"unknown scope":       {func(s *runtime.TokenSpec) { s.Name, s.Scope = "n", 9 }, runtime.CodeInvalidArgument},
		"operator of tenant":  {func(s *runtime.TokenSpec) { s.Name, s.Scope = "n", runtime.ScopeOperator }, runtime.CodeInvalidArgument},
		"unknown tenant":      {func(s *runtime.TokenSpec) { s.Name, s.Tenant = "n", "b" }, runtime.CodeNotFound},
		"no tenant":           {func(s *runtime.TokenSpec) { s.Name, s.Tenant = "n", "" }, runtime.CodeInvalidArgument},
		"limited reader":      {func(s *runtime.TokenSpec) { s.Name, s.Scope, s.Functions = "n", runtime.ScopeRead, []string{"f"} }, runtime.CodeInvalidArgument},
		"limited deployer":    {func(s *runtime.TokenSpec) { s.Name, s.Scope, s.Functions = "n", runtime.ScopeDeploy, []string{"f"} }, runtime.CodeInvalidArgument},
		"no function":         {func(s *runtime.TokenSpec) { s.Name, s.Functions = "n", []string{"/"} }, runtime.CodeInvalidArgument},
		"many functions":      {func(s *runtime.TokenSpec) { s.Name, s.Functions = "n", make([]string, runtime.MaxTokenScope+1) }, runtime.CodeInvalidArgument},
		"negative lifetime":   {func(s *runtime.TokenSpec) { s.Name, s.Lifetime = "n", -1 }, runtime.CodeInvalidArgument},
		"short password":      {func(s *runtime.TokenSpec) { s.Name, s.Password = "n", "12345678901" }, runtime.CodeInvalidArgument},
		"long password":       {func(s *runtime.TokenSpec) { s.Name, s.Password = "n", strings.Repeat("p", runtime.MaxPassword+1) }, runtime.CodeInvalidArgument},
		"password with a NUL": {func(s *runtime.TokenSpec) { s.Name, s.Password = "n", "123456789012\x00" }, runtime.CodeInvalidArgument},
	} {
		s := spec
		c.change(&s)
		if _, _, err := k.CreateToken(t.Context(), operator, s); runtime.CodeOf(err) != c.code {
			t.Errorf("%s: %v", name, err)
		}
	}
	for i := range runtime.MaxTenantTokens - 1 {
		create(t, k, runtime.TokenSpec{Tenant: "a", Name: fmt.Sprint("t", i), Scope: runtime.ScopeRead})
	}
	_, _, err := k.CreateToken(t.Context(), operator, runtime.TokenSpec{Tenant: "a", Name: "more", Scope: runtime.ScopeRead})
	wantCode(t, err, runtime.CodeTooLarge)
	create(t, k, runtime.TokenSpec{Tenant: "other", Name: "more", Scope: runtime.ScopeRead})
	_, err = k.CreateTenant("more")
	wantCode(t, err, runtime.CodeTooLarge)
	for _, name := range []runtime.Tenant{"", "A", "-a", "a-", "a.b", "a b", "ä", "a\x00", runtime.Tenant(strings.Repeat("a", runtime.MaxTenantName+1))} {
		_, err := k.CreateTenant(name)
		wantCode(t, err, runtime.CodeInvalidArgument)
	}
	var listed []string
	for r := (runtime.PageRequest{Limit: 300}); ; {
		page, err := k.ListTokens(operator, "a", r)
		if err != nil {
			t.Fatal(err)
		}
		for _, token := range page.Items {
			listed = append(listed, token.ID)
		}
		if r.After = page.Next; r.After == "" {
			break
		}
	}
	if len(listed) != runtime.MaxTenantTokens {
		t.Errorf("%d tokens are listed", len(listed))
	}
}

// TestLimitsAreDurable checks which limits a tenant has, before and after a restart and a change that is
// not stored, and that other tenants keep theirs.
func TestLimitsAreDurable(t *testing.T) {
	s := newStore()
	o := access.Options{Store: s, Limits: runtime.TenantLimits{Runs: 5, Queued: 50}}
	k := open(t, o)
	create(t, k, runtime.TokenSpec{Tenant: "a", Name: "t", Scope: runtime.ScopeRead})
	create(t, k, runtime.TokenSpec{Tenant: "b", Name: "t", Scope: runtime.ScopeRead})
	to := func(numbers map[string]int) runtime.TenantChange {
		return runtime.TenantChange{Limits: runtime.TenantLimitsChange{Numbers: numbers}}
	}
	for _, name := range []runtime.Tenant{"a", runtime.DefaultTenant} {
		if _, err := k.UpdateTenant(name, to(map[string]int{"runs": 7, "queued": 7})); err != nil {
			t.Fatal(err)
		}
		if _, err := k.UpdateTenant(name, to(map[string]int{"requests_per_second": 10, "queued": 0})); err != nil {
			t.Fatal(err)
		}
	}
	_, err := k.UpdateTenant("a", to(map[string]int{"runs": runtime.MaxTenantLimit + 1}))
	wantCode(t, err, runtime.CodeInvalidArgument)
	_, err = k.UpdateTenant("none", to(map[string]int{"runs": 7}))
	wantCode(t, err, runtime.CodeNotFound)
	_, err = k.UpdateTenant("", to(map[string]int{"runs": 7}))
	wantCode(t, err, runtime.CodeNotFound)
	s.fail(runtime.Errorf(runtime.CodeUnavailable, "the disk is full"))
	_, err = k.UpdateTenant("a", to(map[string]int{"runs": 0}))
	wantCode(t, err, runtime.CodeUnavailable)
	s.fail(nil)
	for when, k := range map[string]*access.Keeper{"before": k, "after": open(t, o)} {
		changed := runtime.TenantLimits{RequestsPerSecond: 10, RequestBurst: 10, Runs: 7, Queued: 50}
		for name, want := range map[runtime.Tenant]runtime.TenantLimits{"a": changed, runtime.DefaultTenant: changed, "b": o.Limits} {
			if u, err := k.Usage(name); err != nil || u.Limits != want {
				t.Errorf("%s: %s has %+v, %v", when, name, u.Limits, err)
			}
		}
	}
}

// TestOwnWorkersAreBounded checks which tenants have a worker of their own, before and after a restart, and
// that their number is bounded.
func TestOwnWorkersAreBounded(t *testing.T) {
	s := newStore()
	yes, no := true, false
	pin, free := runtime.TenantChange{OwnWorker: &yes}, runtime.TenantChange{OwnWorker: &no}
	k := open(t, access.Options{Store: s})
	for _, name := range []runtime.Tenant{"a", "b", "c"} {
		create(t, k, runtime.TokenSpec{Tenant: name, Name: "t", Scope: runtime.ScopeRead})
	}
	_, err := k.UpdateTenant("a", pin)
	wantCode(t, err, runtime.CodeConflict)

	k = open(t, access.Options{Store: s, OwnWorkers: 2})
	update := func(name runtime.Tenant, c runtime.TenantChange) {
		t.Helper()
		if _, err := k.UpdateTenant(name, c); err != nil {
			t.Fatal(err)
		}
	}
	update("a", pin)
	update(runtime.DefaultTenant, pin)
	_, err = k.UpdateTenant("b", pin)
	wantCode(t, err, runtime.CodeConflict)
	update("a", pin) // it has one
	update("a", runtime.TenantChange{Limits: runtime.TenantLimitsChange{Numbers: map[string]int{"runs": 7}}})
	update("b", free)
	update(runtime.DefaultTenant, free)
	update("c", pin)
	for when, k := range map[string]*access.Keeper{"before": k, "after": open(t, access.Options{Store: s, OwnWorkers: 1})} {
		for name, want := range map[runtime.Tenant]bool{"a": true, "b": false, "c": true, runtime.DefaultTenant: false, "none": false} {
			if got := k.OwnWorker(name); got != want {
				t.Errorf("%s: %s has a worker of its own: %t", when, name, got)
			}
		}
		if n := k.OwnWorkers(); n != 2 {
			t.Errorf("%s: %d tenants have a worker of their own", when, n)
		}
	}
}

// TestTenantsAreCounted compares what tenants take of the heap with what is counted for them.
func TestTenantsAreCounted(t *testing.T) {
	const tenants = 20_000
	s := newStore()
	for i := range tenants {
		name := runtime.Tenant(fmt.Sprintf("tenant-%05d", i))
		s.tenants[name] = runtime.TenantRecord{Name: name}
	}
	heap := func() int64 {
		var m goruntime.MemStats
		goruntime.GC()
		goruntime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	b := memory.New(1*runtime.GiB, nil)
	before := heap()
	k := open(t, access.Options{Store: s, Memory: b})
	taken, counted := (heap()-before)/tenants, b.Used()/tenants
	if counted < taken*9/10 || counted > taken*3/2 {
		t.Errorf("a tenant takes %d bytes of the heap, and counts %d", taken, counted)
	}
	goruntime.KeepAlive(s)
	goruntime.KeepAlive(k)
}

// TestTokensAreCounted checks that the memory of tokens is part of the budget, and given back.
func TestTokensAreCounted(t *testing.T) {
	b := memory.New(4*runtime.MiB, nil)
	s := newStore()
	k := open(t, access.Options{Store: s, Memory: b})
	var ids []string
	for i := range 10 {
		token, _ := create(t, k, runtime.TokenSpec{Tenant: "a", Name: fmt.Sprint("t", i), Scope: runtime.ScopeInvoke, Functions: []string{strings.Repeat("f", 100)}})
		ids = append(ids, token.ID)
	}
	held := b.Used()
	if held < 10*1200 {
		t.Errorf("10 tokens take %d bytes", held)
	}
	if _, _, err := k.RotateToken(t.Context(), operator, ids[0], time.Hour, ""); err != nil || b.Used() != held {
		t.Errorf("after a rotation %d bytes, before %d, %v", b.Used(), held, err)
	}
	reopened := memory.New(4*runtime.MiB, nil)
	if open(t, access.Options{Store: s, Memory: reopened}); reopened.Used() != held {
		t.Errorf("after a restart %d bytes, before %d", reopened.Used(), held)
	}
	for _, id := range ids {
		if _, err := k.DeleteToken(operator, id); err != nil {
			t.Fatal(err)
		}
	}
	left := b.Used() // of the tenant
	if left <= 0 || left > 1*runtime.KiB {
		t.Errorf("%d bytes are left", left)
	}
	small := open(t, access.Options{Store: newStore(), Memory: memory.New(100*left, nil)})
	for i := range 200 {
		if _, err := small.CreateTenant(runtime.Tenant(fmt.Sprint("t", i))); runtime.CodeOf(err) == runtime.CodeTooBusy {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
	t.Error("200 tenants fit in the memory of 100")
}

// TestForeignTokens checks what the admin of a tenant can do with the tokens of others: nothing, with the
// same error as for what does not exist.
func TestForeignTokens(t *testing.T) {
	k := open(t, access.Options{Store: newStore()})
	foreign, secret := create(t, k, runtime.TokenSpec{Tenant: "b", Name: "t", Scope: runtime.ScopeRead})
	ops, _ := create(t, k, runtime.TokenSpec{Name: "ops", Scope: runtime.ScopeOperator})
	_, own := create(t, k, runtime.TokenSpec{Tenant: "a", Name: "t", Scope: runtime.ScopeAdmin})
	admin, err := k.Authenticate([]byte(own))
	if err != nil {
		t.Fatal(err)
	}
	_, unknown := k.GetToken(admin, "01935f9e-7d5c-7000-8000-00000000abcd")
	for _, id := range []string{foreign.ID, ops.ID} {
		_, get := k.GetToken(admin, id)
		_, del := k.DeleteToken(admin, id)
		_, _, rotate := k.RotateToken(t.Context(), admin, id, 0, "")
		for _, err := range []error{get, del, rotate} {
			if err == nil || err.Error() != unknown.Error() {
				t.Errorf("%v, for an unknown id %v", err, unknown)
			}
		}
	}
	page, err := k.ListTokens(admin, "", runtime.PageRequest{})
	if err != nil || len(page.Items) != 1 || page.Items[0].Tenant != "a" {
		t.Errorf("%+v, %v", page, err)
	}
	if _, err := k.Authenticate([]byte(secret)); err != nil {
		t.Error(err)
	}
}

// TestRotationInterruptsNobody rotates a token again and again while others use it with the secret that
// they have, and take the new one within the overlap: no use is refused.
func TestRotationInterruptsNobody(t *testing.T) {
	k := open(t, access.Options{Store: newStore()})
	token, secret := create(t, k, runtime.TokenSpec{Tenant: "a", Name: "t", Scope: runtime.ScopeRead})
	var mu sync.RWMutex
	current := secret
	stop := make(chan struct{})
	var users sync.WaitGroup
	for range 4 {
		users.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				mu.RLock()
				mine := current
				_, err := k.Authenticate([]byte(mine))
				mu.RUnlock()
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 200 {
		_, next, err := k.RotateToken(t.Context(), operator, token.ID, time.Hour, "")
		if err != nil {
			t.Fatal(err)
		}
		mu.Lock()
		current = next
		mu.Unlock()
	}
	close(stop)
	users.Wait()
}

// BenchmarkAuthenticate looks up one of 1,000 tokens, from all processors.
func BenchmarkAuthenticate(b *testing.B) {
	k := open(b, access.Options{Store: newStore()})
	var secret string
	for i := range 1000 {
		_, secret = create(b, k, runtime.TokenSpec{Tenant: "a", Name: fmt.Sprint("t", i), Scope: runtime.ScopeRead})
	}
	token := []byte(secret)
	b.ReportAllocs()
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			if _, err := k.Authenticate(token); err != nil {
				b.Error(err)
			}
		}
	})
}

// TestEgressIsDurable checks that a restart does not begin the day of a tenant again, and that the
// ceiling of a tenant is durable and its memory counted.
func TestEgressIsDurable(t *testing.T) {
	s := newStore()
	budget := memory.New(64*runtime.MiB, nil)
	k := open(t, access.Options{Store: s, Memory: budget})
	create(t, k, runtime.TokenSpec{Tenant: "a", Name: "t", Scope: runtime.ScopeRead})
	create(t, k, runtime.TokenSpec{Tenant: "b", Name: "t", Scope: runtime.ScopeRead})
	hosts, none := "*.example.com:443 10.0.0.0/8:80", ""
	if _, err := k.UpdateTenant("a", runtime.TenantChange{Limits: runtime.TenantLimitsChange{Numbers: map[string]int{"egress_bytes": 1000}, EgressHosts: &hosts}}); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for _, name := range []runtime.Tenant{"a", runtime.DefaultTenant} {
		if err := k.Use(name).CountEgress(700, now); err != nil {
			t.Fatal(err)
		}
	}
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	k = open(t, access.Options{Store: s, Memory: memory.New(64*runtime.MiB, nil)})
	for name, want := range map[runtime.Tenant]int64{"a": 700, "b": 0, runtime.DefaultTenant: 700} {
		if got := k.Use(name).Egress(now).Bytes; got != want {
			t.Errorf("%s: %d bytes count after a restart, want %d", name, got, want)
		}
	}
	wantCode(t, k.Use("a").CountEgress(301, now), runtime.CodeTooLarge)
	if u, err := k.Usage("a"); err != nil || u.Limits.EgressHosts != hosts || k.Use("a").EgressCeiling() == nil {
		t.Errorf("%+v, %v", u, err)
	}
	// A change of other limits keeps what was counted.
	if r, err := k.UpdateTenant("a", runtime.TenantChange{Limits: runtime.TenantLimitsChange{EgressHosts: &none}}); err != nil || r.Limits.EgressHosts != "" {
		t.Errorf("%+v, %v", r, err)
	}
	wantCode(t, k.Use("a").CheckEgress(now), runtime.CodeTooLarge)
	bad := "example.com"
	_, err := k.UpdateTenant("a", runtime.TenantChange{Limits: runtime.TenantLimitsChange{EgressHosts: &bad}})
	wantCode(t, err, runtime.CodeInvalidArgument)
}
