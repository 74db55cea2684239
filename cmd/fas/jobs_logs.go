package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
)

// taskLogs is the log of a task. Its JSON form is a promise of --json.
type taskLogs struct {
	Task int `json:"task"`
	client.Logs
}

func newJobsLogs(a *app) *cobra.Command {
	var follow, asJSON, times bool
	var stream string
	cmd := &cobra.Command{
		Use:   "logs NAME EXECUTION [TASK] [-f] [-t] [--stream stdout|stderr] [--json]",
		Short: "Print the logs of the tasks of an execution",
		Long: `Print what the latest attempt of each task of an execution wrote, with the name of
the task before each line. With TASK, the number of a task from 0, print what that
task wrote, as "fas executions logs" does.

` + timestampsHelp + `

With -f the command follows the log until the TASK is done. Its exit status is then 0
if the task succeeded; else it is 1, with the error on the standard error.

With --json the output is an array of objects, or with TASK one object, with the
fields

  task (its number), uuid, status, attempt, truncated (whether output is missing),
  entries: stream, text, with -t time (absent if it is not known)`,
		Example: `  fas jobs logs bills $ID
  fas jobs logs bills $ID 3 -f
  fas jobs logs bills $ID --stream stderr 2> errors.txt`,
		Args:              argumentsAndMore(1, "NAME", "EXECUTION"),
		ValidArgsFunction: a.completeTasks,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := exclusive(cmd, "follow", "json"); err != nil {
				return err
			}
			if err := jobArguments(args); err != nil {
				return err
			}
			only := client.Stream(stream)
			if only != "" && only != client.Stdout && only != client.Stderr {
				return clierror.Usagef("give stdout or stderr, or leave the flag out for both", "the --stream %s is not known", ui.Quote(stream))
			}
			if follow && len(args) < 3 {
				return clierror.Usagef("usage: "+cmd.UseLine(), "--follow needs a TASK")
			}
			index := 0
			if len(args) == 3 {
				var err error
				if index, err = client.TaskIndex(args[2]); err != nil {
					return clierror.Usagef("tasks are numbered from 0: `fas jobs tasks NAME EXECUTION` lists them", "%v", err)
				}
			}
			c, err := a.connect()
			if err != nil {
				return err
			}
			defer c.Close()
			options := client.LogOptions{Only: only, Times: times}
			if len(args) == 2 {
				return a.allTaskLogs(cmd.Context(), c, args[0], args[1], options, asJSON)
			}
			task, err := c.Task(cmd.Context(), args[0], args[1], index)
			if err != nil {
				return err
			}
			if follow {
				return a.followLogs(cmd.Context(), c, task.Execution, options)
			}
			logs, err := c.Logs(cmd.Context(), task.Execution, options)
			if err != nil {
				return err
			}
			if asJSON {
				return a.WriteJSON(taskLogs{index, logs})
			}
			return a.writeLog(logs, times)
		},
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "follow the log until the TASK is done")
	timestampsFlag(cmd, &times)
	cmd.Flags().StringVar(&stream, "stream", "", "print only `stdout` or stderr")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	_ = cmd.RegisterFlagCompletionFunc("stream", cobra.FixedCompletions(
		[]string{string(client.Stdout), string(client.Stderr)}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// allTaskLogs prints the logs of all tasks of an execution, one after the other.
func (a *app) allTaskLogs(ctx context.Context, c *client.Client, job, id string, o client.LogOptions, asJSON bool) error {
	array := ui.JSONArray{Out: a.Out}
	err := c.Tasks(ctx, job, id, func(page []client.Task) error {
		for _, task := range page {
			if task.Metadata.StartedAt == nil {
				continue // it has no log
			}
			logs, err := c.Logs(ctx, task.Execution, o)
			if err != nil {
				return err
			}
			if asJSON {
				err = array.Add(taskLogs{task.Index(), logs})
			} else {
				err = a.writePrefixed(task.Metadata.Name+" | ", logs, o.Times)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil || !asJSON {
		return err
	}
	if err := array.End(); err != nil {
		return err
	}
	_, err = fmt.Fprintln(a.Out)
	return err
}

// writePrefixed prints a log with a prefix before each line. It joins the entries of each stream,
// so that a line may span several entries, and completes an incomplete last line.
func (a *app) writePrefixed(prefix string, logs client.Logs, times bool) error {
	for _, stream := range []client.Stream{client.Stdout, client.Stderr} {
		w := a.newLogWriter(prefix, times)
		for _, entry := range logs.Entries {
			if entry.Stream != stream {
				continue
			}
			if err := w.entry(entry); err != nil {
				return err
			}
		}
		if err := w.end(); err != nil {
			return err
		}
	}
	return nil
}
