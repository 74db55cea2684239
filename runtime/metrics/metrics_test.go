package metrics_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/memory"
	"github.com/faaspot/faaspot/runtime/metrics"
)

// newMetrics returns Metrics of a server whose figures are all different.
func newMetrics() *metrics.Metrics {
	b := memory.New(1<<30, nil)
	b.Open(memory.Options{Name: "runs"}).Add(1000)
	return metrics.New(metrics.Sources{
		Version: "v1.2.3", Memory: b,
		Store: func() runtime.StoreFigures {
			return runtime.StoreFigures{
				Disk: runtime.DiskState{Free: 1, Total: 2, Floor: 3}, Bytes: 4, LogBytes: 5, Unflushed: 6, Debt: 7, Sublevels: 8, Executions: 9, ExecutionBytes: 10,
				Syncs: runtime.Histogram{Count: 3, Sum: 0.5, Buckets: map[float64]uint64{0.001: 1, 0.1: 2}}, Flushes: 11, Compactions: 12, CompactionTime: 13 * time.Second,
				LogWritten: 14, Flushed: 15, Compacted: 16, CacheHits: 17, CacheMisses: 18,
			}
		},
		Engine: func() (runtime.EngineFigures, bool) {
			return runtime.EngineFigures{
				Waiting: 21, Delayed: 22, Held: 23, Paused: 34, Oldest: 24 * time.Second, Running: 90, WaitingRuns: 50, Parked: 27, BlockedCallers: 28,
				Callbacks: 29, Delivered: 30, FailedPosts: 31, DeadLetters: 32, Followers: 33,
				Away: 61, SentAway: 62, Returned: 63, LostAway: 64, Adopted: 65, Lent: 66, LendPlaces: 67, LendBytes: 68,
			}, true
		},
		Server: func() runtime.ServerFigures {
			return runtime.ServerFigures{Connections: 41, Waiting: 42, Requests: [5]uint64{43, 44, 45, 46, 47}}
		},
		Workers: func() []runtime.WorkerStatus {
			return []runtime.WorkerStatus{{Restarts: 2, Runs: 4}, {Restarts: 3, Runs: 6}}
		},
		Traces: func() runtime.TraceFigures { return runtime.TraceFigures{Exported: 51, Dropped: 52, Waiting: 53} },
		Slots:  func() (idle, busy int) { return 48, 49 },
	})
}

// ended returns a run that has ended.
func ended(tenant runtime.Tenant, function string, state runtime.State) *runtime.Execution {
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	x := &runtime.Execution{Tenant: tenant, Function: function, State: state, Created: at, Started: at.Add(time.Second), Finished: at.Add(2 * time.Second)}
	x.Usage.Duration = 20 * time.Millisecond
	x.Egress = []runtime.Egress{{Host: "s3cret.example.com", Connections: 2, Sent: 10, Received: 20}}
	return x
}

// families parses the text of metrics.
func families(t *testing.T, m *metrics.Metrics) (map[string]*dto.MetricFamily, string) {
	t.Helper()
	text, err := m.Text()
	if err != nil {
		t.Fatal(err)
	}
	all, err := new(expfmt.TextParser).TextToMetricFamilies(bytes.NewReader(text))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return all, string(text)
}

