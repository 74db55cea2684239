package queue

import (
	"container/heap"

	"github.com/faaspot/faaspot/runtime"
)

// byAge is a heap of groups or classes, the oldest first.
type byAge[E aged] []E

// aged is a group or a class, which knows its place in a heap.
type aged interface {
	age() int64
	index() *int
}

// absent is the index of what is in no heap.
const absent = -1

func (b byAge[E]) Len() int           { return len(b) }
func (b byAge[E]) Less(i, j int) bool { return b[i].age() < b[j].age() }
func (b byAge[E]) Swap(i, j int) {
	b[i], b[j] = b[j], b[i]
	*b[i].index(), *b[j].index() = i, j
}

func (b *byAge[E]) Push(x any) {
	added := x.(E)
	*added.index() = len(*b)
	*b = append(*b, added)
}

func (b *byAge[E]) Pop() any {
	last := len(*b) - 1
	x := (*b)[last]
	clear((*b)[last:])
	*b = (*b)[:last]
	*x.index() = absent
	return x
}

// settle gives an element its place, after it was added or its age has changed.
func (b *byAge[E]) settle(x E) {
	if at := *x.index(); at == absent {
		heap.Push(b, x)
	} else {
		heap.Fix(b, at)
	}
}

// remove removes an element, unless it is absent.
func (b *byAge[E]) remove(x E) {
	if at := *x.index(); at != absent {
		heap.Remove(b, at)
	}
}

// The age of a group is that of its first item, the age of a class is that of its oldest group.
func (g *group[T]) age() int64  { return g.began }
func (g *group[T]) index() *int { return &g.aged }
func (c *class[T]) age() int64  { return c.ages[0].began }
func (c *class[T]) index() *int { return &c.aged }

// KeepAges makes [Fair.Oldest] return the item for which began is smallest. It must be called while the queue is empty.
func (q *Fair[T]) KeepAges(began func(T) int64) { q.began = began }

// settleAge notes when the first item of a group began, after it has changed.
func (q *Fair[T]) settleAge(g *group[T]) {
	if q.began == nil {
		return
	}
	g.began = q.began(g.first().Value)
	c := g.class
	if c.ages.settle(g); !c.held {
		c.turn.ages.settle(c)
	}
}

// dropAge forgets a group that has no items left.
func (q *Fair[T]) dropAge(g *group[T]) {
	if q.began == nil {
		return
	}
	c := g.class
	switch c.ages.remove(g); {
	case len(c.ages) == 0:
		c.turn.ages.remove(c)
	case !c.held:
		c.turn.ages.settle(c)
	}
}

// holdAge leaves a class out of what Oldest returns, or puts it back.
func (q *Fair[T]) holdAge(c *class[T]) {
	switch {
	case q.began == nil:
	case c.held:
		c.turn.ages.remove(c)
	default:
		c.turn.ages.settle(c)
	}
}

// Oldest returns the oldest of the items that are the first ones of their groups, of a tenant, or of all tenants if its
// name is empty; found is false if there is none. It leaves out the groups of classes that are held. It takes constant
// time for each tenant.
func (q *Fair[T]) Oldest(tenant runtime.Tenant) (oldest T, found bool) {
	var first *group[T]
	look := func(t *Turn[T]) {
		if t == nil || len(t.ages) == 0 {
			return
		}
		if g := t.ages[0].ages[0]; first == nil || g.began < first.began {
			first = g
		}
	}
	if tenant != "" {
		look(q.tenants[tenant])
	} else {
		for _, t := range q.tenants {
			look(t)
		}
	}
	if first == nil {
		return oldest, false
	}
	return first.first().Value, true
}
