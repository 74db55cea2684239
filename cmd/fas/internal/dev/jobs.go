package dev

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/jobfile"
	"github.com/faaspot/faaspot/cmd/fas/internal/project"
	"github.com/faaspot/faaspot/runtime"
)

// servedJob is a job of the project.
type servedJob struct {
	body     []byte // that was applied last, whether or not that succeeded
	function string // that it runs, as far as that was deployed when the job was applied; empty: it was not
	applied  bool   // some revision of it is on the server
	triggers []client.Trigger
}

// updateJobs applies the jobs of a project that have changed, and deletes those that are gone. It returns the first
// error, which was shown.
func (s *session) updateJobs(ctx context.Context, p project.Project) (first error) {
	if s.Suffix != "" {
		return nil
	}
	for _, j := range p.Jobs {
		if err := s.refreshJob(ctx, j); err != nil && ctx.Err() == nil {
			s.Show.FailedJob(j.Name, err)
			if first == nil {
				first = err
			}
		}
	}
	for name, j := range s.jobs {
		if slices.ContainsFunc(p.Jobs, func(other *jobfile.File) bool { return other.Name == name }) {
			continue
		}
		delete(s.jobs, name)
		if !j.applied {
			continue
		}
		if _, err := s.Client.DeleteJob(ctx, name); err != nil {
			s.Show.Failed("", err)
			continue
		}
		s.Show.Applied(name, "deleted")
	}
	return first
}

// refreshJob applies a job if it has changed, or if its function was deployed since it failed.
func (s *session) refreshJob(ctx context.Context, j *jobfile.File) error {
	now, function := s.jobs[j.Name], ""
	if f := s.served[j.Function]; f != nil && f.deployed {
		function = j.Function
	}
	if now != nil && bytes.Equal(now.body, j.Body) && (now.applied || now.function == function) {
		return nil
	}
	if now == nil {
		now = &servedJob{}
		s.jobs[j.Name] = now
	}
	now.body, now.function, now.triggers = j.Body, function, j.Triggers
	_, change, err := s.Client.ApplyJob(ctx, j.Name, j.Body)
	if err != nil {
		return j.Locate(err)
	}
	now.applied = true
	s.Show.Applied(j.Name, string(change))
	return nil
}

// trigger is what starts an execution of a job.
type trigger struct {
	job string
	client.Trigger
}

// String says what the trigger is.
func (t trigger) String() string {
	switch t.Type {
	case "":
		return t.job
	case client.TriggerCron:
		return t.job + ": " + t.Configuration.Schedule
	}
	return t.job + ": " + t.Type + " " + t.Configuration.Path
}

// maxChoices is the largest number of triggers that a key chooses from.
const maxChoices = 9

// chooseTrigger fires the only trigger of the project, or lets the next key choose one.
func (s *session) chooseTrigger(ctx context.Context) error {
	var all []trigger
	for _, name := range slices.Sorted(maps.Keys(s.jobs)) {
		j := s.jobs[name]
		if !j.applied {
			continue
		}
		if len(j.triggers) == 0 {
			all = append(all, trigger{job: name})
		}
		for _, t := range j.triggers {
			all = append(all, trigger{name, t})
		}
	}
	switch {
	case len(all) == 0:
		return clierror.Usagef("write a job to "+project.JobFile+"; `fas jobs apply --example` prints one", "the project has no job")
	case len(all) == 1:
		s.fire(ctx, all[0])
		return nil
	}
	if len(all) > maxChoices {
		s.Show.Note(fmt.Sprintf("the first %d of %d:", maxChoices, len(all)))
		all = all[:maxChoices]
	}
	for i, t := range all {
		s.Show.Note(fmt.Sprintf("%d  %s", i+1, t))
	}
	s.Show.Note("press a digit to fire one")
	s.choice = all
	return nil
}

// fired is the outcome of firing a trigger.
type fired struct {
	trigger
	id  string // of the execution of the job
	err error
}

// fire starts an execution. The session goes on meanwhile: a trigger may wait for the end of the execution.
func (s *session) fire(ctx context.Context, t trigger) {
	go func() {
		f := fired{trigger: t}
		switch t.Type {
		case client.TriggerHTTP, client.TriggerHTTPAsync:
			done, err := s.Client.TriggerJob(ctx, t.job, t.Configuration.Path, nil)
			f.id, f.err = done.ID, err
			if done.Execution != nil {
				f.id = done.Execution.Metadata.ID
			}
		default:
			tasks := t.Configuration.Tasks
			if len(tasks) == 0 {
				tasks = []json.RawMessage{json.RawMessage(runtime.EmptyObject)}
			}
			f.id, f.err = s.Client.RunJob(ctx, t.job, client.JobRun{Tasks: tasks})
		}
		select {
		case s.fired <- f:
		case <-ctx.Done():
		}
	}()
}

func (s *session) showFired(f fired) {
	if f.err != nil {
		s.Show.Failed("", f.err)
		return
	}
	s.Show.Fired(f.job, f.id)
}
