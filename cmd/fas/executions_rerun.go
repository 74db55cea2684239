package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
	"github.com/faaspot/faaspot/runtime"
)

func newExecutionsRerun(a *app) *cobra.Command {
	var f rerunFlags
	var bulk bulkFlags
	cmd := &cobra.Command{
		Use:   "rerun {ID [--args JSON | --args-file FILE] [--version N] [--wait] [--raw] | [--function NAME] [--status STATUS] [--since WHEN] [--until WHEN] [--trace ID] [--where EXPRESSION]... [--yes] [--no-wait]} [--json]",
		Short: "Run a function again with the args of an execution",
		Long: `Run the function of an execution again, in the background, with the same args, and
print the id of the new execution. With --wait, wait until it is done and print its
result as JSON.

The run uses the current version of the function. The args must be kept by the server,
see "fas functions create --help"; --args and --args-file replace them. Tasks of jobs
are repeated by "fas jobs rerun".

Without ID and with a filter, run all executions again that it selects, by default
those that failed; tasks of jobs, and executions without kept args, are skipped. On a
terminal the command asks for confirmation. It waits until the runs are accepted, shows
the progress, and prints the id of the operation, which the server continues if the
command is stopped; see "fas operations". The new executions have one trace, with which
"fas executions list" and "fas bulk" find them.

With --json the output is the new execution, an object with the fields

` + executionFields + `

or the operation, an object with the fields

` + operationFields,
		Example: `  fas executions rerun $UUID
  fas executions rerun $UUID --args '{"name": "you"}' --wait
  fas executions rerun --function bill --status failed --since 1h
  fas executions rerun --where 'reason = timeout and user = ann' --since 1d
  fas executions rerun --trace $TRACE --yes --json | jq .done`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: a.completeExecutions(client.Filter{Completed: true}, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 && bulk.given(cmd) {
				if err := f.refuseWithFilter(cmd); err != nil {
					return err
				}
				return bulk.start(cmd, a, runtime.OperationRerun, f.asJSON)
			}
			if err := arguments("ID")(cmd, args); err != nil {
				return err
			}
			if err := refuseFilter(cmd); err != nil {
				return err
			}
			if err := executionID(args[0]); err != nil {
				return err
			}
			r, err := f.request(cmd, a)
			if err != nil {
				return err
			}
			c, err := a.connect()
			if err != nil {
				return err
			}
			defer c.Close()
			x, err := c.Rerun(cmd.Context(), args[0], r)
			if err != nil {
				return err
			}
			return f.finish(cmd, a, c, x)
		},
	}
	f.flags(cmd)
	bulk.flags(cmd, a, "run again", "failed (the default), cancelled, success; or several, comma-separated")
	return cmd
}

// refuseFilter returns an error if flags of a filter are given along with ids.
func refuseFilter(cmd *cobra.Command) error {
	for _, name := range append([]string{"no-wait"}, bulkFilters...) {
		if cmd.Flags().Changed(name) {
			return clierror.Usagef("give ids, or a filter", "--%s and ids exclude each other", name)
		}
	}
	return nil
}

// refuseWithFilter returns an error if flags of a single rerun are given along with a filter.
func (f *rerunFlags) refuseWithFilter(cmd *cobra.Command) error {
	for _, name := range []string{"args", "args-file", "version", "wait", "wait-timeout", "raw", "retries", "idempotency-key"} {
		if cmd.Flags().Changed(name) {
			return clierror.Usagef("give an ID, or leave it out", "--%s has no effect on executions that a filter selects", name)
		}
	}
	return nil
}

// rerunFlags are the flags of a rerun.
type rerunFlags struct {
	args              argsFlags
	version           uint64
	wait, raw, asJSON bool
	waitTimeout       ui.Seconds
	accept            acceptance
}

func (f *rerunFlags) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.args.text, "args", "", "args as a `JSON` object, in place of those of the execution")
	cmd.Flags().StringVarP(&f.args.file, "args-file", "P", "", "`FILE` with these args, - is the standard input")
	cmd.Flags().Uint64Var(&f.version, "version", 0, "run the version `N` of the function, which needs a token that may deploy (default the current one)")
	cmd.Flags().BoolVarP(&f.wait, "wait", "w", false, "wait until the run is done and print the result")
	waitTimeoutFlag(cmd, &f.waitTimeout)
	cmd.Flags().BoolVarP(&f.raw, "raw", "r", false, "print a string result without quotes")
	jsonFlag(cmd, &f.asJSON)
	f.accept.flags(cmd)
	_ = cmd.MarkFlagFilename("args-file", "json")
}

// request returns the request that the flags describe.
func (f *rerunFlags) request(cmd *cobra.Command, a *app) (r client.Rerun, err error) {
	if err := f.args.check(cmd); err != nil {
		return r, err
	}
	if err := exclusive(cmd, "raw", "json"); err != nil {
		return r, err
	}
	if err := needsWait(cmd, f.wait, "raw", "wait-timeout"); err != nil {
		return r, err
	}
	if f.version == 0 && cmd.Flags().Changed("version") {
		return r, clierror.Usagef("give a number from 1 on", "the --version 0 does not exist")
	}
	o, err := f.accept.options(cmd)
	if err != nil {
		return r, err
	}
	r = client.Rerun{Version: f.version, Retries: o.Retries, IdempotencyKey: o.IdempotencyKey}
	if cmd.Flags().Changed("args") || f.args.file != "" {
		r.Args, err = f.args.read(cmd.Context(), a)
	}
	return r, err
}

// finish waits for the new execution, if the flags say so, and prints it.
func (f *rerunFlags) finish(cmd *cobra.Command, a *app, c *client.Client, x client.Execution) error {
	if f.wait {
		var err error
		if x, err = a.awaitExecution(cmd.Context(), c, x.ID, x.Name, f.waitTimeout); err != nil {
			return err
		}
	}
	switch {
	case f.asJSON:
		if err := a.WriteJSON(x); err != nil || !f.wait {
			return err
		}
		return advise(x.Err(), x.Name)
	case !f.wait:
		_, err := fmt.Fprintln(a.Out, ui.OneLine(x.ID))
		return err
	case x.Err() != nil:
		return advise(x.Err(), x.Name)
	}
	return a.writeResult(x.Output, f.raw)
}
