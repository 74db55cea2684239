package runtime

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"unicode/utf8"
)

// StartJob accepts an execution of a job. When it returns without an error the
// execution and all its tasks are on disk and will be carried to their ends, as
// those of [Engine.SubmitBulk] are. What tasks get of memory, time, retries and
// environment is that of the job, and where it says nothing of its function, at
// this moment; they run the version of the function that is current when they
// start.
//
// Errors mean that nothing was accepted: CodeNotFound, CodeInvalidArgument,
// CodeTooLarge, CodeAlreadyExists (the name), CodeConflict (the key), CodeTooBusy,
// CodeUnavailable, and [ErrTick]. After CodeInternal it is not known.
func (e *Engine) StartJob(ctx context.Context, r JobStartRequest) (JobAcceptance, error) {
	if err := e.enter(); err != nil {
		return JobAcceptance{}, err
	}
	defer e.gate.leave()
	a, err := e.acceptJob(ctx, r)
	if err != nil {
		return JobAcceptance{}, fault("engine.runjob", err)
	}
	return a, nil
}

func (e *Engine) acceptJob(ctx context.Context, r JobStartRequest) (JobAcceptance, error) {
	if err := r.check(); err != nil {
		return JobAcceptance{}, err
	}
	now := e.now().UTC()
	var key *IdempotencyKey
	if r.IdempotencyKey != "" {
		key = &IdempotencyKey{Key: r.IdempotencyKey, Hash: r.hash(), Now: now}
		// What was accepted before counts, even if it could not be accepted now.
		if ids, err := e.store.LookupKey(r.Tenant, *key); err != nil || len(ids) > 0 {
			return e.replayed(r, ids, err)
		}
	}
	job, err := e.store.GetJobByName(r.Tenant, r.Job)
	if err != nil {
		return JobAcceptance{}, err
	}
	if job.Spec.Disabled {
		return JobAcceptance{}, Errorf(CodeInvalidArgument, "the job %q is disabled", job.Name).
			WithHint("enable it to have it run")
	}
	version, err := e.currentOf(ctx, r.Tenant, job.Spec.Function)
	if CodeOf(err) == CodeNotFound {
		err = noFunctionOfJob(job.Spec.Function)
	}
	if err != nil {
		return JobAcceptance{}, err
	}
	p := version.program
	e.current.release(version)
	x := newJobExecution(job, r, &p)
	x.Created, x.Updated = now, now
	if err := r.checkAgainst(&job.Spec, p.Limits.WithDefaults().Memory); err != nil {
		return JobAcceptance{}, err
	}
	if err := checkEnvSize(x.Env); err != nil {
		return JobAcceptance{}, err
	}

	g := newJobGroup(&x)
	bytes := g.limits(p.Limits).reservation()
	if err := e.admission.possible(bytes); err != nil {
		return JobAcceptance{}, Errorf(CodeInvalidArgument, "a task may use %d MB (memory and /tmp), more than the %d MB that this server has for all runs",
			(bytes+MiB-1)/MiB, e.admission.budget/MiB).WithHint("ask for less memory")
	}
	if r.NoQueue {
		release, err := e.startNow(bytes)
		if err != nil {
			return JobAcceptance{}, err
		}
		defer release()
	}
	if err := e.background.reserve(len(r.Tasks)); err != nil {
		return JobAcceptance{}, err
	}
	defer e.background.unreserve(len(r.Tasks))
	o := &origin{tenant: x.Tenant, functionID: x.FunctionID, function: x.Function, version: p.Version, caller: x.taskCaller(), job: g}
	tasks := x.tasks(o, r.Tasks)
	var tick *Tick
	if !r.Tick.IsZero() {
		tick = &Tick{JobID: x.JobID, Trigger: x.Trigger, At: r.Tick.UTC()}
	}
	// Whoever cancels it finds it here from when it is in the store.
	e.background.addGroup(g)
	id, replayed, err := e.store.AcceptJob(x, tasks, key, tick)
	if err != nil || replayed {
		e.background.dropGroup(g.id)
		return e.replayed(r, []string{id}, err)
	}
	tickets := make([]*ticket, len(tasks))
	for i := range tasks {
		tickets[i] = newTicket(o, &tasks[i].Execution)
	}
	e.background.add(tickets)
	return JobAcceptance{Execution: x}, nil
}

// replayed is the answer to a request that came before.
func (e *Engine) replayed(r JobStartRequest, ids []string, err error) (JobAcceptance, error) {
	if err != nil {
		return JobAcceptance{}, err
	}
	x, err := e.jobStands(r.Tenant, func() (JobExecution, error) { return e.store.GetJobExecutionByID(r.Tenant, ids[0]) })
	if CodeOf(err) == CodeNotFound {
		// It is done and was dropped since, or the key is that of other executions.
		x, err = JobExecution{ID: ids[0], Name: ids[0], Tenant: r.Tenant, Job: r.Job, Stats: TaskCounts{Total: len(r.Tasks)}}, nil
	}
	return JobAcceptance{Execution: x, Replayed: true}, err
}

