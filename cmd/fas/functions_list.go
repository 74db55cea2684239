package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
)

func newFunctionsList(a *app) *cobra.Command {
	var flags listFlags
	var order string
	cmd := &cobra.Command{
		Use:     "list [--sort name|created|updated|runs|failed] [--json | --quiet]",
		Aliases: []string{"ls"},
		Short:   "List the functions",
		Long: `List the functions by name, or in the order of --sort: the latest first, or those with most
runs, or failures, in the last 24 hours. The server counts the 100 functions with most
runs; the others follow by name.

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
			if !slices.Contains(functionOrders, order) {
				return clierror.Usagef("give "+strings.Join(functionOrders, ", "), "the --sort %s is not known", ui.Quote(order))
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
			if err := sortFunctions(cmd.Context(), c, list, order); err != nil {
				return err
			}
			return printList(a, &flags, list, functionTable(a.Out, ui.IsTerminal(a.Out)),
				func(f client.Listed) string { return f.Name },
				"no functions yet: create one with `fas functions apply NAME --file FILE`")
		},
	}
	cmd.Flags().StringVar(&order, "sort", functionOrders[0], "`ORDER`: name, created, updated, runs or failed")
	flags.add(cmd, "names")
	_ = cmd.RegisterFlagCompletionFunc("sort", cobra.FixedCompletions(functionOrders, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// functionOrders are the orders of --sort; the first is that of the server.
var functionOrders = []string{"name", "created", "updated", "runs", "failed"}

// sortFunctions sorts functions that are sorted by name.
func sortFunctions(ctx context.Context, c *client.Client, list []client.Listed, order string) error {
	var compare func(a, b client.Listed) int
	switch order {
	case "created":
		compare = func(a, b client.Listed) int { return b.Created.Compare(a.Created) }
	case "updated":
		compare = func(a, b client.Listed) int { return b.Updated.Compare(a.Updated) }
	case "runs", "failed":
		stats, err := c.Stats(ctx, describedTime, "")
		if err != nil {
			return err
		}
		counts := make(map[string]int, len(stats.Functions))
		for _, f := range stats.Functions {
			counts[f.Function] = f.Count
			if order == "failed" {
				counts[f.Function] = f.Failed
			}
		}
		compare = func(a, b client.Listed) int { return cmp.Compare(counts[b.Name], counts[a.Name]) }
	default:
		return nil
	}
	slices.SortStableFunc(list, compare)
	return nil
}

// withPaused returns the name of a function for people, who are told if it is paused.
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
