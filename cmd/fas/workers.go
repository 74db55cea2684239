package main

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
)

func newWorkers(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "workers",
		GroupID: groupServer,
		Short:   "Show the processes in which functions run",
		Args:    cobra.ArbitraryArgs,
		RunE:    group,
	}
	cmd.AddCommand(newWorkersList(a))
	return cmd
}

func newWorkersList(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "list [--json]",
		Aliases: []string{"ls"},
		Short:   "List the processes in which functions run",
		Long: `List the processes in which functions run, of a server with --workers; elsewhere there are
none. The command needs a token with the scope operator, such as the server's own token.

On a terminal the output is a table; elsewhere each worker is a line of tab-separated
fields without a heading: pid, tenant, since, restarts, runs, memory. The tenant is the
one that has the worker for itself.

With --json it is an array of objects with the fields

  pid (null: it is being started), tenant (null: tenants share it), function (rid of the
  only one that runs there, because workers have died during its runs; null: functions
  share it), since (RFC 3339), restarts, runs (in progress), memory (bytes, without what
  is reserved for runs)`,
		Example: `  fas workers list`,
		Args:    arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.connect()
			if err != nil {
				return err
			}
			defer c.Close()
			list, err := c.Workers(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return a.WriteJSON(list)
			}
			if len(list) == 0 {
				_, err := fmt.Fprintln(a.Err, "no workers: functions run in the server")
				return err
			}
			return a.workerTable().Write(list)
		},
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}

func (a *app) workerTable() *ui.Table[client.Worker] {
	return &ui.Table[client.Worker]{
		Out: a.Out, ForPeople: ui.IsTerminal(a.Out), Heading: "PID\tTENANT\tSINCE\tRESTARTS\tRUNS\tMEMORY",
		Row: func(w client.Worker, people bool) string {
			pid, tenant := "", ""
			if w.PID != nil {
				pid = strconv.Itoa(*w.PID)
			}
			if w.Tenant != nil {
				tenant = ui.OneLine(*w.Tenant)
			}
			memory := strconv.FormatInt(w.Memory, 10)
			if people {
				memory = ui.SizeText(w.Memory)
			}
			return fmt.Sprintf("%s\t%s\t%s\t%d\t%d\t%s", pid, tenant, ui.Timestamp(w.Since.Time, people), w.Restarts, w.Runs, memory)
		},
	}
}
