package faaspot_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/faaspot/faaspot/httpapi/faaspot"
	"github.com/faaspot/faaspot/httpapi/internal/apitest"
	"github.com/faaspot/faaspot/httpapi/wire"
	"github.com/faaspot/faaspot/runtime"
)

func TestListFilters(t *testing.T) {
	t.Parallel()
	fake := &apitest.Fake{}
	ts := apitest.Start(t, fake, nil)
	open := []runtime.State{runtime.StateQueued, runtime.StateRunning, runtime.StateCancelling}
	at := time.Date(2026, 1, 31, 15, 4, 5, 0, time.UTC)
	for query, want := range map[string]runtime.ExecutionFilter{
		"":                                  {States: open},
		"?include_completed=False":          {States: open},
		"?include_completed=false":          {States: open},
		"?include_completed=0":              {States: open},
		"?include_completed=True":           {},
		"?include_completed=true":           {},
		"?include_completed=1":              {},
		"?deployment=f.py":                  {States: open, Function: "f.py"},
		"?function=f.py":                    {States: open, Function: "f.py"},
		"?function=f&deployment=f":          {States: open, Function: "f"},
		"?status=Success":                   {States: []runtime.State{runtime.StateSucceeded}},
		"?status=failed":                    {States: []runtime.State{runtime.StateFailed, runtime.StateTimeout}},
		"?status=CANCELLED,%20pending":      {States: []runtime.State{runtime.StateQueued, runtime.StateCancelled}},
		"?status=Started&include_completed": {States: []runtime.State{runtime.StateRunning, runtime.StateCancelling}},
		"?include_completed=1&created_after=2026-01-31T15:04:05Z":                       {After: at},
		"?include_completed=1&created_after=2026-01-31T17:04:05%2B02:00":                {After: at},
		"?include_completed=1&created_after=2026-01-31T17:04:05+02:00":                  {After: at},
		"?include_completed=1&created_before=2026-01-31+15:04:05.000001%2B00:00":        {Before: at.Add(time.Microsecond)},
		"?include_completed=1&created_before=2026-01-31%2015:04:05.000001+00:00":        {Before: at.Add(time.Microsecond)},
		"?include_completed=1&created_after=2026-01-31T15:04:05.5Z&created_before=":     {After: at.Add(time.Second / 2)},
		"?include_completed=1&created_before=2026-01-31T15:04:05.000000001Z":            {Before: at.Add(1)},
		"?include_completed=1&created_after=2026-01-31%2015:04:05Z&deployment=&status=": {After: at},
	} {
		fake.Filters = nil
		a := ts.Do(t, "GET", "/v1/executions/"+query, "", nil)
		if a.Status != 200 || a.Body != "[]" {
			t.Errorf("%s: %d %s", query, a.Status, a.Body)
			continue
		}
		if diff := cmp.Diff(want, fake.Filters[0]); diff != "" {
			t.Errorf("%s: %s", query, diff)
		}
	}
	for _, query := range []string{
		"include_completed=yes", "function=.f", "function=a&deployment=b", "status=Done", "status=Success,", "status=,",
		"created_after=yesterday", "created_before=2026-01-31", "created_after=2026-01-31T15:04:05", "limit=0", "limit=1001", "limit=x",
		"cursor=x", "cursor=" + strings.Repeat("A", 10_000)[:7000],
	} {
		apitest.WantError(t, ts.Do(t, "GET", "/v1/executions?"+query, "", nil), 400, "invalid_argument")
	}
}

// TestListPages walks through all pages by the Link header.
func TestListPages(t *testing.T) {
	t.Parallel()
	fake := &apitest.Fake{}
	ts := apitest.Start(t, fake, nil)
	fake.All = make(map[string]runtime.Execution)
	const total = 25
	for i := range total {
		x := apitest.ExecutionAt(fmt.Sprintf("%s%04x", apitest.ID[:32], total-i), runtime.StateSucceeded)
		fake.All[x.ID] = x
		fake.Order = append(fake.Order, x.ID)
	}
	for _, limit := range []int{1, 7, 24, 25, 26} {
		var seen []string
		next := fmt.Sprintf("/v1/executions/?include_completed=True&function=f&limit=%d", limit)
		for next != "" {
			a := ts.Do(t, "GET", next, "", nil)
			var page []wire.Execution[*string]
			if err := json.Unmarshal([]byte(a.Body), &page); err != nil || a.Status != 200 || len(page) > limit {
				t.Fatalf("%d %s", a.Status, a.Body)
			}
			for _, x := range page {
				seen = append(seen, x.UUID)
			}
			link := a.Header.Get("Link")
			next, _, _ = strings.Cut(strings.TrimPrefix(link, "<"), ">")
			if link != "" && !strings.HasSuffix(link, `; rel="next"`) {
				t.Errorf("Link %q", link)
			}
		}
		if diff := cmp.Diff(fake.Order, seen); diff != "" {
			t.Errorf("limit %d: %s", limit, diff)
		}
	}
	if a := ts.Do(t, "GET", "/v1/executions", "", nil); a.Header.Get("Link") != "" {
		t.Errorf("the default limit is less than %d: %v", faaspot.MaxExecutions, a.Header)
	}
}

