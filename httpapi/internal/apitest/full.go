package apitest

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// FullEngine is a fake engine whose functions, executions and jobs have a value in every
// field.
type FullEngine struct{ *Fake }

const OtherID = "01935f9e-7d5c-7000-8000-00000000beef"

// FullExecution returns an execution with a value in every field.
func FullExecution() runtime.Execution {
	x := ExecutionAt(ID, runtime.StateFailed)
	x.Tenant, x.Function, x.FunctionID = "default", "hello.py", OtherID
	x.Kind, x.Version, x.Retries, x.FunctionFailures, x.LostAttempts, x.PlatformFailures = runtime.KindRun, 7, 3, 1, 1, 1
	x.Attempt, x.NotBefore = 4, Time.Add(2*time.Second)
	x.Caller = runtime.Caller{UserID: "ada", TraceID: "4bf92f3577b34da6a3ce929d0e0e4736", RID: "ri.caller", TraceOwner: "ri.owner"}
	x.Failure = &runtime.Failure{Class: runtime.ClassError, Type: "ValueError", Message: "no <b>&</b> \u2028", Traceback: "frames\n", Line: 3}
	x.Task = &runtime.TaskRef{JobExecution: OtherID, Index: 5}
	x.ArgsSize, x.RerunOf = 15, OtherID
	x.Egress = []runtime.Egress{
		{Network: "tcp", Host: "api.example.com", Port: 443, Connections: 2, Sent: 300, Received: 1 << 20, Duration: 1500 * time.Microsecond},
		{Host: runtime.OtherHosts, Connections: 1, Sent: 1, Received: 2, Duration: time.Second},
	}
	return x
}

func fullJob(tenant runtime.Tenant, name string) runtime.Job {
	return runtime.Job{
		ID: ID, Tenant: tenant, Name: name, DisplayName: "Nightly <bills>", Labels: map[string]string{"b": "2", "a": "1"}, Revision: 12,
		Created: Time, Updated: Time.Add(time.Hour), CreatedBy: "ada", UpdatedBy: "bob",
		Spec: runtime.JobSpec{
			Function: "hello.py", Disabled: true, Memory: 64*runtime.MiB + runtime.MiB/2, Timeout: 1500 * time.Millisecond, MaxRetries: 2, MaxConcurrentTasks: 9,
			Env: []runtime.EnvVar{{Name: "A", Value: "a"}, {Name: "B", Value: "s3cret", Secret: true}},
			Triggers: []runtime.Trigger{
				{ID: "t1", Type: runtime.TriggerHTTP, Path: "in/hook", Timeout: 90 * time.Second, Tasks: []json.RawMessage{json.RawMessage(`{"n": 1}`)}},
				{ID: "t2", Type: runtime.TriggerHTTPAsync, Path: "a", CallbackURL: "https://example.com/", CallbackSecret: "s3cret"},
				{ID: "t3", Type: runtime.TriggerCron, Disabled: true, Schedule: "0 3 * * *", TimeZone: "Europe/Berlin", Missed: runtime.MissedCatchUp, CallbackURL: "https://example.com/", Retry: 4},
			},
		},
	}
}

// FullJobExecution returns a job execution with a value in every field.
func FullJobExecution(tenant runtime.Tenant, job string) runtime.JobExecution {
	return runtime.JobExecution{
		ID: ID, Name: "first", Tenant: tenant, JobID: OtherID, Job: job, Revision: 12, State: runtime.StateFailed,
		Created: Time, Started: Time.Add(time.Second), Finished: Time.Add(time.Minute), Updated: Time.Add(time.Minute),
		Expires: Time.Add(time.Hour), CancelRequested: true,
		Caller: runtime.Caller{UserID: "ada", TraceID: "4bf92f3577b34da6a3ce929d0e0e4736"}, Trigger: "t1",
		Parallelism: 3, MemoryOverride: 128 * runtime.MiB, EnvOverride: map[string]string{"Z": "s3cret", "A": "s3cret"}, Timeout: 2 * time.Minute,
		Stats: runtime.TaskCounts{Total: 20, Succeeded: 1, Failed: 2, TimedOut: 1, Cancelled: 3, Running: 4, Retried: 5},
	}
}

func (e FullEngine) GetFunction(_ context.Context, _ runtime.Tenant, name string) (runtime.FunctionDetail, error) {
	return runtime.FunctionDetail{
		Function: runtime.Function{ID: ID, Name: name, Version: 3, Created: Time, Updated: Time.Add(time.Hour)},
		Version:  runtime.Version{Bundle: runtime.Bundle{ID: sha256.Sum256(e.Zip), Bytes: int64(len(e.Zip))}, Source: []byte("def main(a, c): return '<é>'\n"), Context: []byte(`{"k":"s3cret"}`), Limits: runtime.Limits{Timeout: 1500 * time.Millisecond}, Retries: 4, Allow: []string{"*.example.com:443", "udp:10.0.0.0/8:53"}},
	}, nil
}

