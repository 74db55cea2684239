package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
)

func newJobsRevisions(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "revisions NAME [--json]",
		Short: "List the revisions of a job",
		Long: `List the revisions of a job, newest first. Each change to the spec of a job makes a
revision; the last 5 are stored. The newest is the current one.

On a terminal the output is a table; elsewhere each revision is a line of
tab-separated fields without a heading: revision, "current" or nothing, created, user.

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

// revisionTable returns the table of revisions.
func revisionTable(out io.Writer, people bool) *ui.Table[client.JobRevision] {
	return &ui.Table[client.JobRevision]{
		Out: out, ForPeople: people, Heading: "REVISION\t\tCREATED\tBY", Elastic: "BY",
		Row: func(r client.JobRevision, people bool) string {
			current := ""
			if r.Active {
				current = "current"
			}
			return fmt.Sprintf("%s\t%s\t%s\t%s", r.ID, current, ui.Timestamp(r.CreatedAt, people), ui.OneLine(r.CreatedBy))
		},
	}
}
