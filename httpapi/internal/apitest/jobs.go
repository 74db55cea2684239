package apitest

import (
	"context"

	"github.com/faaspot/faaspot/runtime"
)

// The jobs of the fake engine: one, with one execution of one task. What jobs do
// is tried with a real engine.
func (f *FakeExecutions) job(tenant runtime.Tenant, name string) (runtime.Job, error) {
	f.call(tenant)
	return runtime.Job{ID: ID, Tenant: tenant, Name: name, Revision: 1, Created: Time, Updated: Time}, f.Failing
}

func (f *FakeExecutions) jobExecution(tenant runtime.Tenant, job string) (runtime.JobExecution, error) {
	f.call(tenant)
	return runtime.JobExecution{
		ID: ID, Name: ID, Tenant: tenant, JobID: ID, Job: job, Revision: 1, State: runtime.StateQueued,
		Created: Time, Updated: Time, Stats: runtime.TaskCounts{Total: 1},
	}, f.Failing
}

func (f *FakeExecutions) CreateJob(_ context.Context, j runtime.Job) (runtime.Job, error) {
	return f.job(j.Tenant, j.Name)
}

func (f *FakeExecutions) UpdateJob(_ context.Context, j runtime.Job) (runtime.Job, error) {
	return f.job(j.Tenant, j.Name)
}

func (f *FakeExecutions) RollbackJob(_ context.Context, tenant runtime.Tenant, name string, _ uint64, _ string) (runtime.Job, error) {
	return f.job(tenant, name)
}

func (f *FakeExecutions) DeleteJob(_ context.Context, tenant runtime.Tenant, name string) (runtime.Job, error) {
	return f.job(tenant, name)
}

func (f *FakeExecutions) GetJob(_ context.Context, tenant runtime.Tenant, name string) (runtime.Job, error) {
	return f.job(tenant, name)
}

func (f *FakeExecutions) ListJobs(_ context.Context, tenant runtime.Tenant, _ runtime.PageRequest) (runtime.Page[runtime.Job], error) {
	j, err := f.job(tenant, "hello")
	return runtime.Page[runtime.Job]{Items: []runtime.Job{j}, Total: 1}, err
}

func (f *FakeExecutions) ListJobRevisions(_ context.Context, tenant runtime.Tenant, name string) ([]runtime.JobRevision, error) {
	_, err := f.job(tenant, name)
	return []runtime.JobRevision{{Number: 1, Created: Time}}, err
}

func (f *FakeExecutions) StartJob(_ context.Context, r runtime.JobStartRequest) (runtime.JobAcceptance, error) {
	x, err := f.jobExecution(r.Tenant, r.Job)
	return runtime.JobAcceptance{Execution: x, Replayed: f.Replay}, err
}

func (f *FakeExecutions) TriggerJob(_ context.Context, r runtime.JobStartRequest, _ string) (runtime.JobAcceptance, runtime.Trigger, error) {
	x, err := f.jobExecution(r.Tenant, r.Job)
	return runtime.JobAcceptance{Execution: x}, runtime.Trigger{Type: runtime.TriggerHTTP}, err
}

func (f *FakeExecutions) GetJobExecution(_ context.Context, tenant runtime.Tenant, job, _ string) (runtime.JobExecution, error) {
	return f.jobExecution(tenant, job)
}

func (f *FakeExecutions) ListJobExecutions(_ context.Context, tenant runtime.Tenant, job string, _ runtime.PageRequest) (runtime.Page[runtime.JobExecution], error) {
	x, err := f.jobExecution(tenant, job)
	return runtime.Page[runtime.JobExecution]{Items: []runtime.JobExecution{x}, Total: 1}, err
}

func (f *FakeExecutions) ListTasks(_ context.Context, tenant runtime.Tenant, _, _ string, _ runtime.PageRequest) (runtime.Page[runtime.Execution], error) {
	f.call(tenant)
	x := runtime.Execution{ID: ID, State: runtime.StateQueued, Created: Time, Task: &runtime.TaskRef{JobExecution: ID}}
	return runtime.Page[runtime.Execution]{Items: []runtime.Execution{x}, Total: 1}, f.Failing
}

func (f *FakeExecutions) TaskStates(_ context.Context, tenant runtime.Tenant, job, _ string) ([]runtime.TaskState, error) {
	_, err := f.jobExecution(tenant, job)
	return []runtime.TaskState(".wrxsftc-"), err
}

func (f *FakeExecutions) RerunJob(ctx context.Context, r runtime.RerunJobRequest) (runtime.JobAcceptance, error) {
	return f.StartJob(ctx, runtime.JobStartRequest{Tenant: r.Tenant, Job: r.Job})
}

func (f *FakeExecutions) FirstTasks(ctx context.Context, x *runtime.JobExecution, _ int) ([]runtime.Execution, error) {
	return f.GetTaskResults(ctx, *x)
}

func (f *FakeExecutions) GetTaskResults(ctx context.Context, x runtime.JobExecution) ([]runtime.Execution, error) {
	page, err := f.ListTasks(ctx, x.Tenant, x.Job, x.ID, runtime.PageRequest{})
	return page.Items, err
}

func (f *FakeExecutions) CancelJobExecution(_ context.Context, tenant runtime.Tenant, job, _ string) (runtime.JobExecution, bool, error) {
	x, err := f.jobExecution(tenant, job)
	return x, true, err
}

func (f *FakeExecutions) AwaitJobExecution(_ context.Context, tenant runtime.Tenant, job, _ string) (runtime.JobExecution, error) {
	return f.jobExecution(tenant, job)
}

func (f *FakeExecutions) ListDeadLetters(_ context.Context, tenant runtime.Tenant, r runtime.PageRequest) (page runtime.Page[runtime.Delivery], err error) {
	d, err := f.GetDeadLetter(context.Background(), tenant, ID)
	if page.Items = []runtime.Delivery{d}; r.Limit == 1 {
		page.Next = d.ID
	}
	return page, err
}

func (f *FakeExecutions) GetDeadLetter(_ context.Context, tenant runtime.Tenant, id string) (runtime.Delivery, error) {
	f.call(tenant)
	return runtime.Delivery{
		ID: id, Tenant: tenant, Job: "nightly", JobExecution: id, Created: Time, LastAttempt: Time, Attempts: 6, LastError: "no response arrived in time",
		Callback: runtime.Callback{URL: "https://example.com/hook", Secret: Secret, Retry: 5}, Body: []byte(`{"status":"failed"}`), BodySize: 19, Dead: true,
	}, f.Failing
}

func (f *FakeExecutions) RedriveDeadLetters(_ context.Context, tenant runtime.Tenant, ids []string) (int, error) {
	f.call(tenant)
	f.Letters = ids
	return max(len(ids), 1), f.Failing
}

func (f *FakeExecutions) PurgeDeadLetters(_ context.Context, tenant runtime.Tenant, ids []string) (int, error) {
	return f.RedriveDeadLetters(context.Background(), tenant, ids)
}

// Secret must never be part of an answer.
const Secret = "secret-of-the-callback"
