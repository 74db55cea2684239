package main

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
	"github.com/faaspot/faaspot/httpapi/wire"
)

// describedTime is the time whose runs are counted.
const describedTime = 24 * time.Hour

// description is what `fas describe` shows. Its JSON form is a promise of --json.
type description struct {
	client.Listed
	Timeout     float64          `json:"timeout"` // seconds
	Memory      float64          `json:"memory"`  // MB
	Retries     int              `json:"retries"`
	Allow       []string         `json:"allow"`
	KeepArgs    bool             `json:"keep_args"`
	ContextKeys []string         `json:"context_keys"`
	Bundle      *wire.Bundle     `json:"bundle"`
	Versions    []client.Version `json:"versions"`
	LastDay     client.RunStats  `json:"last_24h"`
	LastFailure *lastFailure     `json:"last_failure"`
	Jobs        []jobOfFunction  `json:"jobs"`
}

// lastFailure is the latest execution of a function that has failed.
type lastFailure struct {
	ID      string        `json:"uuid"`
	Created client.Moment `json:"created"`
	client.Failure
}

// jobOfFunction is a job that runs a function.
type jobOfFunction struct {
	Name      string           `json:"name"`
	Enabled   bool             `json:"enabled"`
	Schedules []scheduleOfARun `json:"schedules"`
}

// scheduleOfARun is a trigger of a job with a schedule.
type scheduleOfARun struct {
	Schedule string `json:"schedule"`
	TimeZone string `json:"timezone"`
	Enabled  bool   `json:"enabled"`
}

func newDescribe(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "describe NAME [--json]",
		GroupID: groupFunctions,
		Short:   "Show how a function is set, how its runs end, and what runs it",
		Long: `Show a function: its URL, versions and limits, what it may reach, the names in its context
(the values are secret), how its runs of the last 24 hours ended and how long they took,
its last failure, and the jobs that run it, with their schedules.

With --json the output is an object with the fields

  name, runner_url, version, created, updated (RFC 3339), rid, paused, timeout (seconds), memory
  (MB), retries, allow, keep_args, context_keys, bundle (sha256, bytes; null for a single
  file), versions (as in "fas history"), last_24h: count, success, failed (includes
  timed_out), timed_out, cancelled, p50_ms, p90_ms, p99_ms, max_ms, mean_ms (null: none
  has started); last_failure (null: none is stored): uuid, created, message, error_code
  and, if known, hint, server_traceback, line, error_type; jobs: name, enabled,
  schedules: schedule, timezone, enabled`,
		Example: `  fas describe hello
  fas describe hello --json | jq .last_24h.p99_ms`,
		Args:              arguments("NAME"),
		ValidArgsFunction: a.completeFunctions,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := functionName(args[0]); err != nil {
				return err
			}
			c, err := a.connect()
			if err != nil {
				return err
			}
			defer c.Close()
			d, err := describe(cmd.Context(), c, args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return a.WriteJSON(d)
			}
			return a.writeDescription(d)
		},
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}

// describe gets the description of a function.
func describe(ctx context.Context, c *client.Client, name string) (d description, err error) {
	f, err := c.Function(ctx, name)
	if err != nil {
		return d, err
	}
	d = description{
		Listed: f.Listed, Timeout: f.Timeout, Memory: f.Memory, Retries: f.Retries, Allow: f.Allow, KeepArgs: f.KeepArgs,
		ContextKeys: f.ContextKeys, Bundle: f.Bundle, Jobs: []jobOfFunction{},
	}
	if d.Versions, err = c.Versions(ctx, name); err != nil {
		return d, err
	}
	stats, err := c.Stats(ctx, describedTime, name)
	if err != nil {
		return d, err
	}
	d.LastDay = stats.Total
	failed := client.Filter{Function: name, Statuses: []string{string(client.StatusFailed)}}
	if _, err = c.ListExecutions(ctx, failed, 1, func(page []client.Execution) error {
		for _, x := range page {
			if x.Failure != nil {
				d.LastFailure = &lastFailure{x.ID, x.Created, *x.Failure}
			}
		}
		return nil
	}); err != nil {
		return d, err
	}
	jobs, err := c.Jobs(ctx)
	for _, j := range jobs {
		if j.Spec.Function == f.Name {
			d.Jobs = append(d.Jobs, newJobOfFunction(j))
		}
	}
	return d, err
}

func newJobOfFunction(j client.Job) jobOfFunction {
	use := jobOfFunction{Name: j.Metadata.Name, Enabled: j.Spec.Enabled, Schedules: []scheduleOfARun{}}
	for _, t := range j.Spec.Triggers {
		if t.Configuration.Schedule != "" {
			use.Schedules = append(use.Schedules, scheduleOfARun{t.Configuration.Schedule, t.Configuration.TimeZone, t.Enabled})
		}
	}
	return use
}

// writeDescription prints a description for people and programs.
func (a *app) writeDescription(d description) error {
	people := ui.IsTerminal(a.Out)
	rows := [][2]string{
		{"name", d.Name},
		{"url", d.RunnerURL},
		{"version", fmt.Sprintf("%d, of %s; %d are stored", d.Version, ui.Timestamp(d.Updated, people), len(d.Versions))},
		{"created", ui.Timestamp(d.Created, people)},
		{"limits", fmt.Sprintf("%g s, %g MB, %d retries", d.Timeout, d.Memory, d.Retries)},
		{"keep args", strconv.FormatBool(d.KeepArgs)},
		{"allow", strings.Join(d.Allow, ", ")},
		{"context", strings.Join(d.ContextKeys, ", ")},
	}
	if d.Paused {
		rows = append(rows, [2]string{"paused", pausedText})
	}
	if d.Bundle != nil {
		rows = append(rows, [2]string{"bundle", fmt.Sprintf("%d bytes, SHA-256 %s", d.Bundle.Bytes, d.Bundle.SHA256)})
	}
	s := d.LastDay
	rows = append(rows, [2]string{"last 24 h", fmt.Sprintf("%d runs: %d succeeded, %d failed, %d cancelled", s.Count, s.Success, s.Failed, s.Cancelled)})
	if s.P50 != nil {
		rows = append(rows, [2]string{"duration", fmt.Sprintf("p50 %s, p99 %s, max %s", msText(s.P50), msText(s.P99), msText(s.Max))})
	}
	if f := d.LastFailure; f != nil {
		rows = append(rows, [2]string{"last failure", ui.Timestamp(f.Created.Time, people) + ", execution " + f.ID}, [2]string{"", f.Message})
	}
	for _, j := range d.Jobs {
		rows = append(rows, [2]string{"job", jobText(j)})
	}
	w := tabwriter.NewWriter(a.Out, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		if row[0] != "" {
			row[0] += ":"
		}
		fmt.Fprintf(w, "%s\t%s\n", row[0], ui.OneLine(cmp.Or(row[1], "-")))
	}
	return w.Flush()
}

// jobText renders a job that runs a function.
func jobText(j jobOfFunction) string {
	text := j.Name
	if !j.Enabled {
		text += " (disabled)"
	}
	for i, s := range j.Schedules {
		separator := ", "
		if i == 0 {
			separator = ", at "
		}
		text += separator + s.Schedule
		if s.TimeZone != "" {
			text += " " + s.TimeZone
		}
		if !s.Enabled {
			text += " (disabled)"
		}
	}
	return text
}
