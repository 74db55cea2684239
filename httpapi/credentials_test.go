package httpapi_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/httpapi"
	"github.com/faaspot/faaspot/httpapi/internal/apitest"
	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/redact"
)

// anyToken accepts every token.
type anyToken struct{ httpapi.TokenHash }

func (anyToken) Authenticate([]byte) (*runtime.Identity, error) {
	return &runtime.Identity{Tenant: runtime.DefaultTenant, UserID: "ada", Scope: runtime.ScopeAdmin}, nil
}

func (a anyToken) AuthenticateHash([sha256.Size]byte) (*runtime.Identity, error) {
	return a.Authenticate(nil)
}

// TestCredentialsAreNotLogged lets requests fail with errors and panics that have what the request has
// presented. The log has the errors, without it.
func TestCredentialsAreNotLogged(t *testing.T) {
	t.Parallel()
	const token, secret = "presented-token-8d1f", "a secret of some function"
	secrets := redact.New()
	secrets.Hold(secret)
	fake := &apitest.Fake{}
	var log apitest.Buffer
	s := apitest.Start(t, fake, func(o *httpapi.Options) {
		o.Auth, o.Secrets = anyToken{}, secrets
		o.Log = slog.New(redact.NewHandler(slog.NewTextHandler(&log, nil), secrets))
	})
	for name, field := range map[string]string{"Authorization": "Token " + token, "X-Blaxel-Authorization": "Bearer " + token} {
		fake.Renew(func(f *apitest.Fake) { f.Err = runtime.Internal("test", &brokenError{token + " and " + secret}) })
		if a := s.Do(t, "GET", "/v1/functions/hello", "", apitest.Header{"Authorization": "", name: field}); a.Status != 500 {
			t.Errorf("%s: %d %s", name, a.Status, a.Body)
		}
	}
	if text := log.String(); strings.Contains(text, token) || strings.Contains(text, secret) || strings.Count(text, "a cause with *** and ***") != 2 {
		t.Errorf("the log: %s", text)
	}
}

// brokenError is an error with a secret.
type brokenError struct{ text string }

func (e *brokenError) Error() string { return "a cause with " + e.text }

// anyPassword accepts every user name and password.
type anyPassword struct{ anyToken }

func (a anyPassword) AuthenticatePassword(context.Context, []byte, []byte) (*runtime.Identity, error) {
	return a.Authenticate(nil)
}

func (anyPassword) KnownPassword(_, _ []byte) *runtime.Identity { return nil }

// deletionPanics panics with a text when a function is deleted.
type deletionPanics struct {
	*apitest.Fake
	text string
}

func (d deletionPanics) DeleteFunction(context.Context, runtime.FunctionDeletion) (runtime.Deployment, error) {
	panic(errors.New("a panic with " + d.text))
}

// TestCredentialsOfPanics sends a request whose handler, which writes, panics with its password: neither
// the log nor what Go writes when the process ends has it.
func TestCredentialsOfPanics(t *testing.T) {
	t.Parallel()
	const password = "presented-password-8d1f"
	secrets := redact.New()
	var log apitest.Buffer
	s, err := httpapi.New(httpapi.Options{
		Auth: anyPassword{}, Engine: deletionPanics{&apitest.Fake{}, password}, Secrets: secrets,
		Log: slog.New(redact.NewHandler(slog.NewTextHandler(&log, nil), secrets)),
	})
	if err != nil {
		t.Fatal(err)
	}
	var ctx fasthttp.RequestCtx
	ctx.Request.Header.SetMethod("DELETE")
	ctx.Request.SetRequestURI("/v1/functions/hello")
	ctx.Request.Header.SetHost("a")
	ctx.Request.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("ada:"+password)))
	var panicked any
	func() {
		defer func() { panicked = recover() }()
		s.ServeRequest(&ctx)
	}()
	if text, _ := panicked.(string); text != "a panic with "+redact.Mask {
		t.Errorf("it panicked with %v", panicked)
	}
	if !strings.Contains(log.String(), "ending the process") || strings.Contains(log.String(), password) {
		t.Errorf("the log: %s", log.String())
	}
}
