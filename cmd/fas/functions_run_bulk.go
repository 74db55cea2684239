package main

import (
	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
	"github.com/spf13/cobra"
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
		Long: `Run a function many times in the background: once for each -p, or for each line of
a file, which is a JSON object. Prints the ids of the executions, one a line, in
order; with --json, as an array.

The server accepts up to 10,000 runs and 64 MB at once, all of them or none. More
are sent in several requests; if one of them fails, the error says how many runs are
accepted, and how to have the others accepted, too, without any twice.

With --wait it waits until all are done and prints how many came to which end; the
exit status is 1 if any did not succeed. Ctrl-C, or --wait-timeout, ends the waiting
and not the runs; the ids are printed then, unless to a terminal.

With --wait --json it is an object with the fields

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
				runs, err = a.readBulk(cmd.Context(), file)
			case len(parameters) > 0:
				runs, err = parseBulk(parameters)
			default:
				err = clierror.Usagef("usage: "+cmd.UseLine(), "there is nothing to run: neither -p nor --file is given")
			}
			if err != nil {
				return err
			}
			c, err := a.connect()
			if err != nil {
				return err
			}
			defer c.Close()
			b := bulk{app: a, client: c, name: args[0], runs: runs, options: o, json: asJSON}
			if wait {
				return b.runAndAwait(cmd.Context(), waitTimeout)
			}
			return b.runInBackground(cmd.Context())
		},
	}
	cmd.Flags().StringArrayVarP(&parameters, "parameters", "p", nil, "`KEY=VALUE` pairs of one run with commas between them, as often as needed")
	cmd.Flags().StringVarP(&file, "file", "f", "", "`FILE` with a JSON object a line, - for the standard input")
	cmd.Flags().BoolVarP(&wait, "wait", "w", false, "wait until all are done and print a summary")
	waitTimeoutFlag(cmd, &waitTimeout)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	accept.flags(cmd)
	_ = cmd.RegisterFlagCompletionFunc("parameters", cobra.NoFileCompletions)
	_ = cmd.MarkFlagFilename("file", "jsonl", "ndjson")
	return cmd
}
