package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
	"github.com/faaspot/faaspot/runtime"
)

func newDeadLettersPurge(a *app) *cobra.Command {
	var all, yes, asJSON bool
	cmd := &cobra.Command{
		Use:     "purge {ID... | --all} [--yes] [--json]",
		Aliases: []string{"delete", "rm"},
		Short:   "Delete dead letters",
		Long: `Delete dead letters: those with the given ids, or all. The callbacks are never
delivered then; the executions do not change.

On a terminal the command asks for confirmation.

Prints their number. If some ids do not exist, the others are deleted anyway, and the
exit status is 4.

With --json the output is an object with the field count.`,
		Example: `  fas dlq purge $ID
  fas dlq purge --all --yes`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: a.completeDeadLetters(0),
		RunE: func(cmd *cobra.Command, ids []string) error {
			if err := someOrAll(cmd, ids, all); err != nil {
				return err
			}
			c, err := a.connect()
			if err != nil {
				return err
			}
			defer c.Close()
			if !yes && ui.IsTerminal(a.In) {
				what := fmt.Sprintf("%d dead letters", len(ids))
				switch {
				case all:
					what = "all dead letters"
				case len(ids) == 1:
					what = "the dead letter " + ids[0]
				}
				if err := a.Confirm(cmd.Context(), fmt.Sprintf("delete %s from %s?", what, c.URL())); err != nil {
					return err
				}
			}
			n, err := purgeDeadLetters(cmd.Context(), c, ids)
			if err != nil {
				return err
			}
			return a.writeCount(n, len(ids), "deleted", asJSON)
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "all dead letters")
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask for confirmation")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// purgeDeadLetters deletes the dead letters with the given ids, or all if no ids are given, and
// returns the number of those that existed.
func purgeDeadLetters(ctx context.Context, c *client.Client, ids []string) (n int, err error) {
	if len(ids) == 0 {
		return c.PurgeDeadLetters(ctx)
	}
	for _, id := range ids {
		switch err := c.PurgeDeadLetter(ctx, id); {
		case err == nil:
			n++
		case runtime.CodeOf(err) != runtime.CodeNotFound:
			return n, err
		}
	}
	return n, nil
}
