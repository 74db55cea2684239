package engine_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/engine"
	"github.com/faaspot/faaspot/storage"
	"github.com/faaspot/faaspot/storage/replog"
	"github.com/faaspot/faaspot/storage/replog/mem"
)

// pair is an Engine, and one that follows it on a replica of its store.
type pair struct {
	log      *mem.Log
	store    *storage.Store // of the one that follows
	owner    *engine.Engine
	follower *engine.Engine

	mu      sync.Mutex
	refused int  // how often what is recorded is refused although it was recorded
	away    bool // nothing is recorded
	calls   int
}

// record records runs of the Engine that follows.
func (p *pair) record(batch []runtime.Execution) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls++
	unavailable := runtime.Errorf(runtime.CodeUnavailable, "the owner does not answer")
	if p.away {
		return unavailable
	}
	if err := p.owner.RecordForeign(batch); err != nil {
		return err
	}
	if p.refused > 0 {
		p.refused--
		return unavailable
	}
	return nil
}

// sync applies what the owner has stored, as a node does.
func (p *pair) sync(t *testing.T) {
	t.Helper()
	end, err := p.log.Client().End(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if at, _ := p.store.Applied(); at.Seq == end {
		return
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	err = p.store.Follow(ctx, func(r replog.Record, c storage.Changes) {
		p.follower.FunctionsChanged(c.Functions)
		if r.At.Seq >= end {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}

func newPair(t *testing.T, o engine.Options) *pair { return newPairOf(t, engine.Options{}, o) }

// newPairOf returns a pair of Engines with options.
func newPairOf(t *testing.T, owner, o engine.Options) *pair {
	t.Helper()
	p := &pair{log: mem.New()}
	owner.Store = p.openStore(t, "owner")
	if err := owner.Store.(*storage.Store).Own(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.owner = newEngine(t, owner)
	p.store = p.openStore(t, "follower")
	o.Store, o.Follow = p.store, &engine.Following{Record: p.record}
	p.follower = newEngine(t, o)
	return p
}

// openStore opens a store that follows.
func (p *pair) openStore(t *testing.T, node string) *storage.Store {
	t.Helper()
	s, err := storage.Open(storage.Options{Dir: node, FS: vfs.NewMem(), Log: quiet, Replication: &storage.Replication{Log: p.log.Client(), Generation: 1, Node: node, Follow: true}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// takeOver returns an Engine that follows at first, with runs which were kept, and then owns the data.
// still is the Still of its Following.
func (p *pair) takeOver(t *testing.T, kept []runtime.Execution, still func([]runtime.Execution, func([]runtime.Execution) error) error) *engine.Engine {
	t.Helper()
	store := p.openStore(t, "again")
	e := newEngine(t, engine.Options{Store: store, Follow: &engine.Following{
		Record: func([]runtime.Execution) error { return runtime.Errorf(runtime.CodeUnavailable, "there is no owner") }, Kept: kept, Still: still,
	}})
	err := store.Own(t.Context())
	if err == nil {
		err = e.Lead()
	}
	if err != nil {
		t.Fatal(err)
	}
	e.RecordNow(time.Minute)
	return e
}

// lead makes the follower the owner.
func (p *pair) lead(t *testing.T) {
	t.Helper()
	end, err := p.log.Client().End(t.Context())
	if err == nil {
		err = p.store.OwnAt(t.Context(), end)
	}
	if err == nil {
		err = p.follower.Lead()
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (p *pair) want(t *testing.T, e *engine.Engine, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if x, err := e.GetExecution(t.Context(), tenant, id); err != nil || x.State != runtime.StateSucceeded {
			t.Errorf("%s: %+v, %v", id, x, err)
		}
	}
}

// An Engine that follows runs what the owner has deployed once FunctionsChanged was called, and the owner records each
// of its runs once, however often it is sent.
func TestFollower(t *testing.T) {
	var ended atomic.Int64
	sandbox := &fakeSandbox{}
	p := newPair(t, engine.Options{Sandbox: sandbox, OnEnd: func(*runtime.Execution, bool) { ended.Add(1) }})
	if _, err := run(p.follower, "f", "{}"); runtime.CodeOf(err) != runtime.CodeNotFound {
		t.Fatal(err)
	}
	d := create(t, p.owner, spec("f", "1"))
	p.sync(t)
	p.refused = 3
	var ids []string
	for range 20 {
		x, err := run(p.follower, "f", "{}")
		if err != nil || string(x.Result) != "1" {
			t.Fatalf("%+v, %v", x, err)
		}
		ids = append(ids, x.ID)
	}
	p.follower.RecordNow(time.Minute)
	p.want(t, p.owner, ids...)
	s, err := p.owner.GetStats(t.Context(), tenant, runtime.StatsQuery{Since: time.Now().Add(-time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	if n := s.Total.Ended(); n != 20 || ended.Load() != 20 {
		t.Errorf("the owner has counted %d runs, and the other one %d, want 20", n, ended.Load())
	}
	for _, source := range []string{"2", "3"} {
		if _, err := p.owner.UpdateFunction(t.Context(), runtime.FunctionUpdate{Tenant: tenant, Name: "f", Source: []byte(source)}); err != nil {
			t.Fatal(err)
		}
		p.sync(t)
		if x, err := run(p.follower, "f", "{}"); err != nil || string(x.Result) != source {
			t.Fatalf("%+v, %v; want %s", x, err, source)
		}
	}
	if n := sandbox.held(); n != 1 {
		t.Errorf("%d images are held", n)
	}
	if _, err := remove(p.owner, "f"); err != nil {
		t.Fatal(err)
	}
	p.sync(t)
	if _, err := run(p.follower, "f", "{}"); runtime.CodeOf(err) != runtime.CodeNotFound {
		t.Errorf("a run of function %s, which is gone: %v", d.Function.ID, err)
	}
	if n := sandbox.held(); n != 0 {
		t.Errorf("%d images are held", n)
	}
}

// An Engine that begins to lead does what the one before has accepted, ends its own runs, and records what it could not
// send: once, also what the one before has recorded without an answer.
func TestFollowerThatLeads(t *testing.T) {
	g := newGated()
	p := newPair(t, engine.Options{Sandbox: &fakeSandbox{run: func(ctx context.Context, program runtime.Program, args, c []byte) (runtime.Outcome, error) {
		if string(args) == `{"wait":1}` {
			return g.run(ctx, program, args, c)
		}
		return runtime.Outcome{Result: []byte("1")}, nil
	}}})
	create(t, p.owner, spec("f", "1"))
	p.sync(t)
	p.mu.Lock()
	p.refused = 1 << 30
	p.mu.Unlock()
	first, err := run(p.follower, "f", "{}")
	if err != nil {
		t.Fatal(err)
	}
	for recorded := false; !recorded; time.Sleep(time.Millisecond) {
		_, err := p.owner.GetExecution(t.Context(), tenant, first.ID)
		recorded = err == nil
	}
	p.mu.Lock()
	p.away = true
	p.mu.Unlock()
	second, err := run(p.follower, "f", "{}")
	if err != nil {
		t.Fatal(err)
	}
	waiting := make(chan *runtime.Execution)
	go func() {
		x, err := run(p.follower, "f", `{"wait":1}`)
		if err != nil {
			t.Error(err)
		}
		waiting <- x
	}()
	<-g.began
	p.sync(t)
	p.lead(t)
	close(g.end)
	third := <-waiting
	p.want(t, p.follower, first.ID, second.ID, third.ID)
	s, err := p.follower.GetStats(t.Context(), tenant, runtime.StatsQuery{Since: time.Now().Add(-time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	if n := s.Total.Ended(); n != 3 {
		t.Errorf("%d runs are counted, want 3", n)
	}
	accepted, err := p.follower.Submit(t.Context(), runtime.SubmitRequest{Tenant: tenant, Function: "f", Args: []byte("{}")})
	if err != nil {
		t.Fatal(err)
	}
	x, err := p.follower.AwaitExecution(t.Context(), tenant, accepted.IDs[0])
	if err != nil || x.State != runtime.StateSucceeded {
		t.Errorf("%+v, %v", x, err)
	}
}

// What an owner has run that is not the owner any more is recorded by the next one, once: the next Engine of its process sends it. If that
// one owns the data itself before, it records it, once, also what was recorded meanwhile.
func TestRunsOfAFormerOwner(t *testing.T) {
	for _, again := range []bool{false, true} {
		var mu sync.Mutex
		var kept []runtime.Execution
		p := newPairOf(t, engine.Options{Follow: &engine.Following{
			Record: func([]runtime.Execution) error { return errors.New("an owner sends nothing") },
			Keep: func(batch []runtime.Execution) bool {
				mu.Lock()
				defer mu.Unlock()
				kept = append(kept, batch...)
				return true
			},
		}}, engine.Options{})
		if err := p.owner.Lead(); err != nil {
			t.Fatal(err)
		}
		create(t, p.owner, spec("f", "1"))
		p.sync(t)
		p.lead(t)
		var ids []string
		for range 20 { // whose callers have their results
			x, err := run(p.owner, "f", "{}")
			if err != nil || string(x.Result) != "1" {
				t.Fatalf("%+v, %v", x, err)
			}
			ids = append(ids, x.ID)
		}
		p.owner.RecordNow(time.Minute)
		if err := p.owner.Close(t.Context()); err != nil || len(kept) != len(ids) {
			t.Fatalf("%d runs of %d are kept, %v", len(kept), len(ids), err)
		}
		if err := p.follower.RecordForeign(slices.Clone(kept[:5])); err != nil { // whose answer was lost
			t.Fatal(err)
		}
		next := p.follower
		if again {
			next = p.takeOver(t, kept, nil)
		} else {
			sender := newEngine(t, engine.Options{Store: p.openStore(t, "again"), Follow: &engine.Following{Record: p.follower.RecordForeign, Kept: kept}})
			sender.RecordNow(time.Minute)
		}
		p.want(t, next, ids...)
		counted := 0
		for end := time.Now().Add(20 * time.Second); counted < len(ids) && time.Now().Before(end); time.Sleep(time.Millisecond) { // history in the background
			s, err := next.GetStats(t.Context(), tenant, runtime.StatsQuery{Since: time.Now().Add(-time.Hour)})
			if err != nil {
				t.Fatal(err)
			}
			counted = s.Total.Ended()
		}
		if counted != len(ids) {
			t.Errorf("owns the data again %v: %d runs are counted, want %d", again, counted, len(ids))
		}
	}
}

// An owner that has runs of its former life records all of them once, whatever room there is, but not those of tenants that were deleted since.
func TestKeptRunsOfDeletedTenants(t *testing.T) {
	p := newPair(t, engine.Options{})
	create(t, p.owner, spec("f", "1"))
	p.sync(t)
	var kept []runtime.Execution
	for i := range 20 {
		x, err := run(p.owner, "f", "{}")
		if err != nil {
			t.Fatal(err)
		}
		again := *x
		again.ID = runtime.NewID()
		again.Result = bytes.Repeat([]byte{'1'}, 4<<20) // more than there is room for
		if i%2 == 1 {
			again.Tenant = "deleted"
		}
		kept = append(kept, again)
	}
	all := slices.Clone(kept)
	next := p.takeOver(t, kept, func(batch []runtime.Execution, record func([]runtime.Execution) error) error {
		return record(slices.DeleteFunc(slices.Clone(batch), func(x runtime.Execution) bool { return x.Tenant == "deleted" }))
	})
	for _, x := range all {
		_, err := next.GetExecution(t.Context(), x.Tenant, x.ID)
		if x.Tenant == tenant && err != nil || x.Tenant != tenant && runtime.CodeOf(err) != runtime.CodeNotFound {
			t.Errorf("a run of the tenant %s: %v", x.Tenant, err)
		}
	}
}

// While the owner is away, runs go on, their callers wait for nothing, and what waits to be recorded is bounded.
func TestFollowerWithoutAnOwner(t *testing.T) {
	result := make([]byte, 1<<20)
	for i := range result {
		result[i] = '1'
	}
	p := newPair(t, engine.Options{Memory: budgetFor(1 << 30), Sandbox: &fakeSandbox{run: func(context.Context, runtime.Program, []byte, []byte) (runtime.Outcome, error) {
		return runtime.Outcome{Result: []byte(`"` + string(result) + `"`)}, nil
	}}})
	create(t, p.owner, spec("f", "1"))
	p.sync(t)
	p.mu.Lock()
	p.away = true
	p.mu.Unlock()
	var ids []string
	for range 200 {
		x, err := run(p.follower, "f", "{}")
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, x.ID)
	}
	p.mu.Lock()
	p.away = false
	p.mu.Unlock()
	p.follower.RecordNow(time.Minute)
	p.want(t, p.owner, ids[:20]...)
	lost := 0
	for _, id := range ids {
		if _, err := p.owner.GetExecution(t.Context(), tenant, id); err != nil {
			lost++
		}
	}
	if lost < 100 {
		t.Errorf("only %d of 200 MiB were dropped", lost)
	}
}

// An error says whether the run may have begun: then it must not run elsewhere.
func TestRunsThatMayHaveBegun(t *testing.T) {
	p := newPair(t, engine.Options{Sandbox: &fakeSandbox{run: func(context.Context, runtime.Program, []byte, []byte) (runtime.Outcome, error) {
		return runtime.Outcome{}, runtime.WorkerLostError()
	}}})
	if _, err := run(p.follower, "f", "{}"); err == nil || errors.Is(err, runtime.ErrBegan) {
		t.Errorf("a run of no function: %v", err)
	}
	create(t, p.owner, spec("f", "1"))
	p.sync(t)
	if _, err := run(p.follower, "f", "{}"); !errors.Is(err, runtime.ErrBegan) || runtime.CodeOf(err) != runtime.CodeUnavailable {
		t.Errorf("a run that its worker has lost: %v", err)
	}
}

// The runs of a tenant that is deleted end, and are not those of a later tenant with its name.
func TestRunsOfADeletedTenant(t *testing.T) {
	g := newGated()
	p := newPair(t, engine.Options{Sandbox: &fakeSandbox{run: g.run}})
	d := create(t, p.owner, spec("f", "1"))
	p.sync(t)
	ended := make(chan *runtime.Execution)
	go func() {
		x, err := run(p.follower, "f", "{}")
		if err != nil {
			t.Error(err)
		}
		ended <- x
	}()
	<-g.began
	p.follower.CancelRuns("another")
	p.follower.CancelRuns(tenant)
	close(g.end)
	x := <-ended
	if x.State != runtime.StateCancelled {
		t.Errorf("the run has ended as %s", x.State)
	}
	made := runtime.IDTime(d.Function.ID)
	if !p.owner.IsOf(x, time.Time{}) || !p.owner.IsOf(x, made) || !p.owner.IsOf(x, made.Add(time.Hour)) {
		t.Error("a run of a function that the tenant has is not of the tenant")
	}
	if _, err := remove(p.owner, "f"); err != nil {
		t.Fatal(err)
	}
	if !p.owner.IsOf(x, made) || p.owner.IsOf(x, made.Add(time.Hour)) {
		t.Error("a run of a function that is gone is of a tenant if, and only if, the function is not older")
	}
}
