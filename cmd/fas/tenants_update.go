package main

import (
	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/httpapi/wire"
	"github.com/faaspot/faaspot/runtime"
)

func newTenantsUpdate(a *app) *cobra.Command {
	var asJSON, ownWorker bool
	limits := map[string]*int{"requests_per_second": new(int), "request_burst": new(int), "runs": new(int), "queued": new(int)}
	flags := map[string]string{"requests_per_second": "requests-per-second", "request_burst": "request-burst", "runs": "runs", "queued": "queued"}
	cmd := &cobra.Command{
		Use:   "update NAME [--requests-per-second N] [--request-burst N] [--runs N] [--queued N] [--own-worker[=false]] [--json]",
		Short: "Change the limits of a tenant, and where its functions run",
		Long: `Change the limits of a tenant, at once. What is beyond a new limit continues. A limit of 0
is the server's, see the flags --tenant-... of "fas serve"; other limits stay.

With --own-worker further runs of the tenant happen in a process that no other tenant
shares, on a server with --workers.

Prints the name. With --json the output is an object with the fields

` + tenantFields,
		Example: `  fas tenants update acme --requests-per-second 100 --runs 20
  fas tenants update acme --runs 0
  fas tenants update acme --own-worker`,
		Args: arguments("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			r := wire.UpdateTenantRequest{Limits: make(map[string]*int)}
			for name, n := range limits {
				switch flag := flags[name]; {
				case !cmd.Flags().Changed(flag):
				case *n < 0 || *n > runtime.MaxTenantLimit:
					return clierror.Usagef("give a number from 1 to 1000000, or 0 for the limit of the server", "the --%s %d is out of bounds", flag, *n)
				case *n == 0:
					r.Limits[name] = nil
				default:
					r.Limits[name] = n
				}
			}
			if cmd.Flags().Changed("own-worker") {
				r.OwnWorker = &ownWorker
			}
			if len(r.Limits) == 0 && r.OwnWorker == nil {
				return clierror.Usagef("give a limit, such as --runs 20, or --own-worker", "there is nothing to change")
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
	f.IntVar(limits["requests_per_second"], "requests-per-second", 0, "`N` requests per second")
	f.IntVar(limits["request_burst"], "request-burst", 0, "`N` requests that may arrive at once; 0: as many as per second")
	f.IntVar(limits["runs"], "runs", 0, "`N` runs at once, those included that wait for memory")
	f.IntVar(limits["queued"], "queued", 0, "`N` executions that wait in the background")
	f.BoolVar(&ownWorker, "own-worker", false, "run its functions in a process that no other tenant shares")
	jsonFlag(cmd, &asJSON)
	return cmd
}
