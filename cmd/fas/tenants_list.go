package main

import (
	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
)

func newTenantsList(a *app) *cobra.Command {
	var flags listFlags
	cmd := &cobra.Command{
		Use:     "list [--limit N] [--json | --quiet]",
		Aliases: []string{"ls"},
		Short:   "List the tenants",
		Long: `List the tenants in the order of their names.

On a terminal the output is a table; elsewhere each tenant is a line of tab-separated
fields without a heading: name, state, created. If there are more than --limit, the
standard error says so.

With --json it is an array of objects with the fields

` + tenantFields,
		Example: `  fas tenants list
  fas tenants list -q --limit 0`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := flags.check(cmd); err != nil {
				return err
			}
			c, err := a.connect()
			if err != nil {
				return err
			}
			defer c.Close()
			list := newPages(a, &flags, tenantTable(a.Out, ui.IsTerminal(a.Out)), func(t client.Tenant) string { return t.Name })
			more, err := c.Tenants(cmd.Context(), flags.limit, list.Page)
			if err != nil {
				return err
			}
			return list.End(more, flags.limit, "no tenants")
		},
	}
	flags.addLimit(cmd, "tenants")
	flags.add(cmd, "names")
	return cmd
}
