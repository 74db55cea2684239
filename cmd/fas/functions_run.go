package main

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/runtime"
)

func newFunctionsRun(a *app) *cobra.Command {
	var parameters []string
	var argsFile, argsText string
	var wait, raw bool
	cmd := &cobra.Command{
		Use:     "run NAME --wait [-p KEY=VALUE]... [--args JSON | --args-file FILE]",
		Aliases: []string{"call", "invoke"},
		Short:   "Run a function",
		Long: `Run a function, wait for its end and print its result as JSON.

Parameters become the function's args. With -p they are strings, split at the
first "="; several may stand in one -p with commas between them, if every part
is a KEY=VALUE: -p "name=you, times=3". For numbers, lists and objects give a JSON
object with --args or --args-file; -p adds to it.

If the function fails, its error and the traceback of its own code are on the
standard error, and the exit status is 1.`,
		Example: `  fas functions run hello -p name=you --wait
  fas functions run sum --wait --args '{"numbers": [1, 2, 3]}'
  cat order.json | fas functions run bill --wait --args-file - | jq .total
  fas functions run hello -p name=you --wait --raw`,
		Args:              arguments("NAME"),
		ValidArgsFunction: a.completeFunctions,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := functionName(args[0]); err != nil {
				return err
			}
			if err := exclusive(cmd, "args", "args-file"); err != nil {
				return err
			}
			if !wait {
				// Without --wait a run is to go on in the background. Waiting
				// anyway would change what scripts see once that is possible.
				return usagef("add --wait", "the server runs functions only for those who wait")
			}
			given, err := parseParameters(parameters)
			if err != nil {
				return err
			}
			base := []byte(argsText)
			if argsFile != "" {
				if base, err = a.readFile(cmd.Context(), argsFile, "args", runtime.MaxArgs); err != nil {
					return err
				}
			}
			body, err := buildArgs(base, given)
			if err != nil {
				return err
			}
			c, err := a.connect()
			if err != nil {
				return err
			}
			defer c.Close()
			answer, err := c.Run(cmd.Context(), args[0], body)
			if err != nil {
				return advise(err, args[0])
			}
			return a.writeResult(answer.Result, raw)
		},
	}
	cmd.Flags().StringArrayVarP(&parameters, "parameters", "p", nil, "`KEY=VALUE` for the function, as often as needed")
	cmd.Flags().StringVar(&argsText, "args", "", "the args as a `JSON` object")
	cmd.Flags().StringVarP(&argsFile, "args-file", "P", "", "`FILE` with the args as a JSON object, - for the standard input")
	cmd.Flags().BoolVarP(&wait, "wait", "w", false, "wait for the end and print the result")
	cmd.Flags().BoolVarP(&raw, "raw", "r", false, "print a result that is a string without its quotes")
	_ = cmd.RegisterFlagCompletionFunc("parameters", cobra.NoFileCompletions)
	_ = cmd.RegisterFlagCompletionFunc("args", cobra.NoFileCompletions)
	_ = cmd.MarkFlagFilename("args-file", "json")
	return cmd
}

// writeResult prints the result of a run and a newline.
func (a *app) writeResult(result json.RawMessage, raw bool) error {
	if raw {
		var text string
		if json.Unmarshal(result, &text) == nil && len(result) > 0 && result[0] == '"' {
			_, err := fmt.Fprintln(a.stdout, text)
			return err
		}
	}
	_, err := fmt.Fprintf(a.stdout, "%s\n", result)
	return err
}

// advise adds what to do about a limit that a run has met.
func advise(err error, name string) error {
	coded, ok := errors.AsType[*runtime.Error](err)
	if !ok || coded.Hint != "" {
		return err
	}
	switch coded.Code {
	case runtime.ClassTimeout.Code():
		coded.Hint = "make it faster, or give it more time: fas functions update " + name + " --timeout SECONDS"
	case runtime.ClassMemory.Code():
		coded.Hint = "let it keep less at once, or give it more memory: fas functions update " + name + " --memory MB"
	}
	return err
}
