package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/dev"
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
	root.SetArgs(joinBooleans(root, args))
	root.SetIn(a.In)
	root.SetOut(a.Out)
	root.SetErr(a.Err)
	cmd, err := root.ExecuteContextC(ctx)
	a.jsonErrors = wantsJSON(cmd, args)
	return a.report(a.suggestName(ctx, err))
}

// wantsJSON reports whether a command was called with --json. The flags of a wrong call may not have
// been parsed, and a group of commands has no flags.
func wantsJSON(cmd *cobra.Command, args []string) bool {
	if i := slices.Index(args, "--"); i >= 0 {
		args = args[:i]
	}
	flag := cmd.Flags().Lookup("json")
	return flag != nil && flag.Value.String() == "true" || slices.Contains(args, "--json")
}

// app is what all commands share: the terminal, the environment and the global flags.
type app struct {
	ui.Terminal
	env     environ.Environment
	profile string // --profile
	url     string // --url

	jsonErrors bool           // errors are JSON, because of --json
	client     *client.Client // that the command has used; nil: none
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
	status := clierror.ExitStatus(err)
	_, shown := errors.AsType[dev.Shown](err)
	switch {
	case err == nil || shown:
	case a.jsonErrors:
		ui.WriteErrorJSON(a.Err, err, status)
	default:
		ui.WriteError(a.Err, err)
	}
	return status
}
