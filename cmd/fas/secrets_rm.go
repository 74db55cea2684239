package main

import (
	"encoding/json"
	"slices"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
	"github.com/faaspot/faaspot/runtime"
)

func newSecretsRemove(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "rm FUNCTION NAME [NAME...] [--json]",
		Aliases: []string{"delete"},
		Short:   "Remove secrets of a function",
		Long: `Remove values from the context of a function. The others stay as they are. If one of the
names is not in the context, nothing changes.

It makes a new version of the function. Prints the id of the deployment.

` + changeFields,
		Example:           "  fas secrets rm mailer OLD_KEY",
		Args:              namesOfSecrets,
		ValidArgsFunction: a.completeSecrets,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.connect()
			if err != nil {
				return err
			}
			defer c.Close()
			f, err := c.Function(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			values := map[string]json.RawMessage{}
			for _, name := range args[1:] {
				if !slices.Contains(f.ContextKeys, name) {
					return runtime.Errorf(runtime.CodeNotFound, "the context of %s has no %s", args[0], ui.Quote(name)).
						WithHint("`fas secrets list " + args[0] + "` lists the names")
				}
				values[name] = json.RawMessage("null")
			}
			id, err := c.PatchContext(cmd.Context(), args[0], values)
			if err != nil {
				return err
			}
			return a.writeChange(change{ID: id, Name: args[0], Change: "updated"}, asJSON)
		},
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}
