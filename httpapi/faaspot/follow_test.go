package faaspot_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/faaspot/faaspot/httpapi"
	"github.com/faaspot/faaspot/httpapi/faaspot"
	"github.com/faaspot/faaspot/httpapi/internal/apitest"
	"github.com/faaspot/faaspot/httpapi/wire"
	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/memory"
)

// event is one server-sent event, or a comment, which has no name.
type event struct{ name, id, data string }

// readEvents reads events as browsers do, until the stream ends.
func readEvents(r *bufio.Reader, each func(event)) error {
	var e event
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return err
		}
		switch field, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": "); {
		case line == "\n":
			if e.data != "" {
				each(e)
			}
			e = event{}
		case field == "event":
			e.name = value
		case field == "id":
			e.id = value
		case field == "data":
			e.data += value
		case line != ": \n":
			return fmt.Errorf("line %q", line)
		}
	}
}

// follow asks for the events of an execution.
func follow(t *testing.T, ts *apitest.Served, query, last string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", "http://api.test/v1/executions/"+apitest.ID+"/logs?follow=1"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Token "+apitest.Token)
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	resp, err := ts.Client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" || resp.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %v", resp.StatusCode, resp.Header)
	}
	return resp
}

// pagesOf returns one page after the other, whatever position the caller asks for.
func pagesOf(pages ...runtime.LogPage) func(context.Context, runtime.LogPosition) (runtime.LogPage, error) {
	var at runtime.LogPosition
	return func(context.Context, runtime.LogPosition) (runtime.LogPage, error) {
		p := pages[0]
		if len(pages) > 1 {
			pages = pages[1:]
		}
		if p.Attempt != at.Attempt {
			at = runtime.LogPosition{Attempt: p.Attempt}
		}
		at.Offset += len(p.Logs.Data)
		p.Next = at
		return p, nil
	}
}

