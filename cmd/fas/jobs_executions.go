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
	var limit int
	var wait, asJSON, quiet bool
	var waitTimeout ui.Seconds
	cmd := &cobra.Command{
		Use:   "executions NAME [EXECUTION] [--limit N] [--wait [--wait-timeout SECONDS]] [--json | --quiet]",
		Short: "List the executions of a job, or show one",
		Long: `List the executions of a job, newest first, or show one of them.

Without EXECUTION it is a table on a terminal; elsewhere each execution is a line of
fields with tabs between them, without a heading: id, status, and of its tasks how
many there are, are done and have failed, created, duration_ms, trigger. If there
are more than --limit, the standard error says so.

With EXECUTION and --wait it waits for the end of that one, and prints what
"fas jobs run --wait" does.

With --json it is an array of objects, or with EXECUTION one object, with the fields

` + jobExecutionFields + `
  tasks (the first 200; of one execution only), see "fas jobs tasks --help"`,
		Example: `  fas jobs executions nightly
  fas jobs executions bills $ID
  fas jobs executions bills $ID --wait
  fas jobs executions bills --json | jq '.[] | select(.stats.failure > 0) | .metadata.id'`,
		Args:              argumentsAndMore(1, "NAME"),
		ValidArgsFunction: a.completeJobExecutions(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := exclusive(cmd, "json", "quiet"); err != nil {
				return err
			}
			if err := needsWait(cmd, wait, "wait-timeout"); err != nil {
				return err
			}
			if err := jobArguments(args); err != nil {
				return err
			}
			if err := checkLimit(limit); err != nil {
				return err
			}
			if wait && len(args) < 2 {
				return clierror.Usagef("usage: "+cmd.UseLine(), "the EXECUTION to --wait for is missing")
			}
			c, err := a.connect()
			if err != nil {
				return err
			}
			defer c.Close()
			switch {
			case wait:
				return a.awaitAndTellJob(cmd.Context(), c, args[0], args[1], waitTimeout, asJSON)
			case len(args) == 1:
				return a.listJobExecutions(cmd, c, args[0], limit, asJSON, quiet)
			}
			x, err := c.JobExecution(cmd.Context(), args[0], args[1])
			switch {
			case err != nil:
				return err
			case asJSON:
				return a.WriteJSON(x)
			case quiet:
				_, err := fmt.Fprintln(a.Out, x.Metadata.ID)
				return err
			}
			return writeJobExecution(a.Out, x, ui.IsTerminal(a.Out))
		},
	}
	limitFlag(cmd, &limit, "executions")
	cmd.Flags().BoolVarP(&wait, "wait", "w", false, "wait until the EXECUTION is done; the exit status is that of it")
	waitTimeoutFlag(cmd, &waitTimeout)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "print ids only")
	return cmd
}

// listJobExecutions prints executions page by page.
func (a *app) listJobExecutions(cmd *cobra.Command, c *client.Client, job string, limit int, asJSON, quiet bool) error {
	table := jobExecutionTable(a.Out, ui.IsTerminal(a.Out))
	list := ui.Pages[client.JobExecution]{
		Terminal: &a.Terminal, AsJSON: asJSON, Quiet: quiet, Table: table.Write,
		ID: func(x client.JobExecution) string { return x.Metadata.ID },
	}
	more, err := c.JobExecutions(cmd.Context(), job, limit, list.Page)
	if err != nil {
		return err
	}
	return list.End(more, limit, "no execution yet: "+a.command("jobs run "+job)+" starts one")
}

// jobExecutionTable shows executions of a job.
func jobExecutionTable(out io.Writer, people bool) *ui.Table[client.JobExecution] {
	return &ui.Table[client.JobExecution]{
		Out: out, ForPeople: people, Heading: "ID\tSTATUS\tTASKS\tDONE\tFAILED\tCREATED\tTOOK\tTRIGGER",
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
		fmt.Fprintf(w, "memory:\t%g MB\n", x.Spec.MemoryOverride)
	}
	if x.Spec.EnvOverride != "" {
		fmt.Fprintf(w, "environment:\t%s\n", ui.OneLine(x.Spec.EnvOverride))
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
