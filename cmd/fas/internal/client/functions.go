package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/faaspot/faaspot/httpapi/wire"
)

// Headers of an answer to a run.
const (
	headerExecution = "X-Execution-Id"
	headerDuration  = "X-Duration-Ms"
)

// Answer is the answer to a run.
type Answer struct {
	Result      json.RawMessage
	ExecutionID string
	Duration    time.Duration // of the function, as the server measured it
}

// CreateRequest is a request for a new function. The server's defaults replace empty fields.
// [Client.Create] sets the encoding.
type CreateRequest = wire.CreateFunctionRequest

// UpdateRequest is a request for changes to a function. Nil and zero fields stay as they are.
// [Client.Update] sets the encoding.
type UpdateRequest = wire.UpdateFunctionRequest

// pageSize is how many functions one request lists.
const pageSize = 1000

// Functions lists all functions by name.
func (c *Client) Functions(ctx context.Context) ([]Listed, error) {
	all := []Listed{}
	for {
		query := url.Values{"limit": {strconv.Itoa(pageSize)}}
		if len(all) > 0 {
			query.Set("after", all[len(all)-1].Name)
		}
		var page []wire.Function[Moment]
		if err := c.get(ctx, "/v1/functions/?"+query.Encode(), &page); err != nil {
			return nil, err
		}
		for i := range page {
			all = append(all, newListed(&page[i]))
		}
		if len(page) < pageSize {
			return all, nil
		}
	}
}

// Function returns one function with its code.
func (c *Client) Function(ctx context.Context, name string) (Function, error) {
	var w wire.FunctionDetail[Moment]
	if err := c.get(ctx, functionPath(name)+"?encoding="+wire.EncodingPlain, &w); err != nil {
		return Function{}, err
	}
	f, err := newFunction(&w)
	if err != nil {
		return Function{}, c.unexpected(err)
	}
	return f, nil
}

// Create deploys a new function. It returns when the function can be run.
func (c *Client) Create(ctx context.Context, r CreateRequest) (executionID string, err error) {
	r.Encoding = wire.EncodingPlain
	return c.send(ctx, http.MethodPut, "/v1/functions/", r)
}

// Put deploys a function: it creates the function, or changes the one of that name, of which empty
// fields stay as they are. It returns when new runs use the change.
func (c *Client) Put(ctx context.Context, r CreateRequest) (executionID string, err error) {
	r.Encoding = wire.EncodingPlain
	return c.send(ctx, http.MethodPut, functionPath(r.Name), r)
}

// Update changes a function. It returns when new runs use the change.
func (c *Client) Update(ctx context.Context, name string, r UpdateRequest) (executionID string, err error) {
	r.Encoding = wire.EncodingPlain
	return c.send(ctx, http.MethodPatch, functionPath(name), r)
}

// PatchContext sets values of a function's context, and removes those that are null. The others stay.
// It returns when new runs use the change.
func (c *Client) PatchContext(ctx context.Context, name string, values map[string]json.RawMessage) (executionID string, err error) {
	return c.send(ctx, http.MethodPatch, functionPath(name)+"/context", values)
}

// Delete removes a function.
func (c *Client) Delete(ctx context.Context, name string) (executionID string, err error) {
	return c.send(ctx, http.MethodDelete, functionPath(name), nil)
}

// SetPaused pauses a function or resumes it, and returns it.
func (c *Client) SetPaused(ctx context.Context, name string, paused bool) (Listed, error) {
	path := functionPath(name) + "/resume"
	if paused {
		path = functionPath(name) + "/pause"
	}
	var w wire.Function[Moment]
	err := c.change(ctx, http.MethodPost, path, nil, &w)
	return newListed(&w), err
}

// Run runs a function with a JSON object of args and waits for the end of the run.
func (c *Client) Run(ctx context.Context, name string, args []byte) (Answer, error) {
	a, err := c.do(ctx, request{
		method: http.MethodPost,
		path:   "/v1/sync/functions/" + url.PathEscape(name) + "/rpc/",
		body:   args,
	})
	if err != nil {
		return Answer{}, err
	}
	return Answer{
		Result:      a.body,
		ExecutionID: a.header.Get(headerExecution),
		Duration:    duration(a.header),
	}, nil
}

func functionPath(name string) string { return "/v1/functions/" + url.PathEscape(name) }

// duration returns the duration of the run in the header of an answer, 0 if there is none.
func duration(h http.Header) time.Duration {
	ms, err := strconv.ParseFloat(h.Get(headerDuration), 64)
	if err != nil || ms < 0 {
		return 0
	}
	return time.Duration(ms * float64(time.Millisecond))
}
