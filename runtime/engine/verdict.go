package engine

import (
	"errors"
	"math/rand/v2"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

const (
	// maxLost is how many attempts may be lost with a process. Whoever loses as
	// many is taken for what ends it.
	maxLost = 3
	// maxFaults is how many attempts the platform may fail otherwise.
	maxFaults = 10
	// firstDelay and longestDelay are the bounds of the time before another
	// attempt of a run. It doubles with each.
	firstDelay   = time.Second
	longestDelay = time.Minute
	// jitter is by which part of itself a delay is longer at most, so that those
	// that failed together do not come again together.
	jitter = 4
)

// delay is the time before the attempt of a run that follows n failures.
func delay(n int) time.Duration { return spread(doubled(n, longestDelay)) }

// doubled is firstDelay after one failure and twice as much after each further
// one, up to longest, which is less than firstDelay<<9.
func doubled(failures int, longest time.Duration) time.Duration {
	if failures >= 10 {
		return longest
	}
	return min(firstDelay<<(failures-1), longest)
}

// spread makes a delay longer by chance, see jitter.
func spread(d time.Duration) time.Duration { return d + rand.N(d/jitter) }

// ended tells what becomes of an attempt that the function carried to its end.
func (a *attempt) ended(o runtime.Outcome) runtime.Execution {
	d := a.dispatcher
	x := a.execution()
	x.Finish(o, d.engine.now().UTC())
	switch {
	case x.Failure == nil || x.Failure.Class == runtime.ClassCancelled:
		return x
	case x.Failure.Class == runtime.ClassInternal:
		return a.faulted(errors.New(x.Failure.Message))
	case x.FunctionFailures < x.Retries:
		x = a.handedBack()
		x.FunctionFailures++
		x.NotBefore = d.engine.now().Add(delay(x.FunctionFailures)).UTC()
		return x
	}
	return x
}

// faulted tells what becomes of an attempt that the platform failed: it is tried
// again.
func (a *attempt) faulted(cause error) runtime.Execution {
	e := a.dispatcher.engine
	a.ticket.faults++
	e.log.Warn("engine: a run in the background failed for no fault of its own",
		"execution", a.ticket.id, "function", a.ticket.functionID, "failures", a.ticket.faults, "error", cause)
	if a.ticket.faults < maxFaults {
		x := a.handedBack()
		x.NotBefore = e.now().Add(delay(int(a.ticket.faults))).UTC()
		return x
	}
	return a.failed(runtime.ClassInternal, "something went wrong inside the server each time that it was tried")
}

// unstarted tells what becomes of an attempt whose version cannot be run.
func (a *attempt) unstarted(err error) runtime.Execution {
	if runtime.CodeOf(err) == runtime.CodeNotFound {
		return a.failed(runtime.ClassRejected, "its function was deleted before it could start")
	}
	if known, ok := runtime.AsError(err); ok && a.version != nil { // it is too large for this server
		return a.failed(runtime.ClassRejected, known.Message)
	}
	return a.faulted(err)
}

func (a *attempt) failed(class runtime.Class, message string) runtime.Execution {
	x := a.execution()
	x.State = runtime.StateFailed
	x.Finished = a.dispatcher.engine.now().UTC()
	x.Failure = &runtime.Failure{Class: class, Message: message}
	return x
}

// stopped tells what becomes of an attempt whose context has ended, and keeps
// what the run wrote if it was cancelled.
func (a *attempt) stopped(o runtime.Outcome) runtime.Execution {
	d := a.dispatcher
	d.mu.Lock()
	cancelled := a.cancelled
	d.mu.Unlock()
	if !cancelled {
		return a.handedBack()
	}
	x := a.execution()
	x.Outcome = o
	x = x.Cancelled(d.engine.now().UTC())
	x.CancelRequested = true
	return x
}

// handedBack is the execution queued again, without a charge.
func (a *attempt) handedBack() runtime.Execution { return a.ticket.execution() }
