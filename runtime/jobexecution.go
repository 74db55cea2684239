package runtime

import (
	"encoding/json"
	"maps"
	"time"
)

// StatePending is on the way from queued to running: the first tasks of an
// execution of a job are about to start. No other execution is ever in it.
const StatePending State = "pending"

// JobExecution is one execution of a job: a list of tasks, each of which is an
// [Execution] of the job's function.
type JobExecution struct {
	ID         string // UUIDv7; its time is when the execution was accepted
	Name       string // what it is called within its job: the caller's choice, else ID
	Tenant     Tenant
	JobID      string
	Job        string // name
	Revision   uint64 // of the job, when it was accepted
	FunctionID string
	Function   string // name, when it was accepted
	State      State
	Created    time.Time
	Started    time.Time // of its first task; zero before
	Finished   time.Time
	Updated    time.Time

	Caller
	Trigger string // id of the trigger that started it; empty: none did

	Parallelism    int   // how many tasks may run at once; zero: no bound
	MemoryOverride int64 // bytes; zero: none was asked for
	// EnvOverride are the environment variables that this execution asked for, by
	// name; those of the job are beneath them.
	EnvOverride map[string]string
	// Memory (bytes), Timeout, MaxRetries and Env are what tasks get, all said and
	// done.
	Memory     int64
	Timeout    time.Duration
	MaxRetries int
	Env        map[string]string

	Stats           TaskCounts
	CancelRequested bool
	// Callback is who is told of the end, nil if nobody.
	Callback *Callback
}

// TaskCounts counts the tasks of an execution. What Succeeded, Failed, Cancelled and
// Running leave of Total has not started, or waits for another attempt.
type TaskCounts struct {
	Total     int
	Succeeded int
	Failed    int // timed out ones among them
	TimedOut  int
	Cancelled int
	Running   int
	Retried   int // tasks that were queued again after an attempt had failed or was lost: each once
}

// Ended is how many tasks are done.
func (s TaskCounts) Ended() int { return s.Succeeded + s.Failed + s.Cancelled }

// Count counts the end of a task.
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

// End is the state in which an execution of a job ends whose tasks are all done.
func (x *JobExecution) End() State {
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

// Callback is who is told of the end of an execution of a job.
type Callback struct {
	URL    string
	Secret string
	Retry  int
}

// TaskOf says which task of which execution of a job an [Execution] is.
type TaskOf struct {
	JobExecution string // its ID
	Index        int    // from 0
}

// NewJobExecution is what a request asks of a job, whose function runs a program
// by now.
func NewJobExecution(job Job, r JobStartRequest, p *Program) JobExecution {
	s := &job.Spec
	limits := p.Limits.WithDefaults()
	x := JobExecution{
		ID: NewID(), Name: r.Name, Tenant: r.Tenant, JobID: job.ID, Job: job.Name, Revision: job.Revision,
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

// TaskCaller is who asks for the tasks: the job does.
func (x *JobExecution) TaskCaller() Caller {
	c := x.Caller
	c.RID = JobRID(x.JobID)
	if c.TraceOwner == "" {
		c.TraceOwner = c.RID
	}
	return c
}

// Tasks are the executions that it is made of.
func (x *JobExecution) Tasks(version uint64, args []json.RawMessage) []Accepted {
	caller := x.TaskCaller()
	all := make([]Accepted, len(args))
	for i, args := range args {
		all[i] = Accepted{Args: ObjectOrEmpty(args), Execution: Execution{
			ID: TaskID(x.ID, i), Tenant: x.Tenant, Kind: KindRun, FunctionID: x.FunctionID, Function: x.Function, Version: version,
			State: StateQueued, Created: x.Created, Retries: x.MaxRetries, Caller: caller, Task: &TaskOf{JobExecution: x.ID, Index: i},
		}}
	}
	return all
}

// With an execution of a job that is done the results of its first tasks are
// told, in full as far as all of them fit.
const (
	MaxJobResults     = 1000    // tasks
	MaxJobResultBytes = 4 * MiB // of all their results
)
