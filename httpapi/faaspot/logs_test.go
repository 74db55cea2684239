package faaspot_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faaspot/faaspot/httpapi/internal/apitest"
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

// lines makes logs of lines of one stream, each written so many milliseconds after a time.
func lines(stream uint8, millis ...uint32) (l runtime.Logs) {
	l.Began = time.Date(2026, 2, 3, 4, 5, 6, 789e6, time.UTC)
	for i, after := range millis {
		if i == 0 || after != millis[i-1] {
			l.Marks = append(l.Marks, runtime.LogMark{Offset: len(l.Data), Stream: stream, Millis: after})
		}
		l.Data = append(l.Data, "a\n"...)
	}
	return l
}

// TestLogTimes requests the times of lines. Without a request an answer is as if there were none.
func TestLogTimes(t *testing.T) {
	t.Parallel()
	fake := &apitest.Fake{}
	ts := apitest.Start(t, fake, nil)
	fake.All = map[string]runtime.Execution{apitest.ID: apitest.ExecutionAt(apitest.ID, runtime.StateSucceeded)}
	logs := lines(1, 0, 0, 211, 3600_000)
	fake.OnLogs = func(context.Context, runtime.LogPosition) (runtime.LogPage, error) {
		return runtime.LogPage{Attempt: 1, State: runtime.StateSucceeded, Logs: logs}, nil
	}
	const path = "/v1/executions/" + apitest.ID + "/logs"
	head := `{"uuid":"` + apitest.ID + `","status":"Success","attempt":1,"truncated":false,"entries":[`
	plain := head + `{"stream":"stdout","text":"a\na\na\na\n"}]}`
	for query, want := range map[string]string{
		"":         plain,
		"?times=0": plain,
		"?times=1&stream=stdout": head + `{"stream":"stdout","time":"2026-02-03 04:05:06.789000+00:00","text":"a\na\n"},` +
			`{"stream":"stdout","time":"2026-02-03 04:05:07.000000+00:00","text":"a\n"},` +
			`{"stream":"stdout","time":"2026-02-03 05:05:06.789000+00:00","text":"a\n"}]}`,
		"?times=1&stream=stderr": head + `]}`,
		"?format=raw":            "a\na\na\na\n",
	} {
		if a := ts.Do(t, "GET", path+query, "", nil); a.Status != 200 || a.Body != want {
			t.Errorf("%s: %d %s", query, a.Status, a.Body)
		}
	}
	logs = written("a\n", "b\n") // of an earlier version
	if got, want := ts.Do(t, "GET", path+"?times=1", "", nil).Body, head+`{"stream":"stdout","text":"a\n"},{"stream":"stderr","text":"b\n"}]}`; got != want {
		t.Errorf("without times: %s", got)
	}
	for _, query := range []string{"?times=maybe", "?times=1&format=raw"} {
		apitest.WantError(t, ts.Do(t, "GET", path+query, "", nil), 400, "invalid_argument")
	}
}

func TestLogs(t *testing.T) {
	t.Parallel()
	fake := &apitest.Fake{}
	ts := apitest.Start(t, fake, nil)
	fake.All = map[string]runtime.Execution{apitest.ID: apitest.ExecutionAt(apitest.ID, runtime.StateRunning)}
	page := runtime.LogPage{Attempt: 2, State: runtime.StateRunning, Logs: written("out\n<&>\xff", "err\n", "é")}
	fake.OnLogs = func(_ context.Context, from runtime.LogPosition) (runtime.LogPage, error) {
		if from != (runtime.LogPosition{}) {
			t.Errorf("requested from %+v", from)
		}
		return page, nil
	}
	const path = "/v1/executions/" + apitest.ID + "/logs"
	head := `{"uuid":"` + apitest.ID + `","status":"Started","attempt":2,"truncated":false,"entries":[`
	for query, want := range map[string]string{
		"":                          head + `{"stream":"stdout","text":"out\n<&>` + "\ufffd" + `"},{"stream":"stderr","text":"err\n"},{"stream":"stdout","text":"é"}]}`,
		"?stream=stdout":            head + `{"stream":"stdout","text":"out\n<&>` + "\ufffd" + `é"}]}`,
		"?stream=stderr&format":     head + `{"stream":"stderr","text":"err\n"}]}`,
		"?format=raw":               "out\n<&>\xfferr\né",
		"?format=raw&stream=stdout": "out\n<&>\xffé",
		"?format=raw&stream=stderr": "err\n",
	} {
		a := ts.Do(t, "GET", path+query, "", nil)
		if diff := cmp.Diff(want, a.Body); a.Status != 200 || diff != "" {
			t.Errorf("%s: %d %s", query, a.Status, diff)
		}
		if a.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: a browser may take it for a page", query)
		}
	}
	page = runtime.LogPage{State: runtime.StateQueued}
	if got, want := ts.Do(t, "GET", path, "", nil).Body, `{"uuid":"`+apitest.ID+`","status":"Pending","attempt":0,"truncated":false,"entries":[]}`; got != want {
		t.Errorf("%s", got)
	}
	for _, query := range []string{"?stream=both", "?format=xml", "?follow=maybe", "?follow=1&format=raw"} {
		apitest.WantError(t, ts.Do(t, "GET", path+query, "", nil), 400, "invalid_argument")
	}
	for _, query := range []string{"", "?follow=1"} {
		apitest.WantError(t, ts.Do(t, "GET", "/v1/executions/x/logs"+query, "", nil), 404, "not_found")
	}
}

