package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/jobfile"
	"github.com/faaspot/faaspot/cmd/fas/internal/project"
	"github.com/faaspot/faaspot/runtime"
)

// codeSuffix ends the names of Python files.
const codeSuffix = ".py"

func newDeploy(a *app) *cobra.Command {
	var name, contextFile string
	var wait, asJSON bool
	var folder folderFlags
	var bounds limits
	var several projectDeployment
	cmd := &cobra.Command{
		Use:     "deploy {DIR | ZIP | FILE} [NAME...] [--dry-run] [--name NAME] [-c CONTEXT-FILE] [--timeout SECONDS] [--memory MB] [--retries N] [--allow HOST:PORT] [--no-install] [--json]",
		GroupID: groupFunctions,
		Short:   "Deploy a file, a folder or a zip as a function, or a project",
		Long: `Deploy a folder as a function: create it, or change the one of that name. The name is
that of the folder, or --name. What the flags do not name gets the default if the
function is new, and does not change if it exists. A zip with the files of a function,
main.py at its root, is deployed as it is.

A Python file, with the suffix .py, is deployed as a function of a single file: its code
and its context change at once, in one request. The name is that of the file without the
suffix.

The folder has main.py, which defines main(args, context), and its modules, packages and
data files. They are packed into a zip, the bundle, of at most 50 MiB, and 250 MiB
unpacked. Left out are .git, .venv, node_modules, .env, __pycache__, caches of tools, and
what the file .faasignore names, in the syntax of .gitignore; "!.env" brings a file back.
The bundle has what links within the folder refer to; no link may lead out of it.

Packages are installed into the bundle, not into the folder, from the first of these
files: requirements.txt (with its hashes), uv.lock, pylock.toml, the dependencies of
pyproject.toml. The command uses the uv in the PATH, else pip, and takes packages for
Python 3.13 on Linux. Their extension modules are left out: many packages have Python
code for the same, and for the others the server says that they need native code.

If the bundle does not deploy, the code and the settings do not change, and a new function
is not created. Only the context is sent by itself: that of a function that exists changes
before the code, and stays changed; a new function has none for a moment, and is kept
without it if the server refuses the context. Prints the id of the deployment.

A folder with faaspot.toml and without main.py is a project: it has several functions, each of
a Python file or a folder, and jobs. The command compares them with the server, says what
it will change, and deploys what has changed, or those with a NAME; without DIR those of the
current folder. What the files do not name does not change, and functions that the project
does not have stay. If a function does not deploy, the others do, and no job is applied.
With --dry-run nothing changes.

` + changeFields + `

and that of a project is an array of objects with the fields

  kind (function or job), name, change (create, update, unchanged, or apply for
  a job that exists and was not applied), details, uuid, error`,
		Example: `  fas deploy shop
  fas deploy hello.py
  fas deploy . --name mailer -c mailer.conf --memory 256
  fas deploy dist/shop.zip
  fas deploy --dry-run
  fas deploy . mailer nightly`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			several.noInstall, several.asJSON = folder.noInstall, asJSON
			if done, err := several.tryRun(cmd, a, args); done || err != nil {
				return err
			}
			if err := arguments("DIR")(cmd, args); err != nil {
				return err
			}
			if several.dryRun {
				return clierror.Usagef("`fas diff NAME` compares versions that are deployed", "--dry-run is for a project, a folder with faaspot.toml and without main.py")
			}
			folder.dir = args[0]
			if name == "" && cmd.Flags().Changed("name") {
				return clierror.Usagef("leave the flag out to use the name of the folder", "the --name is empty")
			}
			if name == "" {
				whole, err := filepath.Abs(folder.dir)
				if err != nil {
					return err
				}
				if name, err = initialName(strings.TrimSuffix(strings.TrimSuffix(filepath.Base(whole), ".zip"), codeSuffix)); err != nil {
					return clierror.Usagef("give it with --name", "the name of the folder is not a name for a function")
				}
			}
			if err := functionName(name); err != nil {
				return err
			}
			s, err := bounds.settings(cmd, a, contextFile)
			if err != nil {
				return err
			}
			if filepath.Ext(folder.dir) == codeSuffix && !isFolder(folder.dir) {
				if cmd.Flags().Changed("no-install") {
					return clierror.Usagef("leave it out", "--no-install has no effect on a single file")
				}
				c, err := a.deployFile(cmd.Context(), name, folder.dir, s)
				if err != nil {
					return err
				}
				return a.writeChange(c, asJSON)
			}
			c, err := a.deployFolder(cmd.Context(), deployment{name: name, folder: folder, settings: s, create: true, update: true})
			if err != nil {
				return err
			}
			return a.writeChange(c, asJSON)
		},
	}
	cmd.Flags().StringVar(&name, "name", "", "`NAME` of the function (default that of the folder or the zip)")
	cmd.Flags().StringVarP(&contextFile, "context-file", "c", "", "`FILE` with the context, - is the standard input")
	folder.installFlag(cmd)
	cmd.Flags().BoolVar(&several.dryRun, "dry-run", false, "of a project, say what would change, and change nothing")
	waitFlag(cmd, &wait)
	bounds.flags(cmd, "60, or unchanged", "128, or unchanged", "0, or unchanged", "nothing, or unchanged")
	jsonFlag(cmd, &asJSON)
	_ = cmd.MarkFlagFilename("context-file")
	return cmd
}

