package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/jobfile"
	"github.com/faaspot/faaspot/runtime"
)

const (
	// defaultJobFile is what is applied unless told otherwise.
	defaultJobFile = "job.toml"
	// maxJobFile leaves room for the tasks of triggers and the environment.
	maxJobFile = 2 * runtime.MiB
)

const exampleJob = `name = "nightly"                # a-z 0-9 and -, for life
function = "bill"               # what each task runs
#display_name = "Nightly bills"
#enabled = true                 # false: no execution can be started

#[labels]
#team = "billing"

[runtime]
#memory = 256                   # MB of a task; default that of the function
#timeout = "2m"                 # of a task, or seconds; default that of the function
max_retries = 2                 # further attempts of a task that failed, 0 to 10
max_concurrent_tasks = 20       # of one execution at once; default as many as there is room for

[env]
REGION = "eu"
#API_KEY = { from_env = "API_KEY" }             # a secret, of the environment of who applies this
#TOKEN = { value = "...", secret = true }

[[triggers]]
type = "cron"
schedule = "0 3 * * *"          # minute hour day month weekday, or @daily and so on
timezone = "Europe/Berlin"      # default UTC
missed = "skip"                 # or catchup: once for all ticks at which no server ran
tasks = [{ kind = "daily" }]    # args of its tasks

#[[triggers]]
#type = "http"                  # a request, which waits for the end
#path = "bills"
#timeout = 30                   # seconds that it waits

#[[triggers]]
#type = "http-async"            # a request; the end is told to the callback
#path = "bills/later"
#callback_url = "https://example.com/done"
#callback_secret = { from_env = "HOOK_SECRET" } # default one that is drawn, and told once
#retry = 5                      # further attempts to tell it
`

func newJobsApply(a *app) *cobra.Command {
	var file string
	var example, asJSON bool
	cmd := &cobra.Command{
		Use:   "apply [-f FILE] [--json | --example]",
		Short: "Create a job, or make it what a file says",
		Long: `Create a job, or make it what a file says. Says which of the two it did, or that
there was nothing to change: to apply a file again changes nothing.

The file is TOML, as --example prints one, or JSON if its name ends so, as
"fas jobs get --json" prints it. What is wrong with it is told with its line and
column. Values that are secret can be left out of it: { from_env = "NAME" } stands
for a variable of the environment of this command.

A secret for callbacks that the server has drawn is printed once, on the standard
error, and never shown again.

With --json it is an object with the fields change (created, changed or unchanged)
and job, which has the fields

` + jobFields,
		Example: `  fas jobs apply --example > job.toml
  fas jobs apply
  fas jobs apply -f jobs/nightly.toml
  fas jobs get nightly --json | jq '.spec.enabled = false' > off.json && fas jobs apply -f off.json`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := exclusive(cmd, "json", "example"); err != nil {
				return err
			}
			if example {
				_, err := fmt.Fprint(a.Out, exampleJob)
				return err
			}
			text, err := a.ReadText(cmd.Context(), file, "job", maxJobFile)
			if err != nil {
				return err
			}
			f, err := jobfile.Parse(file, []byte(*text), func(name string) (string, bool) {
				value, ok := a.env[name]
				return value, ok
			})
			if err != nil {
				return err
			}
			if err := jobName(f.Name); err != nil {
				return f.Locate(err)
			}
			c, err := a.connect()
			if err != nil {
				return err
			}
			defer c.Close()
			j, change, err := c.ApplyJob(cmd.Context(), f.Name, f.Body)
			if err != nil {
				return f.Locate(err)
			}
			return a.writeApplied(j, change, asJSON)
		},
	}
	cmd.Flags().StringVarP(&file, "file", "f", defaultJobFile, "`FILE` with the job, - for TOML of the standard input")
	cmd.Flags().BoolVar(&example, "example", false, "print a file to begin with, and do nothing else")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	_ = cmd.MarkFlagFilename("file", "toml", "json")
	return cmd
}

func (a *app) writeApplied(j client.Job, change client.Change, asJSON bool) error {
	if asJSON {
		return a.WriteJSON(struct {
			Change client.Change `json:"change"`
			Job    client.Job    `json:"job"`
		}{change, j})
	}
	for _, t := range j.Spec.Triggers {
		if secret := t.Configuration.CallbackSecret; secret != "" && secret != runtime.Masked {
			fmt.Fprintf(a.Err, "the secret that signs the callbacks of %s, told this once: %s\n", t.Configuration.Path, secret)
		}
	}
	_, err := fmt.Fprintf(a.Out, "%s %s (revision %s)\n", change, j.Metadata.Name, j.Spec.Revision.Active)
	return err
}
