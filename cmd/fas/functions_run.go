package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
	"github.com/faaspot/faaspot/runtime"
)

func newFunctionsRun(a *app) *cobra.Command {
	var parameters []string
	var argsFile, argsText string
	var wait, raw bool
	var waitTimeout ui.Seconds
	var accept acceptance
	cmd := &cobra.Command{
		Use:     "run NAME [-p KEY=VALUE]... [--args JSON | --args-file FILE] [--wait]",
		Aliases: []string{"call", "invoke"},
		Short:   "Run a function",
		Long: `Run a function in the background and print the id of the execution, or with
--wait wait for its end and print its result as JSON.

Once the id is printed, the execution is on the server's disk and will be carried
to an end, whatever happens to the server or to this command. See "fas executions".

Parameters become the function's args. With -p they are strings, split at the
first "="; several may stand in one -p with commas between them, if every part
is a KEY=VALUE: -p "name=you, times=3". For numbers, lists and objects give a JSON
object with --args or --args-file; -p adds to it.

With --wait, if the function fails, its error and the traceback of its own code
are on the standard error, and the exit status is 1. Ctrl-C, or --wait-timeout,
ends the waiting and not the execution, and says how to wait again.

If somebody is at the terminal, or with --wait-timeout, --retries or
--idempotency-key, --wait runs the function in the background as well and waits for
the execution; otherwise it makes one request that is answered with the result,
which is faster, and nothing is promised if the server dies meanwhile.`,
		Example: `  UUID=$(fas functions run hello -p name=you)
  fas functions run hello -p name=you --wait
  fas functions run sum --wait --args '{"numbers": [1, 2, 3]}'
  cat order.json | fas functions run bill --wait --args-file - | jq .total
  fas functions run import --wait --wait-timeout 10m --retries 3`,
		Args:              arguments("NAME"),
		ValidArgsFunction: a.completeFunctions,
		RunE: func(cmd *cobra.Command, args []string) error {
			name := args[0]
			if err := functionName(name); err != nil {
				return err
			}
			if err := exclusive(cmd, "args", "args-file"); err != nil {
				return err
			}
			if err := needsWait(cmd, wait, "raw", "wait-timeout"); err != nil {
				return err
			}
			o, err := accept.options(cmd)
			if err != nil {
				return err
			}
			body, err := a.readArgs(cmd.Context(), argsText, argsFile, parameters)
			if err != nil {
				return err
			}
			c, err := a.connect()
			if err != nil {
				return err
			}
			defer c.Close()
			if !wait {
				return a.runInBackground(cmd.Context(), c, name, body, o)
			}
			var result json.RawMessage
			if o == (client.RunOptions{}) && waitTimeout == 0 && !ui.IsTerminal(a.Err) {
				result, err = a.runBlocking(cmd.Context(), c, name, body)
			} else {
				result, err = a.runAndAwait(cmd.Context(), c, name, body, o, waitTimeout)
			}
			if err != nil {
				return advise(err, name)
			}
			return a.writeResult(result, raw)
		},
	}
	cmd.Flags().StringArrayVarP(&parameters, "parameters", "p", nil, "`KEY=VALUE` for the function, as often as needed")
	cmd.Flags().StringVar(&argsText, "args", "", "the args as a `JSON` object")
	cmd.Flags().StringVarP(&argsFile, "args-file", "P", "", "`FILE` with the args as a JSON object, - for the standard input")
	cmd.Flags().BoolVarP(&wait, "wait", "w", false, "wait for the end and print the result")
	waitTimeoutFlag(cmd, &waitTimeout)
	cmd.Flags().BoolVarP(&raw, "raw", "r", false, "print a result that is a string without its quotes")
	accept.flags(cmd)
	_ = cmd.RegisterFlagCompletionFunc("parameters", cobra.NoFileCompletions)
	_ = cmd.RegisterFlagCompletionFunc("args", cobra.NoFileCompletions)
	_ = cmd.MarkFlagFilename("args-file", "json")
	return cmd
}

