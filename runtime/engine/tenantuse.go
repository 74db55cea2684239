package engine

import "github.com/faaspot/faaspot/runtime"

// endRun ends a run that counts as one of its tenant.
func (e *Engine) endRun(tenant runtime.Tenant, use *runtime.TenantUse) {
	if use.EndRun() {
		e.background.Free(tenant)
	}
}

// LimitsChanged lets queued runs of a tenant start that have waited because of a limit which was
// raised.
func (e *Engine) LimitsChanged(tenant runtime.Tenant) {
	e.background.Free(tenant)
	e.admission.LimitChanged(tenant)
}

// MemoryOf returns the bytes of memory that the runs of a tenant have.
func (e *Engine) MemoryOf(tenant runtime.Tenant) int64 { return e.admission.Held(tenant) }