func (e FullEngine) ListVersions(ctx context.Context, tenant runtime.Tenant, name string) ([]runtime.VersionSummary, error) {
	var all []runtime.VersionSummary
	for _, number := range []uint64{3, 2} {
		v, err := e.GetVersion(ctx, tenant, name, number)
		if err != nil {
			return nil, err
		}
		all = append(all, runtime.VersionSummary{Version: v.Version, SourceBytes: len(v.Source), ContextBytes: len(v.Context)})
	}
	return all, nil
}

func (e FullEngine) GetVersion(ctx context.Context, tenant runtime.Tenant, name string, number uint64) (runtime.VersionDetail, error) {
	d, err := e.GetFunction(ctx, tenant, name)
	v := d.Version
	v.Name, v.Number, v.Created, v.By = name, number, Time, "ada"
	if number == 2 {
		v.Source, v.Context, v.Retries, v.Bundle, v.By = []byte("def main(a, c): pass\n"), []byte(`{"k":"other","old":1}`), 0, runtime.Bundle{}, ""
	}
	return runtime.VersionDetail{Version: v, Current: number == 3}, err
}

func (e FullEngine) Try(context.Context, runtime.TryRequest) (runtime.Trial, error) {
	x := FullExecution()
	x.Logs = runtime.Logs{Data: []byte("out\xff<err>"), Marks: []runtime.LogMark{{Stream: 1}, {Stream: 2, Offset: 4}}, Truncated: true}
	x.Usage = runtime.Usage{Duration: 1500 * time.Microsecond, Memory: 64 * runtime.MiB}
	return runtime.Trial{Outcome: x.Outcome, State: x.State, Deploy: runtime.Usage{Duration: 12 * time.Millisecond}}, nil
}

func (e FullEngine) ListFunctions(context.Context, runtime.Tenant, runtime.PageRequest) (runtime.Page[runtime.Function], error) {
	return runtime.Page[runtime.Function]{Items: []runtime.Function{{ID: ID, Name: "hello.py", Version: 3, Created: Time, Updated: Time.Add(time.Hour)}}}, nil
}

func (e FullEngine) GetExecution(context.Context, runtime.Tenant, string) (runtime.Execution, error) {
	return FullExecution(), nil
}

func (e FullEngine) GetArgs(context.Context, runtime.Tenant, string) ([]byte, error) {
	return []byte(`{"name": "you"}`), nil
}

func (e FullEngine) AwaitExecution(context.Context, runtime.Tenant, string) (runtime.Execution, error) {
	return FullExecution(), nil
}

func (e FullEngine) GetExecutions(context.Context, runtime.Tenant, []string) ([]*runtime.Execution, error) {
	x := FullExecution()
	return []*runtime.Execution{&x, nil, nil}[:1], nil
}

func (e FullEngine) ListExecutions(_ context.Context, _ runtime.Tenant, _ runtime.ExecutionFilter, r runtime.PageRequest) (runtime.Page[runtime.Execution], error) {
	done := ExecutionAt(ID, runtime.StateSucceeded)
	done.Result, done.ResultSize = []byte(`{"a": "<b>"}`), 12
	return runtime.Page[runtime.Execution]{Items: []runtime.Execution{FullExecution(), ExecutionAt(OtherID, runtime.StateQueued), done}, Next: ID}, nil
}

func (e FullEngine) ScanExecutions(ctx context.Context, tenant runtime.Tenant, filter runtime.ExecutionFilter, scan runtime.ExecutionScan) (runtime.Page[runtime.Execution], int, error) {
	page, err := e.ListExecutions(ctx, tenant, filter, runtime.PageRequest{After: scan.After, Limit: scan.Limit})
	return page, len(page.Items), err
}

func (e FullEngine) CancelExecution(context.Context, runtime.Tenant, string) (runtime.Execution, bool, error) {
	return FullExecution(), true, nil
}

func (e FullEngine) EndsLate(runtime.Tenant, string) bool { return false }

func (e FullEngine) GetStats(context.Context, runtime.Tenant, runtime.StatsQuery) (runtime.Stats, error) {
	counts := runtime.RunStats{Succeeded: 5, Failed: 2, Timeout: 1, Cancelled: 3, Ran: 9, P50: time.Millisecond, P90: 2 * time.Millisecond, P99: time.Second, Max: 1500 * time.Microsecond, Mean: 700 * time.Microsecond}
	return runtime.Stats{
		From: Time, To: Time.Add(2 * time.Minute), Complete: Time.Add(time.Minute), Step: time.Minute, Total: counts,
		Series: []runtime.RunStats{{}, counts}, Functions: []runtime.FunctionStats{{Function: "hello.py", RunStats: counts}}, OtherFunctions: 4,
		Queue: runtime.QueueStats{Queued: 7, Oldest: 1500 * time.Millisecond, Running: 2, Memory: 1 << 20, MemoryLimit: 1 << 30},
	}, nil
}

