package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
)

func newJobsTasks(a *app) *cobra.Command {
	var statuses []string
	var asMap bool
	var flags listFlags
	sort := sorting[client.Task]{orders: taskOrders}
	cmd := &cobra.Command{
		Use:   "tasks NAME EXECUTION [--status STATUS | --map] [--sort FIELD] [--json | --quiet]",
		Short: "List the tasks of an execution of a job",
		Long: `List the tasks of an execution of a job, in order. Each task is an execution of its
own; "fas executions get" shows its output.

On a terminal the output is a table; elsewhere each task is a line of tab-separated
fields without a heading: index, status, attempts, started, duration_ms, id of the
execution, error_code, error.

` + sortHelp + `

With --map print a letter for each task in place of a list, in order: . has not begun,
w waits for another attempt, r runs, x is being stopped, s succeeded, f failed, t timed
out, c was cancelled, - is not stored any more.

With --json it is an array of objects with the fields

` + taskFields,
		Example: `  fas jobs tasks bills $ID
  fas jobs tasks bills $ID --status failed
  fas jobs tasks bills $ID --map | fold -w 100
  fas jobs tasks bills $ID -q | xargs -n 1 fas executions get --output`,
		Args:              arguments("NAME", "EXECUTION"),
		ValidArgsFunction: a.completeJobExecutions(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := flags.check(cmd); err != nil {
				return err
			}
			if err := sort.check(); err != nil {
				return err
			}
			if err := jobArguments(args); err != nil {
				return err
			}
			if err := exclusive(cmd, "map", "status", "sort", "json", "quiet"); err != nil && asMap {
				return err
			}
			statuses, err := taskStatuses(statuses)
			if err != nil {
				return err
			}
			c, err := a.connect()
			if err != nil {
				return err
			}
			defer c.Close()
			if asMap {
				text, err := c.TaskMap(cmd.Context(), args[0], args[1])
				if err == nil {
					_, err = fmt.Fprintln(a.Out, ui.OneLine(text))
				}
				return err
			}
			list := newPages(a, &flags, taskTable(a.Out, ui.IsTerminal(a.Out)), func(t client.Task) string { return t.Execution })
			if _, err = sort.each(list.Page, func(show func([]client.Task) error) (bool, error) {
				return false, c.Tasks(cmd.Context(), args[0], args[1], func(page []client.Task) error {
					if len(statuses) > 0 {
						page = slices.DeleteFunc(page, func(t client.Task) bool { return !slices.Contains(statuses, t.Status) })
					}
					return show(page)
				})
			}); err != nil {
				return err
			}
			return list.End(false, 0, "no such tasks")
		},
	}
	cmd.Flags().StringSliceVar(&statuses, "status", nil, "list only tasks with a `STATUS`: "+strings.Join(client.TaskStatuses, ", ")+"; or several, comma-separated")
	cmd.Flags().BoolVar(&asMap, "map", false, "print a letter for each task")
	sort.add(cmd, "")
	flags.add(cmd, "the ids of their executions")
	_ = cmd.RegisterFlagCompletionFunc("status", cobra.FixedCompletions(client.TaskStatuses, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// taskTable returns the table of tasks.
func taskTable(out io.Writer, people bool) *ui.Table[client.Task] {
	return &ui.Table[client.Task]{
		Out: out, ForPeople: people, Heading: "TASK\tSTATUS\tATTEMPTS\tSTARTED\tTOOK\tEXECUTION\tERROR", Elastic: "ERROR", Optional: "STARTED\tATTEMPTS",
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
