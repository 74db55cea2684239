package engine

import (
	"container/list"

	"github.com/faaspot/faaspot/runtime"
)

// fairQueue orders what waits: tenants in turns, within each its functions in
// turns, within each its runs in the order of their arrival. All operations
// take constant time. It holds nothing of tenants and functions that have
// nothing waiting. It is not safe for concurrent use.
type fairQueue struct {
	waiting int
	callers int // of those waiting, the ones that somebody waits for
	tenants map[runtime.Tenant]*tenantQueue
	order   *list.List // of *tenantQueue, next in turn first
}

type tenantQueue struct {
	tenant    runtime.Tenant
	waiting   int
	callers   int
	functions map[string]*functionQueue
	order     list.List // of *functionQueue, next in turn first
	place     *list.Element
}

type functionQueue struct {
	tenant   *tenantQueue
	function string
	runs     list.List // of *waiter, in order of arrival
	place    *list.Element
}

// waiter is a run that waits: one that a caller waits for, or one in the
// background.
type waiter struct {
	bytes     int64
	overtaken int           // how many passed it since it was next in its tenant
	decided   chan struct{} // a caller's: closed when it may begin or is refused
	refused   bool

	// What runs in the background is told by a call, under the lock of whom it
	// waits for.
	background func(refused bool)
	ticket     *ticket // of what waits in the queue of the dispatcher
	parcel     *parcel // of what waits in the queue of the deliverer

	queue *functionQueue
	place *list.Element // nil when it waits no more
}

func (w *waiter) queued() bool { return w.place != nil }

// decide tells whoever waits that it may begin, or may not.
func (w *waiter) decide(refused bool) {
	if w.background != nil {
		w.background(refused)
		return
	}
	w.refused = refused
	close(w.decided)
}

// count is how much w counts among the callers.
func (w *waiter) count() int {
	if w.background != nil {
		return 0
	}
	return 1
}

func newFairQueue() fairQueue {
	return fairQueue{tenants: make(map[runtime.Tenant]*tenantQueue), order: list.New()}
}

// push adds w behind the runs of its function.
func (q *fairQueue) push(w *waiter, tenant runtime.Tenant, function string) {
	t := q.tenants[tenant]
	if t == nil {
		t = &tenantQueue{tenant: tenant, functions: make(map[string]*functionQueue)}
		t.place = q.order.PushBack(t)
		q.tenants[tenant] = t
	}
	f := t.functions[function]
	if f == nil {
		f = &functionQueue{tenant: t, function: function}
		f.place = t.order.PushBack(f)
		t.functions[function] = f
	}
	w.queue = f
	w.place = f.runs.PushBack(w)
	t.waiting++
	q.waiting++
	t.callers += w.count()
	q.callers += w.count()
}

// remove takes w out; nobody's turn changes.
func (q *fairQueue) remove(w *waiter) {
	f, t := w.queue, w.queue.tenant
	f.runs.Remove(w.place)
	w.place = nil
	t.waiting--
	q.waiting--
	t.callers -= w.count()
	q.callers -= w.count()
	if f.runs.Len() == 0 {
		t.order.Remove(f.place)
		delete(t.functions, f.function)
	}
	if t.waiting == 0 {
		q.order.Remove(t.place)
		delete(q.tenants, t.tenant)
	}
}

// serve takes w out: its function and its tenant have had their turn.
func (q *fairQueue) serve(w *waiter) {
	f, t := w.queue, w.queue.tenant
	t.order.MoveToBack(f.place)
	q.order.MoveToBack(t.place)
	q.remove(w)
}

// clear takes out all that waits of a function, and counts it.
func (q *fairQueue) clear(tenant runtime.Tenant, function string) (n int) {
	t := q.tenants[tenant]
	if t == nil || t.functions[function] == nil {
		return 0
	}
	for f := t.functions[function]; f.runs.Len() > 0; n++ {
		q.remove(f.runs.Front().Value.(*waiter))
	}
	return n
}

// callersOf counts the callers of a tenant that wait.
func (q *fairQueue) callersOf(tenant runtime.Tenant) int {
	if t := q.tenants[tenant]; t != nil {
		return t.callers
	}
	return 0
}

// first is the tenant that is next in turn, or nil.
func (q *fairQueue) first() *tenantQueue { return tenantAt(q.order.Front()) }

// after is the tenant whose turn comes after that of t, or nil.
func (t *tenantQueue) after() *tenantQueue { return tenantAt(t.place.Next()) }

func tenantAt(place *list.Element) *tenantQueue {
	if place == nil {
		return nil
	}
	return place.Value.(*tenantQueue)
}

// next is the run of t that is next in turn.
func (t *tenantQueue) next() *waiter {
	return t.order.Front().Value.(*functionQueue).runs.Front().Value.(*waiter)
}
