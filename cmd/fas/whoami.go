package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
	"github.com/faaspot/faaspot/httpapi/wire"
)

// account is the output of whoami.
type account struct {
	URL     string `json:"url"`
	Profile string `json:"profile"`
	wire.Whoami
}

const accountFields = `  url, profile (empty: none), user (name of the token; admin: the server's own), token (its
  id; null: the server's own), tenant (null: none), scope (read, invoke, deploy, admin;
  null: none), operator, functions (the only ones that it may run; empty: all)`

func newWhoami(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "whoami [--json]",
		GroupID: groupServer,
		Short:   "Show the server, and what the token permits there",
		Long: `Show the server and the profile that commands use, and what the token is and permits
there.

With --json the output is an object with the fields

` + accountFields,
		Example: `  fas whoami
  fas --profile work whoami --json | jq -r .scope`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.target()
			if err != nil {
				return err
			}
			c, err := a.connect()
			if err != nil {
				return err
			}
			defer c.Close()
			return a.showAccount(cmd.Context(), c, s.name, asJSON)
		},
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}

// showAccount prints what the token of a client is and permits.
func (a *app) showAccount(ctx context.Context, c *client.Client, profile string, asJSON bool) error {
	w, err := c.Whoami(ctx)
	if err != nil {
		return err
	}
	if asJSON {
		return a.WriteJSON(account{c.URL(), profile, w})
	}
	rows := [][2]string{
		{"server", c.URL()},
		{"profile", cmp.Or(profile, "-")},
		{"user", w.User},
		{"token", cmp.Or(text(w.Token), "-")},
		{"tenant", cmp.Or(text(w.Tenant), "-")},
		{"scope", permits(w)},
	}
	if len(w.Functions) > 0 {
		rows = append(rows, [2]string{"functions", strings.Join(w.Functions, ", ")})
	}
	for _, row := range rows {
		if _, err := fmt.Fprintf(a.Out, "%-10s %s\n", row[0], ui.OneLine(row[1])); err != nil {
			return err
		}
	}
	return nil
}

// permits returns the scopes of a token for people.
func permits(w wire.Whoami) string {
	var scopes []string
	if w.Scope != nil {
		scopes = append(scopes, *w.Scope)
	}
	if w.Operator {
		scopes = append(scopes, "operator")
	}
	return cmp.Or(strings.Join(scopes, ", "), "-")
}
