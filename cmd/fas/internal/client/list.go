package client

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// listPage is how many executions one answer lists, the most that a server
// gives.
const listPage = 1000

// Filter says which executions to list. The zero value lists those that are
// not done.
type Filter struct {
	Function  string    // only of this function; empty: of all
	Completed bool      // those that are done, too
	Statuses  []string  // only these; Completed is not looked at then
	After     time.Time // accepted at this time or later
	Before    time.Time // accepted before
	Trace     string    // only those of the trace with this id; unless Statuses are given, done and not
}

func (f Filter) query(limit int) url.Values {
	query := url.Values{"limit": {strconv.Itoa(limit)}}
	if f.Function != "" {
		query.Set("function", f.Function)
	}
	if f.Trace != "" {
		query.Set("trace_id", f.Trace)
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

// ListExecutions gives executions, newest first, to page, a page at a time: all
// that there are, or limit of them if that is not zero. It tells whether there
// may be more.
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
		var list []wireExecution
		if err := c.decode(a, &list); err != nil {
			return false, err
		}
		if next, err = c.nextPage(a.header, executionsPath); err != nil {
			return false, err
		}
		if limit > 0 && len(list) >= left {
			more = next != "" || len(list) > left
			return more, page(executions(list[:left]))
		}
		left -= len(list)
		if err := page(executions(list)); err != nil || next == "" {
			return false, err
		}
	}
}

// nextPage finds the path of the next page in the Link header (RFC 8288) of a
// list, empty if there is none. It is below the path of the list.
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