// tryRun deploys the project that the arguments name, and reports whether they name one: the folder of a project
// and names, or names alone, of the project in the current folder.
func (d *projectDeployment) tryRun(cmd *cobra.Command, a *app, args []string) (done bool, err error) {
	path := "."
	d.names = args
	if len(args) > 0 && project.Is(args[0]) {
		path, d.names = args[0], args[1:]
	}
	given := settingsGiven(cmd)
	if path == "." && len(d.names) == 1 && exists(d.names[0]) && (len(given) > 0 || filepath.Base(d.names[0]) != d.names[0] || d.names[0] == "..") {
		return false, nil // a folder or a file of its own, whatever the current folder has
	}
	p, ok, err := a.projectAt(path)
	if !ok || err != nil {
		return ok, err
	}
	if len(d.names) > 0 && path == "." && !slices.Contains(p.Names(), d.names[0]) {
		if exists(d.names[0]) {
			return false, nil // a folder or a file of its own
		}
	}
	if len(given) > 0 {
		return true, clierror.Usagef("write settings to "+jobfile.FunctionFile, "%s cannot be used with a project", strings.Join(given, " and "))
	}
	return true, d.run(cmd.Context(), a, p)
}

// settingsGiven returns the flags of the command that no project can be deployed with.
func settingsGiven(cmd *cobra.Command) (given []string) {
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if !slices.Contains(projectFlags, f.Name) && cmd.LocalNonPersistentFlags().Lookup(f.Name) != nil {
			given = append(given, "--"+f.Name)
		}
	})
	return given
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// projectFlags are the flags with which a project can be deployed.
var projectFlags = []string{"dry-run", "json", "no-install", "wait"}

// isFolder reports whether a path is that of a folder.
func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// deployFile deploys a Python file with one request, which creates the function or changes it.
func (a *app) deployFile(ctx context.Context, name, path string, s settings) (c change, err error) {
	code, err := a.ReadText(ctx, path, "code", runtime.MaxSource)
	if err != nil {
		return c, err
	}
	server, err := a.connect()
	if err != nil {
		return c, err
	}
	defer server.Close()
	return a.put(ctx, server, client.CreateRequest{
		Name: name, Code: *code, Context: s.context, Timeout: float64(s.limits.timeout), Memory: int64(s.limits.memory), Retries: s.retries, Allow: s.allow,
	})
}

// put creates a function or changes it.
func (a *app) put(ctx context.Context, c *client.Client, r client.CreateRequest) (change, error) {
	id, err := c.Put(ctx, r)
	if err != nil {
		return change{}, err
	}
	done := "applied"
	if x, err := c.Execution(ctx, id); err == nil && x.Kind != "" {
		done = x.Kind + "d" // create, update
	}
	return change{ID: id, Name: r.Name, Change: done}, nil
}