func TestFollow(t *testing.T) {
	t.Parallel()
	fake := &apitest.Fake{}
	ts := apitest.StartTCP(t, fake, nil) // the listener in memory has connections whose deadlines one goroutine alone may set
	done := apitest.ExecutionAt(apitest.ID, runtime.StateSucceeded)
	done.Result = []byte(`"` + strings.Repeat("x", 2*runtime.KiB) + `"`)
	done.ResultSize = len(done.Result)
	fake.All = map[string]runtime.Execution{apitest.ID: done}
	running := func(attempt int, text ...string) runtime.LogPage {
		return runtime.LogPage{Attempt: attempt, State: runtime.StateRunning, Logs: written(text...)}
	}
	end := runtime.LogPage{Attempt: 2, State: runtime.StateSucceeded}
	log := func(id, stream, text string) event {
		return event{"log", id, fmt.Sprintf(`{"stream":"%s","text":"%s"}`, stream, text)}
	}
	for name, c := range map[string]struct {
		query, last string
		pages       []runtime.LogPage
		want        []event
	}{
		"nothing": {"", "", []runtime.LogPage{end}, nil},
		"both streams": {
			"", "",
			[]runtime.LogPage{running(2, "a\\n", "<b>"), running(2, "", "c"), end},
			[]event{log("2.3", "stdout", `a\\n`), log("2.6", "stderr", "<b>"), log("2.7", "stderr", "c")},
		},
		"times": {
			"&times=1", "",
			[]runtime.LogPage{
				{Attempt: 2, State: runtime.StateRunning, Logs: lines(2, 0, 0, 40)},
				{Attempt: 2, State: runtime.StateRunning, Logs: lines(1, 40, 90)},
				end,
			},
			[]event{
				{"log", "2.4", `{"stream":"stderr","time":"2026-02-03 04:05:06.789000+00:00","text":"a\na\n"}`},
				{"log", "2.6", `{"stream":"stderr","time":"2026-02-03 04:05:06.829000+00:00","text":"a\n"}`},
				{"log", "2.8", `{"stream":"stdout","time":"2026-02-03 04:05:06.829000+00:00","text":"a\n"}`},
				{"log", "2.10", `{"stream":"stdout","time":"2026-02-03 04:05:06.879000+00:00","text":"a\n"}`},
			},
		},
		"times that are not requested": {
			"", "",
			[]runtime.LogPage{{Attempt: 2, State: runtime.StateRunning, Logs: lines(2, 0, 20, 40)}, end},
			[]event{log("2.6", "stderr", `a\na\na\n`)},
		},
		"times that are not known": {
			"&times=1", "",
			[]runtime.LogPage{running(2, "a", "b"), end},
			[]event{log("2.1", "stdout", "a"), log("2.2", "stderr", "b")},
		},
		"one stream": {
			"&stream=stderr", "",
			[]runtime.LogPage{running(2, "a", "b"), running(2, "c"), running(2, "", "d"), end},
			[]event{log("2.2", "stderr", "b"), log("2.4", "stderr", "d")},
		},
		"another attempt": {
			"", "",
			[]runtime.LogPage{running(1, "a"), running(2), running(2, "b"), end},
			[]event{log("1.1", "stdout", "a"), {"attempt", "", `{"attempt":2}`}, log("2.1", "stdout", "b")},
		},
		"another attempt since": {
			"", "1.7",
			[]runtime.LogPage{running(2, "b"), end},
			[]event{{"attempt", "", `{"attempt":2}`}, log("2.1", "stdout", "b")},
		},
		"a character in two pages": {
			"", "",
			[]runtime.LogPage{running(2, "a\xf0\x9f"), running(2, "\x90"), running(2, "\x8db"), end},
			[]event{log("2.1", "stdout", "a"), log("2.6", "stdout", "🐍b")},
		},
		"a character that never comes": {
			"", "",
			[]runtime.LogPage{running(2, "a\xf0\x9f"), running(2, "", "x"), running(2, "\xc3"), end},
			[]event{log("2.1", "stdout", "a"), log("2.3", "stdout", "\ufffd"), log("2.4", "stderr", "x"), log("2.5", "stdout", "\ufffd")},
		},
	} {
		t.Run(name, func(t *testing.T) {
			fake.OnLogs = pagesOf(c.pages...)
			var got []event
			err := readEvents(bufio.NewReader(follow(t, ts, c.query, c.last).Body), func(e event) { got = append(got, e) })
			if err == nil || len(got) == 0 || got[len(got)-1].name != "end" {
				t.Fatalf("%v, ended by %v", got, err)
			}
			var x wire.Execution[*string]
			if err := json.Unmarshal([]byte(got[len(got)-1].data), &x); err != nil || x.UUID != apitest.ID || x.Status != wire.StatusSuccess || !x.OutputOmitted {
				t.Errorf("%+v: %v", x, err)
			}
			if diff := cmp.Diff(c.want, got[:len(got)-1], cmp.AllowUnexported(event{})); diff != "" && len(c.want)+len(got) > 1 {
				t.Error(diff)
			}
		})
	}
	for _, last := range []string{"x", "1", "1.", ".1", "-1.0", "1.-1", "1.2.3"} {
		apitest.WantError(t, ts.Do(t, "GET", "/v1/executions/"+apitest.ID+"/logs?follow=1", "", apitest.Header{"Last-Event-ID": last}), 400, "invalid_argument")
	}
	if n := ts.Waiting(); n != 0 {
		t.Errorf("%d are said to follow", n)
	}
}

// TestFollowSendsEveryByte divides text into pages at random. The events have all of the text,
// and the id of each event is the position after it.
func TestFollowSendsEveryByte(t *testing.T) {
	t.Parallel()
	alphabet := []string{"a", "\n", "é", "🐍", "<", "日", "\x00"}
	rapid.Check(t, func(t *rapid.T) {
		var text string
		for _, s := range rapid.SliceOf(rapid.SampledFrom(alphabet)).Draw(t, "text") {
			text += strings.Repeat(s, rapid.SampledFrom([]int{1, 2, 3, 9000}).Draw(t, "times"))
		}
		from := 0
		whole := ""
		page := func(n int) runtime.LogPage {
			n = min(n, len(text)-from)
			p := runtime.LogPage{Attempt: 1, State: runtime.StateRunning, Logs: written(text[from : from+n])}
			from += n
			p.Next = runtime.LogPosition{Attempt: 1, Offset: from}
			return p
		}
		var out strings.Builder
		f := faaspot.NewFollower(noConn{}, bufio.NewWriter(&out))
		for from < len(text) {
			if err := f.SendPage(page(rapid.IntRange(1, 20_000).Draw(t, "page"))); err != nil {
				t.Fatal(err)
			}
		}
		if err := f.SendPage(runtime.LogPage{Attempt: 1, State: runtime.StateSucceeded, Next: f.From()}); err != nil {
			t.Fatal(err)
		}
		_ = readEvents(bufio.NewReader(strings.NewReader(out.String())), func(e event) {
			var entry wire.LogEntry[string]
			if err := json.Unmarshal([]byte(e.data), &entry); err != nil || len(entry.Text) > faaspot.MaxEventText {
				t.Fatalf("%.100s: %v", e.data, err)
			}
			whole += entry.Text
			if want := fmt.Sprintf("1.%d", len(whole)); e.id != want {
				t.Fatalf("id %s behind %d bytes", e.id, len(whole))
			}
		})
		if whole != text {
			t.Fatalf("sent %q of %q", whole, text)
		}
	})
}