// TestText checks each series of the text against what the parts of the server say, and the names against
// the rules of Prometheus.
func TestText(t *testing.T) {
	m := newMetrics()
	m.OnEnd(ended("acme", "f", runtime.StateSucceeded), true)
	m.OnEnd(ended("acme", "f", runtime.StateFailed), false)
	unstarted := ended("acme", "g", runtime.StateCancelled)
	unstarted.Started = time.Time{}
	m.OnEnd(unstarted, false)
	_, text := families(t, m)
	for _, want := range []string{
		`faaspot_info{version="v1.2.3"} 1`,
		`faaspot_executions_total{function="f",outcome="succeeded",tenant="acme"} 1`,
		`faaspot_executions_total{function="f",outcome="failed",tenant="acme"} 1`,
		`faaspot_executions_total{function="g",outcome="cancelled",tenant="acme"} 1`,
		`faaspot_execution_duration_seconds_bucket{mode="blocking",le="0.01"} 0`,
		`faaspot_execution_duration_seconds_bucket{mode="blocking",le="0.025"} 1`,
		`faaspot_execution_duration_seconds_count{mode="background"} 1`,
		`faaspot_execution_wait_seconds_sum{mode="background"} 1`,
		`faaspot_egress_bytes_total{direction="sent"} 20`, `faaspot_egress_bytes_total{direction="received"} 40`, `faaspot_egress_connections_total 4`,
		`faaspot_queue_runs{state="waiting"} 21`, `faaspot_queue_runs{state="delayed"} 22`, `faaspot_queue_runs{state="held"} 23`, `faaspot_queue_runs{state="paused"} 34`, `faaspot_queue_oldest_seconds 24`,
		`faaspot_runs{state="computing"} 40`, `faaspot_runs{state="waiting"} 23`, `faaspot_runs{state="parked"} 27`, `faaspot_blocked_callers 28`,
		`faaspot_callbacks_waiting 29`, `faaspot_callback_posts_total{outcome="accepted"} 30`, `faaspot_callback_posts_total{outcome="failed"} 31`, `faaspot_dead_letters_total 32`, `faaspot_followers 33`,
		`faaspot_away_runs 61`, `faaspot_away_attempts_total{event="sent"} 62`, `faaspot_away_attempts_total{event="returned"} 63`, `faaspot_away_attempts_total{event="lost"} 64`,
		`faaspot_away_attempts_total{event="adopted"} 65`, `faaspot_lent_runs 66`, `faaspot_lendable_places 67`, `faaspot_lendable_bytes 68`,
		`faaspot_ready 1`, `faaspot_memory_budget_bytes 1.073741824e+09`, `faaspot_memory_used_bytes 1000`, `faaspot_memory_held_bytes{holder="runs"} 1000`, `faaspot_workers 2`, `faaspot_worker_restarts 5`, `faaspot_worker_runs 10`, `faaspot_slots{state="idle"} 48`, `faaspot_slots{state="busy"} 49`,
		`faaspot_trace_spans_total{outcome="exported"} 51`, `faaspot_trace_spans_total{outcome="dropped"} 52`, `faaspot_trace_spans_waiting 53`,
		`faaspot_http_connections 41`, `faaspot_http_waiting_requests 42`, `faaspot_http_requests_total{class="1xx"} 43`, `faaspot_http_requests_total{class="5xx"} 47`,
		`faaspot_disk_free_bytes 1`, `faaspot_disk_total_bytes 2`, `faaspot_disk_floor_bytes 3`, `faaspot_store_accepting 1`, `faaspot_store_bytes 4`, `faaspot_store_log_bytes 5`, `faaspot_store_unflushed_bytes 6`,
		`faaspot_store_compaction_debt_bytes 7`, `faaspot_store_sublevels 8`, `faaspot_store_executions 9`, `faaspot_store_execution_bytes 10`, `faaspot_store_flushes_total 11`, `faaspot_store_compactions_total 12`,
		`faaspot_store_compaction_seconds_total 13`, `faaspot_store_log_written_bytes_total 14`, `faaspot_store_flushed_bytes_total 15`, `faaspot_store_compacted_bytes_total 16`, `faaspot_store_cache_hits_total 17`, `faaspot_store_cache_misses_total 18`,
		`faaspot_store_sync_seconds_bucket{le="0.001"} 1`, `faaspot_store_sync_seconds_bucket{le="+Inf"} 3`, `faaspot_store_sync_seconds_sum 0.5`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("there is no %s", want)
		}
	}
	if !strings.Contains(text, "go_goroutines ") {
		t.Error("there are no figures of Go")
	}
	if strings.Contains(text, "s3cret") {
		t.Error("hosts are in the text")
	}
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if !strings.HasPrefix(p.Metric, "go_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}

// TestLabelsAreBounded has more tenants and functions end runs than may have series of their own. No run
// gets lost.
func TestLabelsAreBounded(t *testing.T) {
	m := newMetrics()
	const tenants, functions = metrics.MaxTenants + 10, metrics.MaxFunctions + 50
	for i := range functions {
		m.OnEnd(ended("first", fmt.Sprint("f", i), runtime.StateSucceeded), true)
	}
	for i := range tenants {
		m.OnEnd(ended(runtime.Tenant(fmt.Sprint("t", i)), "f", runtime.StateSucceeded), true)
	}
	all, _ := families(t, m)
	series := all["faaspot_executions_total"].GetMetric()
	if most := 4 * (metrics.MaxTenants + metrics.MaxFunctions + 1); len(series) > most {
		t.Errorf("there are %d series, at most %d are allowed", len(series), most)
	}
	total, others := 0.0, 0.0
	for _, s := range series {
		total += s.GetCounter().GetValue()
		labels := map[string]string{}
		for _, l := range s.GetLabel() {
			labels[l.GetName()] = l.GetValue()
		}
		if labels["tenant"] == metrics.Other {
			others += s.GetCounter().GetValue()
		}
	}
	if total != tenants+functions || others != tenants-metrics.MaxTenants+1 {
		t.Errorf("%g runs are counted, %g of other tenants", total, others)
	}
	if runtime.ValidateName(metrics.Other) == nil || runtime.ValidateTenant(metrics.Other) == nil {
		t.Errorf("%s may be the name of a function or a tenant", metrics.Other)
	}
}

// metricNames matches the names of metrics in an expression.
var metricNames = regexp.MustCompile(`\b(?:faaspot|go)_[a-z0-9_]+`)

// TestDashboard checks that each metric in the dashboard for Grafana exists, and that each panel has one.
func TestDashboard(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "examples", "grafana", "faaspot.json"))
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct {
			Title   string
			Type    string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &dashboard); err != nil {
		t.Fatal(err)
	}
	m := newMetrics()
	m.OnEnd(ended("acme", "f", runtime.StateSucceeded), true)
	known, _ := families(t, m)
	used := 0
	for _, p := range dashboard.Panels {
		names := 0
		for _, target := range p.Targets {
			for _, name := range metricNames.FindAllString(target.Expr, -1) {
				names++
				base := name
				for _, suffix := range []string{"_bucket", "_sum", "_count"} {
					if f := known[strings.TrimSuffix(name, suffix)]; f != nil && f.GetType() == dto.MetricType_HISTOGRAM {
						base = strings.TrimSuffix(name, suffix)
					}
				}
				if known[base] == nil {
					t.Errorf("the panel %q has %s, which does not exist", p.Title, name)
				}
			}
		}
		if used += names; names == 0 && p.Type != "row" {
			t.Errorf("the panel %q has no metric", p.Title)
		}
	}
	if used < 20 {
		t.Errorf("the dashboard has %d metrics", used)
	}
}

