package main

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
	"github.com/faaspot/faaspot/runtime"
)

const (
	// defaultLogs is the number of executions whose logs are printed without --limit.
	defaultLogs = 20
	// logRequests is the number of logs that are read at once.
	logRequests = 8
)

// logFlags are the flags of `fas logs`.
type logFlags struct {
	filter                client.Filter
	since, stream, search string
	limit                 int
	follow, asJSON, times bool
}

// options returns what of the logs is read.
func (f *logFlags) options() client.LogOptions {
	return client.LogOptions{Only: client.Stream(f.stream), Times: f.times}
}

func newLogs(a *app) *cobra.Command {
	var f logFlags
	cmd := &cobra.Command{
		Use:        "logs [FUNCTION] [-f] [-t] [--since WHEN] [--search TEXT] [--status STATUS] [--limit N] [--stream stdout|stderr] [--json]",
		GroupID:    groupFunctions,
		SuggestFor: []string{"log", "tail"},
		Short:      "Print the logs of a function, or of all",
		Long: `Print the logs of the latest executions of a function, or of all functions, oldest
execution first: what each has written, line by line, and why it failed. What it wrote to
its standard error, and why it failed, goes to the standard error.

On a terminal each line begins with the time at which the execution started, the name of
the function and the end of the execution's id; elsewhere with started, uuid and name,
separated by tabs. WHEN is a time or a duration before now, as in "fas executions list".
Deployments are executions, too: they count towards --limit.

` + timestampsHelp + `
It replaces the time at which the execution started; that of why it failed is its end.

With -f the command goes on with executions as they start and end, until Ctrl-C. The logs
of up to 16 executions are shown while they write them, and those of others once they have
ended. If there are too many to print, the standard error says how many are missing. A
blocking run is shown once it has ended.

With --json each line is an object on a line with the fields

  uuid, function, started (RFC 3339), stream (stdout, stderr, or error: why the execution
  failed), text, with -t time (RFC 3339, null if it is not known)`,
		Example: `  fas logs hello
  fas logs -f
  fas logs hello --since 1h --status failed
  fas logs hello -f --search ERROR --json`,
		Args:              argumentsAndMore(1),
		ValidArgsFunction: a.completeFunctions,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(args, time.Now()); err != nil {
				return err
			}
			c, err := a.connect()
			if err != nil {
				return err
			}
			defer c.Close()
			p := &logPrinter{app: a, client: c, flags: &f, people: ui.IsTerminal(a.Out)}
			if f.follow {
				return untilInterrupted(followAll(cmd.Context(), p))
			}
			var list []client.Execution
			if _, err = c.ListExecutions(cmd.Context(), f.filter, f.limit, func(page []client.Execution) error {
				list = append(list, page...)
				return nil
			}); err != nil {
				return err
			}
			slices.Reverse(list) // the server lists the newest first
			return p.printAll(cmd.Context(), list)
		},
	}
	f.filter.Completed = true
	cmd.Flags().BoolVarP(&f.follow, "follow", "f", false, "go on with new executions until Ctrl-C")
	timestampsFlag(cmd, &f.times)
	cmd.Flags().StringVar(&f.since, "since", "", "only executions accepted at `WHEN` or later")
	cmd.Flags().StringVar(&f.search, "search", "", "only lines that contain `TEXT`")
	cmd.Flags().StringSliceVar(&f.filter.Statuses, "status", nil, "only executions with a `STATUS`: started, success, failed or cancelled; or several, comma-separated")
	cmd.Flags().IntVar(&f.limit, "limit", defaultLogs, "the latest `N` executions, up to 1000; with -f also 0: only new ones")
	cmd.Flags().StringVar(&f.stream, "stream", "", "print only `stdout` or stderr")
	jsonFlag(cmd, &f.asJSON)
	_ = cmd.RegisterFlagCompletionFunc("status", cobra.FixedCompletions(statusWords, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("stream", cobra.FixedCompletions(
		[]string{string(client.Stdout), string(client.Stderr)}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// check checks the flags, and completes the filter.
func (f *logFlags) check(args []string, now time.Time) (err error) {
	if len(args) > 0 {
		f.filter.Function = args[0]
		if err := functionName(args[0]); err != nil {
			return err
		}
	}
	if only := client.Stream(f.stream); only != "" && only != client.Stdout && only != client.Stderr {
		return clierror.Usagef("give stdout or stderr, or leave the flag out for both", "the --stream %s is not known", ui.Quote(f.stream))
	}
	if f.limit < 0 || f.limit > client.MaxLiveList || f.limit == 0 && !f.follow {
		return clierror.Usagef("give a number from 1 to 1000, or with -f 0", "the --limit %d is out of bounds", f.limit)
	}
	if f.filter.Statuses, err = executionStatuses(f.filter.Statuses); err != nil {
		return err
	}
	f.filter.After, err = ui.ParseTime("since", f.since, now)
	return err
}

// untilInterrupted returns the error of a command that goes on until Ctrl-C, which is its proper end.
func untilInterrupted(err error) error {
	if _, ok := errors.AsType[clierror.Interrupted](err); ok {
		return nil
	}
	return err
}

// printAll prints what executions have written so far, one execution after the other.
func (p *logPrinter) printAll(ctx context.Context, list []client.Execution) error {
	for some := range slices.Chunk(list, logRequests) {
		logs, failures := make([]client.Logs, len(some)), make([]error, len(some))
		var all sync.WaitGroup
		for i, x := range some {
			if !x.Started.IsZero() {
				all.Go(func() { logs[i], failures[i] = p.client.Logs(ctx, x.ID, p.flags.options()) })
			}
		}
		all.Wait()
		for i, x := range some {
			if err := failures[i]; runtime.CodeOf(err) == runtime.CodeNotFound {
				continue // the server has dropped it meanwhile
			} else if err != nil {
				return err
			}
			if err := p.printLog(x, logs[i].Entries); err != nil {
				return err
			}
		}
	}
	return nil
}
