package httpapi_test

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/faaspot/faaspot/httpapi/internal/apitest"
	"github.com/faaspot/faaspot/runtime"
)

// TestLimitedTokens checks that a token which is limited to functions runs only those, and sees, lists,
// reads and cancels only executions that it started: neither those of others, nor those of an earlier
// token with its name. All else is reported as what does not exist.
func TestLimitedTokens(t *testing.T) {
	t.Parallel()
	s := apitest.StartJobs(t, nil)
	admin := newTenant(t, s, "tenant-a")
	for _, name := range []string{"mine", "theirs"} {
		admin.ok(t, "PUT", "/v1/functions", `{"name":"`+name+`","code":"def main(args, context): pass"}`, nil)
	}
	spec := runtime.TokenSpec{Tenant: "tenant-a", Name: "shop", Scope: runtime.ScopeInvoke}
	earlier := tenantOf{s, "tenant-a", apitest.NewToken(t, s.Access, spec)}
	submit := func(by tenantOf, body string) string {
		return strings.Trim(by.ok(t, "POST", "/v1/functions/mine/rpc", body, nil).Body, `"`)
	}
	foreign := []string{submit(earlier, `{}`), submit(admin, `{}`)}
	for _, id := range foreign {
		admin.ok(t, "GET", "/v1/executions/"+id+"?wait=60", "", nil)
	}
	all, err := s.Access.ListTokens(&runtime.Identity{Operator: true}, "tenant-a", runtime.PageRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for _, token := range all.Items {
		if token.Name == "shop" {
			admin.ok(t, "DELETE", "/v1/tokens/"+token.ID, "", nil)
		}
	}
	spec.Functions = []string{"mine"}
	limited := tenantOf{s, "tenant-a", apitest.NewToken(t, s.Access, spec)}

	own := []string{submit(limited, `{"n":1}`)}
	limited.ok(t, "GET", "/v1/executions/"+own[0]+"?wait=60", "", nil)
	limited.ok(t, "POST", "/v1/sync/functions/mine/rpc", `{"n":1}`, nil)
	limited.ok(t, "POST", "/v1/functions/mine/bulk_rpc", `[{"n":1}]`, nil)
	checkOwnKeys(t, admin, limited)
	own, foreign = append(own, submit(limited, `{"do":"gate"}`)), append(foreign, submit(admin, `{"do":"gate"}`))
	for _, path := range []string{"/v1/sync/functions/NAME/rpc", "/v1/functions/NAME/rpc", "/v1/functions/NAME/bulk_rpc", "/v1/deployments/NAME/rpc", "/v1/functions/None/NAME/rpc"} {
		got := limited.do(t, "POST", strings.Replace(path, "NAME", "theirs", 1), `[]`, nil)
		if !strings.Contains(path, "bulk") {
			got = limited.do(t, "POST", strings.Replace(path, "NAME", "theirs", 1), `{}`, nil)
		}
		apitest.WantError(t, got, 404, "not_found")
		unknown := limited.do(t, "POST", strings.Replace(path, "NAME", "none", 1), `{}`, nil)
		if strings.Replace(got.Body, "theirs", "none", 1) != unknown.Body {
			t.Errorf("%s: %s, of an unknown function %s", path, got.Body, unknown.Body)
		}
	}

	for _, id := range foreign {
		for _, c := range [][2]string{{"GET", ""}, {"GET", "?wait=1"}, {"DELETE", ""}, {"GET", "/logs"}, {"GET", "/logs?follow=1"}, {"POST", "/rerun"}} {
			got := limited.do(t, c[0], "/v1/executions/"+id+c[1], "", nil)
			unknown := limited.do(t, c[0], "/v1/executions/"+apitest.ID+c[1], "", nil)
			if got.Status != 404 || strings.Replace(got.Body, id, apitest.ID, 1) != unknown.Body {
				t.Errorf("%s %s: %d %s, of an unknown id %s", c[0], c[1], got.Status, got.Body, unknown.Body)
			}
		}
	}
	looked := limited.ok(t, "POST", "/v1/executions/bulk", `["`+strings.Join(append(foreign, own...), `","`)+`"]`, nil)
	if n := strings.Count(looked.Body, `"NotFound"`); n != len(foreign) {
		t.Errorf("%d of %d are not found: %s", n, len(foreign), looked.Body)
	}
	listed := ""
	for next := "/v1/executions/?include_completed=True&limit=2"; next != ""; {
		page := limited.ok(t, "GET", next, "", nil)
		listed += page.Body
		next, _, _ = strings.Cut(strings.TrimPrefix(page.Header.Get("Link"), "<"), ">")
	}
	for _, id := range foreign {
		if strings.Contains(listed, id) {
			t.Errorf("%s is listed", id)
		}
	}
	if n := strings.Count(listed, `"uuid"`); n != 5 || !strings.Contains(listed, own[0]) || !strings.Contains(listed, own[1]) {
		t.Errorf("%d executions are listed: %s", n, listed)
	}
	limited.ok(t, "GET", "/v1/executions/"+own[0]+"/logs", "", nil)
	limited.ok(t, "DELETE", "/v1/executions/"+own[1], "", nil)
	if a := admin.ok(t, "GET", "/v1/executions/"+foreign[2], "", nil); strings.Contains(a.Body, `"cancel_requested":true`) || a.Object(t)["status"] == "Cancelled" {
		t.Errorf("a limited token cancelled what it did not start: %s", a.Body)
	}
	admin.ok(t, "DELETE", "/v1/executions/"+foreign[2], "", nil)
}

// checkOwnKeys checks that the idempotency key of another token gives a limited one neither the id nor
// the result of its execution, while its own keys work.
func checkOwnKeys(t *testing.T, other, limited tenantOf) {
	t.Helper()
	key := apitest.Header{"Idempotency-Key": "others"}
	other.ok(t, "POST", "/v1/sync/functions/mine/rpc", `{"n":1}`, key)
	for _, path := range []string{"/v1/sync/functions/mine/rpc", "/v1/functions/mine/rpc"} {
		apitest.WantError(t, limited.do(t, "POST", path, `{"n":1}`, key), 409, "conflict")
	}
	apitest.WantError(t, limited.do(t, "POST", "/v1/functions/mine/bulk_rpc", `[{"n":1}]`, key), 409, "conflict")
	key["Idempotency-Key"] = "own"
	first := limited.ok(t, "POST", "/v1/functions/mine/rpc", `{"n":1}`, key)
	again := limited.ok(t, "POST", "/v1/functions/mine/rpc", `{"n":1}`, key)
	if again.Body != first.Body || again.Header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("the key of its own gave %s after %s", again.Body, first.Body)
	}
}

