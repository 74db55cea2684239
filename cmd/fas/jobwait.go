package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
	"github.com/faaspot/faaspot/runtime"
)

// awaitJob waits until an execution of a job is done, and shows a terminal how it
// stands meanwhile; what is none gets lines.
func (a *app) awaitJob(ctx context.Context, c *client.Client, job, id string, timeout ui.Seconds) (client.JobExecution, error) {
	waitCtx, stop := waitContext(ctx, timeout)
	defer stop()
	line := a.StatusLine()
	defer line.Clear()
	progress := ui.JobProgress{View: ui.JobView{Job: job, ID: id}, Began: time.Now()}
	every := watchEvery
	if line == nil {
		progress.Lines, every = a.Err, ui.ReportEvery
	}
	line.Set(progress.Text)
	x, err := c.WaitJob(waitCtx, job, id, every, progress.Update, progress.Retrying)
	return x, clierror.Resumable(err, fmt.Sprintf("%s waits again, %s stops it",
		a.command("jobs executions "+job+" "+id+" --wait"), a.command("jobs cancel "+job+" "+id)))
}

// awaitAndTellJob waits for the end of an execution and prints how its tasks
// ended; its error is that of the execution.
func (a *app) awaitAndTellJob(ctx context.Context, c *client.Client, job, id string, timeout ui.Seconds, asJSON bool) error {
	x, err := a.awaitJob(ctx, c, job, id, timeout)
	if err != nil {
		if !ui.IsTerminal(a.Out) {
			_ = a.writeStarted(job, id, asJSON) // it is not lost with the waiting
		}
		return err
	}
	if asJSON {
		err = a.WriteJSON(x)
	} else {
		err = writeJobSummary(a.Out, x)
	}
	if err != nil {
		return err
	}
	return a.judgeJob(ctx, c, x)
}

func writeJobSummary(w io.Writer, x client.JobExecution) error {
	s, took := x.Stats, ""
	if x.Metadata.CompletedAt != nil {
		took = " in " + ui.DurationText(x.Metadata.CompletedAt.Sub(x.Metadata.CreatedAt))
	}
	_, err := fmt.Fprintf(w, "%s%s, %s: %d succeeded, %d failed, %d cancelled\n", x.Status, took, ui.TasksText(s.Total), s.Success, s.Failure, s.Cancelled)
	return err
}

// judgeJob tells of the tasks of an execution that did not succeed, and is an
// error unless the execution did.
func (a *app) judgeJob(ctx context.Context, c *client.Client, x client.JobExecution) error {
	job, id := x.Metadata.Job, x.Metadata.ID
	switch x.Status {
	case client.JobSucceeded:
		return nil
	case client.JobCancelled:
		return runtime.Errorf(clierror.CodeUnsuccessful, "the execution was cancelled; %d of %s succeeded", x.Stats.Success, ui.TasksText(x.Stats.Total)).
			WithHint(a.command("jobs tasks "+job+" "+id) + " lists them")
	}
	told := 0
	err := c.Tasks(ctx, job, id, func(page []client.Task) error {
		for _, t := range page {
			if t.Status != client.TaskFailed {
				continue
			}
			if told++; told > ui.MaxShownFailures {
				return errEnough
			}
			_, message := t.Failure()
			fmt.Fprintf(a.Err, "%s: %s\n", t.Metadata.Name, ui.OneLine(message))
			if told == x.Stats.Failure {
				return errEnough
			}
		}
		return nil
	})
	// That they cannot be listed is not what is wrong with the execution.
	if more := x.Stats.Failure - ui.MaxShownFailures; more > 0 && errors.Is(err, errEnough) {
		fmt.Fprintf(a.Err, "and %d more\n", more)
	}
	return runtime.Errorf(clierror.CodeUnsuccessful, "%d of %s did not succeed", x.Stats.Total-x.Stats.Success, ui.TasksText(x.Stats.Total)).
		WithHint(fmt.Sprintf("%s lists them, %s shows what one wrote",
			a.command("jobs tasks "+job+" "+id+" --status failed"), a.command("jobs logs "+job+" "+id+" TASK")))
}

// errEnough ends a listing early.
var errEnough = errors.New("enough")
