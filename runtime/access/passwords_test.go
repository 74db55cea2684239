package access_test

import (
	"context"
	"crypto/sha256"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/access"
	"github.com/faaspot/faaspot/runtime/memory"
)

const password = "correct horse battery"

func login(k *access.Keeper, user, password string) error {
	_, err := k.AuthenticatePassword(context.Background(), []byte(user), []byte(password))
	return err
}

// TestPasswords checks who gets in with a user name and a password, now and after a change.
func TestPasswords(t *testing.T) {
	s := newStore()
	k := open(t, access.Options{Store: s, Admin: sha256.Sum256([]byte("the admin"))})
	ada, secret := create(t, k, runtime.TokenSpec{Tenant: "default", Name: "ada", Scope: runtime.ScopeDeploy, Password: password})
	if secret != "" || ada.Login() != "ada" {
		t.Errorf("secret %q, login %q", secret, ada.Login())
	}
	other, _ := create(t, k, runtime.TokenSpec{Tenant: "a", Name: "ada", Scope: runtime.ScopeRead, Password: password + "!"})
	if other.Login() != "ada@a" {
		t.Errorf("login %q", other.Login())
	}
	create(t, k, runtime.TokenSpec{Tenant: "a", Name: "ci", Scope: runtime.ScopeRead})
	for range 2 { // the second time from the cache
		who, err := k.AuthenticatePassword(t.Context(), []byte("ada"), []byte(password))
		if err != nil || who.Tenant != "default" || who.UserID != "ada" || who.Scope != runtime.ScopeDeploy {
			t.Errorf("%+v, %v", who, err)
		}
		if who, err := k.AuthenticatePassword(t.Context(), []byte("ada@a"), []byte(password+"!")); err != nil || who.Tenant != "a" {
			t.Errorf("%+v, %v", who, err)
		}
	}
	unknown := login(k, "nobody", password)
	for _, c := range [][2]string{
		{"ada", password + "!"},
		{"ada@a", password},
		{"ada@default", password},
		{"ada", ""},
		{"", password},
		{"", ""},
		{"Ada", password},
		{"adac", password[1:]},
		{"ci@a", ""},
		{"ci@a", password},
		{"admin", "the admin"},
		{"ada\x00", password},
		{"ada", string(make([]byte, 10_000))},
	} {
		if err := login(k, c[0], c[1]); err == nil || err.Error() != unknown.Error() {
			t.Errorf("%.40q: %v, of an unknown user %v", c, err, unknown)
		}
	}
	// A password is no token, and the hash is no password.
	for _, token := range []string{password, string(ada.Password.Hash)} {
		_, err := k.Authenticate([]byte(token))
		wantCode(t, err, runtime.CodeUnauthenticated)
	}
	if other.Password.Memory != 19*1024 || other.Password.Time < 2 || len(other.Password.Hash) < 32 || len(other.Password.Salt) < 16 || string(other.Password.Salt) == string(ada.Password.Salt) {
		t.Errorf("the hash is too cheap, or has no salt of its own: %+v", other.Password)
	}
	if err := login(open(t, access.Options{Store: s}), "ada", password); err != nil {
		t.Errorf("after a restart: %v", err)
	}

	const changed = "another long password"
	if _, _, err := k.RotateToken(t.Context(), operator, ada.ID, 0, changed); err != nil {
		t.Fatal(err)
	}
	if login(k, "ada", password) == nil || login(k, "ada", changed) != nil {
		t.Error("the new password does not replace the old one")
	}
	for _, c := range []struct {
		overlap  time.Duration
		password string
	}{{0, ""}, {time.Hour, changed}, {0, "short"}} {
		_, _, err := k.RotateToken(t.Context(), operator, ada.ID, c.overlap, c.password)
		wantCode(t, err, runtime.CodeInvalidArgument)
	}
	if _, err := k.DeleteToken(operator, ada.ID); err != nil {
		t.Fatal(err)
	}
	if login(k, "ada", changed) == nil {
		t.Error("a deleted user gets in")
	}
}

// TestPasswordsExpire checks that a password in the cache ends with its token.
func TestPasswordsExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := open(t, access.Options{Store: newStore()})
		create(t, k, runtime.TokenSpec{Tenant: "default", Name: "ada", Scope: runtime.ScopeRead, Password: password, Lifetime: time.Minute})
		if err := login(k, "ada", password); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Minute)
		if login(k, "ada", password) == nil {
			t.Error("it has not expired")
		}
		k.Close()
	})
}

// TestPasswordsAreBounded checks that any number of attempts at once takes the memory of one hash, that
// those beyond the bound are refused with a request to retry, and that a password in the cache needs no
// hash meanwhile.
func TestPasswordsAreBounded(t *testing.T) {
	b := memory.New(128*runtime.MiB, nil)
	k := open(t, access.Options{Store: newStore(), Memory: b})
	create(t, k, runtime.TokenSpec{Tenant: "default", Name: "ada", Scope: runtime.ScopeRead, Password: password})
	if err := login(k, "ada", password); err != nil {
		t.Fatal(err)
	}
	const hash = 19 * runtime.MiB
	done := make(chan struct{})
	var most atomic.Int64
	var watch, attempts sync.WaitGroup
	watch.Go(func() {
		for {
			most.Store(max(most.Load(), b.Used()))
			select {
			case <-done:
				return
			case <-time.After(100 * time.Microsecond):
			}
		}
	})
	var busy, wrong, other atomic.Int32
	for range 200 {
		attempts.Go(func() {
			switch err := login(k, "nobody", password); runtime.CodeOf(err) {
			case runtime.CodeTooBusy:
				if e, _ := runtime.AsError(err); e.RetryAfter > 0 {
					busy.Add(1)
				}
			case runtime.CodeUnauthenticated:
				wrong.Add(1)
			default:
				other.Add(1)
			}
			if err := login(k, "ada", password); err != nil {
				t.Errorf("in the cache: %v", err)
			}
		})
	}
	attempts.Wait()
	close(done)
	watch.Wait()
	if busy.Load() == 0 || wrong.Load() == 0 || other.Load() != 0 {
		t.Errorf("%d too busy, %d wrong, %d others", busy.Load(), wrong.Load(), other.Load())
	}
	if got := most.Load(); got < hash || got > hash+runtime.MiB {
		t.Errorf("at most %d bytes were held", got)
	}
	if got := b.Used(); got > runtime.MiB {
		t.Errorf("%d bytes are held in the end", got)
	}
}

// TestCacheOfPasswordsIsBounded checks that passwords that were right do not fill the memory, nor push out
// the check itself.
func TestCacheOfPasswordsIsBounded(t *testing.T) {
	c := access.NewPasswordCache()
	for range 3 * access.CachedLogins {
		c.KeepRandom()
	}
	if n := c.Len(); n != access.CachedLogins {
		t.Errorf("%d passwords are kept, want %d", n, access.CachedLogins)
	}
}
