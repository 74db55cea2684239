package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"github.com/faaspot/faaspot/httpapi/wire"
)

// observedPage is how many executions one request searches for, the most that a server returns.
const observedPage = 100

// Observed is one result of a search. Its JSON form is also the --json output of the command line:
// names and meanings of its fields stay.
type Observed = wire.FoundExecution[time.Time]

// Search says which executions of a resource to find. The server's defaults replace zero fields:
// they select the last 24 hours.
type Search struct {
	RID   string          // of the function or job
	Where json.RawMessage // a filter
	Start time.Time       // earliest start
	End   time.Time       // all starts are before it
}

// SearchExecutions calls page with executions, the latest start first, as [Client.ListExecutions]
// does. Pages may be empty.
func (c *Client) SearchExecutions(ctx context.Context, s Search, limit int, page func([]Observed) error) (more bool, err error) {
	q := wire.SearchRequest{Where: s.Where}
	if !s.Start.IsZero() {
		q.StartTime = &s.Start
	}
	if !s.End.IsZero() {
		q.EndTime = &s.End
	}
	left := limit
	for {
		q.PageSize = observedPage
		if limit > 0 {
			q.PageSize = min(q.PageSize, left)
		}
		body, err := encode(q)
		if err != nil {
			return false, err
		}
		a, err := c.do(ctx, request{
			method: http.MethodPost, body: body,
			path: "/api/v2/observability/resources/" + url.PathEscape(s.RID) + "/listExecutions?preview=true&details=true",
		})
		if err != nil {
			return false, err
		}
		var got wire.SearchResponse[time.Time]
		if err := c.decode(a, &got); err != nil {
			return false, err
		}
		if err := page(got.Data); err != nil || got.NextPageToken == "" {
			return false, err
		}
		if left -= len(got.Data); limit > 0 && left <= 0 {
			return true, nil
		}
		q.PageToken = got.NextPageToken
	}
}
