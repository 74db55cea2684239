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

// samples are functions to start from, each named after its flag.
//
//go:embed samples/*.py
var samples embed.FS

var sampleNames = []string{"hello-world", "get-content", "sleep"}

func newFunctionsSamples(a *app) *cobra.Command {
	chosen := make(map[string]*bool)
	var output string
	cmd := &cobra.Command{
		Use:   "samples {--hello-world | --get-content | --sleep} [-o FILE]",
		Short: "Write a sample function",
		Long: `Write a sample function, to deploy as it is or to start from.

The sample is written to a file of its name in the current folder, such as
hello-world.py, unless that file exists. Where the standard output is not a terminal,
the sample is printed too. -o sets the file; - is the standard output alone.

A function has no network unless its allow list names hosts. get-content reads URLs of those, and
URLs that contain their content (data:).`,
		Example: `  fas functions samples --hello-world -o hello-world.py
  fas functions apply hello --file hello-world.py
  fas functions samples --sleep -o - | fas functions apply sleep --file -`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := exclusive(cmd, sampleNames...); err != nil {
				return err
			}
			for _, name := range sampleNames {
				if *chosen[name] {
					return a.writeSample(name+".py", output)
				}
			}
			return clierror.Usagef("give --"+strings.Join(sampleNames, ", --"), "no sample is selected")
		},
	}
	for name, what := range map[string]string{
		"hello-world": "a function that greets",
		"get-content": "a function that returns the content of a URL",
		"sleep":       "a function that sleeps and writes to its log",
	} {
		chosen[name] = cmd.Flags().Bool(name, false, what)
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "`FILE` to write the sample to, - is the standard output")
	_ = cmd.MarkFlagFilename("output", "py")
	return cmd
}

// writeSample writes a sample to a new file, prints it, or both.
func (a *app) writeSample(name, output string) error {
	data, err := samples.ReadFile("samples/" + name)
	if err != nil {
		return err
	}
	prints := output == "-" || output == "" && !ui.IsTerminal(a.Out)
	if prints {
		if _, err := a.Out.Write(data); err != nil || output == "-" {
			return err
		}
	}
	if output == "" {
		output = name
	}
	if err := writeNew(output, data, 0o644); err != nil {
		if prints && runtime.CodeOf(err) == runtime.CodeAlreadyExists {
			return nil // it was printed
		}
		return err
	}
	fmt.Fprintf(a.Err, "wrote %s\n", output)
	return nil
}

// writeNew writes a new file, completely or not at all.
func writeNew(path string, data []byte, mode fs.FileMode) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	switch {
	case errors.Is(err, fs.ErrExist):
		return runtime.Errorf(runtime.CodeAlreadyExists, "%s already exists", path).WithHint("remove it, or choose another file")
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
