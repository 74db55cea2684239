package engine

import (
	"context"
	"maps"
	"slices"

	"github.com/faaspot/faaspot/runtime"
)

// CreateJob stores a new job. The Engine sets ID, Revision, Created and Updated of j, and ids and
// secrets of its triggers that have none.
//
// Errors of this and the methods below: CodeInvalidArgument, CodeTooLarge, CodeAlreadyExists,
// CodeNotFound, CodeUnavailable, CodeInternal.
func (e *Engine) CreateJob(ctx context.Context, j runtime.Job) (runtime.Job, error) {
	const op = "engine.createjob"
	unlock, err := e.lockJob(ctx, j.Tenant, j.Name)
	if err != nil {
		return runtime.Job{}, err
	}
	defer unlock()
	j = j.Clone()
	j.Spec.FillTriggers(nil)
	if err := j.Spec.Unmask(nil); err != nil {
		return runtime.Job{}, withOp(op, err)
	}
	defer e.secrets.Hold(specSecrets(&j.Spec)...)()
	if err := e.bindJob(&j); err != nil {
		return runtime.Job{}, withOp(op, err)
	}
	j.Created, j.ID = e.clock.Stamp()
	j.Revision = 1
	j.Updated, j.UpdatedBy = j.Created, j.CreatedBy
	if err := e.store.CreateJob(j); err != nil {
		return runtime.Job{}, withOp(op, err)
	}
	e.schedule(j)
	return j, nil
}

// UpdateJob replaces the display name, the labels and the spec of the job that has j's name. A
// different spec makes a new revision. Created and CreatedBy stay, and so do secrets that are
// [runtime.Masked] in j.
func (e *Engine) UpdateJob(ctx context.Context, j runtime.Job) (runtime.Job, error) {
	const op = "engine.updatejob"
	unlock, err := e.lockJob(ctx, j.Tenant, j.Name)
	if err != nil {
		return runtime.Job{}, err
	}
	defer unlock()
	old, err := e.store.GetJobByName(j.Tenant, j.Name)
	if err != nil {
		return runtime.Job{}, withOp(op, err)
	}
	j = j.Clone()
	j.Spec.FillTriggers(old.Spec.Triggers)
	if err := j.Spec.Unmask(&old.Spec); err != nil {
		return runtime.Job{}, withOp(op, err)
	}
	defer e.secrets.Hold(specSecrets(&j.Spec)...)()
	if err := e.bindJob(&j); err != nil {
		return runtime.Job{}, withOp(op, err)
	}
	j, err = e.replaceJob(old, j)
	return j, withOp(op, err)
}

// RollbackJob makes the spec of a stored revision the current one, as a new revision.
func (e *Engine) RollbackJob(ctx context.Context, tenant runtime.Tenant, name string, revision uint64, userID string) (runtime.Job, error) {
	const op = "engine.rollbackjob"
	unlock, err := e.lockJob(ctx, tenant, name)
	if err != nil {
		return runtime.Job{}, err
	}
	defer unlock()
	old, err := e.store.GetJobByName(tenant, name)
	if err != nil {
		return runtime.Job{}, withOp(op, err)
	}
	revisions, err := e.store.ListJobRevisions(tenant, old.ID)
	if err != nil {
		return runtime.Job{}, withOp(op, err)
	}
	i := slices.IndexFunc(revisions, func(r runtime.JobRevision) bool { return r.Number == revision })
	if i < 0 {
		return runtime.Job{}, withOp(op, runtime.Errorf(runtime.CodeNotFound, "the job has no revision %d", revision).
			WithHint("list its revisions; the last 5 are stored"))
	}
	j := old
	j.Spec, j.UpdatedBy = revisions[i].Spec, userID
	defer e.secrets.Hold(specSecrets(&j.Spec)...)()
	if err := runtime.ValidateJob(&j); err != nil {
		return runtime.Job{}, withOp(op, err)
	}
	if err := e.checkFunction(&j); err != nil {
		return runtime.Job{}, withOp(op, err)
	}
	j, err = e.replaceJob(old, j)
	return j, withOp(op, err)
}

// replaceJob stores j in place of old, unless nothing has changed. The caller has locked the job.
func (e *Engine) replaceJob(old, j runtime.Job) (runtime.Job, error) {
	j.ID, j.Revision, j.Created, j.CreatedBy = old.ID, old.Revision, old.Created, old.CreatedBy
	same := j.Spec.Equal(&old.Spec)
	if same && j.DisplayName == old.DisplayName && maps.Equal(j.Labels, old.Labels) {
		return old, nil
	}
	if !same {
		j.Revision++
	}
	j.Updated = runtime.Later(e.clock.Now().UTC(), j.Created)
	if err := e.store.UpdateJob(j); err != nil {
		return j, err
	}
	e.schedule(j)
	return j, nil
}

