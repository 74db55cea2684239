package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
)

// tenantFields are the fields that --json of tenants promises.
const tenantFields = `  name, state (active or deleting), created (RFC 3339; null for default),
  limits (requests_per_second, request_burst, runs, queued, functions, code_bytes,
  stored_bytes, egress_bytes, egress_hosts, processor_share, memory_bytes, image_bytes;
  null: the server's),
  own_worker (whether its functions run in a process that no other tenant shares)`

func newTenants(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "tenants",
		Aliases: []string{"tenant"},
		GroupID: groupServer,
		Short:   "Create, list, limit and delete tenants",
		Long: `Create, list, limit and delete tenants: owners of functions, jobs, executions and tokens, who
see nothing of each other. The tenant default always exists.

The commands need a token with the scope operator, such as the server's own token;
"fas tenants usage" without a name needs one of the tenant.
"fas tokens create" creates the tokens of a tenant.`,
		Args: cobra.ArbitraryArgs,
		RunE: group,
	}
	cmd.AddCommand(newTenantsCreate(a), newTenantsList(a), newTenantsGet(a), newTenantsUpdate(a), newTenantsUsage(a), newTenantsDelete(a))
	return cmd
}

// tenantTable returns the table of tenants.
func tenantTable(out io.Writer, people bool) *ui.Table[client.Tenant] {
	return &ui.Table[client.Tenant]{
		Out: out, ForPeople: people, Heading: "NAME\tSTATE\tCREATED",
		Row: func(t client.Tenant, people bool) string {
			return fmt.Sprintf("%s\t%s\t%s", t.Name, t.State, ui.Timestamp(t.Created.Time, people))
		},
	}
}

// writeTenant prints a tenant.
func (a *app) writeTenant(t client.Tenant, asJSON bool) error {
	if asJSON {
		return a.WriteJSON(t)
	}
	_, err := fmt.Fprintln(a.Out, ui.OneLine(t.Name))
	return err
}
