package engine_test

import (
	"fmt"
	goruntime "runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/engine"
)

// countedReads is a store that counts the times that it is read for a list, and the executions of those.
type countedReads struct {
	runtime.Store
	reads, visits, updates atomic.Int64
	// endless, if it is not nil, makes the executions without end, instead of those of the store.
	endless func(cursor string) runtime.Execution
}

func (s *countedReads) ListExecutions(tenant runtime.Tenant, f runtime.ExecutionFilter, cursor string, limit int) ([]runtime.Execution, error) {
	s.reads.Add(1)
	return s.Store.ListExecutions(tenant, f, cursor, limit)
}

func (s *countedReads) EachExecution(tenant runtime.Tenant, f runtime.ExecutionFilter, cursor string, visit func(*runtime.Execution) bool) error {
	s.reads.Add(1)
	if s.endless == nil {
		return s.Store.EachExecution(tenant, f, cursor, func(x *runtime.Execution) bool {
			s.visits.Add(1)
			return visit(x)
		})
	}
	for x := s.endless(cursor); ; x = s.endless(x.ID) {
		if s.visits.Add(1); !visit(&x) {
			return nil
		}
	}
}

func (s *countedReads) UpdateOperation(o runtime.Operation) error {
	s.updates.Add(1)
	return s.Store.UpdateOperation(o)
}

// TestScanReadsOnce checks that a scan reads the store once, however few executions pass, that its pages
// have together what passes, queued, running and done, and that each of its bounds ends a page.
func TestScanReadsOnce(t *testing.T) {
	g := newGated()
	store := &countedReads{Store: newStore(t)}
	e := newEngine(t, engine.Options{Store: store, Sandbox: &fakeSandbox{run: g.run}, MaxRuns: 2})
	create(t, e, spec("hello", "[]"))
	var own []string
	waited := make(chan error, 1)
	submit(t, e, runtime.SubmitRequest{Function: "hello"})
	go func() { // the store does not have a run whose caller waits for it
		_, err := e.Run(ctx, runtime.RunRequest{Tenant: tenant, Function: "hello", Caller: runtime.Caller{UserID: "ann"}, Args: []byte("{}")})
		waited <- err
	}()
	eventually(t, func() bool {
		page, err := e.ListExecutions(ctx, tenant, runtime.ExecutionFilter{States: []runtime.State{runtime.StateRunning}}, runtime.PageRequest{})
		return err == nil && len(page.Items) == 2
	})
	for i := range 99 {
		if i%10 != 0 {
			submit(t, e, runtime.SubmitRequest{Function: "hello"})
		} else {
			own = append(own, submit(t, e, runtime.SubmitRequest{Function: "hello", Caller: runtime.Caller{UserID: "ann"}}))
		}
	}
	filter := runtime.ExecutionFilter{Where: &runtime.SearchFilter{Op: runtime.FilterEq, Field: runtime.FieldUser, Values: []string{"ann"}}}
	scan := func(s runtime.ExecutionScan) (page runtime.Page[runtime.Execution], looks int) {
		t.Helper()
		before := store.reads.Load()
		page, looks, err := e.ScanExecutions(ctx, tenant, filter, s)
		if err != nil {
			t.Fatal(err)
		}
		if n := store.reads.Load() - before; n != 1 {
			t.Errorf("%+v read the store %d times", s, n)
		}
		return page, looks
	}
	all := runtime.ExecutionScan{Limit: 1000, Bytes: runtime.GiB, Looks: 1000}
	for name, s := range map[string]runtime.ExecutionScan{
		"at once": all, "by two": {Limit: 2, Bytes: runtime.GiB, Looks: 1000}, "by bytes": {Limit: 1000, Bytes: 1, Looks: 1000}, "by looks": {Limit: 1000, Bytes: runtime.GiB, Looks: 7},
	} {
		var found []string
		for pages := 1; ; pages++ {
			page, looks := scan(s)
			for _, x := range page.Items {
				found = append(found, x.ID)
			}
			if looks > s.Looks || len(page.Items) > s.Limit || s.Bytes == 1 && len(page.Items) > 1 {
				t.Errorf("%s: a page of %d executions took %d looks", name, len(page.Items), looks)
			}
			if s.After = page.Next; s.After == "" {
				break
			}
		}
		if !slices.IsSortedFunc(found, func(a, b string) int { return strings.Compare(b, a) }) || len(slices.Compact(found)) != len(own)+1 {
			t.Errorf("%s: found %d executions, want %d: %v", name, len(found), len(own)+1, found)
		}
	}
	filter.Where.Values = []string{"nobody"}
	if page, looks := scan(runtime.ExecutionScan{Limit: 1, Bytes: runtime.MiB, Looks: 1000}); len(page.Items) != 0 || page.Next != "" || looks < 101 {
		t.Errorf("nobody has %d executions after %d looks", len(page.Items), looks)
	}
	close(g.end)
	if err := <-waited; err != nil {
		t.Error(err)
	}
}

