package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
	"github.com/faaspot/faaspot/runtime"
)

// deadLetterFields is what every --json of dead letters promises.
const deadLetterFields = `  id, job, execution (its id), url, created (RFC 3339), attempts, last_attempt
  (RFC 3339, or null), last_status (of HTTP; null: there was no answer), last_error,
  body_size (bytes)`

func newDeadLetters(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "dlq",
		Aliases: []string{"dead-letters"},
		GroupID: groupJobs,
		Short:   "Look at callbacks that were given up, and send them again",
		Long: `Look at callbacks that were given up, and send them again.

The end of an execution that a trigger of the type http-async has started is told to
its callback. What is not taken, however often it was tried, is a dead letter, and
kept for 30 days.`,
		Args: cobra.ArbitraryArgs,
		RunE: group,
	}
	cmd.AddCommand(newDeadLettersList(a), newDeadLettersShow(a), newDeadLettersRedrive(a), newDeadLettersPurge(a))
	return cmd
}

func newDeadLettersList(a *app) *cobra.Command {
	var limit int
	var asJSON, quiet bool
	cmd := &cobra.Command{
		Use:     "list [--limit N] [--json | --quiet]",
		Aliases: []string{"ls"},
		Short:   "List the dead letters",
		Long: `List the dead letters, newest first.

On a terminal this is a table; elsewhere each is a line of fields with tabs between
them, without a heading: id, job, url, created, attempts, last_status, last_error.
If there are more than --limit, the standard error says so.

With --json it is an array of objects with the fields

` + deadLetterFields,
		Example: `  fas dlq list
  fas dlq list --json --limit 0 | jq -r '.[] | select(.job == "bills") | .id' | xargs fas dlq redrive`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := exclusive(cmd, "json", "quiet"); err != nil {
				return err
			}
			if err := checkLimit(limit); err != nil {
				return err
			}
			c, err := a.connect()
			if err != nil {
				return err
			}
			defer c.Close()
			table := deadLetterTable(a.Out, ui.IsTerminal(a.Out))
			list := ui.Pages[client.DeadLetter]{
				Terminal: &a.Terminal, AsJSON: asJSON, Quiet: quiet, Table: table.Write,
				ID: func(d client.DeadLetter) string { return d.ID },
			}
			more, err := c.DeadLetters(cmd.Context(), limit, list.Page)
			if err != nil {
				return err
			}
			return list.End(more, limit, "there are no dead letters")
		},
	}
	limitFlag(cmd, &limit, "dead letters")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "print ids only")
	return cmd
}

// deadLetterTable shows dead letters.
func deadLetterTable(out io.Writer, people bool) *ui.Table[client.DeadLetter] {
	return &ui.Table[client.DeadLetter]{
		Out: out, ForPeople: people, Heading: "ID\tJOB\tURL\tCREATED\tATTEMPTS\tSTATUS\tERROR",
		Row: func(d client.DeadLetter, people bool) string {
			return fmt.Sprintf("%s\t%s\t%s\t%s\t%d\t%s\t%s", d.ID, d.Job, d.URL,
				ui.Timestamp(d.Created.Time, people), d.Attempts, httpStatus(d.LastStatus), ui.OneLine(d.LastError))
		},
	}
}

func httpStatus(status *int) string {
	if status == nil {
		return ""
	}
	return fmt.Sprint(*status)
}

