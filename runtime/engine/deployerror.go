package engine

import (
	"fmt"

	"github.com/faaspot/faaspot/runtime"
)

// deployError tells why a function did not deploy.
func deployError(f *runtime.Failure, limits runtime.Limits) error {
	err := &runtime.Error{Code: runtime.CodeDeployFailed, Op: "engine.deploy", Message: f.Message, Traceback: f.Traceback, Line: f.Line}
	switch f.Class {
	case runtime.ClassError:
		if f.Type != "" {
			err.Message = f.Type + ": " + f.Message
		}
		err.Hint = "correct the code and deploy it again"
	case runtime.ClassTimeout:
		err.Message = fmt.Sprintf("the code outside of functions did not finish within the timeout of %g seconds", limits.Timeout.Seconds())
		err.Hint = "move slow work into main, or give the function a longer timeout"
	case runtime.ClassMemory:
		err.Message = fmt.Sprintf("the code outside of functions needed more than the memory of %d MB", limits.Memory/runtime.MiB)
		err.Hint = "load large data in main, or give the function more memory"
	case runtime.ClassStack:
		err.Message = "the code is nested or recurses too deeply"
		err.Hint = "make recursion a loop, and split very long expressions"
	case runtime.ClassExited:
		err.Message = fmt.Sprintf("the code ended the interpreter with exit code %d while it was loaded", f.ExitCode)
		err.Hint = `call sys.exit and the like in no function that runs at import, and keep scripts under if __name__ == "__main__"`
	case runtime.ClassCrashed:
		err.Message = "the interpreter crashed while the code was loaded"
		err.Hint = "look for what works below Python: crafted bytecode, ctypes, os.abort"
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
