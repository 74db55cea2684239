package main

import (
	"errors"
	"slices"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
	"github.com/faaspot/faaspot/runtime"
)

func newFunctions(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "functions",
		Aliases: []string{"function", "fn", "deployments"},
		GroupID: groupFunctions,
		Short:   "Deploy, run and show functions",
		Long: `Deploy, run and show functions.

A function is a Python script with a main:

  def main(args, context):
      return "Hello, " + args["name"]

args is a dict with the parameters of the run; context is a dict that is set when the
function is deployed. The return value of main, as JSON, is the result of the run.`,
		Args: cobra.ArbitraryArgs,
		RunE: group,
	}
	cmd.AddCommand(
		newFunctionsList(a),
		newFunctionsGet(a),
		newFunctionsCreate(a),
		newFunctionsApply(a),
		newFunctionsUpdate(a),
		newFunctionsDelete(a),
		newFunctionsPause(a),
		newFunctionsResume(a),
		newFunctionsRun(a),
		newFunctionsRunBulk(a),
		newFunctionsSamples(a),
	)
	return cmd
}

// limits are the flags of create and update that limit each run.
type limits struct {
	timeout ui.Seconds
	memory  ui.Megabytes
	retries int
	allow   []string
	keep    bool
}

func (l *limits) flags(cmd *cobra.Command, timeout, memory, retries, allow string) {
	cmd.Flags().Var(&l.timeout, "timeout", "time limit of a run in `SECONDS`, 0.1 to 86400 (default "+timeout+")")
	cmd.Flags().Var(&l.memory, "memory", "memory limit of a run in `MB`, 64 to 3072 (default "+memory+")")
	cmd.Flags().IntVar(&l.retries, "retries", 0, "make up to `N` further attempts, 0 to 10, if the function fails in the background (default "+retries+")")
	cmd.Flags().StringSliceVar(&l.allow, "allow", nil, "`HOST:PORT` that runs may reach, such as api.example.com:443; repeatable, replaces the whole list; none: nothing (default "+allow+")")
	cmd.Flags().BoolVar(&l.keep, "keep-args", true, "store args of up to 64 KiB with executions, to look at them and to run them again (default as the server is set)")
}

// givenKeepArgs returns the value of --keep-args, nil if the flag is not set.
func (l *limits) givenKeepArgs(cmd *cobra.Command) *bool {
	if !cmd.Flags().Changed("keep-args") {
		return nil
	}
	return &l.keep
}

// givenAllow returns the values of --allow, nil if the flag is not set.
func (l *limits) givenAllow(cmd *cobra.Command) *[]string {
	switch {
	case !cmd.Flags().Changed("allow"):
		return nil
	case slices.Equal(l.allow, []string{"none"}):
		return &[]string{}
	}
	return &l.allow
}

// givenRetries returns the value of --retries, nil if the flag is not set.
func (l *limits) givenRetries(cmd *cobra.Command) *int {
	if !cmd.Flags().Changed("retries") {
		return nil
	}
	return &l.retries
}

// functionName checks a name before it becomes part of a URL.
func functionName(name string) error {
	if err := runtime.ValidateName(name); err != nil {
		if e, ok := errors.AsType[*runtime.Error](err); ok {
			e.Message = "the function name " + ui.Quote(name) + " is not valid"
		}
		return err
	}
	return nil
}
