package storage

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/commit"
	"github.com/faaspot/faaspot/storage/internal/keys"
	"github.com/faaspot/faaspot/storage/internal/storetest"
)

// A random game of deliveries, in which the machine is lost now and then: acknowledged changes
// survive, no dead letter is taken twice, and tenants do not see each other's deliveries.
func TestDeliveriesAgainstAModel(t *testing.T) {
	tenants := []runtime.Tenant{"a", "a\x00", "b"}
	for seed := range games(2) {
		t.Run(fmt.Sprint("seed", seed), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(seed, 7))
			fs := vfs.NewCrashableMem()
			s := openOn(t, fs, "store")
			type place struct {
				tenant runtime.Tenant
				id     string
			}
			pending, dead := map[place]runtime.Delivery{}, map[place]runtime.Delivery{}
			at := start
			anyOf := func(all map[place]runtime.Delivery) (place, bool) {
				places := slices.SortedFunc(maps.Keys(all), func(a, b place) int { return strings.Compare(string(a.tenant)+a.id, string(b.tenant)+b.id) })
				if len(places) == 0 || rng.IntN(8) == 0 { // or an id without a delivery
					return place{tenants[rng.IntN(len(tenants))], storetest.ID(rng, at)}, false
				}
				return places[rng.IntN(len(places))], true
			}
			chosen := func(tenant runtime.Tenant) (ids []string) {
				if rng.IntN(3) == 0 {
					return nil
				}
				ids = []string{"no id", storetest.ID(rng, at)}
				for p := range dead {
					if p.tenant == tenant || rng.IntN(2) == 0 {
						ids = append(ids, p.id, p.id)
					}
				}
				return ids[:rng.IntN(len(ids)+1)]
			}
			taken := func(tenant runtime.Tenant, ids []string) (all []place) {
				for p := range dead {
					if p.tenant == tenant && (ids == nil || slices.Contains(ids, p.id)) {
						all = append(all, p)
					}
				}
				return all
			}
			for range 400 {
				at = at.Add(time.Duration(rng.IntN(5000)) * time.Millisecond)
				tenant := tenants[rng.IntN(len(tenants))]
				switch rng.IntN(9) {
				case 0, 1, 2:
					d := runtime.Delivery{ID: storetest.ID(rng, at), Tenant: tenant, Job: "j", Created: at, Callback: runtime.Callback{URL: "https://example.com", Secret: "s", Retry: rng.IntN(5)}}
					must(t, s.commits.Write(commit.NewWork, func(b *pebble.Batch) error { return putDelivery(b, d) }))
					pending[place{tenant, d.ID}] = d
				case 3, 4:
					p, there := anyOf(pending)
					d := pending[p]
					d.ID, d.Tenant = p.id, p.tenant
					d.Attempts++
					d.LastError, d.LastAttempt = "no", at
					if d.Dead = rng.IntN(2) == 0; d.Dead {
						d.Body = []byte(`{"a":1}`)
					}
					must(t, s.SaveAttempt(d))
					switch {
					case there && d.Dead:
						delete(pending, p)
						dead[p] = d
					case there:
						pending[p] = d
					}
				case 5:
					p, _ := anyOf(pending)
					must(t, s.DeleteDelivery(p.tenant, p.id))
					delete(pending, p)
				case 6:
					ids := chosen(tenant)
					want := taken(tenant, ids)
					driven, err := s.RedriveDeadLetters(tenant, ids, 1000)
					if err != nil || len(driven) != len(want) {
						t.Fatalf("%d of %d were redriven, %v", len(driven), len(want), err)
					}
					for _, p := range want {
						d := dead[p]
						d.Dead, d.Attempts, d.NotBefore = false, 0, time.Time{}
						pending[p] = d
						delete(dead, p)
					}
				case 7:
					ids := chosen(tenant)
					want := taken(tenant, ids)
					if n, err := s.PurgeDeadLetters(tenant, ids, 1000); err != nil || n != len(want) {
						t.Fatalf("%d of %d were purged, %v", n, len(want), err)
					}
					for _, p := range want {
						delete(dead, p)
					}
				case 8: // the machine is lost
					clone := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(101), RNG: rng})
					must(t, s.Close())
					fs = clone
					s = openOn(t, fs, "store")
				}
				got := map[place]runtime.Delivery{}
				must(t, s.EachDelivery(func(d runtime.Delivery) error {
					got[place{d.Tenant, d.ID}] = d
					return nil
				}))
				if diff := cmp.Diff(pending, got); diff != "" {
					t.Fatal(diff)
				}
				clear(got)
				for _, tenant := range tenants {
					before := ""
					for {
						page, err := s.ListDeadLetters(tenant, before, 3)
						must(t, err)
						for _, d := range page {
							if before != "" && d.ID >= before {
								t.Fatalf("%s follows %s", d.ID, before)
							}
							before = d.ID
							got[place{tenant, d.ID}] = d
						}
						if len(page) < 3 {
							break
						}
					}
				}
				if diff := cmp.Diff(dead, got); diff != "" {
					t.Fatal(diff)
				}
			}
		})
	}
}

// Old dead letters are dropped, deliveries that are still attempted are not.
func TestOldDeadLettersAreDropped(t *testing.T) {
	s := openOn(t, vfs.NewMem(), "store")
	rng := rand.New(rand.NewPCG(1, 1))
	var ids []string
	for _, age := range []time.Duration{40 * keys.Day, 31 * keys.Day, 29 * keys.Day, 0} {
		for _, dead := range []bool{true, false} {
			d := runtime.Delivery{ID: storetest.ID(rng, start.Add(-age)), Tenant: "t", Dead: dead}
			ids = append(ids, d.ID)
			must(t, s.commits.Write(commit.NewWork, func(b *pebble.Batch) error { return putDelivery(b, d) }))
		}
	}
	must(t, s.Expire(start, runtime.Retention{}))
	letters, err := s.ListDeadLetters("t", "", 10)
	must(t, err)
	if len(letters) != 2 || letters[0].ID != ids[6] || letters[1].ID != ids[4] {
		t.Errorf("left are %+v", letters)
	}
	n := 0
	must(t, s.EachDelivery(func(runtime.Delivery) error { n++; return nil }))
	if n != 4 {
		t.Errorf("%d deliveries are left, want 4", n)
	}
}