func (e FullEngine) GetLogs(context.Context, runtime.Tenant, string, runtime.LogPosition) (runtime.LogPage, error) {
	return runtime.LogPage{State: runtime.StateFailed, Attempt: 4, Logs: runtime.Logs{Data: []byte("out\xff<err>"), Marks: []runtime.LogMark{{Stream: 1}, {Stream: 2, Offset: 4}}, Truncated: true}}, nil
}

func (e FullEngine) SearchExecutions(context.Context, runtime.Tenant, runtime.SearchQuery) (runtime.Page[runtime.ExecutionSummary], error) {
	return runtime.Page[runtime.ExecutionSummary]{Next: "position", Items: []runtime.ExecutionSummary{{
		ID: ID, RID: "ri.resource", Version: 7, Status: runtime.SummaryFailed, Reason: runtime.ClassTimeout, Started: Time, Duration: 1500 * time.Millisecond,
		Caller: runtime.Caller{UserID: "ada", TraceID: "4bf92f3577b34da6a3ce929d0e0e4736", RID: "ri.caller", TraceOwner: "ri.owner"},
	}, {ID: OtherID, RID: "ri.resource", Version: 7, Status: runtime.SummarySucceeded, Started: Time.Truncate(time.Second)}}}, nil
}

func (e FullEngine) GetJob(_ context.Context, tenant runtime.Tenant, name string) (runtime.Job, error) {
	return fullJob(tenant, name), nil
}

func (e FullEngine) CreateJob(_ context.Context, j runtime.Job) (runtime.Job, error) {
	full := fullJob(j.Tenant, j.Name)
	full.Spec.Triggers = nil
	return full, nil
}

func (e FullEngine) UpdateJob(_ context.Context, j runtime.Job) (runtime.Job, error) {
	return e.CreateJob(context.Background(), j)
}

func (e FullEngine) DeleteJob(_ context.Context, tenant runtime.Tenant, name string) (runtime.Job, error) {
	return fullJob(tenant, name), nil
}

func (e FullEngine) ListJobs(_ context.Context, tenant runtime.Tenant, _ runtime.PageRequest) (runtime.Page[runtime.Job], error) {
	return runtime.Page[runtime.Job]{Items: []runtime.Job{fullJob(tenant, "a"), {ID: OtherID, Name: "b", Tenant: tenant, Created: Time}}, Total: 2}, nil
}

func (e FullEngine) ListJobRevisions(context.Context, runtime.Tenant, string) ([]runtime.JobRevision, error) {
	return []runtime.JobRevision{{Number: 12, Created: Time, CreatedBy: "ada"}, {Number: 11, Created: Time}, {Number: 10}}, nil
}

func (e FullEngine) GetJobExecution(_ context.Context, tenant runtime.Tenant, job, _ string) (runtime.JobExecution, error) {
	return FullJobExecution(tenant, job), nil
}

func (e FullEngine) AwaitJobExecution(_ context.Context, tenant runtime.Tenant, job, _ string) (runtime.JobExecution, error) {
	return FullJobExecution(tenant, job), nil
}

func (e FullEngine) ListJobExecutions(_ context.Context, tenant runtime.Tenant, job string, _ runtime.PageRequest) (runtime.Page[runtime.JobExecution], error) {
	return runtime.Page[runtime.JobExecution]{Items: []runtime.JobExecution{FullJobExecution(tenant, job), {ID: OtherID, Name: OtherID, Created: Time}}, Total: 2}, nil
}

func (e FullEngine) ListTasks(context.Context, runtime.Tenant, string, string, runtime.PageRequest) (runtime.Page[runtime.Execution], error) {
	retrying := FullExecution()
	retrying.State, retrying.Failure, retrying.Finished = runtime.StateQueued, nil, time.Time{}
	done := ExecutionAt(ID, runtime.StateSucceeded)
	done.Result, done.ResultSize = []byte(`{"a": "<b>"}`), 12
	return runtime.Page[runtime.Execution]{Items: []runtime.Execution{FullExecution(), retrying, done, ExecutionAt(OtherID, runtime.StateQueued)}, Total: 4}, nil
}

func (e FullEngine) FirstTasks(ctx context.Context, x *runtime.JobExecution, n int) ([]runtime.Execution, error) {
	page, err := e.ListTasks(ctx, x.Tenant, x.Job, x.ID, runtime.PageRequest{})
	return page.Items[:min(n, len(page.Items), x.Stats.Total)], err
}

func (e FullEngine) GetTaskResults(ctx context.Context, x runtime.JobExecution) ([]runtime.Execution, error) {
	page, err := e.ListTasks(ctx, x.Tenant, x.Job, x.ID, runtime.PageRequest{})
	return page.Items, err
}
