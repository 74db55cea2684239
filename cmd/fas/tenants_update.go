package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/httpapi/wire"
	"github.com/faaspot/faaspot/runtime"
)

func newTenantsUpdate(a *app) *cobra.Command {
	var asJSON, ownWorker bool
	var limits runtime.TenantLimits
	var hosts []string
	cmd := &cobra.Command{
		Use:   "update NAME [--LIMIT VALUE]... [--own-worker[=false]] [--json]",
		Short: "Change the limits of a tenant, and where its functions run",
		Long: `Change the limits of a tenant, at once. What is beyond a new limit continues, and what is
stored stays, except for the history of executions, which loses its oldest. A limit of 0
is the server's, see the flags --tenant-... of "fas serve"; other limits stay.

With --own-worker further runs of the tenant happen in a process that no other tenant
shares, on a server with --workers.

Prints the name. With --json the output is an object with the fields

` + tenantFields,
		Example: `  fas tenants update acme --requests-per-second 100 --runs 20
  fas tenants update acme --functions 50 --code-bytes 1GB --egress-hosts '*.example.com:443'
  fas tenants update acme --runs 0
  fas tenants update acme --own-worker`,
		Args: arguments("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			r := wire.UpdateTenantRequest{Limits: make(map[string]any)}
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
			switch {
			case !cmd.Flags().Changed("egress-hosts"):
			case len(hosts) == 0:
				r.Limits["egress_hosts"] = nil
			default:
				r.Limits["egress_hosts"] = hosts
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
	usages := map[string]string{
		"requests_per_second": "`N` requests per second",
		"request_burst":       "`N` requests that may arrive at once; 0: as many as per second",
		"runs":                "`N` runs at once, those included that wait for memory",
		"queued":              "`N` executions that wait in the background",
		"functions":           "`N` functions",
		"code_bytes":          "`SIZE` of the code of all functions, such as 512MB: kept versions with their contexts, and bundles",
		"stored_bytes":        "`SIZE` of everything else that is stored, such as results, logs, jobs and dead letters",
		"egress_bytes":        "`SIZE` of what functions send and receive on a day, in UTC",
		"processor_share":     "`N` from 1 to 1000: its part of the processors while others want them, where a tenant has 100 by default",
		"memory_bytes":        "`SIZE` of the memory of its runs at once",
		"image_bytes":         "`SIZE` of the images and idle instances of its functions that stay in memory",
	}
	for i := range runtime.TenantNumbers {
		n := &runtime.TenantNumbers[i]
		limitVar(f, n.Of(&limits), n.Bytes, limitFlag(n), usages[n.Name])
	}
	f.StringSliceVar(&hosts, "egress-hosts", nil, "`RULE` beyond which functions reach nothing, such as *.example.com:443; repeatable; none: nothing; \"\": that of the server")
	f.BoolVar(&ownWorker, "own-worker", false, "run its functions in a process that no other tenant shares")
	jsonFlag(cmd, &asJSON)
	return cmd
}
