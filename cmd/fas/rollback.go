package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/httpapi/wire"
)

func newRollback(a *app) *cobra.Command {
	var asJSON, keepContext bool
	cmd := &cobra.Command{
		Use:     "rollback NAME VERSION [--keep-context] [--json]",
		GroupID: groupFunctions,
		Short:   "Restore an earlier version of a function",
		Long: `Restore an earlier version of a function, one that "fas history" lists: its code or
bundle, its settings and its context. It becomes the newest version, with a new number.
It is deployed again: if that fails, nothing changes. Runs that have begun are not
affected.

With --keep-context the context stays as it is, for example because a secret in it has
been replaced since. Prints the id of the deployment.

` + changeFields,
		Example: `  fas rollback hello 3
  fas rollback mailer 7 --keep-context`,
		Args:              arguments("NAME", "VERSION"),
		ValidArgsFunction: a.completeVersions(1, true),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := functionName(args[0]); err != nil {
				return err
			}
			number, err := versionArgument(args[0], args[1])
			if err != nil {
				return err
			}
			c, err := a.connect()
			if err != nil {
				return err
			}
			defer c.Close()
			id, err := c.Rollback(cmd.Context(), args[0], wire.FunctionRollback{Version: number, KeepContext: keepContext})
			if err != nil {
				return err
			}
			if asJSON {
				return a.WriteJSON(change{ID: id, Name: args[0], Change: "updated"})
			}
			fmt.Fprintf(a.Err, "restored version %d of %s\n", number, args[0])
			_, err = fmt.Fprintln(a.Out, id)
			return err
		},
	}
	cmd.Flags().BoolVar(&keepContext, "keep-context", false, "keep the context of the current version")
	jsonFlag(cmd, &asJSON)
	return cmd
}
