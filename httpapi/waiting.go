package httpapi

import (
	"context"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/runtime"
)

const (
	// maxWait is how long a request may ask to wait for the end of an execution.
	// Many proxies give up after five minutes.
	maxWait = 280 * time.Second
	// maxWaiting bounds the requests that wait for an execution or follow its
	// logs. Each holds a connection and a goroutine.
	maxWaiting = 1000
	// waitingRetry is when one that was turned away should come again.
	waitingRetry = 5 * time.Second
)

// waitFor reads ?wait=, in seconds. Zero: do not wait.
func waitFor(query *fasthttp.Args) (time.Duration, error) {
	text := query.Peek("wait")
	if text == nil {
		return 0, nil
	}
	seconds, err := strconv.ParseFloat(string(text), 64)
	// Written so that what is not a number is refused, too.
	if err != nil || !(seconds >= 0 && seconds <= maxWait.Seconds()) {
		return 0, runtime.Errorf(runtime.CodeInvalidArgument, "wait must be a number of seconds from 0 to %g", maxWait.Seconds()).
			WithHint("ask again if the execution is not done by then")
	}
	return time.Duration(seconds * float64(time.Second)), nil
}

// wait counts the caller among those who wait, if there is room; it must call
// leave. The context ends when the server begins to shut down.
func (s *Server) wait(limit time.Duration) (ctx context.Context, leave func(), err error) {
	if s.waiting.Add(1) > maxWaiting {
		s.waiting.Add(-1)
		err := runtime.Errorf(runtime.CodeTooBusy, "%d requests wait for executions already", maxWaiting).
			WithHint("ask without wait or follow, or later")
		err.RetryAfter = waitingRetry
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(s.waits, limit)
	return ctx, func() { cancel(); s.waiting.Add(-1) }, nil
}

// await gets an execution once it is done, or after limit as it stands.
func (s *Server) await(tenant runtime.Tenant, id string, limit time.Duration) (runtime.Execution, error) {
	if limit <= 0 {
		return s.engine().GetExecution(s.runs, tenant, id)
	}
	ctx, leave, err := s.wait(limit)
	if err != nil {
		return runtime.Execution{}, err
	}
	defer leave()
	return s.engine().AwaitExecution(ctx, tenant, id)
}
