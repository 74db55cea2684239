package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/shell"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
	"github.com/faaspot/faaspot/runtime"
)

const (
	// watchEvery is how often somebody at a terminal is told how an execution
	// stands.
	watchEvery = time.Second
)

// waitTimeoutFlag adds --wait-timeout.
func waitTimeoutFlag(cmd *cobra.Command, timeout *ui.Seconds) {
	cmd.Flags().Var(timeout, "wait-timeout", "`SECONDS` to wait at most, with --wait; it goes on then")
	_ = cmd.RegisterFlagCompletionFunc("wait-timeout", cobra.NoFileCompletions)
}

// waitContext bounds a wait. The context is for the waiting alone: nothing that
// it ends ends what is waited for.
func waitContext(ctx context.Context, timeout ui.Seconds) (context.Context, context.CancelFunc) {
	if timeout == 0 {
		return context.WithCancel(ctx)
	}
	d := time.Duration(float64(timeout) * float64(time.Second))
	return context.WithTimeoutCause(ctx, d, runtime.Errorf(clierror.CodeStoppedWaiting, "it was not done within %v, and goes on", d))
}

// stillRunning is the end of a wait that the server has ended.
func stillRunning(hint string) error {
	return runtime.Errorf(clierror.CodeStoppedWaiting, "it is not done yet, and goes on").WithHint(hint)
}

// command is what to type for a command of this program, for the same server.
func (a *app) command(words string) string {
	if a.profile != "" {
		words += " --profile " + shell.Quote(a.profile)
	}
	return "`fas " + words + "`"
}

// awaitExecution waits until an execution is done, and tells a terminal how it
// stands meanwhile.
func (a *app) awaitExecution(ctx context.Context, c *client.Client, id, name string, timeout ui.Seconds) (client.Execution, error) {
	waitCtx, stop := waitContext(ctx, timeout)
	defer stop()
	line := a.StatusLine()
	defer line.Clear()
	progress := ui.ExecutionProgress{Name: name, Began: time.Now()}
	line.Set(progress.Text)
	o := client.WaitOptions{Told: progress.Update, Trouble: progress.Retrying}
	if line != nil {
		o.Every = watchEvery
	}
	x, err := c.Wait(waitCtx, id, o)
	return x, clierror.Resumable(err, fmt.Sprintf("%s waits again, %s stops it",
		a.command("executions get "+id+" --wait"), a.command("executions cancel "+id)))
}
