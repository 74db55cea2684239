package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/faaspot/faaspot/httpapi/wire"
)

// Stream names one of the two streams that a run writes.
type Stream = wire.Stream

// The streams.
const (
	Stdout = wire.Stdout
	Stderr = wire.Stderr
)

// The JSON forms of logs are also the output of the command line.
type (
	// Logs is the output of the latest attempt of an execution.
	Logs = wire.Logs[Moment]
	// LogEntry is a stretch of one stream, with U+FFFD for bytes that are not UTF-8.
	LogEntry = wire.LogEntry[Moment]
)

// LogOptions are what of a log is read.
type LogOptions struct {
	Only  Stream // empty: both streams
	Times bool   // with the time of each line, if the server knows it: an entry is of one time then
}

// Logs returns what an execution has written so far.
func (c *Client) Logs(ctx context.Context, id string, o LogOptions) (Logs, error) {
	logs := Logs{Entries: []LogEntry{}}
	err := c.get(ctx, logsPath(id, url.Values{}, o), &logs)
	return logs, err
}

// RawLogs returns the bytes that an execution has written so far; of only one stream, unless only
// is empty.
func (c *Client) RawLogs(ctx context.Context, id string, only Stream) ([]byte, error) {
	a, err := c.do(ctx, request{
		method: http.MethodGet, path: logsPath(id, url.Values{"format": {"raw"}}, LogOptions{Only: only}), accept: mediaText,
	})
	return a.body, err
}

func logsPath(id string, query url.Values, o LogOptions) string {
	if o.Only != "" {
		query.Set("stream", string(o.Only))
	}
	if o.Times {
		query.Set("times", "1")
	}
	path := executionPath(id) + "/logs"
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return path
}
