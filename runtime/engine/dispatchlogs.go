package engine

import (
	"github.com/faaspot/faaspot/runtime"
)

// logs gives a page of an attempt that has begun and whose end is not written.
func (d *dispatcher) logs(tenant runtime.Tenant, id string, from runtime.LogPosition) (runtime.LogPage, <-chan struct{}, bool) {
	d.mu.Lock()
	a := d.active[id]
	if a == nil || a.logs == nil || a.ticket.tenant != tenant {
		d.mu.Unlock()
		return runtime.LogPage{}, nil, false
	}
	state := runtime.StateRunning
	if a.cancelled {
		state = runtime.StateCancelling
	}
	d.mu.Unlock()
	p, written := a.logs.Page(int(a.ticket.attempt), from)
	p.State = state
	return p, written, true
}
