package storage

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/faaspot/faaspot/runtime"
)

// A request with a used idempotency key is refused and leaves nothing behind.
func TestKeysOfChanges(t *testing.T) {
	fs := vfs.NewMem()
	s, c := openOn(t, fs, "store"), newClerk()
	key := func(name string, at time.Time) *runtime.IdempotencyKey {
		return &runtime.IdempotencyKey{Key: name, Hash: [32]byte{1}, Now: at}
	}
	under := func(tenant runtime.Tenant, k *runtime.IdempotencyKey) runtime.Change {
		return with(by(tenant), func(c *runtime.Change) { c.Key = k })
	}
	made := under("default", key("change", start))
	must(t, s.CreateFunction(function("default", "id1", "one", 1), version("id1", 1, "source"), made))
	accepted, _, err := s.Accept(c.batch(2), key("run", start))
	must(t, err)
	x, err := s.GetExecution("default", made.Execution.ID)
	if err != nil || x.Kind != runtime.KindUpdate || x.State != runtime.StateSucceeded {
		t.Fatalf("the change is %+v, %v", x, err)
	}
	before := countKeys(t, s)
	for range 2 {
		for name, want := range map[string][]string{"change": {made.Execution.ID}, "run": accepted, "new": nil} {
			if ids, err := s.LookupKey("default", *key(name, start)); err != nil || !slices.Equal(ids, want) {
				t.Errorf("the ids of key %q are %v, %v, want %v", name, ids, err, want)
			}
			if want == nil {
				continue
			}
			other := *key(name, start)
			other.Hash = [32]byte{2}
			_, err := s.LookupKey("default", other)
			wantCode(t, err, runtime.CodeConflict)
			if ids, err := s.LookupKey("other", *key(name, start)); err != nil || ids != nil {
				t.Errorf("the ids of another tenant's key are %v, %v", ids, err)
			}
			k := key(name, start)
			wantCode(t, s.CreateFunction(function("default", "id2", "two", 1), version("id2", 1, "source"), under("default", k)), runtime.CodeConflict)
			wantCode(t, s.UpdateFunction(function("default", "id1", "uno", 1), nil, under("default", k)), runtime.CodeConflict)
			wantCode(t, s.DeleteFunction("default", "id1", under("default", k)), runtime.CodeConflict)
		}
		if n := countKeys(t, s); n != before {
			t.Errorf("a refused request has left %d records", n-before)
		}
		must(t, s.Close())
		s = openOn(t, fs, "store")
	}
	// A request that fails for another reason does not use its key.
	wantCode(t, s.CreateFunction(function("default", "id2", "one", 1), version("id2", 1, "source"), under("default", key("new", start))), runtime.CodeAlreadyExists)
	wantCode(t, s.DeleteFunction("default", "id2", under("default", key("new", start))), runtime.CodeNotFound)
	if ids, err := s.LookupKey("default", *key("new", start)); err != nil || ids != nil {
		t.Errorf("the ids of the key of a failed request are %v, %v", ids, err)
	}
	later := start.Add(runtime.IdempotencyPeriod)
	must(t, s.DeleteFunction("default", "id1", under("default", key("change", later))))
	checkInvariants(t, s)
}

// Of runs and changes that arrive with one key at the same time, one is made.
func TestOneKeyForRunsAndChanges(t *testing.T) {
	t.Parallel()
	s, c := openOn(t, vfs.NewMem(), "store"), newClerk()
	for round := range 30 {
		var made atomic.Int32
		var wg sync.WaitGroup
		begin := make(chan struct{})
		for i := range 8 {
			key := &runtime.IdempotencyKey{Key: fmt.Sprint(round), Hash: [32]byte{byte(i)}, Now: start}
			id, batch := fmt.Sprint("id", round, "-", i), c.batch(1)
			change := with(by("default"), func(c *runtime.Change) { c.Key = key })
			wg.Go(func() {
				<-begin
				var err error
				if i%2 == 0 {
					_, _, err = s.Accept(batch, key)
				} else {
					err = s.CreateFunction(function("default", id, id, 1), version(id, 1, "source"), change)
				}
				switch runtime.CodeOf(err) {
				case "":
					made.Add(1)
				case runtime.CodeConflict:
				default:
					t.Error(err)
				}
			})
		}
		close(begin)
		wg.Wait()
		if n := made.Load(); n != 1 {
			t.Fatalf("round %d: %d were made with one key", round, n)
		}
	}
	functions, err := s.ListFunctions("default", "", 1000)
	must(t, err)
	all, err := s.ListExecutions("default", runtime.ExecutionFilter{}, "", 1000)
	must(t, err)
	if len(all) != 30 {
		t.Errorf("%d functions and %d executions of 30 requests", len(functions), len(all))
	}
	checkInvariants(t, s)
}

// The logs of an attempt are stored while its execution waits for the next attempt. They are
// dropped when that starts, or become the logs of the execution if it ends instead.
func TestLogsBetweenAttempts(t *testing.T) {
	s, c := openOn(t, vfs.NewMem(), "store"), newClerk()
	logs := runtime.Logs{Data: []byte("half"), Marks: []runtime.LogMark{{Stream: 2}}}
	wrote := func(when string, x runtime.Execution, state runtime.State, want string) {
		t.Helper()
		got, page, err := s.GetLogs(x.Tenant, x.ID, runtime.LogPosition{})
		if err != nil || got.State != state || string(page.Logs.Data) != want {
			t.Errorf("%s: %s, logs %q, %v", when, got.State, page.Logs.Data, err)
		}
		checkInvariants(t, s)
	}
	waits := func(x runtime.Execution) runtime.Execution {
		t.Helper()
		x.State, x.Logs = runtime.StateQueued, logs
		settled, err := s.Finish([]runtime.Execution{x}, c.at)
		must(t, err)
		must(t, settled[0].Err)
		if settled[0].Execution.Logs.Data != nil {
			t.Errorf("Finish returns it with its logs: %+v", settled[0].Execution)
		}
		return settled[0].Execution
	}
	x := begin(t, s, c)
	wrote("it runs", x, runtime.StateRunning, "")
	x = waits(x)
	wrote("it waits", x, runtime.StateQueued, "half")
	x = startAgain(t, s, x)
	wrote("it runs again", x, runtime.StateRunning, "")
	x = waits(x)
	if _, changed, err := s.Cancel(x.Tenant, x.ID, c.at); err != nil || !changed {
		t.Fatal(changed, err)
	}
	wrote("it was cancelled as it waited", x, runtime.StateCancelled, "half")

	x = begin(t, s, c)
	if _, changed, err := s.Cancel(x.Tenant, x.ID, c.at); err != nil || !changed {
		t.Fatal(changed, err)
	}
	x.State, x.Logs = runtime.StateQueued, logs
	settled, err := s.Finish([]runtime.Execution{x}, c.at)
	must(t, err)
	must(t, settled[0].Err)
	wrote("it was cancelled as it ran", x, runtime.StateCancelled, "half")
	dropAll(t, s, c.at)
	if n := countKeys(t, s); n != 1 { // the format record
		t.Errorf("%d records are left", n)
	}
}
