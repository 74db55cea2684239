package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
)

// jobRunFlags are what an execution is asked for with.
type jobRunFlags struct {
	file        string
	data        []string
	parallelism int
	memory      ui.Megabytes
	env         []string
	id, name    string
	noQueue     bool
}

func newJobsRun(a *app) *cobra.Command {
	var f jobRunFlags
	var wait, asJSON bool
	var waitTimeout ui.Seconds
	cmd := &cobra.Command{
		Use:     "run NAME [--data JSON... | --file FILE] [--parallelism N] [--env KEY=VALUE...] [--wait] [--json]",
		Aliases: []string{"start"},
		Short:   "Start an execution of a job",
		Long: `Start an execution of a job, and print its id. Its tasks are those of each --data,
or of a file: a JSON object is one task, the args of the function; an array of such
objects, or {"tasks": [...]}, is many. A file may have one object a line, too.
Without either it is one task without args. Up to 10,000 tasks can be in one
execution.

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
  fas jobs run bills --data '[{"customer": 7}, {"customer": 8}]' --wait
  fas jobs run bills --file customers.jsonl --parallelism 50 -w
  ID=$(jq -c '.[]' all.json | fas jobs run bills --file - --id bills-2026-01)`,
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
				return clierror.Resumable(err, a.command("jobs executions "+args[0])+" lists it if it was accepted")
			}
			if wait {
				return a.awaitAndTellJob(cmd.Context(), c, args[0], id, waitTimeout, asJSON)
			}
			return a.writeStarted(args[0], id, asJSON)
		},
	}
	fl := cmd.Flags()
	fl.StringArrayVarP(&f.data, "data", "d", nil, "one or more tasks as `JSON`, as often as needed")
	fl.StringVarP(&f.file, "file", "f", "", "`FILE` with tasks as JSON, or one a line, - for the standard input")
	fl.IntVar(&f.parallelism, "parallelism", 0, "`N` tasks at once at most (default what the job says)")
	fl.Var(&f.memory, "memory", "`MB` of memory that a task may use, at most those of the job (default those of the job)")
	fl.StringArrayVarP(&f.env, "env", "e", nil, "`KEY=VALUE` that tasks find in their environment, as often as needed")
	fl.StringVar(&f.id, "id", "", "`KEY` with which the same command starts one execution within 24 hours")
	fl.StringVar(&f.name, "name", "", "`NAME` that the execution is called by, unique in the job (default a UUID)")
	fl.BoolVar(&f.noQueue, "no-queue", false, "start none if it would have to wait for others")
	fl.BoolVarP(&wait, "wait", "w", false, "wait until all tasks are done and print a summary")
	waitTimeoutFlag(cmd, &waitTimeout)
	fl.BoolVar(&asJSON, "json", false, "print JSON")
	for _, name := range []string{"data", "parallelism", "memory", "env", "id", "name"} {
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.NoFileCompletions)
	}
	_ = cmd.MarkFlagFilename("file", "json", "jsonl", "ndjson")
	return cmd
}

// request makes one of the flags.
func (f *jobRunFlags) request(cmd *cobra.Command, a *app) (client.JobRun, error) {
	r := client.JobRun{Name: f.name, ID: f.id, Memory: int64(f.memory), Parallelism: f.parallelism}
	if err := exclusive(cmd, "data", "file"); err != nil {
		return r, err
	}
	for name, value := range map[string]string{"id": f.id, "name": f.name} {
		if value == "" && cmd.Flags().Changed(name) {
			return r, clierror.Usagef("give one, or leave the flag out", "the --%s is empty", name)
		}
	}
	if cmd.Flags().Changed("parallelism") && f.parallelism < 1 {
		return r, clierror.Usagef("give a positive number of tasks", "the --parallelism %d is not positive", f.parallelism)
	}
	if f.noQueue {
		queue := false
		r.AllowQueue = &queue
	}
	for _, entry := range f.env {
		name, value, ok := strings.Cut(entry, "=")
		if !ok {
			if value, ok = a.env[name]; !ok {
				return r, clierror.Usagef("give it as --env KEY=VALUE, or set it", "the variable %s is not set", ui.Quote(name))
			}
		}
		if r.Env == nil {
			r.Env = make(map[string]string)
		}
		if _, twice := r.Env[name]; twice {
			return r, clierror.Usagef("give each variable once", "the variable %s is given twice", ui.Quote(name))
		}
		r.Env[name] = value
	}
	var err error
	switch {
	case f.file != "":
		r.Tasks, err = a.readTasks(cmd.Context(), f.file)
	case len(f.data) > 0:
		r.Tasks, err = parseData(f.data)
	default:
		r.Tasks = []json.RawMessage{json.RawMessage("{}")}
	}
	return r, err
}

// writeStarted prints the id of an execution that was accepted.
func (a *app) writeStarted(job, id string, asJSON bool) error {
	if asJSON {
		return a.WriteJSON(struct {
			ID string `json:"id"`
		}{id})
	}
	if _, err := fmt.Fprintln(a.Out, id); err != nil {
		return err
	}
	if ui.IsTerminal(a.Out) && ui.IsTerminal(a.Err) {
		fmt.Fprintf(a.Err, "%s runs in the background: %s waits for its end\n", job, a.command("jobs executions "+job+" "+id+" --wait"))
	}
	return nil
}
