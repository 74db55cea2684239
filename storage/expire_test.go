package storage

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/commit"
	"github.com/faaspot/faaspot/storage/internal/keys"
	"github.com/faaspot/faaspot/storage/internal/kv"
	"github.com/faaspot/faaspot/storage/internal/record"
)

// dropAll drops all executions that are done, at a time when all have ended.
func dropAll(t testing.TB, s *Store, now time.Time) {
	t.Helper()
	must(t, s.Expire(now.Add(time.Hour), runtime.Retention{Age: 1}))
}

// keptOf returns the ids of a function's executions that are done, oldest first.
func keptOf(t testing.TB, s *Store, tenant runtime.Tenant, function string) (ids []string) {
	t.Helper()
	src := kv.NewIDIterator(s.db, keys.OfKind(tenant, keys.KindDone), keys.ID{}, keys.LastID)
	for src.First(); src.Valid; src.Next() {
		x, err := readDone(s.db, tenant, src.ID, false)
		must(t, err)
		if x.Function == function {
			ids = append(ids, x.ID)
		}
	}
	must(t, errors.Join(src.Err, src.Close()))
	return ids
}

// recordOf records n runs of a function that end at a time, with results of some bytes, and returns
// their ids.
func recordOf(t testing.TB, s *Store, c *clerk, tenant runtime.Tenant, function string, n, size int) (ids []string) {
	t.Helper()
	for range n {
		x := c.done()
		x.Tenant, x.Function, x.FunctionID, x.Finished = tenant, function, "id of "+function, c.at
		x.State, x.Failure, x.Result = runtime.StateSucceeded, nil, bytes.Repeat([]byte("7"), size)
		must(t, s.Record([]runtime.Execution{x}))
		ids = append(ids, x.ID)
	}
	return ids
}

// Of too many executions the function that has most loses its oldest, and no other loses any. What
// has not ended is kept, however old.
func TestExpireKeepsTheNewest(t *testing.T) {
	t.Parallel()
	s, c := openOn(t, vfs.NewMem(), "store"), newClerk()
	unfinished := begin(t, s, c)
	few := recordOf(t, s, c, "a", "few", 20, 1)
	const all = 8_000
	var ids []string
	for len(ids) < all {
		var batch []runtime.Execution
		for range 500 {
			x := c.done()
			x.Tenant, x.Function, x.FunctionID, x.Finished = "a", "many", "id of many", c.at
			if len(batch)%3 == 0 { // as if others were between them
				x.Tenant = "b"
			} else {
				ids = append(ids, x.ID)
			}
			batch = append(batch, x)
		}
		must(t, s.Record(batch))
	}
	all2 := len(keptOf(t, s, "b", "many"))
	check := func(count int) {
		t.Helper()
		must(t, s.Expire(c.at, runtime.Retention{Count: count}))
		if got := keptOf(t, s, "a", "few"); !slices.Equal(got, few) {
			t.Fatalf("of %d kept, %d of 20 are of the function that has few", count, len(got))
		}
		got, other := keptOf(t, s, "a", "many"), len(keptOf(t, s, "b", "many"))
		if !slices.Equal(got, ids[len(ids)-len(got):]) {
			t.Fatal("others than the newest are kept")
		}
		if n := len(got) + len(few) + other; n > count || n < count-2 {
			t.Fatalf("%d are kept, want %d", n, count)
		}
	}
	check(len(ids) + all2 + 20)
	check(2 * all2)
	check(1_500)
	check(100)
	checkInvariants(t, s)
	if x, err := s.GetExecution(unfinished.Tenant, unfinished.ID); err != nil || x.State != runtime.StateRunning {
		t.Fatalf("the running execution is %+v, %v", x, err)
	}
	dropAll(t, s, c.at)
	if n := len(keptOf(t, s, "a", "many")) + len(keptOf(t, s, "a", "few")) + len(keptOf(t, s, "b", "many")); n != 0 {
		t.Fatalf("%d are left", n)
	}
	checkInvariants(t, s)
}

