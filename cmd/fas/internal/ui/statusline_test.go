package ui

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
)

// fakeScreen is a terminal of one line.
type fakeScreen struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (s *fakeScreen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all.Write(p)
}

// line returns what the terminal shows.
func (s *fakeScreen) line() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := s.all.String()
	text = text[strings.LastIndexByte(text, '\r')+1:]
	text, erased := strings.CutSuffix(text, "\x1b[K")
	if text != "" && !erased {
		return "not erased behind " + text
	}
	return text
}

func TestStatusLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s fakeScreen
		began := time.Now()
		l := startStatusLine(&s, 12)
		l.Set(func() string { return "for " + SecondsText(time.Since(began)) + " so far" })
		time.Sleep(statusDelay - time.Millisecond)
		synctest.Wait()
		if got := s.line(); got != "" {
			t.Errorf("too early: %q", got)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if got := s.line(); got != "for 2s so fa" {
			t.Errorf("shown: %q", got)
		}
		l.Set(func() string { return "short" })
		time.Sleep(statusEvery)
		synctest.Wait()
		if got := s.line(); got != "short" {
			t.Errorf("shown: %q", got)
		}
		l.Clear()
		if got := s.line(); got != "" {
			t.Errorf("left behind: %q", got)
		}
	})
}

// A command that is done at once shows nothing.
func TestStatusLineOfBriefCommand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s fakeScreen
		l := startStatusLine(&s, 80)
		l.Set(func() string { return "hello" })
		time.Sleep(statusDelay / 2)
		l.Clear()
		if s.all.Len() > 0 {
			t.Errorf("%q", s.all.String())
		}
	})
}

func TestStatusLineIsForTerminals(t *testing.T) {
	a := &Terminal{Err: new(bytes.Buffer)}
	l := a.StatusLine()
	if l != nil {
		t.Error("a buffer gets a status line")
	}
	l.Set(func() string { return "x" }) // without one nothing happens
	l.Clear()
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if a.Err = file; a.StatusLine() != nil {
		t.Error("/dev/null gets a status line")
	}
}

func TestExecutionProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &ExecutionProgress{Function: "f", Began: time.Now()}
		time.Sleep(1500 * time.Millisecond)
		for _, step := range []struct {
			do   func()
			want string
		}{
			{func() {}, "f waits for its turn, 1s"},
			{func() { p.Update(client.Execution{Status: client.StatusPending}) }, "f waits for its turn, 1s"},
			{func() { p.Update(client.Execution{Status: client.StatusStarted, Attempts: 1}) }, "f runs, 1s"},
			{func() { p.Update(client.Execution{Status: client.StatusStarted, CancelRequested: true}) }, "f is being stopped, 1s"},
			{func() { p.Update(client.Execution{Status: client.StatusPending, Attempts: 1}) }, "f waits for attempt 2, 1s"},
			{func() { p.Update(client.Execution{Status: client.StatusStarted, Attempts: 2}) }, "f runs, attempt 2, 1s"},
			{func() { p.Retrying(fmt.Errorf("no server listens")) }, "no server listens; trying again, 1s"},
			{func() { p.Update(client.Execution{Status: client.StatusStarted, Attempts: 3}) }, "f runs, attempt 3, 1s"},
		} {
			if step.do(); p.Text() != step.want {
				t.Errorf("%q, want %q", p.Text(), step.want)
			}
		}
	})
}

func TestBulkProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewBulkProgress(400)
		if got := p.Text(); got != "[                ]   0%  0 of 400" {
			t.Errorf("at the start: %q", got)
		}
		for i := range 100 {
			x := client.Execution{Status: client.StatusSuccess}
			switch i {
			case 3:
				x = client.Execution{ID: "bad", Status: client.StatusFailed, Output: []byte("1")}
			case 5:
				x = client.Execution{ID: "stopped", Status: client.StatusCancelled}
			}
			p.Done(x)
		}
		time.Sleep(10 * time.Second)
		if got, want := p.Text(), "[====            ]  25%  100 of 400, 2 did not succeed, 10/s, 30s left"; got != want {
			t.Errorf("%q, want %q", got, want)
		}
		if len(p.Text()) > statusWidth {
			t.Error("it is wider than a terminal")
		}
		if got := p.tally.String(); got != "98 succeeded, 1 failed, 1 cancelled" {
			t.Errorf("the tally: %s", got)
		}
		if len(p.failed) != 2 || p.failed[0].ID != "bad" || p.failed[0].Output != nil {
			t.Errorf("kept: %+v", p.failed)
		}
		p.Retrying(fmt.Errorf("no server listens"))
		if got := p.Text(); got != "no server listens; trying again, 10s" {
			t.Errorf("without a server: %q", got)
		}
		for range 300 {
			p.Done(client.Execution{ID: "lost", Status: client.StatusNotFound})
		}
		if got := p.Text(); !strings.HasPrefix(got, "[================] 100%  400 of 400, ") {
			t.Errorf("at the end: %q", got)
		}
		if got := p.tally.String(); got != "98 succeeded, 1 failed, 1 cancelled, 300 not found" {
			t.Errorf("the tally: %s", got)
		}
		if len(p.failed) != MaxShownFailures {
			t.Errorf("kept %d", len(p.failed))
		}
	})
}

// Neither no runs nor no finished runs are a division by zero.
func TestBulkProgressOfNoRuns(t *testing.T) {
	if got := NewBulkProgress(0).Text(); got != "[                ]   0%  0 of 0" {
		t.Errorf("%q", got)
	}
}
