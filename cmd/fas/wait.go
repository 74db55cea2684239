package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/shell"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
	"github.com/faaspot/faaspot/runtime"
)

const (
	// watchEvery is the interval at which a status line gets the state of an execution.
	watchEvery = time.Second
)

// waitTimeoutFlag adds --wait-timeout.
func waitTimeoutFlag(cmd *cobra.Command, timeout *ui.Seconds) {
	cmd.Flags().Var(timeout, "wait-timeout", "with --wait, wait at most `SECONDS`; the execution continues")
}

// waitContext returns a context with the time limit of a wait. Its end does not affect the
// execution.
func waitContext(ctx context.Context, timeout ui.Seconds) (context.Context, context.CancelFunc) {
	if timeout == 0 {
		return context.WithCancel(ctx)
	}
	d := time.Duration(float64(timeout) * float64(time.Second))
	return context.WithTimeoutCause(ctx, d, runtime.Errorf(clierror.CodeStoppedWaiting, "not done within %v; the work continues on the server", d))
}

// stillRunning returns the error of a wait that the server has ended.
func stillRunning(hint string) error {
	return runtime.Errorf(clierror.CodeStoppedWaiting, "not done yet; the work continues on the server").WithHint(hint)
}

// command renders a command of this program for the same server.
func (a *app) command(words string) string {
	if a.profile != "" {
		words += " --profile " + shell.Quote(a.profile)
	}
	if a.url != "" {
		words += " --url " + shell.Quote(a.url)
	}
	return "`fas " + words + "`"
}

// awaitExecution waits until an execution is done, with a status line on a terminal.
func (a *app) awaitExecution(ctx context.Context, c *client.Client, id, name string, timeout ui.Seconds) (client.Execution, error) {
	waitCtx, stop := waitContext(ctx, timeout)
	defer stop()
	line := a.StatusLine()
	defer line.Clear()
	progress := ui.ExecutionProgress{Function: name, Began: time.Now()}
	line.Set(progress.Text)
	o := client.WaitOptions{OnState: progress.Update, OnError: progress.Retrying}
	if line != nil {
		o.Every = watchEvery
	}
	x, err := c.Wait(waitCtx, id, o)
	return x, clierror.Resumable(err, fmt.Sprintf("%s waits again, %s stops it",
		a.command("executions get "+id+" --wait"), a.command("executions cancel "+id)))
}

// awaitJob waits until an execution of a job is done, with a status line on a terminal, and
// progress lines on any other standard error.
func (a *app) awaitJob(ctx context.Context, c *client.Client, job, id string, timeout ui.Seconds) (client.JobExecution, error) {
	waitCtx, stop := waitContext(ctx, timeout)
	defer stop()
	line := a.StatusLine()
	defer line.Clear()
	var log io.Writer
	every := watchEvery
	if line == nil {
		log, every = a.Err, ui.ReportInterval
	}
	progress := ui.NewJobProgress(job, id, log)
	line.Set(progress.Text)
	x, err := c.WaitJob(waitCtx, job, id, every, progress.Update, progress.Retrying)
	return x, clierror.Resumable(err, fmt.Sprintf("%s waits again, %s stops it",
		a.command("jobs executions "+job+" "+id+" --wait"), a.command("jobs cancel "+job+" "+id)))
}

// awaitAndReportJob waits until an execution of a job is done, prints a summary, and returns the
// error of the execution.
func (a *app) awaitAndReportJob(ctx context.Context, c *client.Client, job, id string, timeout ui.Seconds, asJSON bool) error {
	x, err := a.awaitJob(ctx, c, job, id, timeout)
	if err != nil {
		if !ui.IsTerminal(a.Out) {
			_ = a.writeStarted(job, id, asJSON) // so that the id is not lost
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
	return a.judgeJob(ctx, c, x, asJSON)
}

func writeJobSummary(w io.Writer, x client.JobExecution) error {
	s, took := x.Stats, ""
	if x.Metadata.CompletedAt != nil {
		took = " in " + ui.DurationText(x.Metadata.CompletedAt.Sub(x.Metadata.CreatedAt))
	}
	_, err := fmt.Fprintf(w, "%s%s, %s: %d succeeded, %d failed, %d cancelled\n", x.Status, took, ui.TasksText(s.Total), s.Success, s.Failure, s.Cancelled)
	return err
}

// judgeJob returns an error unless the execution succeeded. It prints the tasks that did not succeed,
// except with JSON, where the standard error has nothing but the error.
func (a *app) judgeJob(ctx context.Context, c *client.Client, x client.JobExecution, asJSON bool) error {
	job, id := x.Metadata.Job, x.Metadata.ID
	switch x.Status {
	case client.JobSucceeded:
		return nil
	case client.JobCancelled:
		return runtime.Errorf(clierror.CodeUnsuccessful, "the execution was cancelled; %d of %s succeeded", x.Stats.Success, ui.TasksText(x.Stats.Total)).
			WithHint(a.command("jobs tasks "+job+" "+id) + " lists them")
	}
	if !asJSON {
		a.writeFailedTasks(ctx, c, x)
	}
	return runtime.Errorf(clierror.CodeUnsuccessful, "%d of %s did not succeed", x.Stats.Total-x.Stats.Success, ui.TasksText(x.Stats.Total)).
		WithHint(fmt.Sprintf("%s lists them, %s shows the log of one",
			a.command("jobs tasks "+job+" "+id+" --status failed"), a.command("jobs logs "+job+" "+id+" TASK")))
}

// writeFailedTasks prints the first tasks that failed. It does not report that they cannot be listed:
// that is not why the execution failed.
func (a *app) writeFailedTasks(ctx context.Context, c *client.Client, x client.JobExecution) {
	listed := 0
	err := c.Tasks(ctx, x.Metadata.Job, x.Metadata.ID, func(page []client.Task) error {
		for _, t := range page {
			if t.Status != client.TaskFailed {
				continue
			}
			if listed++; listed > ui.MaxShownFailures {
				return errEnough
			}
			_, message := t.Failure()
			fmt.Fprintf(a.Err, "%s: %s\n", t.Metadata.Name, ui.OneLine(message))
			if listed == x.Stats.Failure {
				return errEnough
			}
		}
		return nil
	})
	if more := x.Stats.Failure - ui.MaxShownFailures; more > 0 && errors.Is(err, errEnough) {
		fmt.Fprintf(a.Err, "and %d more\n", more)
	}
}

// errEnough stops the reading of pages.
var errEnough = errors.New("enough")
