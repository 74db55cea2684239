package sandbox

import (
	"container/heap"
	"container/list"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// tenantTurns has the runs that wait for a permit, by tenant. Each tenant has a virtual time: how long
// its runs have computed while others waited, and the server for them, divided by its weight. The tenant with the least is
// next, so all advance alike, and a tenant with a hundred endless loops gets no more than one with a
// single run. A tenant has no more than maxCredit to make up for, so that one which returns does not
// keep out others, and what it has computed while nobody waited does not count: idle processors are
// free.
//
// Fresh runs go before the worn runs of other tenants as long as their tenant is at most
// maxSlicesWaited slices ahead: a tenant whose short runs take more than its share waits, but one that
// uses less hardly notices worn runs. Worn runs of a tenant go first once none of them has computed for
// as long.
//
// The mutex of the processors guards all of it.
type tenantTurns struct {
	weights   func(runtime.Tenant) int // nil: all are alike
	tenants   map[runtime.Tenant]*tenantQueue
	idle      int           // tenants without a run that waits
	short     tenantOrder   // tenants with fresh runs that wait, woken ones included
	long      tenantOrder   // tenants with worn runs that wait
	virtual   time.Duration // the least virtual time of those that wait; it only grows
	grain     time.Duration // a slice in the virtual time of the tenant that it is of
	contended time.Time     // since when some run waits
	arrivals  uint64        // times that a tenant has begun to wait
}

// maxCredit is the time in slices, in its own share of the processors, that a tenant may compute before
// others because it has had less than its share. Tenants with few runs have less in turns: with many
// processors they do not wait.
const maxCredit = 25

// maxIdleTenants bounds the tenants without a run that waits whose virtual time is remembered.
const maxIdleTenants = 1000

func newTenantTurns() tenantTurns {
	return tenantTurns{tenants: make(map[runtime.Tenant]*tenantQueue), short: tenantOrder{kind: orderShort}, long: tenantOrder{kind: orderLong}}
}

// tenantQueue has the runs of one tenant that wait for a permit.
type tenantQueue struct {
	tenant   runtime.Tenant
	weight   time.Duration
	fresh    list.List     // of *claim
	worn     list.List     // of *claim
	woken    list.List     // of *claim: fresh ones that have slept
	ahead    time.Duration // how long woken runs have computed since a fresh one had its turn
	virtual  time.Duration // see tenantTurns
	computed time.Time     // when a worn run last computed, or the first began to wait
	arrival  uint64        // number of the time that it began to wait
	at       [orders]int   // places in the orders, from 1; 0: not there
}

// virtualOf returns the virtual time of d.
func (t *tenantQueue) virtualOf(d time.Duration) time.Duration {
	return d * runtime.DefaultProcessorShare / t.weight
}

// queueOf returns the queue of a tenant, with its present weight.
func (p *processors) queueOf(tenant runtime.Tenant) *tenantQueue {
	t := p.tenants[tenant]
	if t == nil {
		t = &tenantQueue{tenant: tenant, virtual: p.virtual}
		p.tenants[tenant] = t
		p.idle++
	}
	t.weight = runtime.DefaultProcessorShare
	if p.weights != nil {
		t.weight = time.Duration(p.weights(tenant))
	}
	return t
}

// catchUp lets a tenant have no more than maxCredit to make up for. The least virtual time advances by a
// grain at once, which is no loss of the others.
func (p *processors) catchUp(t *tenantQueue) {
	t.virtual = max(t.virtual, p.virtual-max(t.virtualOf(maxCredit*p.slice), p.grain))
}

// charge adds to the virtual time of a run's tenant what the run has computed since a time, while others
// waited.
func (p *processors) charge(c *claim, from, now time.Time) {
	if p.contended.After(from) {
		from = p.contended
	}
	used := max(now.Sub(from), 0)
	t := p.queueOf(c.tenant)
	if c.woken {
		t.ahead += used
	}
	if c.worn {
		t.computed = now
	}
	p.spend(t, used)
}

// spend adds a time to the virtual time of a tenant.
func (p *processors) spend(t *tenantQueue, used time.Duration) {
	p.catchUp(t)
	t.virtual += t.virtualOf(used)
	p.place(t)
}

// join adds a run to the queue of its tenant.
func (p *processors) join(c *claim, head bool) {
	t := p.queueOf(c.tenant)
	if !t.waits() {
		p.catchUp(t)
		p.arrivals++
		t.arrival = p.arrivals
	}
	if c.worn && t.worn.Len() == 0 {
		t.computed = c.since
	}
	runs := t.runsLike(c)
	if head {
		c.element = runs.PushFront(c)
	} else {
		c.element = runs.PushBack(c)
	}
	c.queue = t
	p.place(t)
}

// leave removes a run from the queue of its tenant.
func (p *processors) leave(c *claim) {
	t := c.queue
	t.runsLike(c).Remove(c.element)
	c.element, c.queue = nil, nil
	p.place(t)
}

// place updates the places of a tenant in the orders, and forgets it if it has none and many others
// have none.
func (p *processors) place(t *tenantQueue) {
	waited := t.waits()
	p.short.set(t, t.fresh.Len()+t.woken.Len() > 0)
	p.long.set(t, t.worn.Len() > 0)
	switch waits := t.waits(); {
	case waits && !waited:
		p.idle--
	case waited && !waits:
		p.idle++
	}
	if p.idle > maxIdleTenants && !t.waits() {
		delete(p.tenants, t.tenant)
		p.idle--
	}
}

// waits reports whether a run of the tenant has a place in an order.
func (t *tenantQueue) waits() bool { return t.at != [orders]int{} }

// next returns the run that is next, one of which must wait.
func (p *processors) next(now time.Time) *claim {
	short, long := p.short.first(), p.long.first()
	patience := maxSlicesWaited * p.slice
	switch {
	case long == nil:
		p.advance(short)
		return short.next(now, p.slice)
	case short == nil:
		p.advance(long)
		return long.next(now, p.slice)
	case short.virtual < long.virtual:
		p.advance(short)
	default:
		p.advance(long)
	}
	if short != long && (now.Sub(long.computed) > patience || short.virtual-short.virtualOf(patience) > max(long.virtual, p.virtual)) {
		return long.next(now, p.slice)
	}
	return short.next(now, p.slice)
}

// nextFresh returns the run that is next of those that are not worn, or nil.
func (p *processors) nextFresh() *claim {
	if t := p.short.first(); t != nil {
		return t.nextFresh(p.slice)
	}
	return nil
}

// advance notes the tenant with the least virtual time of those that wait.
func (p *processors) advance(t *tenantQueue) {
	if t.virtual > p.virtual {
		p.virtual, p.grain = t.virtual, t.virtualOf(p.slice)
	}
}

// next returns the run of the tenant that is next.
func (t *tenantQueue) next(now time.Time, slice time.Duration) *claim {
	worn, fresh := t.worn.Front(), t.nextFresh(slice)
	if worn != nil && (fresh == nil || now.Sub(worn.Value.(*claim).since) > maxSlicesWaited*slice) {
		return worn.Value.(*claim)
	}
	return fresh
}

// nextFresh returns the run of the tenant that is next of those that are not worn, or nil.
func (t *tenantQueue) nextFresh(slice time.Duration) *claim {
	fresh, woken := t.fresh.Front(), t.woken.Front()
	switch {
	case fresh == nil && woken == nil:
		return nil
	case woken == nil || fresh != nil && t.ahead >= slice:
		return fresh.Value.(*claim)
	}
	return woken.Value.(*claim)
}

// runsLike returns the list for c, which does not change while c waits.
func (t *tenantQueue) runsLike(c *claim) *list.List {
	switch {
	case c.worn:
		return &t.worn
	case c.woken:
		return &t.woken
	}
	return &t.fresh
}

// The orders of tenants.
const (
	orderShort = iota
	orderLong
	orders
)

// tenantOrder is a heap of tenants, the one with the least virtual time first, and among those the one
// that has waited longest. It implements heap.Interface.
type tenantOrder struct {
	kind    int
	tenants []*tenantQueue
}

// first returns the tenant with the least virtual time, or nil.
func (o *tenantOrder) first() *tenantQueue {
	if len(o.tenants) == 0 {
		return nil
	}
	return o.tenants[0]
}

// set adds, removes or moves a tenant.
func (o *tenantOrder) set(t *tenantQueue, in bool) {
	switch at := t.at[o.kind]; {
	case in && at == 0:
		heap.Push(o, t)
	case in:
		heap.Fix(o, at-1)
	case at > 0:
		heap.Remove(o, at-1)
	}
}

func (o *tenantOrder) Len() int { return len(o.tenants) }
func (o *tenantOrder) Less(i, j int) bool {
	a, b := o.tenants[i], o.tenants[j]
	return a.virtual < b.virtual || a.virtual == b.virtual && a.arrival < b.arrival
}

func (o *tenantOrder) Swap(i, j int) {
	o.tenants[i], o.tenants[j] = o.tenants[j], o.tenants[i]
	o.tenants[i].at[o.kind], o.tenants[j].at[o.kind] = i+1, j+1
}

func (o *tenantOrder) Push(x any) {
	t := x.(*tenantQueue)
	o.tenants = append(o.tenants, t)
	t.at[o.kind] = len(o.tenants)
}

func (o *tenantOrder) Pop() any {
	last := len(o.tenants) - 1
	t := o.tenants[last]
	o.tenants[last] = nil
	o.tenants = o.tenants[:last]
	t.at[o.kind] = 0
	return t
}
