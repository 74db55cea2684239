package main

import (
	"cmp"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
	"github.com/faaspot/faaspot/runtime"
)

// auditOutcomes are the outcomes of entries of the audit log.
var auditOutcomes = []string{string(runtime.AuditDone), string(runtime.AuditRefused), string(runtime.AuditUnknown)}

func newAudit(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "audit",
		GroupID: groupServer,
		Short:   "List who changed what",
		Args:    cobra.ArbitraryArgs,
		RunE:    group,
	}
	cmd.AddCommand(newAuditList(a))
	return cmd
}

func newAuditList(a *app) *cobra.Command {
	var flags listFlags
	var f client.AuditFilter
	var since, until string
	cmd := &cobra.Command{
		Use:     "list [--tenant T] [--token TOKEN] [--operation OP] [--outcome OUTCOME] [--since WHEN] [--until WHEN] [--limit N] [--json | --quiet]",
		Aliases: []string{"ls"},
		Short:   "List the changes that requests have made",
		Long: `List the changes that requests have made, newest first: of functions, jobs, tenants and
tokens, cancelled executions, and dead letters that were sent again or deleted; and those
by "fas serve --reset-admin-token" and "fas secrets rotate". Runs are no changes. Requests that were refused because their token does not permit them are
listed too, at most once a minute for each token and operation.

The command needs a token with the scope admin, for the changes of its tenant, or
operator, for all. It never shows values of contexts, environments or tokens.

WHEN is a time, such as 2026-01-31T15:04:05Z or "2026-01-31 15:04" (in the local time
zone), or a duration before now, such as 90s, 2h or 7d.

On a terminal the output is a table; elsewhere each change is a line of tab-separated
fields without a heading: time, tenant, operation, name, id, outcome, user, remote. If
there are more than --limit, the standard error says so.

With --json it is an array of objects with the fields

  id, time (RFC 3339), tenant (of what has changed; null: the server), operation, outcome
  (done; refused: the token does not permit it; unknown: the server ended before it was
  known), kind (of what has changed), name, new_name (null: it was not renamed), thing (its
  id, else null), fields (names of what was set), count (number of things), by (object:
  user, token: its id or null for the server's own, tenant), remote (address and port;
  null: not shown, or a command on the server)`,
		Example: `  fas audit list --since 1d
  fas audit list --token ci --operation function.update
  fas audit list --json --limit 0 | jq -r '.[] | select(.outcome == "refused") | .remote'`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := flags.check(cmd); err != nil {
				return err
			}
			var err error
			now := time.Now()
			if f.Since, err = ui.ParseTime("since", since, now); err != nil {
				return err
			}
			if f.Until, err = ui.ParseTime("until", until, now); err != nil {
				return err
			}
			c, err := a.connect()
			if err != nil {
				return err
			}
			defer c.Close()
			list := newPages(a, &flags, auditTable(a.Out, ui.IsTerminal(a.Out)), func(e client.AuditEntry) string { return e.ID })
			more, err := c.Audit(cmd.Context(), f, flags.limit, list.Page)
			if err != nil {
				return err
			}
			return list.End(more, flags.limit, "no such changes")
		},
	}
	tenantFlag(cmd, &f.Tenant, "only changes of what the tenant `T` owns")
	cmd.Flags().StringVar(&f.Token, "token", "", "only changes by the `TOKEN` with this id or name")
	cmd.Flags().StringVar(&f.Operation, "operation", "", "only this `OP`, such as function.update or token.create")
	cmd.Flags().StringVar(&f.Outcome, "outcome", "", "only changes with this `OUTCOME`: done, refused or unknown")
	cmd.Flags().StringVar(&since, "since", "", "only changes at `WHEN` or later")
	cmd.Flags().StringVar(&until, "until", "", "only changes before `WHEN`")
	flags.addLimit(cmd, "changes")
	flags.add(cmd, "ids")
	_ = cmd.RegisterFlagCompletionFunc("outcome", cobra.FixedCompletions(auditOutcomes, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// auditTable returns the table of the audit log.
func auditTable(out io.Writer, people bool) *ui.Table[client.AuditEntry] {
	return &ui.Table[client.AuditEntry]{
		Out: out, ForPeople: people, Heading: "TIME\tTENANT\tOPERATION\tNAME\tID\tOUTCOME\tUSER\tREMOTE", Elastic: "NAME", Optional: "ID\tREMOTE",
		Row: func(e client.AuditEntry, people bool) string {
			return fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s", ui.Timestamp(e.Time.Time, people), text(e.Tenant), e.Operation,
				ui.OneLine(text(e.Name)), ui.OneLine(text(e.Thing)), e.Outcome, ui.OneLine(cmp.Or(e.By.User, "-")), text(e.Remote))
		},
	}
}
