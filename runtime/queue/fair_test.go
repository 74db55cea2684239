package queue_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/queue"
)

// modelItem is an item of a queue, as the test remembers it.
type modelItem struct {
	item         queue.Item[*modelItem]
	tenant       runtime.Tenant
	class, group string
	n            int
	began        int64
}

// modelTenant is a tenant of a queue, as the test remembers it.
type modelTenant struct {
	held    bool
	classes map[string]bool         // that are held
	groups  map[string][]*modelItem // with waiting items
	turns   []string                // groups, next in turn first
}

// next returns the group that is next in turn, "" if none has a turn.
func (m *modelTenant) next() string {
	for _, group := range m.turns {
		if !m.held && !m.classes[classOf(group)] {
			return group
		}
	}
	return ""
}

func (m *modelTenant) pass(group string) {
	m.turns = append(slices.DeleteFunc(m.turns, func(g string) bool { return g == group }), group)
}

func classOf(group string) string { return group[:1] }

// TestHeldTurns compares a queue whose tenants and classes are held and freed in any order with a model: nothing
// that is held has a turn, all else has one, the groups of a tenant take turns whatever their classes, and the items
// of a group keep their order. Of the first items of the groups that are not held, the oldest is known.
func TestHeldTurns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := queue.NewFair[*modelItem]()
		q.KeepAges(func(it *modelItem) int64 { return it.began })
		tenants := map[runtime.Tenant]*modelTenant{}
		n := 0
		drop := func(it *modelItem) {
			m := tenants[it.tenant]
			m.groups[it.group] = slices.DeleteFunc(m.groups[it.group], func(other *modelItem) bool { return other == it })
			if len(m.groups[it.group]) > 0 {
				return
			}
			delete(m.groups, it.group)
			m.turns = slices.DeleteFunc(m.turns, func(g string) bool { return g == it.group })
			if !slices.ContainsFunc(m.turns, func(g string) bool { return classOf(g) == it.class }) {
				delete(m.classes, it.class)
			}
			if len(m.groups) == 0 {
				delete(tenants, it.tenant)
			}
		}
		pick := func(t *rapid.T) *modelItem {
			var all []*modelItem
			for _, m := range tenants {
				for _, items := range m.groups {
					all = append(all, items...)
				}
			}
			if len(all) == 0 {
				t.Skip("the queue is empty")
			}
			slices.SortFunc(all, func(a, b *modelItem) int { return a.n - b.n })
			return all[rapid.IntRange(0, len(all)-1).Draw(t, "which")]
		}
		inTurn := func(t *rapid.T) *queue.Turn[*modelItem] {
			turn := q.First()
			if turn == nil {
				t.Skip("nothing has a turn")
			}
			return turn
		}
		add := func(t *rapid.T) (*modelItem, *modelTenant) {
			it := &modelItem{
				n: n, began: rapid.Int64Range(-3, 3).Draw(t, "began"), tenant: runtime.Tenant(fmt.Sprint(rapid.IntRange(0, 2).Draw(t, "tenant"))),
				group: fmt.Sprint(rapid.IntRange(0, 2).Draw(t, "class"), rapid.IntRange(0, 2).Draw(t, "group")),
			}
			n++
			it.item.Value, it.class = it, classOf(it.group)
			m := tenants[it.tenant]
			if m == nil {
				m = &modelTenant{classes: map[string]bool{}, groups: map[string][]*modelItem{}}
				tenants[it.tenant] = m
			}
			if len(m.groups[it.group]) == 0 {
				m.turns = append(m.turns, it.group)
			}
			return it, m
		}
		t.Repeat(map[string]func(*rapid.T){
			"push": func(t *rapid.T) {
				it, m := add(t)
				m.groups[it.group] = append(m.groups[it.group], it)
				q.Push(&it.item, it.tenant, it.class, it.group)
			},
			"push front": func(t *rapid.T) {
				it, m := add(t)
				items := m.groups[it.group]
				after := rapid.IntRange(0, len(items)).Draw(t, "after")
				behind := append([]*modelItem(nil), items[:after]...)
				m.groups[it.group] = slices.Insert(items, after, it)
				q.PushFront(&it.item, it.tenant, it.class, it.group, func(other *modelItem) bool { return slices.Contains(behind, other) })
			},
			"remove": func(t *rapid.T) {
				it := pick(t)
				q.Remove(&it.item)
				drop(it)
			},
			"serve": func(t *rapid.T) {
				it := inTurn(t).Next().Value
				q.Serve(&it.item)
				tenants[it.tenant].pass(it.group)
				drop(it)
			},
			"pass": func(t *rapid.T) {
				it := pick(t)
				q.Pass(&it.item)
				tenants[it.tenant].pass(it.group)
			},
			"hold": func(t *rapid.T) {
				turn := inTurn(t)
				tenants[turn.Next().Value.tenant].held = true
				q.Hold(turn)
			},
			"free": func(t *rapid.T) {
				it := pick(t)
				tenants[it.tenant].held = false
				q.Free(it.tenant)
			},
			"hold class": func(t *rapid.T) {
				it := pick(t)
				tenants[it.tenant].classes[it.class] = true
				q.HoldClass(it.tenant, it.class)
			},
			"free class": func(t *rapid.T) {
				it := pick(t)
				delete(tenants[it.tenant].classes, it.class)
				q.FreeClass(it.tenant, it.class)
			},
			"": func(t *rapid.T) {
				all, turns, paused := 0, 0, 0
				next := map[runtime.Tenant]*modelItem{}
				oldest := map[runtime.Tenant]*modelItem{} // "": of all
				for tenant, m := range tenants {
					if group := m.next(); group != "" {
						next[tenant] = m.groups[group][0]
					}
					for group, items := range m.groups {
						held := m.classes[classOf(group)]
						all += len(items)
						if held {
							paused += len(items)
						} else if !m.held {
							turns += len(items)
						}
						for _, of := range []runtime.Tenant{tenant, ""} {
							if was := oldest[of]; !held && (was == nil || items[0].began < was.began) {
								oldest[of] = items[0]
							}
						}
						for _, it := range items {
							if it.item.InTurn() != (!held && !m.held) {
								t.Fatalf("item %d is in turn: %t", it.n, it.item.InTurn())
							}
						}
					}
				}
				if q.Len() != all || q.InTurn() != turns || q.Paused() != paused {
					t.Fatalf("%d items, %d in turn, %d paused, want %d, %d, %d", q.Len(), q.InTurn(), q.Paused(), all, turns, paused)
				}
				for turn := q.First(); turn != nil; turn = turn.After() {
					it := turn.Next().Value
					if next[it.tenant] != it {
						t.Fatalf("item %d of tenant %s is next, want %v", it.n, it.tenant, next[it.tenant])
					}
					delete(next, it.tenant)
				}
				if len(next) > 0 {
					t.Fatalf("%v have no turn", next)
				}
				for _, tenant := range []runtime.Tenant{"", "0", "1", "2"} {
					it, found := q.Oldest(tenant)
					if want := oldest[tenant]; found != (want != nil) || found && it.began != want.began {
						t.Fatalf("the oldest of tenant %q is %+v, want %+v", tenant, it, want)
					}
				}
			},
		})
	})
}