// newJobExecution is what a request asks of a job, whose function runs a program
// by now.
func newJobExecution(job Job, r JobStartRequest, p *Program) JobExecution {
	s := &job.Spec
	limits := p.Limits.WithDefaults()
	x := JobExecution{
		ID: newID(), Name: r.Name, Tenant: r.Tenant, JobID: job.ID, Job: job.Name, Revision: job.Revision,
		FunctionID: p.FunctionID, Function: s.Function, State: StateQueued, Caller: r.Caller, Trigger: r.Trigger,
		Parallelism: s.MaxConcurrentTasks, MemoryOverride: r.Memory, EnvOverride: r.Env,
		Memory: limits.Memory, Timeout: limits.Timeout, MaxRetries: s.MaxRetries,
		Stats: TaskCounts{Total: len(r.Tasks)}, Callback: r.Callback,
	}
	if x.Name == "" {
		x.Name = x.ID
	}
	x.beginTrace(x.ID)
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

// taskCaller is who asks for the tasks: the job does.
func (x *JobExecution) taskCaller() Caller {
	c := x.Caller
	c.RID = JobRID(x.JobID)
	if c.TraceOwner == "" {
		c.TraceOwner = c.RID
	}
	return c
}

// tasks are the executions that it is made of.
func (x *JobExecution) tasks(o *origin, args []json.RawMessage) []Accepted {
	all := make([]Accepted, len(args))
	for i, args := range args {
		all[i] = Accepted{Args: orNoMembers(args), Execution: Execution{
			ID: TaskID(x.ID, i), Tenant: x.Tenant, Kind: KindRun, FunctionID: x.FunctionID, Function: x.Function, Version: o.version,
			State: StateQueued, Created: x.Created, Retries: x.MaxRetries, Caller: o.caller, Task: &TaskOf{JobExecution: x.ID, Index: i},
		}}
	}
	return all
}

// check checks what can be told from the request alone.
func (r *JobStartRequest) check() error {
	switch n := len(r.Tasks); {
	case n == 0:
		return Errorf(CodeInvalidArgument, "there are no tasks").WithHint("give an array of at least one JSON object")
	case n > MaxTasks:
		return Errorf(CodeTooLarge, "%d tasks are asked for, at most %d can be in one execution", n, MaxTasks).
			WithHint("start several executions")
	}
	if err := checkIdempotencyKey(r.IdempotencyKey); err != nil {
		return err
	}
	if r.Name != "" {
		if err := checkExecutionName(r.Name); err != nil {
			return err
		}
	}
	if err := checkTasks(r.Tasks, MaxBulkArgs); err != nil {
		return err
	}
	if r.Parallelism < 0 {
		return Errorf(CodeInvalidArgument, "a parallelism of %d is out of bounds", r.Parallelism).WithHint("give a positive number of tasks")
	}
	for name, value := range r.Env {
		if err := checkEnvVar(name, value); err != nil {
			return err
		}
	}
	return Limits{Memory: r.Memory}.Validate()
}

// checkAgainst checks what is asked of a job whose function has so much memory.
func (r *JobStartRequest) checkAgainst(s *JobSpec, memory int64) error {
	most := s.Memory
	if most == 0 {
		most = memory
	}
	if r.Memory > most {
		return Errorf(CodeInvalidArgument, "memory of %d MB is more than the %d MB of the job", r.Memory/MiB, most/MiB).
			WithHint("ask for less, or give the job more memory")
	}
	if most := s.MaxConcurrentTasks; most != 0 && r.Parallelism > most {
		return Errorf(CodeInvalidArgument, "a parallelism of %d is more than the %d concurrent tasks of the job", r.Parallelism, most).
			WithHint("ask for less, or let the job run more tasks at once")
	}
	return nil
}

// checkTasks checks the args of tasks: JSON objects, with so many bytes in all.
func checkTasks(tasks []json.RawMessage, most int) error {
	sum := 0
	for i, args := range tasks {
		if sum += len(args); sum > most {
			return Errorf(CodeTooLarge, "the tasks have more than the %d bytes that they may have in all", most).
				WithHint("start several executions, or let tasks fetch what is large")
		}
		if err := checkObject(fmt.Sprintf("task %d", i), args, MaxArgs); err != nil {
			return err
		}
	}
	return nil
}

// checkExecutionName checks what an execution of a job is to be called.
func checkExecutionName(name string) error {
	if len(name) > MaxName || !isToken(name) {
		return Errorf(CodeInvalidArgument, "the executionId is not valid").
			WithHint("use 1 to 128 of the characters A-Z a-z 0-9 - _ .")
	}
	return nil
}

func checkEnvVar(name, value string) error {
	ok := name != "" && len(name) <= MaxName && (name[0] < '0' || name[0] > '9')
	for i := 0; ok && i < len(name); i++ {
		c := name[i]
		ok = c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_'
	}
	if !ok {
		return Errorf(CodeInvalidArgument, "the environment variable %.140q has no valid name", name).
			WithHint("use 1 to 128 of the characters A-Z a-z 0-9 _ and do not start with a digit")
	}
	if !utf8.ValidString(value) || strings.ContainsRune(value, 0) {
		return Errorf(CodeInvalidArgument, "the value of the environment variable %s is not text", name).
			WithHint("give UTF-8 without NUL characters")
	}
	return nil
}

func checkEnvSize(env map[string]string) error {
	sum := 0
	for name, value := range env {
		sum += len(name) + len(value)
	}
	if sum > MaxEnv {
		return Errorf(CodeTooLarge, "the environment has %d bytes, %d are allowed", sum, MaxEnv).
			WithHint("pass data as the args of tasks")
	}
	return nil
}

func noFunctionOfJob(name string) error {
	return Errorf(CodeInvalidArgument, "the job's function %q does not exist", name).
		WithHint("create the function, or change the job's spec.function")
}
