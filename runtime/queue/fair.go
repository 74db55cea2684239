package queue

import (
	"container/list"
	"iter"

	"github.com/faaspot/faaspot/runtime"
)

// Fair is a queue in which tenants take turns, the groups of a tenant take turns, and the
// items of a group go in the order of their arrival. All operations take constant time. It
// holds nothing for tenants and groups without waiting items.
type Fair[T any] struct {
	waiting int
	held    int // of these, the items of tenants and of groups that are held
	paused  int // of these, the items of groups that are held
	tenants map[runtime.Tenant]*Turn[T]
	order   list.List // of *Turn[T], next in turn first
}

// Turn is a tenant with waiting items.
type Turn[T any] struct {
	tenant  runtime.Tenant
	waiting int
	paused  int // of these, the items of groups that are held
	groups  map[string]*group[T]
	order   list.List     // of *group[T], next in turn first, without those that are held
	place   *list.Element // nil: it has no turn
	held    bool
}

// group holds the waiting items of one group, such as a function.
type group[T any] struct {
	turn  *Turn[T]
	name  string
	items list.List     // of *Item[T], in the order of arrival
	place *list.Element // nil: it is held
}

func (g *group[T]) held() bool { return g.place == nil }

// Item is an entry of a [Fair]. It is a field of what waits, so that queueing allocates little.
type Item[T any] struct {
	Value T

	group *group[T]
	place *list.Element // nil unless it is in a queue
}

// Queued reports whether the item is in a queue.
func (it *Item[T]) Queued() bool { return it.place != nil }

// InTurn reports whether the tenant and the group of an item in a queue have their turns.
func (it *Item[T]) InTurn() bool { return !it.group.turn.held && !it.group.held() }

// NewFair returns an empty queue.
func NewFair[T any]() *Fair[T] {
	return &Fair[T]{tenants: make(map[runtime.Tenant]*Turn[T])}
}

// Len returns the number of waiting items.
func (q *Fair[T]) Len() int { return q.waiting }

// InTurn returns the number of waiting items whose tenants and groups have turns.
func (q *Fair[T]) InTurn() int { return q.waiting - q.held }

// Paused returns the number of waiting items of groups that are held.
func (q *Fair[T]) Paused() int { return q.paused }

// Push appends an item to its group.
func (q *Fair[T]) Push(it *Item[T], tenant runtime.Tenant, name string) {
	t := q.tenants[tenant]
	if t == nil {
		t = &Turn[T]{tenant: tenant, groups: make(map[string]*group[T])}
		q.tenants[tenant] = t
	}
	g := t.groups[name]
	if g == nil {
		g = &group[T]{turn: t, name: name}
		g.place = t.order.PushBack(g)
		t.groups[name] = g
		q.settle(t)
	}
	it.group = g
	it.place = g.items.PushBack(it)
	q.count(g, 1)
}

// count adds n to the numbers of items, which are of a group.
func (q *Fair[T]) count(g *group[T], n int) {
	t := g.turn
	t.waiting += n
	q.waiting += n
	if g.held() {
		t.paused += n
		q.paused += n
	}
	if t.held || g.held() {
		q.held += n
	}
}

// settle gives a tenant a turn if it is to have one and has none, or takes it.
func (q *Fair[T]) settle(t *Turn[T]) {
	switch turn := !t.held && t.order.Len() > 0; {
	case turn && t.place == nil:
		t.place = q.order.PushBack(t)
	case !turn && t.place != nil:
		q.order.Remove(t.place)
		t.place = nil
	}
}

// Remove removes an item from the queue. The order of turns does not change.
func (q *Fair[T]) Remove(it *Item[T]) {
	g, t := it.group, it.group.turn
	g.items.Remove(it.place)
	it.place = nil
	q.count(g, -1)
	if g.items.Len() == 0 {
		if !g.held() {
			t.order.Remove(g.place)
		}
		delete(t.groups, g.name)
		q.settle(t)
	}
	if t.waiting == 0 {
		delete(q.tenants, t.tenant)
	}
}

// Serve removes an item from the queue and moves its group and its tenant to the back.
func (q *Fair[T]) Serve(it *Item[T]) {
	g, t := it.group, it.group.turn
	if !g.held() {
		t.order.MoveToBack(g.place)
	}
	q.PassTenant(t)
	q.Remove(it)
}

// Pass moves the group of an item to the back of its tenant's, and leaves the item in the queue.
func (q *Fair[T]) Pass(it *Item[T]) { it.group.turn.order.MoveToBack(it.group.place) }

// PassTenant moves a tenant to the back, unless it has no turn.
func (q *Fair[T]) PassTenant(t *Turn[T]) {
	if t.place != nil {
		q.order.MoveToBack(t.place)
	}
}

