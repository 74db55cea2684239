package runtime

// Deployment is the response to a change of a function: the function after the change (before it,
// if it was deleted) and the id of the execution that is the change.
type Deployment struct {
	Function    Function
	ExecutionID string
	Logs        Logs // output of the module body
	// Replayed reports that an earlier request with the same idempotency key made the change.
	// ExecutionID is that of the earlier request, and all other fields are empty.
	Replayed bool
}
