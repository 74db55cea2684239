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
		Long: `Cancel an execution of a job. No further tasks start, and running tasks finish; until
then the execution is cancelling, then cancelled. An execution that is done does not
change. Cancelling twice is not an error. "fas executions cancel" stops a single task
at once.

With --json the output is an object with the fields

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

// cancelText describes the result of a cancel.
func cancelText(x client.JobExecution) string {
	switch {
	case x.Status == client.JobCancelling:
		if x.Stats.Running == 1 {
			return "1 task still runs, no further ones start"
		}
		return fmt.Sprintf("%d tasks still run, no further ones start", x.Stats.Running)
	case x.Status == client.JobCancelled:
		return fmt.Sprintf("%d of %s were cancelled", x.Stats.Cancelled, ui.TasksText(x.Stats.Total))
	case x.Status.Done():
		return "it was already done"
	}
	return ""
}
