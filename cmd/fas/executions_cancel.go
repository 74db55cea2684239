package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
	"github.com/faaspot/faaspot/runtime"
)

// cancelAtOnce is the number of concurrent cancels. Each needs a write to the server's disk;
// concurrent ones share it.
const cancelAtOnce = 32

func newExecutionsCancel(a *app) *cobra.Command {
	var asJSON bool
	var bulk bulkFlags
	cmd := &cobra.Command{
		Use:   "cancel {ID... | [--function NAME] [--status STATUS] [--since WHEN] [--until WHEN] [--trace ID] [--where EXPRESSION]... [--yes] [--no-wait]} [--json]",
		Short: "Cancel executions",
		Long: `Cancel executions. A waiting execution never starts, a running one is stopped, and
one that is done does not change. Cancelling twice is not an error.

Prints the results in the order of the ids: on a terminal as a table, elsewhere as
lines of tab-separated fields: uuid, status, and a sentence. If an id does not exist,
the others are cancelled anyway, and the exit status is 4.

Without ids and with a filter, cancel all executions that it selects and that are not
done. On a terminal the command asks for confirmation. It shows the progress, and
prints the id of the operation, which the server continues if the command is stopped;
see "fas operations".

With --json the output is an array of objects with the fields

` + executionFields + `

and changed (whether this command changed the execution) and message; or with a filter
the operation, an object with the fields

` + operationFields,
		Example: `  fas executions cancel $UUID
  fas executions cancel --function import --status pending
  fas executions cancel --where 'duration >= 10m'`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: a.completeExecutions(client.Filter{}, 0),
		RunE: func(cmd *cobra.Command, ids []string) error {
			if len(ids) == 0 && bulk.given(cmd) {
				return bulk.start(cmd, a, runtime.OperationCancel, asJSON)
			}
			if err := refuseFilter(cmd); err != nil {
				return err
			}
			if len(ids) == 0 {
				return clierror.Usagef("usage: "+cmd.UseLine(), "the ID is missing")
			}
			if err := executionIDs(ids); err != nil {
				return err
			}
			c, err := a.connect()
			if err != nil {
				return err
			}
			defer c.Close()
			list, failed := cancelAll(cmd.Context(), c, ids)
			if err := a.writeCancelled(list, asJSON); err != nil {
				return err
			}
			return failed
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	bulk.flags(cmd, a, "cancel", "pending, started (the default is both); or several, comma-separated")
	return cmd
}

// cancelAll cancels executions, several at a time, and returns the results in the order of the ids.
// Ids that do not exist have the status NotFound and cause an error at the end. Any other error
// ends it; requests that were not sent or answered by then have no result.
func cancelAll(ctx context.Context, c *client.Client, ids []string) ([]client.Cancellation, error) {
	all := make([]client.Cancellation, len(ids))
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(cancelAtOnce)
	for i, id := range ids {
		group.Go(func() error {
			if groupCtx.Err() != nil {
				return context.Cause(groupCtx)
			}
			x, err := c.Cancel(groupCtx, id)
			if runtime.CodeOf(err) == runtime.CodeNotFound {
				x = client.Cancellation{Message: clierror.Message(err)}
				x.ID, x.Status = id, client.StatusNotFound
				err = nil
			}
			all[i] = x
			return err
		})
	}
	err := group.Wait()
	list := make([]client.Cancellation, 0, len(all))
	absent := 0
	for _, x := range all {
		if x.ID != "" {
			list = append(list, x)
		}
		if x.Status == client.StatusNotFound {
			absent++
		}
	}
	switch {
	case err != nil:
		return list, err
	case absent > 0:
		return list, runtime.Errorf(runtime.CodeNotFound, "%d of %d executions do not exist", absent, len(ids)).
			WithHint("the server may have dropped them for their age, or they are on another server")
	}
	return list, nil
}

// writeCancelled prints the results of cancels.
func (a *app) writeCancelled(list []client.Cancellation, asJSON bool) error {
	if asJSON {
		return a.WriteJSON(list)
	}
	return writeCancellations(a.Out, list, ui.IsTerminal(a.Out))
}

func writeCancellations(out io.Writer, list []client.Cancellation, people bool) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	w := out
	if people {
		w = table
	}
	for _, x := range list {
		if _, err := fmt.Fprintf(w, "%s\t%s\t%s\n", x.ID, x.Status, ui.OneLine(x.Message)); err != nil {
			return err
		}
	}
	return table.Flush()
}
