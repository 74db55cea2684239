package sandbox

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/faaspot/faaspot/pyguest"
	"github.com/faaspot/faaspot/runtime"
)

// maxFailure is the largest number of bytes of a failure's JSON that the host reads from the guest.
// The guest's own bounds on messages and tracebacks stay well below.
const maxFailure = 256 * runtime.KiB

// outcome returns how a call ended: from the guest's answer if it returned, otherwise from what the
// host recorded. The text of err must not reach a tenant, because wazero includes stack traces of
// the server in it.
func (s *slot) outcome(status int32, err error) runtime.Outcome {
	c := &s.call
	switch {
	case err == nil && status == 0 && c.failure != nil:
		f := readFailure(c.failure, c.limits)
		// CPython does not raise MemoryError where it cannot grow its stack of frames
		// (_PyThreadState_PushFrame).
		if f.Type == "SystemError" && s.memory.denied() {
			f.Class, f.Message = runtime.ClassMemory, outOfMemory(c.limits)
		}
		return runtime.Outcome{Failure: f}
	case err == nil && status == 0 && c.result != nil:
		if f := checkResultSize(c.op, len(c.result)); f != nil {
			return runtime.Outcome{Failure: f}
		}
		return runtime.Outcome{Result: c.result} // not known to be JSON: the engine checks that
	case c.endClass != "":
		return runtime.Outcome{Failure: endFailure(c)}
	}
	return runtime.Outcome{Failure: s.crash(err)}
}

// checkResultSize returns a failure if a result of n bytes is too large.
func checkResultSize(op operation, n int) *runtime.Failure {
	switch {
	case op == opCompile && n > maxCode:
		return &runtime.Failure{Class: runtime.ClassResultTooLarge, Message: fmt.Sprintf("the code compiles to more than the %s bytes that are allowed", runtime.SizeText(maxCode))}
	case op != opCompile && n > runtime.MaxResult:
		return &runtime.Failure{
			Class:   runtime.ClassResultTooLarge,
			Message: fmt.Sprintf("the result has more than the %s bytes of JSON that are allowed", runtime.SizeText(runtime.MaxResult)),
		}
	}
	return nil
}

// guestClasses holds the classes that the guest may report. Only the host reports the others.
var guestClasses = map[runtime.Class]bool{
	runtime.ClassError: true, runtime.ClassMemory: true, runtime.ClassExited: true,
	runtime.ClassResultInvalid: true, runtime.ClassResultTooLarge: true,
}

// outOfMemory returns the message of a run that needed more memory than its limit.
func outOfMemory(limits runtime.Limits) string {
	return fmt.Sprintf("the function ran out of memory: its limit is %d MB", limits.Memory/runtime.MiB)
}

func readFailure(p []byte, limits runtime.Limits) *runtime.Failure {
	var f pyguest.Failure
	class := runtime.ClassCrashed
	if err := json.Unmarshal(p, &f); err != nil {
		f = pyguest.Failure{Message: "the interpreter reported a failure that cannot be read"}
	} else if guestClasses[runtime.Class(f.Class)] {
		class = runtime.Class(f.Class)
	}
	switch class {
	case runtime.ClassMemory:
		f.Message = strings.TrimSuffix(outOfMemory(limits)+": "+f.Message, ": ")
	case runtime.ClassExited:
		f.Message = strings.TrimSuffix(fmt.Sprintf("the function exited with code %d: %s", f.ExitCode, f.Message), ": ")
	}
	return &runtime.Failure{
		Class: class, Type: f.Type, Message: f.Message, Advises: f.Advises, Traceback: f.Traceback, Line: f.Line, ExitCode: f.ExitCode,
	}
}

func endFailure(c *call) *runtime.Failure {
	f := &runtime.Failure{Class: c.endClass}
	switch c.endClass {
	case runtime.ClassTimeout:
		f.Message = fmt.Sprintf("the function did not end within its time limit of %g seconds", c.limits.Timeout.Seconds())
	case runtime.ClassCancelled:
		f.Message = "the run was cancelled"
	case runtime.ClassStack:
		f.Message = "the function recursed deeper than the memory of the server allows now: its stack has no room in the memory budget"
	case runtime.ClassMemory:
		f.Message = outOfMemory(c.limits) + ", and its result does not fit beside what it holds"
	case runtime.ClassExited:
		f.ExitCode = c.exitCode
		f.Message = fmt.Sprintf("the function exited with code %d", c.exitCode)
	}
	return f
}

// Traps are distinguished by their texts, which are part of the WebAssembly test suite and stable;
// wazero exports no values for them.
const (
	trapStackOverflow = "stack overflow"
	trapOutOfBounds   = "out of bounds memory access"
)

// crash classifies a call that ended in a trap, or returned without an answer.
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
		return &runtime.Failure{Class: runtime.ClassMemory, Message: outOfMemory(s.call.limits)}
	}
	s.guest.log.Debug("a run crashed the interpreter", "trap", text)
	return &runtime.Failure{
		Class:   runtime.ClassCrashed,
		Message: "the interpreter crashed: the function called os.abort, or used what CPython does not guard",
	}
}

// stackMargin is the distance in bytes from its end at which the C stack counts as exhausted. It is
// larger than the guest's largest frame.
const stackMargin = 64 * runtime.KiB

// stackExhausted reports whether the C stack, which grows down to address 0, has reached its end or
// has wrapped around beyond it.
func (s *slot) stackExhausted() bool {
	sp := s.stack.Get()
	return sp < stackMargin || sp > s.guest.base.stack
}
