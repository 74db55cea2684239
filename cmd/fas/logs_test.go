package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
)

// Entries of a log need not be whole lines: streams are told apart, lines are completed, and lines without
// an end are printed in parts.
func TestLogLines(t *testing.T) {
	var out strings.Builder
	p := &logPrinter{app: &app{}, flags: &logFlags{asJSON: true}}
	p.Out = &out
	long := strings.Repeat("x", longLogLine)
	err := p.printLog(client.Execution{ID: anyID, Failure: &client.Failure{Message: "two\nlines"}}, []client.LogEntry{
		{Stream: client.Stdout, Text: "be"},
		{Stream: client.Stderr, Text: "oh\n\nno"},
		{Stream: client.Stdout, Text: "gins\nends"},
		{Stream: client.Stderr, Text: long[:len(long)-2]},
		{Stream: client.Stderr, Text: "y"},
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(out.String()) {
		var l logLine
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatal(err)
		}
		got = append(got, string(l.Stream)+" "+strings.ReplaceAll(l.Text, "xx", ""))
	}
	if diff := cmp.Diff([]string{"stderr oh", "stderr ", "stdout begins", "stderr no", "stdout ends", "stderr y", "error error: two", "error lines"}, got); diff != "" {
		t.Error(diff)
	}
}

// A line has the time at which it began, whatever entries complete it, and whatever another stream writes
// between them.
func TestLogLineTimes(t *testing.T) {
	at := func(n int) client.Moment { return client.Moment{Time: time.Date(2026, 2, 3, 4, 5, 6, n*1e6, time.UTC)} }
	entries := []client.LogEntry{
		{Stream: client.Stdout, Time: at(1), Text: "one\nbe"},
		{Stream: client.Stderr, Time: at(2), Text: "oh\n"},
		{Stream: client.Stdout, Time: at(3), Text: "gins\nthree\n"},
		{Stream: client.Stdout, Text: "of an earlier version"},
	}
	stamp := func(n int) string { return fmt.Sprintf("2026-02-03T04:05:06.%03dZ", n) }

	var out, talk strings.Builder
	a := &app{}
	a.Out, a.Err = &out, &talk
	if err := a.writeLog(client.Logs{Entries: entries}, true); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(stamp(1)+" one\n"+stamp(1)+" begins\n"+stamp(3)+" three\n- of an earlier version", out.String()); diff != "" || talk.String() != stamp(2)+" oh\n" {
		t.Errorf("%s, %q", diff, talk.String())
	}

	out.Reset()
	if err := a.writePrefixed("task | ", client.Logs{Entries: entries}, true); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("task | "+stamp(1)+" one\ntask | "+stamp(1)+" begins\ntask | "+stamp(3)+" three\ntask | - of an earlier version\n", out.String()); diff != "" {
		t.Error(diff)
	}

	out.Reset()
	talk.Reset()
	p := &logPrinter{app: a, flags: &logFlags{times: true}}
	if err := p.printLog(client.Execution{ID: "id", Name: "f", Finished: at(9), Failure: &client.Failure{Message: "no"}}, entries); err != nil {
		t.Fatal(err)
	}
	const rest = "\tid\tf\t"
	if diff := cmp.Diff(stamp(1)+rest+"one\n"+stamp(1)+rest+"begins\n"+stamp(3)+rest+"three\n-"+rest+"of an earlier version\n", out.String()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(stamp(2)+rest+"oh\n"+stamp(9)+rest+"error: no\n", talk.String()); diff != "" {
		t.Error(diff)
	}
}

// Another attempt, and another task, begin new lines, though the last one is not complete. A line has one beginning
// and one end, however long it is.
func TestLogLinesEnd(t *testing.T) {
	at := client.Moment{Time: time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)}
	later := client.Moment{Time: at.Add(time.Second)}
	const stamp, stampLater = "2026-02-03T04:05:06.000Z ", "2026-02-03T04:05:07.000Z "
	first := client.LogEntry{Stream: client.Stdout, Time: at, Text: "killed he"}
	second := client.LogEntry{Stream: client.Stdout, Time: later, Text: "again\n"}
	var out, talk strings.Builder
	a := &app{}
	a.Out, a.Err = &out, &talk

	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		event := func(e client.LogEntry) {
			fmt.Fprintf(w, "event: log\ndata: {\"stream\":\"stdout\",\"text\":%q,\"time\":%q}\n\n", e.Text, e.Time.Format("2006-01-02 15:04:05.999999-07:00"))
		}
		event(first)
		fmt.Fprint(w, "event: attempt\ndata: {\"attempt\":2}\n\n")
		event(second)
		fmt.Fprintf(w, "event: end\ndata: {\"uuid\":%q,\"status\":\"Success\",\"output\":1}\n\n", anyID)
	}))
	defer web.Close()
	c, err := client.New(client.Options{URL: web.URL, Token: "t"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := a.followLogs(t.Context(), c, anyID, client.LogOptions{Times: true}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(stamp+"killed he\n"+stampLater+"again\n", out.String()); diff != "" {
		t.Errorf("fas executions logs -f -t: %s", diff)
	}

	out.Reset()
	p := &logPrinter{app: a, client: c, flags: &logFlags{times: true}}
	f := &logFollower{logPrinter: p, stop: func(err error) { t.Error(err) }, known: knownIDs{all: make(map[string]struct{})}}
	f.print(t.Context(), client.Execution{ID: anyID, Name: "f"})
	rest := "\t" + anyID + "\tf\t"
	if diff := cmp.Diff(strings.TrimSpace(stamp)+rest+"killed he\n"+strings.TrimSpace(stampLater)+rest+"again\n", out.String()); diff != "" {
		t.Errorf("fas logs -f -t: %s", diff)
	}

	long := strings.Repeat("x", longLogLine)
	entries := []client.LogEntry{
		{Stream: client.Stdout, Time: at, Text: long},
		{Stream: client.Stdout, Time: later, Text: long},
		{Stream: client.Stdout, Time: later, Text: "y\nz"},
	}
	for times, want := range map[bool]string{false: "task | " + long + long + "y\ntask | z\n", true: "task | " + stamp + long + long + "y\ntask | " + stampLater + "z\n"} {
		out.Reset()
		if err := a.writePrefixed("task | ", client.Logs{Entries: entries}, times); err != nil || out.String() != want {
			t.Errorf("%v, times %v: %d bytes that differ", err, times, out.Len())
		}
	}
	// Parts of a long line have its time.
	var lines logLines
	var got []client.Moment
	for _, e := range entries {
		if err := lines.add(e, func(at client.Moment, _ string) error { got = append(got, at); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]client.Moment{at, at, at}, got); diff != "" {
		t.Errorf("the times of parts: %s", diff)
	}
}

// Executions that have been printed are forgotten when there are too many, those in progress never.
func TestKnownIDs(t *testing.T) {
	k := knownIDs{all: make(map[string]struct{})}
	if !k.begin("runs") || k.begin("runs") || !k.begin("forgotten") {
		t.Fatal("not known once it has begun")
	}
	k.forget("forgotten")
	if !k.begin("forgotten") {
		t.Error("known, but forgotten")
	}
	for i := range 3 * rememberedLogs {
		id := fmt.Sprint(i)
		if !k.begin(id) {
			t.Fatal(id, " is known")
		}
		k.end(id)
	}
	if k.begin("runs") || k.begin(fmt.Sprint(3*rememberedLogs-1)) || !k.begin("0") {
		t.Error("forgotten, or still known")
	}
	if n := len(k.all); n > rememberedLogs+3 {
		t.Errorf("%d are remembered", n)
	}
}

// Of many executions that run, the logs of 16 are followed; those of the others are printed when they have
// ended, each once.
func TestLogStreamsAreBounded(t *testing.T) {
	const runs = followedLogs + 5
	execution := func(i int, status string) string {
		return fmt.Sprintf(`{"uuid":"019aa8f0-93c1-7d1e-a1f7-%012d","name":"f","status":%q,"created":"2017-07-21 15:10:52+00:00","started":"2017-07-21 15:10:52+00:00"}`, i, status)
	}
	var mu sync.Mutex
	open, most := 0, 0
	full, released := make(chan struct{}), make(chan struct{})
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		control := http.NewResponseController(w)
		if !strings.HasSuffix(r.URL.Path, "/logs") {
			for i := range runs {
				fmt.Fprintf(w, "event: execution\ndata: %s\n\n", execution(i, "Started"))
			}
			fmt.Fprint(w, "event: listed\ndata: {}\n\n")
			_ = control.Flush()
			<-full
			close(released)
			for i := range runs {
				fmt.Fprintf(w, "event: execution\ndata: %s\n\n", execution(i, "Success"))
			}
			_ = control.Flush()
			<-r.Context().Done()
			return
		}
		mu.Lock()
		open++
		select {
		case <-released: // readers of executions that have ended are bounded, too
		default:
			most = max(most, open)
		}
		if open == followedLogs {
			select {
			case <-full:
			default:
				close(full)
			}
		}
		mu.Unlock()
		<-released
		mu.Lock()
		open--
		mu.Unlock()
		var i int
		_, _ = fmt.Sscanf(strings.TrimSuffix(r.URL.Path, "/logs"), "/v1/executions/019aa8f0-93c1-7d1e-a1f7-%d", &i)
		fmt.Fprintf(w, "event: log\ndata: {\"stream\":\"stdout\",\"text\":\"of %d\\n\"}\n\nevent: end\ndata: %s\n\n", i, execution(i, "Success"))
	}))
	defer web.Close()
	c, err := client.New(client.Options{URL: web.URL, Token: "t"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	lines := make(map[string]int)
	read, written := io.Pipe()
	p := &logPrinter{app: &app{}, client: c, flags: &logFlags{limit: 100, asJSON: true}}
	p.Out, p.Err = written, io.Discard
	go func() {
		decoder := json.NewDecoder(read)
		for range runs {
			var l struct{ Text string }
			if decoder.Decode(&l) != nil {
				break
			}
			lines[l.Text]++
		}
		stop()
		_, _ = io.Copy(io.Discard, read)
	}()
	if err := followAll(ctx, p); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	written.Close()
	if len(lines) != runs {
		t.Errorf("%d logs, want %d: %v", len(lines), runs, lines)
	}
	if most != followedLogs {
		t.Errorf("%d streams at once, want %d", most, followedLogs)
	}
}
