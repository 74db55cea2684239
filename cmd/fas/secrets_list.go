package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
)

func newSecretsList(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list FUNCTION [--json]",
		Short: "List the names of a function's secrets",
		Long: `List the names in the context of a function, sorted, one a line. No server returns the
values.

With --json the output is an array of strings.`,
		Example:           "  fas secrets list mailer",
		Args:              arguments("FUNCTION"),
		ValidArgsFunction: a.completeFunctions,
		RunE: func(cmd *cobra.Command, args []string) error {
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
			if asJSON {
				return a.WriteJSON(f.ContextKeys)
			}
			for _, name := range f.ContextKeys {
				if _, err := fmt.Fprintln(a.Out, ui.OneLine(name)); err != nil {
					return err
				}
			}
			return nil
		},
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}
