package main

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
)

// traceID matches the id of a trace (W3C Trace Context).
var traceID = regexp.MustCompile(`^[0-9A-Fa-f]{32}$`)

func newExecutionsList(a *app) *cobra.Command {
	var f client.Filter
	var deployment, since, until string
	var where []string
	var flags listFlags
	sort := sorting[client.Execution]{orders: executionOrders}
	var follow bool
	cmd := &cobra.Command{
		Use:        "list [-i] [-f] [--function NAME] [--status STATUS] [--trace ID] [--where EXPRESSION]... [--since WHEN] [--until WHEN] [--sort FIELD] [--limit N] [--json | --quiet]",
		Aliases:    []string{"ls"},
		SuggestFor: []string{"ps", "status"},
		Short:      "List executions",
		Long: `List the executions that are not done, newest first. With -i list finished ones too,
with --status those with the given statuses, and with --trace those of a trace, done
or not.

WHEN is a time, such as 2026-01-31T15:04:05Z or "2026-01-31 15:04" (in the local time
zone), or a duration before now, such as 90s, 2h or 7d. It refers to the time at which
the execution was accepted.

An EXPRESSION is as in "fas executions search"; several --where must all hold. The
duration of an execution that is not done is the time since its latest attempt began,
and its status and reason are null.

With -f the list has finished executions too, the oldest first, and goes on until Ctrl-C
with each execution that changes: that starts, ends, or waits for another attempt. With
--limit 0 it begins with none.

On a terminal the output is a table; elsewhere each execution is a line of
tab-separated fields without a heading: uuid, name, kind, status, created,
duration_ms, error_code. If there are more than --limit, the standard error says so.

` + sortHelp + `

With --json it is an array of objects, or with -f an object on a line for each change,
with the fields

` + executionFields + `

Outputs of more than 1 KiB are omitted; output_omitted is true then.`,
		Example: `  fas executions list
  fas executions list -i --function hello --since 2h
  fas executions list --status failed,cancelled --since 1d --json
  fas executions list --trace $TRACE
  fas executions list -i --where 'duration >= 30s and user = ann' --since 7d
  fas executions list -i --sort duration --limit 1000 --since 1d
  fas executions list -f --function hello --status failed
  fas executions list -q --limit 0 | xargs fas executions cancel`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := flags.check(cmd); err != nil {
				return err
			}
			if err := sort.check(); err != nil {
				return err
			}
			if err := exclusive(cmd, "function", "deployment"); err != nil {
				return err
			}
			if err := exclusive(cmd, "follow", "sort"); err != nil {
				return err
			}
			if deployment != "" {
				f.Function = deployment
			}
			if f.Function != "" {
				if err := functionName(f.Function); err != nil {
					return err
				}
			}
			if cmd.Flags().Changed("trace") && !traceID.MatchString(f.Trace) {
				return clierror.Usagef("give 32 hexadecimal digits, as `fas executions search` prints them", "--trace: %s is not the id of a trace", ui.Quote(f.Trace))
			}
			if follow && flags.limit > client.MaxLiveList {
				return clierror.Usagef(fmt.Sprintf("with -f give at most %d", client.MaxLiveList), "the --limit %d is out of bounds", flags.limit)
			}
			now := time.Now()
			var err error
			if f.Statuses, err = executionStatuses(f.Statuses); err != nil {
				return err
			}
			if f.After, err = ui.ParseTime("since", since, now); err != nil {
				return err
			}
			if f.Before, err = ui.ParseTime("until", until, now); err != nil {
				return err
			}
			if f.Where, err = whereText(where); err != nil {
				return err
			}
			c, err := a.connect()
			if err != nil {
				return err
			}
			defer c.Close()
			if follow {
				f.Completed = true
				return untilInterrupted(a.followExecutions(cmd.Context(), c, f, &flags))
			}
			return a.listExecutions(cmd, c, f, &flags, &sort)
		},
	}
	cmd.Flags().BoolVarP(&f.Completed, "include-completed", "i", false, "list finished executions too")
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on with executions that change until Ctrl-C")
	cmd.Flags().StringVar(&f.Function, "function", "", "list only executions of the function `NAME`")
	cmd.Flags().StringVarP(&deployment, "deployment", "d", "", "older name of --function `NAME`")
	cmd.Flags().StringSliceVar(&f.Statuses, "status", nil, "list only executions with a `STATUS`: pending, started, success, failed or cancelled; or several, comma-separated")
	cmd.Flags().StringVar(&since, "since", "", "list only executions accepted at `WHEN` or later")
	cmd.Flags().StringVar(&until, "until", "", "list only executions accepted before `WHEN`")
	cmd.Flags().StringVar(&f.Trace, "trace", "", "list only executions of the trace with this `ID`, done or not")
	whereFlag(cmd, &where, "list only executions for which `EXPRESSION` holds; repeatable")
	sort.add(cmd, "")
	flags.addLimit(cmd, "executions")
	flags.add(cmd, "ids")
	_ = cmd.RegisterFlagCompletionFunc("function", a.completeFunctions)
	_ = cmd.RegisterFlagCompletionFunc("deployment", a.completeFunctions)
	_ = cmd.RegisterFlagCompletionFunc("status", cobra.FixedCompletions(statusWords, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// listExecutions prints executions page by page.
func (a *app) listExecutions(cmd *cobra.Command, c *client.Client, f client.Filter, flags *listFlags, sort *sorting[client.Execution]) error {
	list := newPages(a, flags, executionTable(a.Out, ui.IsTerminal(a.Out)), func(x client.Execution) string { return x.ID })
	more, err := sort.each(list.Page, func(page func([]client.Execution) error) (bool, error) {
		return c.ListExecutions(cmd.Context(), f, flags.limit, page)
	})
	if err != nil {
		return err
	}
	nothing := "no such executions"
	if !f.Completed && len(f.Statuses) == 0 && f.Trace == "" {
		nothing = "no unfinished executions; -i lists finished ones"
	}
	return list.End(more, flags.limit, nothing)
}

// followExecutions prints executions, and again each time they change, until ctx ends.
func (a *app) followExecutions(ctx context.Context, c *client.Client, f client.Filter, flags *listFlags) error {
	table := executionTable(a.Out, ui.IsTerminal(a.Out))
	seen := knownIDs{all: make(map[string]struct{})} // states that were printed: a list that begins again has them again
	listing, begun := true, []client.Execution{}
	write := func(list ...client.Execution) error {
		list = slices.DeleteFunc(list, func(x client.Execution) bool {
			state := fmt.Sprint(x.ID, x.Status, x.Attempts, x.CancelRequested)
			known := !seen.begin(state)
			if !known {
				seen.end(state)
			}
			return known
		})
		if !flags.asJSON && !flags.idsOnly {
			return table.Write(list)
		}
		for _, x := range list {
			var err error
			if flags.asJSON {
				err = a.writeJSONLine(x)
			} else {
				_, err = fmt.Fprintln(a.Out, x.ID)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	return c.FollowExecutions(ctx, f, flags.limit, client.LiveList{
		Execution: func(x client.Execution) error {
			if !listing {
				return write(x)
			}
			begun = append(begun, x)
			return nil
		},
		Listed: func() error {
			list := begun
			listing, begun = false, nil
			slices.Reverse(list)
			return write(list...)
		},
		Skipped: func(changes int) error {
			_, err := fmt.Fprintf(a.Err, "-- %d changes were too many for the server to send --\n", changes)
			return err
		},
		OnError: func(err error) {
			fmt.Fprintf(a.Err, "-- %s; trying again --\n", clierror.Message(err))
			listing, begun = true, nil
		},
	})
}
