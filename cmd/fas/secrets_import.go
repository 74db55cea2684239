package main

import (
	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/secretfile"
	"github.com/faaspot/faaspot/runtime"
)

func newSecretsImport(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "import FUNCTION [FILE] [--json]",
		Short: "Set secrets of a function from a file",
		Long: `Set all values of a file in the context of a function. The others stay as they are. A
FILE that ends in .toml or .json is TOML or a JSON object; any other, and the standard
input, which is the default, has lines NAME=value, as .env files do: with comments,
"export", and quotes around values. In the lines all values are strings. A value with a $
must be in single quotes: nothing is replaced in values.

It makes a new version of the function. Prints the id of the deployment, and no value.

` + changeFields,
		Example: `  fas secrets import mailer .env
  fas secrets import mailer secrets.toml
  pass show mailer | fas secrets import mailer`,
		Args: argumentsAndMore(1, "FUNCTION"),
		ValidArgsFunction: func(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 1 {
				return nil, cobra.ShellCompDirectiveDefault
			}
			return a.completeFunctions(cmd, args, word)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := functionName(args[0]); err != nil {
				return err
			}
			path := "-"
			if len(args) > 1 {
				path = args[1]
			}
			text, err := a.ReadText(cmd.Context(), path, "secrets", runtime.MaxContext)
			if err != nil {
				return err
			}
			values, err := secretfile.Parse(path, *text)
			if err != nil {
				return err
			}
			return a.patchSecrets(cmd.Context(), args[0], values, asJSON)
		},
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}
