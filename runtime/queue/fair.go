package queue

import (
	"container/heap"
	"container/list"

	"github.com/faaspot/faaspot/runtime"
)

// Fair is a queue in which tenants take turns, the groups of a tenant take turns, and the
// items of a group go in the order of their arrival. Each group has a class, and the groups of a
// class can lose their turns. An operation takes constant time, however many items and groups
// wait, and the logarithm of the number of classes of a tenant; if ages are kept, that of the number of its groups. It holds nothing for tenants,
// classes and groups without waiting items.
type Fair[T any] struct {
	waiting int
	held    int // of these, the items of tenants and of classes that are held
	paused  int // of these, the items of classes that are held
	tenants map[runtime.Tenant]*Turn[T]
	order   list.List     // of *Turn[T], next in turn first
	began   func(T) int64 // nil: ages are not kept
}

// Turn is a tenant with waiting items.
type Turn[T any] struct {
	tenant  runtime.Tenant
	waiting int
	paused  int   // of these, the items of classes that are held
	back    int64 // the number of the last turn
	classes map[string]*class[T]
	groups  map[string]*group[T]
	order   classes[T]       // those that are not held
	looked  int              // the class at which Find goes on behind the first ones
	ages    byAge[*class[T]] // likewise
	place   *list.Element    // nil: it has no turn
	held    bool
}

// class holds the groups that can be held together, such as those of a function.
type class[T any] struct {
	turn    *Turn[T]
	name    string
	waiting int
	order   list.List     // of *group[T], next in turn first
	looked  *list.Element // the group at which Find was last behind the first ones; it may have left
	held    bool
	at      int // index in the order of the turn, unless it is held
	ages    byAge[*group[T]]
	aged    int // index in the ages of the turn
}

// next returns the group that is next in turn.
func (c *class[T]) next() *group[T] { return c.order.Front().Value.(*group[T]) }

// classes is a heap of classes, ordered by the turns of their next groups.
type classes[T any] []*class[T]

func (c classes[T]) Len() int           { return len(c) }
func (c classes[T]) Less(i, j int) bool { return c[i].next().number < c[j].next().number }
func (c classes[T]) Swap(i, j int) {
	c[i], c[j] = c[j], c[i]
	c[i].at, c[j].at = i, j
}

func (c *classes[T]) Push(x any) {
	added := x.(*class[T])
	added.at = len(*c)
	*c = append(*c, added)
}

func (c *classes[T]) Pop() any {
	last := len(*c) - 1
	x := (*c)[last]
	(*c)[last] = nil
	*c = (*c)[:last]
	return x
}

// group holds the waiting items of one group, such as an execution of a job.
type group[T any] struct {
	class  *class[T]
	name   string
	items  list.List // of *Item[T], in the order of arrival
	number int64     // of its turn, among those of its tenant
	place  *list.Element
	began  int64 // see KeepAges
	aged   int   // index in the ages of the class
}

// Item is an entry of a [Fair]. It is a field of what waits, so that queueing allocates little.
type Item[T any] struct {
	Value T

	group *group[T]
	place *list.Element // nil unless it is in a queue
}

// Queued reports whether the item is in a queue.
func (it *Item[T]) Queued() bool { return it.place != nil }

// InTurn reports whether the tenant and the class of an item in a queue have their turns.
func (it *Item[T]) InTurn() bool { return !it.group.class.held && !it.group.class.turn.held }

// NewFair returns an empty queue.
func NewFair[T any]() *Fair[T] {
	return &Fair[T]{tenants: make(map[runtime.Tenant]*Turn[T])}
}

// Len returns the number of waiting items.
func (q *Fair[T]) Len() int { return q.waiting }

// InTurn returns the number of waiting items whose tenants and classes have turns.
func (q *Fair[T]) InTurn() int { return q.waiting - q.held }

// Paused returns the number of waiting items of classes that are held.
func (q *Fair[T]) Paused() int { return q.paused }

// Push appends an item to its group, which is of a class.
func (q *Fair[T]) Push(it *Item[T], tenant runtime.Tenant, class, name string) {
	g := q.groupOf(tenant, class, name)
	it.group = g
	it.place = g.items.PushBack(it)
	q.count(g.class, 1)
	if g.first() == it {
		q.settleAge(g)
	}
}

