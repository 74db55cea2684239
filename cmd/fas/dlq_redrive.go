package main

import "github.com/spf13/cobra"

func newDeadLettersRedrive(a *app) *cobra.Command {
	var all, asJSON bool
	cmd := &cobra.Command{
		Use:     "redrive {ID... | --all} [--json]",
		Aliases: []string{"retry"},
		Short:   "Send dead letters again",
		Long: `Send dead letters again, in the background, with as many attempts as the first time:
those with the given ids, or all. Those that are not accepted become dead letters
again.

Prints their number. If some ids do not exist, the others are sent anyway, and the
exit status is 4.

With --json the output is an object with the field count.`,
		Example: `  fas dlq redrive $ID
  fas dlq redrive --all`,
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
			if all {
				ids = nil
			}
			n, err := c.RedriveDeadLetters(cmd.Context(), ids)
			if err != nil {
				return err
			}
			return a.writeCount(n, len(ids), "will be sent again", asJSON)
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "all dead letters")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
