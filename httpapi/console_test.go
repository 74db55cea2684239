package httpapi_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/faaspot/faaspot/httpapi"
	"github.com/faaspot/faaspot/httpapi/console"
	"github.com/faaspot/faaspot/httpapi/internal/apitest"
	"github.com/faaspot/faaspot/runtime"
)

// consolePolicy is the content security policy of the console. It is written down here a second time.
const consolePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; font-src 'self'; " +
	"form-action 'none'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"

// TestConsoleFiles gets each file of the console, without a token.
func TestConsoleFiles(t *testing.T) {
	t.Parallel()
	ts := apitest.Start(t, &apitest.Fake{}, nil)
	nobody := apitest.Header{"Authorization": ""}
	m, err := console.ReadManifest()
	if err != nil {
		t.Fatal(err)
	}
	index := ts.Do(t, "GET", "/console/", "", nobody)
	for name := range m.Files {
		a := ts.Do(t, "GET", "/console/"+name, "", nobody)
		if a.Status != 200 || a.Body == "" || a.Header.Get("Content-Security-Policy") != consolePolicy || a.Header.Get("X-Content-Type-Options") != "nosniff" ||
			a.Header.Get("Referrer-Policy") != "no-referrer" || a.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: %d %v", name, a.Status, a.Header)
		}
		immutable := strings.Contains(a.Header.Get("Cache-Control"), "immutable")
		if fixed := name == "index.html"; fixed == immutable {
			t.Errorf("%s: Cache-Control %s", name, a.Header.Get("Cache-Control"))
		}
		tag := a.Header.Get("ETag")
		if again := ts.Do(t, "GET", "/console/"+name, "", apitest.Header{"Authorization": "", "If-None-Match": tag}); len(tag) < 10 || again.Status != 304 || again.Body != "" {
			t.Errorf("%s with its ETag %s: %d", name, tag, again.Status)
		}
		if packed := ts.Do(t, "HEAD", "/console/"+name, "", apitest.Header{"Authorization": "", "Accept-Encoding": "gzip"}); packed.Header.Get("Content-Encoding") != "gzip" {
			t.Errorf("%s: not compressed: %v", name, packed.Header)
		}
		if name == "index.html" && a.Body != index.Body {
			t.Error("/console/ is not the index")
		}
	}
	for _, name := range m.First {
		if name != "index.html" && !strings.HasPrefix(name, "chunk") && !strings.Contains(index.Body, `"/console/`+name+`"`) {
			t.Errorf("the index does not load %s", name)
		}
	}
	for _, name := range []string{"manifest.json", "app.js", "index.html.gz", "..%2fconsole.go", "%2e%2e", "dist"} {
		if a := ts.Do(t, "GET", "/console/"+name, "", nobody); a.Status != 404 {
			t.Errorf("%s: %d", name, a.Status)
		}
	}
}

// consoleSession is a browser that is logged in to the console.
type consoleSession struct {
	cookie *http.Cookie
	key    string
}

// beginSession begins a session with a credential.
func beginSession(t *testing.T, ts *apitest.Served, credential string) consoleSession {
	t.Helper()
	a := ts.Do(t, "POST", "/console/session", "", apitest.Header{"Authorization": credential})
	cookies := (&http.Response{Header: a.Header}).Cookies()
	if a.Status != 200 || len(cookies) != 1 {
		t.Fatalf("a session with %s: %d %s, %v", credential, a.Status, a.Body, cookies)
	}
	return consoleSession{cookies[0], a.Object(t)["key"].(string)}
}

// header returns the header of a request of the console; more replaces fields.
func (s consoleSession) header(more apitest.Header) apitest.Header {
	h := apitest.Header{"Authorization": "", "Cookie": s.cookie.Name + "=" + s.cookie.Value, "X-Faaspot-Console": s.key, "Sec-Fetch-Site": "same-origin", "Origin": "http://api.test"}
	for name, value := range more {
		h[name] = value
	}
	return h
}

func newTicket(t *testing.T, ts *apitest.Served, credential string) string {
	t.Helper()
	a := ts.Do(t, "POST", "/console/ticket", "", apitest.Header{"Authorization": credential})
	if a.Status != 200 {
		t.Fatalf("a ticket: %d %s", a.Status, a.Body)
	}
	return a.Object(t)["ticket"].(string)
}

