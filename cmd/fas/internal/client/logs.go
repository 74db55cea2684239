package client

import (
	"context"
	"net/http"
	"net/url"
)

// Stream is one of the two streams that a run writes.
type Stream string

// The streams.
const (
	Stdout Stream = "stdout"
	Stderr Stream = "stderr"
)

// Logs is what the latest attempt of an execution has written. Its JSON form is
// also what the command line prints.
type Logs struct {
	ID        string     `json:"uuid"`
	Status    Status     `json:"status"`
	Attempt   int        `json:"attempt"`
	Truncated bool       `json:"truncated"` // there was more than is kept
	Entries   []LogEntry `json:"entries"`   // in the order in which they were written
}

// LogEntry is a stretch of one stream, with U+FFFD for what is not UTF-8.
type LogEntry struct {
	Stream Stream `json:"stream"`
	Text   string `json:"text"`
}

// Logs gets what an execution has written so far; only one stream, if it is
// not empty.
func (c *Client) Logs(ctx context.Context, id string, only Stream) (Logs, error) {
	logs := Logs{Entries: []LogEntry{}}
	err := c.get(ctx, logsPath(id, url.Values{}, only), &logs)
	return logs, err
}

// RawLogs gets the bytes that an execution has written so far to one stream, as
// they were written.
func (c *Client) RawLogs(ctx context.Context, id string, only Stream) ([]byte, error) {
	a, err := c.do(ctx, request{
		method: http.MethodGet, path: logsPath(id, url.Values{"format": {"raw"}}, only), accept: mediaText,
	})
	return a.body, err
}

func logsPath(id string, query url.Values, only Stream) string {
	if only != "" {
		query.Set("stream", string(only))
	}
	path := executionPath(id) + "/logs"
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return path
}
