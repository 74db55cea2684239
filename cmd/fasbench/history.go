package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage"
)

const (
	fewExecutions, manyExecutions = 1_000, 1_000_000
	// historyTime is the age of the oldest execution: less than the retention age.
	historyTime = 6 * 24 * time.Hour
	// pageSize is the number of executions on a page, and of each rare kind in the history.
	pageSize = 100
	// openExecutions is the number of unfinished executions. They sleep: half of them have started, because
	// the tenant may have no more runs at once.
	openExecutions = 2_000
	startedRuns    = openExecutions / 2
	historyBudget  = "32GB"
)

var listBench = bench{
	name: "list",
	how: "Two servers, one on a store with 1,000 finished executions and one with 1,000,000, each with another 2,000 that are not finished. At least 100 match each filter on both, " +
		"spread evenly: one in ten on the first is one in 10,000 on the second. Pages of 100 are requested over one connection each, alternately. The figures are " +
		"the medians for the filter with the worst ratio.",
	rows: []row{{
		what: "a page of 100 from 1,000,000 executions, any filter / from 1,000",
		of:   "of 1,000,000", peer: "of 1,000", goal: "at most 3x", holds: ratioAtMost(3),
		limit: "one caller: reading the index and 100 records",
	}},
	measure: measureList,
}

// measureList requests the same pages from a server with few and a server with many executions.
func measureList(ctx context.Context, l *lab) ([]measured, error) {
	now := time.Now()
	few, err := l.serveHistory(ctx, fewExecutions, now)
	if err != nil {
		return nil, err
	}
	defer few.stop()
	many, err := l.serveHistory(ctx, manyExecutions, now)
	if err != nil {
		return nil, err
	}
	defer many.stop()
	var all []listed
	for _, p := range historyPages(now) {
		one, err := l.compareLists(p, few, many)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.name, err)
		}
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b listed) int { return cmp.Compare(b.ratio(), a.ratio()) })
	var parts []string
	for _, one := range all {
		parts = append(parts, fmt.Sprintf("%s %.2f (%v)", one.name, one.ratio(), elapsed(one.many)))
	}
	return []measured{{
		value: elapsed(all[0].many), peer: elapsed(all[0].few),
		notes: []string{"ratio, and time from 1,000,000 executions: " + strings.Join(parts, ", ")},
	}}, nil
}

// historyPage is a page of a list of executions.
type historyPage struct {
	name  string
	query url.Values
	next  bool // the second page instead of the first
}

// historyPages returns the pages of all filters, for a history that ends now.
func historyPages(now time.Time) []historyPage {
	at := func(part float64) string {
		return now.Add(-time.Duration((1 - part) * float64(historyTime))).UTC().Format(time.RFC3339Nano)
	}
	done := func(pairs ...string) url.Values {
		query := url.Values{"include_completed": {"True"}}
		for i := 0; i < len(pairs); i += 2 {
			query.Set(pairs[i], pairs[i+1])
		}
		return query
	}
	return []historyPage{
		{"not done", url.Values{}, false},
		{"pending", url.Values{"status": {"Pending"}}, false},
		{"started", url.Values{"status": {"Started"}}, false},
		{"all", done(), false},
		{"all, second page", done(), true},
		{"before the middle", done("created_before", at(0.5)), false},
		{"before the middle, second page", done("created_before", at(0.5)), true},
		{"middle third", done("created_after", at(0.33), "created_before", at(0.66)), false},
		{"function", done("function", "common"), false},
		{"rare function", done("function", "rare"), false},
		{"function before the middle", done("function", "common", "created_before", at(0.5)), false},
		{"success", url.Values{"status": {"Success"}}, false},
		{"failed", url.Values{"status": {"Failed"}}, false},
		{"rare status", url.Values{"status": {"Cancelled"}}, false},
		{"two statuses", url.Values{"status": {"Failed,Cancelled"}}, false},
		{"any status", url.Values{"status": {"Success,Failed,Cancelled,Pending,Started"}}, false},
		{"rare status of a function", url.Values{"status": {"Failed"}, "function": {"common"}}, false},
		{"everything at once", done("function", "common", "status", "Success", "created_after", at(0.1), "created_before", at(0.9)), true},
	}
}

// listed holds the times of a page from both servers.
type listed struct {
	name      string
	few, many time.Duration
}

// ratio returns how many times as long the page takes with many executions.
func (p listed) ratio() float64 { return float64(p.many) / float64(p.few) }