// TestTicketsBeginOneSession redeems tickets twice, late, and for something else.
func TestTicketsBeginOneSession(t *testing.T) {
	t.Parallel()
	ts := apitest.Start(t, apitest.FullFake(), func(o *httpapi.Options) { o.Auth = apitest.OpenAccess(t) })
	ticket := "Ticket " + newTicket(t, ts, "Token "+apitest.Token)
	for _, path := range []string{"/v1/functions/", "/console/session", "/console/session/x"} {
		if a := ts.Do(t, "GET", path, "", apitest.Header{"Authorization": ticket}); a.Status != 401 && a.Status != 404 {
			t.Errorf("GET %s with a ticket: %d", path, a.Status)
		}
	}
	for _, path := range []string{"/console/ticket", "/v1/functions/f/rpc/?x=/console/session"} {
		apitest.WantError(t, ts.Do(t, "POST", path, "", apitest.Header{"Authorization": ticket}), 401, "unauthenticated")
	}
	s := beginSession(t, ts, ticket)
	c := s.cookie
	if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Domain != "" || c.Secure || c.MaxAge != 12*3600 || c.Value == s.key {
		t.Errorf("the cookie %v", c)
	}
	apitest.WantError(t, ts.Do(t, "POST", "/console/session", "", apitest.Header{"Authorization": ticket}), 401, "unauthenticated")
	for _, wrong := range []string{"Ticket", "Ticket ", "Ticket x", "ticket " + ticket[7:], "Ticket " + strings.ToLower(ticket[7:])} {
		apitest.WantError(t, ts.Do(t, "POST", "/console/session", "", apitest.Header{"Authorization": wrong}), 401, "unauthenticated")
	}
	log := ts.Log.String()
	for _, secret := range []string{ticket[7:], c.Value, s.key} {
		if strings.Contains(log, secret) {
			t.Error("a secret of a session is in the log")
		}
	}
	secure := apitest.Start(t, apitest.FullFake(), func(o *httpapi.Options) { o.BaseURL = "https://faas.test" })
	if c := beginSession(t, secure, "Token "+apitest.Token).cookie; !c.Secure {
		t.Errorf("over TLS: %v", c)
	}
}

// TestOnlyTheConsoleUsesSessions sends the cookie of a session as other pages could make a browser send it.
func TestOnlyTheConsoleUsesSessions(t *testing.T) {
	t.Parallel()
	fake := apitest.FullFake()
	ts := apitest.Start(t, fake, func(o *httpapi.Options) { o.BaseURL = "https://faas.test" })
	s := beginSession(t, ts, "Token "+apitest.Token)
	other := beginSession(t, ts, "Token "+apitest.Token)
	for name, h := range map[string]apitest.Header{
		"as the console":         {},
		"behind a proxy":         {"Origin": "https://faas.test"},
		"without Origin":         {"Origin": ""},
		"without Sec-Fetch-Site": {"Sec-Fetch-Site": ""},
		"twice logged in":        {"Cookie": "a=b; " + s.cookie.Name + "=" + s.cookie.Value + ";c"},
	} {
		if a := ts.Do(t, "POST", "/v1/functions/f/rpc/", "{}", s.header(h)); a.Status != 200 {
			t.Errorf("%s: %d %s", name, a.Status, a.Body)
		}
	}
	if a := ts.Do(t, "GET", "/v1/functions/", "", s.header(apitest.Header{"Origin": "", "Sec-Fetch-Site": ""})); a.Status != 200 {
		t.Errorf("reading over plain HTTP: %d", a.Status)
	}
	fake.Renew(nil)
	for name, h := range map[string]apitest.Header{
		"a form":               {"X-Faaspot-Console": ""},
		"another key":          {"X-Faaspot-Console": other.key},
		"the key alone":        {"Cookie": ""},
		"another cookie":       {"Cookie": other.cookie.Name + "=" + other.cookie.Value},
		"another name":         {"Cookie": "x" + s.cookie.Name + "=" + s.cookie.Value},
		"another site":         {"Sec-Fetch-Site": "cross-site"},
		"another port":         {"Sec-Fetch-Site": "same-site", "Origin": "http://api.test:81"},
		"another origin":       {"Origin": "http://evil.test"},
		"another origin alone": {"Origin": "http://evil.test", "Sec-Fetch-Site": ""},
		"no origin":            {"Origin": "null"},
		"the address bar":      {"Sec-Fetch-Site": "none", "Origin": ""},
		"neither":              {"Sec-Fetch-Site": "", "Origin": ""},
		"a wrong origin":       {"Origin": "http://api.test.evil.test"},
		"a token beside":       {"Authorization": "Token x"},
	} {
		for _, request := range []string{"POST /v1/functions/f/rpc/", "POST /v1/sync/functions/f/rpc/", "DELETE /v1/functions/f", "DELETE /console/session", "POST /console/ticket"} {
			method, path, _ := strings.Cut(request, " ")
			if a := ts.Do(t, method, path, "", s.header(h)); a.Status != 401 || a.Header.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("%s: %s: %d %s", name, request, a.Status, a.Body)
			}
		}
	}
	if len(fake.Tenants) > 0 {
		t.Errorf("%d calls reached the engine", len(fake.Tenants))
	}
	if a := ts.Do(t, "POST", "/console/session", "", s.header(nil)); a.Status != 401 {
		t.Errorf("a session from a session: %d", a.Status)
	}
	for _, method := range []string{"OPTIONS", "GET"} {
		if a := ts.Do(t, method, "/v1/functions/", "", apitest.Header{"Authorization": "", "Origin": "http://evil.test", "Access-Control-Request-Headers": "X-Faaspot-Console"}); a.Header.Get("Access-Control-Allow-Origin")+a.Header.Get("Access-Control-Allow-Headers") != "" {
			t.Errorf("%s lets other origins in: %v", method, a.Header)
		}
	}
	if a := ts.Do(t, "DELETE", "/console/session", "", s.header(nil)); a.Status != 200 || !strings.Contains(a.Header.Get("Set-Cookie"), s.cookie.Name+"=;") {
		t.Errorf("logging out: %d %v", a.Status, a.Header)
	}
	apitest.WantError(t, ts.Do(t, "GET", "/console/session", "", s.header(nil)), 401, "unauthenticated")
	if a := ts.Do(t, "GET", "/console/session", "", other.header(nil)); a.Status != 200 {
		t.Errorf("the other session: %d", a.Status)
	}
}

