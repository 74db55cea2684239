package main

import (
	"io"
	"os"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/runtime"
)

func newFunctions(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "functions <command>",
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
	)
	return cmd
}

// limits are the flags of create and update that bound each run.
type limits struct {
	timeout seconds
	memory  megabytes
}

func (l *limits) flags(cmd *cobra.Command, timeout, memory string) {
	cmd.Flags().Var(&l.timeout, "timeout", "`SECONDS` that a run may take, 0.1 to 900 (default "+timeout+")")
	cmd.Flags().Var(&l.memory, "memory", "`MB` of memory that a run may use, 64 to 1024 (default "+memory+")")
	_ = cmd.RegisterFlagCompletionFunc("timeout", cobra.NoFileCompletions)
	_ = cmd.RegisterFlagCompletionFunc("memory", cobra.NoFileCompletions)
}

// functionName checks a name before it becomes part of an address.
func functionName(name string) error {
	if err := runtime.ValidateName(name); err != nil {
		e := *err.(*runtime.Error)
		e.Message = "the function name " + quoted(name) + " is not valid"
		return &e
	}
	return nil
}

// readFile reads a file of the command line, "-" being the standard input, that
// may have up to limit bytes.
func (a *app) readFile(path, what string, limit int64) ([]byte, error) {
	in := a.stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, usagef("", "cannot read the %s: %v", what, err)
		}
		defer f.Close()
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, limit+1))
	if err != nil {
		return nil, usagef("", "cannot read the %s: %v", what, err)
	}
	if int64(len(data)) > limit {
		return nil, runtime.Errorf(runtime.CodeTooLarge, "the %s %s is too large", what, path).
			WithHint("it may have up to " + sizeText(limit))
	}
	return data, nil
}

// readText reads a file that must be text, such as code.
func (a *app) readText(path, what string, limit int64) (*string, error) {
	data, err := a.readFile(path, what, limit)
	if err != nil {
		return nil, err
	}
	if !utf8.Valid(data) {
		return nil, usagef("save it as UTF-8", "the %s %s is not UTF-8 text", what, path)
	}
	text := string(data)
	return &text, nil
}

// timestamp shows a point in time: to people in their own time zone, to
// programs in RFC 3339.
func timestamp(t time.Time, people bool) string {
	switch {
	case t.IsZero():
		return ""
	case people:
		return t.Local().Format("2006-01-02 15:04:05")
	}
	return t.UTC().Format(time.RFC3339Nano)
}