// What is kept is bounded in bytes: in all, per tenant and per function. The largest holder loses
// its oldest first, also after a restart.
func TestExpireBoundsBytes(t *testing.T) {
	t.Parallel()
	const size = 100_000 // bytes of a result
	for _, test := range []struct {
		name string
		r    runtime.Retention
		want [3]int // kept of 40 of a/big, of 10 of a/small, of 20 of b/big
	}{
		{"no limit", runtime.Retention{}, [3]int{40, 10, 20}},
		{"in all", runtime.Retention{Bytes: 51 * size, TenantBytes: math.MaxInt64, FunctionBytes: math.MaxInt64}, [3]int{20, 10, 20}},
		{"in all, to a level", runtime.Retention{Bytes: 31 * size, TenantBytes: math.MaxInt64, FunctionBytes: math.MaxInt64}, [3]int{7, 7, 15}},
		{"of a tenant", runtime.Retention{Bytes: math.MaxInt64, TenantBytes: 31 * size, FunctionBytes: math.MaxInt64}, [3]int{20, 10, 20}},
		{"of a function", runtime.Retention{Bytes: math.MaxInt64, TenantBytes: math.MaxInt64, FunctionBytes: 15*size + size/2}, [3]int{15, 10, 15}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			mem := vfs.NewMem()
			s, c := openOn(t, mem, "store"), newClerk()
			all := [3][]string{
				recordOf(t, s, c, "a", "big", 40, size),
				recordOf(t, s, c, "a", "small", 10, size),
				recordOf(t, s, c, "b", "big", 20, size),
			}
			must(t, s.Close())
			s = openOn(t, mem, "store")
			must(t, s.Expire(c.at, test.r))
			for i, of := range []struct {
				tenant   runtime.Tenant
				function string
			}{{"a", "big"}, {"a", "small"}, {"b", "big"}} {
				got, want := keptOf(t, s, of.tenant, of.function), all[i][len(all[i])-test.want[i]:]
				if !slices.Equal(got, want) {
					t.Errorf("of %s/%s %d are kept, want the newest %d", of.tenant, of.function, len(got), len(want))
				}
			}
			checkInvariants(t, s)
		})
	}
}

// What has just ended is kept whatever else is, and age counts from the end: not from the
// acceptance.
func TestExpireCountsFromTheEnd(t *testing.T) {
	s, c := openOn(t, vfs.NewMem(), "store"), newClerk()
	long := begin(t, s, c) // accepted first, ends last
	c.at = c.at.Add(time.Hour)
	early := recordOf(t, s, c, "default", "f", 3, 10)
	c.at = c.at.Add(time.Hour)
	x := ended(long)
	x.Finished = c.at
	settled, err := s.Finish([]runtime.Execution{x}, c.at)
	must(t, errors.Join(err, settled[0].Err))
	has := func(id string) bool {
		_, err := s.GetExecution("default", id)
		return err == nil
	}
	must(t, s.Expire(c.at.Add(time.Second), runtime.Retention{MinAge: time.Minute, Count: 1, Bytes: 1, FunctionBytes: 1, TenantBytes: 1}))
	if !has(long.ID) || has(early[0]) || has(early[2]) {
		t.Errorf("a second after the end: %v, %v, %v", has(long.ID), has(early[0]), has(early[2]))
	}
	must(t, s.Expire(c.at.Add(59*time.Minute), runtime.Retention{MinAge: time.Minute, Age: time.Hour}))
	if !has(long.ID) {
		t.Error("it was dropped before its age, which counts from its end")
	}
	must(t, s.Expire(c.at.Add(61*time.Minute), runtime.Retention{MinAge: time.Minute, Age: time.Hour}))
	if has(long.ID) {
		t.Error("it is kept beyond its age")
	}
	checkInvariants(t, s)
}

// A store of the release before is counted when it is opened, and then bounded as others are.
func TestStoreOfAnEarlierReleaseIsCounted(t *testing.T) {
	mem := vfs.NewMem()
	s, c := openOn(t, mem, "store"), newClerk()
	want := recordOf(t, s, c, "a", "f", 1_000, 3_000)
	must(t, kv.EachTenant(s.db, func(tenant runtime.Tenant) error {
		prefix := keys.OfKind(tenant, keys.KindKept)
		return s.db.DeleteRange(prefix, keys.PrefixEnd(prefix), pebble.Sync)
	}))
	must(t, s.db.Set([]byte("c\x01"), nil, pebble.Sync)) // of the sample that it had
	must(t, s.db.Set(keys.Format(), []byte{1, 0, 0, 0, 0, 0, 0, 0, formatUnkept}, pebble.Sync))
	must(t, s.Close())
	s = openOn(t, mem, "store")
	checkInvariants(t, s)
	if value, closer, err := s.db.Get([]byte("c\x01")); err == nil {
		t.Errorf("a key of the release before is left: %q, %v", value, closer.Close())
	}
	must(t, s.Expire(c.at.Add(time.Hour), runtime.Retention{Count: 10}))
	if got := keptOf(t, s, "a", "f"); !slices.Equal(got, want[990:]) {
		t.Errorf("%d are kept, want the newest 10", len(got))
	}
	checkInvariants(t, s)
}