// Hold takes the turns of a tenant until Free. What is pushed meanwhile waits.
func (q *Fair[T]) Hold(t *Turn[T]) {
	t.held = true
	q.held += t.waiting - t.paused
	q.settle(t)
}

// Free gives a tenant that is held its turns again.
func (q *Fair[T]) Free(tenant runtime.Tenant) {
	if t := q.tenants[tenant]; t != nil && t.held {
		t.held = false
		q.held -= t.waiting - t.paused
		q.settle(t)
	}
}

// HoldGroup takes the turns of the group of an item in the queue until FreeGroup. What is pushed
// meanwhile waits. A group without items is not held any more.
func (q *Fair[T]) HoldGroup(it *Item[T]) {
	g, t := it.group, it.group.turn
	if g.held() {
		return
	}
	t.order.Remove(g.place)
	g.place = nil
	n := g.items.Len()
	t.paused += n
	q.paused += n
	if !t.held {
		q.held += n
	}
	q.settle(t)
}

// FreeGroup gives the group of an item in the queue, if it is held, its turns again.
func (q *Fair[T]) FreeGroup(it *Item[T]) {
	g, t := it.group, it.group.turn
	if !g.held() {
		return
	}
	g.place = t.order.PushBack(g)
	n := g.items.Len()
	t.paused -= n
	q.paused -= n
	if !t.held {
		q.held -= n
	}
	q.settle(t)
}

// Groups yields the first item of each group of a tenant, also of those that are held.
func (q *Fair[T]) Groups(tenant runtime.Tenant) iter.Seq[*Item[T]] {
	return func(yield func(*Item[T]) bool) {
		t := q.tenants[tenant]
		if t == nil {
			return
		}
		for _, g := range t.groups {
			if !yield(g.items.Front().Value.(*Item[T])) {
				return
			}
		}
	}
}

// FreeAll gives all tenants their turns again.
func (q *Fair[T]) FreeAll() {
	for tenant := range q.tenants {
		q.Free(tenant)
	}
}

// Clear removes all items of a group and returns how many there were.
func (q *Fair[T]) Clear(tenant runtime.Tenant, name string) (n int) {
	t := q.tenants[tenant]
	if t == nil || t.groups[name] == nil {
		return 0
	}
	for g := t.groups[name]; g.items.Len() > 0; n++ {
		q.Remove(g.items.Front().Value.(*Item[T]))
	}
	return n
}

// EachFirst calls visit with the item of each group that has waited longest in it, of all tenants, or of
// one unless its name is empty. It looks at each group, and leaves out those that are held.
func (q *Fair[T]) EachFirst(tenant runtime.Tenant, visit func(T)) {
	each := func(t *Turn[T]) {
		for _, g := range t.groups {
			if !g.held() {
				visit(g.items.Front().Value.(*Item[T]).Value)
			}
		}
	}
	if tenant == "" {
		for _, t := range q.tenants {
			each(t)
		}
	} else if t := q.tenants[tenant]; t != nil {
		each(t)
	}
}

// Waiting returns the number of waiting items of a tenant.
func (q *Fair[T]) Waiting(tenant runtime.Tenant) int {
	if t := q.tenants[tenant]; t != nil {
		return t.waiting
	}
	return 0
}

// RemoveIf removes the items of a tenant for which drop returns true. It looks at all of them.
func (q *Fair[T]) RemoveIf(tenant runtime.Tenant, drop func(T) bool) {
	t := q.tenants[tenant]
	if t == nil {
		return
	}
	for _, g := range t.groups {
		for e := g.items.Front(); e != nil; {
			it := e.Value.(*Item[T])
			if e = e.Next(); drop(it.Value) { // before it.place leaves the list
				q.Remove(it)
			}
		}
	}
}

// First returns the tenant whose turn it is, or nil if none has one.
func (q *Fair[T]) First() *Turn[T] { return turnAt[T](q.order.Front()) }

// After returns the tenant whose turn follows, or nil if this is the last one.
func (t *Turn[T]) After() *Turn[T] { return turnAt[T](t.place.Next()) }

func turnAt[T any](place *list.Element) *Turn[T] {
	if place == nil {
		return nil
	}
	return place.Value.(*Turn[T])
}

// Next returns the tenant's item that is next in turn.
func (t *Turn[T]) Next() *Item[T] { return itemAt[T](t.order.Front()) }

// After returns the item of the same tenant that is next in turn if it is not for the group of this
// one, or nil if this is the tenant's last group.
func (it *Item[T]) After() *Item[T] { return itemAt[T](it.group.place.Next()) }

// itemAt returns the first item of the group at a place.
func itemAt[T any](place *list.Element) *Item[T] {
	if place == nil {
		return nil
	}
	return place.Value.(*group[T]).items.Front().Value.(*Item[T])
}
