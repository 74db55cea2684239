package httpapi

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// TestBlaxelTokens: the token comes in one header or the other, or the same in both.
func TestBlaxelTokens(t *testing.T) {
	ts := startTCP(t, fullFake(), nil)
	const other = "other-token"
	for _, c := range []struct {
		authorization, own string
		status             int
	}{
		{"Token " + testToken, "", 200},
		{"Bearer " + testToken, "", 200},
		{"", "Bearer " + testToken, 200},
		{"", "Token " + testToken, 200},
		{"", testToken, 401},
		{"", "Bearer " + other, 401},
		{"Token " + testToken, "Bearer " + testToken, 200},
		{"Token " + testToken, "Bearer " + other, 400},
		{"Token " + other, "Bearer " + testToken, 400},
		{"Basic " + testToken, "Bearer " + testToken, 400},
		{"Token " + testToken, "Bearer", 401},
	} {
		h := header{"Authorization": c.authorization}
		if c.own != "" {
			h["X-Blaxel-Authorization"] = c.own
		}
		for _, path := range []string{"/v0/jobs", "/v1/functions/"} {
			if a := ts.do(t, "GET", path, "", h); a.status != c.status {
				t.Errorf("%s %q: %d %s", path, h, a.status, a.body)
			}
		}
	}
	c := dialRaw(t, ts.addr)
	c.send(t, "GET /v0/jobs HTTP/1.1\r\nHost: a\r\nX-Blaxel-Authorization: Bearer "+testToken+"\r\nX-Blaxel-Authorization: Bearer "+testToken+"\r\n\r\n")
	if answers, _ := c.answers(t, 1); answers[0].status != 400 {
		t.Errorf("twice: %d", answers[0].status)
	}
	if strings.Contains(ts.log.String(), testToken) {
		t.Error("a token is in the log")
	}
}

// TestWorkspaces: the tenant's own can be named; every other looks as if there
// were none, whether it is another tenant's or nobody's.
func TestWorkspaces(t *testing.T) {
	fake := fullFake()
	ts := start(t, fake, func(o *Options) { o.Auth = twoTenants{} })
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
		everyPath(func(r route, path string) {
			if !strings.HasPrefix(path, "/v0/") || r.method == "HEAD" {
				return
			}
			fake.called = nil
			h := header{"Authorization": "Token token-a"}
			if c.header != "" {
				h["X-Blaxel-Workspace"] = c.header
			}
			a := ts.do(t, r.method, path+c.query, bodyFor(r), h)
			if a.status != c.status {
				t.Errorf("%s %s%s in %q: %d %s", r.method, path, c.query, c.header, a.status, a.body)
			}
			if c.status == 404 {
				wantError(t, a, 404, "not_found")
				if len(fake.called) > 0 {
					t.Errorf("%s %s%s in %q came through", r.method, path, c.query, c.header)
				}
			}
		})
	}
	theirs := ts.do(t, "GET", "/v0/jobs?workspace=b", "", header{"Authorization": "Token token-a"})
	nobodys := ts.do(t, "GET", "/v0/jobs?workspace=c", "", header{"Authorization": "Token token-a"})
	if strings.ReplaceAll(theirs.body, "b", "c") != strings.ReplaceAll(nobodys.body, "b", "c") {
		t.Errorf("%s and %s", theirs.body, nobodys.body)
	}
}

func TestBlaxelVersions(t *testing.T) {
	ts := start(t, fullFake(), nil)
	for version, first := range map[string]string{
		"2020-02-29": "[", "2026-04-27": "[", "2026-04-28": "{", "2026-04-29": "{", "2030-01-01": "{",
		"2026-4-28": "", "2026-04-31": "", "latest": "", "20260428": "", "2026-04-28 ": "{", "2026-04-28T00:00:00Z": "",
	} {
		a := ts.do(t, "GET", "/v0/jobs", "", header{"Blaxel-Version": version})
		if first == "" {
			wantError(t, a, 400, "invalid_argument")
		} else if a.status != 200 || !strings.HasPrefix(a.body, first) {
			t.Errorf("%q: %d %s", version, a.status, a.body)
		}
	}
}

// TestEveryCodeInEveryDialect: an error has one code, and one status, and is told
// in the form of whoever asks, with a message always.
func TestEveryCodeInEveryDialect(t *testing.T) {
	fake := fullFake()
	ts := start(t, fake, nil)
	for code, status := range statusOf {
		fake.renew(func(f *fakeEngine) {
			f.err = &runtime.Error{Code: code, Message: "what and why", Hint: "do this", Err: errors.New("s3cret")}
			f.failing = f.err
		})
		message := "what and why"
		if code == runtime.CodeInternal {
			message = internalMessage.Message
		}
		m := wantError(t, ts.do(t, "GET", "/v1/functions/f", "", nil), status, string(code))
		if m["message"] != message {
			t.Errorf("%s: %v", code, m)
		}
		m = wantError(t, ts.do(t, "GET", "/v0/jobs/j", "", nil), status, string(code))
		if m["message"] != message || m["error"] != string(code) || m["code"] != float64(status) || m["hint"] == "" {
			t.Errorf("%s: %v", code, m)
		}
	}
}

