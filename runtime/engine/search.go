package engine

import (
	"context"

	"github.com/faaspot/faaspot/runtime"
)

// SearchExecutions gives a page of the executions of a function or job that are
// done, those that started last first. What is done when the first page is asked
// for is on exactly one page, whatever happens meanwhile, unless retention drops
// it; what ends later is on the pages to come if it started early enough.
//
// Errors: CodeNotFound if there is no such resource, CodeInvalidArgument if
// After or Where are not valid.
func (e *Engine) SearchExecutions(ctx context.Context, tenant runtime.Tenant, q runtime.SearchQuery) (page runtime.Page[runtime.ExecutionSummary], err error) {
	id, job, ok := runtime.ParseRID(q.RID)
	if !ok {
		return page, runtime.NoResourceError(q.RID)
	}
	o := runtime.SearchScan{ID: id, Job: job, Start: q.Start, End: q.End, Where: q.Where, Limit: q.Limit}
	if o.Limit < 1 || o.Limit > runtime.MaxSearchPage {
		o.Limit = runtime.MaxSearchPage
	}
	if o.Where != nil {
		if err := o.Where.Validate(); err != nil {
			return page, err
		}
	}
	now := e.now()
	if o.Start.IsZero() {
		o.Start = now.Add(-runtime.DefaultSearchWindow)
	}
	if o.End.IsZero() {
		o.End = now
	}
	if q.After != "" {
		if err := o.Resume(q.After); err != nil {
			return page, err
		}
	}
	err = e.look("engine.listexecutions", func() error {
		found, next, err := e.store.SearchExecutions(tenant, o)
		page.Items = found
		if next != nil {
			page.Next = o.Cursor(*next)
		}
		return err
	})
	return page, err
}
