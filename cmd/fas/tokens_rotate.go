package main

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
)

func newTokensRotate(a *app) *cobra.Command {
	var tenant, secret string
	var overlap ui.Span
	var password, asJSON bool
	cmd := &cobra.Command{
		Use:   "rotate {NAME | ID} [--overlap D] [--password] [--tenant T] [--json]",
		Short: "Give a token another secret",
		Long: `Give a token another secret. Everything else of the token stays, also when it expires.

The old secret stops working at once, or after --overlap, so that clients can take the
new one without an interruption. A secret before the old one stops working at once.

With --password it gets the password that is read from the standard input.

Prints the secret, which the server does not store and cannot show again. With --json
the output is an object with the fields

` + tokenFields + `, and
  token (the secret; null with --password)`,
		Example: `  fas tokens rotate ci --overlap 1h`,
		Args:    arguments("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := exclusive(cmd, "overlap", "password"); err != nil {
				return err
			}
			if password {
				var err error
				if secret, err = a.ReadSecret(cmd.Context(), "password"); err != nil {
					return err
				}
			}
			c, err := a.connect()
			if err != nil {
				return err
			}
			defer c.Close()
			id, err := tokenID(cmd.Context(), c, tenant, args[0])
			if err != nil {
				return err
			}
			t, err := c.RotateToken(cmd.Context(), id, time.Duration(overlap), secret)
			if err != nil {
				return err
			}
			return a.writeSecret(t, asJSON)
		},
	}
	cmd.Flags().Var(&overlap, "overlap", "let the old secret work for a `DURATION`, at most 30d (default none)")
	cmd.Flags().BoolVar(&password, "password", false, "read another password from the standard input")
	tenantFlag(cmd, &tenant, "look for the name among those of the tenant `T`")
	jsonFlag(cmd, &asJSON)
	return cmd
}
