package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
)

func newJobsExecutions(a *app) *cobra.Command {
	var flags listFlags
	sort := sorting[client.JobExecution]{orders: jobExecutionOrders}
	var wait bool
	var waitTimeout ui.Seconds
	cmd := &cobra.Command{
		Use:   "executions NAME [EXECUTION] [--sort FIELD] [--limit N] [--wait [--wait-timeout SECONDS]] [--json | --quiet]",
		Short: "List the executions of a job, or show one",
		Long: `List the executions of a job, newest first, or show one of them.

Without EXECUTION the output is a table on a terminal; elsewhere each execution is a
line of tab-separated fields without a heading: id, status, numbers of all tasks, of
those that are done and of those that failed, created, duration_ms, trigger. If there
are more than --limit, the standard error says so.

` + sortHelp + `

With EXECUTION and --wait the command waits until the execution is done, and prints
the same as "fas jobs run --wait".

With --json the output is an array of objects, or with EXECUTION one object, with the
fields

` + jobExecutionFields + `
  tasks (the first 200; of one execution only), see "fas jobs tasks --help"`,
		Example: `  fas jobs executions nightly
  fas jobs executions bills $ID
  fas jobs executions bills $ID --wait
  fas jobs executions bills --json | jq '.[] | select(.stats.failure > 0) | .metadata.id'`,
		Args:              argumentsAndMore(1, "NAME"),
		ValidArgsFunction: a.completeJobExecutions(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := flags.check(cmd); err != nil {
				return err
			}
			if err := sort.check(); err != nil {
				return err
			}
			if err := needsWait(cmd, wait, "wait-timeout"); err != nil {
				return err
			}
			if err := jobArguments(args); err != nil {
				return err
			}
			if sort.given() && len(args) == 2 {
				return clierror.Usagef("leave out --sort, or the EXECUTION", "--sort sorts a list, and does not combine with an EXECUTION")
			}
			if wait && len(args) < 2 {
				return clierror.Usagef("usage: "+cmd.UseLine(), "--wait needs an EXECUTION")
			}
			c, err := a.connect()
			if err != nil {
				return err
			}
			defer c.Close()
			switch {
			case wait:
				return a.awaitAndReportJob(cmd.Context(), c, args[0], args[1], waitTimeout, flags.asJSON)
			case len(args) == 1:
				return a.listJobExecutions(cmd, c, args[0], &flags, &sort)
			}
			x, err := c.JobExecution(cmd.Context(), args[0], args[1])
			switch {
			case err != nil:
				return err
			case flags.asJSON:
				return a.WriteJSON(x)
			case flags.idsOnly:
				_, err := fmt.Fprintln(a.Out, x.Metadata.ID)
				return err
			}
			return writeJobExecution(a.Out, x, ui.IsTerminal(a.Out))
		},
	}
	sort.add(cmd, "")
	flags.addLimit(cmd, "executions")
	cmd.Flags().BoolVarP(&wait, "wait", "w", false, "wait until the EXECUTION is done; the exit status is that of the execution")
	waitTimeoutFlag(cmd, &waitTimeout)
	flags.add(cmd, "ids")
	return cmd
}

// listJobExecutions prints executions page by page.
func (a *app) listJobExecutions(cmd *cobra.Command, c *client.Client, job string, flags *listFlags, sort *sorting[client.JobExecution]) error {
	list := newPages(a, flags, jobExecutionTable(a.Out, ui.IsTerminal(a.Out)), func(x client.JobExecution) string { return x.Metadata.ID })
	more, err := sort.each(list.Page, func(page func([]client.JobExecution) error) (bool, error) {
		return c.JobExecutions(cmd.Context(), job, flags.limit, page)
	})
	if err != nil {
		return err
	}
	return list.End(more, flags.limit, "no executions yet: "+a.command("jobs run "+job)+" starts one")
}

// jobExecutionTable returns the table of executions of a job.
func jobExecutionTable(out io.Writer, people bool) *ui.Table[client.JobExecution] {
	return &ui.Table[client.JobExecution]{
		Out: out, ForPeople: people, Heading: "ID\tSTATUS\tTASKS\tDONE\tFAILED\tCREATED\tTOOK\tTRIGGER", Elastic: "TRIGGER", Optional: "TRIGGER\tCREATED",
		Row: func(x client.JobExecution, people bool) string {
			m, took := x.Metadata, ""
			if m.CompletedAt != nil {
				d := m.CompletedAt.Sub(m.CreatedAt)
				if took = fmt.Sprint(d.Milliseconds()); people {
					took = ui.DurationText(d)
				}
			}
			return fmt.Sprintf("%s\t%s\t%d\t%d\t%d\t%s\t%s\t%s", m.ID, x.Status, x.Stats.Total, x.Stats.Ended(), x.Stats.Failure,
				ui.Timestamp(m.CreatedAt, people), took, m.Trigger)
		},
	}
}

func writeJobExecution(out io.Writer, x client.JobExecution, people bool) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	m, s := x.Metadata, x.Stats
	fmt.Fprintf(w, "id:\t%s\n", m.ID)
	if m.UUID != m.ID {
		fmt.Fprintf(w, "uuid:\t%s\n", m.UUID)
	}
	fmt.Fprintf(w, "job:\t%s\n", m.Job)
	fmt.Fprintf(w, "revision:\t%s\n", m.Revision)
	if m.Trigger != "" {
		fmt.Fprintf(w, "trigger:\t%s\n", m.Trigger)
	}
	fmt.Fprintf(w, "trace:\t%s\n", m.TraceID)
	fmt.Fprintf(w, "status:\t%s\n", x.Status)
	fmt.Fprintf(w, "tasks:\t%d: %d waiting, %d running, %d succeeded, %d failed, %d cancelled; %d retried\n",
		s.Total, s.Waiting(), s.Running, s.Success, s.Failure, s.Cancelled, s.Retried)
	fmt.Fprintf(w, "tasks at once:\t%d\n", x.Spec.Parallelism)
	if x.Spec.MemoryOverride != 0 {
		fmt.Fprintf(w, "memory:\t%d MB\n", x.Spec.MemoryOverride)
	}
	if env, ok := x.Spec.EnvOverride.(string); ok {
		fmt.Fprintf(w, "environment:\t%s\n", ui.OneLine(env))
	}
	fmt.Fprintf(w, "created:\t%s\n", ui.Timestamp(m.CreatedAt, people))
	if m.StartedAt != nil {
		fmt.Fprintf(w, "started:\t%s\n", ui.Timestamp(*m.StartedAt, people))
	}
	if m.CompletedAt != nil {
		fmt.Fprintf(w, "finished:\t%s\n", ui.Timestamp(*m.CompletedAt, people))
		fmt.Fprintf(w, "took:\t%s\n", ui.DurationText(m.CompletedAt.Sub(m.CreatedAt)))
	}
	return w.Flush()
}
