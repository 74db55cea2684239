package engine

import (
	"context"
	"strings"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// TriggerJob starts an execution of a job by the trigger for requests that has the path. The
// tasks are those of the request or, if it has none, those of the trigger. For a trigger of
// [runtime.TriggerHTTPAsync] the callback is notified of the end.
//
// The errors are those of [Engine.StartJob]. If no enabled trigger has the path, the error is
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
			r.Tasks = t.TasksOrOne()
		}
		if t.Type == runtime.TriggerHTTPAsync {
			r.Timeout = t.Timeout
		}
		if t.Type == runtime.TriggerHTTPAsync && t.CallbackURL != "" {
			r.Callback = &runtime.Callback{URL: t.CallbackURL, Secret: t.CallbackSecret, Retry: t.Retry}
		}
		a, err := e.StartJob(ctx, r)
		return a, t, err
	}
	return runtime.JobAcceptance{}, runtime.Trigger{}, withOp(op, runtime.Errorf(runtime.CodeNotFound, "the job has no trigger with the path %q", strings.ToValidUTF8(path, "\uFFFD")).
		WithHint("check the triggers of the job; a disabled trigger starts nothing"))
}

// startTick starts the execution of a tick of a schedule, unless the job was changed since.
func (e *Engine) startTick(ctx context.Context, j *runtime.Job, t *runtime.Trigger, tick time.Time) error {
	unlock, err := e.lockJob(ctx, j.Tenant, j.Name)
	if err != nil {
		return err
	}
	defer unlock()
	if !e.schedules.Current(j) {
		return nil
	}
	_, err = e.StartJob(ctx, runtime.JobStartRequest{Tenant: j.Tenant, Job: j.Name, Tasks: t.TasksOrOne(), Trigger: t.ID, Timeout: t.Timeout, Tick: tick})
	return err
}

// schedule replaces the schedules of a job by its current ones. The caller has locked the job.
func (e *Engine) schedule(j runtime.Job) {
	if !e.idle {
		e.schedules.Set(j.Clone())
	}
}

// scheduleAll sets the schedules of all jobs in the store.
func (e *Engine) scheduleAll() error {
	if e.idle {
		return nil
	}
	return e.store.EachJob(func(j runtime.Job) error {
		e.schedules.Set(j)
		return nil
	})
}