// DeleteJob deletes a job and cancels its executions. They are not found any more; their tasks
// are, for as long as other executions.
func (e *Engine) DeleteJob(ctx context.Context, tenant runtime.Tenant, name string) (runtime.Job, error) {
	const op = "engine.deletejob"
	unlock, err := e.lockJob(ctx, tenant, name)
	if err != nil {
		return runtime.Job{}, err
	}
	defer unlock()
	j, err := e.store.GetJobByName(tenant, name)
	if err == nil {
		err = e.store.DeleteJob(tenant, j.ID)
	}
	if err != nil {
		return runtime.Job{}, withOp(op, err)
	}
	e.schedules.Drop(j)
	// From here on no execution of it is accepted. If one cannot be cancelled now, the next
	// process cancels it when it starts.
	var unfinished []string
	err = e.store.EachUnfinishedJobExecution(func(x runtime.JobExecution, deleted bool) error {
		if deleted && x.Tenant == tenant && x.JobID == j.ID {
			unfinished = append(unfinished, x.ID)
		}
		return nil
	})
	for _, id := range unfinished {
		if err == nil {
			_, _, err = e.cancelJobExecution(tenant, id)
		}
	}
	if err != nil {
		e.log.Error("engine: executions of a deleted job cannot be cancelled", "job", j.ID, "error", err)
	}
	return j, nil
}

// GetJob returns a job.
func (e *Engine) GetJob(ctx context.Context, tenant runtime.Tenant, name string) (runtime.Job, error) {
	if err := e.enter(); err != nil {
		return runtime.Job{}, err
	}
	defer e.gate.leave()
	j, err := e.store.GetJobByName(tenant, name)
	return j, withOp("engine.job", err)
}

// ListJobs returns a page of jobs.
func (e *Engine) ListJobs(ctx context.Context, tenant runtime.Tenant, r runtime.PageRequest) (runtime.Page[runtime.Job], error) {
	if err := e.enter(); err != nil {
		return runtime.Page[runtime.Job]{}, err
	}
	defer e.gate.leave()
	page, err := e.store.ListJobs(tenant, r.Bounded())
	return page, withOp("engine.jobs", err)
}

// ListJobRevisions returns the stored revisions of a job, newest first.
func (e *Engine) ListJobRevisions(ctx context.Context, tenant runtime.Tenant, name string) (all []runtime.JobRevision, err error) {
	if err := e.enter(); err != nil {
		return nil, err
	}
	defer e.gate.leave()
	j, err := e.store.GetJobByName(tenant, name)
	if err == nil {
		all, err = e.store.ListJobRevisions(tenant, j.ID)
	}
	return all, withOp("engine.jobrevisions", err)
}

// lockJob enters the Engine and locks the name of a job, so that one goroutine at a time
// changes the job.
func (e *Engine) lockJob(ctx context.Context, tenant runtime.Tenant, name string) (unlock func(), err error) {
	if err := e.enter(); err != nil {
		return nil, err
	}
	key := functionKey{tenant, name}
	if err := e.jobChanges.lock(ctx, key); err != nil {
		e.gate.leave()
		return nil, runtime.AbandonedError(err)
	}
	return func() { e.jobChanges.unlock(key); e.gate.leave() }, nil
}

// bindJob validates a job before it is stored, and binds it to the function that has the name in its
// spec.
func (e *Engine) bindJob(j *runtime.Job) error {
	var all runtime.Errors
	all.Add("", runtime.ValidateJob(j))
	if runtime.ValidateName(j.Spec.Function) != nil {
		return all.Err()
	}
	f, err := e.store.GetFunctionByName(j.Tenant, j.Spec.Function)
	if runtime.CodeOf(err) == runtime.CodeNotFound {
		all.Add("spec.function", runtime.NoFunctionOfJobError(j.Spec.Function))
	} else if err != nil {
		return err
	}
	j.Spec.FunctionID = f.ID
	return all.Err()
}

// checkFunction checks that the function that a job is bound to exists.
func (e *Engine) checkFunction(j *runtime.Job) error {
	if j.Spec.FunctionID == "" { // it did not exist when an earlier release stored the job
		return runtime.NoFunctionOfJobError(j.Spec.Function)
	}
	numbers, err := e.store.ListVersions(j.Tenant, j.Spec.FunctionID)
	if err == nil && len(numbers) == 0 || runtime.CodeOf(err) == runtime.CodeNotFound {
		return runtime.DeletedFunctionOfJobError(j.Spec.Function)
	}
	return err
}
