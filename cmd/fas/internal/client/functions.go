package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Headers of an answer that tell of an execution.
const (
	headerExecution = "X-Execution-Id"
	headerDuration  = "X-Duration-Ms"
)

// plain as the encoding of a request says that code and context are as they
// stand, not percent-encoded.
const plain = "plain"

// Answer is the answer to a run.
type Answer struct {
	Result      json.RawMessage
	ExecutionID string
	Duration    time.Duration // of the function, as the server measured it
}

// CreateRequest asks for a function to be created. Empty fields are left to the
// server's defaults.
type CreateRequest struct {
	Name    string  `json:"name"`
	Code    string  `json:"code"`
	Context *string `json:"context,omitempty"` // key = "value" lines, or a JSON object
	Timeout float64 `json:"timeout,omitempty"` // seconds
	Memory  int64   `json:"memory,omitempty"`  // MB
	Retries *int    `json:"retries,omitempty"` // further attempts after failures of the function
}

// UpdateRequest asks for changes of a function. Nil and zero fields stay as
// they are.
type UpdateRequest struct {
	Name    string  `json:"name,omitempty"` // the new name
	Code    *string `json:"code,omitempty"`
	Context *string `json:"context,omitempty"`
	Timeout float64 `json:"timeout,omitempty"` // seconds
	Memory  int64   `json:"memory,omitempty"`  // MB
	Retries *int    `json:"retries,omitempty"` // further attempts after failures of the function
}

// pageSize is how many functions are asked for at once.
const pageSize = 1000

// Functions lists all functions by name.
func (c *Client) Functions(ctx context.Context) ([]Listed, error) {
	all := []Listed{}
	for {
		query := url.Values{"limit": {strconv.Itoa(pageSize)}}
		if len(all) > 0 {
			query.Set("after", all[len(all)-1].Name)
		}
		var page []wireFunction
		if err := c.get(ctx, "/v1/functions/?"+query.Encode(), &page); err != nil {
			return nil, err
		}
		for _, w := range page {
			all = append(all, w.listed())
		}
		if len(page) < pageSize {
			return all, nil
		}
	}
}

// Function gets one function with its code.
func (c *Client) Function(ctx context.Context, name string) (Function, error) {
	var w wireFunction
	if err := c.get(ctx, functionPath(name)+"?encoding="+plain, &w); err != nil {
		return Function{}, err
	}
	f, err := w.function()
	if err != nil {
		return Function{}, c.unexpected(err)
	}
	return f, nil
}

// Create deploys a new function. It returns when the function can be run.
func (c *Client) Create(ctx context.Context, r CreateRequest) (executionID string, err error) {
	return c.send(ctx, http.MethodPut, "/v1/functions/", struct {
		CreateRequest
		Encoding string `json:"encoding"`
	}{r, plain})
}

// Update changes a function. It returns when the change is in force.
func (c *Client) Update(ctx context.Context, name string, r UpdateRequest) (executionID string, err error) {
	return c.send(ctx, http.MethodPatch, functionPath(name), struct {
		UpdateRequest
		Encoding string `json:"encoding"`
	}{r, plain})
}

// Delete removes a function.
func (c *Client) Delete(ctx context.Context, name string) (executionID string, err error) {
	return c.send(ctx, http.MethodDelete, functionPath(name), nil)
}

// Run runs a function with a JSON object of args and waits for its end.
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

// duration reads the header in which the server says how long something took.
func duration(h http.Header) time.Duration {
	ms, err := strconv.ParseFloat(h.Get(headerDuration), 64)
	if err != nil || ms < 0 {
		return 0
	}
	return time.Duration(ms * float64(time.Millisecond))
}