// PushFront puts an item at the front of its group, behind those at the front that go before it.
func (q *Fair[T]) PushFront(it *Item[T], tenant runtime.Tenant, class, name string, before func(T) bool) {
	g := q.groupOf(tenant, class, name)
	it.group = g
	e := g.items.Front()
	for e != nil && before(e.Value.(*Item[T]).Value) {
		e = e.Next()
	}
	if e == nil {
		it.place = g.items.PushBack(it)
	} else {
		it.place = g.items.InsertBefore(it, e)
	}
	q.count(g.class, 1)
	if g.first() == it {
		q.settleAge(g)
	}
}

// groupOf returns a group, which is new unless it has items.
func (q *Fair[T]) groupOf(tenant runtime.Tenant, of, name string) *group[T] {
	t := q.tenants[tenant]
	if t == nil {
		t = &Turn[T]{tenant: tenant, classes: make(map[string]*class[T]), groups: make(map[string]*group[T])}
		q.tenants[tenant] = t
	}
	g := t.groups[name]
	if g != nil {
		return g
	}
	c := t.classes[of]
	g = &group[T]{class: c, name: name, number: t.last(), aged: absent}
	t.groups[name] = g
	if c != nil {
		g.place = c.order.PushBack(g)
		return g
	}
	c = &class[T]{turn: t, name: of, aged: absent}
	t.classes[of], g.class = c, c
	g.place = c.order.PushBack(g)
	heap.Push(&t.order, c)
	q.settle(t)
	return g
}

// last returns the number of a turn behind all others.
func (t *Turn[T]) last() int64 {
	t.back++
	return t.back
}

// count adds n to the numbers of items, which are of a class.
func (q *Fair[T]) count(c *class[T], n int) {
	t := c.turn
	c.waiting += n
	t.waiting += n
	q.waiting += n
	if c.held {
		t.paused += n
		q.paused += n
	}
	if t.held || c.held {
		q.held += n
	}
}

// settle gives a tenant a turn if it is to have one and has none, or takes it.
func (q *Fair[T]) settle(t *Turn[T]) {
	switch turn := !t.held && len(t.order) > 0; {
	case turn && t.place == nil:
		t.place = q.order.PushBack(t)
	case !turn && t.place != nil:
		q.order.Remove(t.place)
		t.place = nil
	}
}

// Remove removes an item from the queue. The order of turns does not change.
func (q *Fair[T]) Remove(it *Item[T]) {
	g := it.group
	c, t := g.class, g.class.turn
	first := g.first() == it
	g.items.Remove(it.place)
	it.place = nil
	q.count(c, -1)
	if g.items.Len() > 0 {
		if first {
			q.settleAge(g)
		}
		return
	}
	q.dropAge(g)
	delete(t.groups, g.name)
	if c.order.Len() > 1 {
		c.order.Remove(g.place)
		c.settle()
		return
	}
	if !c.held {
		heap.Remove(&t.order, c.at)
	}
	delete(t.classes, c.name)
	q.settle(t)
	if t.waiting == 0 {
		delete(q.tenants, t.tenant)
	}
}

// settle gives a class its place in the order of turns, after its next group has changed.
func (c *class[T]) settle() {
	if !c.held {
		heap.Fix(&c.turn.order, c.at)
	}
}

// Serve removes an item from the queue and moves its group and its tenant to the back.
func (q *Fair[T]) Serve(it *Item[T]) {
	q.Pass(it)
	q.PassTenant(it.group.class.turn)
	q.Remove(it)
}

// Pass moves the group of an item to the back of its tenant's, and leaves the item in the queue.
func (q *Fair[T]) Pass(it *Item[T]) {
	g := it.group
	g.number = g.class.turn.last()
	g.class.order.MoveToBack(g.place)
	g.class.settle()
}

// Number returns the number of the turn of the item's group, for Restore.
func (it *Item[T]) Number() int64 { return it.group.number }