// TestSessionsPermitWhatTheirTokenPermits checks the scope of sessions, and that they end with their tokens.
func TestSessionsPermitWhatTheirTokenPermits(t *testing.T) {
	t.Parallel()
	k := apitest.OpenAccess(t)
	ts := apitest.Start(t, apitest.FullFake(), func(o *httpapi.Options) { o.Auth, o.Access = k, k })
	op := &runtime.Identity{Operator: true, UserID: "op"}
	create := func(spec runtime.TokenSpec) (runtime.Token, consoleSession) {
		t.Helper()
		token, secret, err := k.CreateToken(t.Context(), op, spec)
		if err != nil {
			t.Fatal(err)
		}
		return token, beginSession(t, ts, "Ticket "+newTicket(t, ts, "Bearer "+secret))
	}
	read, s := create(runtime.TokenSpec{Tenant: "default", Name: "reader", Scope: runtime.ScopeRead})
	if a := ts.Do(t, "GET", "/v1/functions/", "", s.header(nil)); a.Status != 200 {
		t.Errorf("reading: %d", a.Status)
	}
	apitest.WantError(t, ts.Do(t, "POST", "/v1/functions/f/rpc/", "{}", s.header(nil)), 403, "permission_denied")
	if a := ts.Do(t, "GET", "/console/session", "", s.header(nil)).Object(t); a["user"] != "reader" || a["scope"] != "read" || a["operator"] != false || a["tenant"] != "default" || a["expires"] == nil {
		t.Errorf("the session is %v", a)
	}
	_, o := create(runtime.TokenSpec{Name: "op", Scope: runtime.ScopeOperator})
	if a := ts.Do(t, "GET", "/console/session", "", o.header(nil)).Object(t); a["operator"] != true || a["tenant"] != nil || a["scope"] != nil {
		t.Errorf("the session of an operator is %v", a)
	}
	apitest.WantError(t, ts.Do(t, "GET", "/v1/functions/", "", o.header(nil)), 403, "permission_denied")

	ticket := "Ticket " + newTicket(t, ts, "Token "+apitest.Token)
	if _, err := k.DeleteToken(op, read.ID); err != nil {
		t.Fatal(err)
	}
	apitest.WantError(t, ts.Do(t, "GET", "/v1/functions/", "", s.header(nil)), 401, "unauthenticated")
	beginSession(t, ts, ticket) // of another token
	rotated, r := create(runtime.TokenSpec{Tenant: "default", Name: "rotated", Scope: runtime.ScopeRead})
	late := "Ticket " // of a token that ends before it is redeemed
	expiring, secret, err := k.CreateToken(t.Context(), op, runtime.TokenSpec{Tenant: "default", Name: "expiring", Scope: runtime.ScopeRead})
	if err != nil {
		t.Fatal(err)
	}
	late += newTicket(t, ts, "Token "+secret)
	if _, err := k.DeleteToken(op, expiring.ID); err != nil {
		t.Fatal(err)
	}
	apitest.WantError(t, ts.Do(t, "POST", "/console/session", "", apitest.Header{"Authorization": late}), 401, "unauthenticated")
	if _, _, err := k.RotateToken(t.Context(), op, rotated.ID, 0, ""); err != nil {
		t.Fatal(err)
	}
	apitest.WantError(t, ts.Do(t, "GET", "/v1/functions/", "", r.header(nil)), 401, "unauthenticated")
}

