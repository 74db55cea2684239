package runtime

// Deployment is the answer to a change of a function: the function as it is
// now (as it was, if it was deleted) and the id of the execution that did it.
type Deployment struct {
	Function    Function
	ExecutionID string
	Logs        Logs // what the module body wrote
	// Replayed says that the request came before, by its idempotency key: nothing
	// was done, the execution is the one of then, and all else is empty.
	Replayed bool
}

// FunctionDetail is a function with its current version.
type FunctionDetail struct {
	Function Function
	Version  Version
}
