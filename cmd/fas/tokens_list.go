package main

import (
	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
)

func newTokensList(a *app) *cobra.Command {
	var flags listFlags
	sort := sorting[client.Token]{orders: tokenOrders}
	var tenant string
	cmd := &cobra.Command{
		Use:     "list [--tenant T] [--sort FIELD] [--limit N] [--json | --quiet]",
		Aliases: []string{"ls"},
		Short:   "List the tokens",
		Long: `List the tokens of the tenant, oldest first; with the scope operator, those of all
tenants and of the server. Secrets are never shown. The server's own token is not listed:
"fas serve --reset-admin-token" replaces it.

On a terminal the output is a table; elsewhere each token is a line of tab-separated
fields without a heading: id, name, tenant, scope, functions, expires, last_used. If
there are more than --limit, the standard error says so.

` + sortHelp + `

With --json it is an array of objects with the fields

` + tokenFields,
		Example: `  fas tokens list
  fas tokens list --tenant acme --json | jq -r '.[] | select(.last_used == null) | .name'`,
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
			list := newPages(a, &flags, tokenTable(a.Out, ui.IsTerminal(a.Out)), func(t client.Token) string { return t.ID })
			more, err := sort.each(list.Page, func(page func([]client.Token) error) (bool, error) {
				return c.Tokens(cmd.Context(), tenant, flags.limit, page)
			})
			if err != nil {
				return err
			}
			return list.End(more, flags.limit, "no tokens besides the server's own")
		},
	}
	tenantFlag(cmd, &tenant, "only those of the tenant `T`")
	sort.add(cmd, "")
	flags.addLimit(cmd, "tokens")
	flags.add(cmd, "ids")
	return cmd
}
