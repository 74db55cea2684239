package httpapi

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/faaspot/faaspot/runtime"
)

// written makes logs of stretches that alternate between stdout and stderr,
// beginning with stdout.
func written(stretches ...string) runtime.Logs {
	var l runtime.Logs
	for i, text := range stretches {
		if text == "" {
			continue
		}
		l.Marks = append(l.Marks, runtime.LogMark{Offset: len(l.Data), Stream: uint8(1 + i%2)})
		l.Data = append(l.Data, text...)
	}
	return l
}

func TestLogs(t *testing.T) {
	fake := &fakeEngine{}
	ts := start(t, fake, nil)
	fake.all = map[string]runtime.Execution{testID: execAt(testID, runtime.StateRunning)}
	page := runtime.LogPage{Attempt: 2, State: runtime.StateRunning, Logs: written("out\n<&>\xff", "err\n", "é")}
	fake.logPages = func(_ context.Context, from runtime.LogPosition) (runtime.LogPage, error) {
		if from != (runtime.LogPosition{}) {
			t.Errorf("asked from %+v", from)
		}
		return page, nil
	}
	const path = "/v1/executions/" + testID + "/logs"
	head := `{"uuid":"` + testID + `","status":"Started","attempt":2,"truncated":false,"entries":[`
	for query, want := range map[string]string{
		"":                          head + `{"stream":"stdout","text":"out\n<&>` + "\ufffd" + `"},{"stream":"stderr","text":"err\n"},{"stream":"stdout","text":"é"}]}`,
		"?stream=stdout":            head + `{"stream":"stdout","text":"out\n<&>` + "\ufffd" + `é"}]}`,
		"?stream=stderr&format":     head + `{"stream":"stderr","text":"err\n"}]}`,
		"?format=raw":               "out\n<&>\xfferr\né",
		"?format=raw&stream=stdout": "out\n<&>\xffé",
		"?format=raw&stream=stderr": "err\n",
	} {
		a := ts.do(t, "GET", path+query, "", nil)
		if diff := cmp.Diff(want, a.body); a.status != 200 || diff != "" {
			t.Errorf("%s: %d %s", query, a.status, diff)
		}
		if a.header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: a browser may take it for a page", query)
		}
	}
	page = runtime.LogPage{State: runtime.StateQueued}
	if got, want := ts.do(t, "GET", path, "", nil).body, `{"uuid":"`+testID+`","status":"Pending","attempt":0,"truncated":false,"entries":[]}`; got != want {
		t.Errorf("%s", got)
	}
	for _, query := range []string{"?stream=both", "?format=xml", "?follow=maybe", "?follow=1&format=raw"} {
		wantError(t, ts.do(t, "GET", path+query, "", nil), 400, "invalid_argument")
	}
	for _, query := range []string{"", "?follow=1"} {
		wantError(t, ts.do(t, "GET", "/v1/executions/x/logs"+query, "", nil), 404, "not_found")
	}
}
