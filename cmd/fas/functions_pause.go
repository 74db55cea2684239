package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

// pausedFields are the fields of the --json output of pause and resume.
const pausedFields = `With --json the output is an object with the fields of "fas functions list".`

func newFunctionsPause(a *app) *cobra.Command {
	return newPause(a, true, &cobra.Command{
		Use:   "pause NAME [--json]",
		Short: "Begin no background run of a function until it is resumed",
		Long: `Begin no background run of a function until it is resumed, tasks of jobs included. They
are accepted and queued meanwhile, and can be cancelled. Runs that have begun go on, and
so do blocking runs. The function stays paused when the server restarts and when it is
deployed again. A function that is paused stays so. Prints "paused".

` + pausedFields,
		Example: `  fas functions pause mailer
  fas functions pause mailer && fas deploy mailer.py && fas functions resume mailer`,
	})
}

func newFunctionsResume(a *app) *cobra.Command {
	return newPause(a, false, &cobra.Command{
		Use:        "resume NAME [--json]",
		SuggestFor: []string{"unpause", "continue"},
		Short:      "Let the background runs of a function begin again",
		Long: `Let the background runs of a function begin again, those first that were accepted first.
A function that is not paused stays so. Prints "resumed".

` + pausedFields,
		Example: `  fas functions resume mailer`,
	})
}

// newPause completes a command that pauses a function or resumes it.
func newPause(a *app, paused bool, cmd *cobra.Command) *cobra.Command {
	var asJSON bool
	cmd.Args, cmd.ValidArgsFunction = arguments("NAME"), a.completeFunctions
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := functionName(args[0]); err != nil {
			return err
		}
		c, err := a.connect()
		if err != nil {
			return err
		}
		defer c.Close()
		f, err := c.SetPaused(cmd.Context(), args[0], paused)
		if err != nil {
			return err
		}
		if asJSON {
			return a.WriteJSON(f)
		}
		state := "resumed"
		if f.Paused {
			state = "paused"
		}
		_, err = fmt.Fprintln(a.Out, state)
		return err
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}
