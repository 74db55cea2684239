package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
	"github.com/faaspot/faaspot/httpapi/wire"
	"github.com/faaspot/faaspot/runtime"
)

func newTenantsUsage(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "usage [NAME] [--json]",
		Short: "Show what a tenant has in progress and has stored, and its limits",
		Long: `Show what a tenant has in progress and has stored, and the limits that apply to it. Without
NAME, show the tenant of the token.

With --json the output is an object with the fields

  tenant, requests (in progress, this one included), runs (at once), queued (executions
  that wait in the background), functions, code_bytes (of kept versions and bundles),
  stored_bytes (of everything else), egress_bytes (sent and received today, UTC),
  memory_bytes (of runs), image_bytes (of images and idle instances in memory), limits
  (requests_per_second, request_burst, runs, queued, functions, code_bytes, stored_bytes,
  egress_bytes, egress_hosts, processor_share, memory_bytes, image_bytes; null: none)`,
		Example: `  fas tenants usage acme`,
		Args:    argumentsAndMore(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.connect()
			if err != nil {
				return err
			}
			defer c.Close()
			u, err := c.TenantUsage(cmd.Context(), strings.Join(args, ""))
			if err != nil {
				return err
			}
			if asJSON {
				return a.WriteJSON(u)
			}
			_, err = fmt.Fprintf(a.Out, "tenant:    %s\nrequests:  %d\nruns:      %d\nqueued:    %d\nfunctions: %d\ncode:      %s\nstored:    %s\negress:    %s today\nmemory:    %s\nimages:    %s\nlimits:    %s\n",
				ui.OneLine(u.Tenant), u.Requests, u.Runs, u.Queued, u.Functions, ui.SizeText(u.CodeBytes), ui.SizeText(u.StoredBytes), ui.SizeText(u.EgressBytes),
				ui.SizeText(u.MemoryBytes), ui.SizeText(u.ImageBytes),
				limitsText(u.Limits))
			return err
		},
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}

// limitsText returns the limits that there are.
func limitsText(l wire.TenantLimits) string {
	var all []string
	values := l.Numbers()
	for i := range runtime.TenantNumbers {
		if n := &runtime.TenantNumbers[i]; values[n.Name] != nil {
			all = append(all, limitText(n, *values[n.Name]))
		}
	}
	if len(l.EgressHosts) > 0 {
		all = append(all, "egress to "+ui.OneLine(strings.Join(l.EgressHosts, " ")))
	}
	if len(all) == 0 {
		return "none"
	}
	return strings.Join(all, ", ")
}
