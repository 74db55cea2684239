package engine

import (
	"fmt"

	"github.com/faaspot/faaspot/runtime"
)

// deployError returns the error for code that did not deploy.
func deployError(f *runtime.Failure, limits runtime.Limits) error {
	err := &runtime.Error{Code: runtime.CodeDeployFailed, Op: "engine.deploy", Message: f.Message, Traceback: f.Traceback, Line: f.Line}
	switch f.Class {
	case runtime.ClassError:
		if f.Type != "" {
			err.Message = f.Type + ": " + f.Message
		}
		if !f.Advises {
			err.Hint = "correct the code and deploy it again"
		}
	case runtime.ClassTimeout:
		err.Message = fmt.Sprintf("the code outside of functions did not finish within the timeout of %g seconds", limits.Timeout.Seconds())
		err.Hint = "move slow work into main, or give the function a longer timeout"
		if limits.Timeout > runtime.MaxBlocking {
			err.Message = fmt.Sprintf("the code outside of functions did not finish within the %.0f seconds that a deployment may take", runtime.MaxBlocking.Seconds())
			err.Hint = "move slow work into main"
		}
	case runtime.ClassMemory:
		err.Message = fmt.Sprintf("the code outside of functions needed more than the memory of %d MB", limits.Memory/runtime.MiB)
		err.Hint = "load large data in main, or give the function more memory"
	case runtime.ClassStack:
		err.Message = "the code is nested or recurses too deeply"
		err.Hint = "turn recursion into a loop, and split very long expressions"
	case runtime.ClassExited:
		err.Message = "while the code was loaded, " + f.Message
		err.Hint = `do not call sys.exit or similar functions at import, and put scripts under if __name__ == "__main__"`
	case runtime.ClassCrashed:
		err.Message = "the interpreter crashed while the code was loaded"
		err.Hint = "check for code that works below Python: crafted bytecode, ctypes, os.abort"
	case runtime.ClassCancelled:
		return runtime.AbandonedError(nil)
	case runtime.ClassInternal, "":
		return runtime.Internal("engine.deploy", fmt.Errorf("the sandbox failed: %s", f.Message))
	}
	if err.Message == "" {
		err.Message = "the code does not deploy: " + string(f.Class)
	}
	return err
}
