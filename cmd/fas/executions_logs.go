package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
)

func newExecutionsLogs(a *app) *cobra.Command {
	var follow, asJSON, times bool
	var stream string
	cmd := &cobra.Command{
		Use:        "logs ID [-f] [-t] [--stream stdout|stderr] [--json]",
		SuggestFor: []string{"log", "tail"},
		Short:      "Print the log of an execution",
		Long: `Print what the latest attempt of an execution wrote, in order: its standard output to
the standard output, its standard error to the standard error. The server stores the
first MiB.

With --stream print only one of the two. Elsewhere than on a terminal it is printed
byte for byte; without --stream, or with -f or -t, bytes that are not UTF-8 are shown
as U+FFFD. A terminal gets text and colours only: U+FFFD replaces all other control characters.

` + timestampsHelp + `

With -f the command follows the log until the execution is done, and reconnects if the
connection is lost. Its exit status is then that of the execution: 0 if it is Success,
else 1, with its error on the standard error. Ctrl-C ends the command but not the
execution.

With --json the output is an object with the fields

  uuid, status, attempt, truncated (whether output is missing), entries: stream,
  text, with -t time (absent if it is not known)`,
		Example: `  fas executions logs $UUID
  fas executions logs $UUID -f
  fas executions logs $UUID -t
  fas executions logs $UUID --stream stderr 2> errors.txt`,
		Args:              arguments("ID"),
		ValidArgsFunction: a.completeExecutions(client.Filter{Completed: true}, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := exclusive(cmd, "follow", "json"); err != nil {
				return err
			}
			id, only := args[0], client.Stream(stream)
			if err := executionID(id); err != nil {
				return err
			}
			if only != "" && only != client.Stdout && only != client.Stderr {
				return clierror.Usagef("give stdout or stderr, or leave the flag out for both", "the --stream %s is not known", ui.Quote(stream))
			}
			c, err := a.connect()
			if err != nil {
				return err
			}
			defer c.Close()
			switch {
			case follow:
				return a.followLogs(cmd.Context(), c, id, client.LogOptions{Only: only, Times: times})
			case only != "" && !asJSON && !times:
				data, err := c.RawLogs(cmd.Context(), id, only)
				if err != nil {
					return err
				}
				_, err = a.logOf(only).Write(data)
				return err
			}
			logs, err := c.Logs(cmd.Context(), id, client.LogOptions{Only: only, Times: times})
			if err != nil {
				return err
			}
			if asJSON {
				return a.WriteJSON(logs)
			}
			return a.writeLog(logs, times)
		},
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "follow the log until the execution is done")
	timestampsFlag(cmd, &times)
	cmd.Flags().StringVar(&stream, "stream", "", "print only `stdout` or stderr")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	_ = cmd.RegisterFlagCompletionFunc("stream", cobra.FixedCompletions(
		[]string{string(client.Stdout), string(client.Stderr)}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// followLogs prints the log of an execution until it is done, and returns its error.
func (a *app) followLogs(ctx context.Context, c *client.Client, id string, o client.LogOptions) error {
	people := ui.IsTerminal(a.Err)
	w := a.newLogWriter("", o.Times)
	x, err := c.Follow(ctx, id, o, client.Followed{
		Entry: w.entry,
		Attempt: func(number int) error {
			if err := w.end(); err != nil {
				return err
			}
			if people {
				a.ResetColours()
				fmt.Fprintf(a.Err, "-- attempt %d --\n", number)
			}
			return nil
		},
		OnError: func(err error) {
			if people {
				a.ResetColours()
				fmt.Fprintf(a.Err, "-- %s; trying again --\n", clierror.Message(err))
			}
		},
	})
	if err != nil {
		return clierror.Resumable(err, fmt.Sprintf("%s follows again, %s stops it",
			a.command("executions logs "+id+" -f"), a.command("executions cancel "+id)))
	}
	return x.Err()
}

// logOf returns the writer of this command for a stream of a function.
func (a *app) logOf(s client.Stream) io.Writer {
	if s == client.Stderr {
		return ui.LogWriter(a.Err)
	}
	return ui.LogWriter(a.Out)
}

// writeLog prints the log of an execution.
func (a *app) writeLog(logs client.Logs, times bool) error {
	w := a.newLogWriter("", times)
	for _, entry := range logs.Entries {
		if err := w.entry(entry); err != nil {
			return err
		}
	}
	return nil
}