// TestDocumented checks that the documentation names every metric of the server, and no other.
func TestDocumented(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join("..", "..", "docs", "observability.md"))
	if err != nil {
		t.Fatal(err)
	}
	m := newMetrics()
	m.OnEnd(ended("acme", "f", runtime.StateSucceeded), true)
	known, _ := families(t, m)
	named := map[string]bool{}
	for _, name := range regexp.MustCompile("`(faaspot_[a-z_]+)").FindAllStringSubmatch(string(doc), -1) {
		named[name[1]] = true
		if known[name[1]] == nil {
			t.Errorf("the documentation has %s, which does not exist", name[1])
		}
	}
	for name := range known {
		if strings.HasPrefix(name, "faaspot_") && !named[name] {
			t.Errorf("the documentation does not have %s", name)
		}
	}
}

// BenchmarkOnEnd measures the cost of counting a run.
func BenchmarkOnEnd(b *testing.B) {
	m := newMetrics()
	x := ended("acme", "f", runtime.StateSucceeded)
	x.Egress = nil
	b.ReportAllocs()
	for b.Loop() {
		m.OnEnd(x, true)
	}
}

// series returns the counts of runs by tenant and function.
func series(t *testing.T, m *metrics.Metrics) map[string]float64 {
	t.Helper()
	all, _ := families(t, m)
	counts := map[string]float64{}
	for _, s := range all["faaspot_executions_total"].GetMetric() {
		labels := map[string]string{}
		for _, l := range s.GetLabel() {
			labels[l.GetName()] = l.GetValue()
		}
		counts[labels["tenant"]+"/"+labels["function"]] += s.GetCounter().GetValue()
	}
	return counts
}

