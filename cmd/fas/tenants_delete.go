package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
	"github.com/faaspot/faaspot/httpapi/wire"
	"github.com/faaspot/faaspot/runtime"
)

// deletePoll is the time between two looks at a tenant that is being deleted.
const deletePoll = 200 * time.Millisecond

func newTenantsDelete(a *app) *cobra.Command {
	var force, yes, noWait, asJSON bool
	cmd := &cobra.Command{
		Use:     "delete NAME [--force] [--yes] [--no-wait] [--json]",
		Aliases: []string{"rm"},
		Short:   "Delete a tenant",
		Long: `Delete a tenant. A tenant that has functions or jobs is deleted only with --force: with
its functions, jobs, executions and dead letters. Its tokens are deleted at once, and
what runs is cancelled. Nothing can be restored.

The command waits until everything is deleted. With --no-wait it returns when the
deletion has begun; the server completes it, also after a restart.

On a terminal the command asks for confirmation.

Prints the name. With --json the output is an object with the fields

` + tenantFields,
		Example: `  fas tenants delete acme
  fas tenants delete acme --force --yes`,
		Args: arguments("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.connect()
			if err != nil {
				return err
			}
			defer c.Close()
			if !yes && ui.IsTerminal(a.In) {
				what := "the tenant " + args[0]
				if force {
					what += " with all that it owns"
				}
				if err := a.Confirm(cmd.Context(), fmt.Sprintf("delete %s from %s?", what, c.URL())); err != nil {
					return err
				}
			}
			t, err := c.DeleteTenant(cmd.Context(), args[0], force)
			if err == nil && !noWait {
				err = awaitDeletion(cmd.Context(), c, args[0])
			}
			if err != nil {
				return err
			}
			return a.writeTenant(t, asJSON)
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "delete all that the tenant owns")
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask for confirmation")
	cmd.Flags().BoolVar(&noWait, "no-wait", false, "do not wait until everything is deleted")
	jsonFlag(cmd, &asJSON)
	return cmd
}

// awaitDeletion waits until a tenant is gone.
func awaitDeletion(ctx context.Context, c *client.Client, name string) error {
	poll := time.NewTicker(deletePoll)
	defer poll.Stop()
	for {
		switch t, err := c.Tenant(ctx, name); {
		case runtime.CodeOf(err) == runtime.CodeNotFound:
			return nil
		case err != nil:
			return err
		case t.State != wire.TenantDeleting:
			return nil // somebody has created it again
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-poll.C:
		}
	}
}
