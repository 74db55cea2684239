package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"time"
)

// observedPage is how many executions a search asks for at once, the most that a
// server gives.
const observedPage = 100

// Observed is an execution that is done, of a function or a job, as a search
// tells it. Its JSON form is also what the --json of the command line prints:
// names and meanings of its fields stay.
type Observed struct {
	ResourceRID     string    `json:"resourceRid"`
	ResourceVersion string    `json:"resourceVersion"`
	TraceID         string    `json:"foundryTraceId"`
	TraceOwnerRID   string    `json:"traceOwningRid"`
	Status          string    `json:"status"` // SUCCEEDED or FAILED
	Start           time.Time `json:"startTime"`
	Duration        struct {
		Value int64  `json:"value"`
		Unit  string `json:"unit"` // MILLISECONDS
	} `json:"duration"`
	FailureReason string `json:"failureReason,omitempty"`
	CallerRID     string `json:"callerRid,omitempty"`
}

// Search says which executions of a resource to find. Zero fields are left to the
// server, whose window is the last 24 hours.
type Search struct {
	RID   string          // of the function or job
	Where json.RawMessage // a filter
	Start time.Time       // started at this time or later
	End   time.Time       // started before
}

// SearchExecutions gives executions, those that started last first, to page as
// [Client.ListExecutions] does. Pages may be empty.
func (c *Client) SearchExecutions(ctx context.Context, s Search, limit int, page func([]Observed) error) (more bool, err error) {
	type query struct {
		Start *time.Time      `json:"startTime,omitempty"`
		End   *time.Time      `json:"endTime,omitempty"`
		Where json.RawMessage `json:"where,omitempty"`
		Size  int             `json:"pageSize"`
		Token string          `json:"pageToken,omitempty"`
	}
	q := query{Where: s.Where}
	if !s.Start.IsZero() {
		q.Start = &s.Start
	}
	if !s.End.IsZero() {
		q.End = &s.End
	}
	left := limit
	for {
		q.Size = observedPage
		if limit > 0 {
			q.Size = min(q.Size, left)
		}
		body, err := encode(q)
		if err != nil {
			return false, err
		}
		a, err := c.do(ctx, request{
			method: http.MethodPost, body: body,
			path: "/api/v2/observability/resources/" + url.PathEscape(s.RID) + "/listExecutions?preview=true",
		})
		if err != nil {
			return false, err
		}
		var got struct {
			Data []Observed `json:"data"`
			Next string     `json:"nextPageToken"`
		}
		if err := c.decode(a, &got); err != nil {
			return false, err
		}
		if err := page(got.Data); err != nil || got.Next == "" {
			return false, err
		}
		if left -= len(got.Data); limit > 0 && left <= 0 {
			return true, nil
		}
		q.Token = got.Next
	}
}
