package ui

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
)

func TestJobTable(t *testing.T) {
	half := client.JobStats{Total: 1000, Running: 20, Success: 495, Failure: 5, Retried: 3}
	for name, tc := range map[string]struct {
		view jobView
		want string
	}{
		"not known yet": {
			jobView{job: "bills", elapsed: 1500 * time.Millisecond},
			"bills was accepted, 1s",
		},
		"waits": {
			jobView{job: "bills", status: client.JobQueued, stats: client.JobStats{Total: 2}},
			"bills waits for its turn, 0s\n" +
				"[                ]   0%  0 of 2\n" +
				"WAITING  RUNNING  SUCCEEDED  FAILED  CANCELLED  RETRIED\n" +
				"      2        0          0       0          0        0",
		},
		"runs": {
			jobView{job: "bills", status: client.JobRunning, stats: half, elapsed: 12 * time.Second, perSecond: 41.6},
			"bills runs, 12s\n" +
				"[========        ]  50%  500 of 1000, 42/s, 12s left\n" +
				"WAITING  RUNNING  SUCCEEDED  FAILED  CANCELLED  RETRIED\n" +
				"    480       20        495       5          0        3",
		},
		"is slow": {
			jobView{job: "bills", status: client.JobRunning, stats: half, elapsed: time.Hour, perSecond: 0.25},
			"bills runs, 1h0m0s\n" +
				"[========        ]  50%  500 of 1000, 0.2/s, 33m20s left\n" +
				"WAITING  RUNNING  SUCCEEDED  FAILED  CANCELLED  RETRIED\n" +
				"    480       20        495       5          0        3",
		},
		"is cancelled": {
			jobView{job: "bills", status: client.JobCancelling, stats: client.JobStats{Total: 10_000, Running: 1, Cancelled: 9999}, perSecond: 100},
			"bills is being cancelled: tasks that run finish first, 0s\n" +
				"[=============== ]  99%  9999 of 10000, 100/s\n" +
				"WAITING  RUNNING  SUCCEEDED  FAILED  CANCELLED  RETRIED\n" +
				"      0        1          0       0       9999        0",
		},
		"is done": {
			jobView{job: "bills", status: client.JobTimeout, stats: client.JobStats{Total: 1, Failure: 1}, perSecond: 1},
			"bills is timeout, 0s\n" +
				"[================] 100%  1 of 1, 1.0/s\n" +
				"WAITING  RUNNING  SUCCEEDED  FAILED  CANCELLED  RETRIED\n" +
				"      0        0          0       1          0        0",
		},
		"server not reachable": {
			jobView{job: "bills", lastErr: fmt.Errorf("no server listens"), elapsed: 3 * time.Second},
			"no server listens; trying again, 3s",
		},
		"no tasks": {
			jobView{job: "b", status: client.JobPending},
			"b is about to start, 0s\n" +
				"[                ]   0%  0 of 0\n" +
				"WAITING  RUNNING  SUCCEEDED  FAILED  CANCELLED  RETRIED\n" +
				"      0        0          0       0          0        0",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, tc.view.table()); diff != "" {
				t.Error(diff)
			}
			for line := range strings.Lines(tc.view.table()) {
				if len(line) > statusWidth {
					t.Errorf("wider than a terminal: %q", line)
				}
			}
		})
	}
}

// The rate counts the tasks that end during the wait, not those that had ended before.
func TestJobProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewJobProgress("bills", "x", nil)
		p.Update(client.JobExecution{Status: client.JobRunning, Stats: client.JobStats{Total: 100, Success: 50}})
		if text := p.Text(); strings.Contains(text, "/s") {
			t.Errorf("a rate without progress: %s", text)
		}
		time.Sleep(5 * time.Second)
		p.Update(client.JobExecution{Status: client.JobRunning, Stats: client.JobStats{Total: 100, Success: 60}})
		if text := p.Text(); !strings.Contains(text, " 60%  60 of 100, 2.0/s, 20s left\n") {
			t.Error(text)
		}
		time.Sleep(time.Second) // without an answer the rate stays
		if text := p.Text(); !strings.Contains(text, "bills runs, 6s\n") || !strings.Contains(text, ", 2.0/s, 20s left\n") {
			t.Error(text)
		}
		p.Retrying(fmt.Errorf("no server listens"))
		if text := p.Text(); !strings.HasPrefix(text, "no server listens; trying again, 6s\n[=========       ]") {
			t.Error(text)
		}
	})
}

// A log gets a line when the status changes, and after a while when anything has changed.
func TestJobProgressLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		p := NewJobProgress("bills", "x", &log)
		update := func(status client.JobStatus, success, failure int) {
			p.Update(client.JobExecution{Status: status, Stats: client.JobStats{Total: 9, Success: success, Failure: failure}})
		}
		update(client.JobPending, 0, 0)
		update(client.JobPending, 0, 0)
		update(client.JobRunning, 1, 0)
		update(client.JobRunning, 2, 0) // too early
		time.Sleep(ReportInterval)
		update(client.JobRunning, 3, 1)
		time.Sleep(ReportInterval)
		update(client.JobRunning, 3, 1) // the same
		p.Retrying(fmt.Errorf("no server listens"))
		p.Retrying(fmt.Errorf("no server listens"))
		update(client.JobCancelling, 3, 1)
		update(client.JobCancelled, 3, 1) // the command itself reports the end
		const want = "bills x is about to start: 0 of 9 done\n" +
			"bills x runs: 1 of 9 done\n" +
			"bills x runs: 4 of 9 done, 1 failed\n" +
			"no server listens; trying again\n" +
			"bills x is being cancelled: tasks that run finish first: 4 of 9 done, 1 failed\n"
		if diff := cmp.Diff(want, log.String()); diff != "" {
			t.Error(diff)
		}
	})
}

// Several lines replace each other, and are all erased in the end.
func TestStatusLines(t *testing.T) {
	var out bytes.Buffer
	l := StatusLine{out: &out, width: 5}
	for _, step := range []struct{ text, want string }{
		{"one", "\rone\x1b[K"},
		{"a\nlonger", "\ra\x1b[K\r\nlonge\x1b[K"},
		{"a\nb\nc", "\x1b[1A\ra\x1b[K\r\nb\x1b[K\r\nc\x1b[K"},
		{"a", "\x1b[2A\ra\x1b[K\x1b[J"},
	} {
		out.Reset()
		l.draw(step.text)
		if out.String() != step.want {
			t.Errorf("%q is drawn %q, want %q", step.text, out.String(), step.want)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		var s fakeScreen
		l := startStatusLine(&s, 80)
		l.Set(func() string { return "a\nb\nc" })
		time.Sleep(statusDelay)
		synctest.Wait()
		l.Clear()
		if got := s.all.String(); !strings.HasSuffix(got, "c\x1b[K\x1b[2A\r\x1b[K\x1b[J") {
			t.Errorf("left behind: %q", got)
		}
	})
}
