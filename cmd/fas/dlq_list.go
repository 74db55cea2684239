package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
)

func newDeadLettersList(a *app) *cobra.Command {
	var flags listFlags
	sort := sorting[client.DeadLetter]{orders: deadLetterOrders}
	cmd := &cobra.Command{
		Use:     "list [--sort FIELD] [--limit N] [--json | --quiet]",
		Aliases: []string{"ls"},
		Short:   "List the dead letters",
		Long: `List the dead letters, newest first.

On a terminal the output is a table; elsewhere each dead letter is a line of
tab-separated fields without a heading: id, job, url, created, attempts, last_status,
last_error. If there are more than --limit, the standard error says so.

` + sortHelp + `

With --json it is an array of objects with the fields

` + deadLetterFields,
		Example: `  fas dlq list
  fas dlq list --json --limit 0 | jq -r '.[] | select(.job == "bills") | .id' | xargs fas dlq redrive`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := flags.check(cmd); err != nil {
				return err
			}
			if err := sort.check(); err != nil {
				return err
			}
			c, err := a.connect()
			if err != nil {
				return err
			}
			defer c.Close()
			list := newPages(a, &flags, deadLetterTable(a.Out, ui.IsTerminal(a.Out)), func(d client.DeadLetter) string { return d.ID })
			more, err := sort.each(list.Page, func(page func([]client.DeadLetter) error) (bool, error) {
				return c.DeadLetters(cmd.Context(), flags.limit, page)
			})
			if err != nil {
				return err
			}
			return list.End(more, flags.limit, "no dead letters")
		},
	}
	sort.add(cmd, "")
	flags.addLimit(cmd, "dead letters")
	flags.add(cmd, "ids")
	return cmd
}

// deadLetterTable returns the table of dead letters.
func deadLetterTable(out io.Writer, people bool) *ui.Table[client.DeadLetter] {
	return &ui.Table[client.DeadLetter]{
		Out: out, ForPeople: people, Heading: "ID\tJOB\tURL\tCREATED\tATTEMPTS\tSTATUS\tERROR", Elastic: "ERROR\tURL", Optional: "ATTEMPTS\tCREATED",
		Row: func(d client.DeadLetter, people bool) string {
			return fmt.Sprintf("%s\t%s\t%s\t%s\t%d\t%s\t%s", d.ID, d.Job, d.URL,
				ui.Timestamp(d.Created.Time, people), d.Attempts, httpStatus(d.LastStatus), ui.OneLine(d.LastError))
		},
	}
}
