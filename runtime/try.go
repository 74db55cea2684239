package runtime

// TryRequest is a request to run code once, without storing it.
type TryRequest struct {
	// Function is what a function with the code would be. Its Bundle and Source are those of the Upload,
	// if there is one; its retries and its idempotency key are not used.
	Function FunctionSpec
	Upload   *BundleUpload // nil: the source is all there is
	Args     []byte        // JSON object; empty means {}
}

// Validate checks all of the request that can be checked without running the code.
func (r *TryRequest) Validate() error {
	if err := r.Function.Validate(); err != nil {
		return err
	}
	return ValidateObject("args", r.Args, MaxArgs)
}

// Trial is the outcome of a [TryRequest] whose code could be deployed.
type Trial struct {
	Outcome       // of the run; its Logs begin with those of the deployment
	State   State // in which an execution with the Outcome would be
	Deploy  Usage // of the deployment
}
