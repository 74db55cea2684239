package main

import (
	"context"
	"encoding/json"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
	"github.com/faaspot/faaspot/runtime"
)

func newSecretsSet(a *app) *cobra.Command {
	var fromEnv, asJSON bool
	cmd := &cobra.Command{
		Use:   "set FUNCTION NAME [NAME...] [--from-env] [--json]",
		Short: "Set secrets of a function",
		Long: `Set values in the context of a function, as strings. The others stay as they are. The
values are read from the standard input, one line for each NAME; on a terminal the command
prompts for them, without echo. With --from-env they are the values of the environment
variables of these names, which may have several lines.

It makes a new version of the function. Prints the id of the deployment, and no value.

` + changeFields,
		Example: `  fas secrets set mailer API_KEY
  fas secrets set mailer USER PASSWORD < two-lines
  fas secrets set mailer API_KEY --from-env`,
		Args:              namesOfSecrets,
		ValidArgsFunction: a.completeSecrets,
		RunE: func(cmd *cobra.Command, args []string) error {
			values, err := a.secretValues(cmd.Context(), args[1:], fromEnv)
			if err != nil {
				return err
			}
			return a.patchSecrets(cmd.Context(), args[0], values, asJSON)
		},
	}
	cmd.Flags().BoolVar(&fromEnv, "from-env", false, "take the values from environment variables")
	jsonFlag(cmd, &asJSON)
	return cmd
}

// namesOfSecrets checks arguments that are a function and names in its context.
func namesOfSecrets(cmd *cobra.Command, args []string) error {
	if err := argumentsAndMore(len(args), "FUNCTION", "NAME")(cmd, args); err != nil {
		return err
	}
	if err := functionName(args[0]); err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, name := range args[1:] {
		if before, _, ok := strings.Cut(name, "="); ok { // the rest may be a value
			return clierror.Usagef("give the value on the standard input: other users can see arguments", "the name %s... has an =", ui.Quote(before))
		}
		if name == "" || !utf8.ValidString(name) {
			return clierror.Usagef("", "the name %s is empty, or not UTF-8", ui.Quote(name))
		}
		if seen[name] {
			return clierror.Usagef("", "the name %s is given twice", ui.Quote(name))
		}
		seen[name] = true
	}
	return nil
}

// secretValues returns the values for names, from the environment or the standard input, as JSON.
func (a *app) secretValues(ctx context.Context, names []string, fromEnv bool) (map[string]json.RawMessage, error) {
	var texts []string
	if fromEnv {
		for _, name := range names {
			text, ok := a.env[name]
			if !ok || !utf8.ValidString(text) {
				return nil, clierror.Usagef("", "the environment variable %s is not set, or not UTF-8", ui.Quote(name))
			}
			texts = append(texts, text)
		}
	} else {
		var err error
		if texts, err = a.ReadSecrets(ctx, names, runtime.MaxContext); err != nil {
			return nil, err
		}
	}
	values := make(map[string]json.RawMessage, len(names))
	for i, name := range names {
		values[name] = jsonString(texts[i])
	}
	return values, nil
}

// jsonString returns a text as JSON.
func jsonString(text string) json.RawMessage {
	encoded, _ := json.Marshal(text) // no string fails
	return encoded
}

// patchSecrets changes values of a function's context.
func (a *app) patchSecrets(ctx context.Context, function string, values map[string]json.RawMessage, asJSON bool) error {
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.Close()
	id, err := c.PatchContext(ctx, function, values)
	if err != nil {
		return err
	}
	return a.writeChange(change{ID: id, Name: function, Change: "updated"}, asJSON)
}
