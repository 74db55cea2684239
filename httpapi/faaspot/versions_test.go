package faaspot_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/faaspot/faaspot/httpapi"
	"github.com/faaspot/faaspot/httpapi/internal/apitest"
	"github.com/faaspot/faaspot/httpapi/wire"
	"github.com/faaspot/faaspot/runtime"
)

// ask sends a request that must succeed, and decodes the answer.
func ask[T any](t *testing.T, s *apitest.JobServer, method, path, body string) (v T) {
	t.Helper()
	a := s.Do(t, method, path, body, nil)
	if a.Status != 200 {
		t.Fatalf("%s %s: %d %s", method, path, a.Status, a.Body)
	}
	if err := json.Unmarshal([]byte(a.Body), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// unlisted is an engine that cannot list versions.
type unlisted struct{ *apitest.Fake }

func (unlisted) ListVersions(context.Context, runtime.Tenant, string) ([]runtime.VersionSummary, error) {
	return nil, errors.New("the versions are listed")
}

// TestVersionIsReadAlone checks that the answer with one version reads no others.
func TestVersionIsReadAlone(t *testing.T) {
	t.Parallel()
	fake := &apitest.Fake{}
	ts := apitest.Start(t, fake, func(o *httpapi.Options) { o.Engine = unlisted{fake} })
	for number, current := range map[string]bool{"3": true, "2": false} {
		if a := ts.Do(t, "GET", "/v1/functions/f/versions/"+number, "", nil); a.Status != 200 || a.Object(t)["current"] != current {
			t.Errorf("version %s: %d %s", number, a.Status, a.Body)
		}
	}
}

// TestVersionsOverHTTP deploys versions, lists, compares and restores them. No answer has the value of a
// context.
func TestVersionsOverHTTP(t *testing.T) {
	t.Parallel()
	s := apitest.StartJobs(t, nil)
	const f = "/v1/functions/f"
	secrets := func() {
		t.Helper()
		for _, path := range []string{"/versions", "/versions/1", "/versions/2", "/diff", "/diff?from=1&to=2"} {
			if a := s.Do(t, "GET", f+path, "", nil); strings.Contains(a.Body, "s3cret") {
				t.Errorf("%s shows a secret: %s", path, a.Body)
			}
		}
	}
	ask[string](t, s, "PUT", f, `{"code":"a = 1\nb = 2\n","context":{"kept":"s3cret1","old":"s3cret2","same":1},"timeout":5}`)
	ask[string](t, s, "PATCH", f, `{"code":"a = 1\nb = 3\n","context":{"kept":"s3cret3","new":"s3cret4","same":1},"memory":256,"allow":["a.test:1"]}`)
	secrets()

	list := ask[[]wire.FunctionVersion[string]](t, s, "GET", f+"/versions", "")
	if len(list) != 2 || list[0].Version != 2 || !list[0].Current || list[1].Current || list[1].Timeout != 5 || list[0].Memory != 256 ||
		list[0].UserID == nil || *list[0].UserID != "admin" || list[0].CodeBytes != 12 {
		t.Errorf("the versions are %+v", list)
	}
	first := ask[wire.FunctionVersionDetail[string]](t, s, "GET", f+"/versions/1?encoding=plain", "")
	if second := ask[wire.FunctionVersionDetail[string]](t, s, "GET", f+"/versions/2", ""); !second.Current {
		t.Errorf("version 2 is %+v", second)
	}
	if first.Code != "a = 1\nb = 2\n" || first.Current || strings.Join(first.ContextKeys, " ") != "kept old same" {
		t.Errorf("version 1 is %+v", first)
	}
	want := wire.VersionDiff{
		From: 1, To: 2, Code: "--- f@1\n+++ f@2\n@@ -1,2 +1,2 @@\n a = 1\n-b = 2\n+b = 3\n",
		Settings: []wire.SettingChange{
			{Name: "memory", From: json.RawMessage("128"), To: json.RawMessage("256")},
			{Name: "allow", From: json.RawMessage("[]"), To: json.RawMessage(`["a.test:1"]`)},
		},
		Context: []wire.ContextChange{{Name: "kept", Change: "changed"}, {Name: "new", Change: "added"}, {Name: "old", Change: "removed"}},
	}
	for _, query := range []string{"", "?from=1", "?to=2", "?from=1&to=2"} {
		if diff := cmp.Diff(want, ask[wire.VersionDiff](t, s, "GET", f+"/diff"+query, "")); diff != "" {
			t.Errorf("%s: %s", query, diff)
		}
	}
	// A change that is compared is not made.
	drafted := ask[wire.VersionDiff](t, s, "POST", f+"/diff", `{"code":"a = 1\nb = 2\n","context":{"kept":"s3cret3","new":"other","more":1},"timeout":5,"retries":2}`)
	wanted := wire.VersionDiff{
		From: 2, To: 3, Code: "--- f@2\n+++ f@3\n@@ -1,2 +1,2 @@\n a = 1\n-b = 3\n+b = 2\n",
		Settings: []wire.SettingChange{{Name: "retries", From: json.RawMessage("0"), To: json.RawMessage("2")}},
		Context:  []wire.ContextChange{{Name: "more", Change: "added"}, {Name: "new", Change: "changed"}, {Name: "same", Change: "removed"}},
	}
	if diff := cmp.Diff(wanted, drafted); diff != "" {
		t.Error(diff)
	}
	if same := ask[wire.VersionDiff](t, s, "POST", f+"/diff", `{"code":"a = 1\nb = 3\n","context":{"kept":"s3cret3","new":"s3cret4","same":1}}`); same.Code != "" || len(same.Settings)+len(same.Context) > 0 {
		t.Errorf("an equal change differs: %+v", same)
	}
	if a := s.Do(t, "POST", f+"/diff", `{"name":"g","code":"a"}`, nil); a.Status != 400 {
		t.Error(a)
	}
	if list := ask[[]wire.FunctionVersion[string]](t, s, "GET", f+"/versions", ""); len(list) != 2 {
		t.Errorf("the versions are %+v", list)
	}
	if same := ask[wire.VersionDiff](t, s, "GET", f+"/diff?from=2&to=2", ""); same.Code != "" || len(same.Settings)+len(same.Context) > 0 {
		t.Errorf("a version differs from itself: %+v", same)
	}

	ask[string](t, s, "POST", f+"/rollback", `{"version":1}`)
	if d := ask[wire.VersionDiff](t, s, "GET", f+"/diff?from=1&to=3", ""); d.Code != "" || len(d.Settings)+len(d.Context) > 0 {
		t.Errorf("the restored version differs: %+v", d)
	}
	ask[string](t, s, "POST", f+"/rollback", `{"version":2,"keep_context":true}`)
	if d := ask[wire.VersionDiff](t, s, "GET", f+"/diff?from=1&to=4", ""); d.Code == "" || len(d.Context) > 0 {
		t.Errorf("the context was not kept: %+v", d)
	}
	secrets()

	for body, status := range map[string]int{
		`{"version":99}`: 404, `{"version":4}`: 400, `{}`: 400, `{"version":"1"}`: 400, `{"version":-1}`: 400, `{"version":1.5}`: 400,
		`{"version":1,"code":"x"}`: 400, `{"version":18446744073709551616}`: 400, `{"version":1,"keep_context":"yes"}`: 400, `[]`: 400, ``: 400,
	} {
		if a := s.Do(t, "POST", f+"/rollback", body, nil); a.Status != status {
			t.Errorf("rollback %s: %d %s", body, a.Status, a.Body)
		}
	}
	for path, status := range map[string]int{
		"/versions/0": 400, "/versions/x": 400, "/versions/99": 404, "/versions/1?encoding=x": 400, "/diff?from=0": 400, "/diff?to=x": 400, "/diff?to=1": 404,
		"/diff?from=99": 404, "/diff?from=1&to=99": 404,
	} {
		if a := s.Do(t, "GET", f+path, "", nil); a.Status != status {
			t.Errorf("%s: %d %s", path, a.Status, a.Body)
		}
	}
}

// TestLongSourcesAreNotCompared checks the bound of what is compared.
func TestLongSourcesAreNotCompared(t *testing.T) {
	t.Parallel()
	s := apitest.StartJobs(t, nil)
	for _, line := range []string{"x", "y"} {
		ask[string](t, s, "PUT", "/v1/functions/f", `{"code":"`+strings.Repeat(line+`\n`, 20_000)+`"}`)
	}
	if a := s.Do(t, "GET", "/v1/functions/f/diff", "", nil); a.Status != 413 || !strings.Contains(a.Body, "compare them") {
		t.Errorf("%d %s", a.Status, a.Body)
	}
}

// TestConditionalChanges sends changes with the ETag of the function that the sender has seen.
func TestConditionalChanges(t *testing.T) {
	t.Parallel()
	s := apitest.StartJobs(t, nil)
	const f = "/v1/functions/f"
	code := func(text string) string { return `{"code":"` + text + `"}` }
	do := func(method, path, body, header, value string) apitest.Answer {
		return s.Do(t, method, path, body, apitest.Header{header: value})
	}
	if a := do("PUT", f, code("1"), "If-Match", "*"); a.Status != 412 {
		t.Errorf("update of none: %d %s", a.Status, a.Body)
	}
	if a := do("PUT", f, code("1"), "If-None-Match", "*"); a.Status != 200 {
		t.Errorf("create: %d %s", a.Status, a.Body)
	}
	if a := do("PUT", f, code("1"), "If-None-Match", "*"); a.Status != 412 || !strings.Contains(a.Body, `"precondition_failed"`) {
		t.Errorf("create again: %d %s", a.Status, a.Body)
	}
	tag := func() string { return s.Do(t, "GET", f, "", nil).Header.Get("ETag") }
	seen := tag()
	if a := do("PATCH", f, code("2"), "If-Match", `"other", `+seen); a.Status != 200 || tag() == seen {
		t.Errorf("update: %d %s, then %s", a.Status, a.Body, tag())
	}
	zip := string(apitest.Zip(t, "def main(args, context): pass"))
	for what, a := range map[string]apitest.Answer{
		"PUT":      do("PUT", f, code("3"), "If-Match", seen),
		"PATCH":    do("PATCH", f, code("3"), "If-Match", seen),
		"rollback": do("POST", f+"/rollback", `{"version":1}`, "If-Match", seen),
		"bundle":   s.Do(t, "PUT", f+"/bundle", zip, apitest.Header{"If-Match": seen, "Content-Type": "application/zip"}),
		"new":      s.Do(t, "PUT", f+"/bundle", zip, apitest.Header{"If-None-Match": "*", "Content-Type": "application/zip"}),
	} {
		if a.Status != 412 {
			t.Errorf("%s of a function that has changed: %d %s", what, a.Status, a.Body)
		}
	}
	for _, h := range []apitest.Header{
		{"If-Match": "3"},
		{"If-Match": `"`},
		{"If-Match": `""`},
		{"If-Match": `W/"x"`},
		{"If-None-Match": seen},
		{"If-Match": "*", "If-None-Match": "*"},
		{"If-Match": strings.Repeat(`"x",`, 20) + `"x"`},
	} {
		if a := s.Do(t, "PUT", f, code("3"), h); a.Status != 400 {
			t.Errorf("%v: %d %s", h, a.Status, a.Body)
		}
	}
}

// TestTryOverHTTP runs code that is not deployed.
func TestTryOverHTTP(t *testing.T) {
	t.Parallel()
	s := apitest.StartJobs(t, nil)
	got := ask[wire.Trial[*string]](t, s, "POST", "/v1/try", `{"code":"def main(args, context): pass","args":{"a":[1]},"context":"k = 1","timeout":5,"memory":64}`)
	if got.Status != wire.StatusSuccess || string(got.Output) != `{"a":[1]}` || got.Error != nil || got.Logs == nil {
		t.Errorf("%+v", got)
	}
	got = ask[wire.Trial[*string]](t, s, "POST", "/v1/try", `{"code":"x","args":{"do":"fail"}}`)
	if got.Status != wire.StatusFailed || string(got.Output) != "null" || got.Error == nil || got.Error.Message != "ValueError: as asked" {
		t.Errorf("%+v", got)
	}
	if list := s.Do(t, "GET", "/v1/functions/", "", nil); strings.Contains(list.Body, "main.py") {
		t.Errorf("a function is stored: %s", list.Body)
	}
	if list := s.Do(t, "GET", "/v1/executions/?include_completed=1&function=main.py", "", nil); list.Body != "[]" {
		t.Errorf("an execution is stored: %s", list.Body)
	}
	for body, code := range map[string]string{
		`{"code":"fail"}`:                     "deploy_failed",
		`{}`:                                  "invalid_argument",
		`{"code":""}`:                         "invalid_argument",
		`{"code":"x","args":[]}`:              "invalid_argument",
		`{"code":"x","args":{"a":1,"a":2}}`:   "invalid_argument",
		`{"code":"x","context":"k = "}`:       "invalid_argument",
		`{"code":"x","memory":1}`:             "invalid_argument",
		`{"code":"x","name":"../x"}`:          "invalid_argument",
		`{"code":"x","allow":["http://a"]}`:   "invalid_argument",
		`{"code":"x","requirements":["six"]}`: "invalid_argument",
	} {
		if a := s.Do(t, "POST", "/v1/try", body, nil); a.Status != 400 || !strings.Contains(a.Body, `"error_code":"`+code+`"`) {
			t.Errorf("%s: %d %s", body, a.Status, a.Body)
		}
	}
	zipped := apitest.Header{"Content-Type": "application/zip"}
	zip := string(apitest.Zip(t, "def main(args, context): pass"))
	a := s.Do(t, "POST", "/v1/try/bundle?memory=64&args="+url.QueryEscape(`{"a": 1}`), zip, zipped)
	if a.Status != 200 || !strings.Contains(a.Body, `"output":{"a": 1}`) {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	for _, query := range []string{"args=[]", "args=x", "args={}&args={}", "retry=1", "memory=1"} {
		if a := s.Do(t, "POST", "/v1/try/bundle?"+query, zip, zipped); a.Status != 400 {
			t.Errorf("%s: %d %s", query, a.Status, a.Body)
		}
	}
}

// TestNextTicks checks the next ticks of schedules, also over a change of the local time.
func TestNextTicks(t *testing.T) {
	t.Parallel()
	s := apitest.StartJobs(t, nil)
	next := func(schedule, more string) string {
		t.Helper()
		got := ask[wire.NextTicks[string]](t, s, "GET", "/v1/schedules/next?schedule="+url.QueryEscape(schedule)+more, "")
		return strings.Join(got.Next, " ")
	}
	for _, c := range []struct{ schedule, more, want string }{
		{"30 3 * * *", "&n=2&from=2026-03-27T00:00:00Z", "2026-03-27T03:30:00Z 2026-03-28T03:30:00Z"},
		{"30 2 * * *", "&n=2&from=2026-03-28T12:00:00Z&timezone=Europe/Berlin", "2026-03-29T03:00:00+02:00 2026-03-30T02:30:00+02:00"},
		{"0 0 29 2 *", "&n=1&from=2026-01-01T00:00:00Z", "2028-02-29T00:00:00Z"},
		{"0 0 29 2 *", "&n=2&from=2040-03-01T00:00:00Z&timezone=Europe/Berlin", "2044-02-29T00:00:00+01:00 2048-02-29T00:00:00+01:00"},
		{"0 12 * * *", "&n=2&from=2040-12-31T00:30:00Z&timezone=Europe/Berlin", "2040-12-31T12:00:00+01:00 2041-01-01T12:00:00+01:00"},
		{"@daily", "&n=1&from=2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"},
	} {
		if got := next(c.schedule, c.more); got != c.want {
			t.Errorf("%s%s: %s", c.schedule, c.more, got)
		}
	}
	if n := len(strings.Fields(next("* * * * *", ""))); n != 5 {
		t.Errorf("%d ticks without n", n)
	}
	if n := len(strings.Fields(next("* * * * *", "&n=100"))); n != 100 {
		t.Errorf("%d ticks of 100", n)
	}
	for _, query := range []string{"", "schedule=x", "schedule=60+*+*+*+*", "schedule=0+0+30+2+*", "schedule=@daily&n=0", "schedule=@daily&n=101", "schedule=@daily&timezone=Mars", "schedule=@daily&from=now"} {
		if a := s.Do(t, "GET", "/v1/schedules/next?"+query, "", nil); a.Status != 400 {
			t.Errorf("%s: %d %s", query, a.Status, a.Body)
		}
	}
}