// TestErrorsBelowV0: also those of no route of it are told in its form.
func TestErrorsBelowV0(t *testing.T) {
	ts := start(t, fullFake(), nil)
	for _, c := range []struct {
		method, path, body string
		h                  header
		status             int
		code               string
	}{
		{"GET", "/v0", "", nil, 404, "not_found"},
		{"GET", "/v0/", "", nil, 404, "not_found"},
		{"GET", "/v0/agents", "", nil, 404, "not_found"},
		{"PATCH", "/v0/jobs", "", nil, 405, "method_not_allowed"},
		{"GET", "/v0/jobs", "", header{"Authorization": ""}, 401, "unauthenticated"},
		{"GET", "/v0/jobs", strings.Repeat("x", noBody+1), nil, 413, "too_large"},
		{"POST", "/v0/jobs", "{}", header{"Content-Encoding": "gzip"}, 415, "unsupported_media_type"},
		{"GET", "/v0/" + strings.Repeat("x", maxURI), "", nil, 414, "uri_too_long"},
	} {
		a := ts.do(t, c.method, c.path, c.body, c.h)
		m := wantError(t, a, c.status, c.code)
		if m["error"] != c.code || m["code"] != float64(c.status) {
			t.Errorf("%s %.20s: %s", c.method, c.path, a.body)
		}
	}
	if a := ts.do(t, "GET", "/v0x/jobs", "", nil); a.object(t)["error_code"] != "not_found" {
		t.Errorf("beside it: %s", a.body)
	}
}

// TestCursorsOfJobs: a cursor is good for the list that gave it, for a day.
func TestCursorsOfJobs(t *testing.T) {
	now := time.Now()
	l := jobList{tenant: "a", of: "tasks", job: "j", execution: "x", sort: runtime.SortNameAsc, query: "q"}
	cursor := l.cursor("position", now)
	for age, ok := range map[time.Duration]bool{
		0: true, time.Hour: true, 24*time.Hour - time.Second: true, 24*time.Hour + 2*time.Second: false, 1000 * time.Hour: false,
		-time.Hour: true, -25 * time.Hour: false, // the clock was put back
	} {
		position, err := l.open(cursor, now.Add(age))
		if (err == nil) != ok || ok && position != "position" {
			t.Errorf("after %s: %q, %v", age, position, err)
		}
	}
	// Bound to each part of what it lists; parts are not run together.
	for i, other := range []jobList{
		{tenant: "b", of: "tasks", job: "j", execution: "x", sort: runtime.SortNameAsc, query: "q"},
		{tenant: "a", of: "executions", job: "j", execution: "x", sort: runtime.SortNameAsc, query: "q"},
		{tenant: "a", of: "tasks", job: "k", execution: "x", sort: runtime.SortNameAsc, query: "q"},
		{tenant: "a", of: "tasks", job: "j", execution: "y", sort: runtime.SortNameAsc, query: "q"},
		{tenant: "a", of: "tasks", job: "jx", execution: "", sort: runtime.SortNameAsc, query: "q"},
		{tenant: "a", of: "tasks", job: "j", execution: "x", sort: runtime.SortNameDesc, query: "q"},
		{tenant: "a", of: "tasks", job: "j", execution: "x", sort: runtime.SortNameAsc, query: ""},
	} {
		if position, err := other.open(cursor, now); err == nil {
			t.Errorf("list %d takes it as %q", i, position)
		}
	}
	// Forged: every bit changed, cut short, made longer.
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		t.Fatal(err)
	}
	for i := range raw {
		for bit := range 8 {
			forged := append([]byte(nil), raw...)
			forged[i] ^= 1 << bit
			if position, err := l.open(base64.RawURLEncoding.EncodeToString(forged), now); err == nil {
				t.Errorf("byte %d, bit %d: taken as %q", i, bit, position)
			}
		}
		if _, err := l.open(base64.RawURLEncoding.EncodeToString(raw[:i]), now); err == nil {
			t.Errorf("%d bytes are taken", i)
		}
	}
	for _, text := range []string{cursor + "A", cursor + "=", " " + cursor, "", "!"} {
		if _, err := l.open(text, now); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

// TestCursorsOverHTTP: of another list, of a job of the same name, and of a day ago;
// and one whose last element is gone since goes on behind it.
func TestCursorsOverHTTP(t *testing.T) {
	s := startJobs(t, nil)
	for _, name := range []string{"a", "b", "c"} {
		s.createJob(t, name, "")
	}
	for range 3 {
		s.ended(t, "a", s.run(t, "a", `{"tasks":[{},{},{}]}`))
		s.ended(t, "b", s.run(t, "b", `{"tasks":[{},{},{}]}`))
	}
	get := func(path string) (page toldPage[map[string]any]) {
		t.Helper()
		s.ask(t, "GET", path, "", paged, &page)
		return page
	}
	refused := func(path, cursor string) {
		t.Helper()
		wantError(t, s.do(t, "GET", path+"&cursor="+cursor, "", paged), 400, "invalid_argument")
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

	j, err := s.engine.GetJob(t.Context(), runtime.DefaultTenant, "a")
	if err != nil {
		t.Fatal(err)
	}
	list := jobList{tenant: runtime.DefaultTenant, of: "executions", job: j.ID, sort: runtime.SortCreatedDesc}
	refused("/v0/jobs/a/executions?limit=1", list.cursor(id, time.Now().Add(-25*time.Hour)))
	// Well-formed, with a position that no list gives.
	refused("/v0/jobs/a/executions?limit=1", list.cursor("nonsense", time.Now()))

	s.ask(t, "DELETE", "/v0/jobs/a", "", nil, nil)
	if page := get("/v0/jobs?limit=1&sort=name:asc&cursor=" + jobs); page.Data[0]["metadata"].(map[string]any)["name"] != "b" {
		t.Errorf("behind the deleted job: %v", page.Data)
	}
	wantError(t, s.do(t, "GET", "/v0/jobs/a/executions?cursor="+executions, "", paged), 404, "not_found")
	s.createJob(t, "a", "")
	refused("/v0/jobs/a/executions?limit=1", executions)
}