// counting returns a function that counts runs that ended at a time.
func counting(m *metrics.Metrics, at *time.Time) func(tenant, function string, runs int) {
	return func(tenant, function string, runs int) {
		x := ended(runtime.Tenant(tenant), function, runtime.StateSucceeded)
		x.Finished = *at
		for range runs {
			m.OnEnd(x, true)
		}
	}
}

// TestLabelsAreFair tests that series go to those that are busy, and stay with those that are as busy.
func TestLabelsAreFair(t *testing.T) {
	m := newMetrics()
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	count := counting(m, &at)
	for i := range metrics.MaxTenants {
		count(fmt.Sprint("early", i), "f", 10)
	}
	for i := range metrics.MaxFunctions {
		count("early0", fmt.Sprint("f", i), 10)
	}
	for i := range metrics.MaxTenants { // no more functions have room
		for j := range 5 {
			count(fmt.Sprint("early", i), fmt.Sprint("g", j), 10)
		}
	}
	first := series(t, m)
	at = at.Add(metrics.Period)
	count("early0", "f", 1) // the second period
	for i := range 2 * metrics.MaxTenants * 10 {
		count(fmt.Sprint("seldom", i), "f", 1)
	}
	count("busy", "f", 100)
	count("early1", "new", 100)
	for i := range metrics.MaxTenants {
		count(fmt.Sprint("early", i), "f", 60)
	}
	before := series(t, m)
	if before["busy/f"] != 0 || before["early1/new"] != 0 || before["early1/(other)"] != 100 {
		t.Errorf("within a period, series have changed: %v", before)
	}
	for name, n := range first {
		if before[name] < n {
			t.Errorf("the count of %s has gone from %g to %g", name, n, before[name])
		}
	}
	at = at.Add(metrics.Period)
	count("early0", "f", 1)
	count("busy", "f", 7)
	count("early1", "new", 7)
	after := series(t, m)
	if after["busy/f"] != 0 {
		t.Errorf("a tenant that was not twice as busy has replaced another one")
	}
	var lost []string
	for name := range before {
		if _, has := after[name]; !has {
			lost = append(lost, name)
		}
	}
	if after["early1/new"] != 7 || len(lost) != 1 || lost[0] != "early0/f0" {
		t.Errorf("a busy function has no series in place of an idle one: %v, lost: %v", after, lost)
	}
	if after["(other)/(other)"] != before["(other)/(other)"]+7 || after["early1/(other)"] != before["early1/(other)"] {
		t.Error("the counts of others have jumped")
	}
	at = at.Add(metrics.Period) // nearly all tenants were idle in the last one
	count("early0", "f", 1)
	count("busy", "f", 1000)
	last := series(t, m)
	if last["busy/f"] != 1000 || last["(other)/(other)"] != after["(other)/(other)"] {
		t.Errorf("a busy tenant has not replaced an idle one: %v", last)
	}
	gone := 0
	for i := range metrics.MaxTenants {
		if _, has := last[fmt.Sprint("early", i, "/f")]; !has {
			gone++
		}
	}
	if gone != 1 || len(last) > metrics.MaxFunctions+metrics.MaxTenants+1 {
		t.Errorf("there are %d series, and %d tenants have lost theirs to one", len(last), gone)
	}
}

// TestTenantDoesNotTakeAllSeries tests that a tenant with many functions leaves series to those of other tenants,
// however busy they are.
func TestTenantDoesNotTakeAllSeries(t *testing.T) {
	m := newMetrics()
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	count := counting(m, &at)
	for period := range 3 {
		for i := range 2 * metrics.MaxFunctions {
			count("greedy", fmt.Sprint("f", i), 1+i)
		}
		for i := range 5 {
			count("modest", fmt.Sprint("f", i), 1)
		}
		greedy, modest := 0, 0
		for name := range series(t, m) {
			switch {
			case strings.HasSuffix(name, "/(other)"):
			case strings.HasPrefix(name, "greedy/"):
				greedy++
			default:
				modest++
			}
		}
		if greedy != metrics.MaxTenantFunctions || modest != 5 {
			t.Errorf("period %d: the greedy tenant has %d series, the other one %d", period, greedy, modest)
		}
		at = at.Add(metrics.Period)
	}
}
