package engine

import "time"

// Bounds of the followers of executions.
const (
	MaxFeeds       = maxFeeds
	MaxTenantFeeds = maxTenantFeeds
	MaxChanged     = maxChanged
)

// OperationFailures is the number of steps inside the server after which an operation has failed, and
// OperationResumes the number of processes that continue it without a step.
const (
	OperationFailures = operationFailures
	OperationResumes  = operationResumes
)

// RetryOperationsAtOnce makes operations try again at once after a step that has failed.
func (e *Engine) RetryOperationsAtOnce() {
	e.operations.delay = func(int) time.Duration { return time.Millisecond }
}
