package main

import (
	"errors"
	"regexp"
	"time"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
	"github.com/faaspot/faaspot/runtime"
)

// Fields that --json of jobs, of their executions and of their tasks promises.
const (
	jobFields = `  metadata: name, displayName, labels, createdAt, updatedAt (RFC 3339), createdBy,
    updatedBy, workspace, url, rid
  spec: enabled, function, runtime: memory (MB), timeout (seconds), maxRetries,
      maxConcurrentTasks, envs: name, value, secret
    triggers: id, type, enabled, configuration: path, schedule, timezone, missed,
      callbackUrl, callbackSecret, retry, tasks, timeout (seconds)
    revision: active
  status`
	jobExecutionFields = `  metadata: id, job, workspace, cluster, createdAt, startedAt, completedAt,
    updatedAt (RFC 3339), uuid, rid (of the job), revision, trigger, traceId
  spec: envOverride, memoryOverride (MB), parallelism, timeout (seconds), tasks
  stats: total, running, success, failure, cancelled, retried
  status (queued, pending, running, cancelling, cancelled, failed, succeeded or
    timeout)`
	taskFields = `  metadata: name (task-0 is the first), createdAt, scheduledAt, startedAt,
    completedAt, updatedAt (RFC 3339)
  spec: maxRetries, timeout
  status (pending, reconciling, running, succeeded, failed or cancelled)
  conditions: type, state, severity, reason, executionReason, message
  execution (its id in "fas executions")`
)

func newJobs(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "jobs",
		Aliases: []string{"job"},
		GroupID: groupJobs,
		Short:   "Run functions over many tasks: by hand, by request or on a schedule",
		Long: `Run functions over many tasks: by hand, by HTTP request or on a schedule.

A job names a function and how to run it. An execution of a job is a list of tasks.
Each task is one run of the function with its own attempts and time limit, and is
also an execution of the function, as in "fas executions".`,
		Args: cobra.ArbitraryArgs,
		RunE: group,
	}
	cmd.AddCommand(
		newJobsApply(a),
		newJobsList(a),
		newJobsGet(a),
		newJobsDelete(a),
		newJobsRun(a),
		newJobsTrigger(a),
		newJobsExecutions(a),
		newJobsTasks(a),
		newJobsLogs(a),
		newJobsRerun(a),
		newJobsCancel(a),
		newJobsRevisions(a),
		newJobsRollback(a),
	)
	return cmd
}

// jobName checks the name of a job before it becomes part of a URL.
func jobName(name string) error {
	err := runtime.ValidateJobName(name)
	if e, ok := errors.AsType[*runtime.Error](err); ok {
		e.Message = "the job name " + ui.Quote(name) + " is not valid"
	}
	return err
}

var executionWord = regexp.MustCompile(`^[A-Za-z0-9._-]{1,128}$`)

// jobExecutionName checks the id or name of an execution of a job in the same way.
func jobExecutionName(name string) error {
	if !executionWord.MatchString(name) || name == "." || name == ".." {
		return clierror.Usagef("`fas jobs executions NAME` lists them", "%s is not the id of an execution of a job", ui.Quote(name))
	}
	return nil
}

// jobArguments checks the first two arguments of a command, if given: the name of a job and one of
// its executions.
func jobArguments(args []string) error {
	if err := jobName(args[0]); err != nil || len(args) < 2 {
		return err
	}
	return jobExecutionName(args[1])
}

// nextTick returns the next time at which a trigger of type cron starts its job, by the clock of this
// machine; zero if there is none.
func nextTick(j client.Job, t client.Trigger) time.Time {
	if t.Type != client.TriggerCron || !t.Enabled || !j.Spec.Enabled {
		return time.Time{}
	}
	s, err := runtime.ParseSchedule(t.Configuration.Schedule, t.Configuration.TimeZone)
	if err != nil {
		return time.Time{}
	}
	return s.Next(time.Now())
}

// nextRun returns the next time at which a schedule starts the job; zero if there is none.
func nextRun(j client.Job) (next time.Time) {
	for _, t := range j.Spec.Triggers {
		if at := nextTick(j, t); !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	return next
}

// triggerText renders a trigger in a few words.
func triggerText(t client.Trigger) string {
	c, text := t.Configuration, t.Type+" "
	switch t.Type {
	case client.TriggerCron:
		text += c.Schedule
		if c.TimeZone != "" {
			text += " " + c.TimeZone
		}
	default:
		text += c.Path
	}
	if c.CallbackURL != "" {
		text += ", calls back " + c.CallbackURL
	}
	if !t.Enabled {
		text += " (disabled)"
	}
	return text
}
