package faaspot_test

import (
	"strings"
	"testing"

	"github.com/faaspot/faaspot/httpapi/internal/apitest"
	"github.com/faaspot/faaspot/httpapi/wire"
	"github.com/faaspot/faaspot/runtime"
)

// TestPatchedContexts changes single values of a context. No answer has a value, and a patch that is
// refused makes no version.
func TestPatchedContexts(t *testing.T) {
	t.Parallel()
	s := apitest.StartJobs(t, nil)
	const f, values = "/v1/functions/f", "/v1/functions/f/context"
	ask[string](t, s, "PUT", f, `{"code":"1","context":{"kept":"s3cret1","old":"s3cret2","gone":1}}`)
	ask[string](t, s, "PATCH", values, `{"old":"s3cret3","gone":null,"new":{"inner":"s3cret4"}}`)
	want := []wire.ContextChange{{Name: "gone", Change: "removed"}, {Name: "new", Change: "added"}, {Name: "old", Change: "changed"}}
	diff := ask[wire.VersionDiff](t, s, "GET", f+"/diff", "")
	if len(diff.Context) != len(want) || diff.Code != "" || len(diff.Settings) > 0 {
		t.Fatalf("the versions differ by %+v", diff)
	}
	for i := range want {
		if diff.Context[i] != want[i] {
			t.Errorf("%+v, want %+v", diff.Context[i], want[i])
		}
	}
	tag := s.Do(t, "GET", f, "", nil).Header.Get("ETag")
	for what, c := range map[string]struct {
		path, body, match string
		status            int
	}{
		"empty":          {values, `{}`, "", 400},
		"no body":        {values, ``, "", 400},
		"no object":      {values, `["s3cret5"]`, "", 400},
		"no JSON":        {values, `{"a":s3cret5}`, "", 400},
		"twice":          {values, `{"a":"s3cret5","a":1}`, "", 400},
		"deep":           {values, `{"a":` + strings.Repeat(`{"s3cret5":`, 300) + "1" + strings.Repeat("}", 301), "", 400},
		"many":           {values, "{" + strings.Repeat(`"s3cret5":1,`, 10_001) + `"a":1}`, "", 400},
		"too large":      {values, `{"a":"s3cret5` + strings.Repeat("x", runtime.MaxContext) + `"}`, "", 413},
		"together large": {values, `{"a":"s3cret5` + strings.Repeat("x", runtime.MaxContext-40) + `"}`, "", 413},
		"other version":  {values, `{"a":1}`, `"other"`, 412},
		"no function":    {"/v1/functions/none/context", `{"a":1}`, "", 404},
		"no name":        {"/v1/functions/-/context", `{"a":1}`, "", 400},
	} {
		h := apitest.Header{}
		if c.match != "" {
			h["If-Match"] = c.match
		}
		if a := s.Do(t, "PATCH", c.path, c.body, h); a.Status != c.status || strings.Contains(a.Body, "s3cret1") || len(a.Body) > 1000 {
			t.Errorf("%s: %d %s", what, a.Status, a.Body)
		}
	}
	if now := s.Do(t, "GET", f, "", nil); now.Header.Get("ETag") != tag || strings.Contains(now.Body, "s3cret") {
		t.Errorf("the function is now %s", now.Body)
	}
	if a := s.Do(t, "PATCH", values, `{"kept":null}`, apitest.Header{"If-Match": tag}); a.Status != 200 {
		t.Errorf("with the ETag: %d %s", a.Status, a.Body)
	}
}
