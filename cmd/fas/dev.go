package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/dev"
	"github.com/faaspot/faaspot/cmd/fas/internal/pack"
	"github.com/faaspot/faaspot/cmd/fas/internal/project"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
)

// devFlags are the flags of `fas dev`.
type devFlags struct {
	port                int
	args                argsFlags
	fresh, once, asJSON bool
	cron, noClear       bool
	remote, envFile     string
}

func newDev(a *app) *cobra.Command {
	var f devFlags
	cmd := &cobra.Command{
		Use:     "dev [FILE | DIR] [-p KEY=VALUE]... [--args JSON | --args-file FILE] [--env-file FILE] [--cron] [--port N] [--fresh | --remote PROFILE] [--once] [--no-clear] [--json]",
		GroupID: groupFunctions,
		Short:   "Serve functions while you write them",
		Long: `Serve the functions of a folder, by default the current one, from a server of their own
in this process, and deploy what changes. A file is one function; so is a folder with
main.py. In any other folder each Python file with a main is a function of its name;
faaspot.toml can name more, and has their settings. NAME.context beside a file is its
context. The values of the file .env of the folder, or of --env-file, are set in the context
of each function, as "fas secrets import" sets them on a server.

After a change the function that ran last runs again, with the same args: the command
prints its result, its log, and what differs from the result before. Code that does not
deploy is shown with its line, and the version before goes on. Requests and runs of others
are shown as they end. A terminal is cleared before a change is deployed, unless --no-clear
is given.

The jobs in job.toml and faaspot.toml are applied. Their schedules do not fire, unless
--cron is given; the key t fires one now. Callbacks are shown.

Functions run in the same sandbox with the same limits as on any server. Four things
differ: the process keeps the rights of its user, as with "fas serve --unconfined";
functions that allow it, and callbacks, may reach 127.0.0.1; callbacks to other machines
are shown, and not sent; schedules wait for --cron.

The data are in the folder .fas of the project, with a profile for other commands:
FAASPOT_CONFIG=.fas/fasconf.yaml fas functions list. With --fresh they are in a temporary folder,
which is removed at the end. ~/.faaspot has only the compiled interpreter, which all
servers of this user share.

On a terminal keys are: ` + dev.KeysHelp + `.
Elsewhere lines are printed, with --json a JSON object for each event, with the fields

  event (deploy, delete, job, run, execution, callback, request or error), function,
  version, duration_ms, since_ms (since the change), args, output, error, entries,
  job, change, uuid, state, url, body, sent, method, path, status

With --remote the functions are deployed to the server of a profile, as NAME-dev-USER,
their runs and logs are shown, and they are deleted at the end. Their contexts have the
values of --env-file, but not those of .env. Jobs are not applied.

With --once the command deploys, runs the function if there is one only, and ends: with
the exit status 0 if all of that succeeds.`,
		Example: `  fas dev
  fas dev hello.py -p name=you
  fas dev shop --args '{"item": "tea"}' --once --json`,
		Args: argumentsAndMore(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, flags := range [][]string{{"args", "args-file"}, {"fresh", "remote"}, {"port", "remote"}, {"cron", "remote"}, {"cron", "once"}} {
				if err := exclusive(cmd, flags...); err != nil {
					return err
				}
			}
			path := "."
			if len(args) > 0 {
				path = args[0]
			}
			if f.port < 0 || f.port > 65535 {
				return clierror.Usagef("give a number from 0 to 65535", "the --port %d is out of bounds", f.port)
			}
			return f.run(cmd.Context(), a, path)
		},
	}
	cmd.Flags().IntVar(&f.port, "port", 0, "listen at port `N` of 127.0.0.1; 0: any free port")
	f.args.flags(cmd)
	cmd.Flags().Lookup("args").Usage = "args of the first run as a `JSON` object"
	cmd.Flags().BoolVar(&f.fresh, "fresh", false, "start without the data of last time, and keep none")
	cmd.Flags().BoolVar(&f.once, "once", false, "deploy and run once, and end")
	cmd.Flags().BoolVar(&f.cron, "cron", false, "let schedules of jobs fire")
	cmd.Flags().BoolVar(&f.noClear, "no-clear", false, "do not clear the terminal before a change is deployed")
	cmd.Flags().StringVar(&f.envFile, "env-file", "", "`FILE` with values of all contexts: NAME=value lines, .toml or .json (default .env of the folder)")
	_ = cmd.MarkFlagFilename("env-file")
	cmd.Flags().StringVar(&f.remote, "remote", "", "deploy to the server of `PROFILE`, and delete it at the end")
	jsonFlag(cmd, &f.asJSON)
	_ = cmd.RegisterFlagCompletionFunc("remote", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return a.completeProfiles(nil, nil, "")
	})
	return cmd
}