func newDeadLettersShow(a *app) *cobra.Command {
	var asJSON, body bool
	cmd := &cobra.Command{
		Use:     "show ID [--json | --body]",
		Aliases: []string{"get"},
		Short:   "Show a dead letter",
		Long: `Show a dead letter: what was to be told to whom, and why it was not taken. With
--body it is what was to be told alone, as JSON.

With --json it is an object with the fields

` + deadLetterFields + `,
  body`,
		Example: `  fas dlq show $ID
  fas dlq show $ID --body | jq .stats`,
		Args:              arguments("ID"),
		ValidArgsFunction: a.completeDeadLetters(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := exclusive(cmd, "json", "body"); err != nil {
				return err
			}
			if err := deadLetterIDs(args); err != nil {
				return err
			}
			c, err := a.connect()
			if err != nil {
				return err
			}
			defer c.Close()
			d, err := c.DeadLetter(cmd.Context(), args[0])
			switch {
			case err != nil:
				return err
			case asJSON:
				return a.WriteJSON(d)
			case body:
				_, err := fmt.Fprintf(a.Out, "%s\n", d.Body)
				return err
			}
			people := ui.IsTerminal(a.Out)
			w := tabwriter.NewWriter(a.Out, 0, 0, 2, ' ', 0)
			fmt.Fprintf(w, "id:\t%s\n", d.ID)
			fmt.Fprintf(w, "job:\t%s\n", d.Job)
			fmt.Fprintf(w, "execution:\t%s\n", d.Execution)
			fmt.Fprintf(w, "url:\t%s\n", d.URL)
			fmt.Fprintf(w, "created:\t%s\n", ui.Timestamp(d.Created.Time, people))
			fmt.Fprintf(w, "attempts:\t%d\n", d.Attempts)
			fmt.Fprintf(w, "last attempt:\t%s\n", ui.Timestamp(d.LastAttempt.Time, people))
			fmt.Fprintf(w, "last status:\t%s\n", httpStatus(d.LastStatus))
			fmt.Fprintf(w, "last error:\t%s\n", ui.OneLine(d.LastError))
			if err := w.Flush(); err != nil {
				return err
			}
			_, err = fmt.Fprintf(a.Out, "\n%s\n", d.Body)
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&body, "body", false, "print only what was to be told")
	return cmd
}

// deadLetterIDs checks ids before they become part of an address.
func deadLetterIDs(ids []string) error {
	for _, id := range ids {
		if err := executionID(id); err != nil {
			return clierror.Usagef("`fas dlq list` shows those that there are", "%s is not the id of a dead letter", ui.Quote(id))
		}
	}
	return nil
}

// someOrAll checks the arguments of a command that does something with dead
// letters: ids, or --all.
func someOrAll(cmd *cobra.Command, ids []string, all bool) error {
	if all && len(ids) > 0 {
		return clierror.Usagef("give ids, or --all", "--all and ids exclude each other")
	}
	if !all && len(ids) == 0 {
		return clierror.Usagef("usage: "+cmd.UseLine(), "the ID is missing, or --all")
	}
	return deadLetterIDs(ids)
}

// writeCount prints how many dead letters something was done with, and is an error
// if some of those that were named are not there.
func (a *app) writeCount(done, named int, what string, asJSON bool) error {
	var err error
	if asJSON {
		err = a.WriteJSON(struct {
			Count int `json:"count"`
		}{done})
	} else {
		_, err = fmt.Fprintf(a.Out, "%d %s\n", done, what)
	}
	if err == nil && done < named {
		err = runtime.Errorf(runtime.CodeNotFound, "%d of %d dead letters are not there", named-done, named).
			WithHint("`fas dlq list` shows those that there are")
	}
	return err
}

func newDeadLettersRedrive(a *app) *cobra.Command {
	var all, asJSON bool
	cmd := &cobra.Command{
		Use:     "redrive {ID... | --all} [--json]",
		Aliases: []string{"retry"},
		Short:   "Have dead letters sent again",
		Long: `Have dead letters sent again, in the background, with as many attempts as at first:
those with the ids, or all. What is not taken then is a dead letter again.

Prints how many these are. If some of the ids stand for nothing, the others are sent
all the same, and the exit status is 4.

With --json it is an object with the field count.`,
		Example: `  fas dlq redrive $ID
  fas dlq redrive --all`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: a.completeDeadLetters(0),
		RunE: func(cmd *cobra.Command, ids []string) error {
			if err := someOrAll(cmd, ids, all); err != nil {
				return err
			}
			c, err := a.connect()
			if err != nil {
				return err
			}
			defer c.Close()
			if all {
				ids = nil
			}
			n, err := c.RedriveDeadLetters(cmd.Context(), ids)
			if err != nil {
				return err
			}
			return a.writeCount(n, len(ids), "to be sent again", asJSON)
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "all that there are")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func newDeadLettersPurge(a *app) *cobra.Command {
	var all, yes, asJSON bool
	cmd := &cobra.Command{
		Use:     "purge {ID... | --all} [--yes] [--json]",
		Aliases: []string{"delete", "rm"},
		Short:   "Drop dead letters",
		Long: `Drop dead letters: those with the ids, or all. What they were to tell is told to
nobody then; the executions stay as they are.

On a terminal it asks first; in a script it does not.

Prints how many these are. If some of the ids stand for nothing, the others are
dropped all the same, and the exit status is 4.

With --json it is an object with the field count.`,
		Example: `  fas dlq purge $ID
  fas dlq purge --all --yes`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: a.completeDeadLetters(0),
		RunE: func(cmd *cobra.Command, ids []string) error {
			if err := someOrAll(cmd, ids, all); err != nil {
				return err
			}
			c, err := a.connect()
			if err != nil {
				return err
			}
			defer c.Close()
			if !yes && ui.IsTerminal(a.In) {
				what := fmt.Sprintf("%d dead letters", len(ids))
				switch {
				case all:
					what = "all dead letters"
				case len(ids) == 1:
					what = "the dead letter " + ids[0]
				}
				if err := a.Confirm(cmd.Context(), fmt.Sprintf("drop %s of %s?", what, c.URL())); err != nil {
					return err
				}
			}
			n, err := purgeDeadLetters(cmd.Context(), c, ids)
			if err != nil {
				return err
			}
			return a.writeCount(n, len(ids), "dropped", asJSON)
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "all that there are")
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// purgeDeadLetters drops those with the ids, or all if there are none, and gives
// how many were there.
func purgeDeadLetters(ctx context.Context, c *client.Client, ids []string) (n int, err error) {
	if len(ids) == 0 {
		return c.PurgeDeadLetters(ctx)
	}
	for _, id := range ids {
		switch err := c.PurgeDeadLetter(ctx, id); {
		case err == nil:
			n++
		case runtime.CodeOf(err) != runtime.CodeNotFound:
			return n, err
		}
	}
	return n, nil
}
