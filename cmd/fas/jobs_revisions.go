package main

import (
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
)

func newJobsRevisions(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "revisions NAME [--json]",
		Short: "List the revisions of a job",
		Long: `List the revisions of a job, newest first. Each change of what a job is makes one;
the last 5 are kept. The newest is the current one.

On a terminal this is a table; elsewhere each revision is a line of fields with tabs
between them, without a heading: revision, "current" or nothing, created, the user.

With --json it is an array of objects with the fields

  id (its number), active, previousActive, createdAt (RFC 3339), createdBy, status,
  trafficPercent`,
		Example:           `  fas jobs revisions nightly`,
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
			list, err := c.JobRevisions(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return a.WriteJSON(list)
			}
			return revisionTable(a.Out, ui.IsTerminal(a.Out)).Write(list)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// revisionTable shows revisions.
func revisionTable(out io.Writer, people bool) *ui.Table[client.JobRevision] {
	return &ui.Table[client.JobRevision]{
		Out: out, ForPeople: people, Heading: "REVISION\t\tCREATED\tBY",
		Row: func(r client.JobRevision, people bool) string {
			current := ""
			if r.Active {
				current = "current"
			}
			return fmt.Sprintf("%s\t%s\t%s\t%s", r.ID, current, ui.Timestamp(r.CreatedAt, people), ui.OneLine(r.CreatedBy))
		},
	}
}

func newJobsRollback(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "rollback NAME REVISION [--json]",
		Short: "Make a job what a former revision of it was",
		Long: `Make a job what a former revision of it was, one that "fas jobs revisions" lists. It
becomes the newest revision, with a number of its own. Executions that are under way
go on as they were started.

With --json it is an object with the fields

` + jobFields,
		Example:           `  fas jobs rollback nightly 3`,
		Args:              arguments("NAME", "REVISION"),
		ValidArgsFunction: a.completeRevisions,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := jobArguments(args[:1]); err != nil {
				return err
			}
			if n, err := strconv.ParseUint(args[1], 10, 64); err != nil || n == 0 {
				return clierror.Usagef("`fas jobs revisions "+args[0]+"` lists those that there are", "%s is not the number of a revision", ui.Quote(args[1]))
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
			_, err = fmt.Fprintf(a.Out, "%s is what revision %s was (revision %s)\n", args[0], args[1], j.Spec.Revision.Active)
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
