package storage

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/commit"
	"github.com/faaspot/faaspot/storage/internal/keys"
	"github.com/faaspot/faaspot/storage/internal/kv"
	"github.com/faaspot/faaspot/storage/internal/record"
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
			bodies := map[place]string{}
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
					must(t, s.commits.Write(commit.NewWork, func(b *pebble.Batch) error { return putDelivery(b, s.db, d) }))
					pending[place{tenant, d.ID}] = d
				case 3, 4:
					p, there := anyOf(pending)
					d := pending[p]
					d.ID, d.Tenant = p.id, p.tenant
					d.Attempts++
					d.LastError, d.LastAttempt = "no", at
					d.Dead = rng.IntN(2) == 0
					if rng.IntN(2) == 0 {
						d.Body = []byte(`{"a":` + strconv.Itoa(rng.IntN(100)) + `}`)
					}
					must(t, s.SaveAttempt(d))
					if there && d.Body != nil {
						bodies[p] = string(d.Body)
						d.BodySize, d.Body = len(d.Body), nil
					}
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
					clone := crashClone(fs, vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(101), RNG: rng})
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
							whole, err := s.GetDeadLetter(tenant, d.ID)
							must(t, err)
							if d.BodySize != len(whole.Body) || d.Body != nil {
								t.Fatalf("%s is listed with %d bytes of a body, %d are in the list", d.ID, d.BodySize, len(d.Body))
							}
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
				for p := range pending {
					d, err := s.GetDelivery(p.tenant, p.id)
					if err != nil || string(d.Body) != bodies[p] || d.BodySize != len(d.Body) {
						t.Fatalf("the body of a delivery is %s (%d), want %s, %v", d.Body, d.BodySize, bodies[p], err)
					}
				}
				for p := range dead {
					if d, err := s.GetDeadLetter(p.tenant, p.id); err != nil || string(d.Body) != bodies[p] {
						t.Fatalf("the body of a dead letter is %s, want %s, %v", d.Body, bodies[p], err)
					}
				}
				for p := range bodies {
					if _, there := pending[p]; there {
						continue
					}
					if _, there := dead[p]; there {
						continue
					}
					delete(bodies, p)
					id, _ := keys.ParseID(p.id)
					if _, err := kv.Get(s.db, keys.Execution(keys.KindCallbackBody, p.tenant, id), record.DecodeRaw); !errors.Is(err, kv.ErrAbsent) {
						t.Fatalf("the body of a delivery that is gone: %v", err)
					}
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
			must(t, s.commits.Write(commit.NewWork, func(b *pebble.Batch) error { return putDelivery(b, s.db, d) }))
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

// Dead letters are bounded in number and in bytes for each tenant: the oldest are dropped, with their
// bodies.
func TestDeadLettersAreBounded(t *testing.T) {
	s := openOn(t, vfs.NewMem(), "store")
	rng := rand.New(rand.NewPCG(1, 1))
	body := bytes.Repeat([]byte("x"), 1<<20)
	var large, small []string
	put := func(tenant runtime.Tenant, i int, body []byte) string {
		d := runtime.Delivery{ID: storetest.ID(rng, start.Add(time.Duration(i)*time.Millisecond)), Tenant: tenant, Dead: true, Body: body, BodySize: len(body)}
		if len(body) > 1<<10 { // the size counts, whatever is stored
			d.BodySize, d.Body = runtime.MaxDeadLetterBytes/4, nil
		}
		must(t, s.commits.Write(commit.NewWork, func(b *pebble.Batch) error { return putDelivery(b, s.db, d) }))
		return d.ID
	}
	for i := range 6 {
		large = append(large, put("large", i, body))
	}
	for i := range runtime.MaxDeadLetters + 10 {
		small = append(small, put("small", i, []byte("{}")))
	}
	must(t, s.Expire(start.Add(time.Hour), runtime.Retention{}))
	for tenant, want := range map[runtime.Tenant][]string{"large": large[2:], "small": small[10:]} {
		letters, err := s.ListDeadLetters(tenant, "", 1<<20)
		must(t, err)
		if len(letters) != len(want) || letters[len(letters)-1].ID != want[0] {
			t.Errorf("%s: %d dead letters are left, want %d", tenant, len(letters), len(want))
		}
	}
	bodies, err := kv.Get(s.db, keys.Execution(keys.KindCallbackBody, "small", mustID(t, small[9])), record.DecodeRaw)
	if !errors.Is(err, kv.ErrAbsent) {
		t.Errorf("a dropped dead letter leaves a body of %d bytes, %v", len(bodies), err)
	}
}

// Retention drops neither an execution nor its tasks before the body of its callback is stored.
func TestRetentionWaitsForTheBodiesOfCallbacks(t *testing.T) {
	s := openOn(t, vfs.NewMem(), "store")
	now := time.Now().UTC()
	j := runtime.Job{ID: runtime.NewID(), Tenant: "t", Name: "j", Revision: 1, Spec: runtime.JobSpec{Function: "f"}, Created: now, Updated: now}
	must(t, s.CreateJob(j))
	x := runtime.JobExecution{
		ID: runtime.NewID(), Name: "x", Tenant: "t", JobID: j.ID, Job: j.Name, Revision: 1, FunctionID: "f", Function: "f", State: runtime.StateQueued,
		Created: now, Updated: now, Stats: runtime.TaskCounts{Total: 2}, Callback: &runtime.Callback{URL: "https://example.com", Secret: "s"},
	}
	_, _, err := s.AcceptJob(x, x.Tasks(1, []json.RawMessage{[]byte("{}"), []byte("{}")}), nil, nil)
	must(t, err)
	_, _, _, err = s.CancelJobExecution("t", x.ID, now)
	must(t, err)
	later := now.Add(100 * keys.Day)
	must(t, s.Expire(later, runtime.Retention{Age: keys.Day, Count: 1}))
	if _, err := s.GetJobExecutionByID("t", x.ID); err != nil {
		t.Fatalf("the execution: %v", err)
	}
	for i := range 2 {
		if _, err := s.GetExecution("t", runtime.TaskID(x.ID, i)); err != nil {
			t.Fatalf("task %d: %v", i, err)
		}
	}
	d, err := s.GetDelivery("t", x.ID)
	must(t, err)
	d.Body = []byte("{}")
	must(t, s.SaveAttempt(d))
	must(t, s.Expire(later, runtime.Retention{Age: keys.Day, Count: 1}))
	if _, err := s.GetJobExecutionByID("t", x.ID); runtime.CodeOf(err) != runtime.CodeNotFound {
		t.Errorf("with its body stored, the execution is kept: %v", err)
	}
	if d, err = s.GetDelivery("t", x.ID); err != nil || string(d.Body) != "{}" {
		t.Errorf("the body is %s, %v", d.Body, err)
	}
}

// A delivery whose body an earlier release has stored in its record keeps it.
func TestBodiesInOlderRecords(t *testing.T) {
	s := openOn(t, vfs.NewMem(), "store")
	id := storetest.ID(rand.New(rand.NewPCG(1, 1)), start)
	old := runtime.Delivery{ID: id, Tenant: "t", JobExecution: id, Dead: true, Body: []byte(`{"a":1}`)}
	value, err := record.EncodeDelivery(old)
	must(t, err)
	must(t, s.commits.Write(commit.NewWork, func(b *pebble.Batch) error {
		return b.Set(keys.Execution(keys.KindDeadLetter, "t", mustID(t, id)), value, nil)
	}))
	check := func(d runtime.Delivery, err error) {
		t.Helper()
		if err != nil || string(d.Body) != string(old.Body) || d.BodySize != len(old.Body) {
			t.Errorf("the body is %s (%d), %v", d.Body, d.BodySize, err)
		}
	}
	check(s.GetDeadLetter("t", id))
	letters, err := s.ListDeadLetters("t", "", 10)
	if err != nil || len(letters) != 1 || letters[0].Body != nil || letters[0].BodySize != len(old.Body) {
		t.Errorf("listed: %+v, %v", letters, err)
	}
	_, err = s.RedriveDeadLetters("t", nil, 10)
	must(t, err)
	check(s.GetDelivery("t", id))
	d, err := s.GetDelivery("t", id)
	must(t, err)
	d.Body, d.Dead = nil, true
	must(t, s.SaveAttempt(d))
	check(s.GetDeadLetter("t", id))
}

// Dead letters of an older release, which hold their bodies, are moved apart from them: a bounded
// number at a time, when the disk has room.
func TestBodiesOfDeadLettersAreMoved(t *testing.T) {
	free := uint64(1 << 40)
	s, c := openOn(t, sizedFS{vfs.NewMem(), &free}, "store"), newClerk()
	const letters = maxMoved + 20
	var ids []string
	for i := range letters {
		d := runtime.Delivery{ID: c.done().ID, Tenant: "a", Created: c.at, Dead: true, Body: []byte(fmt.Sprintf(`{"n":%d}`, i))}
		value, err := record.EncodeDelivery(d)
		must(t, err)
		id, _ := keys.ParseID(d.ID)
		must(t, s.db.Set(keys.Execution(keys.KindDeadLetter, "a", id), value, pebble.Sync))
		ids = append(ids, d.ID)
	}
	for _, step := range []struct {
		free uint64
		left int
	}{{DefaultMinFree - 1, letters}, {1 << 40, letters - maxMoved}, {1 << 40, 0}, {1 << 40, 0}} {
		free = step.free
		must(t, s.Expire(c.at, runtime.Retention{}))
		left := 0
		must(t, eachDelivery(s.db, keys.KindDeadLetter, "a", func(d runtime.Delivery) error {
			if len(d.Body) > 0 {
				left++
			}
			return nil
		}))
		if left != step.left {
			t.Errorf("%d letters hold their bodies, want %d", left, step.left)
		}
	}
	for i, id := range ids {
		if d, err := s.GetDeadLetter("a", id); err != nil || string(d.Body) != fmt.Sprintf(`{"n":%d}`, i) || !d.Dead {
			t.Errorf("letter %d is %+v, %v", i, d, err)
		}
	}
}