// A level cuts sizes to a limit: all that exceed it to the same, the others not at all.
func TestLevel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sizes := rapid.SliceOfN(rapid.Int64Range(0, 100), 0, 8).Draw(t, "sizes")
		limit := rapid.Int64Range(0, 400).Draw(t, "limit")
		sum := func(level int64) (n int64) {
			for _, size := range sizes {
				n += min(size, level)
			}
			return n
		}
		got := level(sizes, limit)
		if sum(got) > limit {
			t.Fatalf("level %d leaves %d of %d", got, sum(got), limit)
		}
		if got < math.MaxInt64 && sum(got+1) <= limit {
			t.Fatalf("level %d is less than need be", got)
		}
	})
}

// Tasks are kept as long as their execution of a job: while it runs, however much they hold, and
// then until it is dropped, with them.
func TestTasksAreKeptWithTheirExecution(t *testing.T) {
	const tasks = 40
	s, c := openOn(t, vfs.NewMem(), "store"), newClerk()
	x := newRun(t, s, c, tasks)
	finish := func(all []runtime.Execution, at time.Time) {
		t.Helper()
		for i := range all {
			all[i].State, all[i].Finished, all[i].Result = runtime.StateSucceeded, at, bytes.Repeat([]byte("7"), 10_000)
		}
		_, err := s.Finish(all, at)
		must(t, err)
	}
	kept := func() (n int) {
		for i := range tasks {
			if task, err := s.GetExecution(x.Tenant, runtime.TaskID(x.ID, i)); err == nil && task.State.Terminal() {
				n++
			}
		}
		return n
	}
	running := startTasks(t, s, x, tasks)
	finish(running[:30], c.at)
	strict := runtime.Retention{Age: time.Hour, Count: 1, Bytes: 1_000, TenantBytes: 1_000, FunctionBytes: 1_000}
	must(t, s.Expire(c.at.Add(24*time.Hour), strict))
	if n := kept(); n != 30 {
		t.Errorf("while the execution runs, %d of 30 tasks are kept", n)
	}
	checkInvariants(t, s)
	end := c.at.Add(24 * time.Hour)
	finish(running[30:], end)
	must(t, s.Expire(end.Add(59*time.Minute), runtime.Retention{Age: time.Hour}))
	if n := kept(); n != tasks {
		t.Errorf("after the end, %d of %d tasks are kept", n, tasks)
	}
	must(t, s.Expire(end.Add(time.Second), strict))
	if _, err := s.GetJobExecutionByID(x.Tenant, x.ID); kept() != 0 || runtime.CodeOf(err) != runtime.CodeNotFound {
		t.Errorf("dropped, %d tasks are kept, and the execution: %v", kept(), err)
	}
	checkInvariants(t, s)
}

// A clock that has jumped ahead makes nothing old, but what is too much is dropped.
func TestExpireAfterAClockJump(t *testing.T) {
	s, c := openOn(t, vfs.NewMem(), "store"), newClerk()
	ids := recordOf(t, s, c, "default", "f", 10, 10)
	must(t, s.writeCounted(commit.NewWork, func(b *pebble.Batch, count *counts) error {
		d := runtime.Delivery{ID: c.done().ID, Tenant: "default", Created: c.at, Dead: true, Body: []byte("{}"), BodySize: 2}
		count.add("default", tally{rest: deliverySize(&d)})
		return putDelivery(b, s.db, d)
	}))
	const jump = 365 * 24 * time.Hour
	r := runtime.Retention{Age: time.Hour, MinAge: time.Minute, Ahead: jump}
	must(t, s.Expire(c.at.Add(jump+59*time.Minute), r))
	if got := keptOf(t, s, "default", "f"); !slices.Equal(got, ids) {
		t.Errorf("%d of 10 are kept", len(got))
	}
	r.Count = 3
	must(t, s.Expire(c.at.Add(jump+59*time.Minute), r))
	if got := keptOf(t, s, "default", "f"); !slices.Equal(got, ids[7:]) {
		t.Errorf("%d are kept, want the newest 3", len(got))
	}
	must(t, s.Expire(c.at.Add(jump+61*time.Minute), r))
	if got := keptOf(t, s, "default", "f"); len(got) != 0 {
		t.Errorf("%d are kept beyond their age", len(got))
	}
	if all, err := s.ListDeadLetters("default", "", 10); err != nil || len(all) != 1 {
		t.Errorf("%d dead letters are left, %v", len(all), err)
	}
	checkInvariants(t, s)
}

