package client

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
)

// Headers of requests for background runs.
const (
	headerIdempotencyKey = "Idempotency-Key"
	headerRetries        = "X-Retries"
	headerTraceparent    = "Traceparent" // W3C Trace Context
)

// RunOptions are the options of a background run. The function's and the server's defaults replace
// zero values.
type RunOptions struct {
	Retries        *int   // further attempts after failures of the function; nil: those of the function
	IdempotencyKey string // the server accepts requests with the same key once
	// Patient makes SubmitBulk send its request again while the server is unreachable or busy,
	// for up to a minute. It needs an IdempotencyKey, because a lost answer may have been a
	// success.
	Patient bool
	// TraceID is the trace of the runs, 32 hexadecimal digits, by which they can be listed. Empty: one
	// of their own.
	TraceID string
}

func (o RunOptions) header() map[string]string {
	header := make(map[string]string)
	if o.Retries != nil {
		header[headerRetries] = strconv.Itoa(*o.Retries)
	}
	if o.IdempotencyKey != "" {
		header[headerIdempotencyKey] = o.IdempotencyKey
	}
	if o.TraceID != "" {
		// The parent is the request; its id only has to be a valid one.
		header[headerTraceparent] = "00-" + o.TraceID + "-" + o.TraceID[:16] + "-01"
	}
	return header
}

// Submit starts a background run of a function with a JSON object of args. When it returns, the
// execution is on the server's disk.
func (c *Client) Submit(ctx context.Context, name string, args []byte, o RunOptions) (id string, err error) {
	a, err := c.do(ctx, request{method: http.MethodPost, path: functionPath(name) + "/rpc/", body: args, header: o.header()})
	if err != nil {
		return "", err
	}
	err = c.decode(a, &id)
	return id, err
}

// SubmitBulk starts a background run of a function for each JSON object of args: the server accepts
// all of them or none. They may be up to [runtime.MaxBulk], with [runtime.MaxBulkArgs] bytes in
// all. It returns the ids in the same order.
func (c *Client) SubmitBulk(ctx context.Context, name string, args [][]byte, o RunOptions) (ids []string, err error) {
	size := len("[]")
	for _, one := range args {
		size += len(one) + len(",")
	}
	body := append(make([]byte, 0, size), '[')
	for i, one := range args {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(body, one...)
	}
	body = append(body, ']')
	var again retrier
	var a answer
	for {
		a, err = c.do(ctx, request{method: http.MethodPost, path: functionPath(name) + "/bulk_rpc/", body: body, header: o.header()})
		if err == nil {
			break
		}
		if o.Patient {
			err = again.failed(ctx, err)
		}
		if err != nil {
			return nil, err
		}
	}
	if err := c.decode(a, &ids); err != nil {
		return nil, err
	}
	if len(ids) != len(args) {
		return nil, c.unexpected(fmt.Errorf("%d ids for %d runs", len(ids), len(args)))
	}
	return ids, nil
}
