package httpapi

import (
	"strings"
	"testing"
)

func TestTraceparent(t *testing.T) {
	const span = "00f067aa0ba902b7"
	for field, want := range map[string]trace{
		"00-" + someTrace + "-" + span + "-01":       {someTrace, true},
		"00-" + someTrace + "-" + span + "-00":       {someTrace, false},
		"00-" + someTrace + "-" + span + "-ff":       {someTrace, true},
		"cc-" + someTrace + "-" + span + "-01":       {someTrace, true},
		"01-" + someTrace + "-" + span + "-03-later": {someTrace, true},

		"00-" + someTrace + "-" + span + "-01-":                   {},
		"00-" + someTrace + "-" + span + "-01-x":                  {},
		"01-" + someTrace + "-" + span + "-01x":                   {},
		"ff-" + someTrace + "-" + span + "-01":                    {},
		"0-" + someTrace + "-" + span + "-01":                     {},
		"00-" + strings.Repeat("0", 32) + "-" + span + "-01":      {},
		"00-" + someTrace + "-" + strings.Repeat("0", 16) + "-01": {},
		"00-" + strings.ToUpper(someTrace) + "-" + span + "-01":   {},
		"00-" + someTrace + "-" + strings.ToUpper(span) + "-01":   {},
		"0G-" + someTrace + "-" + span + "-01":                    {},
		"00-" + someTrace + "-" + span + "-0x":                    {},
		"00_" + someTrace + "-" + span + "-01":                    {},
		"00-" + someTrace + "_" + span + "-01":                    {},
		"00-" + someTrace + "-" + span + "_01":                    {},
		"00-" + someTrace[1:] + "-" + span + "-01":                {},
		"00-" + someTrace + "-" + span:                            {},
		"":                                                        {},
	} {
		if got, ok := parseTraceparent(field); got != want || ok != (want.id != "") {
			t.Errorf("%q: %+v, %t", field, got, ok)
		}
	}
}

// TestTraceIsTold: who starts executions is told their trace, which is the
// request's if it has one; they are found by it.
func TestTraceIsTold(t *testing.T) {
	s := startJobs(t, nil)
	const sync, background, bulk = "/v1/sync/functions/hello.py/rpc/", "/v1/functions/hello.py/rpc/", "/v1/functions/hello.py/bulk_rpc/"
	for _, c := range []struct{ path, body string }{{sync, "{}"}, {sync, `{"do":"fail"}`}, {background, "{}"}, {bulk, "[{},{}]"}} {
		told := s.do(t, "POST", c.path, c.body, header{"traceparent": someParent}).header.Get("traceparent")
		got, ok := parseTraceparent(told)
		if !ok || got != (trace{someTrace, true}) || strings.Contains(told, "00f067aa0ba902b7") {
			t.Errorf("%s: traceparent %q", c.path, told)
		}
	}
	if told := s.do(t, "POST", sync, "{}", header{"traceparent": strings.TrimSuffix(someParent, "1") + "0"}).header.Get("traceparent"); !strings.HasSuffix(told, "-00") {
		t.Errorf("of a trace that is not sampled: %q", told)
	}
	find := func(query string) int {
		t.Helper()
		return strings.Count(s.do(t, "GET", "/v1/executions/?"+query, "", nil).body, `"uuid"`)
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
	// What is no trace is ignored: the execution begins one, its own.
	for _, none := range []string{"", "x", "00-" + strings.Repeat("0", 32) + "-00f067aa0ba902b7-01"} {
		for _, path := range []string{sync, background} {
			a := s.do(t, "POST", path, "{}", header{"traceparent": none})
			id := a.header.Get("X-Execution-Id")
			if path == background {
				id = strings.Trim(a.body, `"`)
			}
			got, _ := parseTraceparent(a.header.Get("traceparent"))
			if got.id != strings.ReplaceAll(id, "-", "") || !got.sampled || find("trace_id="+got.id) != 1 {
				t.Errorf("%s %q: %s has the trace %+v", path, none, id, got)
			}
		}
	}
	// A request that came before starts nothing.
	keyed := header{"Idempotency-Key": "k", "traceparent": someParent}
	for i, want := range []bool{true, false} {
		if a := s.do(t, "POST", background, "{}", keyed); (a.header.Get("traceparent") != "") != want {
			t.Errorf("request %d: traceparent %q", i, a.header.Get("traceparent"))
		}
	}
	for _, wrong := range []string{"", "x", strings.Repeat("0", 32), someTrace + "0"} {
		wantError(t, s.do(t, "GET", "/v1/executions/?trace_id="+wrong, "", nil), 400, "invalid_argument")
	}
	// A cursor is of its trace.
	link := s.do(t, "GET", "/v1/executions/?limit=1&trace_id="+someTrace, "", nil).header.Get("Link")
	next, _, _ := strings.Cut(strings.TrimPrefix(link, "<"), ">")
	if a := s.do(t, "GET", next, "", nil); a.status != 200 {
		t.Errorf("the next page: %d %s", a.status, a.body)
	}
	wantError(t, s.do(t, "GET", strings.Replace(next, someTrace, strings.Repeat("1", 32), 1), "", nil), 400, "invalid_argument")
}
