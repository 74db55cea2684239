package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/runtime/strictjson"
)

// jobRunFlags are what an execution is asked for with.
type jobRunFlags struct {
	tasksFile   string
	tasks       []string
	parallelism int
	memory      megabytes
	env         []string
	id, name    string
	noQueue     bool
}

func newJobsRun(a *app) *cobra.Command {
	var f jobRunFlags
	var wait, asJSON bool
	var waitTimeout seconds
	cmd := &cobra.Command{
		Use:     "run NAME [--tasks FILE | --task JSON...] [--parallelism N] [--env KEY=VALUE...] [--wait] [--json]",
		Aliases: []string{"start"},
		Short:   "Start an execution of a job",
		Long: `Start an execution of a job, and print its id. It has a task for each --task, or
for each line of a file, which is a JSON object: the args of the function. Without
either it is one task without args. Up to 10,000 tasks can be in one execution.

Once the id is printed, the execution is on the server's disk and will be carried
to an end, whatever happens to the server or to this command.

With --wait it waits until all tasks are done, and prints how many came to which
end. A terminal shows meanwhile how they stand; elsewhere the standard error gets a
line now and then. The exit status is 0 if the execution succeeded, else 1, and the
tasks that did not are on the standard error. Ctrl-C, or --wait-timeout, ends the
waiting and not the execution, and says how to wait again.

--env KEY, without a value, takes that of the environment of this command.

With --json it is an object: with --wait the execution, once it is done, with the
fields

` + jobExecutionFields + `
  tasks (the first 200), see "fas jobs tasks --help"

and without it one with the field id.`,
		Example: `  fas jobs run nightly
  fas jobs run bills --task '{"customer": 7}' --task '{"customer": 8}' --wait
  fas jobs run bills --tasks customers.jsonl --parallelism 50 -w
  ID=$(jq -c '.[]' all.json | fas jobs run bills --tasks - --id bills-2026-01)`,
		Args:              arguments("NAME"),
		ValidArgsFunction: a.completeJobs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := jobArguments(args); err != nil {
				return err
			}
			if err := needsWait(cmd, wait, "wait-timeout"); err != nil {
				return err
			}
			r, err := f.request(cmd, a)
			if err != nil {
				return err
			}
			c, err := a.connect()
			if err != nil {
				return err
			}
			defer c.Close()
			id, err := c.RunJob(cmd.Context(), args[0], r)
			if err != nil {
				return resumable(err, a.command("jobs executions "+args[0])+" lists it if it was accepted")
			}
			if wait {
				return a.awaitAndTellJob(cmd.Context(), c, args[0], id, waitTimeout, asJSON)
			}
			return a.writeStarted(args[0], id, asJSON)
		},
	}
	fl := cmd.Flags()
	fl.StringVarP(&f.tasksFile, "tasks", "f", "", "`FILE` with a JSON object a line, - for the standard input")
	fl.StringArrayVarP(&f.tasks, "task", "t", nil, "the args of a task as a `JSON` object, as often as needed")
	fl.IntVar(&f.parallelism, "parallelism", 0, "`N` tasks at once at most (default what the job says)")
	fl.Var(&f.memory, "memory", "`MB` of memory that a task may use, at most those of the job (default those of the job)")
	fl.StringArrayVarP(&f.env, "env", "e", nil, "`KEY=VALUE` that tasks find in their environment, as often as needed")
	fl.StringVar(&f.id, "id", "", "`KEY` with which the same command starts one execution within 24 hours")
	fl.StringVar(&f.name, "name", "", "`NAME` that the execution is called by, unique in the job (default a UUID)")
	fl.BoolVar(&f.noQueue, "no-queue", false, "start none if it would have to wait for others")
	fl.BoolVarP(&wait, "wait", "w", false, "wait until all tasks are done and print a summary")
	waitTimeoutFlag(cmd, &waitTimeout)
	fl.BoolVar(&asJSON, "json", false, "print JSON")
	for _, name := range []string{"task", "parallelism", "memory", "env", "id", "name"} {
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.NoFileCompletions)
	}
	_ = cmd.MarkFlagFilename("tasks", "jsonl", "ndjson")
	return cmd
}

// request makes one of the flags.
func (f *jobRunFlags) request(cmd *cobra.Command, a *app) (client.JobRun, error) {
	r := client.JobRun{Name: f.name, ID: f.id, Memory: int64(f.memory), Parallelism: f.parallelism}
	if err := exclusive(cmd, "tasks", "task"); err != nil {
		return r, err
	}
	for name, value := range map[string]string{"id": f.id, "name": f.name} {
		if value == "" && cmd.Flags().Changed(name) {
			return r, usagef("give one, or leave the flag out", "the --%s is empty", name)
		}
	}
	if cmd.Flags().Changed("parallelism") && f.parallelism < 1 {
		return r, usagef("give a positive number of tasks", "the --parallelism %d is not positive", f.parallelism)
	}
	if f.noQueue {
		queue := false
		r.AllowQueue = &queue
	}
	for _, entry := range f.env {
		name, value, ok := strings.Cut(entry, "=")
		if !ok {
			if value, ok = a.env[name]; !ok {
				return r, usagef("give it as --env KEY=VALUE, or set it", "the variable %s is not set", quoted(name))
			}
		}
		if r.Env == nil {
			r.Env = make(map[string]string)
		}
		if _, twice := r.Env[name]; twice {
			return r, usagef("give each variable once", "the variable %s is given twice", quoted(name))
		}
		r.Env[name] = value
	}
	var err error
	r.Tasks, err = f.readTasks(cmd.Context(), a)
	return r, err
}

func (f *jobRunFlags) readTasks(ctx context.Context, a *app) (tasks []json.RawMessage, err error) {
	if f.tasksFile != "" {
		lines, err := a.readBulk(ctx, f.tasksFile)
		if err == nil && len(lines) == 0 {
			err = usagef("each line is a JSON object, the args of a task", "there are no tasks in %s", quoted(f.tasksFile))
		}
		for _, line := range lines {
			tasks = append(tasks, line)
		}
		return tasks, err
	}
	for i, task := range f.tasks {
		if err := strictjson.Check([]byte(task), strictjson.Options{Object: true}); err != nil {
			return nil, usagef(`give an object, such as {"name": "you", "times": 3}`, "--task number %d is not a JSON object: %v", i+1, err)
		}
		tasks = append(tasks, json.RawMessage(task))
	}
	if tasks == nil {
		tasks = []json.RawMessage{json.RawMessage("{}")}
	}
	return tasks, nil
}

// writeStarted prints the id of an execution that was accepted.
func (a *app) writeStarted(job, id string, asJSON bool) error {
	if asJSON {
		return a.writeJSON(struct {
			ID string `json:"id"`
		}{id})
	}
	if _, err := fmt.Fprintln(a.stdout, id); err != nil {
		return err
	}
	if isTerminal(a.stdout) && isTerminal(a.stderr) {
		fmt.Fprintf(a.stderr, "%s runs in the background: %s waits for its end\n", job, a.command("jobs executions "+job+" "+id+" --wait"))
	}
	return nil
}
