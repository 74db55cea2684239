package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
)

func newJobsGet(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "get NAME [--json]",
		Short: "Show a job",
		Long: `Show a job: its function, how its tasks run, its environment and its triggers.
Secrets are shown as ***.

With --json the output is an object that "fas jobs apply" accepts; *** in it means
the stored secret. It has the fields

` + jobFields,
		Example: `  fas jobs get nightly
  fas jobs get nightly --json | jq .spec.triggers`,
		Args:              arguments("NAME"),
		ValidArgsFunction: a.completeJobs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := jobArguments(args); err != nil {
				return err
			}
			c, err := a.connect()
			if err != nil {
				return err
			}
			defer c.Close()
			j, err := c.Job(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return a.WriteJSON(j)
			}
			return writeJob(a.Out, c.URL(), j, ui.IsTerminal(a.Out))
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// ofFunction is shown for a limit that the job does not set.
const ofFunction = "that of the function"

func writeJob(out io.Writer, server string, j client.Job, people bool) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "name:\t%s\n", j.Metadata.Name)
	if j.Metadata.DisplayName != "" {
		fmt.Fprintf(w, "display name:\t%s\n", ui.OneLine(j.Metadata.DisplayName))
	}
	for _, key := range slices.Sorted(maps.Keys(j.Metadata.Labels)) {
		fmt.Fprintf(w, "label:\t%s = %s\n", ui.OneLine(key), ui.OneLine(j.Metadata.Labels[key]))
	}
	fmt.Fprintf(w, "function:\t%s\n", j.Spec.Function)
	fmt.Fprintf(w, "enabled:\t%t\n", j.Spec.Enabled)
	fmt.Fprintf(w, "revision:\t%s\n", j.Spec.Revision.Active)
	memory, timeout, atOnce := ofFunction, ofFunction, "no limit"
	r := j.Spec.Runtime
	if r.Memory != 0 {
		memory = fmt.Sprintf("%g MB", r.Memory)
	}
	if r.Timeout != 0 {
		timeout = fmt.Sprintf("%g s", r.Timeout)
	}
	if r.MaxConcurrentTasks != 0 {
		atOnce = fmt.Sprint(r.MaxConcurrentTasks)
	}
	fmt.Fprintf(w, "memory:\t%s\n", memory)
	fmt.Fprintf(w, "timeout:\t%s\n", timeout)
	fmt.Fprintf(w, "retries:\t%d\n", r.MaxRetries)
	fmt.Fprintf(w, "tasks at once:\t%s\n", atOnce)
	for _, v := range r.Envs {
		fmt.Fprintf(w, "environment:\t%s = %s\n", v.Name, ui.OneLine(v.Value))
	}
	for _, t := range j.Spec.Triggers {
		fmt.Fprintf(w, "trigger:\t%s: %s\n", t.ID, ui.OneLine(triggerText(t)))
		if t.Type != client.TriggerCron {
			fmt.Fprintf(w, "\t%s/v0/jobs/%s/triggers/%s\n", server, j.Metadata.Name, ui.OneLine(strings.Trim(t.Configuration.Path, "/")))
		} else if next := nextTick(j, t); !next.IsZero() {
			fmt.Fprintf(w, "\tnext at %s\n", ui.Timestamp(next, people))
		}
	}
	fmt.Fprintf(w, "created:\t%s\n", ui.Timestamp(j.Metadata.CreatedAt, people))
	fmt.Fprintf(w, "updated:\t%s\n", ui.Timestamp(j.Metadata.UpdatedAt, people))
	return w.Flush()
}
