package main

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
)

func newJobsRollback(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "rollback NAME REVISION [--json]",
		Short: "Restore an earlier revision of a job",
		Long: `Restore an earlier revision of a job, one that "fas jobs revisions" lists. It becomes
the newest revision, with a new number. Running executions are not affected.

With --json the output is an object with the fields

` + jobFields,
		Example:           `  fas jobs rollback nightly 3`,
		Args:              arguments("NAME", "REVISION"),
		ValidArgsFunction: a.completeRevisions,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := jobArguments(args[:1]); err != nil {
				return err
			}
			if n, err := strconv.ParseUint(args[1], 10, 64); err != nil || n == 0 {
				return clierror.Usagef("`fas jobs revisions "+args[0]+"` lists them", "%s is not the number of a revision", ui.Quote(args[1]))
			}
			c, err := a.connect()
			if err != nil {
				return err
			}
			defer c.Close()
			j, err := c.RollbackJob(cmd.Context(), args[0], args[1])
			if err != nil {
				return err
			}
			if asJSON {
				return a.WriteJSON(j)
			}
			_, err = fmt.Fprintf(a.Out, "restored revision %[2]s of %[1]s (now revision %[3]s)\n", args[0], args[1], j.Spec.Revision.Active)
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
