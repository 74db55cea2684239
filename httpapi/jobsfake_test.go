package httpapi

import (
	"context"

	"github.com/faaspot/faaspot/runtime"

	"github.com/faaspot/faaspot/runtime/engine"
)

var _ Jobs = (*engine.Engine)(nil)

// The jobs of the fake engine: one, with one execution of one task. What jobs do
// is tried with a real engine.
func (f *fakeExecutions) job(tenant runtime.Tenant, name string) (runtime.Job, error) {
	f.call(tenant)
	return runtime.Job{ID: testID, Tenant: tenant, Name: name, Revision: 1, Created: testTime, Updated: testTime}, f.failing
}

func (f *fakeExecutions) jobExecution(tenant runtime.Tenant, job string) (runtime.JobExecution, error) {
	f.call(tenant)
	return runtime.JobExecution{
		ID: testID, Name: testID, Tenant: tenant, JobID: testID, Job: job, Revision: 1, State: runtime.StateQueued,
		Created: testTime, Updated: testTime, Stats: runtime.TaskCounts{Total: 1},
	}, f.failing
}

func (f *fakeExecutions) CreateJob(_ context.Context, j runtime.Job) (runtime.Job, error) {
	return f.job(j.Tenant, j.Name)
}

func (f *fakeExecutions) UpdateJob(_ context.Context, j runtime.Job) (runtime.Job, error) {
	return f.job(j.Tenant, j.Name)
}

func (f *fakeExecutions) RollbackJob(_ context.Context, tenant runtime.Tenant, name string, _ uint64, _ string) (runtime.Job, error) {
	return f.job(tenant, name)
}

func (f *fakeExecutions) DeleteJob(_ context.Context, tenant runtime.Tenant, name string) (runtime.Job, error) {
	return f.job(tenant, name)
}

func (f *fakeExecutions) GetJob(_ context.Context, tenant runtime.Tenant, name string) (runtime.Job, error) {
	return f.job(tenant, name)
}

func (f *fakeExecutions) ListJobs(_ context.Context, tenant runtime.Tenant, _ runtime.PageRequest) (runtime.Page[runtime.Job], error) {
	j, err := f.job(tenant, "hello")
	return runtime.Page[runtime.Job]{Items: []runtime.Job{j}, Total: 1}, err
}

func (f *fakeExecutions) ListJobRevisions(_ context.Context, tenant runtime.Tenant, name string) ([]runtime.JobRevision, error) {
	_, err := f.job(tenant, name)
	return []runtime.JobRevision{{Number: 1, Created: testTime}}, err
}

func (f *fakeExecutions) StartJob(_ context.Context, r runtime.JobStartRequest) (runtime.JobAcceptance, error) {
	x, err := f.jobExecution(r.Tenant, r.Job)
	return runtime.JobAcceptance{Execution: x, Replayed: f.replay}, err
}

func (f *fakeExecutions) TriggerJob(_ context.Context, r runtime.JobStartRequest, _ string) (runtime.JobAcceptance, runtime.Trigger, error) {
	x, err := f.jobExecution(r.Tenant, r.Job)
	return runtime.JobAcceptance{Execution: x}, runtime.Trigger{Type: runtime.TriggerHTTP}, err
}

func (f *fakeExecutions) GetJobExecution(_ context.Context, tenant runtime.Tenant, job, _ string) (runtime.JobExecution, error) {
	return f.jobExecution(tenant, job)
}

func (f *fakeExecutions) ListJobExecutions(_ context.Context, tenant runtime.Tenant, job string, _ runtime.PageRequest) (runtime.Page[runtime.JobExecution], error) {
	x, err := f.jobExecution(tenant, job)
	return runtime.Page[runtime.JobExecution]{Items: []runtime.JobExecution{x}, Total: 1}, err
}

func (f *fakeExecutions) ListTasks(_ context.Context, tenant runtime.Tenant, _, _ string, _ runtime.PageRequest) (runtime.Page[runtime.Execution], error) {
	f.call(tenant)
	x := runtime.Execution{ID: testID, State: runtime.StateQueued, Created: testTime, Task: &runtime.TaskOf{JobExecution: testID}}
	return runtime.Page[runtime.Execution]{Items: []runtime.Execution{x}, Total: 1}, f.failing
}

func (f *fakeExecutions) GetTaskResults(ctx context.Context, x runtime.JobExecution) ([]runtime.Execution, error) {
	page, err := f.ListTasks(ctx, x.Tenant, x.Job, x.ID, runtime.PageRequest{})
	return page.Items, err
}

func (f *fakeExecutions) CancelJobExecution(_ context.Context, tenant runtime.Tenant, job, _ string) (runtime.JobExecution, bool, error) {
	x, err := f.jobExecution(tenant, job)
	return x, true, err
}

func (f *fakeExecutions) AwaitJobExecution(_ context.Context, tenant runtime.Tenant, job, _ string) (runtime.JobExecution, error) {
	return f.jobExecution(tenant, job)
}

var _ DeadLetters = (*engine.Engine)(nil)

func (f *fakeExecutions) ListDeadLetters(_ context.Context, tenant runtime.Tenant, r runtime.PageRequest) (page runtime.Page[runtime.Delivery], err error) {
	d, err := f.GetDeadLetter(context.Background(), tenant, testID)
	if page.Items = []runtime.Delivery{d}; r.Limit == 1 {
		page.Next = d.ID
	}
	return page, err
}

func (f *fakeExecutions) GetDeadLetter(_ context.Context, tenant runtime.Tenant, id string) (runtime.Delivery, error) {
	f.call(tenant)
	return runtime.Delivery{
		ID: id, Tenant: tenant, Job: "nightly", JobExecution: id, Created: testTime, LastAttempt: testTime, Attempts: 6, LastError: "there was no answer in time",
		Callback: runtime.Callback{URL: "https://example.com/hook", Secret: testSecret, Retry: 5}, Body: []byte(`{"status":"failed"}`), Dead: true,
	}, f.failing
}

func (f *fakeExecutions) RedriveDeadLetters(_ context.Context, tenant runtime.Tenant, ids []string) (int, error) {
	f.call(tenant)
	f.letters = ids
	return max(len(ids), 1), f.failing
}

func (f *fakeExecutions) PurgeDeadLetters(_ context.Context, tenant runtime.Tenant, ids []string) (int, error) {
	return f.RedriveDeadLetters(context.Background(), tenant, ids)
}

// testSecret is never to be told.
const testSecret = "secret-of-the-callback"
