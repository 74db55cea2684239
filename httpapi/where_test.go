package httpapi_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/faaspot/faaspot/httpapi/internal/apitest"
	"github.com/faaspot/faaspot/runtime"
)

// TestListWhere walks through the pages of executions for which an expression holds, across functions: each
// is listed once, however rare it is, and no other.
func TestListWhere(t *testing.T) {
	t.Parallel()
	s := apitest.StartJobs(t, nil)
	const all = 30_000
	begin := time.Now().Add(-time.Hour).UTC().Truncate(time.Millisecond)
	want := map[string]bool{}
	var batch []runtime.Execution
	for i := range all {
		at := begin.Add(time.Duration(i) * time.Millisecond)
		x := apitest.ExecutionAt(apitest.IDAt(at, i), runtime.StateSucceeded)
		x.Tenant, x.Function, x.FunctionID = runtime.DefaultTenant, []string{"f", "g"}[i%2], "00000000-0000-4000-8000-000000000000"
		x.Created, x.Started, x.Finished = at, at, at.Add(time.Second)
		x.Usage.Duration = time.Duration(i%40) * time.Second
		x.Caller.UserID = "bob"
		if i == 0 || i == 11_000 || i > all-400 {
			x.Caller.UserID = "ann"
			if x.Usage.Duration >= 20*time.Second {
				want[x.ID] = true
			}
		}
		if batch = append(batch, x); len(batch) == 1000 {
			if err := s.Store.Record(batch); err != nil {
				t.Fatal(err)
			}
			batch = nil
		}
	}
	query := url.Values{"include_completed": {"true"}, "where": {"duration >= 20s and user = ann"}, "limit": {"100"}}
	got, requests := map[string]bool{}, 0
	for next := "/v1/executions/?" + query.Encode(); next != ""; requests++ {
		a := s.Do(t, "GET", next, "", nil)
		var page []struct {
			UUID     string   `json:"uuid"`
			User     string   `json:"user_id"`
			Duration *float64 `json:"duration_ms"`
		}
		if err := json.Unmarshal([]byte(a.Body), &page); err != nil || a.Status != 200 {
			t.Fatalf("%d %.300s", a.Status, a.Body)
		}
		for _, x := range page {
			if got[x.UUID] || !want[x.UUID] {
				t.Errorf("%+v was listed, before %t", x, got[x.UUID])
			}
			got[x.UUID] = true
		}
		next, _, _ = strings.Cut(strings.TrimPrefix(a.Header.Get("Link"), "<"), ">")
		if requests > 20 {
			t.Fatal("the list does not end")
		}
	}
	if len(got) != len(want) || requests < 3 { // a request looks at a part of them
		t.Errorf("%d of %d executions with %d requests", len(got), len(want), requests)
	}
	for _, where := range []string{"duration > 5", "nothing = 1", "user = ann and", strings.Repeat("(", 2000), "status=done"} {
		a := s.Do(t, "GET", "/v1/executions/?where="+url.QueryEscape(where), "", nil)
		if a.Status != 400 || len(a.Body) > 2000 {
			t.Errorf("%.40s: %d %.200s", where, a.Status, a.Body)
		}
	}
	// A cursor belongs to its expression.
	first := s.Do(t, "GET", "/v1/executions/?include_completed=1&limit=1&where=user%3Dann", "", nil)
	link, _, _ := strings.Cut(strings.TrimPrefix(first.Header.Get("Link"), "<"), ">")
	if a := s.Do(t, "GET", strings.Replace(link, "ann", "bob", 1), "", nil); a.Status != 400 {
		t.Errorf("the cursor of another expression: %d %.200s", a.Status, a.Body)
	}
	// An operation has the same expression, and says which.
	a := s.Do(t, "POST", "/v1/operations", `{"kind":"cancel","where":"user=ann AND duration>=1m"}`, nil)
	if a.Status != 200 || !strings.Contains(a.Body, `"where":"user = ann and duration >= 1m0s"`) {
		t.Errorf("%d %s", a.Status, a.Body)
	}
}

// TestWhereLooksAtMostOnce checks that a request reads the executions once, however small its page, and ends
// after its looks.
func TestWhereLooksAtMostOnce(t *testing.T) {
	t.Parallel()
	fake := &apitest.Fake{}
	fake.All, fake.Selected = make(map[string]runtime.Execution), func(*runtime.Execution) bool { return false }
	for i := range 10_500 {
		id := fmt.Sprintf("01900000-0000-7000-8000-%012x", 20_000-i)
		fake.All[id] = apitest.ExecutionAt(id, runtime.StateQueued)
		fake.Order = append(fake.Order, id)
	}
	s := apitest.Start(t, fake, nil)
	a := s.Do(t, "GET", "/v1/executions/?include_completed=1&limit=1&where=user%3Dnobody", "", nil)
	if a.Status != 200 || strings.TrimSpace(a.Body) != "[]" || a.Header.Get("Link") == "" || len(fake.Listed) != 1 {
		t.Errorf("%d %.100s, link %q, after %d reads", a.Status, a.Body, a.Header.Get("Link"), len(fake.Listed))
	}
	for n, want := range map[int]int{2048: 400, 2049: 413} { // 2048 bytes arrive, each of them escaped
		if a := s.Do(t, "GET", "/v1/executions/?where="+strings.Repeat("%28", n), "", nil); a.Status != want {
			t.Errorf("%d bytes: %d %.200s", n, a.Status, a.Body)
		}
	}
}
