package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/shell"
	"github.com/faaspot/faaspot/runtime"
)

func newFunctionsCreate(a *app) *cobra.Command {
	var d definition
	cmd := &cobra.Command{
		Use:        "create NAME {--file FILE | --dir DIR} [-c CONTEXT-FILE] [--timeout SECONDS] [--memory MB] [--retries N] [--allow HOST:PORT] [--json]",
		SuggestFor: []string{"add", "new"},
		Short:      "Deploy a new function",
		Long: `Deploy a new function from a Python script or a folder. "fas functions apply" also
changes a function that exists.

The server checks the script and runs its module body. If the script is not valid
Python, has no main(args, context) or raises an exception, nothing is created, and the
error shows the line. When the command returns, the function can run.

The context file sets the context argument of main, such as secrets that should not be
sent with every run. It has lines of key = "value" (TOML), or is a JSON object.

` + aboutFolders + `

Prints the id of the deployment.

` + changeFields,
		Example: `  fas functions create hello --file hello.py
  fas functions create shop --dir shop
  fas functions create mailer -f mailer.py -c mailer.conf --timeout 10 --memory 256
  echo 'def main(args, context): return 42' | fas functions create answer -f -`,
		Args: arguments("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if d.folder.dir != "" {
				return d.deploy(cmd, a, deployment{
					name: args[0], create: true,
					again: func() string { return a.command(d.command("apply", args[0])) },
				})
			}
			r, err := d.read(cmd, a, args[0])
			if err != nil {
				return err
			}
			c, err := a.connect()
			if err != nil {
				return err
			}
			defer c.Close()
			id, err := c.Create(cmd.Context(), r)
			if coded, ok := errors.AsType[*runtime.Error](err); ok && coded.Code == runtime.CodeAlreadyExists {
				coded.Hint = "change it with " + a.command(d.command("apply", args[0])) + ", or choose another name"
			}
			if err != nil {
				return err
			}
			return a.writeChange(change{ID: id, Name: args[0], Change: "created"}, d.asJSON)
		},
	}
	d.flags(cmd, "60", "128", "0", "nothing")
	return cmd
}

// definition has the flags of commands that deploy a whole function.
type definition struct {
	file, contextFile string
	wait, asJSON      bool
	limits            limits
	folder            folderFlags
}

func (d *definition) flags(cmd *cobra.Command, timeout, memory, retries, allow string) {
	cmd.Flags().StringVarP(&d.file, "file", "f", "", "`FILE` with the code, - is the standard input")
	cmd.Flags().StringVarP(&d.contextFile, "context-file", "c", "", "`FILE` with the context, - is the standard input")
	d.folder.flags(cmd)
	waitFlag(cmd, &d.wait)
	d.limits.flags(cmd, timeout, memory, retries, allow)
	jsonFlag(cmd, &d.asJSON)
	completeFiles(cmd)
}

// read returns the request that the flags describe.
func (d *definition) read(cmd *cobra.Command, a *app, name string) (r client.CreateRequest, err error) {
	if err := functionName(name); err != nil {
		return r, err
	}
	if err := d.folder.check(cmd); err != nil {
		return r, err
	}
	if d.file == "" {
		return r, clierror.Usagef("usage: "+cmd.UseLine(), "the --file with the code, or the --dir with the files, is missing")
	}
	if d.file == "-" && d.contextFile == "-" {
		return r, clierror.Usagef("give one of them as a file", "code and context cannot both come from the standard input")
	}
	r = client.CreateRequest{Name: name, Timeout: float64(d.limits.timeout), Memory: int64(d.limits.memory), Retries: d.limits.givenRetries(cmd), Allow: d.limits.givenAllow(cmd), KeepArgs: d.limits.givenKeepArgs(cmd)}
	code, err := a.ReadText(cmd.Context(), d.file, "code", runtime.MaxSource)
	if err != nil {
		return r, err
	}
	r.Code = *code
	if d.contextFile != "" {
		r.Context, err = a.ReadText(cmd.Context(), d.contextFile, "context file", runtime.MaxContext)
	}
	return r, err
}

// deploy deploys the folder that the flags name.
func (d *definition) deploy(cmd *cobra.Command, a *app, to deployment) error {
	if err := functionName(to.name); err != nil {
		return err
	}
	if err := d.folder.check(cmd); err != nil {
		return err
	}
	var err error
	if to.settings, err = d.limits.settings(cmd, a, d.contextFile); err != nil {
		return err
	}
	to.folder = d.folder
	c, err := a.deployFolder(cmd.Context(), to)
	if err != nil {
		return err
	}
	return a.writeChange(c, d.asJSON)
}

// command returns the words of a command with the same files.
func (d *definition) command(verb, name string) string {
	words := "functions " + verb + " " + name
	if d.folder.dir != "" {
		words += " --dir " + shell.Quote(d.folder.dir)
	} else {
		words += " --file " + shell.Quote(d.file)
	}
	if d.contextFile != "" {
		words += " --context-file " + shell.Quote(d.contextFile)
	}
	return words
}

// waitFlag adds --wait to commands that always wait, because scripts pass it.
func waitFlag(cmd *cobra.Command, wait *bool) {
	cmd.Flags().BoolVarP(wait, "wait", "w", false, "no effect: this command always waits")
}

// completeFiles completes --file to Python scripts.
func completeFiles(cmd *cobra.Command) {
	_ = cmd.MarkFlagFilename("file", "py")
	_ = cmd.MarkFlagFilename("context-file")
}

// change is the outcome of a command that changes a function. Its JSON form is a promise of --json.
type change struct {
	ID     string `json:"uuid"` // of the execution that made the change
	Name   string `json:"name"`
	Change string `json:"change"` // created, updated or deleted
}

// changeFields describes the output of --json of such a command.
const changeFields = `With --json the output is an object with the fields

  uuid (of the deployment), name, change (created, updated or deleted)`

// writeChange prints the id of a change to the standard output, and a message to the standard
// error.
func (a *app) writeChange(c change, asJSON bool) error {
	if asJSON {
		return a.WriteJSON(c)
	}
	fmt.Fprintln(a.Err, c.Change, c.Name)
	_, err := fmt.Fprintln(a.Out, c.ID)
	return err
}

// jsonFlag adds --json.
func jsonFlag(cmd *cobra.Command, asJSON *bool) {
	cmd.Flags().BoolVar(asJSON, "json", false, "print JSON")
}
