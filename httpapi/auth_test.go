package httpapi

import (
	"errors"
	"strings"
	"testing"

	"github.com/faaspot/faaspot/runtime"
)

func TestBearer(t *testing.T) {
	for field, want := range map[string]string{
		"Token abc": "abc", "token abc": "abc", "TOKEN abc": "abc", "Bearer abc": "abc", "bEaReR  abc ": "abc",
		"Token": "", "Token ": "", "Basic abc": "", "abc": "", "": "", "Tokenabc": "", " abc": "", "Token\tabc": "",
	} {
		if got, ok := bearer([]byte(field)); string(got) != want || ok != (want != "") {
			t.Errorf("%q: %q, %v", field, got, ok)
		}
	}
}

func TestTokenHash(t *testing.T) {
	h := HashToken("right")
	if who, err := h.Authenticate([]byte("right")); who != (runtime.Identity{Tenant: runtime.DefaultTenant, UserID: "admin"}) || err != nil {
		t.Errorf("right: %+v, %v", who, err)
	}
	for _, wrong := range []string{"", "righ", "rightx", "RIGHT", string(h[:]), "\x00"} {
		if who, err := h.Authenticate([]byte(wrong)); who != (runtime.Identity{}) || runtime.CodeOf(err) != runtime.CodeUnauthenticated {
			t.Errorf("%+v: %q, %v", wrong, who, err)
		}
	}
	if _, err := (TokenHash{}).Authenticate(nil); err == nil {
		t.Error("no token got in where there is none")
	}
}

// failingAuth cannot tell whose token it is.
type failingAuth struct{}

func (failingAuth) Authenticate([]byte) (runtime.Identity, error) {
	return runtime.Identity{}, errors.New("no database")
}

func TestAuthenticatorFails(t *testing.T) {
	ts := start(t, fullFake(), func(o *Options) { o.Auth = failingAuth{} })
	a := ts.do(t, "GET", "/v1/functions/", "", nil)
	wantError(t, a, 500, "internal")
	if strings.Contains(a.body, "database") {
		t.Error(a.body)
	}
}

// TestLogHoldsNoSecrets looks for the token, the query and the body in all that
// is logged of requests good and bad.
func TestLogHoldsNoSecrets(t *testing.T) {
	ts := startTCP(t, fullFake(), nil)
	ts.do(t, "GET", "/v1/sync/functions/f/rpc/?k=s3cret", "", nil)
	ts.do(t, "PUT", "/v1/functions/", `{"name":"a","code":"pass","context":"k = s3cret"}`, nil)
	ts.do(t, "PUT", "/v1/functions/", `{"name":"a","code":s3cret}`, nil)
	for _, raw := range []string{
		listLine + "Host: a\r\nAuthorization: Token s3cret\x01\r\n\r\n",
		listLine + "Host: a\r\nAuthorization s3cret\r\n\r\n",
		"s3cret\r\n\r\n",
		"GET /s3cret s3cret HTTP/1.1\r\nHost: s3cret:1:2\r\n\r\n",
		listLine + "Host: s3cret:1:2\r\n\r\n",
		runLine + "Transfer-Encoding: s3cret\r\n\r\n",
	} {
		conn := dialRaw(t, ts.addr)
		conn.send(t, raw)
		if got, _ := conn.answers(t, -1); len(got) != 1 || got[0].status != 400 {
			t.Errorf("%q: %+v", raw, got)
		}
	}
	log := ts.log.String()
	if strings.Contains(log, "s3cret") || strings.Contains(log, testToken) {
		t.Errorf("log %s", log)
	}
	if !strings.Contains(log, "/v1/sync/functions/f/rpc/") {
		t.Errorf("no access is logged: %s", log)
	}
}
