package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/runargs"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
)

// jobRunFlags are the flags that describe an execution.
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
		Long: `Start an execution of a job and print its id.

The tasks come from --data or from a file. A JSON object is one task: the args of
the function. An array of such objects, or {"tasks": [...]}, is many tasks; a file
may also have one object per line. Without --data and --file there is one task
without args. An execution has at most 10,000 tasks.

Once the id is printed, the execution is on the server's disk. The server runs it to
its end, even if the server or this command is restarted.

With --wait the command waits until all tasks are done and prints how many
succeeded, failed and were cancelled. Meanwhile a terminal shows the progress, and
any other standard error gets a line now and then. The exit status is 0 if the
execution succeeded, else 1; the tasks that did not succeed are listed on the
standard error. Ctrl-C and --wait-timeout end the wait but not the execution, and
print how to wait again.

--env KEY without a value passes the variable of this command's environment.

With --wait --json the output is the finished execution, an object with the fields

` + jobExecutionFields + `
  tasks (the first 200), see "fas jobs tasks --help"

With --json alone it is an object with the field id.`,
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
				return clierror.Resumable(err, a.command("jobs executions "+args[0])+" lists it if the server accepted it")
			}
			if wait {
				return a.awaitAndReportJob(cmd.Context(), c, args[0], id, waitTimeout, asJSON)
			}
			return a.writeStarted(args[0], id, asJSON)
		},
	}
	fl := cmd.Flags()
	fl.StringArrayVarP(&f.data, "data", "d", nil, "one or more tasks as `JSON`; repeatable")
	fl.StringVarP(&f.file, "file", "f", "", "`FILE` with tasks as JSON, or with one task per line; - is the standard input")
	fl.IntVar(&f.parallelism, "parallelism", 0, "run at most `N` tasks at once (default the limit of the job)")
	fl.Var(&f.memory, "memory", "`MB` of memory for each task, at most that of the job (default that of the job)")
	fl.StringArrayVarP(&f.env, "env", "e", nil, "set `KEY=VALUE` in the environment of the tasks; repeatable")
	fl.StringVar(&f.id, "id", "", "idempotency `KEY`: within 24 hours the same command starts only one execution")
	fl.StringVar(&f.name, "name", "", "`NAME` of the execution, unique in the job (default a UUID)")
	fl.BoolVar(&f.noQueue, "no-queue", false, "fail instead of waiting for other executions")
	fl.BoolVarP(&wait, "wait", "w", false, "wait until all tasks are done and print a summary")
	waitTimeoutFlag(cmd, &waitTimeout)
	fl.BoolVar(&asJSON, "json", false, "print JSON")
	_ = cmd.MarkFlagFilename("file", "json", "jsonl", "ndjson")
	return cmd
}

// request returns the request that the flags describe.
func (f *jobRunFlags) request(cmd *cobra.Command, a *app) (client.JobRun, error) {
	r := client.JobRun{Name: f.name, ID: f.id, Memory: int64(f.memory), Parallelism: f.parallelism}
	if err := exclusive(cmd, "data", "file"); err != nil {
		return r, err
	}
	for name, value := range map[string]string{"id": f.id, "name": f.name} {
		if value == "" && cmd.Flags().Changed(name) {
			return r, clierror.Usagef("give a value, or leave the flag out", "the --%s is empty", name)
		}
	}
	if cmd.Flags().Changed("parallelism") && f.parallelism < 1 {
		return r, clierror.Usagef("use a positive number of tasks", "the --parallelism %d is not positive", f.parallelism)
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
			return r, clierror.Usagef("give each variable once", "the variable %s is set twice", ui.Quote(name))
		}
		r.Env[name] = value
	}
	var err error
	switch {
	case f.file != "":
		r.Tasks, err = runargs.ReadTasks(cmd.Context(), &a.Terminal, f.file)
	case len(f.data) > 0:
		r.Tasks, err = runargs.ParseTaskEntries(f.data)
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
		fmt.Fprintf(a.Err, "%s runs in the background; %s waits for it\n", job, a.command("jobs executions "+job+" "+id+" --wait"))
	}
	return nil
}
