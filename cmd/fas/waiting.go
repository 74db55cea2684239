package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/runtime"
)

const (
	// codeStoppedWaiting is a wait that --wait-timeout has ended. What was
	// waited for goes on.
	codeStoppedWaiting runtime.Code = "stopped_waiting"
	// codeInterrupted is a wait that Ctrl-C has ended.
	codeInterrupted runtime.Code = "interrupted"

	// watchEvery is how often somebody at a terminal is told how an execution
	// stands.
	watchEvery = time.Second
)

// waitTimeoutFlag adds --wait-timeout.
func waitTimeoutFlag(cmd *cobra.Command, timeout *seconds) {
	cmd.Flags().Var(timeout, "wait-timeout", "`SECONDS` to wait at most, with --wait; it goes on then")
	_ = cmd.RegisterFlagCompletionFunc("wait-timeout", cobra.NoFileCompletions)
}

// waitContext bounds a wait. The context is for the waiting alone: nothing that
// it ends ends what is waited for.
func waitContext(ctx context.Context, timeout seconds) (context.Context, context.CancelFunc) {
	if timeout == 0 {
		return context.WithCancel(ctx)
	}
	d := time.Duration(float64(timeout) * float64(time.Second))
	return context.WithTimeoutCause(ctx, d, runtime.Errorf(codeStoppedWaiting, "it was not done within %v, and goes on", d))
}

// resumable adds to the end of a wait by Ctrl-C or --wait-timeout what to do
// next. Other errors are as they were.
func resumable(err error, hint string) error {
	if _, ok := errors.AsType[interrupted](err); ok {
		return &runtime.Error{Code: codeInterrupted, Message: "interrupted; it goes on", Hint: hint, Err: err}
	}
	if runtime.CodeOf(err) == codeStoppedWaiting {
		return runtime.Errorf(codeStoppedWaiting, "%s", problem(err)).WithHint(hint)
	}
	return err
}

// stillRunning is the end of a wait that the server has ended.
func stillRunning(hint string) error {
	return runtime.Errorf(codeStoppedWaiting, "it is not done yet, and goes on").WithHint(hint)
}

// command is what to type for a command of this program, for the same server.
func (a *app) command(words string) string {
	if a.profile != "" {
		words += " --profile " + shellQuote(a.profile)
	}
	return "`fas " + words + "`"
}

// awaitExecution waits until an execution is done, and tells a terminal how it
// stands meanwhile.
func (a *app) awaitExecution(ctx context.Context, c *client.Client, id, name string, timeout seconds) (client.Execution, error) {
	waitCtx, stop := waitContext(ctx, timeout)
	defer stop()
	line := a.statusLine()
	defer line.clear()
	progress := executionProgress{name: name, began: time.Now()}
	line.say(progress.text)
	o := client.WaitOptions{Told: progress.told, Trouble: progress.troubled}
	if line != nil {
		o.Every = watchEvery
	}
	x, err := c.Wait(waitCtx, id, o)
	return x, resumable(err, fmt.Sprintf("%s waits again, %s stops it",
		a.command("executions get "+id+" --wait"), a.command("executions cancel "+id)))
}

// executionProgress is what is known of an execution that is waited for.
type executionProgress struct {
	name  string // of the function
	began time.Time

	mu      sync.Mutex
	at      client.Execution
	trouble error
}

func (p *executionProgress) told(x client.Execution) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at, p.trouble = x, nil
}

func (p *executionProgress) troubled(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.trouble = err
}

// text is what a status line says of it.
func (p *executionProgress) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	since := secondsText(time.Since(p.began))
	switch x := p.at; {
	case p.trouble != nil:
		return problem(p.trouble) + "; trying again, " + since
	case x.CancelRequested:
		return p.name + " is being stopped, " + since
	case x.Status == client.StatusStarted && x.Attempts > 1:
		return fmt.Sprintf("%s runs, attempt %d, %s", p.name, x.Attempts, since)
	case x.Status == client.StatusStarted:
		return p.name + " runs, " + since
	case x.Attempts > 0:
		return fmt.Sprintf("%s waits for attempt %d, %s", p.name, x.Attempts+1, since)
	}
	return p.name + " waits for its turn, " + since
}
