package main

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/shell"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
	"github.com/faaspot/faaspot/runtime"
)

// initial has the templates of `fas init`, with the placeholders FUNCTION and PROGRAM.
//
//go:embed initial
var initial embed.FS

// initialFiles are the templates, with the names of their files for a function.
var initialFiles = []struct {
	template string
	name     func(function string) string
	mode     fs.FileMode
}{
	{"initial/function.py", func(f string) string { return f + ".py" }, 0o644},
	// The context may have secrets.
	{"initial/function.context", func(f string) string { return f + ".context" }, 0o600},
	{"initial/try.sh", func(string) string { return "try.sh" }, 0o755},
}

// initialName returns the name of the function in a folder: the name of the folder, with a dash in
// place of characters that no function may have in its name.
func initialName(folder string) (string, error) {
	name := strings.Map(func(r rune) rune {
		if r == '-' || r == '_' || r == '.' || r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r)) {
			return r
		}
		return '-'
	}, folder)
	name = strings.TrimLeft(name, "-.")
	if err := runtime.ValidateName(name); err != nil || strings.Trim(name, "-_.") == "" {
		return "", clierror.Usagef("choose a folder, such as `fas init my-function`", "%s is not a name for a function", ui.Quote(folder))
	}
	return name, nil
}

func newInit(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "init [DIR] [--json]",
		GroupID: groupFunctions,
		Short:   "Start a new function: code, context and a test call",
		Long: `Write the files of a new function to a folder, by default the current one. The folder
is created if necessary:

  NAME.py       the code, with its main
  NAME.context  the context, such as secrets
  try.sh        a script that deploys both and runs the function once

NAME is the name of the folder, with - in place of characters that are not A-Z a-z 0-9
- _ . in it. If one of the files exists, nothing is written. Prints
the names of the files, with --json as an array.`,
		Example: `  fas init greet
  sh greet/try.sh`,
		Args: cobra.ArbitraryArgs,
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := "."
			switch len(args) {
			case 0:
			case 1:
				dir = args[0]
			default:
				return clierror.Usagef("usage: "+cmd.UseLine(), "%q is one argument too many", args[1])
			}
			paths, err := a.writeInitial(dir)
			if err != nil {
				return err
			}
			if asJSON {
				return a.WriteJSON(paths)
			}
			for _, path := range paths {
				fmt.Fprintln(a.Out, path)
			}
			fmt.Fprintf(a.Err, "to deploy and run it, start a server and then: sh %s\n", shell.Quote(paths[len(paths)-1]))
			return nil
		},
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}

// writeInitial writes the files of a new function, all or none, and returns their paths.
func (a *app) writeInitial(dir string) (paths []string, err error) {
	whole, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	folder := filepath.Base(whole)
	function, err := initialName(folder)
	if err != nil {
		return nil, err
	}
	if function != folder {
		fmt.Fprintf(a.Err, "the function is named %s\n", function)
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, clierror.Usagef("", "cannot create the folder: %v", err)
	}
	for _, file := range initialFiles {
		path := filepath.Join(dir, file.name(function))
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			return nil, runtime.Errorf(runtime.CodeAlreadyExists, "%s already exists; nothing was written", path).
				WithHint("choose another folder, such as `fas init my-function`")
		}
	}
	defer func() {
		if err != nil {
			for _, path := range paths {
				os.Remove(path)
			}
			paths = nil
		}
	}()
	fill := strings.NewReplacer("FUNCTION", function, "PROGRAM", shell.Program(a.env["PATH"]))
	for _, file := range initialFiles {
		data, err := initial.ReadFile(file.template)
		if err != nil {
			return paths, err
		}
		path := filepath.Join(dir, file.name(function))
		if err := writeNew(path, []byte(fill.Replace(string(data))), file.mode); err != nil {
			return paths, err
		}
		paths = append(paths, path)
	}
	return paths, nil
}
