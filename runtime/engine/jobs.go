package engine

import (
	"context"
	"maps"
	"slices"

	"github.com/faaspot/faaspot/runtime"
)

// CreateJob keeps a new job. Of j the Engine sets ID, Revision, Created and
// Updated, and ids and secrets of triggers that have none.
//
// Errors of this and the methods below: CodeInvalidArgument, CodeTooLarge,
// CodeAlreadyExists, CodeNotFound, CodeUnavailable, CodeInternal.
func (e *Engine) CreateJob(ctx context.Context, j runtime.Job) (runtime.Job, error) {
	const op = "engine.createjob"
	unlock, err := e.enterJob(ctx, j.Tenant, j.Name)
	if err != nil {
		return runtime.Job{}, err
	}
	defer unlock()
	j = j.Clone()
	j.Spec.Complete(nil)
	if err := j.Spec.Unmask(nil); err != nil {
		return runtime.Job{}, fault(op, err)
	}
	if err := e.checkJob(&j); err != nil {
		return runtime.Job{}, fault(op, err)
	}
	j.ID, j.Revision, j.Created = runtime.NewID(), 1, e.now().UTC()
	j.Updated, j.UpdatedBy = j.Created, j.CreatedBy
	if err := e.store.CreateJob(j); err != nil {
		return runtime.Job{}, fault(op, err)
	}
	e.schedule(j)
	return j, nil
}

// UpdateJob gives the job of j's name the names, labels and spec of j, as a new
// revision if the spec is another one. CreatedBy and Created stay, and so do
// secrets that are [Masked].
func (e *Engine) UpdateJob(ctx context.Context, j runtime.Job) (runtime.Job, error) {
	const op = "engine.updatejob"
	unlock, err := e.enterJob(ctx, j.Tenant, j.Name)
	if err != nil {
		return runtime.Job{}, err
	}
	defer unlock()
	old, err := e.store.GetJobByName(j.Tenant, j.Name)
	if err != nil {
		return runtime.Job{}, fault(op, err)
	}
	j = j.Clone()
	j.Spec.Complete(old.Spec.Triggers)
	if err := j.Spec.Unmask(&old.Spec); err != nil {
		return runtime.Job{}, fault(op, err)
	}
	if err := e.checkJob(&j); err != nil {
		return runtime.Job{}, fault(op, err)
	}
	j, err = e.replaceJob(old, j)
	return j, fault(op, err)
}

// RollbackJob makes the spec of a kept revision the current one, as a new
// revision.
func (e *Engine) RollbackJob(ctx context.Context, tenant runtime.Tenant, name string, revision uint64, userID string) (runtime.Job, error) {
	const op = "engine.rollbackjob"
	unlock, err := e.enterJob(ctx, tenant, name)
	if err != nil {
		return runtime.Job{}, err
	}
	defer unlock()
	old, err := e.store.GetJobByName(tenant, name)
	if err != nil {
		return runtime.Job{}, fault(op, err)
	}
	kept, err := e.store.ListJobRevisions(tenant, old.ID)
	if err != nil {
		return runtime.Job{}, fault(op, err)
	}
	i := slices.IndexFunc(kept, func(r runtime.JobRevision) bool { return r.Number == revision })
	if i < 0 {
		return runtime.Job{}, fault(op, runtime.Errorf(runtime.CodeNotFound, "the job has no revision %d", revision).
			WithHint("list its revisions; the last 5 are kept"))
	}
	j := old
	j.Spec, j.UpdatedBy = kept[i].Spec, userID
	if err := e.checkJob(&j); err != nil {
		return runtime.Job{}, fault(op, err)
	}
	j, err = e.replaceJob(old, j)
	return j, fault(op, err)
}

// replaceJob keeps j in place of the job that it was. Nothing is kept of what
// changes nothing. The lock of the job is held.
func (e *Engine) replaceJob(old, j runtime.Job) (runtime.Job, error) {
	j.ID, j.Revision, j.Created, j.CreatedBy = old.ID, old.Revision, old.Created, old.CreatedBy
	same := j.Spec.Equal(&old.Spec)
	if same && j.DisplayName == old.DisplayName && maps.Equal(j.Labels, old.Labels) {
		return old, nil
	}
	if !same {
		j.Revision++
	}
	j.Updated = e.now().UTC()
	if err := e.store.UpdateJob(j); err != nil {
		return j, err
	}
	e.schedule(j)
	return j, nil
}

// DeleteJob removes a job and cancels what is under way of it. Its executions are
// not found any more; their tasks are, for as long as other executions.
func (e *Engine) DeleteJob(ctx context.Context, tenant runtime.Tenant, name string) (runtime.Job, error) {
	const op = "engine.deletejob"
	unlock, err := e.enterJob(ctx, tenant, name)
	if err != nil {
		return runtime.Job{}, err
	}
	defer unlock()
	j, err := e.store.GetJobByName(tenant, name)
	if err == nil {
		err = e.store.DeleteJob(tenant, j.ID)
	}
	if err != nil {
		return runtime.Job{}, fault(op, err)
	}
	e.schedules.Drop(j)
	// From here on nothing is accepted of it. What cannot be cancelled now is when
	// the next process starts.
	var left []string
	err = e.store.EachUnfinishedJobExecution(func(x runtime.JobExecution, deleted bool) error {
		if deleted && x.Tenant == tenant && x.JobID == j.ID {
			left = append(left, x.ID)
		}
		return nil
	})
	for _, id := range left {
		if err == nil {
			_, _, err = e.cancelJob(tenant, id)
		}
	}
	if err != nil {
		e.log.Error("engine: executions of a deleted job cannot be cancelled", "job", j.ID, "error", err)
	}
	return j, nil
}

// GetJob gets a job.
func (e *Engine) GetJob(ctx context.Context, tenant runtime.Tenant, name string) (runtime.Job, error) {
	if err := e.enter(); err != nil {
		return runtime.Job{}, err
	}
	defer e.gate.leave()
	j, err := e.store.GetJobByName(tenant, name)
	return j, fault("engine.job", err)
}

// ListJobs gives a page of jobs.
func (e *Engine) ListJobs(ctx context.Context, tenant runtime.Tenant, l runtime.PageRequest) (runtime.Page[runtime.Job], error) {
	if err := e.enter(); err != nil {
		return runtime.Page[runtime.Job]{}, err
	}
	defer e.gate.leave()
	page, err := e.store.ListJobs(tenant, l.Bounded())
	return page, fault("engine.jobs", err)
}

// ListJobRevisions lists the kept revisions of a job, newest first.
func (e *Engine) ListJobRevisions(ctx context.Context, tenant runtime.Tenant, name string) (all []runtime.JobRevision, err error) {
	if err := e.enter(); err != nil {
		return nil, err
	}
	defer e.gate.leave()
	j, err := e.store.GetJobByName(tenant, name)
	if err == nil {
		all, err = e.store.ListJobRevisions(tenant, j.ID)
	}
	return all, fault("engine.jobrevisions", err)
}

// enterJob counts in who changes a job, one at a time.
func (e *Engine) enterJob(ctx context.Context, tenant runtime.Tenant, name string) (leave func(), err error) {
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

// checkJob checks a job before it is kept.
func (e *Engine) checkJob(j *runtime.Job) error {
	if err := runtime.ValidateJob(j); err != nil {
		return err
	}
	_, err := e.store.GetFunctionByName(j.Tenant, j.Spec.Function)
	if runtime.CodeOf(err) == runtime.CodeNotFound {
		return runtime.NoFunctionOfJobError(j.Spec.Function)
	}
	return err
}