// acceptance is the flags of commands that have runs accepted in the background.
type acceptance struct {
	retries int
	key     string
}

func (p *acceptance) flags(cmd *cobra.Command) {
	cmd.Flags().IntVar(&p.retries, "retries", 0, "`N` further attempts, 0 to 10, if the function fails (default what the function says)")
	cmd.Flags().StringVar(&p.key, "idempotency-key", "", "`KEY` with which the same command is carried out once within 24 hours")
	_ = cmd.RegisterFlagCompletionFunc("retries", cobra.NoFileCompletions)
	_ = cmd.RegisterFlagCompletionFunc("idempotency-key", cobra.NoFileCompletions)
}

func (p *acceptance) options(cmd *cobra.Command) (client.RunOptions, error) {
	o := client.RunOptions{IdempotencyKey: p.key}
	if p.key == "" && cmd.Flags().Changed("idempotency-key") {
		return o, clierror.Usagef("give a key, such as a UUID, or leave the flag out", "the --idempotency-key is empty")
	}
	if cmd.Flags().Changed("retries") {
		o.Retries = &p.retries
	}
	return o, nil
}

// needsWait checks that flags which are about waiting are given with --wait.
func needsWait(cmd *cobra.Command, wait bool, names ...string) error {
	for _, name := range names {
		if !wait && cmd.Flags().Changed(name) {
			return clierror.Usagef("add --wait", "--%s has no use without --wait", name)
		}
	}
	return nil
}

// readArgs makes the args of a run of what the command line has for them.
func (a *app) readArgs(ctx context.Context, text, file string, parameters []string) ([]byte, error) {
	given, err := parseParameters(parameters)
	if err != nil {
		return nil, err
	}
	base := []byte(text)
	if file != "" {
		if base, err = a.ReadFile(ctx, file, "args", runtime.MaxArgs); err != nil {
			return nil, err
		}
	}
	return buildArgs(base, given)
}

// runInBackground has a run accepted and prints its id.
func (a *app) runInBackground(ctx context.Context, c *client.Client, name string, args []byte, o client.RunOptions) error {
	id, err := c.Submit(ctx, name, args, o)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(a.Out, id); err != nil {
		return err
	}
	if ui.IsTerminal(a.Out) && ui.IsTerminal(a.Err) {
		fmt.Fprintf(a.Err, "%s runs in the background: %s waits for its end\n", name, a.command("executions get "+id+" --wait"))
	}
	return nil
}

// runBlocking has a run answered with its result, the fastest way. Who stops
// waiting has no id, for it comes with the answer.
func (a *app) runBlocking(ctx context.Context, c *client.Client, name string, args []byte) (json.RawMessage, error) {
	answer, err := c.Run(ctx, name, args)
	return answer.Result, clierror.Resumable(err, a.command("executions list -i --function "+name)+" lists it once it is done")
}

// runAndAwait has a run accepted and waits for its end, so that there is an id
// to wait again with.
func (a *app) runAndAwait(ctx context.Context, c *client.Client, name string, args []byte, o client.RunOptions, timeout ui.Seconds) (json.RawMessage, error) {
	id, err := c.Submit(ctx, name, args, o)
	if err != nil {
		return nil, clierror.Resumable(err, a.command("executions list -i --function "+name)+" lists it if it was accepted")
	}
	x, err := a.awaitExecution(ctx, c, id, name, timeout)
	if err != nil {
		return nil, err
	}
	return x.Output, x.Err()
}

// writeResult prints the result of a run and a newline.
func (a *app) writeResult(result json.RawMessage, raw bool) error {
	if raw {
		var text string
		if json.Unmarshal(result, &text) == nil && len(result) > 0 && result[0] == '"' {
			_, err := fmt.Fprintln(a.Out, text)
			return err
		}
	}
	_, err := fmt.Fprintf(a.Out, "%s\n", result)
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
