package runtime

// TaskState is the state of a task as one letter. It is also the form in which clients get it.
type TaskState byte

// The states.
const (
	TaskQueued    TaskState = '.' // has not begun
	TaskWaiting   TaskState = 'w' // waits for another attempt
	TaskRunning   TaskState = 'r'
	TaskStopping  TaskState = 'x' // runs, and its cancellation was requested
	TaskSucceeded TaskState = 's'
	TaskFailed    TaskState = 'f'
	TaskTimedOut  TaskState = 't'
	TaskCancelled TaskState = 'c'
	TaskDropped   TaskState = '-' // is not stored any more
)

// TaskStateOf returns the state of a task that is done.
func TaskStateOf(s State) TaskState {
	switch s {
	case StateSucceeded:
		return TaskSucceeded
	case StateFailed:
		return TaskFailed
	case StateTimeout:
		return TaskTimedOut
	case StateCancelled:
		return TaskCancelled
	}
	return TaskDropped
}

// RerunTasks says which tasks of an execution of a job to repeat.
type RerunTasks string

// The choices.
const (
	RerunFailed       RerunTasks = "failed"       // those that have failed, timed out ones included
	RerunUnsuccessful RerunTasks = "unsuccessful" // those, and those that were cancelled
)

// Includes reports whether a task in a state is chosen.
func (c RerunTasks) Includes(s TaskState) bool {
	return s == TaskFailed || s == TaskTimedOut || c == RerunUnsuccessful && s == TaskCancelled
}

// RerunJobRequest is a request to repeat tasks of an execution of a job, as a new execution.
type RerunJobRequest struct {
	Tenant         Tenant
	Caller         Caller
	Job            string // name
	Execution      string // name or id
	Tasks          RerunTasks
	IdempotencyKey string // see [SubmitRequest]
	// Reserve takes the memory for args of a size, in bytes, before more are read. Nil: there is
	// enough.
	Reserve func(bytes int64) error
}
