package wire

// Storage is what takes room in the store of a server. Sizes are in bytes.
type Storage struct {
	Tables    int64             `json:"tables"` // of the files of the store, compressed
	Tenants   []TenantStorage   `json:"tenants"`
	Functions []FunctionStorage `json:"functions"`
}

// TenantStorage is what a tenant has stored, in bytes before compression.
type TenantStorage struct {
	Tenant     string `json:"tenant"`
	Bytes      int64  `json:"bytes"` // the sum of the others
	Code       int64  `json:"code"`  // sources and contexts of versions that are kept
	Bundles    int64  `json:"bundles"`
	Bytecode   int64  `json:"bytecode"`   // of bundles
	Unfinished int64  `json:"unfinished"` // executions that are not done, jobs and callbacks
	Executions int64  `json:"executions"` // that are done
}

// FunctionStorage is what is kept of the executions of a function that are done.
type FunctionStorage struct {
	Tenant     string `json:"tenant"`
	Function   string `json:"function"` // its name when they ran
	RID        string `json:"rid"`
	Executions int64  `json:"executions"`
	Bytes      int64  `json:"bytes"`
}
