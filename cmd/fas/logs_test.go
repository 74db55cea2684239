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
