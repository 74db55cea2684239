package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
)

// workerText says where the runs of a tenant happen, on a server with workers.
func workerText(own bool) string {
	if own {
		return "its own"
	}
	return "shared"
}

func newTenantsGet(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "get NAME [--json]",
		Short: "Show a tenant",
		Long: `Show a tenant.

With --json the output is an object with the fields

` + tenantFields,
		Example: `  fas tenants get acme`,
		Args:    arguments("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.connect()
			if err != nil {
				return err
			}
			defer c.Close()
			t, err := c.Tenant(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return a.WriteJSON(t)
			}
			_, err = fmt.Fprintf(a.Out, "name:    %s\nstate:   %s\ncreated: %s\nlimits:  %s\nworker:  %s\n", ui.OneLine(t.Name), ui.OneLine(string(t.State)),
				ui.Timestamp(t.Created.Time, ui.IsTerminal(a.Out)), limitsText(t.Limits), workerText(t.OwnWorker))
			return err
		},
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}
