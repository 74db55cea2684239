package main

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
	"github.com/faaspot/faaspot/runtime"
)

// samples are functions to begin with, each under the name of its flag.
//
//go:embed samples/*.py
var samples embed.FS

var sampleNames = []string{"hello-world", "get-content", "sleep"}

func newFunctionsSamples(a *app) *cobra.Command {
	chosen := make(map[string]*bool)
	var output string
	cmd := &cobra.Command{
		Use:   "samples {--hello-world | --get-content | --sleep} [-o FILE]",
		Short: "Get a sample function",
		Long: `Get a sample function, to deploy as it is or to begin with.

On a terminal it is written to a file of its name in the current folder, such as
hello-world.py, unless there is one; elsewhere it is printed. -o says where to write
it, - being the standard output.

Functions have no network: get-content can read a URL that holds its content
(data:), and says so for any other one.`,
		Example: `  fas functions samples --hello-world -o hello-world.py
  fas functions create hello --file hello-world.py
  fas functions samples --sleep | fas functions create sleep --file -`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := exclusive(cmd, sampleNames...); err != nil {
				return err
			}
			for _, name := range sampleNames {
				if *chosen[name] {
					return a.giveSample(name+".py", output)
				}
			}
			return clierror.Usagef("give --"+strings.Join(sampleNames, ", --"), "no sample is chosen")
		},
	}
	for name, what := range map[string]string{
		"hello-world": "a function that greets",
		"get-content": "a function that gets the content of a URL",
		"sleep":       "a function that sleeps and writes to its log",
	} {
		chosen[name] = cmd.Flags().Bool(name, false, what)
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "`FILE` to write it to, - for the standard output")
	_ = cmd.MarkFlagFilename("output", "py")
	return cmd
}

// giveSample prints a sample or writes it to a file that is not there.
func (a *app) giveSample(name, output string) error {
	data, err := samples.ReadFile("samples/" + name)
	if err != nil {
		return err
	}
	if output == "" && ui.IsTerminal(a.Out) {
		output = name
	}
	if output == "" || output == "-" {
		_, err := a.Out.Write(data)
		return err
	}
	if err := writeNew(output, data, 0o644); err != nil {
		return err
	}
	fmt.Fprintf(a.Err, "wrote %s\n", output)
	return nil
}

// writeNew writes a file that is not there yet, whole or not at all.
func writeNew(path string, data []byte, mode fs.FileMode) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	switch {
	case errors.Is(err, fs.ErrExist):
		return runtime.Errorf(runtime.CodeAlreadyExists, "%s is there already", path).WithHint("remove it, or choose another place")
	case err != nil:
		return clierror.Usagef("", "cannot write: %v", err)
	}
	_, err = f.Write(data)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		os.Remove(path)
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
