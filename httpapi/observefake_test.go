package httpapi

import (
	"context"

	"github.com/faaspot/faaspot/runtime"
)

// SearchExecutions gives what is observed, and keeps what it was asked.
func (f *fakeExecutions) SearchExecutions(_ context.Context, tenant runtime.Tenant, q runtime.SearchQuery) (runtime.Page[runtime.ExecutionSummary], error) {
	f.guard.Lock()
	defer f.guard.Unlock()
	f.called = append(f.called, tenant)
	f.observed = append(f.observed, q)
	return f.observedPage, f.failing
}
