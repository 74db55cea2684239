package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
)

func newDiff(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "diff NAME [FROM [TO]] [--json]",
		GroupID: groupFunctions,
		Short:   "Compare two versions of a function",
		Long: `Compare two stored versions of a function: what TO has changed since FROM. Without TO it
is the current version, without FROM the one before TO. The difference of the code is a
unified diff; of a bundle, it is that of its main.py.

Of the context only the names are shown: its values are secrets. Prints nothing if the
versions are equal.

With --json the output is an object with the fields

  from, to, code (a unified diff), settings (name, from, to), context (name, change:
  added, removed or changed)`,
		Example: `  fas diff hello
  fas diff hello 3
  fas diff hello 3 5`,
		Args:              argumentsAndMore(2, "NAME"),
		ValidArgsFunction: a.completeVersions(2, false),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if err := functionName(args[0]); err != nil {
				return err
			}
			var numbers [2]uint64 // from and to; 0: not given
			for i, text := range args[1:] {
				if numbers[i], err = versionArgument(args[0], text); err != nil {
					return err
				}
			}
			c, err := a.connect()
			if err != nil {
				return err
			}
			defer c.Close()
			d, err := c.Diff(cmd.Context(), args[0], numbers[0], numbers[1])
			if err != nil {
				return err
			}
			if asJSON {
				return a.WriteJSON(d)
			}
			return writeDiff(a.Out, d)
		},
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}

// writeDiff writes what differs between two versions.
func writeDiff(w io.Writer, d client.VersionDiff) error {
	var text strings.Builder
	for _, s := range d.Settings {
		fmt.Fprintf(&text, "%s: %s -> %s\n", ui.OneLine(s.Name), ui.OneLine(string(s.From)), ui.OneLine(string(s.To)))
	}
	for _, c := range d.Context {
		fmt.Fprintf(&text, "context: %s was %s\n", ui.OneLine(c.Name), ui.OneLine(c.Change))
	}
	text.WriteString(d.Code)
	_, err := io.WriteString(w, text.String())
	return err
}