// BenchmarkOldest reads the oldest item of a tenant with a million groups.
func BenchmarkOldest(b *testing.B) {
	const groups = 1_000_000
	q := queue.NewFair[int64]()
	q.KeepAges(func(n int64) int64 { return n })
	items := make([]queue.Item[int64], groups)
	for i := range items {
		items[i].Value = int64(i * 7919 % groups)
		q.Push(&items[i], "t", "f", fmt.Sprint(i))
	}
	for b.Loop() {
		if oldest, found := q.Oldest("t"); !found || oldest != 0 {
			b.Fatal(oldest, found)
		}
	}
}

// BenchmarkServe queues and serves an item beside others of a tenant, each of a group of its own, with ages and without.
func BenchmarkServe(b *testing.B) {
	for name, keep := range map[string]bool{"ages": true, "no ages": false} {
		for _, groups := range []int{1, 1000, 1_000_000} {
			b.Run(fmt.Sprint(name, " ", groups), func(b *testing.B) {
				q := queue.NewFair[int64]()
				if keep {
					q.KeepAges(func(n int64) int64 { return n })
				}
				items := make([]queue.Item[int64], groups)
				names := make([]string, groups)
				for i := range items {
					items[i].Value, names[i] = int64(i), fmt.Sprint(i)
					q.Push(&items[i], "t", "f", names[i])
				}
				for i := 0; b.Loop(); i = (i + 1) % groups {
					q.Serve(&items[i])
					items[i].Value += int64(groups)
					q.Push(&items[i], "t", "f", names[i])
				}
			})
		}
	}
}

