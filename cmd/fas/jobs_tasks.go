package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
)

func newJobsTasks(a *app) *cobra.Command {
	var statuses []string
	var asJSON, quiet bool
	cmd := &cobra.Command{
		Use:   "tasks NAME EXECUTION [--status STATUS] [--json | --quiet]",
		Short: "List the tasks of an execution of a job",
		Long: `List the tasks of an execution of a job, in order. Each is an execution of its own:
"fas executions get" has its output.

On a terminal this is a table; elsewhere each task is a line of fields with tabs
between them, without a heading: index, status, attempts, started, duration_ms, the
id of its execution, error_code, and the error.

With --json it is an array of objects with the fields

` + taskFields,
		Example: `  fas jobs tasks bills $ID
  fas jobs tasks bills $ID --status failed
  fas jobs tasks bills $ID -q | xargs -n 1 fas executions get --output`,
		Args:              arguments("NAME", "EXECUTION"),
		ValidArgsFunction: a.completeJobExecutions(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := exclusive(cmd, "json", "quiet"); err != nil {
				return err
			}
			if err := jobArguments(args); err != nil {
				return err
			}
			for _, s := range statuses {
				if !slices.Contains(client.TaskStatuses, s) {
					return clierror.Usagef("use "+strings.Join(client.TaskStatuses, ", "), "there is no --status %s of tasks", ui.Quote(s))
				}
			}
			c, err := a.connect()
			if err != nil {
				return err
			}
			defer c.Close()
			table := taskTable(a.Out, ui.IsTerminal(a.Out))
			list := ui.Pages[client.Task]{
				Terminal: &a.Terminal, AsJSON: asJSON, Quiet: quiet, Table: table.Write,
				ID: func(t client.Task) string { return t.Execution },
			}
			err = c.Tasks(cmd.Context(), args[0], args[1], func(page []client.Task) error {
				if len(statuses) > 0 {
					page = slices.DeleteFunc(page, func(t client.Task) bool { return !slices.Contains(statuses, t.Status) })
				}
				return list.Page(page)
			})
			if err != nil {
				return err
			}
			return list.End(false, 0, "there are no such tasks")
		},
	}
	cmd.Flags().StringSliceVar(&statuses, "status", nil, "only those of a `STATUS`: "+strings.Join(client.TaskStatuses, ", ")+"; several with commas")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "print the ids of their executions only")
	_ = cmd.RegisterFlagCompletionFunc("status", cobra.FixedCompletions(client.TaskStatuses, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// taskTable shows tasks.
func taskTable(out io.Writer, people bool) *ui.Table[client.Task] {
	return &ui.Table[client.Task]{
		Out: out, ForPeople: people, Heading: "TASK\tSTATUS\tATTEMPTS\tSTARTED\tTOOK\tEXECUTION\tERROR",
		Row: func(task client.Task, people bool) string {
			started, took := "", ""
			if m := task.Metadata; m.StartedAt != nil {
				started = ui.Timestamp(*m.StartedAt, people)
				if d := task.Duration(); m.CompletedAt != nil {
					took = fmt.Sprint(float64(d) / float64(time.Millisecond))
					if people {
						took = ui.DurationText(d)
					}
				}
			}
			code, message := task.Failure()
			if message = ui.OneLine(message); !people {
				message = code + "\t" + message
			}
			return fmt.Sprintf("%d\t%s\t%d\t%s\t%s\t%s\t%s",
				task.Index(), task.Status, task.Attempts(), started, took, task.Execution, message)
		},
	}
}
