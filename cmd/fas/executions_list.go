package main

import (
	"regexp"
	"time"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
)

// traceID is what the id of a trace looks like (W3C Trace Context).
var traceID = regexp.MustCompile(`^[0-9A-Fa-f]{32}$`)

func newExecutionsList(a *app) *cobra.Command {
	var f client.Filter
	var deployment, since, until string
	var limit int
	var asJSON, quiet bool
	cmd := &cobra.Command{
		Use:     "list [-i] [--function NAME] [--status STATUS] [--trace ID] [--since WHEN] [--until WHEN] [--limit N] [--json | --quiet]",
		Aliases: []string{"ls"},
		Short:   "List executions",
		Long: `List the executions that are not done, newest first; with -i those that are done,
too, with --status those of some statuses. With --trace they are those of a trace,
done or not.

WHEN is a time, such as 2026-01-31T15:04:05Z, or "2026-01-31 15:04" in the local time
zone, or how long ago, such as 90s, 2h or 7d. It is about when they were accepted.

On a terminal this is a table; elsewhere each execution is a line of fields with
tabs between them, without a heading: uuid, name, kind, status, created,
duration_ms, error_code. If there are more than --limit, the standard error says so.

With --json it is an array of objects with the fields

` + executionFields + `

Outputs of more than 1 KiB are left out, and output_omitted is true then.`,
		Example: `  fas executions list
  fas executions list -i --function hello --since 2h
  fas executions list --status failed,cancelled --since 1d --json
  fas executions list --trace $TRACE
  fas executions list -q --limit 0 | xargs fas executions cancel`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := exclusive(cmd, "json", "quiet"); err != nil {
				return err
			}
			if err := exclusive(cmd, "function", "deployment"); err != nil {
				return err
			}
			if deployment != "" {
				f.Function = deployment
			}
			if f.Function != "" {
				if err := functionName(f.Function); err != nil {
					return err
				}
			}
			if err := checkLimit(limit); err != nil {
				return err
			}
			if cmd.Flags().Changed("trace") && !traceID.MatchString(f.Trace) {
				return clierror.Usagef("give 32 hexadecimal digits, as `fas executions search` shows them", "--trace: %s is not the id of a trace", ui.Quote(f.Trace))
			}
			now := time.Now()
			var err error
			if f.After, err = ui.ParseTime("since", since, now); err != nil {
				return err
			}
			if f.Before, err = ui.ParseTime("until", until, now); err != nil {
				return err
			}
			c, err := a.connect()
			if err != nil {
				return err
			}
			defer c.Close()
			return a.listExecutions(cmd, c, f, limit, asJSON, quiet)
		},
	}
	cmd.Flags().BoolVarP(&f.Completed, "include-completed", "i", false, "list those that are done, too")
	cmd.Flags().StringVar(&f.Function, "function", "", "only those of the function `NAME`")
	cmd.Flags().StringVarP(&deployment, "deployment", "d", "", "the same for the function `NAME`, as FaaSpot wrote it once")
	cmd.Flags().StringSliceVar(&f.Statuses, "status", nil, "only those of a `STATUS`: pending, started, success, failed or cancelled; several with commas")
	cmd.Flags().StringVar(&since, "since", "", "only those accepted at this time or later (`WHEN`)")
	cmd.Flags().StringVar(&until, "until", "", "only those accepted before this time (`WHEN`)")
	cmd.Flags().StringVar(&f.Trace, "trace", "", "only those of the trace with the `ID`, done or not")
	limitFlag(cmd, &limit, "executions")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "print ids only")
	_ = cmd.RegisterFlagCompletionFunc("function", a.completeFunctions)
	_ = cmd.RegisterFlagCompletionFunc("deployment", a.completeFunctions)
	_ = cmd.RegisterFlagCompletionFunc("status", cobra.FixedCompletions(
		[]string{"pending", "started", "success", "failed", "cancelled"}, cobra.ShellCompDirectiveNoFileComp))
	for _, name := range []string{"since", "until", "trace"} {
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.NoFileCompletions)
	}
	return cmd
}

// listExecutions prints executions page by page.
func (a *app) listExecutions(cmd *cobra.Command, c *client.Client, f client.Filter, limit int, asJSON, quiet bool) error {
	table := executionTable(a.Out, ui.IsTerminal(a.Out))
	list := ui.Pages[client.Execution]{
		Terminal: &a.Terminal, AsJSON: asJSON, Quiet: quiet, Table: table.Write,
		ID: func(x client.Execution) string { return x.ID },
	}
	more, err := c.ListExecutions(cmd.Context(), f, limit, list.Page)
	if err != nil {
		return err
	}
	nothing := "there are no such executions"
	if !f.Completed && len(f.Statuses) == 0 && f.Trace == "" {
		nothing = "nothing runs; -i lists what is done"
	}
	return list.End(more, limit, nothing)
}