// TestRestoredTurns takes items out of turn, in any order, and puts them back: all have the turns that they had, also of a tenant that is held.
func TestRestoredTurns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := queue.NewFair[*modelItem]()
		items := rapid.SliceOfN(rapid.SampledFrom([]string{"ax", "ay", "bx", "by", "cx"}), 1, 20).Draw(t, "groups")
		var all []*modelItem
		for i, group := range items {
			it := &modelItem{tenant: "t", class: classOf(group), group: group, n: i}
			it.item.Value = it
			all = append(all, it)
			q.Push(&it.item, "t", it.class, group)
		}
		skipped := rapid.SampledFrom([]string{"", "ax", "bx"}).Draw(t, "skipped")
		if rapid.Bool().Draw(t, "held") {
			q.Hold(q.First())
		}
		type taken struct {
			it     *modelItem
			number int64
		}
		var out []taken
		for range rapid.IntRange(0, len(all)).Draw(t, "taken") {
			turn := q.Turn("t")
			if turn == nil {
				break
			}
			found := turn.Find(func(it *modelItem) bool { return it.group != skipped })
			if found == nil {
				break
			}
			out = append(out, taken{found.Value, found.Number()})
			q.Pass(found)
			q.Remove(found)
		}
		for _, o := range slices.Backward(out) {
			q.PushFront(&o.it.item, "t", o.it.class, o.it.group, func(*modelItem) bool { return false })
			q.Restore(&o.it.item, o.number)
		}
		q.Free("t")
		var want []*modelItem
		for left := slices.Clone(all); len(left) > 0; {
			served := map[string]bool{}
			left = slices.DeleteFunc(left, func(it *modelItem) bool {
				if served[it.group] {
					return false
				}
				served[it.group] = true
				want = append(want, it)
				return true
			})
		}
		for _, it := range want[:len(unique(items))] { // the first turn of each group
			next := q.First().Next()
			if next.Value != it {
				t.Fatalf("item %d of %v is next, want %d", next.Value.n, items, it.n)
			}
			q.Serve(next)
		}
	})
}

// TestFindAmongMany has many classes, or groups of a class, of which the last one may go: it comes up.
func TestFindAmongMany(t *testing.T) {
	for _, classes := range []bool{false, true} {
		for _, many := range []int{9, 17, 100} {
			q := queue.NewFair[int]()
			items := make([]queue.Item[int], many)
			for i := range items {
				class := "c"
				if classes {
					class = fmt.Sprint(i)
				}
				items[i].Value = i
				q.Push(&items[i], "t", class, fmt.Sprint(i))
			}
			for last := range many {
				found := false
				for range 2*many/8 + 2 {
					looked := 0
					it := q.Turn("t").Find(func(i int) bool {
						looked++
						return i == last
					})
					if looked > 16 {
						t.Errorf("%d of %d were looked at, of many classes: %t", looked, many, classes)
					}
					found = found || it != nil
				}
				if !found {
					t.Errorf("the one at %d of %d was not found, of many classes: %t", last, many, classes)
				}
			}
		}
	}
}

func unique(all []string) map[string]bool {
	set := map[string]bool{}
	for _, s := range all {
		set[s] = true
	}
	return set
}
