package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/faaspot/faaspot/httpapi/wire"
)

// lookupPage is how many executions one request looks up. Their outputs have up to 32 MiB in
// all, and everything else about 1 KiB for each, without tracebacks.
const lookupPage = 1000

const executionsPath = "/v1/executions/"

func executionPath(id string) string { return executionsPath + url.PathEscape(id) }

// Execution returns an execution in its current state.
func (c *Client) Execution(ctx context.Context, id string) (Execution, error) {
	return c.execution(ctx, id, 0)
}

// execution returns an execution once it is done, or after wait in its current state.
func (c *Client) execution(ctx context.Context, id string, wait time.Duration) (Execution, error) {
	path := executionPath(id)
	if wait > 0 {
		path += "?wait=" + strconv.FormatFloat(wait.Seconds(), 'g', -1, 64)
		var stop context.CancelFunc
		ctx, stop = context.WithTimeoutCause(ctx, wait+answerTime, c.silent())
		defer stop()
	}
	var w wire.Execution[Moment]
	if err := c.get(ctx, path, &w); err != nil {
		return Execution{}, err
	}
	if w.UUID != id {
		return Execution{}, c.unexpected(fmt.Errorf("it is about %q", w.UUID))
	}
	return c.toExecution(&w)
}

// toExecution is [newExecution] with the error of an unexpected answer.
func (c *Client) toExecution(w *wire.Execution[Moment]) (Execution, error) {
	x, err := newExecution(w)
	if err != nil {
		return Execution{}, c.unexpected(err)
	}
	return x, nil
}

// ExecutionsByID returns executions in the order of their ids. An id without an execution has
// [StatusNotFound].
func (c *Client) ExecutionsByID(ctx context.Context, ids []string) ([]Execution, error) {
	all := make([]Execution, 0, len(ids))
	for len(ids) > 0 {
		page := ids[:min(len(ids), lookupPage)]
		ids = ids[len(page):]
		body, err := encode(page)
		if err != nil {
			return nil, err
		}
		a, err := c.do(ctx, request{method: http.MethodPost, path: "/v1/executions/bulk/", body: body})
		if err != nil {
			return nil, err
		}
		var list []wire.Execution[Moment]
		if err := c.decode(a, &list); err != nil {
			return nil, err
		}
		if len(list) != len(page) {
			return nil, c.unexpected(fmt.Errorf("%d executions for %d ids", len(list), len(page)))
		}
		for i := range list {
			if list[i].UUID != page[i] {
				return nil, c.unexpected(fmt.Errorf("%q is in the place of %q", list[i].UUID, page[i]))
			}
		}
		executions, err := newExecutions(list)
		if err != nil {
			return nil, c.unexpected(err)
		}
		all = append(all, executions...)
	}
	return all, nil
}

// Rerun is a request to repeat the run of an execution.
type Rerun struct {
	Args    json.RawMessage `json:"args,omitempty"`    // in place of those of the execution
	Version uint64          `json:"version,omitempty"` // of the function; 0: the current one
	Retries *int            `json:"retries,omitempty"` // further attempts; nil: those of the function
	// IdempotencyKey: the server accepts requests with the same key once.
	IdempotencyKey string `json:"-"`
}

// Rerun repeats the run of an execution in the background, and returns the new execution. When it
// returns, that is on the server's disk.
func (c *Client) Rerun(ctx context.Context, id string, r Rerun) (Execution, error) {
	body, err := encode(r)
	if err != nil {
		return Execution{}, err
	}
	o := RunOptions{IdempotencyKey: r.IdempotencyKey}
	a, err := c.do(ctx, request{method: http.MethodPost, path: executionPath(id) + "/rerun", body: body, header: o.header()})
	if err != nil {
		return Execution{}, err
	}
	var w wire.Execution[Moment]
	if err := c.decode(a, &w); err != nil {
		return Execution{}, err
	}
	return c.toExecution(&w)
}

// Cancellation is the answer to a request to cancel an execution.
type Cancellation struct {
	Execution
	Changed bool   `json:"changed"` // whether this request made a difference
	Message string `json:"message"` // a sentence about the outcome
}

// Cancel cancels an execution. It has no effect on one that is done.
func (c *Client) Cancel(ctx context.Context, id string) (Cancellation, error) {
	a, err := c.do(ctx, request{method: http.MethodDelete, path: executionPath(id)})
	if err != nil {
		return Cancellation{}, err
	}
	var w wire.Cancellation[Moment]
	if err := c.decode(a, &w); err != nil {
		return Cancellation{}, err
	}
	x, err := c.toExecution(&w.Execution)
	return Cancellation{Execution: x, Changed: w.Changed, Message: w.Message}, err
}
