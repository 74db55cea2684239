package ui

import (
	"fmt"
	"strings"
	"time"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
)

// jobView is a snapshot of a running execution of a job.
type jobView struct {
	job, id   string
	status    client.JobStatus // empty: not known yet
	stats     client.JobStats
	lastErr   error // of the last attempt to reach the server; nil if it was reached
	elapsed   time.Duration
	perSecond float64 // tasks that end per second; 0: not known
}

// statusText renders the status as the rest of a sentence about the job.
func (v jobView) statusText() string {
	switch v.status {
	case client.JobQueued:
		return "waits for its turn"
	case client.JobPending:
		return "is about to start"
	case client.JobCancelling:
		return "is being cancelled: tasks that run finish first"
	case client.JobRunning:
		return "runs"
	case "":
		return "was accepted"
	}
	return "is " + string(v.status)
}

// line renders the view as one line for a log.
func (v jobView) line() string {
	text := fmt.Sprintf("%s %s %s: %d of %d done", v.job, v.id, v.statusText(), v.stats.Ended(), v.stats.Total)
	if v.stats.Failure > 0 {
		text += fmt.Sprintf(", %d failed", v.stats.Failure)
	}
	return text
}

// table renders the view as up to four lines, each of which fits into 80 columns unless the name of
// the job is long.
func (v jobView) table() string {
	head := fmt.Sprintf("%s %s, %s", v.job, v.statusText(), SecondsText(v.elapsed))
	if v.lastErr != nil {
		head = retryingText(clierror.Message(v.lastErr), v.elapsed)
	}
	if v.status == "" {
		return head
	}
	s := v.stats
	progress := bar(s.Ended(), s.Total)
	if v.perSecond > 0 {
		progress += fmt.Sprintf(", %s/s", rateText(v.perSecond))
		if v.status != client.JobCancelling && s.Ended() < s.Total {
			progress += ", " + remaining(s.Total-s.Ended(), v.perSecond)
		}
	}
	var names, counts strings.Builder
	for i, c := range []struct {
		name  string
		count int
	}{
		{"WAITING", s.Waiting()},
		{"RUNNING", s.Running},
		{"SUCCEEDED", s.Success},
		{"FAILED", s.Failure},
		{"CANCELLED", s.Cancelled},
		{"RETRIED", s.Retried},
	} {
		gap := "  "
		if i == 0 {
			gap = ""
		}
		fmt.Fprintf(&names, "%s%s", gap, c.name)
		fmt.Fprintf(&counts, "%s%*d", gap, len(c.name), c.count)
	}
	return strings.Join([]string{head, progress, names.String(), counts.String()}, "\n")
}

// rateText renders a rate. Rates below 10 have a decimal.
func rateText(perSecond float64) string {
	if perSecond < 10 {
		return fmt.Sprintf("%.1f", perSecond)
	}
	return fmt.Sprintf("%.0f", perSecond)
}

// TasksText renders a number of tasks.
func TasksText(n int) string {
	if n == 1 {
		return "1 task"
	}
	return fmt.Sprintf("%d tasks", n)
}
