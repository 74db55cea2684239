package runtime

import "context"

// Store is all that the Engine needs of a store.
type Store interface {
	FunctionStore
	ExecutionStore
	JobStore
	DeliveryStore
}

// FunctionStore keeps functions. Each write is one durable batch, that of its [Change]
// included: when it returns nil the change survives a lost machine, when it
// returns an error nothing changed.
// Methods are safe for concurrent use; the Engine serialises writes to one
// function. Absent things are a CodeNotFound error, taken names
// CodeAlreadyExists. Returned slices belong to the caller.
type FunctionStore interface {
	// CreateFunction keeps f and its first version.
	CreateFunction(f Function, v Version, c Change) error
	// UpdateFunction replaces the function with f.ID by f (whose name may be
	// new) and adds v, if not nil, as its newest version, dropping those beyond
	// KeptVersions.
	UpdateFunction(f Function, v *Version, c Change) error
	// DeleteFunction removes the function and all its versions.
	DeleteFunction(tenant Tenant, id string, c Change) error
	// GetFunctionByName finds a function by its present name.
	GetFunctionByName(tenant Tenant, name string) (Function, error)
	// ListFunctions lists up to limit functions by name, after the given name.
	ListFunctions(tenant Tenant, after string, limit int) ([]Function, error)
	// GetVersion gets one version with its source and context.
	GetVersion(tenant Tenant, functionID string, number uint64) (Version, error)
	// ListVersions lists the kept versions' numbers, newest first.
	ListVersions(tenant Tenant, functionID string) ([]uint64, error)
}

// Change is what is kept together with a change of a function.
type Change struct {
	Execution Execution // that the change is; in its terminal state
	// Key is to stand for the execution from then on; nil: there is none. One that
	// stands for something is a CodeConflict error.
	Key *IdempotencyKey
}

// Program is what the sandbox is to know of a function version.
type Program struct {
	Tenant     Tenant
	FunctionID string
	Version    uint64
	Name       string // for file names in tracebacks
	Source     []byte
	Limits     Limits
}

// RunCall is what a run is made of.
type RunCall struct {
	Program Program
	Args    []byte // JSON object
	Context []byte // JSON object
	// Env are environment variables that the run sees beside those of all runs, as
	// a JSON object of strings without space around it; nil: none.
	Env []byte
	// Limits bound the run instead of those of the program. Zero: those do.
	Limits Limits
	// Logs, if not nil, gets all that the run writes, at the moment at which it
	// is written. The logs of the outcome are then those that it holds.
	Logs *LogBuffer
}

// Sandbox runs programs. Only plain values cross this border, so that a sandbox
// may live in another process. Safe for concurrent use.
type Sandbox interface {
	// Deploy compiles the program, runs its module body, checks its main and
	// keeps the image that runs start from. A Failure in the outcome is the
	// program's fault; an error is the platform's.
	Deploy(ctx context.Context, p Program) (Outcome, error)
	// Run calls main(args, context) of a program in a pristine interpreter. If
	// the program's image is gone it is made again. The end of ctx cancels the
	// run.
	Run(ctx context.Context, c RunCall) (Outcome, error)
	// Forget drops the image of a version that will not run again.
	Forget(functionID string, version uint64)
}
