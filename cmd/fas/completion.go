package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
)

// completionTimeout is the longest time that a shell waits for names after Tab.
const completionTimeout = 2 * time.Second

// completeFunctions completes an argument to the names of functions.
func (a *app) completeFunctions(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	a.complete(cmd, func(ctx context.Context, c *client.Client) error {
		list, err := c.Functions(ctx)
		for _, f := range list {
			names = append(names, ui.OneLine(f.Name))
		}
		return err
	})
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeSecrets completes arguments to a function and the names in its context.
func (a *app) completeSecrets(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return a.completeFunctions(cmd, args, word)
	}
	var names []string
	a.complete(cmd, func(ctx context.Context, c *client.Client) error {
		f, err := c.Function(ctx, args[0])
		for _, name := range f.ContextKeys {
			if !slices.Contains(args[1:], name) {
				names = append(names, ui.OneLine(name))
			}
		}
		return err
	})
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completedExecutions is the number of ids that are offered, the latest ones.
const completedExecutions = 50

// completeExecutions completes arguments to the ids of the latest executions, with descriptions. A
// command takes at most a number of ids; 0 is any number.
func (a *app) completeExecutions(f client.Filter, most int) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if most > 0 && len(args) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var ids []string
		a.complete(cmd, func(ctx context.Context, c *client.Client) error {
			_, err := c.ListExecutions(ctx, f, completedExecutions, func(page []client.Execution) error {
				for _, x := range page {
					if !slices.Contains(args, x.ID) {
						ids = append(ids, described(x.ID, fmt.Sprintf("%s %s, %s", x.Kind, x.Name, x.Status)))
					}
				}
				return nil
			})
			return err
		})
		return ids, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
	}
}

// complete calls ask with a client of the server. Errors are ignored: there are no completions
// then.
func (a *app) complete(cmd *cobra.Command, ask func(context.Context, *client.Client) error) {
	c, err := a.connect()
	if err != nil {
		return
	}
	defer c.Close()
	parent := cmd.Context()
	if parent == nil {
		parent = context.Background()
	}
	ctx, cancel := context.WithTimeout(parent, completionTimeout)
	defer cancel()
	_ = ask(ctx, c)
}

// completeProfiles completes a flag to the names of profiles.
func (a *app) completeProfiles(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	file, err := a.loadProfiles()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return file.Names(), cobra.ShellCompDirectiveNoFileComp
}

// completeProfile completes an argument to the names of profiles.
func (a *app) completeProfile(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return a.completeProfiles(cmd, args, word)
}

// completeJobs completes an argument to the names of jobs.
func (a *app) completeJobs(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return a.completeJobFlag(cmd, nil, word)
}

// completeJobFlag completes a flag to the names of jobs, regardless of the arguments.
func (a *app) completeJobFlag(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	var names []string
	a.complete(cmd, func(ctx context.Context, c *client.Client) error {
		list, err := c.Jobs(ctx)
		for _, j := range list {
			names = append(names, described(j.Metadata.Name, "runs "+j.Spec.Function))
		}
		return err
	})
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeFunctionFlag completes a flag to the names of functions.
func (a *app) completeFunctionFlag(cmd *cobra.Command, _ []string, word string) ([]string, cobra.ShellCompDirective) {
	return a.completeFunctions(cmd, nil, word)
}

// described returns a completion with a description, both of which a shell shows on a terminal.
func described(word, description string) string {
	return cobra.CompletionWithDesc(ui.OneLine(word), ui.OneLine(description))
}

const keepOrder = cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder

// completeJobExecutions completes arguments to jobs, and the argument at an index to the latest
// executions of the job before it.
func (a *app) completeJobExecutions(at int) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
		if len(args) != at {
			return a.completeJobs(cmd, args, word)
		}
		var ids []string
		a.complete(cmd, func(ctx context.Context, c *client.Client) error {
			_, err := c.JobExecutions(ctx, args[at-1], completedExecutions, func(page []client.JobExecution) error {
				for _, x := range page {
					ids = append(ids, described(x.Metadata.ID, fmt.Sprintf("%s, %s", x.Status, ui.TasksText(x.Stats.Total))))
				}
				return nil
			})
			return err
		})
		return ids, keepOrder
	}
}

// completeTasks completes arguments to a job, one of its executions and one of its first tasks.
func (a *app) completeTasks(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	if len(args) != 2 {
		return a.completeJobExecutions(1)(cmd, args, word)
	}
	var tasks []string
	a.complete(cmd, func(ctx context.Context, c *client.Client) error {
		x, err := c.JobExecution(ctx, args[0], args[1])
		for _, t := range x.Tasks {
			tasks = append(tasks, described(fmt.Sprint(t.Index()), t.Status))
		}
		return err
	})
	return tasks, keepOrder
}

// completeRevisions completes arguments to a job and one of its earlier revisions.
func (a *app) completeRevisions(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	if len(args) != 1 {
		return a.completeJobs(cmd, args, word)
	}
	var numbers []string
	a.complete(cmd, func(ctx context.Context, c *client.Client) error {
		list, err := c.JobRevisions(ctx, args[0])
		for _, r := range list {
			if !r.Active {
				numbers = append(numbers, described(r.ID, ui.Timestamp(r.CreatedAt, true)))
			}
		}
		return err
	})
	return numbers, keepOrder
}

// completeTriggers completes arguments to a job and the path of one of its callable triggers.
func (a *app) completeTriggers(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	if len(args) != 1 {
		return a.completeJobs(cmd, args, word)
	}
	var paths []string
	a.complete(cmd, func(ctx context.Context, c *client.Client) error {
		j, err := c.Job(ctx, args[0])
		for _, t := range j.Spec.Triggers {
			if t.Type != client.TriggerCron && t.Enabled {
				paths = append(paths, described(t.Configuration.Path, t.Type))
			}
		}
		return err
	})
	return paths, keepOrder
}

// completeDeadLetters completes arguments to the ids of the latest dead letters. A command takes at
// most a number of ids; 0 is any number.
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
						ids = append(ids, described(d.ID, fmt.Sprintf("%s to %s", d.Job, d.URL)))
					}
				}
				return nil
			})
			return err
		})
		return ids, keepOrder
	}
}
