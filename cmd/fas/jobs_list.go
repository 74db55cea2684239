package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
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
				return a.writeJSON(list)
			case quiet:
				for _, j := range list {
					fmt.Fprintln(a.stdout, j.Metadata.Name)
				}
				return nil
			}
			people := isTerminal(a.stdout)
			if people && len(list) == 0 {
				fmt.Fprintln(a.stderr, "no jobs yet: `fas jobs apply --example` shows what one looks like")
				return nil
			}
			return writeJobs(a.stdout, list, people)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "print names only")
	return cmd
}

// writeJobs shows jobs as a table to people, as lines to programs.
func writeJobs(w io.Writer, list []client.Job, people bool) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if people {
		w = table
		fmt.Fprintln(w, "NAME\tFUNCTION\tREVISION\tENABLED\tTRIGGERS\tUPDATED")
	}
	for _, j := range list {
		if _, err := fmt.Fprintf(w, "%s\t%s\t%s\t%t\t%d\t%s\n", j.Metadata.Name, j.Spec.Function, j.Spec.Revision.Active,
			j.Spec.Enabled, len(j.Spec.Triggers), timestamp(j.Metadata.UpdatedAt, people)); err != nil {
			return err
		}
	}
	return table.Flush()
}
