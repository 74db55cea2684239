package blaxel_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/faaspot/faaspot/httpapi"
	"github.com/faaspot/faaspot/httpapi/blaxel"
	"github.com/faaspot/faaspot/httpapi/internal/apitest"
	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/httpapi/wire"
	"github.com/faaspot/faaspot/runtime"
)

// TestBlaxelTokens checks that a token may be in either header, or the same one in both.
func TestBlaxelTokens(t *testing.T) {
	t.Parallel()
	ts := apitest.StartTCP(t, apitest.FullFake(), nil)
	const other = "other-token"
	for _, c := range []struct {
		authorization, own string
		status             int
	}{
		{"Token " + apitest.Token, "", 200},
		{"Bearer " + apitest.Token, "", 200},
		{"", "Bearer " + apitest.Token, 200},
		{"", "Token " + apitest.Token, 200},
		{"", apitest.Token, 401},
		{"", "Bearer " + other, 401},
		{"Token " + apitest.Token, "Bearer " + apitest.Token, 200},
		{"Token " + apitest.Token, "Bearer " + other, 400},
		{"Token " + other, "Bearer " + apitest.Token, 400},
		{"Basic " + apitest.Token, "Bearer " + apitest.Token, 400},
		{"Token " + apitest.Token, "Bearer", 401},
	} {
		h := apitest.Header{"Authorization": c.authorization}
		if c.own != "" {
			h["X-Blaxel-Authorization"] = c.own
		}
		for _, path := range []string{"/v0/jobs", "/v1/functions/"} {
			if a := ts.Do(t, "GET", path, "", h); a.Status != c.status {
				t.Errorf("%s %q: %d %s", path, h, a.Status, a.Body)
			}
		}
	}
	c := apitest.DialRaw(t, ts.Addr)
	c.Send(t, "GET /v0/jobs HTTP/1.1\r\nHost: a\r\nX-Blaxel-Authorization: Bearer "+apitest.Token+"\r\nX-Blaxel-Authorization: Bearer "+apitest.Token+"\r\n\r\n")
	if answers, _ := c.Answers(t, 1); answers[0].Status != 400 {
		t.Errorf("twice: %d", answers[0].Status)
	}
	if strings.Contains(ts.Log.String(), apitest.Token) {
		t.Error("a token is in the log")
	}
}

// TestWorkspaces checks that a request may name the tenant's own workspace, and that any other is
// not found, whether or not another tenant has it.
func TestWorkspaces(t *testing.T) {
	t.Parallel()
	fake := apitest.FullFake()
	ts := apitest.Start(t, fake, func(o *httpapi.Options) { o.Auth = apitest.TwoTenants{} })
	for _, c := range []struct {
		header, query string
		status        int
	}{
		{"", "", 200},
		{"a", "", 200},
		{"", "?workspace=a", 200},
		{"a", "?workspace=a", 200},
		{"", "?workspace=", 200},
		{"b", "", 404},
		{"c", "", 404},
		{"", "?workspace=b", 404},
		{"a", "?workspace=c", 404},
		{"b", "?workspace=a", 404},
		{"A", "", 404},
	} {
		apitest.EveryPath(blaxel.Routes(), func(r web.Route, path string) {
			if !strings.HasPrefix(path, "/v0/") || r.Method == "HEAD" {
				return
			}
			path = strings.Replace(path, "/default/", "/a/", 1) // of run URLs
			fake.Called = nil
			h := apitest.Header{"Authorization": "Token token-a"}
			if c.header != "" {
				h["X-Blaxel-Workspace"] = c.header
			}
			a := ts.Do(t, r.Method, path+c.query, apitest.BodyFor(r), h)
			if a.Status != c.status {
				t.Errorf("%s %s%s in %q: %d %s", r.Method, path, c.query, c.header, a.Status, a.Body)
			}
			if c.status == 404 {
				apitest.WantError(t, a, 404, "not_found")
				if len(fake.Called) > 0 {
					t.Errorf("%s %s%s in %q was accepted", r.Method, path, c.query, c.header)
				}
			}
		})
	}
	theirs := ts.Do(t, "GET", "/v0/jobs?workspace=b", "", apitest.Header{"Authorization": "Token token-a"})
	nobodys := ts.Do(t, "GET", "/v0/jobs?workspace=c", "", apitest.Header{"Authorization": "Token token-a"})
	if strings.ReplaceAll(theirs.Body, "b", "c") != strings.ReplaceAll(nobodys.Body, "b", "c") {
		t.Errorf("%s and %s", theirs.Body, nobodys.Body)
	}
}

func TestBlaxelVersions(t *testing.T) {
	t.Parallel()
	ts := apitest.Start(t, apitest.FullFake(), nil)
	for version, first := range map[string]string{
		"2020-02-29": "[", "2026-04-27": "[", "2026-04-28": "{", "2026-04-29": "{", "2030-01-01": "{",
		"2026-4-28": "", "2026-04-31": "", "latest": "", "20260428": "", "2026-04-28 ": "{", "2026-04-28T00:00:00Z": "",
	} {
		a := ts.Do(t, "GET", "/v0/jobs", "", apitest.Header{"Blaxel-Version": version})
		if first == "" {
			apitest.WantError(t, a, 400, "invalid_argument")
		} else if a.Status != 200 || !strings.HasPrefix(a.Body, first) {
			t.Errorf("%q: %d %s", version, a.Status, a.Body)
		}
	}
}

