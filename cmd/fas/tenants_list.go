package main

import (
	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
)

func newTenantsList(a *app) *cobra.Command {
	var flags listFlags
	sort := sorting[client.Tenant]{orders: tenantOrders}
	cmd := &cobra.Command{
		Use:     "list [--sort FIELD] [--limit N] [--json | --quiet]",
		Aliases: []string{"ls"},
		Short:   "List the tenants",
		Long: `List the tenants in the order of their names.

On a terminal the output is a table; elsewhere each tenant is a line of tab-separated
fields without a heading: name, state, created. If there are more than --limit, the
standard error says so.

` + sortHelp + `

With --json it is an array of objects with the fields

` + tenantFields,
		Example: `  fas tenants list
  fas tenants list -q --limit 0`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := flags.check(cmd); err != nil {
				return err
			}
			if err := sort.check(); err != nil {
				return err
			}
			c, err := a.connect()
			if err != nil {
				return err
			}
			defer c.Close()
			list := newPages(a, &flags, tenantTable(a.Out, ui.IsTerminal(a.Out)), func(t client.Tenant) string { return t.Name })
			more, err := sort.each(list.Page, func(page func([]client.Tenant) error) (bool, error) {
				return c.Tenants(cmd.Context(), flags.limit, page)
			})
			if err != nil {
				return err
			}
			return list.End(more, flags.limit, "no tenants")
		},
	}
	sort.add(cmd, "")
	flags.addLimit(cmd, "tenants")
	flags.add(cmd, "names")
	return cmd
}
