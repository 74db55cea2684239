package storage

import (
	"fmt"
	"time"

	"github.com/faaspot/faaspot/runtime"

	"github.com/faaspot/faaspot/storage/internal/keys"
)

// jobExecutionRecord is what is kept of a runtime.JobExecution when it is
// accepted; it does not change, and is part of what is kept when it is done.
type jobExecutionRecord struct {
	Name           string            `json:"name,omitempty"` // if it is not the id
	JobID          string            `json:"job_id"`
	Job            string            `json:"job"`
	Revision       uint64            `json:"revision"`
	FunctionID     string            `json:"function_id"`
	Function       string            `json:"function"`
	Created        time.Time         `json:"created"`
	UserID         string            `json:"user_id,omitempty"`
	RID            string            `json:"rid,omitempty"`
	TraceID        string            `json:"trace_id,omitempty"` // if it is not its own
	TraceOwner     string            `json:"trace_owner,omitempty"`
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
	End            *endRecord        `json:"end,omitempty"` // once it is done
}

type callbackRecord struct {
	URL    string `json:"url"`
	Secret string `json:"secret,omitempty"`
	Retry  int    `json:"retry,omitempty"`
}

// endRecord is the progress of an execution of a job that is done.
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

func encodeJobExecution(x *runtime.JobExecution, id keys.ID) ([]byte, error) {
	r := jobExecutionRecord{
		JobID: x.JobID, Job: x.Job, Revision: x.Revision, FunctionID: x.FunctionID, Function: x.Function, Created: x.Created.UTC(),
		UserID: x.UserID, RID: x.RID, TraceID: x.TraceID, TraceOwner: x.TraceOwner, Trigger: x.Trigger,
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
	return encodeJSON(encodingJSON, r)
}

// decodeJobExecution reads an execution that is done, or one that is not as it
// was accepted.
func decodeJobExecution(tenant runtime.Tenant, id keys.ID, value []byte) (runtime.JobExecution, error) {
	var r jobExecutionRecord
	if err := decodeJSON(value, &r, encodingJSON); err != nil {
		return runtime.JobExecution{}, fmt.Errorf("execution %s of a job of tenant %q: %w", id, tenant, err)
	}
	x := runtime.JobExecution{
		ID: id.String(), Name: r.Name, Tenant: tenant, JobID: r.JobID, Job: r.Job, Revision: r.Revision,
		FunctionID: r.FunctionID, Function: r.Function, State: runtime.StateQueued, Created: r.Created, Updated: r.Created,
		Caller:  runtime.Caller{UserID: r.UserID, RID: r.RID, TraceID: r.TraceID, TraceOwner: r.TraceOwner},
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

// progressRecord is what changes while an execution of a job is not done. There
// is none before it has started or was cancelled.
type progressRecord struct {
	started, updated time.Time
	cancel           bool // it is to be cancelled
	stats            statsRecord
}

func progressOf(x *runtime.JobExecution) progressRecord {
	s := x.Stats
	return progressRecord{x.Started, x.Updated, x.CancelRequested, statsRecord{s.Succeeded, s.Failed, s.TimedOut, s.Cancelled, s.Retried}}
}

func (r progressRecord) tell(x *runtime.JobExecution) {
	x.Started, x.Updated, x.CancelRequested = r.started, r.updated, r.cancel
	s := r.stats
	x.Stats = runtime.TaskCounts{
		Total: x.Stats.Total, Succeeded: s.Succeeded, Failed: s.Failed, TimedOut: s.TimedOut, Cancelled: s.Cancelled, Retried: s.Retried,
	}
	switch {
	case r.cancel:
		x.State = runtime.StateCancelling
	case !r.started.IsZero():
		x.State = runtime.StateRunning
	}
}

func (r progressRecord) encode() []byte {
	f := newFields(encodingFields, 40)
	f.time(r.started)
	f.time(r.updated)
	f.flag(r.cancel)
	for _, n := range []int{r.stats.Succeeded, r.stats.Failed, r.stats.TimedOut, r.stats.Cancelled, r.stats.Retried} {
		f.number(int64(n))
	}
	return f.value
}

func decodeProgress(value []byte) (r progressRecord, err error) {
	f := readFields(value, encodingFields)
	r.started = f.time()
	r.updated = f.time()
	r.cancel = f.flag()
	for _, n := range []*int{&r.stats.Succeeded, &r.stats.Failed, &r.stats.TimedOut, &r.stats.Cancelled, &r.stats.Retried} {
		*n = f.int()
	}
	return r, f.end()
}