// What ended under a clock that was ahead is dropped if there is too much, what has just ended is not.
func TestExpireDropsEndsInTheFuture(t *testing.T) {
	s, c := openOn(t, vfs.NewMem(), "store"), newClerk()
	now := c.at
	c.at = now.Add(24 * time.Hour)
	future := recordOf(t, s, c, "default", "f", 10, 10)
	c.at = now.Add(-time.Second)
	young := recordOf(t, s, c, "default", "f", 5, 10)
	must(t, s.Expire(now, runtime.Retention{MinAge: time.Minute, Count: 7}))
	if got := keptOf(t, s, "default", "f"); !slices.Equal(got, slices.Sorted(slices.Values(append(young, future[8:]...)))) {
		t.Errorf("%d are kept, want what has just ended and 2 more", len(got))
	}
	checkInvariants(t, s)
}

// A damaged record of one function keeps nothing of the others, and is reported.
func TestExpireGoesOnBesideDamage(t *testing.T) {
	s, c := openOn(t, vfs.NewMem(), "store"), newClerk()
	for _, function := range []string{"f", "g", "h"} {
		recordOf(t, s, c, "a", function, 5, 10)
	}
	_, _, err := s.Accept(c.batch(1), &runtime.IdempotencyKey{Key: "k", Now: start})
	must(t, err)
	broken := keys.KeptAt("a", "id of g", start.Add(-time.Hour), keys.ID{})
	must(t, s.db.Set(broken, []byte("x"), pebble.Sync))
	now := c.at.Add(3 * 24 * time.Hour)
	if err := s.Expire(now, runtime.Retention{Age: time.Hour}); err == nil {
		t.Error("the damage is not reported")
	}
	for function, want := range map[string]int{"f": 0, "g": 5, "h": 0} {
		if n := len(keptOf(t, s, "a", function)); n != want {
			t.Errorf("%d executions of %s are kept, want %d", n, function, want)
		}
	}
	for _, tenant := range []runtime.Tenant{"a", "default"} {
		if n := count(t, s, keys.OfKind(tenant, keys.KindIdempotency)); n != 0 {
			t.Errorf("%d idempotency keys of %s are left", n, tenant)
		}
	}
	must(t, s.db.Delete(broken, pebble.Sync))
	must(t, s.Expire(now, runtime.Retention{Age: time.Hour}))
	checkInvariants(t, s)
}

// count returns the number of keys with a prefix.
func count(t testing.TB, s *Store, prefix []byte) (n int) {
	t.Helper()
	must(t, kv.EachKey(s.db, prefix, func(_, _ []byte) error { n++; return nil }))
	return n
}

// An execution of a job waits for the body of its callback, but not for ever.
func TestExpireWaitsForBodies(t *testing.T) {
	s, c := openOn(t, vfs.NewMem(), "store"), newClerk()
	j := runtime.Job{ID: runtime.NewID(), Tenant: "default", Name: "j", Revision: 1, Created: c.at, Updated: c.at, Spec: runtime.JobSpec{Function: "f"}}
	must(t, s.CreateJob(j))
	x := runtime.JobExecution{
		ID: c.done().ID, Name: "x", Tenant: "default", JobID: j.ID, Job: j.Name, Revision: 1, FunctionID: "id of f", Function: "f",
		State: runtime.StateQueued, Created: c.at, Updated: c.at, Stats: runtime.TaskCounts{Total: 1}, Callback: &runtime.Callback{URL: "https://a.example"},
	}
	_, _, err := s.AcceptJob(x, x.Tasks(1, []json.RawMessage{[]byte("{}")}), nil, nil)
	must(t, err)
	_, _, _, err = s.CancelJobExecution("default", x.ID, c.at)
	must(t, err)
	r := runtime.Retention{Age: 2 * time.Hour, Count: 1}
	must(t, s.Expire(c.at.Add(119*time.Minute), r))
	must(t, s.Expire(c.at.Add(119*time.Minute), runtime.Retention{Age: 2 * time.Hour, FunctionBytes: 1}))
	if _, err := s.GetJobExecutionByID("default", x.ID); err != nil {
		t.Errorf("it was dropped before its callback had a body: %v", err)
	}
	must(t, s.Expire(c.at.Add(121*time.Minute), r))
	if _, err := s.GetJobExecutionByID("default", x.ID); err != nil {
		t.Errorf("it was dropped although the store has just been opened: %v", err)
	}
	s.opened = s.opened.Add(-bodyPatience)
	must(t, s.Expire(c.at.Add(121*time.Minute), r))
	if _, err := s.GetJobExecutionByID("default", x.ID); runtime.CodeOf(err) != runtime.CodeNotFound {
		t.Errorf("it is kept beyond its age: %v", err)
	}
}

