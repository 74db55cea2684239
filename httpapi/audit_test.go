package httpapi_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/httpapi"
	"github.com/faaspot/faaspot/httpapi/internal/apitest"
	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/httpapi/wire"
	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/access"
	"github.com/faaspot/faaspot/storage"
)

// auditCanary is a secret in the bodies of requests.
const auditCanary = "canary-of-a-secret"

// audited is a server with an audit log on disk.
type audited struct {
	*apitest.Served
	store  *storage.Store
	keeper *access.Keeper
	tokens map[string]string
}

func startAudited(t *testing.T, fake *apitest.Fake) audited {
	t.Helper()
	store, err := storage.Open(storage.Options{Dir: "store", FS: vfs.NewMem(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	k := apitest.OpenAccess(t)
	tokens := map[string]string{
		"read":     apitest.NewToken(t, k, runtime.TokenSpec{Tenant: "default", Name: "to-read", Scope: runtime.ScopeRead}),
		"admin":    apitest.NewToken(t, k, runtime.TokenSpec{Tenant: "default", Name: "to-admin", Scope: runtime.ScopeAdmin}),
		"foreign":  apitest.NewToken(t, k, runtime.TokenSpec{Tenant: "other", Name: "to-admin", Scope: runtime.ScopeAdmin}),
		"operator": apitest.NewToken(t, k, runtime.TokenSpec{Name: "op", Scope: runtime.ScopeOperator}),
		"own":      apitest.Token,
	}
	s := apitest.Start(t, fake, func(o *httpapi.Options) { o.Auth, o.Audit, o.Access = k, store, fake.Access() })
	return audited{s, store, k, tokens}
}

func (s audited) send(t *testing.T, token, method, path, body string) apitest.Answer {
	t.Helper()
	return s.Do(t, method, path, body, apitest.Header{"Authorization": "Token " + s.tokens[token]})
}

// entries returns the stored entries, oldest first.
func (s audited) entries(t *testing.T) []runtime.AuditEntry {
	t.Helper()
	page, err := s.store.ListAudit(runtime.AuditFilter{}, runtime.PageRequest{Limit: runtime.MaxPage})
	if err != nil || page.Next != "" {
		t.Fatalf("%v, next %q", err, page.Next)
	}
	for i, j := 0, len(page.Items)-1; i < j; i, j = i+1, j-1 {
		page.Items[i], page.Items[j] = page.Items[j], page.Items[i]
	}
	return page.Items
}

// secretBody is a body that the route accepts, with a canary wherever a secret may be.
func secretBody(r web.Route) string {
	switch {
	case strings.HasPrefix(r.Change, "function.") && !r.Spools && r.MaxBody > web.NoBody && r.Change != "function.rollback":
		return `{"name":"hello.py","code":"def main(args, context): pass","context":{"key":"` + auditCanary + `"}}`
	case r.Path == "/v1/tokens":
		return `{"name":"ci","scope":"deploy","password":"` + auditCanary + `"}`
	case strings.HasSuffix(r.Path, "/rotate"):
		return `{"password":"` + auditCanary + `"}`
	case r.Path == "/v0/jobs", r.Path == "/v0/jobs/{jobId}":
		return `{"metadata":{"name":"hello"},"spec":{"function":"hello.py","runtime":{"envs":[{"name":"A","value":"` + auditCanary + `","secret":true}]}}}`
	}
	return apitest.BodyFor(r)
}

// isChange says once more, by method and path, which routes change something. All others read, or run
// functions and jobs.
func isChange(r web.Route) bool {
	reads := r.Method == "GET" || r.Method == "HEAD" || r.Path == "/v1/executions/bulk" || strings.HasSuffix(r.Path, "/diff") || strings.HasSuffix(r.Path, "/listExecutions") ||
		strings.HasPrefix(r.Path, "/console/") // sessions are not stored
	runs := strings.HasSuffix(r.Path, "rpc") || strings.HasPrefix(r.Path, "/v1/try") || strings.HasSuffix(r.Path, "/rerun") || strings.Contains(r.Path, "/triggers/") ||
		r.Method == "POST" && strings.HasSuffix(r.Path, "/executions")
	return !reads && !runs
}

// TestEveryChangeIsRecorded sends an accepted request for every route. One that changes something leaves
// exactly one entry, every other one none, and none leaves a secret.
func TestEveryChangeIsRecorded(t *testing.T) {
	t.Parallel()
	fake := apitest.FullFake()
	s := startAudited(t, fake)
	operations, before := map[string]bool{}, 0
	apitest.EveryPath(httpapi.Routes(), func(r web.Route, path string) {
		fake.Renew(nil)
		if a := s.send(t, "own", r.Method, path, secretBody(r)); a.Status != 200 {
			t.Errorf("%s %s: %d %s", r.Method, path, a.Status, a.Body)
			return
		}
		all := s.entries(t)
		added := all[before:]
		before = len(all)
		if !isChange(r) {
			if len(added) > 0 {
				t.Errorf("%s %s changes nothing, and is recorded: %+v", r.Method, path, added)
			}
			return
		}
		if len(added) != 1 {
			t.Errorf("%s %s: %d entries: %+v", r.Method, path, len(added), added)
			return
		}
		e := added[0]
		operations[e.Operation] = true
		purge := r.Path == "/v1/dlq" || r.Path == "/v1/dlq/redrive"
		if e.Operation != r.Change || e.Outcome != runtime.AuditDone || e.Time.IsZero() || e.Remote == "" ||
			e.By != (runtime.AuditActor{User: runtime.AdminUser, Tenant: runtime.DefaultTenant}) || !purge && e.Name+e.Thing == "" || e.Count < 1 {
			t.Errorf("%s %s: %+v", r.Method, path, e)
		}
		owner := runtime.DefaultTenant
		if strings.HasPrefix(r.Path, "/v1/t") { // the things of the fake
			owner = apitest.SomeTenant
		}
		if strings.HasPrefix(r.Path, "/v1/server") {
			owner = "" // the server itself
		}
		if e.Tenant != owner {
			t.Errorf("%s %s: the tenant is %q", r.Method, path, e.Tenant)
		}
		if strings.Contains(e.Operation, "function.") && r.MaxBody > web.NoBody && !r.Spools && r.Change != "function.rollback" && !strings.Contains(strings.Join(e.Fields, " "), "context") {
			t.Errorf("%s %s: it is not recorded that the context was set: %+v", r.Method, path, e)
		}
	})
	if len(operations) < 15 {
		t.Errorf("only %d operations: %v", len(operations), operations)
	}
	listed := s.send(t, "own", "GET", "/v1/audit", "")
	for _, secret := range []string{auditCanary, "fas_secret", apitest.Token, "def main"} {
		if strings.Contains(listed.Body, secret) || strings.Contains(s.Log.String(), secret) {
			t.Errorf("%q is in the audit log, or in the log", secret)
		}
	}
}

// TestRenamesAreRecorded checks that the entry of a renamed function has both names.
func TestRenamesAreRecorded(t *testing.T) {
	t.Parallel()
	s := startAudited(t, apitest.FullFake())
	for body, want := range map[string]string{
		`{"name":"new.py"}`:   "new.py",
		`{"name":"hello.py"}`: "",
		`{"timeout":3}`:       "",
	} {
		if a := s.send(t, "own", "PATCH", "/v1/functions/hello.py", body); a.Status != 200 {
			t.Fatalf("%s: %d %s", body, a.Status, a.Body)
		}
		all := s.entries(t)
		if e := all[len(all)-1]; e.Name != "hello.py" || e.NewName != want {
			t.Errorf("%s: %+v", body, e)
		}
		var list []wire.AuditEntry[string]
		if a := s.send(t, "own", "GET", "/v1/audit?limit=1", ""); json.Unmarshal([]byte(a.Body), &list) != nil || len(list) != 1 ||
			(want != "") != (list[0].NewName != nil) || want != "" && *list[0].NewName != want {
			t.Errorf("%s: %s", body, a.Body)
		}
	}
}

// TestFailedChangesAreNotRecorded sends requests that are refused for another reason than the token: they
// leave no entry. A failure of the server leaves one whose outcome is unknown.
func TestFailedChangesAreNotRecorded(t *testing.T) {
	t.Parallel()
	fake := apitest.FullFake()
	s := startAudited(t, fake)
	accepted, failed := 0, map[string]int{}
	apitest.EveryPath(httpapi.Routes(), func(r web.Route, path string) {
		if r.Change == "" {
			return
		}
		for _, code := range []runtime.Code{runtime.CodeNotFound, runtime.CodeInvalidArgument, runtime.CodeConflict, runtime.CodeTooBusy} {
			fake.Renew(func(f *apitest.Fake) { f.Err = runtime.Errorf(code, "no") })
			if a := s.send(t, "own", r.Method, path, apitest.BodyFor(r)); a.Status != 200 { // the fake accepts all changes of jobs
				failed[r.Change]++
				continue
			}
			accepted++
		}
	})
	if all := s.entries(t); len(all) != accepted || len(failed) < 10 {
		t.Errorf("%d entries of %d changes, besides those that failed: %v", len(all), accepted, failed)
	}
	fake.Renew(func(f *apitest.Fake) { f.Err = runtime.Internal("test", nil) })
	s.send(t, "own", "DELETE", "/v1/functions/hello.py", "")
	if all := s.entries(t); len(all) != accepted+1 || all[accepted].Outcome != runtime.AuditUnknown || all[accepted].Name != "hello.py" {
		t.Errorf("after a failure of the server, %d entries, the last is %+v", len(all), all[len(all)-1])
	}
}

// TestRefusalsAreRecorded sends many requests for every change with a token that does not permit it: each
// operation is recorded once, in the log of the sender's own tenant.
func TestRefusalsAreRecorded(t *testing.T) {
	t.Parallel()
	s := startAudited(t, apitest.FullFake())
	operations := map[string]bool{}
	for range 3 {
		apitest.EveryPath(httpapi.Routes(), func(r web.Route, path string) {
			if r.Change == "" {
				return
			}
			operations[r.Change] = true
			if a := s.send(t, "read", r.Method, path, secretBody(r)); a.Status != 403 {
				t.Errorf("%s %s: %d", r.Method, path, a.Status)
			}
		})
	}
	all := s.entries(t)
	for _, e := range all {
		if e.Outcome != runtime.AuditRefused || e.By.User != "to-read" || e.By.Token == "" || e.Tenant != runtime.DefaultTenant {
			t.Errorf("%+v", e)
		}
		delete(operations, e.Operation)
	}
	if len(operations) > 0 || len(all) > 30 {
		t.Errorf("%d entries, without %v", len(all), operations)
	}
}

// TestRefusalsOfNeighboursAreRecorded refuses more requests of the tokens of one tenant than are recorded:
// one of another tenant is recorded all the same.
func TestRefusalsOfNeighboursAreRecorded(t *testing.T) {
	t.Parallel()
	s := startAudited(t, apitest.FullFake())
	for i := range 60 {
		token := fmt.Sprint("flood-", i)
		s.tokens[token] = apitest.NewToken(t, s.keeper, runtime.TokenSpec{Tenant: "other", Name: token, Scope: runtime.ScopeRead})
		apitest.EveryPath(httpapi.Routes(), func(r web.Route, path string) {
			if r.Change != "" {
				s.send(t, token, r.Method, path, secretBody(r))
			}
		})
	}
	s.send(t, "read", "DELETE", "/v1/functions/f", "")
	of := map[runtime.Tenant]int{}
	for _, e := range s.entries(t) {
		if e.Outcome == runtime.AuditRefused {
			of[e.Tenant]++
		}
	}
	if of["other"] != httpapi.MaxTenantRefusals || of[runtime.DefaultTenant] != 1 {
		t.Errorf("recorded are %v", of)
	}
}

// TestAuditIsRead checks who sees what, the filters, and pages.
func TestAuditIsRead(t *testing.T) {
	t.Parallel()
	s := startAudited(t, apitest.FullFake())
	for _, token := range []string{"admin", "foreign", "own", "admin"} {
		s.send(t, token, "DELETE", "/v1/functions/of-"+token, "")
	}
	s.send(t, "operator", "POST", "/v1/tenants", `{"name":"new"}`)
	list := func(token, query string) (list []wire.AuditEntry[string]) {
		t.Helper()
		a := s.send(t, token, "GET", "/v1/audit/?"+query, "")
		if err := json.Unmarshal([]byte(a.Body), &list); a.Status != 200 || err != nil {
			t.Fatalf("%s %s: %d %s", token, query, a.Status, a.Body)
		}
		return list
	}
	names := func(list []wire.AuditEntry[string]) string {
		var all []string
		for _, e := range list {
			all = append(all, *e.Name)
		}
		return strings.Join(all, " ")
	}
	id := *list("operator", "token=to-admin&tenant=other")[0].By.Token
	for _, c := range []struct{ token, query, want string }{
		{"operator", "", "acme of-admin of-own of-foreign of-admin"},
		{"operator", "tenant=other", "of-foreign"},
		{"operator", "tenant=acme", "acme"},
		{"operator", "operation=function.delete&token=admin", "of-own"},
		{"operator", "token=" + id, "of-foreign"},
		{"operator", "since=2000-01-01T00:00:00Z&until=2001-01-01T00:00:00Z", ""},
		{"operator", "outcome=refused", ""},
		{"own", "tenant=default", "of-admin of-own of-admin"},
		{"admin", "", "of-admin of-own of-admin"},
		{"admin", "tenant=default", "of-admin of-own of-admin"},
		{"foreign", "", "of-foreign"},
	} {
		if got := names(list(c.token, c.query)); got != c.want {
			t.Errorf("%s %s: %q, want %q", c.token, c.query, got, c.want)
		}
	}
	if a := s.send(t, "admin", "GET", "/v1/audit/?tenant=other", ""); a.Status != 404 {
		t.Errorf("the log of another tenant: %d %s", a.Status, a.Body)
	}
	if a := s.send(t, "read", "GET", "/v1/audit/", ""); a.Status != 403 {
		t.Errorf("with the scope read: %d", a.Status)
	}
	for _, query := range []string{"since=yesterday", "limit=0", "limit=1001", "after=x", "outcome=failed"} {
		if a := s.send(t, "operator", "GET", "/v1/audit/?"+query, ""); a.Status != 400 {
			t.Errorf("%s: %d %s", query, a.Status, a.Body)
		}
	}
	var paged []wire.AuditEntry[string]
	for next := "/v1/audit/?limit=2&operation=function.delete"; next != ""; {
		a := s.send(t, "operator", "GET", next, "")
		var page []wire.AuditEntry[string]
		if err := json.Unmarshal([]byte(a.Body), &page); err != nil || len(page) > 2 {
			t.Fatalf("%v %s", err, a.Body)
		}
		paged = append(paged, page...)
		target, _, _ := strings.Cut(strings.TrimPrefix(a.Header.Get("Link"), "<"), ">")
		next = target
	}
	if got := names(paged); got != "of-admin of-own of-foreign of-admin" {
		t.Errorf("page by page: %s", got)
	}
}

// TestAuditOfTenants uses a real server: an admin sees what an operator does to its tenant, but not from
// where, and nothing of a former tenant of its name.
func TestAuditOfTenants(t *testing.T) {
	t.Parallel()
	s := apitest.StartJobs(t, nil)
	create := func() (admin apitest.Header) {
		s.Ask(t, "POST", "/v1/tenants", `{"name":"acme"}`, nil, nil)
		var token wire.NewToken[string]
		s.Ask(t, "POST", "/v1/tokens", `{"tenant":"acme","name":"ada","scope":"admin"}`, nil, &token)
		return apitest.Header{"Authorization": "Token " + *token.Secret}
	}
	admin := create()
	s.Ask(t, "PUT", "/v1/functions/", `{"name":"f","code":"def main(args, context): pass"}`, admin, nil)
	s.Ask(t, "PATCH", "/v1/tenants/acme", `{"limits":{"runs":7}}`, nil, nil)
	var list []wire.AuditEntry[string]
	s.Ask(t, "GET", "/v1/audit/", "", admin, &list)
	var got []string
	for _, e := range list {
		got = append(got, e.Operation)
		if own := *e.By.Tenant == "acme"; own != (e.Remote != nil) {
			t.Errorf("remote of %+v", e)
		}
	}
	if want := "tenant.update function.create token.create"; strings.Join(got, " ") != want {
		t.Errorf("%v, want %s", got, want)
	}
	if limits := list[0].Fields; len(limits) != 1 || limits[0] != "runs" {
		t.Errorf("the limits that were set: %v", limits)
	}
	s.Ask(t, "DELETE", "/v1/tenants/acme?force=true", "", nil, nil)
	apitest.Eventually(t, func() bool { _, err := s.Access.GetTenant("acme"); return err != nil })
	admin = create()
	s.Ask(t, "GET", "/v1/audit/", "", admin, &list)
	if len(list) != 1 || list[0].Operation != "token.create" {
		t.Errorf("the new tenant sees %d entries, the last is %s", len(list), list[0].Operation)
	}
	s.Ask(t, "GET", "/v1/audit/?tenant=acme", "", nil, &list)
	if len(list) != 7 {
		t.Errorf("an operator sees %d entries, not 7", len(list))
	}
}

// failingAudit is an audit log that fails.
type failingAudit struct {
	runtime.AuditStore
	mu         sync.Mutex
	begin, end error
}

func (f *failingAudit) BeginAudit(e runtime.AuditEntry) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.begin != nil {
		return f.begin
	}
	return f.AuditStore.BeginAudit(e)
}

func (f *failingAudit) EndAudit(e runtime.AuditEntry, begun *runtime.AuditEntry) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.end != nil {
		return f.end
	}
	return f.AuditStore.EndAudit(e, begun)
}

// TestAuditThatCannotBeWritten checks that nothing is changed that cannot be recorded, except for what
// frees room, and that what was changed all the same is in the log.
func TestAuditThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	full := runtime.Errorf(runtime.CodeUnavailable, "the disk is nearly full")
	fake := apitest.FullFake()
	store, err := storage.Open(storage.Options{Dir: "store", FS: vfs.NewMem(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	broken := &failingAudit{AuditStore: store, begin: full}
	s := apitest.Start(t, fake, func(o *httpapi.Options) { o.Audit = broken })
	fake.Renew(nil)
	if a := s.Do(t, "PUT", "/v1/functions/", `{"name":"f","code":"def main(args, context): pass"}`, nil); a.Status != 503 || len(fake.Created) > 0 {
		t.Errorf("a change that cannot be recorded: %d %s, %v", a.Status, a.Body, fake.Created)
	}
	count := func() int {
		page, err := store.ListAudit(runtime.AuditFilter{}, runtime.PageRequest{})
		if err != nil {
			t.Fatal(err)
		}
		return len(page.Items)
	}
	if a := s.Do(t, "DELETE", "/v1/functions/f", "", nil); a.Status != 200 || count() != 1 {
		t.Errorf("a deletion: %d %s, %d entries", a.Status, a.Body, count())
	}
	broken.mu.Lock()
	broken.begin, broken.end = nil, full
	broken.mu.Unlock()
	if a := s.Do(t, "DELETE", "/v1/functions/other", "", nil); a.Status != 200 || !strings.Contains(s.Log.String(), `a change cannot be recorded in the audit log" err="unavailable: the disk is nearly full"`) {
		t.Errorf("a deletion without its end: %d %s\n%s", a.Status, a.Body, s.Log.String())
	}
	if n := count(); n != 2 { // the second has begun
		t.Errorf("%d entries", n)
	}
}

// TestChangeThatEndsTheServer lets the handler of a change panic, which ends the process: the entry that
// was stored before says that the outcome is unknown.
func TestChangeThatEndsTheServer(t *testing.T) {
	t.Parallel()
	store, err := storage.Open(storage.Options{Dir: "store", FS: vfs.NewMem(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	s, err := httpapi.New(httpapi.Options{
		Auth: anyPassword{}, Engine: deletionPanics{&apitest.Fake{}, "no secret"}, Audit: store, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	var ctx fasthttp.RequestCtx
	ctx.Request.Header.SetMethod("DELETE")
	ctx.Request.SetRequestURI("/v1/functions/hello")
	ctx.Request.Header.SetHost("a")
	ctx.Request.Header.Set("Authorization", "Token x")
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was stopped")
			}
		}()
		s.ServeRequest(&ctx)
	}()
	page, err := store.ListAudit(runtime.AuditFilter{}, runtime.PageRequest{})
	if err != nil || len(page.Items) != 1 || page.Items[0].Outcome != runtime.AuditUnknown || page.Items[0].Name != "hello" || page.Items[0].By.User != "ada" {
		t.Errorf("%+v, %v", page.Items, err)
	}
}

// TestNamesOfAChangeAreBounded sets many values with long names, of which an entry has a part.
func TestNamesOfAChangeAreBounded(t *testing.T) {
	t.Parallel()
	s := startAudited(t, apitest.FullFake())
	var body strings.Builder
	for i := range 300 {
		fmt.Fprintf(&body, `,"%03d%s":1`, i, strings.Repeat("\u00e9", 200))
	}
	if a := s.send(t, "own", "PATCH", "/v1/functions/f/context", "{"+body.String()[1:]+"}"); a.Status != 200 {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	entries := s.entries(t)
	if len(entries) != 1 || len(entries[0].Fields) != runtime.MaxAuditFields {
		t.Fatalf("%+v", entries)
	}
	for i, name := range entries[0].Fields {
		if !strings.HasPrefix(name, fmt.Sprintf("%03d\u00e9", i)) || len(name) > runtime.MaxAuditText+2 {
			t.Errorf("the name is %q", name)
		}
	}
}
