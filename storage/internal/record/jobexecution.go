package record

import (
	"fmt"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/keys"
)

// jobExecutionRecord is the record of a runtime.JobExecution as it was accepted. It does not
// change, and is part of the record of the execution when it is done.
type jobExecutionRecord struct {
	Name           string            `json:"name,omitempty"` // empty if it is the id
	JobID          string            `json:"job_id"`
	Job            string            `json:"job"`
	Revision       uint64            `json:"revision"`
	FunctionID     string            `json:"function_id"`
	Function       string            `json:"function"`
	Created        time.Time         `json:"created"`
	UserID         string            `json:"user_id,omitempty"`
	RID            string            `json:"rid,omitempty"`
	TraceID        string            `json:"trace_id,omitempty"` // empty if the execution has begun the trace
	TraceOwner     string            `json:"trace_owner,omitempty"`
	ParentSpan     string            `json:"parent_span,omitempty"`
	Sampled        runtime.Sampling  `json:"sampled,omitempty"`
	Trigger        string            `json:"trigger,omitempty"`
	Parallelism    int               `json:"parallelism,omitempty"`
	MemoryOverride int64             `json:"memory_override,omitempty"`
	EnvOverride    map[string]string `json:"env_override,omitempty"`
	Memory         int64             `json:"memory"`
	Timeout        time.Duration     `json:"timeout"` // nanoseconds
	MaxRetries     int               `json:"max_retries,omitempty"`
	Env            map[string]string `json:"env,omitempty"`
	Total          int               `json:"total"`
	Callback       *callbackRecord   `json:"callback,omitempty"`
	End            *endRecord        `json:"end,omitempty"` // nil until the execution is done
}

type callbackRecord struct {
	URL    string `json:"url"`
	Secret string `json:"secret,omitempty"`
	Retry  int    `json:"retry,omitempty"`
}

// endRecord is the progress of a job's execution that is done.
type endRecord struct {
	State     runtime.State `json:"state"`
	Started   time.Time     `json:"started,omitzero"`
	Finished  time.Time     `json:"finished"`
	Cancelled bool          `json:"cancel_requested,omitempty"`
	Stats     statsRecord   `json:"stats"`
}

type statsRecord struct {
	Succeeded int `json:"succeeded,omitempty"`
	Failed    int `json:"failed,omitempty"`
	TimedOut  int `json:"timed_out,omitempty"`
	Cancelled int `json:"cancelled,omitempty"`
	Retried   int `json:"retried,omitempty"`
}

// EncodeJobExecution returns the record of a job's execution.
func EncodeJobExecution(x *runtime.JobExecution, id keys.ID) ([]byte, error) {
	r := jobExecutionRecord{
		JobID: x.JobID, Job: x.Job, Revision: x.Revision, FunctionID: x.FunctionID, Function: x.Function, Created: x.Created.UTC(),
		UserID: x.UserID, RID: x.RID, TraceID: x.TraceID, TraceOwner: x.TraceOwner, ParentSpan: x.ParentSpan, Sampled: x.Sampled, Trigger: x.Trigger,
		Parallelism: x.Parallelism, MemoryOverride: x.MemoryOverride, EnvOverride: x.EnvOverride,
		Memory: x.Memory, Timeout: x.Timeout, MaxRetries: x.MaxRetries, Env: x.Env, Total: x.Stats.Total,
	}
	if x.Name != x.ID {
		r.Name = x.Name
	}
	if r.TraceID == keys.OwnTrace(id) {
		r.TraceID = ""
	}
	if x.Callback != nil {
		c := callbackRecord(*x.Callback)
		r.Callback = &c
	}
	if x.State.Terminal() {
		s := x.Stats
		r.End = &endRecord{
			x.State, x.Started.UTC(), x.Finished.UTC(), x.CancelRequested,
			statsRecord{s.Succeeded, s.Failed, s.TimedOut, s.Cancelled, s.Retried},
		}
	}
	return encodeJSON(EncodingJSON, r)
}

// DecodeJobExecution returns an execution that is done, or an execution that is not done as it was
// accepted.
func DecodeJobExecution(tenant runtime.Tenant, id keys.ID, value []byte) (runtime.JobExecution, error) {
	var r jobExecutionRecord
	if err := decodeJSON(value, &r, EncodingJSON); err != nil {
		return runtime.JobExecution{}, fmt.Errorf("execution %s of a job of tenant %q: %w", id, tenant, err)
	}
	x := runtime.JobExecution{
		ID: id.String(), Name: r.Name, Tenant: tenant, JobID: r.JobID, Job: r.Job, Revision: r.Revision,
		FunctionID: r.FunctionID, Function: r.Function, State: runtime.StateQueued, Created: r.Created, Updated: r.Created,
		Caller:  runtime.Caller{UserID: r.UserID, RID: r.RID, TraceID: r.TraceID, TraceOwner: r.TraceOwner, ParentSpan: r.ParentSpan, Sampled: r.Sampled},
		Trigger: r.Trigger, Parallelism: r.Parallelism, MemoryOverride: r.MemoryOverride, EnvOverride: r.EnvOverride,
		Memory: r.Memory, Timeout: r.Timeout, MaxRetries: r.MaxRetries, Env: r.Env, Stats: runtime.TaskCounts{Total: r.Total},
	}
	if x.Name == "" {
		x.Name = x.ID
	}
	if x.TraceID == "" {
		x.TraceID = keys.OwnTrace(id)
	}
	if r.Callback != nil {
		c := runtime.Callback(*r.Callback)
		x.Callback = &c
	}
	if e := r.End; e != nil {
		s := e.Stats
		x.State, x.Started, x.Finished, x.Updated, x.CancelRequested = e.State, e.Started, e.Finished, e.Finished, e.Cancelled
		x.Stats = runtime.TaskCounts{
			Total: r.Total, Succeeded: s.Succeeded, Failed: s.Failed, TimedOut: s.TimedOut, Cancelled: s.Cancelled, Retried: s.Retried,
		}
	}
	return x, nil
}

// EncodeJobExecutionName returns the value of a key by which a job's execution is found: its name,
// or nothing if the name is its id.
func EncodeJobExecutionName(x *runtime.JobExecution) []byte {
	if x.Name == x.ID {
		return nil
	}
	return EncodeRaw(x.Name)
}

// DecodeJobExecutionName decodes what EncodeJobExecutionName returns.
func DecodeJobExecutionName(id keys.ID, value []byte) (string, error) {
	if len(value) == 0 {
		return id.String(), nil
	}
	name, err := Body(value, EncodingRaw)
	return string(name), err
}
