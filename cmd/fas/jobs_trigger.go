package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
	"github.com/faaspot/faaspot/runtime/strictjson"
)

func newJobsTrigger(a *app) *cobra.Command {
	var data string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "trigger NAME TRIGGER [--data JSON] [--json]",
		Short: "Call a trigger of a job",
		Long: `Call a trigger of type http or http-async, by its id or its path, as an HTTP request
would. --data is one task, or {"tasks": [...]}; without it, the trigger's own tasks
run.

For an http trigger the command waits up to the trigger's timeout and prints the
result of each task as a line of JSON. The exit status is 0 if the execution
succeeded, 6 if it still runs, else 1. For an http-async trigger the command prints
the id of the execution.

With --json the output for an http trigger is the execution, an object with the
fields

` + jobExecutionFields + `
  tasks (the first 200), see "fas jobs tasks --help"
  results (the first 1000): index, status, output, output_omitted, error

and for an http-async trigger an object with the field id.`,
		Example: `  fas jobs trigger bills now --data '{"customer": 7}'
  fas jobs trigger bills bills/later`,
		Args:              arguments("NAME", "TRIGGER"),
		ValidArgsFunction: a.completeTriggers,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := jobArguments(args[:1]); err != nil {
				return err
			}
			var body []byte
			if cmd.Flags().Changed("data") {
				body = []byte(data)
				if err := strictjson.Check(body, strictjson.Options{Object: true}); err != nil {
					return clierror.Usagef(`give an object, such as {"name": "you"} or {"tasks": [{}, {}]}`, "the --data is not a JSON object: %v", err)
				}
			}
			c, err := a.connect()
			if err != nil {
				return err
			}
			defer c.Close()
			j, err := c.Job(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			path, err := triggerPath(j, args[1])
			if err != nil {
				return err
			}
			t, err := c.TriggerJob(cmd.Context(), args[0], path, body)
			if err != nil {
				return clierror.Resumable(err, a.command("jobs executions "+args[0])+" lists the executions")
			}
			if t.Execution == nil {
				return a.writeStarted(args[0], t.ID, asJSON)
			}
			return a.writeTriggered(cmd, c, *t.Execution, asJSON)
		},
	}
	cmd.Flags().StringVarP(&data, "data", "d", "", "body of the request, a `JSON` object")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// triggerPath returns the path of the trigger that a word names by its id; any other word is a
// path.
func triggerPath(j client.Job, word string) (string, error) {
	for _, t := range j.Spec.Triggers {
		switch {
		case t.ID != word:
		case t.Type == client.TriggerCron:
			return "", clierror.Usagef(fmt.Sprintf("`fas jobs run %s` starts an execution by hand", j.Metadata.Name),
				"the trigger %s is a schedule and cannot be called", ui.Quote(word))
		default:
			return t.Configuration.Path, nil
		}
	}
	return word, nil
}

// writeTriggered prints the results of an execution that a trigger has started and waited for.
func (a *app) writeTriggered(cmd *cobra.Command, c *client.Client, x client.JobExecution, asJSON bool) error {
	job, id := x.Metadata.Job, x.Metadata.ID
	if asJSON {
		if err := a.WriteJSON(x); err != nil {
			return err
		}
	} else {
		for _, r := range x.Results {
			output := client.OneLine(r.Output)
			if output == nil {
				output = json.RawMessage("null") // so that each task has a line
			}
			if _, err := fmt.Fprintf(a.Out, "%s\n", output); err != nil {
				return err
			}
			if r.OutputOmitted {
				fmt.Fprintf(a.Err, "task-%d: the output is too large to be listed; %s shows its execution\n", r.Index, a.command("jobs tasks "+job+" "+id))
			}
		}
	}
	if !x.Status.Done() {
		return stillRunning(a.command("jobs executions "+job+" "+id+" --wait") + " waits again")
	}
	return a.judgeJob(cmd.Context(), c, x, asJSON)
}
