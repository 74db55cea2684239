package httpapi

import (
	"context"

	"github.com/faaspot/faaspot/runtime"
)

// ListExecutions gives what is observed, and keeps what it was asked.
func (f *fakeExecutions) ListExecutions(_ context.Context, tenant runtime.Tenant, q runtime.ObservedQuery) (runtime.ObservedPage, error) {
	f.guard.Lock()
	defer f.guard.Unlock()
	f.called = append(f.called, tenant)
	f.observed = append(f.observed, q)
	return f.observedPage, f.failing
}
