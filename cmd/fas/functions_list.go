package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
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
				return a.WriteJSON(list)
			case quiet:
				for _, f := range list {
					fmt.Fprintln(a.Out, f.Name)
				}
				return nil
			}
			people := ui.IsTerminal(a.Out)
			if people && len(list) == 0 {
				fmt.Fprintln(a.Err, "no functions yet: create one with `fas functions create NAME --file FILE`")
				return nil
			}
			return functionTable(a.Out, people).Write(list)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "print names only")
	return cmd
}

// functionTable shows functions.
func functionTable(out io.Writer, people bool) *ui.Table[client.Listed] {
	return &ui.Table[client.Listed]{
		Out: out, ForPeople: people, Heading: "NAME\tVERSION\tUPDATED\tURL",
		Row: func(f client.Listed, people bool) string {
			return fmt.Sprintf("%s\t%d\t%s\t%s", f.Name, f.Version, ui.Timestamp(f.Updated, people), f.RunnerURL)
		},
	}
}
