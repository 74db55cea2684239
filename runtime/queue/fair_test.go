package queue_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/queue"
)

// modelItem is an item of a queue, as the test remembers it.
type modelItem struct {
	item   queue.Item[*modelItem]
	tenant runtime.Tenant
	group  string
	n      int
}

// TestHeldTurns compares a queue whose tenants and groups are held and freed in any order with a model: nothing
// that is held has a turn, all else has one, and the items of a group keep their order.
func TestHeldTurns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := queue.NewFair[*modelItem]()
		waiting := map[runtime.Tenant]map[string][]*modelItem{}
		heldTenants, heldGroups := map[runtime.Tenant]bool{}, map[runtime.Tenant]map[string]bool{}
		next := 0
		drop := func(it *modelItem) {
			items := waiting[it.tenant][it.group]
			for i := range items {
				if items[i] == it {
					waiting[it.tenant][it.group] = append(items[:i:i], items[i+1:]...)
					break
				}
			}
			if len(waiting[it.tenant][it.group]) == 0 {
				delete(waiting[it.tenant], it.group)
				delete(heldGroups[it.tenant], it.group)
			}
			if len(waiting[it.tenant]) == 0 {
				delete(waiting, it.tenant)
				delete(heldTenants, it.tenant)
			}
		}
		pick := func(t *rapid.T) *modelItem {
			var all []*modelItem
			for n := range next {
				for _, groups := range waiting {
					for _, items := range groups {
						for _, it := range items {
							if it.n == n {
								all = append(all, it)
							}
						}
					}
				}
			}
			if len(all) == 0 {
				t.Skip("the queue is empty")
			}
			return all[rapid.IntRange(0, len(all)-1).Draw(t, "which")]
		}
		t.Repeat(map[string]func(*rapid.T){
			"push": func(t *rapid.T) {
				it := &modelItem{n: next, tenant: runtime.Tenant(fmt.Sprint(rapid.IntRange(0, 2).Draw(t, "tenant"))), group: fmt.Sprint(rapid.IntRange(0, 2).Draw(t, "group"))}
				it.item.Value = it
				next++
				if waiting[it.tenant] == nil {
					waiting[it.tenant], heldGroups[it.tenant] = map[string][]*modelItem{}, map[string]bool{}
				}
				waiting[it.tenant][it.group] = append(waiting[it.tenant][it.group], it)
				q.Push(&it.item, it.tenant, it.group)
			},
			"remove": func(t *rapid.T) {
				it := pick(t)
				q.Remove(&it.item)
				drop(it)
			},
			"serve": func(t *rapid.T) {
				turn := q.First()
				if turn == nil {
					t.Skip("nothing has a turn")
				}
				it := turn.Next().Value
				if items := waiting[it.tenant][it.group]; items[0] != it || heldTenants[it.tenant] || heldGroups[it.tenant][it.group] {
					t.Fatalf("the next is %d of group %s of tenant %s", it.n, it.group, it.tenant)
				}
				q.Serve(&it.item)
				drop(it)
			},
			"hold": func(t *rapid.T) {
				turn := q.First()
				if turn == nil {
					t.Skip("nothing has a turn")
				}
				heldTenants[turn.Next().Value.tenant] = true
				q.Hold(turn)
			},
			"free": func(t *rapid.T) {
				it := pick(t)
				delete(heldTenants, it.tenant)
				q.Free(it.tenant)
			},
			"hold group": func(t *rapid.T) {
				it := pick(t)
				heldGroups[it.tenant][it.group] = true
				q.HoldGroup(&it.item)
			},
			"free group": func(t *rapid.T) {
				it := pick(t)
				delete(heldGroups[it.tenant], it.group)
				q.FreeGroup(&it.item)
			},
			"": func(t *rapid.T) {
				all, inTurn, paused := 0, 0, 0
				groups := map[string]bool{} // that have a turn
				for tenant, of := range waiting {
					for group, items := range of {
						all += len(items)
						if heldGroups[tenant][group] {
							paused += len(items)
						} else if !heldTenants[tenant] {
							inTurn += len(items)
							groups[fmt.Sprint(tenant, "/", group)] = true
						}
						for _, it := range items {
							if it.item.InTurn() != (!heldGroups[tenant][group] && !heldTenants[tenant]) {
								t.Fatalf("item %d is in turn: %t", it.n, it.item.InTurn())
							}
						}
					}
				}
				if q.Len() != all || q.InTurn() != inTurn || q.Paused() != paused {
					t.Fatalf("%d items, %d in turn, %d paused, want %d, %d, %d", q.Len(), q.InTurn(), q.Paused(), all, inTurn, paused)
				}
				for turn := q.First(); turn != nil; turn = turn.After() {
					for it := turn.Next(); it != nil; it = it.After() {
						name := fmt.Sprint(it.Value.tenant, "/", it.Value.group)
						if !groups[name] {
							t.Fatalf("the group %s has a turn", name)
						}
						delete(groups, name)
					}
				}
				if len(groups) > 0 {
					t.Fatalf("the groups %v have no turn", groups)
				}
			},
		})
	})
}