// TestLogsOfManyPages answers with logs that do not fit one page: they are streamed, and the
// connection breaks if the rest is gone.
func TestLogsOfManyPages(t *testing.T) {
	t.Parallel()
	fake := &apitest.Fake{}
	ts := apitest.Start(t, fake, nil)
	fake.All = map[string]runtime.Execution{apitest.ID: apitest.ExecutionAt(apitest.ID, runtime.StateRunning)}
	logs := written(strings.Repeat("out\n", 30_000), strings.Repeat("é", 50_000), "\xff")
	attempts := 1
	fake.OnLogs = func(_ context.Context, from runtime.LogPosition) (runtime.LogPage, error) {
		p := runtime.NewLogPage(1+from.Offset/100_000*(attempts-1), logs, from)
		p.State = runtime.StateRunning
		return p, nil
	}
	const path = "/v1/executions/" + apitest.ID + "/logs"
	head := `{"uuid":"` + apitest.ID + `","status":"Started","attempt":1,"truncated":false,"entries":[`
	out, errs := strings.Repeat("out\n", 30_000), strings.Repeat("é", 50_000)
	for query, want := range map[string]string{
		"":                          head + `{"stream":"stdout","text":"` + strings.ReplaceAll(out, "\n", `\n`) + `"},{"stream":"stderr","text":"` + errs + `"},{"stream":"stdout","text":"` + "\ufffd" + `"}]}`,
		"?stream=stderr":            head + `{"stream":"stderr","text":"` + errs + `"}]}`,
		"?format=raw":               string(logs.Data),
		"?format=raw&stream=stderr": errs,
	} {
		a := ts.Do(t, "GET", path+query, "", nil)
		if a.Status != 200 || a.Body != want || a.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %d, %d bytes instead of %d, %v", query, a.Status, len(a.Body), len(want), a.Header)
		}
		if a := ts.Do(t, "HEAD", path+query, "", nil); a.Status != 200 || a.Body != "" {
			t.Errorf("HEAD %s: %d, %d bytes", query, a.Status, len(a.Body))
		}
	}
	attempts = 2
	req, err := http.NewRequestWithContext(t.Context(), "GET", "http://api.test"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Token "+apitest.Token)
	resp, err := ts.Client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if all, err := io.ReadAll(resp.Body); err == nil || len(all) < 60_000 {
		t.Errorf("%d bytes of logs that were replaced, %v", len(all), err)
	}
}

// TestHeadOfStreamedLogs checks that the response to HEAD ends with its header, so that the next
// response on the connection is read as what it is.
func TestHeadOfStreamedLogs(t *testing.T) {
	t.Parallel()
	fake := &apitest.Fake{}
	ts := apitest.StartTCP(t, fake, nil)
	fake.All = map[string]runtime.Execution{apitest.ID: apitest.ExecutionAt(apitest.ID, runtime.StateRunning)}
	logs := written(strings.Repeat("out\n", 30_000))
	fake.OnLogs = func(_ context.Context, from runtime.LogPosition) (runtime.LogPage, error) {
		return runtime.NewLogPage(1, logs, from), nil
	}
	c := apitest.DialRaw(t, ts.Addr)
	for _, query := range []string{"", "?stream=stdout", "?format=raw", "?follow=1"} {
		c.Send(t, "HEAD /v1/executions/"+apitest.ID+"/logs"+query+" HTTP/1.1\r\nHost: a\r\n"+apitest.AuthLine+"\r\n")
	}
	c.Send(t, "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
	all, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(string(all), "\r\n\r\n")
	if len(parts) != 6 {
		t.Fatalf("%d parts: %q", len(parts), parts)
	}
	for i, part := range parts[:5] {
		if !strings.HasPrefix(part, "HTTP/1.1 200 OK\r\n") {
			t.Errorf("response %d: %q", i, part)
		}
	}
}
