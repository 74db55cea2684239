package sandbox

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/faaspot/faaspot/pyguest"
	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/strictjson"
)

// maxFailure is how many bytes of a failure's JSON are taken from the guest. Its
// own bounds on messages and tracebacks stay well below.
const maxFailure = 256 * runtime.KiB

// outcome tells how a call ended: by what the guest gave if it returned, by
// what the host knows if it did not. Nothing of an error's text is for a
// tenant, as wazero puts stack traces of the server into it.
func (s *slot) outcome(status int32, err error) runtime.Outcome {
	c := &s.call
	switch {
	case err == nil && status == 0 && c.failure != nil:
		f := readFailure(c.failure)
		// CPython forgets to say MemoryError where it cannot grow its stack
		// of frames (_PyThreadState_PushFrame).
		if f.Type == "SystemError" && s.memory.denied() {
			f.Class, f.Message = runtime.ClassMemory, "the function ran out of memory"
		}
		return runtime.Outcome{Failure: f}
	case err == nil && status == 0 && c.result != nil:
		if f := checkResult(c.op, c.result); f != nil {
			return runtime.Outcome{Failure: f}
		}
		return runtime.Outcome{Result: c.result}
	case c.ended != "":
		return runtime.Outcome{Failure: endedFailure(c)}
	}
	return runtime.Outcome{Failure: s.crash(err)}
}

func checkResult(op operation, result []byte) *runtime.Failure {
	switch {
	case op == opCompile && len(result) > maxCode:
		return &runtime.Failure{Class: runtime.ClassResultTooLarge, Message: fmt.Sprintf("the code compiles to more than %d bytes", maxCode)}
	case op == opCompile:
		return nil // code is for the guest alone
	case len(result) > runtime.MaxResult:
		return &runtime.Failure{
			Class:   runtime.ClassResultTooLarge,
			Message: fmt.Sprintf("the result is larger than %d bytes of JSON", runtime.MaxResult),
		}
	}
	if err := strictjson.Check(result, strictjson.Options{}); err != nil {
		return &runtime.Failure{Class: runtime.ClassResultInvalid, Message: "the result is not valid JSON: " + err.Error()}
	}
	return nil
}

// guestClasses are the classes that the guest may claim. The others are the
// host's to tell.
var guestClasses = map[runtime.Class]bool{
	runtime.ClassError: true, runtime.ClassMemory: true, runtime.ClassExited: true,
	runtime.ClassResultInvalid: true, runtime.ClassResultTooLarge: true,
}

func readFailure(p []byte) *runtime.Failure {
	var f pyguest.Failure
	class := runtime.ClassCrashed
	if err := json.Unmarshal(p, &f); err != nil {
		f = pyguest.Failure{Message: "the interpreter reported a failure that cannot be read"}
	} else if guestClasses[runtime.Class(f.Class)] {
		class = runtime.Class(f.Class)
	}
	switch class {
	case runtime.ClassMemory:
		f.Message = strings.TrimSuffix("the function ran out of memory: "+f.Message, ": ")
	case runtime.ClassExited:
		f.Message = strings.TrimSuffix(fmt.Sprintf("the function exited with code %d: %s", f.ExitCode, f.Message), ": ")
	}
	return &runtime.Failure{
		Class: class, Type: f.Type, Message: f.Message, Traceback: f.Traceback, Line: f.Line, ExitCode: f.ExitCode,
	}
}

func endedFailure(c *call) *runtime.Failure {
	f := &runtime.Failure{Class: c.ended}
	switch c.ended {
	case runtime.ClassTimeout:
		f.Message = "the function did not end within its time limit"
	case runtime.ClassCancelled:
		f.Message = "the run was cancelled"
	case runtime.ClassExited:
		f.ExitCode = c.exitCode
		f.Message = fmt.Sprintf("the function exited with code %d", c.exitCode)
	}
	return f
}

// Traps are told apart by their texts, which are part of the WebAssembly test
// suite and stable; wazero exports no values for them.
const (
	trapStackOverflow = "stack overflow"
	trapOutOfBounds   = "out of bounds memory access"
)

// crash classes a call that ended in a trap, or returned without an answer.
func (s *slot) crash(err error) *runtime.Failure {
	text := ""
	if err != nil {
		text, _, _ = strings.Cut(err.Error(), "\n")
	}
	switch {
	case strings.Contains(text, trapStackOverflow),
		strings.Contains(text, trapOutOfBounds) && s.stackExhausted():
		return &runtime.Failure{
			Class:   runtime.ClassStack,
			Message: "the function recursed deeper than its stack allows",
		}
	case s.memory.denied():
		return &runtime.Failure{Class: runtime.ClassMemory, Message: "the function ran out of memory"}
	}
	s.guest.log.Debug("a run crashed the interpreter", "trap", text)
	return &runtime.Failure{
		Class:   runtime.ClassCrashed,
		Message: "the interpreter crashed: the function called os.abort, or used what CPython does not guard",
	}
}

// stackMargin is how close to its end the C stack counts as used up: the
// largest frame of the guest is smaller.
const stackMargin = 64 * runtime.KiB

// stackExhausted says whether the C stack, which grows down to address 0, is at
// its end or, wrapped around, beyond it.
func (s *slot) stackExhausted() bool {
	sp := s.stack.Get()
	return sp < stackMargin || sp > s.guest.base.stack
}
