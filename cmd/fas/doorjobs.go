package main

import (
	"context"

	"github.com/faaspot/faaspot/runtime"
)

// through calls the engine, once it is there.
func through[T any](d *door, call func(*runtime.Engine) (T, error)) (T, error) {
	engine, err := d.enter()
	if err != nil {
		var none T
		return none, err
	}
	return call(engine)
}

// CreateJob implements [httpapi.Jobs], as the methods below do.
func (d *door) CreateJob(ctx context.Context, j runtime.Job) (runtime.Job, error) {
	return through(d, func(e *runtime.Engine) (runtime.Job, error) { return e.CreateJob(ctx, j) })
}

func (d *door) UpdateJob(ctx context.Context, j runtime.Job) (runtime.Job, error) {
	return through(d, func(e *runtime.Engine) (runtime.Job, error) { return e.UpdateJob(ctx, j) })
}

func (d *door) RollbackJob(ctx context.Context, tenant runtime.Tenant, name string, revision uint64, userID string) (runtime.Job, error) {
	return through(d, func(e *runtime.Engine) (runtime.Job, error) {
		return e.RollbackJob(ctx, tenant, name, revision, userID)
	})
}

func (d *door) DeleteJob(ctx context.Context, tenant runtime.Tenant, name string) (runtime.Job, error) {
	return through(d, func(e *runtime.Engine) (runtime.Job, error) { return e.DeleteJob(ctx, tenant, name) })
}

func (d *door) Job(ctx context.Context, tenant runtime.Tenant, name string) (runtime.Job, error) {
	return through(d, func(e *runtime.Engine) (runtime.Job, error) { return e.Job(ctx, tenant, name) })
}

func (d *door) Jobs(ctx context.Context, tenant runtime.Tenant, l runtime.JobListing) (runtime.JobPage[runtime.Job], error) {
	return through(d, func(e *runtime.Engine) (runtime.JobPage[runtime.Job], error) { return e.Jobs(ctx, tenant, l) })
}

func (d *door) JobRevisions(ctx context.Context, tenant runtime.Tenant, name string) ([]runtime.JobRevision, error) {
	return through(d, func(e *runtime.Engine) ([]runtime.JobRevision, error) { return e.JobRevisions(ctx, tenant, name) })
}

func (d *door) RunJob(ctx context.Context, r runtime.JobRunRequest) (runtime.JobAcceptance, error) {
	return through(d, func(e *runtime.Engine) (runtime.JobAcceptance, error) { return e.RunJob(ctx, r) })
}

func (d *door) TriggerJob(ctx context.Context, r runtime.JobRunRequest, path string) (a runtime.JobAcceptance, t runtime.Trigger, err error) {
	engine, err := d.enter()
	if err != nil {
		return a, t, err
	}
	return engine.TriggerJob(ctx, r, path)
}

func (d *door) JobExecution(ctx context.Context, tenant runtime.Tenant, job, execution string) (runtime.JobExecution, error) {
	return through(d, func(e *runtime.Engine) (runtime.JobExecution, error) {
		return e.JobExecution(ctx, tenant, job, execution)
	})
}

func (d *door) JobExecutions(ctx context.Context, tenant runtime.Tenant, job string, l runtime.JobListing) (runtime.JobPage[runtime.JobExecution], error) {
	return through(d, func(e *runtime.Engine) (runtime.JobPage[runtime.JobExecution], error) {
		return e.JobExecutions(ctx, tenant, job, l)
	})
}

func (d *door) JobTasks(ctx context.Context, tenant runtime.Tenant, job, execution string, l runtime.JobListing) (runtime.JobPage[runtime.Execution], error) {
	return through(d, func(e *runtime.Engine) (runtime.JobPage[runtime.Execution], error) {
		return e.JobTasks(ctx, tenant, job, execution, l)
	})
}

func (d *door) JobResults(ctx context.Context, x runtime.JobExecution) ([]runtime.Execution, error) {
	return through(d, func(e *runtime.Engine) ([]runtime.Execution, error) { return e.JobResults(ctx, x) })
}

func (d *door) AwaitJob(ctx context.Context, tenant runtime.Tenant, job, execution string) (runtime.JobExecution, error) {
	return through(d, func(e *runtime.Engine) (runtime.JobExecution, error) { return e.AwaitJob(ctx, tenant, job, execution) })
}

func (d *door) CancelJob(ctx context.Context, tenant runtime.Tenant, job, execution string) (x runtime.JobExecution, changed bool, err error) {
	engine, err := d.enter()
	if err != nil {
		return runtime.JobExecution{}, false, err
	}
	return engine.CancelJob(ctx, tenant, job, execution)
}

// DeadLetters implements [httpapi.DeadLetters], as the methods below do.
func (d *door) DeadLetters(ctx context.Context, tenant runtime.Tenant, after string, limit int) ([]runtime.Delivery, error) {
	return through(d, func(e *runtime.Engine) ([]runtime.Delivery, error) { return e.DeadLetters(ctx, tenant, after, limit) })
}

func (d *door) DeadLetter(ctx context.Context, tenant runtime.Tenant, id string) (runtime.Delivery, error) {
	return through(d, func(e *runtime.Engine) (runtime.Delivery, error) { return e.DeadLetter(ctx, tenant, id) })
}

func (d *door) RedriveDeadLetters(ctx context.Context, tenant runtime.Tenant, ids []string) (int, error) {
	return through(d, func(e *runtime.Engine) (int, error) { return e.RedriveDeadLetters(ctx, tenant, ids) })
}

func (d *door) PurgeDeadLetters(ctx context.Context, tenant runtime.Tenant, ids []string) (int, error) {
	return through(d, func(e *runtime.Engine) (int, error) { return e.PurgeDeadLetters(ctx, tenant, ids) })
}
