package main

import (
	"context"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
)

func newHistory(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:        "history NAME [--json]",
		GroupID:    groupFunctions,
		SuggestFor: []string{"versions", "revisions"},
		Short:      "List the versions of a function",
		Long: `List the stored versions of a function, newest first. Each change of its code, context
or settings makes a version; the last 10 are stored. The newest is the current one.

On a terminal the output is a table; elsewhere each version is a line of tab-separated
fields without a heading: version, "current" or nothing, created, user, bytes of code.

With --json it is an array of objects with the fields

  version, current, created (RFC 3339), user_id (who deployed it; null if an earlier
  release did), name, timeout (seconds), memory (MB), retries, allow, code_bytes,
  bundle (sha256, bytes; absent for a single file)`,
		Example: `  fas history hello
  fas diff hello
  fas rollback hello 3`,
		Args:              arguments("NAME"),
		ValidArgsFunction: a.completeFunctions,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := functionName(args[0]); err != nil {
				return err
			}
			c, err := a.connect()
			if err != nil {
				return err
			}
			defer c.Close()
			list, err := c.Versions(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return a.WriteJSON(list)
			}
			return versionTable(a.Out, ui.IsTerminal(a.Out)).Write(list)
		},
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}

// versionTable returns the table of versions.
func versionTable(out io.Writer, people bool) *ui.Table[client.Version] {
	return &ui.Table[client.Version]{
		Out: out, ForPeople: people, Heading: "VERSION\t\tCREATED\tBY\tCODE", Elastic: "BY",
		Row: func(v client.Version, people bool) string {
			current, user, size := "", "", strconv.Itoa(v.CodeBytes)
			if v.Current {
				current = "current"
			}
			if v.UserID != nil {
				user = *v.UserID
			}
			if people {
				size += " bytes"
			}
			return fmt.Sprintf("%d\t%s\t%s\t%s\t%s", v.Version, current, ui.Timestamp(v.Created, people), ui.OneLine(user), size)
		},
	}
}

// versionArgument reads the number of a version of a function.
func versionArgument(name, text string) (uint64, error) {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n == 0 {
		return 0, clierror.Usagef("`fas history "+name+"` lists them", "%s is not the number of a version", ui.Quote(text))
	}
	return n, nil
}

// completeVersions completes arguments to a function and its versions; earlier leaves the current one out.
func (a *app) completeVersions(most int, earlier bool) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
		if len(args) == 0 {
			return a.completeFunctions(cmd, args, word)
		}
		var numbers []string
		if len(args) <= most {
			a.complete(cmd, func(ctx context.Context, c *client.Client) error {
				list, err := c.Versions(ctx, args[0])
				for _, v := range list {
					if !v.Current || !earlier {
						numbers = append(numbers, described(strconv.FormatUint(v.Version, 10), ui.Timestamp(v.Created, true)))
					}
				}
				return err
			})
		}
		return numbers, keepOrder
	}
}
