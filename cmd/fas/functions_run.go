package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/runargs"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
	"github.com/faaspot/faaspot/runtime"
)

func newFunctionsRun(a *app) *cobra.Command {
	var given argsFlags
	var wait, raw, asJSON bool
	var waitTimeout ui.Seconds
	var accept acceptance
	cmd := &cobra.Command{
		Use:        "run NAME [-p KEY=VALUE]... [--args JSON | --args-file FILE] [--wait] [--raw | --json]",
		Aliases:    []string{"call", "invoke"},
		SuggestFor: []string{"start", "exec", "trigger"},
		Short:      "Run a function",
		Long: `Run a function in the background and print the id of the execution. With --wait, wait
until the run is done and print its result as JSON.

Once the id is printed, the execution is on the server's disk. The server runs it to
its end, even if the server or this command is restarted. See "fas executions".

Parameters become the args of the function. With -p they are strings, split at the
first "="; one -p may have several, separated by commas, if every part is a KEY=VALUE:
-p "name=you, times=3". For numbers, lists and objects pass a JSON object with --args
or --args-file; -p adds to it.

With --wait, if the function fails, its error and the traceback of its own code are
on the standard error, and the exit status is 1. Ctrl-C and --wait-timeout end the
wait but not the execution, and print how to wait again.

On a terminal, and with --wait-timeout, --retries or --idempotency-key, --wait starts a
background run and waits for it. Otherwise it sends a single request that returns the
result. That is faster, but the run is lost if the server dies meanwhile.

With --json the output is an object with the field uuid; with --wait --json it is the
execution, successful or not, an object with the fields

` + executionFields,
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
			if err := given.check(cmd); err != nil {
				return err
			}
			if err := exclusive(cmd, "raw", "json"); err != nil {
				return err
			}
			if err := needsWait(cmd, wait, "raw", "wait-timeout"); err != nil {
				return err
			}
			o, err := accept.options(cmd)
			if err != nil {
				return err
			}
			body, err := given.read(cmd.Context(), a)
			if err != nil {
				return err
			}
			c, err := a.connect()
			if err != nil {
				return err
			}
			defer c.Close()
			if !wait {
				return a.runInBackground(cmd.Context(), c, name, body, o, asJSON)
			}
			if asJSON {
				x, err := a.runAndAwait(cmd.Context(), c, name, body, o, waitTimeout)
				if err != nil {
					return err
				}
				if err := a.WriteJSON(x); err != nil {
					return err
				}
				return advise(x.Err(), name)
			}
			var result json.RawMessage
			if o == (client.RunOptions{}) && waitTimeout == 0 && !ui.IsTerminal(a.Err) {
				result, err = a.runBlocking(cmd.Context(), c, name, body)
			} else {
				var x client.Execution
				if x, err = a.runAndAwait(cmd.Context(), c, name, body, o, waitTimeout); err == nil {
					result, err = x.Output, x.Err()
				}
			}
			if err != nil {
				return advise(err, name)
			}
			return a.writeResult(result, raw)
		},
	}
	given.flags(cmd)
	cmd.Flags().BoolVarP(&wait, "wait", "w", false, "wait until the run is done and print the result")
	waitTimeoutFlag(cmd, &waitTimeout)
	cmd.Flags().BoolVarP(&raw, "raw", "r", false, "print a string result without quotes")
	jsonFlag(cmd, &asJSON)
	accept.flags(cmd)
	return cmd
}

// acceptance are the flags of commands that start runs in the background.
type acceptance struct {
	retries int
	key     string
}

func (p *acceptance) flags(cmd *cobra.Command) {
	cmd.Flags().IntVar(&p.retries, "retries", 0, "make up to `N` further attempts, 0 to 10, if the function fails (default the retries of the function)")
	cmd.Flags().StringVar(&p.key, "idempotency-key", "", "idempotency `KEY`: within 24 hours the same command starts its runs only once")
}

func (p *acceptance) options(cmd *cobra.Command) (client.RunOptions, error) {
	o := client.RunOptions{IdempotencyKey: p.key}
	if p.key == "" && cmd.Flags().Changed("idempotency-key") {
		return o, clierror.Usagef("give a key, such as a UUID, or leave the flag out", "the --idempotency-key is empty")
	}
	if cmd.Flags().Changed("retries") {
		if p.retries < 0 || p.retries > runtime.MaxRetries {
			return o, clierror.Usagef(fmt.Sprintf("give a number from 0 to %d", runtime.MaxRetries), "the --retries %d is out of bounds", p.retries)
		}
		o.Retries = &p.retries
	}
	return o, nil
}

