package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/jobfile"
	"github.com/faaspot/faaspot/cmd/fas/internal/project"
	"github.com/faaspot/faaspot/runtime"
)

const exampleJob = `name = "nightly"                # a-z 0-9 and -; cannot be changed later
function = "bill"               # what each task runs
#display_name = "Nightly bills"
#enabled = true                 # false: no new executions

#[labels]
#team = "billing"

[runtime]
#memory = 256                   # MB per task; default: that of the function
#timeout = "2m"                 # per task, or a number of seconds; default: that of the function
max_retries = 2                 # further attempts for a failed task, 0 to 10
max_concurrent_tasks = 20       # that run at once in one execution; default: no limit

[env]
REGION = "eu"
#API_KEY = { from_env = "API_KEY" }             # a secret, read from the environment when applied
#TOKEN = { value = "...", secret = true }

[[triggers]]
type = "cron"
schedule = "0 3 * * *"          # minute hour day month weekday, or @daily etc.
timezone = "Europe/Berlin"      # default: UTC
missed = "skip"                 # or catchup: run once for all ticks missed while no server ran
tasks = [{ kind = "daily" }]    # args of the tasks

#[[triggers]]
#type = "http"                  # a request that waits for the end
#path = "bills"
#timeout = 30                   # seconds to wait

#[[triggers]]
#type = "http-async"            # a request; the end is sent to the callback
#path = "bills/later"
#callback_url = "https://example.com/done"
#callback_secret = { from_env = "HOOK_SECRET" } # default: generated, shown once
#retry = 5                      # further attempts to deliver it
`

func newJobsApply(a *app) *cobra.Command {
	var file string
	var example, asJSON bool
	cmd := &cobra.Command{
		Use:   "apply [-f FILE] [--json | --example]",
		Short: "Create or change a job from a file",
		Long: `Create a job, or change it to match a file. Prints whether the job was created,
changed or unchanged: applying the same file again changes nothing.

The file is TOML, as printed by --example, or JSON if its name ends in .json, as
printed by "fas jobs get --json". Errors in the file are reported with line and
column. Secrets need not be in the file: { from_env = "NAME" } takes the value from
this command's environment.

If the server generates a secret for callbacks, it is printed once, on the standard
error, and never shown again.

With --json the output is an object with the fields change (created, changed or
unchanged) and job, which has the fields

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
			text, err := a.ReadText(cmd.Context(), file, "job", project.MaxJobFile)
			if err != nil {
				return err
			}
			f, err := jobfile.Parse(file, []byte(*text), a.lookup)
			if err != nil {
				return a.withFunction(cmd.Context(), f, err)
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
	cmd.Flags().StringVarP(&file, "file", "f", project.JobFile, "`FILE` with the job; - is TOML from the standard input")
	cmd.Flags().BoolVar(&example, "example", false, "print an example file and exit")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	_ = cmd.MarkFlagFilename("file", "toml", "json")
	return cmd
}

// lookup returns a variable of the environment.
func (a *app) lookup(name string) (value string, ok bool) {
	value, ok = a.env[name]
	return value, ok
}

// withFunction adds to the errors of a file that there is no function with the name in it. It asks a
// server, if one can be reached.
func (a *app) withFunction(ctx context.Context, f *jobfile.File, errs error) error {
	if f == nil || runtime.ValidateName(f.Function) != nil {
		return errs
	}
	c, err := a.connect()
	if err != nil {
		return errs
	}
	defer c.Close()
	if _, err := c.Function(ctx, f.Function); runtime.CodeOf(err) == runtime.CodeNotFound {
		return f.Add(errs, runtime.NoFunctionOfJobError(f.Function))
	}
	return errs
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
			fmt.Fprintf(a.Err, "the secret that signs the callbacks of %s, shown only once: %s\n", t.Configuration.Path, secret)
		}
	}
	_, err := fmt.Fprintf(a.Out, "%s %s (revision %s)\n", change, j.Metadata.Name, j.Spec.Revision.Active)
	return err
}
