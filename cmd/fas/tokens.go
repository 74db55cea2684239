package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
	"github.com/faaspot/faaspot/runtime"
)

// tokenFields are the fields that --json of tokens promises.
const tokenFields = `  id, name, tenant (null: the server's), scope, functions (array; empty: not limited),
  created (RFC 3339), created_by, expires (null: never), last_used (to the minute;
  null: never), previous_expires (until when the secret before the last rotation is
  valid; null: it is not), username (of a token with a password, else null)`

func newTokens(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "tokens",
		Aliases: []string{"token"},
		GroupID: groupServer,
		Short:   "Create, list, rotate and delete tokens",
		Long: `Create, list, rotate and delete tokens. A token belongs to a tenant, and has a scope:

  read      read functions, executions, jobs and dead letters
  invoke    also run functions and jobs, and cancel executions
  deploy    also create, change and delete functions and jobs
  admin     also manage the tokens of the tenant
  operator  manage the server: its tenants, all tokens, its memory; no tenant's data

The commands need a token with the scope admin, or operator. The server's own token
has both, for the tenant default.`,
		Args: cobra.ArbitraryArgs,
		RunE: group,
	}
	cmd.AddCommand(newTokensCreate(a), newTokensList(a), newTokensGet(a), newTokensRotate(a), newTokensDelete(a))
	return cmd
}

// text returns a text, or none for nil.
func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// tokenTable returns the table of tokens.
func tokenTable(out io.Writer, people bool) *ui.Table[client.Token] {
	return &ui.Table[client.Token]{
		Out: out, ForPeople: people, Heading: "ID\tNAME\tTENANT\tSCOPE\tFUNCTIONS\tEXPIRES\tLAST USED", Elastic: "FUNCTIONS", Optional: "FUNCTIONS\tEXPIRES",
		Row: func(t client.Token, people bool) string {
			return fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%s\t%s", t.ID, t.Name, text(t.Tenant), t.Scope, strings.Join(t.Functions, ","),
				ui.Timestamp(t.Expires.Time, people), ui.Timestamp(t.LastUsed.Time, people))
		},
	}
}

// tenantFlag adds --tenant.
func tenantFlag(cmd *cobra.Command, tenant *string, usage string) {
	cmd.Flags().StringVar(tenant, "tenant", "", usage)
}

// tokenID returns the id of the token that an argument names, by its id or its name.
func tokenID(ctx context.Context, c *client.Client, tenant, name string) (string, error) {
	if executionID(name) == nil {
		return name, nil
	}
	var found []client.Token
	_, err := c.Tokens(ctx, tenant, 0, func(page []client.Token) error {
		for _, t := range page {
			if t.Name == name {
				found = append(found, t)
			}
		}
		return nil
	})
	switch {
	case err != nil:
		return "", err
	case len(found) == 0:
		return "", runtime.Errorf(runtime.CodeNotFound, "there is no token named %q", name).WithHint("`fas tokens list` lists them")
	case len(found) > 1:
		return "", clierror.Usagef("give --tenant, or the id; `fas tokens list` lists them", "several tenants have a token named %s", ui.Quote(name))
	}
	return found[0].ID, nil
}

// writeSecret prints a new token: its secret alone, which scripts read.
func (a *app) writeSecret(t client.NewToken, asJSON bool) error {
	if asJSON {
		return a.WriteJSON(t)
	}
	if t.Secret == nil {
		_, err := fmt.Fprintln(a.Out, ui.OneLine(text(t.Username)))
		return err
	}
	fmt.Fprintf(a.Err, "the token %s is shown only once:\n", ui.OneLine(t.Name))
	_, err := fmt.Fprintln(a.Out, ui.OneLine(*t.Secret))
	return err
}
