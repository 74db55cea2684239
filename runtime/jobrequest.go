package runtime

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Validate checks what can be told from the request alone.
func (r *JobStartRequest) Validate() error {
	switch n := len(r.Tasks); {
	case n == 0:
		return Errorf(CodeInvalidArgument, "there are no tasks").WithHint("give an array of at least one JSON object")
	case n > MaxTasks:
		return Errorf(CodeTooLarge, "%d tasks are asked for, at most %d can be in one execution", n, MaxTasks).
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
		return Errorf(CodeInvalidArgument, "a parallelism of %d is out of bounds", r.Parallelism).WithHint("give a positive number of tasks")
	}
	for name, value := range r.Env {
		if err := checkEnvVar(name, value); err != nil {
			return err
		}
	}
	return Limits{Memory: r.Memory}.Validate()
}

// ValidateAgainst checks what is asked of a job whose function has so much memory.
func (r *JobStartRequest) ValidateAgainst(s *JobSpec, memory int64) error {
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
		if err := ValidateObject(fmt.Sprintf("task %d", i), args, MaxArgs); err != nil {
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

func ValidateEnvSize(env map[string]string) error {
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

// JobStartRequest asks for an execution of a job.
type JobStartRequest struct {
	Tenant Tenant
	Caller Caller
	Job    string // name
	// Tasks are the args of the tasks, JSON objects, 1 to [MaxTasks].
	Tasks       []json.RawMessage
	Name        string            // see JobExecution; empty: its ID
	Env         map[string]string // on top of the job's
	Memory      int64             // bytes, at most the job's; zero: the job's
	Parallelism int               // at most the job's MaxConcurrentTasks, if it has that; zero: the job's
	// IdempotencyKey is that of [SubmitRequest].
	IdempotencyKey string
	// NoQueue refuses with CodeTooBusy, and keeps nothing, if the first task
	// cannot start now.
	NoQueue bool
	// Trigger is the id of the trigger that asks; empty: none does.
	Trigger  string
	Callback *Callback
	// Tick is for which tick of the trigger's schedule it asks, zero if for none.
	// No tick starts an execution after it, or a later one, has: that is
	// [ErrTick].
	Tick time.Time
}

// JobAcceptance is the answer to a [JobStartRequest].
type JobAcceptance struct {
	Execution JobExecution
	Replayed  bool // the request came before, by its idempotency key
}
