package foundry_test

import (
	"strings"
	"testing"
	"time"

	"github.com/faaspot/faaspot/httpapi/wire"
)

// TestOlderFilters checks the form of requests of earlier releases of the vendor's API, and the
// members that the answers have for their clients.
func TestOlderFilters(t *testing.T) {
	t.Parallel()
	s, rid := ranFunction(t)
	all := search(t, s, rid, "").Data
	hour := func(n int) string { return time.Now().UTC().Add(time.Duration(n) * time.Hour).Format(time.RFC3339) }
	is := func(status, trace string) int {
		n := 0
		for _, x := range all {
			if (status == "" || x.Status == status) && (trace == "" || x.TraceID == trace) {
				n++
			}
		}
		return n
	}
	for filter, want := range map[string]int{
		`{"type":"result","status":"FAILED"}`:                          is("FAILED", ""),
		`{"type":"traceId","traceId":"` + someTrace + `"}`:             is("", someTrace),
		`{"type":"traceId","traceId":"x"}`:                             0,
		`{"type":"duration"}`:                                          len(all),
		`{"type":"duration","minDuration":{"value":1,"unit":"HOURS"}}`: 0,
		`{"type":"duration","minDuration":{"value":0,"unit":"SECONDS"},"maxDuration":{"value":1,"unit":"HOURS"}}`: len(all),
		`{"type":"caller"}`:                                           len(all),
		`{"type":"caller","callerRid":"ri.x"}`:                        0,
		`{"type":"resourceVersion","resourceVersion":"1"}`:            len(all),
		`{"type":"failureReason","failureReason":"timeout"}`:          1,
		`{"type":"userId","userId":"admin"}`:                          len(all),
		`{"type":"not","filter":{"type":"result","status":"FAILED"}}`: is("SUCCEEDED", ""),
		`{"type":"or","filters":[{"type":"result","status":"FAILED"},{"type":"result","status":"SUCCEEDED"}]}`:                              len(all),
		`{"type":"startTime","startTime":"` + hour(-1) + `"}`:                                                                               len(all),
		`{"type":"endTime","endTime":"` + hour(-1) + `"}`:                                                                                   0,
		`{"type":"and","filters":[{"type":"startTime","startTime":"` + hour(-1) + `"},{"type":"endTime","endTime":"` + hour(1) + `"}]}`:     len(all),
		`{"type":"and","filters":[{"type":"startTime","startTime":"` + hour(-1) + `"},{"type":"result","status":"FAILED"}]}`:                is("FAILED", ""),
		`{"type":"and","filters":[{"type":"startTime","startTime":"` + hour(-1) + `"},{"type":"startTime","startTime":"` + hour(1) + `"}]}`: 0,
	} {
		found := search(t, s, rid, `{"filter":`+filter+`}`).Data
		if len(found) != want {
			t.Errorf("%s: %d of %d, want %d", filter, len(found), len(all), want)
		}
		for _, x := range found {
			if x.OlderTraceID != x.TraceID || x.TraceLocator != x.TraceOwnerRID+"/"+x.TraceID || x.UserID != "admin" {
				t.Errorf("%+v", x)
			}
		}
	}
	for _, x := range all {
		if x.OlderTraceID+x.TraceLocator+x.UserID != "" {
			t.Errorf("without filter: %+v", x)
		}
	}
	for _, filter := range []string{
		`1`, `{}`, `{"type":"eq","field":"status","value":"FAILED"}`, `{"type":"result"}`, `{"type":"result","status":"x"}`, `{"type":"traceId"}`,
		`{"type":"traceId","traceId":1}`, `{"type":"result","status":"FAILED","x":1}`, `{"type":"and","filters":[]}`, `{"type":"not"}`,
		`{"type":"duration","minDuration":{"value":-1,"unit":"SECONDS"}}`, `{"type":"startTime"}`, `{"type":"startTime","startTime":"x"}`,
		`{"type":"not","filter":{"type":"startTime","startTime":"` + hour(0) + `"}}`, `{"type":"or","filters":[{"type":"endTime","endTime":"` + hour(0) + `"}]}`,
		`{"type":"and","filters":[{"type":"or","filters":[{"type":"endTime","endTime":"` + hour(0) + `"}]}]}`,
		strings.Repeat(`{"type":"not","filter":`, 11) + `{"type":"caller"}` + strings.Repeat(`}`, 11),
	} {
		wantFoundryError(t, s.Do(t, "POST", searchPath(rid), `{"filter":`+filter+`}`, nil), 400, "INVALID_ARGUMENT", "InvalidExecutionFilter", nil)
	}
	both := `{"filter":{"type":"caller"},"where":{"type":"isNull","field":"callerRid"}}`
	wantFoundryError(t, s.Do(t, "POST", searchPath(rid), both, nil), 400, "INVALID_ARGUMENT", "InvalidExecutionFilter", nil)
	// Pages of it.
	const one = `"filter":{"type":"caller"},"pageSize":1`
	var seen []wire.FoundExecution[string]
	for token := ""; ; {
		page := search(t, s, rid, `{`+one+token+`}`)
		seen = append(seen, page.Data...)
		if page.NextPageToken == "" {
			break
		}
		token = `,"pageToken":"` + page.NextPageToken + `"`
	}
	if len(seen) != len(all) {
		t.Errorf("%d of %d on pages", len(seen), len(all))
	}
}

// TestStartsHaveSixDecimals checks the form of starts, and that a search from one finds it.
func TestStartsHaveSixDecimals(t *testing.T) {
	t.Parallel()
	s, rid := ranFunction(t)
	for _, x := range search(t, s, rid, "").Data {
		if len(x.Start) != len("2024-09-25T17:29:35.974000Z") {
			t.Errorf("%s", x.Start)
		}
		found := search(t, s, rid, `{"startTime":"`+x.Start+`"}`).Data
		if len(found) == 0 || found[len(found)-1].Start > x.Start && !contains(found, x.Start) {
			t.Errorf("from %s: %+v", x.Start, found)
		}
	}
}

func contains(found []wire.FoundExecution[string], start string) bool {
	for _, x := range found {
		if x.Start == start {
			return true
		}
	}
	return false
}
