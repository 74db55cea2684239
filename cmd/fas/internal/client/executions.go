package client

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// lookupPage is how many executions are looked up at once. Their outputs are
// up to 32 MiB in all; what else is told of each is 1 KiB, tracebacks aside.
const lookupPage = 1000

const executionsPath = "/v1/executions/"

func executionPath(id string) string { return executionsPath + url.PathEscape(id) }

// Execution gets an execution as it stands.
func (c *Client) Execution(ctx context.Context, id string) (Execution, error) {
	return c.execution(ctx, id, 0)
}

// execution gets an execution once it is done, or after wait as it stands.
func (c *Client) execution(ctx context.Context, id string, wait time.Duration) (Execution, error) {
	path := executionPath(id)
	if wait > 0 {
		path += "?wait=" + strconv.FormatFloat(wait.Seconds(), 'g', -1, 64)
		var stop context.CancelFunc
		ctx, stop = context.WithTimeoutCause(ctx, wait+answerTime, c.silent())
		defer stop()
	}
	var w wireExecution
	if err := c.get(ctx, path, &w); err != nil {
		return Execution{}, err
	}
	if w.ID != id {
		return Execution{}, c.unexpected(fmt.Errorf("it is about %q", w.ID))
	}
	return w.execution(), nil
}

// ExecutionsByID gets executions in the order of their ids. One that is not
// there has [StatusNotFound].
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
		var list []wireExecution
		if err := c.decode(a, &list); err != nil {
			return nil, err
		}
		if len(list) != len(page) {
			return nil, c.unexpected(fmt.Errorf("%d executions for %d ids", len(list), len(page)))
		}
		for i := range list {
			if list[i].ID != page[i] {
				return nil, c.unexpected(fmt.Errorf("%q is in the place of %q", list[i].ID, page[i]))
			}
		}
		all = append(all, executions(list)...)
	}
	return all, nil
}

// Cancellation is what became of an execution that was to be cancelled.
type Cancellation struct {
	Execution
	Changed bool   `json:"changed"` // whether this request made a difference
	Message string `json:"message"` // a sentence that says what became of it
}

// Cancel cancels an execution. One that is done stays as it is.
func (c *Client) Cancel(ctx context.Context, id string) (Cancellation, error) {
	a, err := c.do(ctx, request{method: http.MethodDelete, path: executionPath(id)})
	if err != nil {
		return Cancellation{}, err
	}
	var w struct {
		wireExecution
		Changed bool   `json:"changed"`
		Message string `json:"message"`
	}
	if err := c.decode(a, &w); err != nil {
		return Cancellation{}, err
	}
	return Cancellation{Execution: w.execution(), Changed: w.Changed, Message: w.Message}, nil
}