// TestPasswordsBeginNoSession checks that a user name and a password get no ticket and no session.
func TestPasswordsBeginNoSession(t *testing.T) {
	t.Parallel()
	k := apitest.OpenAccess(t)
	ts := apitest.Start(t, apitest.FullFake(), func(o *httpapi.Options) { o.Auth = k })
	apitest.NewToken(t, k, runtime.TokenSpec{Tenant: "default", Name: "ada", Scope: runtime.ScopeRead, Password: "correct horse battery"})
	request, err := http.NewRequest("GET", "http://api.test/", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.SetBasicAuth("ada", "correct horse battery")
	h := apitest.Header{"Authorization": request.Header.Get("Authorization")}
	if a := ts.Do(t, "GET", "/v1/functions/", "", h); a.Status != 200 {
		t.Fatalf("the password: %d %s", a.Status, a.Body)
	}
	for _, path := range []string{"/console/ticket", "/console/session"} {
		apitest.WantError(t, ts.Do(t, "POST", path, "", h), 400, "invalid_argument")
	}
}

// TestLoginsAreShared lets few tenants hold all logins: an operator logs in all the same, and keeps its session.
func TestLoginsAreShared(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_700_000_000, 0)
	l := httpapi.NewLogins(time.Hour)
	greedy := func(round string) {
		for i := range httpapi.MaxLogins {
			_ = l.Add(fmt.Sprint(round, i), fmt.Sprint("token ", i), fmt.Sprint("greedy ", i%(httpapi.MaxLogins/httpapi.MaxTenantLogins)), now)
		}
	}
	greedy("first ")
	if l.Len() != httpapi.MaxLogins {
		t.Fatalf("%d logins", l.Len())
	}
	if err := l.Add("operator", "token of an operator", "default", now); err != nil {
		t.Fatal(err)
	}
	greedy("again ")
	if !l.Has("operator", now) || l.Len() != httpapi.MaxLogins || l.Held() != int64(httpapi.MaxLogins*httpapi.LoginBytes) {
		t.Errorf("%d logins that hold %d bytes; that of the operator: %v", l.Len(), l.Held(), l.Has("operator", now))
	}
}

// TestLoginsAreBounded adds more logins than there may be, and lets them expire.
func TestLoginsAreBounded(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_700_000_000, 0)
	l := httpapi.NewLogins(time.Hour)
	n := 0
	add := func(token, tenant string) (secret string, err error) {
		n++
		secret = fmt.Sprint("secret ", n)
		return secret, l.Add(secret, token, tenant, now)
	}
	first, err := add("token", "a")
	if err != nil {
		t.Fatal(err)
	}
	for range httpapi.MaxTokenLogins {
		if _, err := add("token", "a"); err != nil {
			t.Fatal(err)
		}
	}
	if l.Has(first, now) || !l.Has("secret 2", now) || l.Len() != httpapi.MaxTokenLogins {
		t.Errorf("one more than %d of a token: %d", httpapi.MaxTokenLogins, l.Len())
	}
	refused := 0
	for i := range httpapi.MaxTenantLogins {
		if _, err := add(fmt.Sprint("token ", i), "a"); runtime.CodeOf(err) == runtime.CodeTooBusy {
			refused++
		}
	}
	if refused != httpapi.MaxTokenLogins {
		t.Errorf("%d were refused to the tenant, want %d", refused, httpapi.MaxTokenLogins)
	}
	// Others get the places of the tenant, until it has as many as each of them.
	last := fmt.Sprint("secret ", n)
	refused = 0
	for i := range httpapi.MaxLogins {
		if _, err := add(fmt.Sprint("other token ", i), fmt.Sprint("tenant ", i)); err != nil {
			refused++
		}
	}
	if want := httpapi.MaxLogins; l.Len() != want || refused != 1 {
		t.Errorf("%d logins, want %d; %d were refused, want 1", l.Len(), want, refused)
	}
	if l.Has(last, now) {
		t.Error("a login that was refused exists")
	}
	if now = now.Add(time.Hour); l.Has("secret 2", now) || l.Len() != 0 || l.Held() != 0 {
		t.Errorf("after their life: %d logins that hold %d bytes", l.Len(), l.Held())
	}
	if _, err := add("token", "a"); err != nil {
		t.Error(err)
	}
}

// TestConsoleAnswersAreNotStored checks that no cache keeps what begins a session.
func TestConsoleAnswersAreNotStored(t *testing.T) {
	t.Parallel()
	ts := apitest.Start(t, apitest.FullFake(), nil)
	for _, request := range []string{"POST /console/ticket", "POST /console/session", "GET /console/session"} {
		method, path, _ := strings.Cut(request, " ")
		a := ts.Do(t, method, path, "", nil)
		if a.Header.Get("Cache-Control") != "no-store" || !json.Valid([]byte(a.Body)) {
			t.Errorf("%s: %v %s", request, a.Header, a.Body)
		}
	}
}
