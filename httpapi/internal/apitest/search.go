package apitest

import (
	"context"

	"github.com/faaspot/faaspot/runtime"
)

// SearchExecutions returns Found and records the query.
func (f *FakeExecutions) SearchExecutions(_ context.Context, tenant runtime.Tenant, q runtime.SearchQuery) (runtime.Page[runtime.ExecutionSummary], error) {
	f.guard.Lock()
	defer f.guard.Unlock()
	f.Called = append(f.Called, tenant)
	f.Searches = append(f.Searches, q)
	return f.Found, f.Failing
}
