package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
)

func newJobsDelete(a *app) *cobra.Command {
	var yes, asJSON bool
	cmd := &cobra.Command{
		Use:     "delete NAME [--yes] [--json]",
		Aliases: []string{"rm"},
		Short:   "Delete a job",
		Long: `Delete a job with its triggers and revisions, and cancel its executions. The
executions of the job are deleted too; the runs of its tasks remain as executions of
the function.

On a terminal the command asks for confirmation.

With --json the output is the last state of the job, an object with the fields

` + jobFields,
		Example: `  fas jobs delete nightly
  fas jobs delete nightly --yes`,
		Args:              arguments("NAME"),
		ValidArgsFunction: a.completeJobs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := jobArguments(args); err != nil {
				return err
			}
			c, err := a.connect()
			if err != nil {
				return err
			}
			defer c.Close()
			if !yes && ui.IsTerminal(a.In) {
				if err := a.Confirm(cmd.Context(), fmt.Sprintf("delete the job %s from %s?", args[0], c.URL())); err != nil {
					return err
				}
			}
			j, err := c.DeleteJob(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return a.WriteJSON(j)
			}
			fmt.Fprintf(a.Err, "deleted %s\n", args[0])
			return nil
		},
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask for confirmation")
	jsonFlag(cmd, &asJSON)
	return cmd
}
