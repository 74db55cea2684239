package main

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
	"github.com/faaspot/faaspot/httpapi/wire"
)

func newTokensCreate(a *app) *cobra.Command {
	var r wire.CreateTokenRequest
	var expires ui.Span
	var password, asJSON bool
	cmd := &cobra.Command{
		Use:   "create NAME --scope SCOPE [--tenant T] [--function F]... [--expires-in D] [--password] [--json]",
		Short: "Create a token",
		Long: `Create a token. Executions name it as their user. "fas tokens --help" explains the
scopes.

A token with the scope invoke can be limited to functions. It then sees and cancels
only executions that it started.

With --password the token has a password that you choose, of 12 to 256 bytes, read from
the standard input. Clients send it with a user name: the name of the token, followed by
@ and the tenant unless that is default. Use it only for clients that cannot send
tokens: each check of a password costs computing time.

Prints the secret, which the server does not store and cannot show again; with
--password the user name. With --json the output is an object with the fields

` + tokenFields + `, and
  token (the secret; null with --password)`,
		Example: `  fas tokens create ci --scope deploy --expires-in 90d
  fas tokens create shop --scope invoke --function price --function order
  fas tokens create ada --tenant acme --scope admin
  fas tokens create old-client --scope deploy --password`,
		Args: arguments("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if r.Scope == "" {
				return clierror.Usagef("give read, invoke, deploy, admin or operator", "--scope is missing")
			}
			r.Name, r.ExpiresIn = args[0], time.Duration(expires).Seconds()
			if password {
				var err error
				if r.Password, err = a.ReadSecret(cmd.Context(), "password"); err != nil {
					return err
				}
			}
			c, err := a.connect()
			if err != nil {
				return err
			}
			defer c.Close()
			t, err := c.CreateToken(cmd.Context(), r)
			if err != nil {
				return err
			}
			return a.writeSecret(t, asJSON)
		},
	}
	cmd.Flags().StringVar(&r.Scope, "scope", "", "what the token permits: `SCOPE` read, invoke, deploy, admin or operator")
	tenantFlag(cmd, &r.Tenant, "create it for the tenant `T` (default that of the token that you use)")
	cmd.Flags().StringArrayVar(&r.Functions, "function", nil, "limit the token to the function `F`; repeat it for several")
	cmd.Flags().Var(&expires, "expires-in", "let the token expire after a `DURATION`, such as 12h or 90d (default never)")
	cmd.Flags().BoolVar(&password, "password", false, "read a password from the standard input, in place of a generated secret")
	jsonFlag(cmd, &asJSON)
	_ = cmd.RegisterFlagCompletionFunc("scope", cobra.FixedCompletions([]string{"read", "invoke", "deploy", "admin", "operator"}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("function", a.completeFunctions)
	return cmd
}
