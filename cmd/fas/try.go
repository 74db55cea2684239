package main

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
	"github.com/faaspot/faaspot/httpapi/wire"
	"github.com/faaspot/faaspot/runtime"
)

// trial has the flags of a command that runs code once.
type trial struct {
	args                   argsFlags
	contextFile            string
	raw, asJSON, noInstall bool
	limits                 limits
}

func newTry(a *app) *cobra.Command {
	var t trial
	cmd := &cobra.Command{
		Use:     "run {FILE | DIR | ZIP} [-p KEY=VALUE]... [--args JSON | --args-file FILE] [-c CONTEXT-FILE] [--timeout SECONDS] [--memory MB] [--allow HOST:PORT] [--raw | --json]",
		GroupID: groupFunctions,
		Short:   "Run a file or a folder once, without deploying it",
		Long: `Run the main of a Python file on the server once, and print its result as JSON. Nothing is
stored: there is no function and no execution afterwards. It runs as a function does, in
the same sandbox, with the same limits and the same rules for the network.

A folder, or a zip of it, is packed as "fas deploy" packs it, and has an empty context.
Its args have at most 4 KB.

Parameters become the args: -p has strings, --args and --args-file a JSON object. What
the code prints goes to the standard error. If it does not deploy, or fails, its error
and the traceback of its own code are on the standard error, and the exit status is 1.

With --json the output is an object with the fields

  status (Success, Failed or Cancelled), output, error, deploy_ms, duration_ms, memory
  (bytes), egress (absent if it has connected to nothing), truncated, entries (stream,
  text)

A function that is deployed is run with "fas functions run".`,
		Example: `  fas run hello.py -p name=you
  fas run mailer.py -c mailer.context --args '{"to": "you"}' --allow smtp.example.com:587
  fas run shop`,
		Args: arguments("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := t.args.check(cmd); err != nil {
				return err
			}
			if err := exclusive(cmd, "raw", "json"); err != nil {
				return err
			}
			return t.run(cmd, a, args[0])
		},
	}
	t.args.flags(cmd)
	cmd.Flags().StringVarP(&t.contextFile, "context-file", "c", "", "`FILE` with the context, - is the standard input")
	cmd.Flags().BoolVarP(&t.raw, "raw", "r", false, "print a string result without quotes")
	cmd.Flags().BoolVar(&t.noInstall, "no-install", false, "install no packages: the folder has all of them")
	cmd.Flags().Var(&t.limits.timeout, "timeout", "time limit in `SECONDS`, 0.1 to 86400 (default 60)")
	cmd.Flags().Var(&t.limits.memory, "memory", "memory limit in `MB`, 64 to 3072 (default 128)")
	cmd.Flags().StringSliceVar(&t.limits.allow, "allow", nil, "`HOST:PORT` that the run may reach; repeatable (default nothing)")
	jsonFlag(cmd, &t.asJSON)
	completeFiles(cmd)
	return cmd
}

func (t *trial) run(cmd *cobra.Command, a *app, path string) error {
	ctx := cmd.Context()
	args, err := t.args.read(ctx, a)
	if err != nil {
		return err
	}
	info, err := os.Stat(path)
	isFolder := err == nil && (info.IsDir() || filepath.Ext(path) == ".zip")
	if errors.Is(err, fs.ErrNotExist) && !strings.ContainsAny(path, "./") && runtime.ValidateName(path) == nil {
		return clierror.Usagef("a function that is deployed is run with `fas functions run "+path+"`", "there is no file %s", ui.Quote(path))
	}
	s, err := t.limits.settings(cmd, a, t.contextFile)
	if err != nil {
		return err
	}
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.Close()
	var result client.Trial
	if isFolder {
		result, err = t.runFolder(ctx, a, c, path, s, args)
	} else {
		result, err = t.runFile(ctx, a, c, path, s, args)
	}
	if err != nil {
		return err
	}
	return a.writeTrial(result, t.raw, t.asJSON)
}

func (t *trial) runFile(ctx context.Context, a *app, c *client.Client, path string, s settings, args json.RawMessage) (client.Trial, error) {
	code, err := a.ReadText(ctx, path, "code", runtime.MaxSource)
	if err != nil {
		return client.Trial{}, err
	}
	r := client.TryRequest{Code: *code, Args: args, Context: s.context, Timeout: float64(s.limits.timeout), Memory: int64(s.limits.memory), Allow: s.allow}
	if name := filepath.Base(path); runtime.ValidateName(name) == nil {
		r.Name = name
	}
	return c.Try(ctx, r)
}

func (t *trial) runFolder(ctx context.Context, a *app, c *client.Client, dir string, s settings, args json.RawMessage) (client.Trial, error) {
	if s.context != nil {
		return client.Trial{}, clierror.Usagef("deploy the folder, or run a single file", "a folder runs with an empty context, so --context-file has no effect")
	}
	s, err := s.withFile(dir)
	if err != nil {
		return client.Trial{}, err
	}
	b, err := a.pack(ctx, folderFlags{dir: dir, noInstall: t.noInstall})
	if err != nil {
		return client.Trial{}, err
	}
	defer b.Close()
	return c.TryBundle(ctx, s.ofBundle(), args, b.File, b.Bytes)
}

// writeTrial prints what code that ran once has written and returned, and returns its failure.
func (a *app) writeTrial(t client.Trial, raw, asJSON bool) error {
	failure := trialError(t)
	if asJSON {
		if err := a.WriteJSON(t); err != nil {
			return err
		}
		return failure
	}
	w := a.newLogWriter("", false)
	for _, entry := range t.Logs {
		entry.Stream = wire.Stderr // the standard output is for the result
		if err := w.entry(entry); err != nil {
			return err
		}
	}
	if failure != nil {
		return failure
	}
	return a.writeResult(t.Output, raw)
}

// trialError returns why code that ran once has failed, nil if it has not.
func trialError(t client.Trial) error {
	if t.Error == nil {
		return nil
	}
	return &client.Error{Err: &runtime.Error{
		Code: runtime.Code(t.Error.Code), Message: t.Error.Message, Hint: t.Error.Hint,
		Traceback: strings.TrimRight(t.Error.ServerTraceback, "\n"), Line: t.Error.Line,
	}}
}
