package faaspot_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faaspot/faaspot/httpapi/internal/apitest"
	"github.com/faaspot/faaspot/httpapi/wire"
)

// TestStatsQuery checks what the query of statistics means, and what is refused.
func TestStatsQuery(t *testing.T) {
	t.Parallel()
	fake := &apitest.Fake{}
	ts := apitest.Start(t, fake, nil)
	for query, want := range map[string]struct {
		back, step time.Duration
		function   string
	}{
		"":                                   {time.Hour, 0, ""},
		"?since=24h&step=15m&function=hello": {24 * time.Hour, 15 * time.Minute, "hello"},
		"?since=90&step=60":                  {90 * time.Second, time.Minute, ""},
	} {
		before := time.Now()
		if a := ts.Do(t, "GET", "/v1/stats/"+query, "", nil); a.Status != 200 {
			t.Fatalf("%s: %d %s", query, a.Status, a.Body)
		}
		got := fake.StatsQueries[len(fake.StatsQueries)-1]
		if since := got.Since.Add(want.back); since.Before(before) || since.After(time.Now()) || got.Step != want.step || got.Function != want.function {
			t.Errorf("%s means %+v", query, got)
		}
	}
	ts.Do(t, "GET", "/v1/stats?since=2026-01-31T15:04:05Z", "", nil)
	if got := fake.StatsQueries[len(fake.StatsQueries)-1].Since; !got.Equal(time.Date(2026, 1, 31, 15, 4, 5, 0, time.UTC)) {
		t.Errorf("a time means %v", got)
	}
	for _, query := range []string{"since=yesterday", "since=-1h", "since=0", "step=0s", "step=x", "step=-5", "function=/", "step=99999999999999999999"} {
		apitest.WantError(t, ts.Do(t, "GET", "/v1/stats?"+query, "", nil), 400, "invalid_argument")
	}
}

// TestStatsOfRealRuns counts the runs of a real engine.
func TestStatsOfRealRuns(t *testing.T) {
	t.Parallel()
	s := apitest.StartJobs(t, nil)
	for _, body := range []string{`{}`, `{}`, `{"do":"fail"}`, `{"do":"timeout"}`} {
		s.Do(t, "POST", "/v1/sync/functions/hello.py/rpc/", body, nil)
	}
	var got wire.Stats
	if err := json.Unmarshal([]byte(s.Do(t, "GET", "/v1/stats/?step=1m&since=10m", "", nil).Body), &got); err != nil {
		t.Fatal(err)
	}
	counts := func(c wire.RunStats) wire.RunStats {
		c.P50, c.P90, c.P99, c.Max, c.Mean = nil, nil, nil, nil, nil
		return c
	}
	want := wire.RunStats{Count: 4, Success: 2, Failed: 2, TimedOut: 1}
	if diff := cmp.Diff(want, counts(got.Total)); diff != "" || got.Total.P50 == nil || got.Total.Mean == nil {
		t.Errorf("%s", diff)
	}
	var sum wire.RunStats
	for _, step := range got.Steps {
		sum.Count += step.Count
		sum.Success += step.Success
		sum.Failed += step.Failed
		sum.TimedOut += step.TimedOut
	}
	if diff := cmp.Diff(want, sum); diff != "" || got.StepSeconds == nil || *got.StepSeconds != 60 || len(got.Steps) < 10 {
		t.Errorf("%d steps: %s", len(got.Steps), diff)
	}
	if len(got.Functions) != 1 || got.Functions[0].Function != "hello.py" || got.Functions[0].Count != 4 || got.Memory.Limit <= 0 {
		t.Errorf("%+v", got)
	}
	if a := s.Do(t, "GET", "/v1/stats/?function=none", "", nil).Object(t)["total"].(map[string]any); a["count"] != 0.0 || a["p50_ms"] != nil {
		t.Errorf("a function without runs has %v", a)
	}
}
