package dispatch

import (
	"errors"
	"fmt"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/internal/backoff"
)

const (
	// maxFaults is the number of attempts that may fail for other reasons of the platform.
	maxFaults = 10
	// maxCrashes is the number of attempts that may be lost with worker processes. After the second loss a
	// function runs in a process of its own, so the further ones are its own.
	maxCrashes = 5
	// longestDelay bounds the delay before the next attempt of a run.
	longestDelay = time.Minute
)

// retryDelay returns the delay before the attempt that follows n failures.
func retryDelay(n int) time.Duration { return backoff.Jitter(backoff.Delay(n, longestDelay)) }

// The methods below return the execution to store after an attempt: in a final state, or queued
// again.

// onReturn handles an attempt whose function has ended.
func (a *attempt) onReturn(o runtime.Outcome) runtime.Execution {
	now := a.dispatcher.o.Now()
	x := a.execution()
	x.Finish(o, now.UTC())
	switch {
	case x.Failure == nil || x.Failure.Class == runtime.ClassCancelled:
		return x
	case x.Failure.Class == runtime.ClassInternal:
		return a.onPlatformError(errors.New(x.Failure.Message))
	case x.FunctionFailures < x.Retries:
		x = a.requeued()
		x.FunctionFailures++
		x.Suspicion = runtime.Suspicion{} // the process has outlived the attempt
		x.NotBefore = a.dispatcher.o.Now().Add(retryDelay(x.FunctionFailures)).UTC()
		return x
	}
	return x
}

// busyPatience is how long a run is queued again for want of memory in the sandbox. From then on each
// time counts as a failure of the platform.
const busyPatience = time.Hour

// onPlatformError handles an attempt that failed in the platform: it is retried.
func (a *attempt) onPlatformError(cause error) runtime.Execution {
	switch {
	case errors.Is(cause, runtime.ErrPlaceLost):
		return a.onPlaceLost()
	case errors.Is(cause, runtime.ErrWorkerLost):
		return a.onWorkerLost()
	}
	o := &a.dispatcher.o
	if known, ok := runtime.AsError(cause); ok && (known.Code == runtime.CodeTooBusy || known.Code == runtime.CodeUnavailable && known.RetryAfter > 0) {
		now := a.dispatcher.clock()
		if a.busySince = a.run.busySince; a.busySince == 0 {
			a.busySince = now
		}
		if now-a.busySince < int64(busyPatience) {
			// Memory was short. Nothing has failed.
			x := a.requeued()
			x.NotBefore = o.Now().Add(max(known.RetryAfter, retryDelay(1))).UTC()
			return x
		}
	}
	a.run.faults++
	o.Log.Warn("engine: a background run failed in the platform",
		"execution", a.run.id, "function", a.run.FunctionID, "failures", a.run.faults, "error", cause)
	if a.run.faults < maxFaults {
		x := a.requeued()
		x.NotBefore = o.Now().Add(retryDelay(int(a.run.faults))).UTC()
		return x
	}
	return a.failed(runtime.ClassInternal, "something went wrong inside the server on every attempt")
}

// onWorkerLost handles an attempt whose worker process ended: it is retried, and charged to the run.
func (a *attempt) onWorkerLost() runtime.Execution {
	r, o := a.run, &a.dispatcher.o
	r.lost++
	r.crashes++
	if r.crashes >= maxCrashes {
		return a.failed(runtime.ClassCrashed, fmt.Sprintf("the process that ran it ended %d times while this ran, so it is not tried again", r.crashes))
	}
	x := a.requeued()
	x.NotBefore = o.Now().Add(retryDelay(int(r.crashes))).UTC()
	return x
}

// onPlaceLost handles an attempt whose node is lost. It is recorded, and fails the run never: nodes are restarted. From now on
// the run stays on the owner of the data, so one that ends the process in which it runs ends one other node at most.
func (a *attempt) onPlaceLost() runtime.Execution {
	r, d := a.run, a.dispatcher
	r.lost++
	d.counts.lost.Add(1)
	d.o.Log.Warn("engine: an execution was lost with the node that ran it", "execution", r.id, "function", r.FunctionID)
	x := a.requeued()
	x.NotBefore = d.o.Now().Add(retryDelay(1)).UTC()
	return x
}

// onNotStarted handles an attempt whose version cannot be run.
func (a *attempt) onNotStarted(err error) runtime.Execution {
	if runtime.CodeOf(err) == runtime.CodeNotFound {
		if a.run.Pinned {
			return a.failed(runtime.ClassRejected, "the version of its function was dropped before it could start")
		}
		return a.failed(runtime.ClassRejected, "its function was deleted before it could start")
	}
	if known, ok := runtime.AsError(err); ok && a.version != nil { // too large for this server
		return a.failed(runtime.ClassRejected, known.Message)
	}
	return a.onPlatformError(err)
}

func (a *attempt) failed(class runtime.Class, message string) runtime.Execution {
	x := a.execution()
	x.State = runtime.StateFailed
	x.Finished = a.dispatcher.o.Now().UTC()
	x.Failure = &runtime.Failure{Class: class, Message: message}
	return x
}

// onStopped handles an attempt whose context has ended: a cancelled one keeps what it wrote,
// an aborted one is queued again.
func (a *attempt) onStopped(o runtime.Outcome) runtime.Execution {
	if !a.isCancelled() {
		return a.requeued()
	}
	x := a.execution()
	x.Outcome = o
	x = x.Cancelled(a.dispatcher.o.Now().UTC())
	x.CancelRequested = true
	return x
}

// requeued returns the execution queued again, without counting a failure.
func (a *attempt) requeued() runtime.Execution { return a.run.execution() }
