package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
)

func newJobsCancel(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "cancel NAME EXECUTION [--json]",
		Short: "Cancel an execution of a job",
		Long: `Cancel an execution of a job. Tasks that run go on to their ends, no new ones start:
it is cancelling until then, and cancelled after that. One that is done stays as it
is; to cancel twice is no error. A single task is stopped at once by
"fas executions cancel".

With --json it is an object with the fields

` + jobExecutionFields + `
  tasks (the first 200), see "fas jobs tasks --help"`,
		Example: `  fas jobs cancel bills $ID
  fas jobs cancel bills $ID && fas jobs executions bills $ID --wait`,
		Args:              arguments("NAME", "EXECUTION"),
		ValidArgsFunction: a.completeJobExecutions(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := jobArguments(args); err != nil {
				return err
			}
			c, err := a.connect()
			if err != nil {
				return err
			}
			defer c.Close()
			x, err := c.CancelJobExecution(cmd.Context(), args[0], args[1])
			if err != nil {
				return err
			}
			if asJSON {
				return a.WriteJSON(x)
			}
			_, err = fmt.Fprintf(a.Out, "%s\t%s\t%s\n", x.Metadata.ID, x.Status, cancelText(x))
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// cancelText says what became of an execution that was to be cancelled.
func cancelText(x client.JobExecution) string {
	switch {
	case x.Status == client.JobCancelling:
		if x.Stats.Running == 1 {
			return "1 task still runs, no new ones start"
		}
		return fmt.Sprintf("%d tasks still run, no new ones start", x.Stats.Running)
	case x.Status == client.JobCancelled:
		return fmt.Sprintf("%d of %s were cancelled", x.Stats.Cancelled, ui.TasksText(x.Stats.Total))
	case x.Status.Done():
		return "it was done already"
	}
	return ""
}
