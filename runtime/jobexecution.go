package runtime

import (
	"encoding/json"
	"maps"
	"time"
)

// StatePending lies between queued and running: the first tasks of an execution of a job are
// about to start. No other execution is ever in this state.
const StatePending State = "pending"

// JobExecution is one execution of a job: a list of tasks, each of which is an [Execution] of the
// job's function.
type JobExecution struct {
	ID         string // UUIDv7; its time is the time of acceptance
	Name       string // unique within the job: chosen by the caller, else ID
	Tenant     Tenant
	JobID      string
	Job        string // name
	Revision   uint64 // of the job, at the time of acceptance
	FunctionID string
	Function   string // name at the time of acceptance
	State      State
	Created    time.Time
	Started    time.Time // start of the first task; zero before
	Finished   time.Time
	Updated    time.Time
	// Expires is when retention drops it at the latest; zero until it is done. It is not stored:
	// the Engine sets it.
	Expires time.Time

	Caller
	Trigger string // id of the trigger that started it; empty: none

	Parallelism    int   // maximum number of tasks that run at once; 0: no bound
	MemoryOverride int64 // bytes that the caller requested; 0: none
	// EnvOverride holds the environment variables that the caller requested, by name. They take
	// precedence over those of the job.
	EnvOverride map[string]string
	// Memory (bytes), Timeout, MaxRetries and Env are what each task gets, with all overrides
	// applied.
	Memory     int64
	Timeout    time.Duration
	MaxRetries int
	Env        map[string]string

	Stats           TaskCounts
	CancelRequested bool
	// Callback is notified of the end; nil: there is none.
	Callback *Callback
}

// TaskCounts counts the tasks of an execution. The tasks in Total that are not in Succeeded,
// Failed, Cancelled or Running have not started, or wait for another attempt.
type TaskCounts struct {
	Total     int
	Succeeded int
	Failed    int // includes TimedOut
	TimedOut  int
	Cancelled int
	Running   int
	Retried   int // tasks that were queued again after an attempt failed or was lost; each counts once
}

// Ended returns the number of tasks that are done.
func (s TaskCounts) Ended() int { return s.Succeeded + s.Failed + s.Cancelled }

// Count counts a task that has ended in a state.
func (s *TaskCounts) Count(state State) {
	switch state {
	case StateSucceeded:
		s.Succeeded++
	case StateCancelled:
		s.Cancelled++
	case StateTimeout:
		s.TimedOut++
		s.Failed++
	case StateFailed:
		s.Failed++
	}
}

// FinalState returns the terminal state of an execution of a job whose tasks are all done.
func (x *JobExecution) FinalState() State {
	switch s := x.Stats; {
	case x.CancelRequested, s.Cancelled == s.Total:
		return StateCancelled
	case s.Failed == 0:
		return StateSucceeded
	case s.TimedOut == s.Failed:
		return StateTimeout
	}
	return StateFailed
}

// Callback is the receiver that a job notifies of the end of an execution.
type Callback struct {
	URL    string
	Secret string
	Retry  int // further attempts after the first has failed
}

// TaskRef identifies a task of an execution of a job.
type TaskRef struct {
	JobExecution string // ID of the execution of the job
	Index        int    // from 0
}

// NewJobExecution returns the queued execution, with an id and the time of its acceptance, that a
// request starts of a job whose function currently runs program p.
func NewJobExecution(id string, now time.Time, job Job, r JobStartRequest, p *Program) JobExecution {
	s := &job.Spec
	limits := p.Limits.WithDefaults()
	x := JobExecution{
		ID: id, Created: now, Updated: now, Name: r.Name, Tenant: r.Tenant, JobID: job.ID, Job: job.Name, Revision: job.Revision,
		FunctionID: p.FunctionID, Function: s.Function, State: StateQueued, Caller: r.Caller, Trigger: r.Trigger,
		Parallelism: s.MaxConcurrentTasks, MemoryOverride: r.Memory, EnvOverride: r.Env,
		Memory: limits.Memory, Timeout: limits.Timeout, MaxRetries: s.MaxRetries,
		Stats: TaskCounts{Total: len(r.Tasks)}, Callback: r.Callback,
	}
	if x.Name == "" {
		x.Name = x.ID
	}
	x.BeginTrace(x.ID)
	if s.Memory != 0 {
		x.Memory = s.Memory
	}
	if r.Memory != 0 {
		x.Memory = r.Memory
	}
	if s.Timeout != 0 {
		x.Timeout = s.Timeout
	}
	if r.Timeout != 0 {
		x.Timeout = min(x.Timeout, r.Timeout)
	}
	if r.Parallelism != 0 {
		x.Parallelism = r.Parallelism
	}
	if len(s.Env)+len(r.Env) > 0 {
		x.Env = make(map[string]string, len(s.Env)+len(r.Env))
		for _, v := range s.Env {
			x.Env[v.Name] = v.Value
		}
		maps.Copy(x.Env, r.Env)
	}
	return x
}

// TaskCaller returns the caller of the tasks, which is the job.
func (x *JobExecution) TaskCaller() Caller {
	c := x.Caller
	c.RID = JobRID(x.JobID)
	if c.TraceOwner == "" {
		c.TraceOwner = c.RID
	}
	return c
}

// Tasks returns the queued executions of the tasks, where version is the current version of the
// function.
func (x *JobExecution) Tasks(version uint64, args []json.RawMessage) []Accepted {
	caller := x.TaskCaller()
	all := make([]Accepted, len(args))
	for i, args := range args {
		all[i] = Accepted{Args: ObjectOrEmpty(args), Execution: Execution{
			ID: TaskID(x.ID, i), Tenant: x.Tenant, Kind: KindRun, FunctionID: x.FunctionID, Function: x.Function, Version: version,
			State: StateQueued, Created: x.Created, Retries: x.MaxRetries, Caller: caller, Task: &TaskRef{JobExecution: x.ID, Index: i},
		}}
	}
	return all
}

// The response for an execution of a job that is done contains the results of its first tasks,
// within these bounds.
const (
	MaxJobResults     = 1000    // tasks
	MaxJobResultBytes = 4 * MiB // of all these results together
)