// needsWait checks that flags about waiting are used with --wait only.
func needsWait(cmd *cobra.Command, wait bool, names ...string) error {
	for _, name := range names {
		if !wait && cmd.Flags().Changed(name) {
			return clierror.Usagef("add --wait", "--%s has no effect without --wait", name)
		}
	}
	return nil
}

// argsFlags are the flags with the args of a run.
type argsFlags struct {
	parameters []string
	text, file string
}

func (f *argsFlags) flags(cmd *cobra.Command) {
	cmd.Flags().StringArrayVarP(&f.parameters, "parameters", "p", nil, "pass `KEY=VALUE` to the function; repeatable")
	cmd.Flags().StringVar(&f.text, "args", "", "args as a `JSON` object")
	cmd.Flags().StringVarP(&f.file, "args-file", "P", "", "`FILE` with the args as a JSON object, - is the standard input")
	_ = cmd.MarkFlagFilename("args-file", "json")
}

// check returns an error if the flags exclude each other.
func (f *argsFlags) check(cmd *cobra.Command) error { return exclusive(cmd, "args", "args-file") }

// read returns the args.
func (f *argsFlags) read(ctx context.Context, a *app) ([]byte, error) {
	given, err := runargs.ParseParameters(f.parameters)
	if err != nil {
		return nil, err
	}
	base := []byte(f.text)
	if f.file != "" {
		if base, err = a.ReadFile(ctx, f.file, "args", runtime.MaxArgs); err != nil {
			return nil, err
		}
	}
	return runargs.Build(base, given)
}

// runInBackground starts a run in the background and prints its id.
func (a *app) runInBackground(ctx context.Context, c *client.Client, name string, args []byte, o client.RunOptions, asJSON bool) error {
	id, err := c.Submit(ctx, name, args, o)
	if err != nil {
		return err
	}
	if asJSON {
		return a.WriteJSON(struct {
			ID string `json:"uuid"`
		}{id})
	}
	if _, err := fmt.Fprintln(a.Out, id); err != nil {
		return err
	}
	if ui.IsTerminal(a.Out) && ui.IsTerminal(a.Err) {
		fmt.Fprintf(a.Err, "%s runs in the background; %s waits for it\n", name, a.command("executions get "+id+" --wait"))
	}
	return nil
}

// runBlocking runs a function with a single request, the fastest way. The id of the execution comes
// with the answer, so that an interrupted command does not know it.
func (a *app) runBlocking(ctx context.Context, c *client.Client, name string, args []byte) (json.RawMessage, error) {
	answer, err := c.Run(ctx, name, args)
	return answer.Result, clierror.Resumable(err, a.command("executions list -i --function "+name)+" lists it once it is done")
}

// runAndAwait starts a run in the background and waits for it, so that its id is known.
func (a *app) runAndAwait(ctx context.Context, c *client.Client, name string, args []byte, o client.RunOptions, timeout ui.Seconds) (client.Execution, error) {
	id, err := c.Submit(ctx, name, args, o)
	if err != nil {
		return client.Execution{}, clierror.Resumable(err, a.command("executions list -i --function "+name)+" lists it if the server accepted it")
	}
	return a.awaitExecution(ctx, c, id, name, timeout)
}

// writeResult prints the result of a run and a newline. If raw, a string has no quotes.
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

// adviseCommand adds the command that raises a limit to a hint.
func adviseCommand(hint, name, flag string) string {
	return hint + ": fas functions update " + name + " " + flag
}

// advise adds a hint about the limit that a run has reached, with the command that raises it.
func advise(err error, name string) error {
	coded, ok := errors.AsType[*runtime.Error](err)
	if !ok {
		return err
	}
	switch coded.Code {
	case runtime.ClassTimeout.Code():
		coded.Hint = adviseCommand(cmp.Or(coded.Hint, "make the function faster, or give it a longer timeout"), name, "--timeout SECONDS")
	case runtime.ClassMemory.Code():
		coded.Hint = adviseCommand(cmp.Or(coded.Hint, "let the function use less memory, or give it more"), name, "--memory MB")
	}
	return err
}
