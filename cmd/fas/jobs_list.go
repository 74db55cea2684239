package main

import (
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
)

func newJobsList(a *app) *cobra.Command {
	var flags listFlags
	sort := sorting[client.Job]{orders: jobOrders}
	cmd := &cobra.Command{
		Use:     "list [--sort FIELD] [--json | --quiet]",
		Aliases: []string{"ls"},
		Short:   "List the jobs",
		Long: `List the jobs by name.

On a terminal the output is a table, with the status of the last execution of each job
and the next time at which a schedule starts it; elsewhere each job is a line
of tab-separated fields without a heading: name, function, revision, enabled (true or
false), number of triggers, updated.

` + sortHelp + `

With --json it is an array of objects with the fields

` + jobFields,
		Example: `  fas jobs list
  fas jobs list --json | jq -r '.[] | select(.spec.enabled) | .metadata.name'`,
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
			list, err := c.Jobs(cmd.Context())
			if err != nil {
				return err
			}
			sort.sort(list)
			var last map[string]client.JobStatus
			if people := ui.IsTerminal(a.Out); people && !flags.asJSON && !flags.idsOnly {
				last = lastStatuses(cmd.Context(), c, list)
			}
			return printList(a, &flags, list, jobTable(a.Out, ui.IsTerminal(a.Out), last),
				func(j client.Job) string { return j.Metadata.Name },
				"no jobs yet: `fas jobs apply --example` prints one to start from")
		},
	}
	sort.add(cmd, "")
	flags.add(cmd, "names")
	return cmd
}

// statusesAtOnce is the number of concurrent requests for the last executions of jobs.
const statusesAtOnce = 8

// lastStatuses returns the statuses of the last executions of jobs, by the names of the jobs. It leaves
// out those that cannot be read.
func lastStatuses(ctx context.Context, c *client.Client, jobs []client.Job) map[string]client.JobStatus {
	var mu sync.Mutex
	last := make(map[string]client.JobStatus)
	var group errgroup.Group
	group.SetLimit(statusesAtOnce)
	for _, j := range jobs {
		group.Go(func() error {
			_, err := c.JobExecutions(ctx, j.Metadata.Name, 1, func(page []client.JobExecution) error {
				mu.Lock()
				defer mu.Unlock()
				for _, x := range page {
					last[j.Metadata.Name] = x.Status
				}
				return nil
			})
			return err
		})
	}
	_ = group.Wait()
	return last
}

// jobTable returns the table of jobs. last has the statuses of their last executions, for people.
func jobTable(out io.Writer, people bool, last map[string]client.JobStatus) *ui.Table[client.Job] {
	return &ui.Table[client.Job]{
		Out: out, ForPeople: people, Heading: "NAME\tFUNCTION\tREVISION\tENABLED\tSTATUS\tNEXT RUN\tUPDATED", Elastic: "FUNCTION", Optional: "UPDATED\tREVISION",
		Row: func(j client.Job, people bool) string {
			if people {
				return fmt.Sprintf("%s\t%s\t%s\t%t\t%s\t%s\t%s", j.Metadata.Name, j.Spec.Function, j.Spec.Revision.Active,
					j.Spec.Enabled, last[j.Metadata.Name], ui.Timestamp(nextRun(j), true), ui.Timestamp(j.Metadata.UpdatedAt, true))
			}
			return fmt.Sprintf("%s\t%s\t%s\t%t\t%d\t%s", j.Metadata.Name, j.Spec.Function, j.Spec.Revision.Active,
				j.Spec.Enabled, len(j.Spec.Triggers), ui.Timestamp(j.Metadata.UpdatedAt, people))
		},
	}
}
