package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
)

func newJobsList(a *app) *cobra.Command {
	var asJSON, quiet bool
	cmd := &cobra.Command{
		Use:     "list [--json | --quiet]",
		Aliases: []string{"ls"},
		Short:   "List the jobs",
		Long: `List the jobs by name.

On a terminal this is a table; elsewhere each job is a line of fields with tabs
between them, without a heading: name, function, revision, enabled (true or false),
the number of triggers, updated.

With --json it is an array of objects with the fields

` + jobFields,
		Example: `  fas jobs list
  fas jobs list --json | jq -r '.[] | select(.spec.enabled) | .metadata.name'`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := exclusive(cmd, "json", "quiet"); err != nil {
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
			switch {
			case asJSON:
				return a.WriteJSON(list)
			case quiet:
				for _, j := range list {
					fmt.Fprintln(a.Out, j.Metadata.Name)
				}
				return nil
			}
			people := ui.IsTerminal(a.Out)
			if people && len(list) == 0 {
				fmt.Fprintln(a.Err, "no jobs yet: `fas jobs apply --example` shows what one looks like")
				return nil
			}
			return jobTable(a.Out, people).Write(list)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "print names only")
	return cmd
}

// jobTable shows jobs.
func jobTable(out io.Writer, people bool) *ui.Table[client.Job] {
	return &ui.Table[client.Job]{
		Out: out, ForPeople: people, Heading: "NAME\tFUNCTION\tREVISION\tENABLED\tTRIGGERS\tUPDATED",
		Row: func(j client.Job, people bool) string {
			return fmt.Sprintf("%s\t%s\t%s\t%t\t%d\t%s", j.Metadata.Name, j.Spec.Function, j.Spec.Revision.Active,
				j.Spec.Enabled, len(j.Spec.Triggers), ui.Timestamp(j.Metadata.UpdatedAt, people))
		},
	}
}
