package faaspot_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/faaspot/faaspot/httpapi/internal/apitest"
)

const (
	someTrace  = "4bf92f3577b34da6a3ce929d0e0e4736"
	someParent = "00-" + someTrace + "-00f067aa0ba902b7-01"
)

// sentTrace is the trace in a header of an answer.
type sentTrace struct {
	id      string
	sampled bool
}

var traceparent = regexp.MustCompile("^00-([0-9a-f]{32})-[0-9a-f]{16}-(0[01])$")

func parseSent(field string) (sentTrace, bool) {
	m := traceparent.FindStringSubmatch(field)
	if m == nil {
		return sentTrace{}, false
	}
	return sentTrace{m[1], m[2] == "01"}, true
}

// TestTraceIsReturned checks that the answer to a request that starts executions has their trace,
// which is the request's if it has one, and that a list by trace finds them.
func TestTraceIsReturned(t *testing.T) {
	t.Parallel()
	s := apitest.StartJobs(t, nil)
	const sync, background, bulk = "/v1/sync/functions/hello.py/rpc/", "/v1/functions/hello.py/rpc/", "/v1/functions/hello.py/bulk_rpc/"
	for _, c := range []struct{ path, body string }{{sync, "{}"}, {sync, `{"do":"fail"}`}, {background, "{}"}, {bulk, "[{},{}]"}} {
		header := s.Do(t, "POST", c.path, c.body, apitest.Header{"traceparent": someParent}).Header.Get("traceparent")
		got, ok := parseSent(header)
		if !ok || got != (sentTrace{someTrace, true}) || strings.Contains(header, "00f067aa0ba902b7") {
			t.Errorf("%s: traceparent %q", c.path, header)
		}
	}
	if header := s.Do(t, "POST", sync, "{}", apitest.Header{"traceparent": strings.TrimSuffix(someParent, "1") + "0"}).Header.Get("traceparent"); !strings.HasSuffix(header, "-00") {
		t.Errorf("of a trace that is not sampled: %q", header)
	}
	find := func(query string) int {
		t.Helper()
		return strings.Count(s.Do(t, "GET", "/v1/executions/?"+query, "", nil).Body, `"uuid"`)
	}
	if n := find("trace_id=" + someTrace); n != 6 {
		t.Errorf("%d executions of the trace", n)
	}
	if n := find("trace_id=" + strings.ToUpper(someTrace) + "&status=failed"); n != 1 {
		t.Errorf("%d executions of the trace failed", n)
	}
	if n := find("trace_id=" + someTrace + "&limit=2"); n != 2 {
		t.Errorf("%d executions on a page of 2", n)
	}
	// An invalid trace is ignored: the execution starts a trace of its own.
	for _, none := range []string{"", "x", "00-" + strings.Repeat("0", 32) + "-00f067aa0ba902b7-01"} {
		for _, path := range []string{sync, background} {
			a := s.Do(t, "POST", path, "{}", apitest.Header{"traceparent": none})
			id := a.Header.Get("X-Execution-Id")
			if path == background {
				id = strings.Trim(a.Body, `"`)
			}
			got, _ := parseSent(a.Header.Get("traceparent"))
			if got.id != strings.ReplaceAll(id, "-", "") || !got.sampled || find("trace_id="+got.id) != 1 {
				t.Errorf("%s %q: %s has the trace %+v", path, none, id, got)
			}
		}
	}
	// A request that came before starts nothing.
	keyed := apitest.Header{"Idempotency-Key": "k", "traceparent": someParent}
	for i, want := range []bool{true, false} {
		if a := s.Do(t, "POST", background, "{}", keyed); (a.Header.Get("traceparent") != "") != want {
			t.Errorf("request %d: traceparent %q", i, a.Header.Get("traceparent"))
		}
	}
	for _, wrong := range []string{"", "x", strings.Repeat("0", 32), someTrace + "0"} {
		apitest.WantError(t, s.Do(t, "GET", "/v1/executions/?trace_id="+wrong, "", nil), 400, "invalid_argument")
	}
	// A cursor is of its trace.
	link := s.Do(t, "GET", "/v1/executions/?limit=1&trace_id="+someTrace, "", nil).Header.Get("Link")
	next, _, _ := strings.Cut(strings.TrimPrefix(link, "<"), ">")
	if a := s.Do(t, "GET", next, "", nil); a.Status != 200 {
		t.Errorf("the next page: %d %s", a.Status, a.Body)
	}
	apitest.WantError(t, s.Do(t, "GET", strings.Replace(next, someTrace, strings.Repeat("1", 32), 1), "", nil), 400, "invalid_argument")
}
