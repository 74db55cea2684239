package dispatch

import (
	"maps"

	"github.com/faaspot/faaspot/runtime"
)

const (
	// maxLoadFunctions bounds the functions of a tenant whose runs are counted one by one. The queued runs of a
	// tenant that renames a function after each may be of as many.
	maxLoadFunctions = 4096
	// OtherFunctions counts the runs of the functions beyond. No function has this name.
	OtherFunctions = "(other)"
)

// load counts the runs in the plan by tenant and function. It has no entry for functions without runs.
type load map[runtime.Tenant]map[string]runtime.FunctionLoad

// count adds to the queued and the running runs of a function. If a run begins to be counted among others,
// and the function has an entry of its own later, the rest of that run is counted there: only the sum is exact.
func (l load) count(tenant runtime.Tenant, function string, queued, running int) {
	of := l[tenant]
	if of == nil {
		of = make(map[string]runtime.FunctionLoad)
		l[tenant] = of
	}
	n, known := of[function]
	if !known && (len(of) >= maxLoadFunctions || queued < 0 || running < 0) {
		function = OtherFunctions
		n = of[function]
	}
	n.Queued += queued
	n.Running += running
	if n != (runtime.FunctionLoad{}) {
		of[function] = n
		return
	}
	if delete(of, function); len(of) == 0 {
		delete(l, tenant)
	}
}

// Load returns how many runs of each function of a tenant are queued, and how many hold a lease. It has no
// entry for functions without such runs, unless they are paused.
func (d *Dispatcher) Load(tenant runtime.Tenant) map[string]runtime.FunctionLoad {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := maps.Clone(d.plan.load[tenant])
	if all == nil {
		all = make(map[string]runtime.FunctionLoad)
	}
	for _, f := range d.plan.paused[tenant] {
		n := all[f.name]
		n.Paused = true
		all[f.name] = n
	}
	return all
}