// TestCursorsOfLimitedTokens walks through pages most of which end at executions of others: no cursor contains or
// leads to one of their ids, and all pages together have each own execution once. A cursor of another token, of
// another query or of an unlimited token, and one that was changed, is refused. Cursors outlive a rotation of the keys, as
// long as the former key is there.
func TestCursorsOfLimitedTokens(t *testing.T) {
	t.Parallel()
	const all, own, list = 25_000, 5_000, "/v1/executions/?include_completed=True&limit=20"
	s := apitest.StartJobs(t, nil)
	admin := newTenant(t, s, "tenant-a")
	limitedTo := func(name string) tenantOf {
		return tenantOf{s, "tenant-a", apitest.NewToken(t, s.Access, runtime.TokenSpec{Tenant: "tenant-a", Name: name, Scope: runtime.ScopeInvoke, Functions: []string{"mine"}})}
	}
	shop, other := limitedTo("shop"), limitedTo("other")
	begin := time.Now().Add(time.Second) // the tokens are older
	var batch []runtime.Execution
	var want []string
	foreign := make(map[uuid.UUID]bool)
	for i := range all {
		at := begin.Add(time.Duration(i) * time.Millisecond)
		x := apitest.ExecutionAt(apitest.IDAt(at, i), runtime.StateSucceeded)
		x.Tenant, x.Function, x.FunctionID, x.Created = "tenant-a", "mine", "00000000-0000-4000-8000-000000000000", at
		x.Finished = at // long before, retention would drop it while the test runs
		if x.Caller.UserID = "other"; i%own == 0 {
			x.Caller.UserID = "shop"
			want = append(want, x.ID)
		} else {
			foreign[uuid.MustParse(x.ID)] = true
		}
		if batch = append(batch, x); len(batch) == 1000 {
			if err := s.Store.Record(batch); err != nil {
				t.Fatal(err)
			}
			batch = nil
		}
	}
	slices.Reverse(want)
	cursorOf := func(a apitest.Answer) string {
		link, _, _ := strings.Cut(strings.TrimPrefix(a.Header.Get("Link"), "</v1/executions/?"), ">")
		query, err := url.ParseQuery(link)
		if err != nil {
			t.Fatal(err)
		}
		return query.Get("cursor")
	}
	both, err := s.Keys.WithNew()
	if err != nil {
		t.Fatal(err)
	}
	var got, cursors []string
	for cursor := ""; ; {
		a := shop.ok(t, "GET", list+"&cursor="+cursor, "", nil)
		var page []struct{ UUID string }
		if err := json.Unmarshal([]byte(a.Body), &page); err != nil {
			t.Fatal(err)
		}
		for _, x := range page {
			got = append(got, x.UUID)
		}
		if cursor = cursorOf(a); cursor == "" {
			break
		}
		if cursors = append(cursors, cursor); len(cursors) == 1 {
			if err := s.Store.UseKeys(both); err != nil {
				t.Fatal(err)
			}
		}
	}
	if !slices.Equal(got, want) || len(cursors) < 2 {
		t.Errorf("%d pages have %v, want %v", len(cursors)+1, got, want)
	}
	for _, cursor := range cursors {
		raw, err := base64.RawURLEncoding.DecodeString(cursor)
		if err != nil {
			t.Fatal(err)
		}
		for i := range len(raw) - len(uuid.UUID{}) + 1 {
			if foreign[uuid.UUID(raw[i:])] {
				t.Errorf("%q has the id %s of another sender", cursor, uuid.UUID(raw[i:]))
			}
		}
		changed := slices.Clone(raw)
		changed[len(raw)/2] ^= 1
		for name, refused := range map[string]apitest.Answer{
			"another token":    other.do(t, "GET", list+"&cursor="+cursor, "", nil),
			"an unlimited one": admin.do(t, "GET", list+"&cursor="+cursor, "", nil),
			"another query":    shop.do(t, "GET", list+"&status=Success&cursor="+cursor, "", nil),
			"a change":         shop.do(t, "GET", list+"&cursor="+base64.RawURLEncoding.EncodeToString(changed), "", nil),
			"a part":           shop.do(t, "GET", list+"&cursor="+cursor[:len(cursor)/2], "", nil),
		} {
			if refused.Status != 400 {
				t.Errorf("%s: %d %.200s", name, refused.Status, refused.Body)
			}
		}
	}
	if plain := cursorOf(admin.ok(t, "GET", list, "", nil)); shop.do(t, "GET", list+"&cursor="+plain, "", nil).Status != 400 {
		t.Errorf("a limited token reads on from the position %s of an unlimited one", plain)
	}
	if _, err := s.Store.Rekey(t.Context(), both.ID()); err != nil {
		t.Fatal(err)
	}
	if err := s.Store.UseKeys(both.Only()); err != nil {
		t.Fatal(err)
	}
	for i, status := range []int{400, 200} { // the second one is of the new key
		if a := shop.do(t, "GET", list+"&cursor="+cursors[i], "", nil); a.Status != status {
			t.Errorf("without the former key, cursor %d: %d %.200s", i, a.Status, a.Body)
		}
	}
}

// TestEmptyBoundsOfTokens checks that an empty list of functions and an expiry of zero, which a faulty
// program may send, do not give a token without the bound.
func TestEmptyBoundsOfTokens(t *testing.T) {
	t.Parallel()
	s := apitest.StartJobs(t, nil)
	admin := newTenant(t, s, "tenant-a")
	for _, bound := range []string{`"functions":[]`, `"expires_in":0`, `"expires_in":"0s"`, `"expires_in":1e-10`} {
		apitest.WantError(t, admin.do(t, "POST", "/v1/tokens", `{"name":"x","scope":"invoke",`+bound+`}`, nil), 400, "invalid_argument")
	}
	admin.ok(t, "POST", "/v1/tokens", `{"name":"x","scope":"invoke","functions":null,"expires_in":null}`, nil)
}
