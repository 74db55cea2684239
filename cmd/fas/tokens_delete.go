package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
)

func newTokensDelete(a *app) *cobra.Command {
	var tenant string
	var yes, asJSON bool
	cmd := &cobra.Command{
		Use:     "delete {NAME | ID} [--tenant T] [--yes] [--json]",
		Aliases: []string{"rm", "revoke"},
		Short:   "Delete a token",
		Long: `Delete a token. It stops working at once; what it has started continues.

On a terminal the command asks for confirmation.

Prints the id. With --json the output is an object with the fields

` + tokenFields,
		Example: `  fas tokens delete ci`,
		Args:    arguments("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.connect()
			if err != nil {
				return err
			}
			defer c.Close()
			id, err := tokenID(cmd.Context(), c, tenant, args[0])
			if err != nil {
				return err
			}
			if !yes && ui.IsTerminal(a.In) {
				if err := a.Confirm(cmd.Context(), fmt.Sprintf("delete the token %s from %s?", args[0], c.URL())); err != nil {
					return err
				}
			}
			t, err := c.DeleteToken(cmd.Context(), id)
			if err != nil {
				return err
			}
			if asJSON {
				return a.WriteJSON(t)
			}
			_, err = fmt.Fprintln(a.Out, ui.OneLine(t.ID))
			return err
		},
	}
	tenantFlag(cmd, &tenant, "look for the name among those of the tenant `T`")
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask for confirmation")
	jsonFlag(cmd, &asJSON)
	return cmd
}