// Restore gives the group of an item a turn that it had before, of which few others of its class were before it.
func (q *Fair[T]) Restore(it *Item[T], number int64) {
	g := it.group
	g.number = number
	e := g.class.order.Front()
	for e != g.place && e.Value.(*group[T]).number < number {
		e = e.Next()
	}
	if e != g.place {
		g.class.order.MoveBefore(g.place, e)
	}
	g.class.settle()
}

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

// HoldClass takes the turns of the groups of a class until FreeClass. What is pushed meanwhile waits. A
// class without items is not held any more.
func (q *Fair[T]) HoldClass(tenant runtime.Tenant, name string) {
	t := q.tenants[tenant]
	if t == nil || t.classes[name] == nil || t.classes[name].held {
		return
	}
	c := t.classes[name]
	heap.Remove(&t.order, c.at)
	q.setHeld(c, true)
}

// FreeClass gives the groups of a class, if it is held, their turns again.
func (q *Fair[T]) FreeClass(tenant runtime.Tenant, name string) {
	t := q.tenants[tenant]
	if t == nil || t.classes[name] == nil || !t.classes[name].held {
		return
	}
	c := t.classes[name]
	heap.Push(&t.order, c)
	q.setHeld(c, false)
}

func (q *Fair[T]) setHeld(c *class[T], held bool) {
	n := c.waiting
	q.count(c, -n)
	c.held = held
	q.count(c, n)
	q.settle(c.turn)
	q.holdAge(c)
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
		q.Remove(g.first())
	}
	return n
}

// Waiting returns the number of waiting items of a tenant.
func (q *Fair[T]) Waiting(tenant runtime.Tenant) int {
	if t := q.tenants[tenant]; t != nil {
		return t.waiting
	}
	return 0
}

// Turn returns a tenant with waiting items, whether or not it has a turn; nil: it has none.
func (q *Fair[T]) Turn(tenant runtime.Tenant) *Turn[T] { return q.tenants[tenant] }

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

// Next returns the item that is next in turn of a tenant that has a turn.
func (t *Turn[T]) Next() *Item[T] { return t.order[0].next().first() }

// Held reports whether the turns of the tenant were taken.
func (t *Turn[T]) Held() bool { return t.held }

// mostFound bounds the classes that [Turn.Find] looks at, and the groups of each: those that are next in turn, and if there is nothing
// among them as many others, which differ from call to call.
const mostFound = 8

// Find returns the item that is next in turn of those that ok accepts, or nil. It looks at the first items of few groups, also if
// the tenant is held. What it does not look at comes up in a later call.
func (t *Turn[T]) Find(ok func(T) bool) *Item[T] {
	var found *group[T]
	for _, c := range t.order[:min(len(t.order), mostFound)] {
		if g := c.find(ok, found); g != nil {
			found = g
		}
	}
	others := len(t.order) - mostFound
	for n := 0; found == nil && n < min(others, mostFound); n++ {
		t.looked = (t.looked + 1) % others
		found = t.order[mostFound+t.looked].find(ok, nil)
	}
	if found == nil {
		return nil
	}
	return found.first()
}

// find returns the group that is next in turn of those whose first item ok accepts, and is before another one, or nil.
func (c *class[T]) find(ok func(T) bool, before *group[T]) *group[T] {
	e := c.order.Front()
	for n := 0; e != nil && n < mostFound; n++ {
		g := e.Value.(*group[T])
		if before != nil && g.number > before.number {
			return nil
		}
		if ok(g.first().Value) {
			return g
		}
		e = e.Next()
	}
	if e == nil {
		return nil
	}
	if c.looked != nil && c.looked.Next() != nil { // else it was the last one, or has left
		e = c.looked.Next()
	}
	for n := 0; e != nil && n < mostFound; n++ {
		g := e.Value.(*group[T])
		c.looked = e
		if before != nil && g.number > before.number {
			return nil
		}
		if ok(g.first().Value) {
			return g
		}
		e = e.Next()
	}
	return nil
}

// After returns the first item of the group of the same class that is next in turn after the group of
// this one, or nil if that is the last one.
func (it *Item[T]) After() *Item[T] {
	place := it.group.place.Next()
	if place == nil {
		return nil
	}
	return place.Value.(*group[T]).first()
}

// first returns the item that has waited longest.
func (g *group[T]) first() *Item[T] { return g.items.Front().Value.(*Item[T]) }
