package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
)

func newFunctionsGet(a *app) *cobra.Command {
	var asJSON, code bool
	cmd := &cobra.Command{
		Use:   "get NAME [--json | --code]",
		Short: "Show a function",
		Long: `Show a function: its URL, limits and times, the names in its context (the values are
secret), and its code.

With --json the output is an object with the fields

  name, runner_url, version, created, updated (RFC 3339), rid, timeout
  (seconds), memory (MB), retries, context_keys, code

With --code it is only the code, byte for byte.`,
		Example: `  fas functions get hello
  fas functions get hello --code > hello.py
  fas functions get hello --json | jq .version`,
		Args:              arguments("NAME"),
		ValidArgsFunction: a.completeFunctions,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := exclusive(cmd, "json", "code"); err != nil {
				return err
			}
			if err := functionName(args[0]); err != nil {
				return err
			}
			c, err := a.connect()
			if err != nil {
				return err
			}
			defer c.Close()
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
			fmt.Fprintf(w, "timeout:\t%g s\n", f.Timeout)
			fmt.Fprintf(w, "memory:\t%g MB\n", f.Memory)
			fmt.Fprintf(w, "retries:\t%d\n", f.Retries)
			fmt.Fprintf(w, "context:\t%s\n", strings.Join(f.ContextKeys, ", "))
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
	return cmd
}
