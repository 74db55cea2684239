package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
)

// completeJobs offers the names of the server's jobs.
func (a *app) completeJobs(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return a.completeJobFlag(cmd, nil, word)
}

// completeJobFlag offers the same for a flag, whatever the arguments are.
func (a *app) completeJobFlag(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	var names []string
	a.complete(cmd, func(ctx context.Context, c *client.Client) error {
		list, err := c.Jobs(ctx)
		for _, j := range list {
			names = append(names, cobra.CompletionWithDesc(j.Metadata.Name, "runs "+j.Spec.Function))
		}
		return err
	})
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeFunctionFlag offers the names of functions for a flag.
func (a *app) completeFunctionFlag(cmd *cobra.Command, _ []string, word string) ([]string, cobra.ShellCompDirective) {
	return a.completeFunctions(cmd, nil, word)
}

const keepOrder = cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder

// completeJobExecutions offers jobs, and for the argument at an index the latest
// executions of the one before.
func (a *app) completeJobExecutions(at int) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
		if len(args) != at {
			return a.completeJobs(cmd, args, word)
		}
		var ids []string
		a.complete(cmd, func(ctx context.Context, c *client.Client) error {
			_, err := c.JobExecutions(ctx, args[at-1], completedExecutions, func(page []client.JobExecution) error {
				for _, x := range page {
					ids = append(ids, cobra.CompletionWithDesc(x.Metadata.ID, fmt.Sprintf("%s, %s", x.Status, ui.TasksText(x.Stats.Total))))
				}
				return nil
			})
			return err
		})
		return ids, keepOrder
	}
}

// completeTasks offers the first tasks of an execution behind that.
func (a *app) completeTasks(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	if len(args) != 2 {
		return a.completeJobExecutions(1)(cmd, args, word)
	}
	var tasks []string
	a.complete(cmd, func(ctx context.Context, c *client.Client) error {
		x, err := c.JobExecution(ctx, args[0], args[1])
		for _, t := range x.Tasks {
			tasks = append(tasks, cobra.CompletionWithDesc(fmt.Sprint(t.Index()), t.Status))
		}
		return err
	})
	return tasks, keepOrder
}

// completeRevisions offers the revisions of a job that it can go back to.
func (a *app) completeRevisions(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	if len(args) != 1 {
		return a.completeJobs(cmd, args, word)
	}
	var numbers []string
	a.complete(cmd, func(ctx context.Context, c *client.Client) error {
		list, err := c.JobRevisions(ctx, args[0])
		for _, r := range list {
			if !r.Active {
				numbers = append(numbers, cobra.CompletionWithDesc(r.ID, ui.Timestamp(r.CreatedAt, true)))
			}
		}
		return err
	})
	return numbers, keepOrder
}

// completeTriggers offers the paths of the triggers of a job that can be called.
func (a *app) completeTriggers(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	if len(args) != 1 {
		return a.completeJobs(cmd, args, word)
	}
	var paths []string
	a.complete(cmd, func(ctx context.Context, c *client.Client) error {
		j, err := c.Job(ctx, args[0])
		for _, t := range j.Spec.Triggers {
			if t.Type != client.TriggerCron && t.Enabled {
				paths = append(paths, cobra.CompletionWithDesc(t.Configuration.Path, t.Type))
			}
		}
		return err
	})
	return paths, keepOrder
}

// completeDeadLetters offers the ids of the latest dead letters. A command that
// takes only so many is offered no more; 0 is any number.
func (a *app) completeDeadLetters(most int) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if most > 0 && len(args) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var ids []string
		a.complete(cmd, func(ctx context.Context, c *client.Client) error {
			_, err := c.DeadLetters(ctx, completedExecutions, func(page []client.DeadLetter) error {
				for _, d := range page {
					if !slices.Contains(args, d.ID) {
						ids = append(ids, cobra.CompletionWithDesc(d.ID, fmt.Sprintf("%s to %s", d.Job, d.URL)))
					}
				}
				return nil
			})
			return err
		})
		return ids, keepOrder
	}
}
