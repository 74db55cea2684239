package queue

import "github.com/faaspot/faaspot/runtime"

// Allowed returns an error if a run of this size can never be admitted, or only without the limit of its
// tenant.
func (a *Admission) Allowed(tenant runtime.Tenant, bytes int64) error {
	if err := a.Possible(bytes); err != nil {
		return err
	}
	if limit := a.limitOf(tenant); limit > 0 && bytes > limit {
		return runtime.Errorf(runtime.CodeTooLarge, "a run may use %d MB (memory, /tmp and overhead), more than the %d MB that the runs of the tenant may use at once",
			(bytes+runtime.MiB-1)/runtime.MiB, limit/runtime.MiB).WithHint("ask for less memory; " + runtime.RaiseHint)
	}
	return nil
}

func memoryLimitError(limit int64) error {
	err := runtime.Errorf(runtime.CodeTooBusy, "the runs of the tenant use as much memory as they may use at once: %d MB", limit/runtime.MiB).
		WithHint("try again in a moment, or run the function in the background; " + runtime.RaiseHint)
	err.RetryAfter = runtime.BusyRetry
	return err
}

// Held returns the bytes that the runs of a tenant have.
func (a *Admission) Held(tenant runtime.Tenant) int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	if s := a.shares[shareKey{tenant: tenant}]; s != nil {
		return s.bytes
	}
	return 0
}

// Most returns the bytes that the runs of a tenant may have at once, apart from its first two runs.
func (a *Admission) Most(tenant runtime.Tenant) int64 {
	if limit := a.limitOf(tenant); limit > 0 {
		return min(limit, a.mostOfTenant)
	}
	return a.mostOfTenant
}

// LimitChanged uses the present limit of a tenant. Runs that have started continue.
func (a *Admission) LimitChanged(tenant runtime.Tenant) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if s := a.shares[shareKey{tenant: tenant}]; s != nil {
		s.limit = a.limitOf(tenant)
		s.changed()
	}
	a.freeTenant(tenant)
	a.admitIfWanted()
}

// limitOf returns the bytes that the runs of a tenant may have, zero without a limit.
func (a *Admission) limitOf(tenant runtime.Tenant) int64 {
	if a.Limit == nil {
		return 0
	}
	return a.Limit(tenant)
}

// freeTenant lets the runs of a tenant have their turns again that wait for its share. It is called with
// mu held.
func (a *Admission) freeTenant(tenant runtime.Tenant) {
	if a.queue.Len() > a.queue.InTurn() {
		a.queue.Free(tenant)
	}
}