// noConn has deadlines, and nothing else.
type noConn struct{ net.Conn }

func (noConn) SetWriteDeadline(time.Time) error { return nil }

// TestFollowNoticesDisconnectedClient checks that a stream ends and no longer counts as waiting
// once its client has disconnected.
func TestFollowNoticesDisconnectedClient(t *testing.T) {
	t.Parallel()
	fake := &apitest.Fake{}
	ts := apitest.StartTCP(t, fake, nil)
	fake.All = map[string]runtime.Execution{apitest.ID: apitest.ExecutionAt(apitest.ID, runtime.StateRunning)}
	at := 0
	fake.OnLogs = func(context.Context, runtime.LogPosition) (runtime.LogPage, error) {
		at++ // a function that never stops to write
		return runtime.LogPage{Attempt: 1, State: runtime.StateRunning, Logs: written("x"), Next: runtime.LogPosition{Attempt: 1, Offset: at}}, nil
	}
	resp := follow(t, ts, "", "")
	if _, err := bufio.NewReader(resp.Body).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil {
		t.Fatal(err)
	}
	for ts.Waiting() > 0 {
		time.Sleep(time.Millisecond)
	}
}

// TestShutdownEndsStreams checks that a shutdown ends a stream whose execution continues.
func TestShutdownEndsStreams(t *testing.T) {
	t.Parallel()
	fake := &apitest.Fake{}
	ts := apitest.StartTCP(t, fake, nil)
	fake.All = map[string]runtime.Execution{apitest.ID: apitest.ExecutionAt(apitest.ID, runtime.StateRunning)}
	first := true
	fake.OnLogs = func(ctx context.Context, _ runtime.LogPosition) (runtime.LogPage, error) {
		p := runtime.LogPage{Attempt: 1, State: runtime.StateRunning, Next: runtime.LogPosition{Attempt: 1, Offset: 1}}
		if first {
			first = false
			p.Logs = written("x")
			return p, nil
		}
		<-ctx.Done()
		return p, nil
	}
	var got []event
	over := make(chan error, 1)
	resp := follow(t, ts, "", "")
	r := bufio.NewReader(resp.Body)
	seen := make(chan struct{})
	go func() {
		over <- readEvents(r, func(e event) {
			got = append(got, e)
			close(seen)
		})
	}()
	<-seen
	if err := ts.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	<-over
	if len(got) != 1 || got[0].data != `{"stream":"stdout","text":"x"}` {
		t.Errorf("%v", got)
	}
}

// TestFollowersTakeMemoryFirst checks that logs are not read for a follower without memory, and that
// one whose logs cannot be read gives its memory back.
func TestFollowersTakeMemoryFirst(t *testing.T) {
	t.Parallel()
	b := memory.New(64*runtime.MiB, nil)
	fake := &apitest.Fake{}
	ts := apitest.StartTCP(t, fake, func(o *httpapi.Options) { o.Memory = b })
	fake.All = map[string]runtime.Execution{apitest.ID: apitest.ExecutionAt(apitest.ID, runtime.StateRunning)}
	var reads atomic.Int32
	fake.OnLogs = func(context.Context, runtime.LogPosition) (runtime.LogPage, error) {
		reads.Add(1)
		return runtime.LogPage{}, runtime.Errorf(runtime.CodeUnavailable, "the disk is busy")
	}
	follow := func() apitest.Answer { return ts.Do(t, "GET", "/v1/executions/"+apitest.ID+"/logs?follow=1", "", nil) }
	apitest.WantError(t, follow(), 503, "unavailable")
	for _, h := range b.Holders() {
		if h.Name == "followers" && h.Bytes != 0 {
			t.Errorf("%d bytes are held", h.Bytes)
		}
	}
	if n := ts.Waiting(); n != 0 {
		t.Errorf("%d places are held", n)
	}
	others := b.Open(memory.Options{Name: "others"})
	others.Add(b.Total() - b.Used() - 160*runtime.KiB - b.Reserve()/2)
	apitest.WantError(t, follow(), 429, "too_busy")
	if n := reads.Load(); n != 1 {
		t.Errorf("logs were read %d times", n)
	}
}
