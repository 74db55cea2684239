package runtime

import (
	"fmt"
	"time"

	"github.com/faaspot/faaspot/runtime/strictjson"
)

// end carries an execution to its terminal state. It is the one place that
// does. The sandbox is not trusted with the promise that a result is JSON
// within bounds.
func (x *Execution) end(o Outcome, now time.Time) {
	if o.Failure == nil {
		o.Failure = checkResult(o.Result)
	}
	x.Outcome = o
	x.Finished = now
	if o.Failure == nil {
		x.State = StateSucceeded
		return
	}
	x.Result = nil
	if o.Failure.Class == "" {
		failure := *o.Failure
		failure.Class = ClassInternal
		x.Failure = &failure
	}
	x.State = x.Failure.Class.State()
}

// checkResult tells what is wrong with a result, if anything.
func checkResult(result []byte) *Failure {
	if len(result) > MaxResult {
		return &Failure{
			Class:   ClassResultTooLarge,
			Message: fmt.Sprintf("the result has %d bytes as JSON, %d are allowed", len(result), MaxResult),
		}
	}
	if err := strictjson.Check(result, strictjson.Options{}); err != nil {
		return &Failure{Class: ClassResultInvalid, Message: "the result is not JSON: " + err.Error()}
	}
	return nil
}

// deployError tells why a function did not deploy.
func deployError(f *Failure, limits Limits) error {
	err := &Error{Code: CodeDeployFailed, Op: "engine.deploy", Message: f.Message, Traceback: f.Traceback, Line: f.Line}
	switch f.Class {
	case ClassError:
		if f.Type != "" {
			err.Message = f.Type + ": " + f.Message
		}
		err.Hint = "correct the code and deploy it again"
	case ClassTimeout:
		err.Message = fmt.Sprintf("the code outside of functions did not finish within the timeout of %g seconds", limits.Timeout.Seconds())
		err.Hint = "move slow work into main, or give the function a longer timeout"
	case ClassMemory:
		err.Message = fmt.Sprintf("the code outside of functions needed more than the memory of %d MB", limits.Memory/MiB)
		err.Hint = "load large data in main, or give the function more memory"
	case ClassStack:
		err.Message = "the code is nested or recurses too deeply"
		err.Hint = "make recursion a loop, and split very long expressions"
	case ClassExited:
		err.Message = fmt.Sprintf("the code ended the interpreter with exit code %d while it was loaded", f.ExitCode)
		err.Hint = `call sys.exit and the like in no function that runs at import, and keep scripts under if __name__ == "__main__"`
	case ClassCrashed:
		err.Message = "the interpreter crashed while the code was loaded"
		err.Hint = "look for what works below Python: crafted bytecode, ctypes, os.abort"
	case ClassCancelled:
		return gaveUp(nil)
	case ClassInternal, "":
		return Internal("engine.deploy", fmt.Errorf("the sandbox failed: %s", f.Message))
	}
	if err.Message == "" {
		err.Message = "the code does not deploy: " + string(f.Class)
	}
	return err
}