// run serves the project at a path.
func (f *devFlags) run(ctx context.Context, a *app, path string) error {
	args, err := f.args.read(ctx, a)
	if err != nil {
		return err
	}
	of := project.Options{Path: path, Name: initialName, Env: a.lookup, EnvFile: f.envFile, DotEnv: f.remote == ""}
	p, err := project.Scan(of)
	if err != nil {
		return err
	}
	s, err := f.server(ctx, a, p.Root)
	if err != nil {
		return err
	}
	defer s.stop()
	o := dev.Options{
		Project: of, Args: args, Once: f.once, Client: s.client, Requests: s.requests, Callbacks: s.callbacks, Suffix: s.suffix,
		Pack: func(ctx context.Context, dir string) (*pack.Bundle, error) { return a.pack(ctx, folderFlags{dir: dir}) },
		Show: &dev.Text{Out: a.Out, Err: a.Err, Width: func() int { return ui.Width(a.Err) }},
	}
	switch {
	case f.asJSON:
		o.Show = &dev.JSON{Out: a.Out}
	case f.once:
	default:
		fmt.Fprintf(a.Err, "serving %s at %s\n", path, s.client.URL())
		if f.remote == "" {
			fmt.Fprintln(a.Err, f.differences(len(p.Jobs) > 0))
		}
		restore := f.listen(a, &o)
		defer restore()
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case err := <-s.ended:
			cancel(err)
		case <-ctx.Done():
		}
	}()
	err = dev.Run(ctx, o)
	if cause := context.Cause(ctx); err == nil && cause != nil {
		if _, ok := errors.AsType[clierror.Interrupted](cause); !ok || f.once {
			return cause
		}
	}
	return err
}

// differences says what differs from other servers.
func (f *devFlags) differences(jobs bool) string {
	text := "unlike on other servers, functions and callbacks may reach 127.0.0.1"
	if jobs && !f.cron {
		text += ", and schedules do not fire (t fires one, --cron all)"
	}
	return text
}

// server returns the server of a project in a folder: one in this process, or that of the profile. The caller stops it.
func (f *devFlags) server(ctx context.Context, a *app, root string) (*devServer, error) {
	if f.remote != "" {
		a.profile = f.remote
		c, err := a.connect()
		if err != nil {
			return nil, err
		}
		user, err := initialName(cmp.Or(a.env["USER"], a.env["LOGNAME"], "me"))
		if err != nil {
			user = "me"
		}
		return &devServer{client: c, suffix: "-dev-" + user, remove: func() {}}, nil
	}
	data, remove := filepath.Join(root, devFolder), func() {}
	if f.fresh {
		var err error
		if data, err = os.MkdirTemp("", "fas-dev-"); err != nil {
			return nil, err
		}
		remove = func() { os.RemoveAll(data) }
	}
	s, err := f.start(ctx, a, data)
	if err != nil {
		remove()
		return nil, err
	}
	s.remove = remove
	return s, nil
}

// listen makes keys and the editor work, if the command runs on a terminal. The caller calls restore in
// the end.
func (f *devFlags) listen(a *app, o *dev.Options) (restore func()) {
	file, ok := a.In.(*os.File)
	if !ok || !ui.IsTerminal(a.In) || !ui.IsTerminal(a.Err) {
		return func() {}
	}
	immediate, reset := keyInput(int(file.Fd()))
	keys := make(chan byte)
	paused := make(chan chan struct{})
	fmt.Fprintln(a.Err, dev.KeysHelp)
	if !immediate {
		fmt.Fprintln(a.Err, "press Enter after a key")
	}
	go readKeys(file, keys, paused)
	o.Keys, o.Target, o.Open, o.KeepScreen = keys, a.connect, openBrowser, f.noClear
	if !a.Dumb {
		o.Clear = func() { _, _ = os.Stderr.WriteString("\x1b[H\x1b[2J") }
	}
	o.Edit = func(ctx context.Context, text []byte) ([]byte, error) {
		// The reader of keys must not take what the editor should get.
		again := make(chan struct{})
		paused <- again
		defer close(again)
		reset()
		defer func() { _, reset = keyInput(int(file.Fd())) }()
		return a.edit(ctx, text)
	}
	return func() { reset() }
}

// readKeys sends the keys that are read from a terminal. After each it waits until it is received, or, if
// that has started an editor, until again is closed.
func readKeys(file *os.File, keys chan<- byte, paused <-chan chan struct{}) {
	in := bufio.NewReaderSize(file, 1)
	for {
		key, err := in.ReadByte()
		if err != nil {
			return
		}
		keys <- key
		if key == 'a' {
			select {
			case again := <-paused:
				<-again
			case <-time.After(time.Second): // there was nothing to edit
			}
		}
	}
}

// edit lets the user edit a text with the editor of the environment.
func (a *app) edit(ctx context.Context, text []byte) ([]byte, error) {
	editor := strings.Fields(a.env["VISUAL"])
	if len(editor) == 0 {
		editor = strings.Fields(a.env["EDITOR"])
	}
	if len(editor) == 0 {
		return nil, clierror.Usagef("set EDITOR to a program, such as nano", "there is no editor")
	}
	file, err := os.CreateTemp("", "fas-args-*.json")
	if err != nil {
		return nil, err
	}
	defer os.Remove(file.Name())
	_, err = file.Write(text)
	if err = errors.Join(err, file.Close()); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, editor[0], append(editor[1:], file.Name())...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return nil, clierror.Usagef("set EDITOR to a program that works", "the editor failed: %v", err)
	}
	return os.ReadFile(file.Name())
}
