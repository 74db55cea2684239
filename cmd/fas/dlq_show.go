package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
)

func newDeadLettersShow(a *app) *cobra.Command {
	var asJSON, body bool
	cmd := &cobra.Command{
		Use:     "show ID [--json | --body]",
		Aliases: []string{"get"},
		Short:   "Show a dead letter",
		Long: `Show a dead letter: its body, its destination, and why it was not accepted. With
--body print only the body, which is JSON.

With --json the output is an object with the fields

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
			var text bytes.Buffer
			if json.Indent(&text, d.Body, "", "  ") != nil {
				text.Reset()
				text.Write(d.Body)
			}
			_, err = fmt.Fprintf(a.Out, "\n%s\n", text.Bytes())
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&body, "body", false, "print only the body")
	return cmd
}
