package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
)

func newFunctionsList(a *app) *cobra.Command {
	var asJSON, quiet bool
	cmd := &cobra.Command{
		Use:     "list [--json | --quiet]",
		Aliases: []string{"ls"},
		Short:   "List the functions",
		Long: `List the functions by name.

On a terminal this is a table; elsewhere each function is a line of fields with
tabs between them, without a heading.

With --json it is an array of objects with the fields

  name, runner_url, version, created, updated (RFC 3339), rid`,
		Example: `  fas functions list
  fas functions list --json | jq -r '.[].name'
  for f in $(fas functions list -q); do fas functions get $f --code > $f.py; done`,
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
			list, err := c.Functions(cmd.Context())
			if err != nil {
				return err
			}
			switch {
			case asJSON:
				return a.writeJSON(list)
			case quiet:
				for _, f := range list {
					fmt.Fprintln(a.stdout, f.Name)
				}
				return nil
			}
			people := isTerminal(a.stdout)
			if people && len(list) == 0 {
				fmt.Fprintln(a.stderr, "no functions yet: create one with `fas functions create NAME --file FILE`")
				return nil
			}
			return writeFunctions(a.stdout, list, people)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "print names only")
	return cmd
}

// writeFunctions shows functions as a table to people, as lines to programs.
func writeFunctions(w io.Writer, list []client.Listed, people bool) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if people {
		w = table
		fmt.Fprintln(w, "NAME\tVERSION\tUPDATED\tURL")
	}
	for _, f := range list {
		if _, err := fmt.Fprintf(w, "%s\t%d\t%s\t%s\n", f.Name, f.Version, timestamp(f.Updated, people), f.RunnerURL); err != nil {
			return err
		}
	}
	return table.Flush()
}
