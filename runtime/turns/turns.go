// Package turns owns the order of work that few callers may do at once, where tenants must not wait for
// all the work of another tenant.
//
//	t := turns.New(2)
//	if !t.Take(ctx, tenant) {
//		return ctx.Err()
//	}
//	defer t.Give(tenant)
package turns

import (
	"context"
	"slices"
	"sync"

	"github.com/faaspot/faaspot/runtime"
)

// Turns lets a number of callers work at once, and at most one of each tenant, or a few if it is a [NewLending] one, so that
// the work of one tenant leaves a place for that of others. Tenants take turns; the callers of one tenant come in the
// order in which they asked. Its methods may be called concurrently.
type Turns struct {
	places int
	lent   int // of the places: as long as fewer are taken, a tenant may have several

	mu      sync.Mutex
	taken   int // places
	working map[runtime.Tenant]int
	waiting map[runtime.Tenant][]chan struct{} // closed when it is their turn
	order   []runtime.Tenant                   // that have callers who wait, the next one first
}

// New returns a Turns with a number of places.
func New(places int) *Turns {
	return &Turns{places: places, working: make(map[runtime.Tenant]int), waiting: make(map[runtime.Tenant][]chan struct{})}
}

// NewLending returns a Turns with a number of places of which one tenant may have up to half, as long as no other
// tenant wants them.
func NewLending(places int) *Turns {
	t := New(places)
	t.lent = places / 2
	return t
}

// Take waits until it is the turn of the caller, who must then call Give. It reports false if ctx ends
// before.
func (t *Turns) Take(ctx context.Context, tenant runtime.Tenant) bool {
	turn := t.join(tenant)
	select {
	case <-turn:
		return true
	case <-ctx.Done():
		t.leave(tenant, turn)
		return false
	}
}

// Give ends the turn of a caller.
func (t *Turns) Give(tenant runtime.Tenant) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.end(tenant)
}

// join returns a channel that is closed when it is the caller's turn.
func (t *Turns) join(tenant runtime.Tenant) chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	turn := make(chan struct{})
	if len(t.waiting[tenant]) == 0 {
		t.order = append(t.order, tenant)
	}
	t.waiting[tenant] = append(t.waiting[tenant], turn)
	t.next()
	return turn
}

// leave removes a caller that does not wait any more, or ends its turn if that has come meanwhile.
func (t *Turns) leave(tenant runtime.Tenant, turn chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := slices.Index(t.waiting[tenant], turn)
	if i < 0 {
		t.end(tenant)
		return
	}
	if t.setWaiting(tenant, slices.Delete(t.waiting[tenant], i, i+1)) == 0 {
		t.order = slices.DeleteFunc(t.order, func(other runtime.Tenant) bool { return other == tenant })
	}
}

// end ends the turn of a tenant, which then comes after all others. It is called with mu held.
func (t *Turns) end(tenant runtime.Tenant) {
	t.taken--
	if t.working[tenant]--; t.working[tenant] == 0 {
		delete(t.working, tenant)
	}
	if i := slices.Index(t.order, tenant); i >= 0 {
		t.order = append(slices.Delete(t.order, i, i+1), tenant)
	}
	t.next()
}

// next gives turns as long as there are places, and callers whose tenant has none or may have another one. It passes
// over the tenants that have one, which are fewer than the places. It is called with mu held.
func (t *Turns) next() {
	for t.taken < t.places {
		i := slices.IndexFunc(t.order, func(tenant runtime.Tenant) bool { return t.working[tenant] == 0 })
		if i < 0 && t.taken < t.lent && len(t.order) > 0 {
			i = 0
		}
		if i < 0 {
			return
		}
		tenant := t.order[i]
		t.order = slices.Delete(t.order, i, i+1)
		turn := t.waiting[tenant][0]
		if t.setWaiting(tenant, t.waiting[tenant][1:]) > 0 {
			t.order = append(t.order, tenant)
		}
		t.working[tenant]++
		t.taken++
		close(turn)
	}
}

// setWaiting sets the callers of a tenant that wait, and returns their number. It is called with mu
// held.
func (t *Turns) setWaiting(tenant runtime.Tenant, waiting []chan struct{}) int {
	if len(waiting) == 0 {
		delete(t.waiting, tenant)
	} else {
		t.waiting[tenant] = waiting
	}
	return len(waiting)
}
