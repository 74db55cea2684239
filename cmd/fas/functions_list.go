package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
)

func newFunctionsList(a *app) *cobra.Command {
	var flags listFlags
	counts := functionCounts{}
	sort := sorting[client.Listed]{orders: counts.orders()}
	cmd := &cobra.Command{
		Use:     "list [--sort FIELD] [--json | --quiet]",
		Aliases: []string{"ls"},
		Short:   "List the functions",
		Long: `List the functions by name, or in the order of --sort. The runs and failures are those of
the last 24 hours; the server counts the 100 functions with most runs.

` + sortHelp + `

On a terminal the output is a table; elsewhere each function is a line of
tab-separated fields without a heading: name, version, updated, runner_url.

With --json it is an array of objects with the fields

  name, runner_url, version, created, updated (RFC 3339), rid, paused`,
		Example: `  fas functions list
  fas functions list --sort updated
  fas functions list --json | jq -r '.[].name'
  for f in $(fas functions list -q); do fas functions get $f --code > $f.py; done`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := flags.check(cmd); err != nil {
				return err
			}
			if err := sort.check(); err != nil {
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
			if field := sort.field(); field == "runs" || field == "failed" {
				if err := counts.read(cmd.Context(), c); err != nil {
					return err
				}
			}
			sort.sort(list)
			return printList(a, &flags, list, functionTable(a.Out, ui.IsTerminal(a.Out)),
				func(f client.Listed) string { return f.Name },
				"no functions yet: create one with `fas functions apply NAME --file FILE`")
		},
	}
	sort.add(cmd, "name")
	flags.add(cmd, "names")
	return cmd
}

// withPaused returns the name of a function, for people: with a remark if it is paused.
func withPaused(name string, paused bool) string {
	if paused {
		return name + " (paused)"
	}
	return name
}

// functionTable returns the table of functions.
func functionTable(out io.Writer, people bool) *ui.Table[client.Listed] {
	return &ui.Table[client.Listed]{
		Out: out, ForPeople: people, Heading: "NAME\tVERSION\tUPDATED", Elastic: "NAME",
		Row: func(f client.Listed, people bool) string {
			name := f.Name
			if people {
				name = withPaused(name, f.Paused)
			}
			row := fmt.Sprintf("%s\t%d\t%s", name, f.Version, ui.Timestamp(f.Updated, people))
			if !people {
				row += "\t" + f.RunnerURL
			}
			return row
		},
	}
}
