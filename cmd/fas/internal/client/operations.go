package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/faaspot/faaspot/httpapi/wire"
)

const operationsPath = "/v1/operations"

// Operation repeats or cancels all executions that a filter selects. Its JSON form is also the --json
// output of the command line: names and meanings of its fields stay.
type Operation = wire.Operation[Moment]

// The states of operations.
const (
	OperationRunning   = "running"
	OperationDone      = "done"
	OperationCancelled = "cancelled"
	OperationFailed    = "failed"
)

// OperationRequest is a request for a new operation.
type OperationRequest = wire.OperationRequest

func operationPath(id string) string { return operationsPath + "/" + url.PathEscape(id) }

// StartOperation starts an operation. When it returns, the operation is on the server's disk.
func (c *Client) StartOperation(ctx context.Context, r OperationRequest) (o Operation, err error) {
	body, err := encode(r)
	if err != nil {
		return o, err
	}
	a, err := c.do(ctx, request{method: http.MethodPost, path: operationsPath, body: body})
	if err != nil {
		return o, err
	}
	err = c.decode(a, &o)
	return o, err
}

// Operations returns the operations that the server has stored, newest first.
func (c *Client) Operations(ctx context.Context) (all []Operation, err error) {
	err = c.get(ctx, operationsPath, &all)
	return all, err
}

// Operation returns an operation with its progress.
func (c *Client) Operation(ctx context.Context, id string) (o Operation, err error) {
	err = c.get(ctx, operationPath(id), &o)
	return o, err
}

// CancelOperation ends an operation. What it has done stays.
func (c *Client) CancelOperation(ctx context.Context, id string) (o Operation, err error) {
	a, err := c.do(ctx, request{method: http.MethodDelete, path: operationPath(id)})
	if err == nil {
		err = c.decode(a, &o)
	}
	return o, err
}
