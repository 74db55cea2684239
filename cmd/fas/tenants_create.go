package main

import (
	"github.com/spf13/cobra"
)

func newTenantsCreate(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "create NAME [--json]",
		Short: "Create a tenant",
		Long: `Create a tenant. Its name has 1 to 63 of the characters a-z 0-9 - and starts and ends
with a letter or a digit.

Prints the name. With --json the output is an object with the fields

` + tenantFields,
		Example: `  fas tenants create acme
  fas tokens create ada --tenant acme --scope admin`,
		Args: arguments("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.connect()
			if err != nil {
				return err
			}
			defer c.Close()
			t, err := c.CreateTenant(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return a.writeTenant(t, asJSON)
		},
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}
