package main

import (
	"context"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
	"github.com/faaspot/faaspot/runtime"
)

func newBulkGroup(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "bulk",
		GroupID: groupFunctions,
		Short:   "Wait for many runs that were started together, or cancel them",
		Long: `Wait for many runs that were started together, or cancel them.

The runs of one "fas functions run_bulk" share a trace, whose id its hints show. "fas
executions list --trace TRACE" lists them. The commands work for any other trace, too.`,
		Args: cobra.ArbitraryArgs,
		RunE: group,
	}
	cmd.AddCommand(newBulkWait(a), newBulkCancel(a))
	return cmd
}

func newBulkWait(a *app) *cobra.Command {
	var waitTimeout ui.Seconds
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "wait TRACE [--wait-timeout SECONDS] [--json]",
		Short: "Wait until all runs of a trace are done",
		Long: `Wait until all runs of a trace are done, and print how many succeeded, failed and were
cancelled; the exit status is 1 if any did not succeed. Ctrl-C and --wait-timeout end
the wait but not the runs.

With --json the output is that of "fas functions run_bulk --wait --json".`,
		Example: `  fas bulk wait $TRACE
  fas bulk wait $TRACE --wait-timeout 10m --json`,
		Args: arguments("TRACE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkTrace(args[0]); err != nil {
				return err
			}
			c, err := a.connect()
			if err != nil {
				return err
			}
			defer c.Close()
			ids, err := idsOfTrace(cmd.Context(), c, client.Filter{Trace: args[0]})
			if err != nil {
				return err
			}
			ctx, stop := waitContext(cmd.Context(), waitTimeout)
			defer stop()
			b := &bulk{app: a, client: c, options: client.RunOptions{TraceID: args[0]}, json: asJSON}
			began, progress := time.Now(), ui.NewBulkProgress(len(ids))
			line := a.StatusLine()
			err = b.await(ctx, line, ids, progress)
			line.Clear()
			if err != nil {
				return err
			}
			return b.report(ctx, ids, progress, time.Since(began))
		},
	}
	cmd.Flags().Var(&waitTimeout, "wait-timeout", "wait at most `SECONDS`; the runs continue")
	jsonFlag(cmd, &asJSON)
	return cmd
}

func newBulkCancel(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "cancel TRACE [--json]",
		Short: "Cancel all runs of a trace that are not done",
		Long: `Cancel all runs of a trace that are not done. Cancelling twice is not an error.

Prints the same as "fas executions cancel".`,
		Example: `  fas bulk cancel $TRACE`,
		Args:    arguments("TRACE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkTrace(args[0]); err != nil {
				return err
			}
			c, err := a.connect()
			if err != nil {
				return err
			}
			defer c.Close()
			unfinished := []string{string(client.StatusPending), string(client.StatusStarted)}
			ids, err := idsOfTrace(cmd.Context(), c, client.Filter{Trace: args[0], Statuses: unfinished})
			if runtime.CodeOf(err) == runtime.CodeNotFound {
				// Either all are done, or there is no such trace.
				_, err = idsOfTrace(cmd.Context(), c, client.Filter{Trace: args[0]})
			}
			if err != nil {
				return err
			}
			list, failed := cancelAll(cmd.Context(), c, ids)
			if err := a.writeCancelled(list, asJSON); err != nil {
				return err
			}
			return failed
		},
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}

// checkTrace checks the id of a trace.
func checkTrace(id string) error {
	if !traceID.MatchString(id) {
		return clierror.Usagef("give the 32 hexadecimal digits that the hints of `fas functions run_bulk` have", "%s is not the id of a trace", ui.Quote(id))
	}
	return nil
}

// idsOfTrace returns the ids of the runs of a trace, in the order in which they were accepted. It is
// an error if there are none.
func idsOfTrace(ctx context.Context, c *client.Client, f client.Filter) (ids []string, err error) {
	_, err = c.ListExecutions(ctx, f, 0, func(page []client.Execution) error {
		for _, x := range page {
			ids = append(ids, x.ID)
		}
		return nil
	})
	if err == nil && len(ids) == 0 {
		err = runtime.Errorf(runtime.CodeNotFound, "no execution belongs to the trace %s", f.Trace).
			WithHint("the server may have dropped them for their age, or they are on another server")
	}
	slices.Reverse(ids) // the list has the newest first
	return ids, err
}
