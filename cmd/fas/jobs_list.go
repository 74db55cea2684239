package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
)

func newJobsList(a *app) *cobra.Command {
	var flags listFlags
	cmd := &cobra.Command{
		Use:     "list [--json | --quiet]",
		Aliases: []string{"ls"},
		Short:   "List the jobs",
		Long: `List the jobs by name.

On a terminal the output is a table; elsewhere each job is a line of tab-separated
fields without a heading: name, function, revision, enabled (true or false), number
of triggers, updated.

With --json it is an array of objects with the fields

` + jobFields,
		Example: `  fas jobs list
  fas jobs list --json | jq -r '.[] | select(.spec.enabled) | .metadata.name'`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := flags.check(cmd); err != nil {
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
			return printList(a, &flags, list, jobTable(a.Out, ui.IsTerminal(a.Out)),
				func(j client.Job) string { return j.Metadata.Name },
				"no jobs yet: `fas jobs apply --example` prints one to start from")
		},
	}
	flags.add(cmd, "names")
	return cmd
}

// jobTable returns the table of jobs.
func jobTable(out io.Writer, people bool) *ui.Table[client.Job] {
	return &ui.Table[client.Job]{
		Out: out, ForPeople: people, Heading: "NAME\tFUNCTION\tREVISION\tENABLED\tTRIGGERS\tUPDATED", Elastic: "FUNCTION",
		Row: func(j client.Job, people bool) string {
			return fmt.Sprintf("%s\t%s\t%s\t%t\t%d\t%s", j.Metadata.Name, j.Spec.Function, j.Spec.Revision.Active,
				j.Spec.Enabled, len(j.Spec.Triggers), ui.Timestamp(j.Metadata.UpdatedAt, people))
		},
	}
}