// TestOperationsThatFindNothing checks that operations which look at executions without end, none of which
// their filters select, store their progress and leave their places to others, and end once they are cancelled.
func TestOperationsThatFindNothing(t *testing.T) {
	store := &countedReads{Store: newStore(t)}
	store.endless = func(cursor string) runtime.Execution {
		var n uint64 = 1 << 40
		fmt.Sscanf(cursor, "01900000-0000-7000-8000-%012x", &n)
		return runtime.Execution{ID: fmt.Sprintf("01900000-0000-7000-8000-%012x", n-1), Tenant: tenant, State: runtime.StateQueued, Created: time.Now()}
	}
	e := newEngine(t, engine.Options{Store: store})
	nothing := &runtime.SearchFilter{Op: runtime.FilterEq, Field: runtime.FieldUser, Values: []string{"nobody"}}
	var ids []string
	for range 4 {
		ids = append(ids, operate(t, e, runtime.OperationRequest{Kind: runtime.OperationCancel, Filter: runtime.ExecutionFilter{Where: nothing}}).ID)
	}
	eventually(t, func() bool { return store.updates.Load() >= 16 })
	reads, visits := store.reads.Load(), store.visits.Load()
	if most := (reads + 4) * 64 * 32; visits > most {
		t.Errorf("%d reads of the store looked at %d executions, want at most %d", reads, visits, most)
	}
	if updates := store.updates.Load(); updates < reads-4 {
		t.Errorf("%d reads of the store stored the progress %d times", reads, updates)
	}
	for _, id := range ids {
		if _, err := e.CancelOperation(ctx, tenant, id); err != nil {
			t.Fatal(err)
		}
		if o := awaitOperation(t, e, id); o.State != runtime.OperationCancelled || o.Matched != 0 {
			t.Errorf("the operation ended as %+v", o)
		}
	}
}

// gatedReads is a store whose scans wait until the gate is open.
type gatedReads struct {
	runtime.Store
	gate chan struct{}

	mu      sync.Mutex
	reading map[runtime.Tenant]int
	most    int // scans of one tenant at once
	order   []runtime.Tenant
}

func (s *gatedReads) EachExecution(tenant runtime.Tenant, _ runtime.ExecutionFilter, _ string, _ func(*runtime.Execution) bool) error {
	s.mu.Lock()
	s.reading[tenant]++
	s.most = max(s.most, s.reading[tenant])
	s.order = append(s.order, tenant)
	s.mu.Unlock()
	<-s.gate
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reading[tenant]--
	return nil
}

// TestScansTakeTurns checks that the scans of a tenant come one after the other, that those of another
// tenant, which ask later, do not wait for all of them, and that none waits for longer than its patience.
func TestScansTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const scans = 20
		store := &gatedReads{Store: newStore(t), gate: make(chan struct{}), reading: make(map[runtime.Tenant]int)}
		e := newEngine(t, engine.Options{Store: store, Sandbox: &fakeSandbox{}})
		var group sync.WaitGroup
		var busy atomic.Int64
		scan := func(of runtime.Tenant) {
			group.Go(func() {
				_, _, err := e.ScanExecutions(t.Context(), of, runtime.ExecutionFilter{}, runtime.ExecutionScan{Limit: 1, Bytes: 1, Looks: 1})
				switch {
				case runtime.CodeOf(err) == runtime.CodeTooBusy:
					busy.Add(1)
				case err != nil:
					t.Error(err)
				}
			})
		}
		for range scans {
			scan("loud")
		}
		synctest.Wait()
		scan("quiet")
		synctest.Wait()
		for range goruntime.GOMAXPROCS(0) + 1 { // more than have a place
			store.gate <- struct{}{}
			synctest.Wait()
		}
		if at := slices.Index(store.order, "quiet"); store.most != 1 || at < 0 {
			t.Errorf("%d scans of one tenant at once; the order is %v", store.most, store.order)
		}
		began := len(store.order)
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := int(busy.Load()); n != scans+1-began {
			t.Errorf("%d scans have lost their patience, %d of %d had their turn", n, began, scans+1)
		}
		close(store.gate)
		group.Wait()
	})
}
