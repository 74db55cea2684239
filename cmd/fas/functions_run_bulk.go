package main

import (
	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/runargs"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
)

func newFunctionsRunBulk(a *app) *cobra.Command {
	var parameters []string
	var file string
	var wait, asJSON bool
	var waitTimeout ui.Seconds
	var accept acceptance
	cmd := &cobra.Command{
		Use:     "run_bulk NAME {-p \"KEY=VALUE, ...\"... | --file FILE} [--wait] [--json]",
		Aliases: []string{"run-bulk"},
		Short:   "Run a function many times",
		Long: `Run a function many times in the background: once for each -p, or for each line of a
file, which is a JSON object. Prints the ids of the executions in order, one per line,
or with --json as an array.

The server accepts up to 10,000 runs and 64 MB in one request, all of them or none.
More runs are sent in several requests. If one of them fails, the error says how many
runs were accepted, and how to send the rest without starting any run twice.

With --wait the command waits until all runs are done and prints how many succeeded,
failed and were cancelled; the exit status is 1 if any did not succeed. Ctrl-C and
--wait-timeout end the wait but not the runs. The hint then has the commands that wait
again and that cancel the runs, "fas bulk wait TRACE" and "fas bulk cancel TRACE"; the
ids are printed, except on a terminal.

With --wait --json the output is an object with the fields

  total, succeeded, failed, cancelled, not_found, executions: array of objects, in
  order, with the fields

` + executionFields,
		Example: `  fas functions run_bulk hello -p "name=Ada, times=2" -p "name=Bob, times=3"
  fas functions run_bulk bill --file orders.jsonl > ids
  fas functions run_bulk bill --file orders.jsonl --wait
  jq -c '.orders[]' all.json | fas functions run_bulk bill --file - --wait --json`,
		Args:              arguments("NAME"),
		ValidArgsFunction: a.completeFunctions,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := functionName(args[0]); err != nil {
				return err
			}
			if err := exclusive(cmd, "parameters", "file"); err != nil {
				return err
			}
			if err := needsWait(cmd, wait, "wait-timeout"); err != nil {
				return err
			}
			o, err := accept.options(cmd)
			if err != nil {
				return err
			}
			var runs [][]byte
			switch {
			case file != "":
				runs, err = runargs.ReadLines(cmd.Context(), &a.Terminal, file)
			case len(parameters) > 0:
				runs, err = runargs.ParseEntries(parameters)
			default:
				err = clierror.Usagef("usage: "+cmd.UseLine(), "nothing to run: -p and --file are missing")
			}
			if err != nil {
				return err
			}
			c, err := a.connect()
			if err != nil {
				return err
			}
			defer c.Close()
			b := newBulk(a, c, args[0], runs, o, asJSON)
			if wait {
				return b.runAndAwait(cmd.Context(), waitTimeout)
			}
			return b.runInBackground(cmd.Context())
		},
	}
	cmd.Flags().StringArrayVarP(&parameters, "parameters", "p", nil, "comma-separated `KEY=VALUE` pairs of one run; repeatable")
	cmd.Flags().StringVarP(&file, "file", "f", "", "`FILE` with one JSON object per line, - is the standard input")
	cmd.Flags().BoolVarP(&wait, "wait", "w", false, "wait until all runs are done and print a summary")
	waitTimeoutFlag(cmd, &waitTimeout)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	accept.flags(cmd)
	_ = cmd.MarkFlagFilename("file", "jsonl", "ndjson")
	return cmd
}
