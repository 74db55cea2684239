package ui

import (
	"fmt"
	"strings"
	"time"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
)

// jobView is what is shown of an execution of a job that is under way.
type JobView struct {
	Job, ID   string
	status    client.JobStatus // empty: not known yet
	stats     client.JobStats
	err       error // why the server cannot be asked at present
	elapsed   time.Duration
	perSecond float64 // tasks that come to an end; 0: not known
}

// statusText says how it stands in words.
func (v JobView) statusText() string {
	switch v.status {
	case client.JobQueued:
		return "waits for its turn"
	case client.JobPending:
		return "is about to start"
	case client.JobCancelling:
		return "is being stopped: what runs goes on to its end"
	case client.JobRunning:
		return "runs"
	case "":
		return "was accepted"
	}
	return "is " + string(v.status)
}

// line is one for a log.
func (v JobView) line() string {
	text := fmt.Sprintf("%s %s %s: %d of %d done", v.Job, v.ID, v.statusText(), v.stats.Ended(), v.stats.Total)
	if v.stats.Failure > 0 {
		text += fmt.Sprintf(", %d failed", v.stats.Failure)
	}
	return text
}

// table is a picture of it in some lines, each of which fits into 80 columns if
// the id does.
func (v JobView) table() string {
	head := fmt.Sprintf("%s %s, %s", v.Job, v.statusText(), secondsText(v.elapsed))
	if v.err != nil {
		head = fmt.Sprintf("%s; trying again, %s", clierror.Message(v.err), secondsText(v.elapsed))
	}
	if v.status == "" {
		return head
	}
	s := v.stats
	done, total := s.Ended(), max(s.Total, 1)
	full := barWidth * done / total
	bar := fmt.Sprintf("[%s%s] %3d%%  %d of %d", strings.Repeat("=", full), strings.Repeat(" ", barWidth-full), 100*done/total, done, s.Total)
	if v.perSecond > 0 {
		bar += fmt.Sprintf(", %s/s", rateText(v.perSecond))
		if v.status != client.JobCancelling && done < s.Total {
			bar += fmt.Sprintf(", %s left", secondsText(time.Duration(float64(s.Total-done)/v.perSecond*float64(time.Second))))
		}
	}
	columns := []struct {
		name  string
		count int
	}{
		{"WAITING", s.Waiting()},
		{"RUNNING", s.Running},
		{"SUCCEEDED", s.Success},
		{"FAILED", s.Failure},
		{"CANCELLED", s.Cancelled},
		{"RETRIED", s.Retried},
	}
	var names, counts strings.Builder
	for i, c := range columns {
		gap := "  "
		if i == 0 {
			gap = ""
		}
		fmt.Fprintf(&names, "%s%s", gap, c.name)
		fmt.Fprintf(&counts, "%s%*d", gap, len(c.name), c.count)
	}
	return strings.Join([]string{head, bar, names.String(), counts.String()}, "\n")
}

// rateText shows small rates with a digit more.
func rateText(perSecond float64) string {
	if perSecond < 10 {
		return fmt.Sprintf("%.1f", perSecond)
	}
	return fmt.Sprintf("%.0f", perSecond)
}
