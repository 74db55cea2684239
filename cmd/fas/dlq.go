package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
	"github.com/faaspot/faaspot/runtime"
)

// deadLetterFields are the fields that --json of dead letters promises.
const deadLetterFields = `  id, job, execution (its id), url, created (RFC 3339), attempts, last_attempt
  (RFC 3339, or null), last_status (of HTTP; null: no answer), last_error,
  body_size (bytes)`

func newDeadLetters(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "dlq",
		Aliases: []string{"dead-letters"},
		GroupID: groupJobs,
		Short:   "List callbacks that could not be delivered, and send them again",
		Long: `List callbacks that could not be delivered, and send them again.

When an execution that a trigger of type http-async started is done, the server sends
it to the trigger's callback. A callback that is not accepted in any of its attempts
becomes a dead letter. Dead letters are stored for 30 days.`,
		Args: cobra.ArbitraryArgs,
		RunE: group,
	}
	cmd.AddCommand(newDeadLettersList(a), newDeadLettersShow(a), newDeadLettersRedrive(a), newDeadLettersPurge(a))
	return cmd
}

func httpStatus(status *int) string {
	if status == nil {
		return ""
	}
	return fmt.Sprint(*status)
}

// deadLetterIDs checks ids before they become part of a URL.
func deadLetterIDs(ids []string) error {
	for _, id := range ids {
		if err := executionID(id); err != nil {
			return clierror.Usagef("`fas dlq list` lists them", "%s is not the id of a dead letter", ui.Quote(id))
		}
	}
	return nil
}

// someOrAll checks the arguments of a command on dead letters: ids, or --all.
func someOrAll(cmd *cobra.Command, ids []string, all bool) error {
	if all && len(ids) > 0 {
		return clierror.Usagef("give ids, or --all", "--all and ids exclude each other")
	}
	if !all && len(ids) == 0 {
		return clierror.Usagef("usage: "+cmd.UseLine(), "give an ID or --all")
	}
	return deadLetterIDs(ids)
}

// writeCount prints the number of affected dead letters, and returns an error if some of the named
// ones do not exist.
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
		err = runtime.Errorf(runtime.CodeNotFound, "%d of %d dead letters do not exist", named-done, named).
			WithHint("`fas dlq list` lists them")
	}
	return err
}