// compareLists requests a page from both servers alternately and returns the medians.
func (l *lab) compareLists(p historyPage, few, many *server) (listed, error) {
	one := listed{name: p.name}
	var times [2][]time.Duration
	for range l.rounds(10, 4) {
		for i, s := range []*server{few, many} {
			request, err := s.pageRequest(p)
			if err != nil {
				return one, err
			}
			for range l.rounds(20, 10) {
				took, err := s.timed(request)
				if err != nil {
					return one, err
				}
				times[i] = append(times[i], took)
			}
		}
	}
	one.few, one.many = median(times[0]), median(times[1])
	return one, nil
}

// pageRequest returns the request for a page. It fails unless the page is full.
func (s *server) pageRequest(p historyPage) ([]byte, error) {
	p.query.Set("limit", strconv.Itoa(pageSize))
	path := "/v1/executions/?" + p.query.Encode()
	for behind := p.next; ; behind = false {
		body, header, err := s.fetch(path)
		if err != nil {
			return nil, err
		}
		if !behind {
			var all []execution
			if err := json.Unmarshal(body, &all); err != nil {
				return nil, err
			}
			if len(all) != pageSize {
				return nil, fmt.Errorf("the page has %d executions, want %d", len(all), pageSize)
			}
			return s.request("GET", path, nil), nil
		}
		path, _, _ = strings.Cut(strings.TrimPrefix(header.Get("Link"), "<"), ">")
	}
}

// fetch sends a GET request and returns the response's body and header.
func (s *server) fetch(path string) ([]byte, http.Header, error) {
	request, err := http.NewRequest("GET", "http://"+s.address+path, nil)
	if err != nil {
		return nil, nil, err
	}
	request.Header.Set("Authorization", "Token "+s.token)
	response, err := (&http.Client{Timeout: callTime}).Do(request)
	if err != nil {
		return nil, nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return body, response.Header, err
}

// serveHistory starts a server on a store with n finished executions.
func (l *lab) serveHistory(ctx context.Context, n int, now time.Time) (*server, error) {
	data, err := l.compiledData(ctx)
	if err != nil {
		return nil, err
	}
	l.say("writing %d executions", n)
	store, err := storage.Open(storage.Options{Dir: filepath.Join(data, "store"), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	if err := makeHistoryFunction(store, now); err != nil {
		return nil, err
	}
	const batchSize = 100
	for from := 0; from < n; from += batchSize {
		batch := make([]runtime.Execution, min(batchSize, n-from))
		for i := range batch {
			batch[i] = past(from+i, n, now)
		}
		if err := store.Record(batch); err != nil {
			return nil, err
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
	if err := store.Close(); err != nil {
		return nil, err
	}
	s, err := l.serveIn(ctx, data, "--retention-count", strconv.Itoa(2*manyExecutions), "--memory-budget", historyBudget,
		"--tenant-runs", strconv.Itoa(startedRuns))
	if err != nil {
		return nil, err
	}
	if err = s.create(heldFunction()); err == nil {
		_, err = s.succeed(s.bulkRequest("held", "{}", openExecutions))
	}
	if err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

// past returns finished execution i of n. Most executions are successes of one function; of each
// rare kind there are pageSize.
func past(i, n int, now time.Time) runtime.Execution {
	at := now.Add(-time.Duration(float64(historyTime) * float64(n-i) / float64(n))).UTC().Truncate(time.Millisecond)
	x := runtime.Execution{
		ID: idAt(at), Tenant: runtime.DefaultTenant, Kind: runtime.KindRun, FunctionID: historyFunction, Function: "common", Version: 3,
		State: runtime.StateSucceeded, Created: at, Started: at.Add(time.Millisecond), Finished: at.Add(2 * time.Millisecond), Attempt: 1,
		Outcome: runtime.Outcome{
			Result: []byte(helloResult),
			Logs:   runtime.Logs{Data: []byte("a line\n"), Marks: []runtime.LogMark{{Stream: 1}}},
			Usage:  runtime.Usage{Duration: time.Millisecond, Memory: 64 * mb, Pages: 50},
		},
	}
	markRare(&x, i)
	fail := func(class runtime.Class) {
		x.Result = nil
		x.State, x.Failure = class.State(), &runtime.Failure{Class: class, Type: "ValueError", Message: "no"}
	}
	switch every := n / pageSize; i % every {
	case 0:
		x.Function = "rare"
	case every / 4:
		fail(runtime.ClassError)
	case every / 2:
		fail(runtime.ClassCancelled)
	}
	return x
}

// idAt returns a UUIDv7 (RFC 9562) for a time.
func idAt(at time.Time) string {
	id := uuid.New()
	ms := uint64(at.UnixMilli())
	for i := range 6 {
		id[i] = byte(ms >> (8 * (5 - i)))
	}
	id[6] = 0x70 | id[6]&0x0F
	return id.String()
}
