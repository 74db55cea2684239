package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/environ"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
)

// run runs the command in args and returns its exit status.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer, env []string) int {
	ctx, stop := interruptible(context.Background())
	defer stop()
	a := &app{env: environ.New(env)}
	a.Terminal = ui.NewTerminal(stdin, stdout, stderr, a.env)
	root := newRoot(a)
	root.SetArgs(args)
	root.SetIn(a.In)
	root.SetOut(a.Out)
	root.SetErr(a.Err)
	return a.report(root.ExecuteContext(ctx))
}

// app is what all commands share: the terminal, the environment and the global flags.
type app struct {
	ui.Terminal
	env     environ.Environment
	profile string // --profile
}

// interruptible returns a context that ends at the first SIGINT or SIGTERM. The second signal ends
// the process at once, as the system does by default.
func interruptible(parent context.Context) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		select {
		case s := <-signals:
			signal.Stop(signals)
			cancel(clierror.Interrupted{Signal: s})
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		cancel(context.Canceled)
	}
}

// report prints an error and returns the exit status.
func (a *app) report(err error) int {
	a.ResetColours()
	if err != nil {
		ui.WriteError(a.Err, err)
	}
	return clierror.ExitStatus(err)
}
