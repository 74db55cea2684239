package httpapi_test

import (
	"crypto/sha256"
	"errors"
	"strings"
	"testing"

	"github.com/faaspot/faaspot/httpapi"
	"github.com/faaspot/faaspot/httpapi/internal/apitest"
	"github.com/faaspot/faaspot/runtime"
)

func TestBearer(t *testing.T) {
	t.Parallel()
	for field, want := range map[string]string{
		"Token abc": "abc", "token abc": "abc", "TOKEN abc": "abc", "Bearer abc": "abc", "bEaReR  abc ": "abc",
		"Token": "", "Token ": "", "Basic abc": "", "abc": "", "": "", "Tokenabc": "", " abc": "", "Token\tabc": "",
	} {
		if got, ok := httpapi.Bearer([]byte(field)); string(got) != want || ok != (want != "") {
			t.Errorf("%q: %q, %v", field, got, ok)
		}
	}
}

func TestTokenHash(t *testing.T) {
	t.Parallel()
	h := httpapi.HashToken("right")
	if who, err := h.Authenticate([]byte("right")); err != nil || who.Tenant != runtime.DefaultTenant || who.UserID != "admin" || who.Scope != runtime.ScopeAdmin || !who.Operator {
		t.Errorf("right: %v, %v", who, err)
	}
	for _, wrong := range []string{"", "righ", "rightx", "RIGHT", string(h[:]), "\x00"} {
		if who, err := h.Authenticate([]byte(wrong)); who != nil || runtime.CodeOf(err) != runtime.CodeUnauthenticated {
			t.Errorf("%+v: %v, %v", wrong, who, err)
		}
	}
	if _, err := (httpapi.TokenHash{}).Authenticate(nil); err == nil {
		t.Error("no token got in where there is none")
	}
}

// failingAuth fails to identify the owner of a token.
type failingAuth struct{}

func (failingAuth) Authenticate([]byte) (*runtime.Identity, error) {
	return nil, errors.New("no database")
}

func (a failingAuth) AuthenticateHash([sha256.Size]byte) (*runtime.Identity, error) {
	return a.Authenticate(nil)
}

func TestAuthenticatorFails(t *testing.T) {
	t.Parallel()
	ts := apitest.Start(t, apitest.FullFake(), func(o *httpapi.Options) { o.Auth = failingAuth{} })
	a := ts.Do(t, "GET", "/v1/functions/", "", nil)
	apitest.WantError(t, a, 500, "internal")
	if strings.Contains(a.Body, "database") {
		t.Error(a.Body)
	}
}

// TestLogHoldsNoSecrets checks that neither log has a token, query or body of any request, valid or
// not.
func TestLogHoldsNoSecrets(t *testing.T) {
	t.Parallel()
	access := &apitest.Buffer{}
	ts := apitest.StartTCP(t, apitest.FullFake(), func(o *httpapi.Options) { o.AccessLog = apitest.TextLog(access) })
	ts.Do(t, "GET", "/v1/sync/functions/f/rpc/?k=s3cret", "", nil)
	ts.Do(t, "PUT", "/v1/functions/", `{"name":"a","code":"pass","context":"k = s3cret"}`, nil)
	ts.Do(t, "PUT", "/v1/functions/", `{"name":"a","code":s3cret}`, nil)
	for _, raw := range []string{
		apitest.ListLine + "Host: a\r\nAuthorization: Token s3cret\x01\r\n\r\n",
		apitest.ListLine + "Host: a\r\nAuthorization s3cret\r\n\r\n",
		"s3cret\r\n\r\n",
		"GET /s3cret s3cret HTTP/1.1\r\nHost: s3cret:1:2\r\n\r\n",
		apitest.ListLine + "Host: s3cret:1:2\r\n\r\n",
		apitest.RunLine + "Transfer-Encoding: s3cret\r\n\r\n",
	} {
		conn := apitest.DialRaw(t, ts.Addr)
		conn.Send(t, raw)
		if got, _ := conn.Answers(t, -1); len(got) != 1 || got[0].Status != 400 {
			t.Errorf("%q: %+v", raw, got)
		}
	}
	log := ts.Log.String() + access.String()
	if strings.Contains(log, "s3cret") || strings.Contains(log, apitest.Token) {
		t.Errorf("log %s", log)
	}
	if !strings.Contains(log, "/v1/sync/functions/f/rpc/") {
		t.Errorf("no access is logged: %s", log)
	}
}
