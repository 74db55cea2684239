package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/runtime"
)

func newFunctionsCreate(a *app) *cobra.Command {
	var file, contextFile string
	var wait bool
	var bounds limits
	cmd := &cobra.Command{
		Use:   "create NAME --file FILE [-c CONTEXT-FILE] [--timeout SECONDS] [--memory MB] [--retries N]",
		Short: "Deploy a new function",
		Long: `Deploy a new function from a Python script.

The server checks the script and runs its module body. If the script is not valid
Python, has no main(args, context) or raises an exception, nothing is created, and the
error shows the line. When the command returns, the function can run.

The context file sets the context argument of main, such as secrets that should not be
sent with every run. It has lines of key = "value" (TOML), or is a JSON object.

Prints the id of the deployment.`,
		Example: `  fas functions create hello --file hello.py
  fas functions create mailer -f mailer.py -c mailer.conf --timeout 10 --memory 256
  echo 'def main(args, context): return 42' | fas functions create answer -f -`,
		Args: arguments("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := functionName(args[0]); err != nil {
				return err
			}
			if file == "" {
				return clierror.Usagef("usage: "+cmd.UseLine(), "the --file with the code is missing")
			}
			if file == "-" && contextFile == "-" {
				return clierror.Usagef("give one of them as a file", "code and context cannot both come from the standard input")
			}
			r := client.CreateRequest{Name: args[0], Timeout: float64(bounds.timeout), Memory: int64(bounds.memory), Retries: bounds.givenRetries(cmd)}
			code, err := a.ReadText(cmd.Context(), file, "code", runtime.MaxSource)
			if err != nil {
				return err
			}
			r.Code = *code
			if contextFile != "" {
				if r.Context, err = a.ReadText(cmd.Context(), contextFile, "context file", runtime.MaxContext); err != nil {
					return err
				}
			}
			c, err := a.connect()
			if err != nil {
				return err
			}
			defer c.Close()
			id, err := c.Create(cmd.Context(), r)
			if err != nil {
				return err
			}
			return a.writeChange(id, "created "+args[0])
		},
	}
	cmd.Flags().StringVarP(&file, "file", "f", "", "`FILE` with the code, - is the standard input")
	cmd.Flags().StringVarP(&contextFile, "context-file", "c", "", "`FILE` with the context, - is the standard input")
	waitFlag(cmd, &wait)
	bounds.flags(cmd, "60", "128", "0")
	completeFiles(cmd)
	return cmd
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

// writeChange prints the id of a change to the standard output, and a message to the standard
// error.
func (a *app) writeChange(executionID, done string) error {
	fmt.Fprintln(a.Err, done)
	_, err := fmt.Fprintln(a.Out, executionID)
	return err
}
