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

// cancelAtOnce is how many executions are cancelled at the same time: each takes
// the server a write to its disk, which they share.
const cancelAtOnce = 32

func newExecutionsCancel(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "cancel ID... [--json]",
		Short: "Cancel executions",
		Long: `Cancel executions. One that waits for its turn never starts, one that runs is
stopped, and one that is done stays as it is; to cancel twice is no error.

What became of each is told in the order of the ids: on a terminal as a table,
elsewhere as lines of fields with tabs between them: uuid, status, and a sentence.
If an id stands for nothing, the others are cancelled all the same, and the exit
status is 4.

With --json it is an array of objects with the fields

` + executionFields + `

and changed (whether this command made a difference) and message.`,
		Example: `  fas executions cancel $UUID
  fas executions list -q --function import --limit 0 | xargs fas executions cancel`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: a.completeExecutions(client.Filter{}, 0),
		RunE: func(cmd *cobra.Command, ids []string) error {
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
			if asJSON {
				err = a.WriteJSON(list)
			} else {
				err = writeCancellations(a.Out, list, ui.IsTerminal(a.Out))
			}
			if err != nil {
				return err
			}
			return failed
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// cancelAll cancels executions, several at a time, and tells what became of
// them in the order of the ids. Ids that stand for nothing are marked, and an
// error at the end; any other error ends it, and what was not asked for or not
// answered by then is left out.
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
		return list, runtime.Errorf(runtime.CodeNotFound, "%d of %d executions are not there", absent, len(ids)).
			WithHint("they may be older than the server keeps them, or of another server")
	}
	return list, nil
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
