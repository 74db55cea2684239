package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/httpapi/wire"
	"github.com/faaspot/faaspot/runtime"
)

func newTenantsUpdate(a *app) *cobra.Command {
	var asJSON bool
	var limits runtime.TenantLimits
	cmd := &cobra.Command{
		Use:   "update NAME [--requests-per-second N] [--request-burst N] [--runs N] [--queued N] [--json]",
		Short: "Change the limits of a tenant",
		Long: `Change the limits of a tenant, at once. What is beyond a new limit continues. A limit of 0
is the server's, see the flags --tenant-... of "fas serve"; other limits stay.

Prints the name. With --json the output is an object with the fields

` + tenantFields,
		Example: `  fas tenants update acme --requests-per-second 100 --runs 20
  fas tenants update acme --runs 0`,
		Args: arguments("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			r := wire.UpdateTenantRequest{Limits: make(map[string]*int)}
			for i := range runtime.TenantNumbers {
				of := &runtime.TenantNumbers[i]
				switch n := of.Of(&limits); {
				case !cmd.Flags().Changed(limitFlag(of)):
				case *n < 0 || *n > of.Max():
					return clierror.Usagef(fmt.Sprintf("give a number from 1 to %d, or 0 for the limit of the server", of.Max()), "the --%s %d is out of bounds", limitFlag(of), *n)
				case *n == 0:
					r.Limits[of.Name] = nil
				default:
					r.Limits[of.Name] = n
				}
			}
			if len(r.Limits) == 0 {
				return clierror.Usagef("give a limit, such as --runs 20", "there is nothing to change")
			}
			c, err := a.connect()
			if err != nil {
				return err
			}
			defer c.Close()
			t, err := c.UpdateTenant(cmd.Context(), args[0], r)
			if err != nil {
				return err
			}
			return a.writeTenant(t, asJSON)
		},
	}
	f := cmd.Flags()
	usages := map[string]string{
		"requests_per_second": "`N` requests per second",
		"request_burst":       "`N` requests that may arrive at once; 0: as many as per second",
		"runs":                "`N` runs at once, those included that wait for memory",
		"queued":              "`N` executions that wait in the background",
	}
	for i := range runtime.TenantNumbers {
		n := &runtime.TenantNumbers[i]
		limitVar(f, n.Of(&limits), n.Bytes, limitFlag(n), usages[n.Name])
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}
