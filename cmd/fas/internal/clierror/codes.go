package clierror

import "github.com/faaspot/faaspot/runtime"

const (
	// codeStoppedWaiting is a wait that --wait-timeout has ended. What was
	// waited for goes on.
	CodeStoppedWaiting runtime.Code = "stopped_waiting"
	// codeInterrupted is a wait that Ctrl-C has ended.
	CodeInterrupted runtime.Code = "interrupted"

	// codeUnsuccessful is a bulk of which some did not succeed.
	CodeUnsuccessful runtime.Code = "unsuccessful"
)
