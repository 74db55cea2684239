package runtime

// Store is everything that the Engine needs of a store.
type Store interface {
	FunctionStore
	ExecutionStore
	JobStore
	DeliveryStore
	BundleStore
	OperationStore
}

// FunctionStore stores functions. Each write is one durable batch, which includes its [Change]:
// after nil the change survives the loss of power, after an error nothing has changed. Its
// methods may be called concurrently; the Engine serialises the writes to one function. For a
// missing function the error is CodeNotFound, for a taken name CodeAlreadyExists. The caller owns
// the slices that are returned.
type FunctionStore interface {
	// CheckRoom returns the error of CreateFunction for a tenant that may not have another function with
	// code bytes of source and context, according to its limits.
	CheckRoom(tenant Tenant, code int64) error
	// CreateFunction stores f and its first version, whose bundle must be held.
	CreateFunction(f Function, v Version, c Change) error
	// UpdateFunction replaces the function with f.ID by f, whose name may be new. If v is not nil
	// it adds v as the newest version and drops the oldest beyond [KeptVersions]. The bundle of v is
	// held, or that of another version.
	UpdateFunction(f Function, v *Version, c Change) error
	// DeleteFunction deletes the function and all its versions.
	DeleteFunction(tenant Tenant, id string, c Change) error
	// GetFunction returns the function with an id.
	GetFunction(tenant Tenant, id string) (Function, error)
	// GetFunctionByName returns the function that has the name now.
	GetFunctionByName(tenant Tenant, name string) (Function, error)
	// ListFunctions returns up to limit functions in the order of their names, starting after a
	// name.
	ListFunctions(tenant Tenant, after string, limit int) ([]Function, error)
	// ListPaused returns the functions of all tenants that are paused. It leaves out records that are damaged.
	ListPaused() ([]Function, error)
	// GetVersion returns a version with its source and context.
	GetVersion(tenant Tenant, functionID string, number uint64) (Version, error)
	// DescribeVersions returns the stored versions without their sources and contexts, newest first.
	DescribeVersions(tenant Tenant, functionID string) ([]VersionSummary, error)
	// ListVersions returns the numbers of the stored versions, newest first.
	ListVersions(tenant Tenant, functionID string) ([]uint64, error)
}

// Change is stored in the same batch as a change of a function.
type Change struct {
	Execution Execution // the execution that is the change, in its terminal state
	// Key, if not nil, refers to the execution from then on. A key that already refers to an
	// execution is a CodeConflict error.
	Key *IdempotencyKey
}
