package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
)

func newFunctionsDelete(a *app) *cobra.Command {
	var wait, yes, asJSON bool
	cmd := &cobra.Command{
		Use:     "delete NAME [--yes] [--json]",
		Aliases: []string{"rm"},
		Short:   "Delete a function",
		Long: `Delete a function with its context and all its versions. Runs that have started
finish; background runs that have not started fail.

On a terminal the command asks for confirmation.

Prints the id of the deletion.

` + changeFields,
		Example: `  fas functions delete hello
  fas functions delete hello --yes`,
		Args:              arguments("NAME"),
		ValidArgsFunction: a.completeFunctions,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := functionName(args[0]); err != nil {
				return err
			}
			c, err := a.connect()
			if err != nil {
				return err
			}
			defer c.Close()
			if !yes && ui.IsTerminal(a.In) {
				if err := a.Confirm(cmd.Context(), fmt.Sprintf("delete %s from %s?", args[0], c.URL())); err != nil {
					return err
				}
			}
			id, err := c.Delete(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return a.writeChange(change{ID: id, Name: args[0], Change: "deleted"}, asJSON)
		},
	}
	waitFlag(cmd, &wait)
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask for confirmation")
	jsonFlag(cmd, &asJSON)
	return cmd
}
