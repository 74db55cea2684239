package client

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/faaspot/faaspot/httpapi/wire"
)

// listPage is how many executions one request lists, the most that a server returns.
const listPage = 1000

// Filter says which executions to list. The zero value selects those that are not done.
type Filter struct {
	Function  string    // name; empty: all functions
	Completed bool      // whether to include those that are done
	Statuses  []string  // only these statuses, regardless of Completed
	After     time.Time // accepted at this time or later
	Before    time.Time // accepted before
	Where     string    // an expression that must hold
	Trace     string    // id of a trace; without Statuses, whether they are done or not
}

func (f Filter) query(limit int) url.Values {
	query := url.Values{"limit": {strconv.Itoa(limit)}}
	if f.Function != "" {
		query.Set("function", f.Function)
	}
	if f.Trace != "" {
		query.Set("trace_id", f.Trace)
	}
	if f.Where != "" {
		query.Set("where", f.Where)
	}
	if f.Completed {
		query.Set("include_completed", "True")
	}
	if len(f.Statuses) > 0 {
		query.Set("status", strings.Join(f.Statuses, ","))
	}
	if !f.After.IsZero() {
		query.Set("created_after", f.After.UTC().Format(time.RFC3339Nano))
	}
	if !f.Before.IsZero() {
		query.Set("created_before", f.Before.UTC().Format(time.RFC3339Nano))
	}
	return query
}

// ListExecutions calls page with executions, newest first, a page at a time: with all of them, or
// with limit of them if limit is not zero. It reports whether there may be more.
func (c *Client) ListExecutions(ctx context.Context, f Filter, limit int, page func([]Execution) error) (more bool, err error) {
	left := limit
	size := listPage
	if limit > 0 {
		size = min(size, limit)
	}
	next := executionsPath + "?" + f.query(size).Encode()
	for {
		a, err := c.do(ctx, request{method: http.MethodGet, path: next})
		if err != nil {
			return false, err
		}
		var list []wire.Execution[Moment]
		if err := c.decode(a, &list); err != nil {
			return false, err
		}
		if next, err = c.nextPage(a.header, executionsPath); err != nil {
			return false, err
		}
		executions, err := newExecutions(list)
		if err != nil {
			return false, c.unexpected(err)
		}
		if limit > 0 && len(executions) >= left {
			more = next != "" || len(executions) > left
			return more, page(executions[:left])
		}
		left -= len(executions)
		if err := page(executions); err != nil || next == "" {
			return false, err
		}
	}
}

// nextPage returns the path of the next page in the Link header (RFC 8288) of a list, empty if
// there is none. It must be below the path of the list.
func (c *Client) nextPage(h http.Header, path string) (string, error) {
	for _, link := range h.Values("Link") {
		target, rest, ok := strings.Cut(strings.TrimPrefix(link, "<"), ">")
		if !ok || !strings.Contains(rest, `rel="next"`) {
			continue
		}
		// Anywhere else would be another server, and the token is for this one.
		if !strings.HasPrefix(target, path) {
			return "", c.unexpected(fmt.Errorf("the next page is at %q", target))
		}
		return target, nil
	}
	return "", nil
}
