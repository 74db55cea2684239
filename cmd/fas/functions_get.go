package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
	"github.com/faaspot/faaspot/runtime"
)

func newFunctionsGet(a *app) *cobra.Command {
	var asJSON, code, force bool
	var bundle string
	cmd := &cobra.Command{
		Use:   "get NAME [--json | --code | --bundle FILE [--force]]",
		Short: "Show a function",
		Long: `Show a function: its URL, limits and times, what it may reach, the names in its context
(the values are secret), and its code.

With --json the output is an object with the fields

  name, runner_url, version, created, updated (RFC 3339), rid, paused, timeout
  (seconds), memory (MB), retries, allow, context_keys, code, bundle (sha256, bytes;
  absent for a single file), imports_during_runs (modules that the first runs
  of a bundle imported, and that every run imports again; absent if there are none)

With --code it is only the code, byte for byte; of a bundle, its main.py. With --bundle
the bundle that was deployed is written to a file, which must not exist unless --force is
given; - is the standard output.`,
		Example: `  fas functions get hello
  fas functions get hello --code > hello.py
  fas functions get hello --json | jq .version
  fas functions get shop --bundle shop.zip`,
		Args:              arguments("NAME"),
		ValidArgsFunction: a.completeFunctions,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := exclusive(cmd, "json", "code", "bundle"); err != nil {
				return err
			}
			if force && bundle == "" {
				return clierror.Usagef("add --bundle FILE", "--force has no effect without --bundle")
			}
			if err := functionName(args[0]); err != nil {
				return err
			}
			c, err := a.connect()
			if err != nil {
				return err
			}
			defer c.Close()
			if cmd.Flags().Changed("bundle") {
				return a.writeBundle(cmd.Context(), c, args[0], bundle, force)
			}
			f, err := c.Function(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			switch {
			case asJSON:
				return a.WriteJSON(f)
			case code:
				_, err := io.WriteString(a.Out, f.Code)
				return err
			}
			people := ui.IsTerminal(a.Out)
			w := tabwriter.NewWriter(a.Out, 0, 0, 2, ' ', 0)
			fmt.Fprintf(w, "name:\t%s\n", f.Name)
			fmt.Fprintf(w, "url:\t%s\n", f.RunnerURL)
			fmt.Fprintf(w, "rid:\t%s\n", f.RID)
			fmt.Fprintf(w, "version:\t%d\n", f.Version)
			if f.Paused {
				fmt.Fprintf(w, "paused:\t%s\n", pausedText)
			}
			fmt.Fprintf(w, "timeout:\t%g s\n", f.Timeout)
			fmt.Fprintf(w, "memory:\t%g MB\n", f.Memory)
			fmt.Fprintf(w, "retries:\t%d\n", f.Retries)
			fmt.Fprintf(w, "keep args:\t%t\n", f.KeepArgs)
			fmt.Fprintf(w, "allow:\t%s\n", strings.Join(f.Allow, ", "))
			fmt.Fprintf(w, "context:\t%s\n", strings.Join(f.ContextKeys, ", "))
			if f.Bundle != nil {
				fmt.Fprintf(w, "bundle:\t%d bytes, SHA-256 %s\n", f.Bundle.Bytes, f.Bundle.SHA256)
			}
			if len(f.ImportsDuringRuns) > 0 {
				fmt.Fprintf(w, "imports:\t%s\n", importsText(f.ImportsDuringRuns))
			}
			fmt.Fprintf(w, "created:\t%s\n", ui.Timestamp(f.Created, people))
			fmt.Fprintf(w, "updated:\t%s\n", ui.Timestamp(f.Updated, people))
			if err := w.Flush(); err != nil {
				return err
			}
			_, err = fmt.Fprintf(a.Out, "\n%s\n", strings.TrimRight(f.Code, "\n"))
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&code, "code", false, "print only the code")
	cmd.Flags().StringVar(&bundle, "bundle", "", "write the bundle to a new `FILE`, - is the standard output")
	cmd.Flags().BoolVar(&force, "force", false, "replace the file")
	_ = cmd.MarkFlagFilename("bundle", "zip")
	return cmd
}

// pausedText says to people what it means that a function is paused.
const pausedText = "no background run begins; `fas functions resume` lets them begin again"

// shownImports is the largest number of imports during runs that are shown by name.
const shownImports = 8

// importsText returns what a person reads about modules that runs import.
func importsText(names []string) string {
	text := strings.Join(names[:min(len(names), shownImports)], ", ")
	if more := len(names) - shownImports; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return "every run imports " + text + ": import them at the top of main.py, or use them in a hook of faas.warm_up"
}

// writeBundle writes the bundle of a function to a file, all of it or nothing.
func (a *app) writeBundle(ctx context.Context, c *client.Client, name, path string, force bool) (err error) {
	switch {
	case path == "":
		return clierror.Usagef("give a file, or - for the standard output", "the name of the --bundle file is empty")
	case path == "-" && ui.IsTerminal(a.Out):
		return clierror.Usagef("give a file, or redirect the output", "a bundle is a zip, which is not for a terminal")
	case path == "-":
		return c.Bundle(ctx, name, a.Out)
	}
	// A file that is to be replaced stays until all of the bundle is there.
	target := path
	if force {
		target = fmt.Sprintf("%s.%d.part", path, os.Getpid())
	}
	f, err := os.OpenFile(target, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if errors.Is(err, fs.ErrExist) {
		return runtime.Errorf(runtime.CodeAlreadyExists, "%s already exists; nothing was written", target).
			WithHint("choose another file, or replace it with --force")
	}
	if err != nil {
		return clierror.Usagef("", "cannot write the bundle: %v", err)
	}
	defer func() {
		f.Close()
		if err != nil {
			os.Remove(target)
		}
	}()
	if err := c.Bundle(ctx, name, f); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("write the bundle: %w", err)
	}
	if target != path {
		return os.Rename(target, path)
	}
	return nil
}