// TestPagesOfLargeItemsEndEarly lists executions with the largest failures: each page is bounded in
// bytes, and all pages together have every execution.
func TestPagesOfLargeItemsEndEarly(t *testing.T) {
	t.Parallel()
	const number = 50
	fake := &apitest.Fake{}
	fake.All = make(map[string]runtime.Execution)
	for i := range number {
		x := apitest.ExecutionAt(fmt.Sprintf("01935f9e-7d5c-7000-8000-%012d", i), runtime.StateFailed)
		x.Failure = &runtime.Failure{Class: runtime.ClassError, Traceback: strings.Repeat("x", 256*runtime.KiB)}
		fake.All[x.ID] = x
		fake.Order = append(fake.Order, x.ID)
	}
	ts := apitest.Start(t, fake, nil)
	seen := 0
	for next := "/v1/executions/?include_completed=1"; next != ""; {
		a := ts.Do(t, "GET", next, "", nil)
		var page []wire.Execution[*string]
		if err := json.Unmarshal([]byte(a.Body), &page); err != nil || a.Status != 200 || len(a.Body) > 12*runtime.MiB {
			t.Fatalf("got %d, %d bytes, %v", a.Status, len(a.Body), err)
		}
		seen += len(page)
		next, _, _ = strings.Cut(strings.TrimPrefix(a.Header.Get("Link"), "<"), ">")
	}
	if seen != number {
		t.Errorf("%d of %d executions were listed", seen, number)
	}
}

// TestCursorBelongsToItsQuery checks that a cursor is refused with another filter or tenant.
func TestCursorBelongsToItsQuery(t *testing.T) {
	t.Parallel()
	states := []runtime.State{runtime.StateQueued, runtime.StateRunning, runtime.StateSucceeded, runtime.StateFailed}
	name := rapid.StringMatching("[a-z]{0,3}")
	query := rapid.Custom(func(t *rapid.T) runtime.ExecutionFilter {
		return runtime.ExecutionFilter{
			Function: name.Draw(t, "function"),
			States:   rapid.SliceOfNDistinct(rapid.SampledFrom(states), 0, len(states), rapid.ID[runtime.State]).Draw(t, "states"),
			After:    time.UnixMicro(rapid.Int64Range(0, 3).Draw(t, "after")).UTC(),
			Before:   time.UnixMicro(rapid.Int64Range(0, 3).Draw(t, "before")).UTC(),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		id := uuid.UUID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id")).String()
		tenants := [2]runtime.Tenant{runtime.Tenant(name.Draw(t, "tenant")), runtime.Tenant(name.Draw(t, "other tenant"))}
		filters := [2]runtime.ExecutionFilter{query.Draw(t, "filter"), query.Draw(t, "other filter")}
		cursor, err := faaspot.MakeCursor(tenants[0], filters[0], id)
		if err != nil {
			t.Fatal(err)
		}
		if url.QueryEscape(cursor) != cursor || strings.Contains(cursor, id) {
			t.Fatalf("cursor %q", cursor)
		}
		if got, err := faaspot.OpenCursor(tenants[0], filters[0], cursor); err != nil || got != id {
			t.Fatalf("%q: %v", got, err)
		}
		for _, tenant := range tenants {
			for _, filter := range filters {
				_, err := faaspot.OpenCursor(tenant, filter, cursor)
				same := tenant == tenants[0] && cmp.Equal(filter, filters[0])
				if (err == nil) != same {
					t.Fatalf("tenant %q, filter %+v: %v", tenant, filter, err)
				}
			}
		}
		// Any byte changed, left out or added.
		i := rapid.IntRange(0, len(cursor)-1).Draw(t, "at")
		c := rapid.SampledFrom([]byte("ABab01-_=")).Draw(t, "byte")
		for _, forged := range []string{cursor[:i] + string(c) + cursor[i+1:], cursor[:i] + cursor[i+1:], cursor[:i] + string(c) + cursor[i:]} {
			if _, err := faaspot.OpenCursor(tenants[0], filters[0], forged); err == nil && forged != cursor {
				t.Fatalf("%q passes for %q", forged, cursor)
			}
		}
	})
}

// TestListStepsAreBounded lists executions of which the later ones have large failures: no step reads
// more of them than there is memory for.
func TestListStepsAreBounded(t *testing.T) {
	t.Parallel()
	fake := &apitest.Fake{}
	ts := apitest.Start(t, fake, nil)
	fake.All = make(map[string]runtime.Execution)
	for i := range 300 {
		x := apitest.ExecutionAt(fmt.Sprintf("%s%04x", apitest.ID[:32], i), runtime.StateFailed)
		x.Failure = &runtime.Failure{Class: runtime.ClassError, Type: "E"}
		if i >= 50 {
			x.Failure.Traceback = strings.Repeat("x", 128*runtime.KiB)
		}
		fake.All[x.ID] = x
		fake.Order = append(fake.Order, x.ID)
	}
	a := ts.Do(t, "GET", "/v1/executions/?include_completed=true", "", nil)
	if a.Status != 200 || a.Header.Get("Link") == "" || len(a.Body) > 16*runtime.MiB {
		t.Errorf("got %d, %d bytes, Link %q", a.Status, len(a.Body), a.Header.Get("Link"))
	}
	for _, call := range fake.Listed {
		if call.Limit > 16 {
			t.Errorf("a step reads %d executions", call.Limit)
		}
	}
}
