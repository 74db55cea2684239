package runtime

import "time"

// OperationKind is what an operation does with each execution that it selects.
type OperationKind string

// The kinds.
const (
	OperationRerun  OperationKind = "rerun"  // repeats the run, as [RerunRequest] does
	OperationCancel OperationKind = "cancel" // cancels the execution
)

// OperationState is the state of an operation.
type OperationState string

// The states. A running operation continues after a restart of the server.
const (
	OperationRunning   OperationState = "running"
	OperationDone      OperationState = "done"
	OperationCancelled OperationState = "cancelled"
	OperationFailed    OperationState = "failed" // Error says why
)

// Bounds of operations of a tenant.
const (
	// MaxRunningOperations is the number of operations of a tenant that run at once.
	MaxRunningOperations = 4
	// MaxOperations is the number of operations of a tenant that are stored. A new one replaces the
	// oldest that does not run.
	MaxOperations = 32
)

// Operation repeats or cancels all executions that a filter selects, in the background, newest first.
type Operation struct {
	ID       string // UUIDv7
	Tenant   Tenant
	Kind     OperationKind
	Filter   ExecutionFilter // selects the executions, of those that were accepted before the operation
	Caller   Caller          // of the executions that it starts, which have one trace
	State    OperationState
	Created  time.Time
	Finished time.Time // zero while it runs
	Cursor   string    // id of the last execution that it has dealt with; before the first its own
	Resumed  int       // processes that have continued it since its last step
	OperationProgress
}

// OperationProgress counts the executions that an operation has dealt with. If its process is killed, the
// counts may lack the executions of one page, which were cancelled and are not found again.
type OperationProgress struct {
	Matched int    // executions that the filter has selected so far
	Done    int    // executions that were repeated or cancelled
	Failed  int    // executions for which that was refused
	Skipped int    // executions that need nothing, or whose args were not kept
	Error   string // why the last of Failed was refused, or the operation failed; at most [MaxOperationError] bytes
}

// MaxOperationError is the size of the largest error of an operation, in bytes.
const MaxOperationError = 512

// OperationRequest is a request to start an operation.
type OperationRequest struct {
	Tenant Tenant
	Kind   OperationKind
	// Filter selects executions; without States those that have failed, or for a cancellation those
	// that are not done.
	Filter ExecutionFilter
	Caller Caller
}

// Normal returns the request with the defaults of its filter, or an error if it is not valid.
func (r OperationRequest) Normal() (OperationRequest, error) {
	switch r.Kind {
	case OperationRerun:
		if len(r.Filter.States) == 0 {
			r.Filter.States = []State{StateFailed, StateTimeout}
		}
	case OperationCancel:
		if len(r.Filter.States) == 0 {
			r.Filter.States = []State{StateQueued, StateRunning}
		}
	default:
		return r, Errorf(CodeInvalidArgument, "there is no operation %.40q", string(r.Kind)).WithHint("use rerun or cancel")
	}
	for _, s := range r.Filter.States {
		if s.Terminal() != (r.Kind == OperationRerun) {
			return r, Errorf(CodeInvalidArgument, "executions that are %s cannot be selected for a %s", s, r.Kind).
				WithHint("select finished executions to repeat them, and unfinished ones to cancel them")
		}
	}
	if r.Filter.Where != nil {
		return r, r.Filter.Where.Validate()
	}
	return r, nil
}

// NoOperationError returns the error for an id that no operation has.
func NoOperationError(id string) *Error {
	return Errorf(CodeNotFound, "there is no operation %.64q", id).WithHint("list the operations to see which exist")
}

// OperationStore stores operations, with the guarantees of [FunctionStore].
type OperationStore interface {
	// CreateOperation stores a new operation, and deletes others of its tenant.
	CreateOperation(o Operation, drop []string) error
	// UpdateOperation replaces an operation. If it is not stored the error is CodeNotFound.
	UpdateOperation(o Operation) error
	// GetOperation returns the operation with an id.
	GetOperation(tenant Tenant, id string) (Operation, error)
	// ListOperations returns the operations of a tenant, newest first.
	ListOperations(tenant Tenant) ([]Operation, error)
	// EachOperation calls visit with each operation of each tenant until visit fails. visit must not
	// call the store.
	EachOperation(visit func(Operation) error) error
}