// The cost of a drop does not depend on how many executions are kept between those that are dropped.
func TestNeighboursAreFoundWithoutThoseBetween(t *testing.T) {
	s := openOn(t, vfs.NewMem(), "store")
	id := func(n int) (id keys.ID) {
		binary.BigEndian.PutUint64(id[:], uint64(n))
		return id
	}
	const block, all = 100, 20_000
	var victims []victim
	var want []int
	b := s.db.NewBatch()
	for n := range all {
		state := byte(1 + n%3)
		of := id(n)
		must(t, b.Set(append(keys.DoneByState("a", state), of[:]...), nil, nil))
		if n%(all/4) < block { // four parts
			victims = append(victims, victim{KeptEntry: record.KeptEntry{ID: id(n), State: state}})
		}
		if n%(all/4) == 0 {
			want = append(want, block)
		}
	}
	must(t, errors.Join(b.Commit(pebble.Sync), b.Close()))
	var sources []*kv.IDIterator
	for state := 1; state < len(record.States); state++ {
		sources = append(sources, kv.NewIDIterator(s.db, keys.DoneByState("a", byte(state)), id(0), keys.LastID))
	}
	var parts []int
	must(t, eachNeighbours(victims, sources, func(part []victim) error {
		parts = append(parts, len(part))
		return nil
	}))
	steps := 0
	for _, it := range sources {
		steps += it.Steps()
		must(t, errors.Join(it.Err, it.Close()))
	}
	if !slices.Equal(parts, want) || steps > 2*len(victims) {
		t.Errorf("parts of %v, want %v, after %d steps for %d victims", parts, want, steps, len(victims))
	}
}

// What is remembered of the postings of a function is forgotten with them.
func TestDroppedPostingsAreForgotten(t *testing.T) {
	s, c := openOn(t, vfs.NewMem(), "store"), newClerk()
	recordOf(t, s, c, "a", "f", 3, 10)
	must(t, s.Expire(c.at, runtime.Retention{}))
	if len(s.postings.dropped) == 0 {
		t.Error("nothing is remembered of a function that has postings")
	}
	dropAll(t, s, c.at.Add(24*time.Hour))
	dropAll(t, s, c.at.Add(48*time.Hour))
	if len(s.postings.dropped) != 0 {
		t.Errorf("%v is remembered", s.postings.dropped)
	}
}

// What is too much, also if one record has many of them, is dropped in batches of a bounded size.
func TestDropsAreBounded(t *testing.T) {
	s, c := openOn(t, vfs.NewMem(), "store"), newClerk()
	const all = dropBatch + 1_000
	for n := 0; n < all; n += 500 {
		batch := make([]runtime.Execution, 0, 500)
		for range 500 {
			x := c.done()
			x.Finished = c.at
			batch = append(batch, x)
		}
		must(t, s.Record(batch))
	}
	targets := s.usage.targets(runtime.Retention{Count: 1}, s.holdings.historyLimit)
	d := drop{s: s, target: &targets[0]}
	more, err := d.collect(c.at.Add(time.Hour), 0, runtime.Retention{Count: 1})
	if err != nil || !more || len(d.victims) != dropBatch || d.from == nil {
		t.Errorf("%d executions are in a batch, more %v, %v", len(d.victims), more, err)
	}
	must(t, s.Expire(c.at.Add(time.Hour), runtime.Retention{Count: 1}))
	if n := count(t, s, keys.OfKind("default", keys.KindDone)); n != 1 {
		t.Errorf("%d are kept, want 1", n)
	}
	checkInvariants(t, s)
}
