package main

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
)

func newTokensGet(a *app) *cobra.Command {
	var tenant string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "get {NAME | ID} [--tenant T] [--json]",
		Short: "Show a token without its secret",
		Long: `Show a token without its secret.

With --json the output is an object with the fields

` + tokenFields,
		Example: `  fas tokens get ci`,
		Args:    arguments("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.connect()
			if err != nil {
				return err
			}
			defer c.Close()
			id, err := tokenID(cmd.Context(), c, tenant, args[0])
			if err != nil {
				return err
			}
			t, err := c.Token(cmd.Context(), id)
			if err != nil {
				return err
			}
			if asJSON {
				return a.WriteJSON(t)
			}
			people := ui.IsTerminal(a.Out)
			for _, line := range [][2]string{
				{"id", t.ID},
				{"name", t.Name},
				{"tenant", cmp.Or(text(t.Tenant), "none: it belongs to the server")},
				{"scope", t.Scope},
				{"functions", strings.Join(t.Functions, ", ")},
				{"username", text(t.Username)},
				{"created", ui.Timestamp(t.Created.Time, people)},
				{"created by", t.CreatedBy},
				{"expires", cmp.Or(ui.Timestamp(t.Expires.Time, people), "never")},
				{"last used", cmp.Or(ui.Timestamp(t.LastUsed.Time, people), "never")},
				{"old secret until", ui.Timestamp(t.PreviousExpires.Time, people)},
			} {
				if line[1] == "" {
					continue
				}
				if _, err := fmt.Fprintf(a.Out, "%-17s %s\n", line[0]+":", ui.OneLine(line[1])); err != nil {
					return err
				}
			}
			return nil
		},
	}
	tenantFlag(cmd, &tenant, "look for the name among those of the tenant `T`")
	jsonFlag(cmd, &asJSON)
	return cmd
}
