package main

import (
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/jobfile"
	"github.com/faaspot/faaspot/cmd/fas/internal/project"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
	"github.com/faaspot/faaspot/httpapi/wire"
)

// The whole example is a valid job, including the lines that are commented out.
func TestExampleJob(t *testing.T) {
	env := func(name string) (string, bool) { return "secret " + name, true }
	for _, text := range []string{exampleJob, regexp.MustCompile(`(?m)^#`).ReplaceAllString(exampleJob, "")} {
		f, err := jobfile.Parse(project.JobFile, []byte(text), env)
		if err != nil || f.Name != "nightly" {
			t.Errorf("%v of\n%s", err, text)
		}
	}
}

// TestJobTableForPeople checks that people see how the last execution of each job ended, and when a
// schedule starts the next: of several triggers, the earliest that is enabled.
func TestJobTableForPeople(t *testing.T) {
	var quiet, busy client.Job
	quiet.Metadata.Name, busy.Metadata.Name = "quiet", "busy"
	busy.Spec.Enabled = true
	for _, schedule := range []string{"0 0 1 1 *", "*/5 * * * *"} {
		busy.Spec.Triggers = append(busy.Spec.Triggers, client.Trigger{
			Type: client.TriggerCron, Enabled: true, Configuration: wire.TriggerConfiguration{Schedule: schedule},
		})
	}
	row := jobTable(io.Discard, true, map[string]client.JobStatus{"busy": "failed"}).Row
	next := nextTick(busy, busy.Spec.Triggers[1])
	if got := row(busy, true); next.IsZero() || !strings.Contains(got, "\tfailed\t"+ui.Timestamp(nextRun(busy), true)) || nextRun(busy).After(next) {
		t.Errorf("busy: %q, next at %v", got, next)
	}
	if got := row(quiet, true); !strings.Contains(got, "\tfalse\t\t"+ui.Timestamp(nextRun(quiet), true)) || !nextRun(quiet).IsZero() {
		t.Errorf("quiet: %q", got)
	}
}
