package engine

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// TriggerJob starts an execution of a job by one of its triggers for requests,
// which has the path. The tasks are those given, or if there are none those of the
// trigger. The end of what [TriggerHTTPAsync] starts is told to its callback.
//
// Errors are those of [Engine.StartJob]; a path that no enabled trigger has is
// CodeNotFound.
func (e *Engine) TriggerJob(ctx context.Context, r runtime.JobStartRequest, path string) (runtime.JobAcceptance, runtime.Trigger, error) {
	const op = "engine.triggerjob"
	j, err := e.GetJob(ctx, r.Tenant, r.Job)
	if err != nil {
		return runtime.JobAcceptance{}, runtime.Trigger{}, err
	}
	for _, t := range j.Spec.Triggers {
		if t.Type == runtime.TriggerCron || t.Disabled || t.Path != path {
			continue
		}
		r.Trigger = t.ID
		if len(r.Tasks) == 0 {
			r.Tasks = t.Tasks
		}
		if len(r.Tasks) == 0 {
			r.Tasks = []json.RawMessage{[]byte("{}")}
		}
		if t.Type == runtime.TriggerHTTPAsync && t.CallbackURL != "" {
			r.Callback = &runtime.Callback{URL: t.CallbackURL, Secret: t.CallbackSecret, Retry: t.Retry}
		}
		a, err := e.StartJob(ctx, r)
		return a, t, err
	}
	return runtime.JobAcceptance{}, runtime.Trigger{}, fault(op, runtime.Errorf(runtime.CodeNotFound, "the job has no trigger with the path %q", strings.ToValidUTF8(path, "\uFFFD")).
		WithHint("look at spec.triggers of the job; a trigger that is not enabled is as good as none"))
}

// startTick starts what a schedule has for a tick, unless the job is another one by
// now.
func (e *Engine) startTick(ctx context.Context, j *runtime.Job, t *runtime.Trigger, tick time.Time) error {
	leave, err := e.enterJob(ctx, j.Tenant, j.Name)
	if err != nil {
		return err
	}
	defer leave()
	if !e.schedules.Current(j) {
		return nil
	}
	_, err = e.StartJob(ctx, runtime.JobStartRequest{Tenant: j.Tenant, Job: j.Name, Tasks: t.Tasks, Trigger: t.ID, Tick: tick})
	return err
}

// schedule makes the schedules of a job those that it has now. The lock of the job
// is held.
func (e *Engine) schedule(j runtime.Job) { e.schedules.Set(j.Clone()) }

// scheduleAll knows the schedules of all jobs.
func (e *Engine) scheduleAll() error {
	return e.store.EachJob(func(j runtime.Job) error {
		e.schedules.Set(j)
		return nil
	})
}
