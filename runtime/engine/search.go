package engine

import (
	"context"
	"math"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// endOfTime is later than the start of every execution.
var endOfTime = time.Unix(0, math.MaxInt64)

// SearchExecutions returns a page of the executions of a function or job that are done, in
// descending order of their start. An execution that is done at the request of the first page is
// on exactly one page, unless retention drops it; one that ends later is on a page still to come,
// if it started early enough.
//
// Errors: CodeNotFound if there is no such function or job, CodeInvalidArgument if After or Where
// are not valid.
func (e *Engine) SearchExecutions(ctx context.Context, tenant runtime.Tenant, q runtime.SearchQuery) (page runtime.Page[runtime.ExecutionSummary], err error) {
	id, job, ok := runtime.ParseRID(q.RID)
	if !ok {
		return page, runtime.NoResourceError(q.RID)
	}
	scan := runtime.SearchScan{ID: id, Job: job, Start: q.Start, End: q.End, Where: q.Where, Limit: q.Limit}
	if scan.Limit < 1 || scan.Limit > runtime.MaxSearchPage {
		scan.Limit = runtime.MaxSearchPage
	}
	if scan.Where != nil {
		if err := scan.Where.Validate(); err != nil {
			return page, err
		}
	}
	now := e.clock.Now()
	if scan.Start.IsZero() {
		scan.Start = now.Add(-runtime.DefaultSearchWindow)
	}
	if scan.End.IsZero() {
		scan.End = endOfTime // before the clock was set back, executions may have started after now
	}
	if q.After != "" {
		if err := scan.DecodeCursor(q.After); err != nil {
			return page, err
		}
	}
	err = e.read("engine.listexecutions", func() error {
		found, next, err := e.store.SearchExecutions(tenant, scan)
		page.Items = found
		if next != nil {
			page.Next = scan.EncodeCursor(*next)
		}
		return err
	})
	return page, err
}
