package runtime

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Validate checks all of the request that can be checked without the store.
func (r *JobStartRequest) Validate() error {
	switch n := len(r.Tasks); {
	case n == 0:
		return Errorf(CodeInvalidArgument, "there are no tasks").WithHint("send an array of at least one JSON object")
	case n > MaxTasks:
		return Errorf(CodeTooLarge, "%d tasks were requested, at most %d are allowed in one execution", n, MaxTasks).
			WithHint("start several executions")
	}
	if err := ValidateIdempotencyKey(r.IdempotencyKey); err != nil {
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
		return Errorf(CodeInvalidArgument, "a parallelism of %d is out of bounds", r.Parallelism).WithHint("use a positive number of tasks")
	}
	for name, value := range r.Env {
		if err := checkEnvVar(name, value); err != nil {
			return err
		}
	}
	return Limits{Memory: r.Memory}.Validate()
}

// ValidateAgainst checks the request against the spec of the job and the memory of its function
// in bytes.
func (r *JobStartRequest) ValidateAgainst(s *JobSpec, memory int64) error {
	limit := s.Memory
	if limit == 0 {
		limit = memory
	}
	if r.Memory > limit {
		return Errorf(CodeInvalidArgument, "memory of %d MB is more than the %d MB of the job", r.Memory/MiB, limit/MiB).
			WithHint("ask for less, or give the job more memory")
	}
	if limit := s.MaxConcurrentTasks; limit != 0 && r.Parallelism > limit {
		return Errorf(CodeInvalidArgument, "a parallelism of %d is more than the %d concurrent tasks of the job", r.Parallelism, limit).
			WithHint("ask for less, or let the job run more tasks at once")
	}
	return nil
}

// checkTasks checks the args of tasks: JSON objects of at most limit bytes in total.
func checkTasks(tasks []json.RawMessage, limit int) error {
	total := 0
	for i, args := range tasks {
		if total += len(args); total > limit {
			return Errorf(CodeTooLarge, "the tasks have more than the %s bytes in total that are allowed", SizeText(limit)).
				WithHint("start several executions, or let tasks work out large args themselves")
		}
		if err := ValidateObject(fmt.Sprintf("task %d", i), args, MaxArgs); err != nil {
			return err
		}
	}
	return nil
}

// checkExecutionName checks the name of an execution of a job.
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
			WithHint("use UTF-8 without NUL characters")
	}
	return nil
}

// ValidateEnvSize checks the size of an environment; see [MaxEnv].
func ValidateEnvSize(env map[string]string) error {
	size := 0
	for name, value := range env {
		size += len(name) + len(value)
	}
	if size > MaxEnv {
		return tooLarge("the environment has", size, MaxEnv, "pass data as the args of tasks")
	}
	return nil
}

// JobStartRequest is a request to start an execution of a job.
type JobStartRequest struct {
	Tenant Tenant
	Caller Caller
	Job    string // name
	// Tasks holds the args of each task: 1 to [MaxTasks] JSON objects.
	Tasks       []json.RawMessage
	Name        string            // see [JobExecution]; empty: its ID
	Env         map[string]string // added to those of the job
	Memory      int64             // bytes, at most the job's; 0: the job's
	Parallelism int               // at most the job's MaxConcurrentTasks, if set; 0: the job's
	// Timeout bounds that of the tasks, which is otherwise the job's. Zero: no further bound.
	Timeout time.Duration
	// IdempotencyKey: see [SubmitRequest].
	IdempotencyKey string
	// NoQueue returns CodeTooBusy, and stores nothing, if the first task cannot start now.
	NoQueue bool
	// Trigger is the id of the trigger that sends the request. Empty: none does.
	Trigger  string
	Callback *Callback
	// RerunOf are the ids of the tasks that the tasks repeat, one for each. Nil: they repeat none.
	RerunOf []string
	// Tick is the tick of the trigger's schedule that the request starts. Zero: none. Once a tick
	// has started its execution, a request for the same or an earlier tick returns [ErrTick].
	Tick time.Time
}

// JobAcceptance is the response to a [JobStartRequest].
type JobAcceptance struct {
	Execution JobExecution
	Replayed  bool // an earlier request with the same idempotency key started it
}
