package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
	"github.com/faaspot/faaspot/runtime"
)

// lookupAtOnce is the number of executions that are held in memory at once, with their outputs.
const lookupAtOnce = 500

func newExecutionsGetBulk(a *app) *cobra.Command {
	var ids []string
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "get_bulk -u ID [-u ID]... [--json]",
		Aliases: []string{"get-bulk"},
		Short:   "Show many executions at once",
		Long: `Show executions in the order of their ids, which are given with -u or as arguments.
An id that does not exist has the status NotFound, and the exit status is 4 then.

On a terminal the output is a table; elsewhere each execution is a line of
tab-separated fields without a heading: uuid, name, kind, status, created,
duration_ms, error_code.

With --json it is an array of objects with the fields

` + executionFields + `

If the outputs are very large together, some are omitted; output_omitted is true
then.`,
		Example: `  fas executions get_bulk -u $FIRST -u $SECOND
  fas functions run_bulk hello -p name=a -p name=b | xargs fas executions get_bulk`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: a.completeExecutions(client.Filter{Completed: true}, 0),
		RunE: func(cmd *cobra.Command, args []string) error {
			ids = append(ids, args...)
			if len(ids) == 0 {
				return clierror.Usagef("usage: "+cmd.UseLine(), "the ID is missing")
			}
			if err := executionIDs(ids); err != nil {
				return err
			}
			c, err := a.connect()
			if err != nil {
				return err
			}
			defer c.Close()
			array := ui.JSONArray{Out: a.Out}
			table := executionTable(a.Out, ui.IsTerminal(a.Out))
			absent := 0
			for rest := ids; len(rest) > 0; {
				some := rest[:min(len(rest), lookupAtOnce)]
				rest = rest[len(some):]
				list, err := c.ExecutionsByID(cmd.Context(), some)
				if err != nil {
					return err
				}
				for _, x := range list {
					if x.Status == client.StatusNotFound {
						absent++
					}
					if !asJSON {
						continue
					}
					if err := array.Add(x); err != nil {
						return err
					}
				}
				if asJSON {
					continue
				}
				if err := table.Write(list); err != nil {
					return err
				}
			}
			if asJSON {
				if err := array.End(); err != nil {
					return err
				}
				fmt.Fprintln(a.Out)
			}
			if absent > 0 {
				return runtime.Errorf(runtime.CodeNotFound, "%d of %d executions do not exist", absent, len(ids)).
					WithHint("the server may have dropped them for their age, or they are on another server")
			}
			return nil
		},
	}
	cmd.Flags().StringArrayVarP(&ids, "uuid", "u", nil, "`ID` of an execution; repeatable")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	_ = cmd.RegisterFlagCompletionFunc("uuid", a.completeExecutions(client.Filter{Completed: true}, 0))
	return cmd
}
