package httpapi

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/faaspot/faaspot/runtime"
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
func (ts *testServer) follow(t *testing.T, query, last string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", "http://api.test/v1/executions/"+testID+"/logs?follow=1"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Token "+testToken)
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	resp, err := ts.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" || resp.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %v", resp.StatusCode, resp.Header)
	}
	return resp
}

// pagesOf gives a page after the other, whatever position is asked for.
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
	fake := &fakeEngine{}
	ts := startTCP(t, fake, nil) // the listener in memory has connections whose deadlines one goroutine alone may set
	done := execAt(testID, runtime.StateSucceeded)
	done.Result = []byte(`"` + strings.Repeat("x", 2*runtime.KiB) + `"`)
	done.ResultSize = len(done.Result)
	fake.all = map[string]runtime.Execution{testID: done}
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
			fake.logPages = pagesOf(c.pages...)
			var got []event
			err := readEvents(bufio.NewReader(ts.follow(t, c.query, c.last).Body), func(e event) { got = append(got, e) })
			if err == nil || len(got) == 0 || got[len(got)-1].name != "end" {
				t.Fatalf("%v, ended by %v", got, err)
			}
			var x execution
			if err := json.Unmarshal([]byte(got[len(got)-1].data), &x); err != nil || x.UUID != testID || x.Status != statusSuccess || !x.OutputOmitted {
				t.Errorf("%+v: %v", x, err)
			}
			if diff := cmp.Diff(c.want, got[:len(got)-1], cmp.AllowUnexported(event{})); diff != "" && len(c.want)+len(got) > 1 {
				t.Error(diff)
			}
		})
	}
	for _, last := range []string{"x", "1", "1.", ".1", "-1.0", "1.-1", "1.2.3"} {
		wantError(t, ts.do(t, "GET", "/v1/executions/"+testID+"/logs?follow=1", "", header{"Last-Event-ID": last}), 400, "invalid_argument")
	}
	if n := ts.waiting.Load(); n != 0 {
		t.Errorf("%d are said to follow", n)
	}
}

// TestFollowTellsEveryByte: however text falls into pages and events, what is
// told is what was written, and going on from any event's id tells the rest.
func TestFollowTellsEveryByte(t *testing.T) {
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
		f := &follower{conn: noConn{}, out: bufio.NewWriter(&out), server: &Server{opts: Options{WriteTimeout: time.Second}}}
		for from < len(text) {
			if err := f.tell(page(rapid.IntRange(1, 20_000).Draw(t, "page"))); err != nil {
				t.Fatal(err)
			}
		}
		if err := f.tell(runtime.LogPage{Attempt: 1, State: runtime.StateSucceeded, Next: f.from}); err != nil {
			t.Fatal(err)
		}
		_ = readEvents(bufio.NewReader(strings.NewReader(out.String())), func(e event) {
			var entry logEntry
			if err := json.Unmarshal([]byte(e.data), &entry); err != nil || len(entry.Text) > maxEventText {
				t.Fatalf("%.100s: %v", e.data, err)
			}
			whole += entry.Text
			if want := fmt.Sprintf("1.%d", len(whole)); e.id != want {
				t.Fatalf("id %s behind %d bytes", e.id, len(whole))
			}
		})
		if whole != text {
			t.Fatalf("told %q of %q", whole, text)
		}
	})
}

// noConn has deadlines, and nothing else.
type noConn struct{ net.Conn }

func (noConn) SetWriteDeadline(time.Time) error { return nil }

// TestFollowNoticesThatTheClientIsGone and lets go of its place.
func TestFollowNoticesThatTheClientIsGone(t *testing.T) {
	fake := &fakeEngine{}
	ts := startTCP(t, fake, nil)
	fake.all = map[string]runtime.Execution{testID: execAt(testID, runtime.StateRunning)}
	at := 0
	fake.logPages = func(context.Context, runtime.LogPosition) (runtime.LogPage, error) {
		at++ // a function that never stops to write
		return runtime.LogPage{Attempt: 1, State: runtime.StateRunning, Logs: written("x"), Next: runtime.LogPosition{Attempt: 1, Offset: at}}, nil
	}
	resp := ts.follow(t, "", "")
	if _, err := bufio.NewReader(resp.Body).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil {
		t.Fatal(err)
	}
	for ts.waiting.Load() > 0 {
		time.Sleep(time.Millisecond)
	}
}

// TestShutdownEndsStreams though the execution goes on.
func TestShutdownEndsStreams(t *testing.T) {
	fake := &fakeEngine{}
	ts := startTCP(t, fake, nil)
	fake.all = map[string]runtime.Execution{testID: execAt(testID, runtime.StateRunning)}
	first := true
	fake.logPages = func(ctx context.Context, _ runtime.LogPosition) (runtime.LogPage, error) {
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
	resp := ts.follow(t, "", "")
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
