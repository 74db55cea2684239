package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
	"github.com/faaspot/faaspot/runtime"
)

func newFunctions(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "functions",
		Aliases: []string{"function", "fn", "deployments"},
		GroupID: groupFunctions,
		Short:   "Deploy, run and look at functions",
		Long: `Deploy, run and look at functions.

A function is a Python script with a main:

  def main(args, context):
      return "Hello, " + args["name"]

args is a dict of the run's parameters, context a dict that was set when the
function was created. What main returns, as JSON, is the result of the run.`,
		Args: cobra.ArbitraryArgs,
		RunE: group,
	}
	cmd.AddCommand(
		newFunctionsList(a),
		newFunctionsGet(a),
		newFunctionsCreate(a),
		newFunctionsUpdate(a),
		newFunctionsDelete(a),
		newFunctionsRun(a),
		newFunctionsRunBulk(a),
		newFunctionsSamples(a),
	)
	return cmd
}

// limits are the flags of create and update that bound each run.
type limits struct {
	timeout ui.Seconds
	memory  ui.Megabytes
	retries int
}

func (l *limits) flags(cmd *cobra.Command, timeout, memory, retries string) {
	cmd.Flags().Var(&l.timeout, "timeout", "`SECONDS` that a run may take, 0.1 to 900 (default "+timeout+")")
	cmd.Flags().Var(&l.memory, "memory", "`MB` of memory that a run may use, 64 to 1024 (default "+memory+")")
	cmd.Flags().IntVar(&l.retries, "retries", 0, "`N` further attempts, 0 to 10, of a background run if the function fails (default "+retries+")")
	_ = cmd.RegisterFlagCompletionFunc("timeout", cobra.NoFileCompletions)
	_ = cmd.RegisterFlagCompletionFunc("memory", cobra.NoFileCompletions)
	_ = cmd.RegisterFlagCompletionFunc("retries", cobra.NoFileCompletions)
}

// givenRetries is what --retries says, nil if it was not given.
func (l *limits) givenRetries(cmd *cobra.Command) *int {
	if !cmd.Flags().Changed("retries") {
		return nil
	}
	return &l.retries
}

// functionName checks a name before it becomes part of an address.
func functionName(name string) error {
	if err := runtime.ValidateName(name); err != nil {
		if e, ok := errors.AsType[*runtime.Error](err); ok {
			e.Message = "the function name " + ui.Quote(name) + " is not valid"
		}
		return err
	}
	return nil
}