// TestEveryCodeInEveryDialect checks that each error has one code, one status and a message in
// every dialect.
func TestEveryCodeInEveryDialect(t *testing.T) {
	t.Parallel()
	fake := apitest.FullFake()
	ts := apitest.Start(t, fake, nil)
	for code, status := range web.StatusOf {
		fake.Renew(func(f *apitest.Fake) {
			f.Err = &runtime.Error{Code: code, Message: "what and why", Hint: "do this", Err: errors.New("s3cret")}
			f.Failing = f.Err
		})
		message := "what and why"
		if code == runtime.CodeInternal {
			message = web.InternalError("").Message
		}
		m := apitest.WantError(t, ts.Do(t, "GET", "/v1/functions/f", "", nil), status, string(code))
		if m["message"] != message {
			t.Errorf("%s: %v", code, m)
		}
		m = apitest.WantError(t, ts.Do(t, "GET", "/v0/jobs/j", "", nil), status, string(code))
		if m["message"] != message || m["error"] != string(code) || m["code"] != float64(status) || m["hint"] == "" {
			t.Errorf("%s: %v", code, m)
		}
	}
}

// TestErrorsBelowV0 checks the form of errors of paths without a route.
func TestErrorsBelowV0(t *testing.T) {
	t.Parallel()
	ts := apitest.Start(t, apitest.FullFake(), nil)
	for _, c := range []struct {
		method, path, body string
		h                  apitest.Header
		status             int
		code               string
	}{
		{"GET", "/v0", "", nil, 404, "not_found"},
		{"GET", "/v0/", "", nil, 404, "not_found"},
		{"GET", "/v0/agents", "", nil, 404, "not_found"},
		{"PATCH", "/v0/jobs", "", nil, 405, "method_not_allowed"},
		{"GET", "/v0/jobs", "", apitest.Header{"Authorization": ""}, 401, "unauthenticated"},
		{"GET", "/v0/jobs", strings.Repeat("x", web.NoBody+1), nil, 413, "too_large"},
		{"POST", "/v0/jobs", "{}", apitest.Header{"Content-Encoding": "gzip"}, 415, "unsupported_media_type"},
		{"GET", "/v0/" + strings.Repeat("x", 8*runtime.KiB), "", nil, 414, "uri_too_long"},
	} {
		a := ts.Do(t, c.method, c.path, c.body, c.h)
		m := apitest.WantError(t, a, c.status, c.code)
		if m["error"] != c.code || m["code"] != float64(c.status) {
			t.Errorf("%s %.20s: %s", c.method, c.path, a.Body)
		}
	}
	if a := ts.Do(t, "GET", "/v0x/jobs", "", nil); a.Object(t)["error_code"] != "not_found" {
		t.Errorf("with a second token: %s", a.Body)
	}
}

// TestCursorsOverHTTP checks that cursors of another list, of another job of the same name, and of
// a day ago are refused, and that a cursor whose element was deleted continues after it.
func TestCursorsOverHTTP(t *testing.T) {
	t.Parallel()
	s := apitest.StartJobs(t, nil)
	for _, name := range []string{"a", "b", "c"} {
		s.CreateJob(t, name, "")
	}
	for range 3 {
		s.AwaitEnd(t, "a", s.Start(t, "a", `{"tasks":[{},{},{}]}`))
		s.AwaitEnd(t, "b", s.Start(t, "b", `{"tasks":[{},{},{}]}`))
	}
	get := func(path string) (page wire.Page[map[string]any]) {
		t.Helper()
		s.Ask(t, "GET", path, "", apitest.Paged, &page)
		return page
	}
	refused := func(path, cursor string) {
		t.Helper()
		apitest.WantError(t, s.Do(t, "GET", path+"&cursor="+cursor, "", apitest.Paged), 400, "invalid_argument")
	}
	jobs := get("/v0/jobs?limit=1&sort=name:asc").Meta.NextCursor
	refused("/v0/jobs?limit=1", jobs)
	refused("/v0/jobs?limit=1&sort=name:asc&q=aa", jobs)
	executions := get("/v0/jobs/a/executions?limit=1").Meta.NextCursor
	refused("/v0/jobs/b/executions?limit=1", executions)
	refused("/v0/jobs?limit=1", executions)
	refused("/v0/jobs/a/executions?limit=1&sort=createdAt:asc", executions)
	id := get("/v0/jobs/a/executions?limit=1").Data[0]["metadata"].(map[string]any)["id"].(string)
	tasks := get(fmt.Sprintf("/v0/jobs/a/executions/%s/tasks?limit=1", id)).Meta.NextCursor
	other := get("/v0/jobs/a/executions?limit=2").Data[1]["metadata"].(map[string]any)["id"].(string)
	refused(fmt.Sprintf("/v0/jobs/a/executions/%s/tasks?limit=1", other), tasks)

	j, err := s.Engine.GetJob(t.Context(), runtime.DefaultTenant, "a")
	if err != nil {
		t.Fatal(err)
	}

	refused("/v0/jobs/a/executions?limit=1", blaxel.ExecutionsCursor(j.ID, id, time.Now().Add(-25*time.Hour)))
	// Well-formed, with a position that no list has.
	refused("/v0/jobs/a/executions?limit=1", blaxel.ExecutionsCursor(j.ID, "nonsense", time.Now()))

	s.Ask(t, "DELETE", "/v0/jobs/a", "", nil, nil)
	if page := get("/v0/jobs?limit=1&sort=name:asc&cursor=" + jobs); page.Data[0]["metadata"].(map[string]any)["name"] != "b" {
		t.Errorf("behind the deleted job: %v", page.Data)
	}
	apitest.WantError(t, s.Do(t, "GET", "/v0/jobs/a/executions?cursor="+executions, "", apitest.Paged), 404, "not_found")
	s.CreateJob(t, "a", "")
	refused("/v0/jobs/a/executions?limit=1", executions)
}
