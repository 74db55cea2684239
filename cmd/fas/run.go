package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/term"
)

// run is the program: it carries out the command in args and gives its exit
// status.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer, env []string) int {
	ctx, stop := interruptible(context.Background())
	defer stop()
	a := &app{stdin: stdin, stdout: stdout, stderr: stderr, env: newEnvironment(env)}
	root := newRoot(a)
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	return a.report(root.ExecuteContext(ctx))
}

// app is what all commands share: where they read and write, and the flags that
// all of them have.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	env            environment

	profile   string // --profile
	verbosity int    // how many -v
}

// interrupted is why the context of a command ends early.
type interrupted struct{ signal os.Signal }

func (i interrupted) Error() string { return "interrupted" }

// exit is what a shell would give for a process that the signal had ended.
func (i interrupted) exit() int {
	if s, ok := i.signal.(syscall.Signal); ok {
		return 128 + int(s)
	}
	return exitInterrupted
}

// interruptible makes a context that the first SIGINT or SIGTERM ends. The
// second one meets the system's default: the process ends at once.
func interruptible(parent context.Context) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		select {
		case s := <-signals:
			signal.Stop(signals)
			cancel(interrupted{s})
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		cancel(context.Canceled)
	}
}

// isTerminal tells whether a person is at the other end of a stream.
func isTerminal(stream any) bool {
	f, ok := stream.(interface{ Fd() uintptr })
	return ok && term.IsTerminal(int(f.Fd()))
}
