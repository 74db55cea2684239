package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage"
)

// historyFunction is the id of the function whose executions make up the history.
const historyFunction = "00000000-0000-4000-8000-000000000000"

// rarely is the number of executions per execution that a filter matches.
const rarely = 1_000

// makeHistoryFunction creates that function in a store.
func makeHistoryFunction(store *storage.Store, now time.Time) error {
	x := past(0, fewExecutions, now)
	x.Kind = runtime.KindCreate
	return store.CreateFunction(
		runtime.Function{ID: historyFunction, Tenant: runtime.DefaultTenant, Name: "common", Version: 1, Created: now, Updated: now},
		runtime.Version{FunctionID: historyFunction, Number: 1, Name: "common", Source: []byte(helloCode()), Created: now},
		runtime.Change{Execution: x},
	)
}

// markRare sets the fields that filters match in execution i. One in rarely executions matches each
// filter.
func markRare(x *runtime.Execution, i int) {
	x.Caller.UserID = "admin"
	switch i % rarely {
	case 1:
		x.Caller.UserID = "rare"
	case 2:
		x.Caller.RID = runtime.JobRID(historyFunction)
	case 3:
		x.Version = 2
	case 4:
		x.Caller.TraceID = strings.Repeat("4b", 16)
	case 5:
		x.Caller.TraceOwner = runtime.JobRID(historyFunction)
	case 6:
		x.Usage.Duration = 5 * time.Second
	}
	// Two values that are common, but rarely occur together.
	if i%31 == 0 {
		x.Version = 4
	}
	if i%32 == 0 {
		x.Caller.UserID = "half"
	}
}

// searches are filters that match one in rarely executions, or fewer.
var searches = []struct{ name, where string }{
	{"user", `{"type":"eq","field":"userId","value":"rare"}`},
	{"caller", `{"type":"not","filter":{"type":"isNull","field":"callerRid"}}`},
	{"version", `{"type":"in","field":"resourceVersion","value":["2","9"]}`},
	{"trace", `{"type":"eq","field":"foundryTraceId","value":"` + strings.Repeat("4b", 16) + `"}`},
	{"trace's owner", `{"type":"not","filter":{"type":"eq","field":"traceOwningRid","value":"` + runtime.FunctionRID(historyFunction) + `"}}`},
	{"duration", `{"type":"gte","field":"duration","value":{"value":4999,"unit":"MILLISECONDS"}}`},
	{"status", `{"type":"eq","field":"status","value":"FAILED"}`},
	{"failure", `{"type":"eq","field":"failureReason","value":"error"}`},
	{"neither of three users", `{"type":"not","filter":{"type":"in","field":"userId","value":["admin","half","x"]}}`},
	{"version and user", `{"type":"and","filters":[{"type":"eq","field":"resourceVersion","value":"4"},{"type":"eq","field":"userId","value":"half"}]}`},
	{"user or caller", `{"type":"or","filters":[{"type":"eq","field":"userId","value":"rare"},{"type":"eq","field":"callerRid","value":"` + runtime.JobRID(historyFunction) + `"}]}`},
	{"user, and all else common", `{"type":"and","filters":[{"type":"eq","field":"status","value":"SUCCEEDED"},{"type":"lte","field":"duration","value":{"value":1,"unit":"HOURS"}},` +
		`{"type":"not","filter":{"type":"eq","field":"resourceVersion","value":"2"}},{"type":"eq","field":"userId","value":"rare"}]}`},
}

var searchBench = bench{
	name: "search",
	how: "A server on a store with 1,000,000 finished executions of a function. Pages of 100 of `listExecutions` are requested over one connection, alternately " +
		"with a filter that matches one in 1,000 executions or fewer, and without a filter. The figures are the medians for the filter with the worst ratio.",
	rows: []row{{
		what: "a page of 100 from 1,000,000 executions with a filter that matches one in 1,000 / without a filter",
		of:   "with a filter", peer: "without", goal: "at most 5x", holds: ratioAtMost(5),
		limit: "one caller: reading the index and 100 records",
	}},
	measure: measureSearch,
}

// measureSearch requests pages of executions with a filter and without one alternately.
func measureSearch(ctx context.Context, l *lab) ([]measured, error) {
	now := time.Now()
	s, err := l.serveHistory(ctx, manyExecutions, now)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	plain, err := s.searchRequest("", now)
	if err != nil {
		return nil, err
	}
	type searched struct {
		name        string
		plain, rare time.Duration
	}
	var all []searched
	for _, search := range searches {
		request, err := s.searchRequest(search.where, now)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", search.name, err)
		}
		var times [2][]time.Duration
		for range l.rounds(10, 4) {
			for i, request := range [][]byte{plain, request} {
				for range l.rounds(20, 10) {
					took, err := s.timed(request)
					if err != nil {
						return nil, err
					}
					times[i] = append(times[i], took)
				}
			}
		}
		all = append(all, searched{search.name, median(times[0]), median(times[1])})
	}
	ratio := func(s searched) float64 { return float64(s.rare) / float64(s.plain) }
	slices.SortFunc(all, func(a, b searched) int { return cmp.Compare(ratio(b), ratio(a)) })
	var parts []string
	for _, one := range all {
		parts = append(parts, fmt.Sprintf("%s %.2f (%v)", one.name, ratio(one), elapsed(one.rare)))
	}
	return []measured{{
		value: elapsed(all[0].rare), peer: elapsed(all[0].plain),
		notes: []string{"ratio: " + strings.Join(parts, ", ")},
	}}, nil
}

// searchRequest returns the request for a page. It fails unless the page is full.
func (s *server) searchRequest(where string, now time.Time) ([]byte, error) {
	body := fmt.Sprintf(`{"pageSize":%d,"startTime":%q`, pageSize, now.Add(-2*historyTime).UTC().Format(time.RFC3339))
	if where != "" {
		body += `,"where":` + where
	}
	path := "/api/v2/observability/resources/" + runtime.FunctionRID(historyFunction) + "/listExecutions?preview=true"
	request := s.request("POST", path, []byte(body+"}"))
	answer, err := s.succeed(request)
	if err != nil {
		return nil, err
	}
	var page struct{ Data []json.RawMessage }
	if err := json.Unmarshal(answer, &page); err != nil {
		return nil, err
	}
	if len(page.Data) != pageSize {
		return nil, fmt.Errorf("the page has %d executions, want %d", len(page.Data), pageSize)
	}
	return request, nil
}
