package runtime

// StorageBreakdown says what takes room in a store.
type StorageBreakdown struct {
	Tables    int64 // bytes of the store's files, compressed, with indexes and what is not removed yet
	Tenants   []TenantStorage
	Functions []FunctionStorage
}

// TenantStorage is what a tenant has stored, in bytes, before compression.
type TenantStorage struct {
	Tenant     Tenant
	Code       int64 // sources and contexts of versions that are kept
	Bundles    int64
	Bytecode   int64 // of bundles
	Unfinished int64 // executions that are not done, jobs and callbacks
	Executions int64 // that are done, with their results and logs
}

// Total returns all that the tenant has stored, in bytes.
func (t TenantStorage) Total() int64 {
	return t.Code + t.Bundles + t.Bytecode + t.Unfinished + t.Executions
}

// FunctionStorage is what is kept of the executions of a function that are done.
type FunctionStorage struct {
	Tenant     Tenant
	ID         string // of the function
	Name       string // under which they ran; the last in the alphabet if there are several
	Executions int64
	Bytes      int64
}
