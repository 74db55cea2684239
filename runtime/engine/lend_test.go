package engine_test

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/engine"
	"github.com/faaspot/faaspot/runtime/memory"
)

// call returns a call of a function as an owner sends it.
func call(d runtime.Deployment, args string) runtime.RunCall {
	return runtime.RunCall{
		Program: runtime.Program{Tenant: tenant, FunctionID: d.Function.ID, Version: d.Function.Version},
		Args:    []byte(args), Info: runtime.RunInfo{Execution: runtime.NewID(), Attempt: 1, Function: d.Function.Name},
		Logs: runtime.NewLogBuffer(1 << 10),
	}
}

// TestRunLent runs functions for the owner: with the node's own copy of the program, its networks and its memory, and with the limits of
// the call. What has run is not recorded and not counted here.
func TestRunLent(t *testing.T) {
	var ended atomic.Int64
	var limits runtime.Limits
	networks := &fakeNetworks{}
	p := newPair(t, engine.Options{
		Networks: networks, OnEnd: func(*runtime.Execution, bool) { ended.Add(1) },
		Sandbox: &fakeSandbox{call: func(_ context.Context, c runtime.RunCall) (runtime.Outcome, error) {
			limits = c.Limits
			c.Logs.Append(1, []byte("hello\n"))
			if c.Room == nil || c.Network == nil || string(c.Context) != `{"key":"s3cret"}` || len(c.Program.Source) == 0 {
				t.Errorf("the call is %+v", c)
			}
			return runtime.Outcome{Result: c.Args, Logs: c.Logs.End()}, nil
		}},
	})
	s := spec("f", "1")
	s.Context, s.Allow = []byte(`{"key":"s3cret"}`), []string{"api.example:1"}
	d := create(t, p.owner, s)
	p.sync(t)
	c := call(d, `{"n":1}`)
	c.Limits, c.Env = runtime.Limits{Memory: 70 << 20, Timeout: time.Minute}.WithDefaults(), []byte(`{"KEY":"s3cret"}`)
	o, err := p.follower.RunLent(t.Context(), c)
	if err != nil || string(o.Result) != `{"n":1}` || string(o.Logs.Data) != "hello\n" || len(o.Egress) != 1 || o.Egress[0].Host != "api.example:1" {
		t.Fatalf("%+v, %v", o, err)
	}
	if limits.Memory != 70<<20 {
		t.Errorf("the limits are %+v", limits)
	}
	networks.take(t)
	p.follower.RecordNow(time.Minute)
	for _, e := range []*engine.Engine{p.owner, p.follower} {
		if _, err := e.GetExecution(t.Context(), tenant, c.Info.Execution); runtime.CodeOf(err) != runtime.CodeNotFound {
			t.Errorf("the run is recorded: %v", err)
		}
	}
	if f := p.follower.Figures(); ended.Load() != 0 || f.Lent != 0 || f.Running != 0 || f.LendBytes <= 0 || f.LendPlaces <= 0 {
		t.Errorf("%d ends are counted; %+v", ended.Load(), f)
	}
}

// TestRunLentRefuses has calls that a node must not begin: each is refused before anything runs.
func TestRunLentRefuses(t *testing.T) {
	var began atomic.Int64
	use := runtime.NewTenantUse(runtime.TenantLimits{Runs: 1})
	p := newPair(t, engine.Options{Memory: budgetFor(2), Uses: func(runtime.Tenant) *runtime.TenantUse { return use }, Sandbox: counted(&began)})
	d := create(t, p.owner, spec("f", "1"))
	unfit := true
	refused := func(what string, c runtime.RunCall) {
		t.Helper()
		if o, err := p.follower.RunLent(t.Context(), c); !errors.Is(err, runtime.ErrPlaceUnused) || errors.Is(err, runtime.ErrPlaceUnfit) != unfit || began.Load() != 0 {
			t.Errorf("%s: %+v, %v; %d runs have begun", what, o, err, began.Load())
		}
	}
	refused("the node does not know the function", call(d, "{}"))
	p.sync(t)
	later := call(d, "{}")
	later.Program.Version++
	refused("the node does not know the version", later)
	later.Pinned = true
	refused("the node does not know the version that the run is pinned to", later)
	large := call(d, "{}")
	large.Limits = runtime.Limits{Memory: runtime.MaxMemory}.WithDefaults()
	refused("the node is too small", large)
	if err := use.BeginRun(); err != nil {
		t.Fatal(err)
	}
	refused("the tenant has as many runs as it may", call(d, "{}"))
	use.EndRun()
	updated, err := p.owner.UpdateFunction(t.Context(), runtime.FunctionUpdate{Tenant: tenant, Name: "f", Source: []byte("2")})
	if err != nil {
		t.Fatal(err)
	}
	p.sync(t)
	refused("the version is not the current one any more", call(d, "{}"))
	pinned := call(d, "{}")
	pinned.Pinned = true
	for _, c := range []runtime.RunCall{call(updated, "{}"), pinned} {
		if _, err := p.follower.RunLent(t.Context(), c); err != nil {
			t.Error(err)
		}
	}
	began.Store(0)
	if _, err := remove(p.owner, "f"); err != nil {
		t.Fatal(err)
	}
	p.sync(t)
	refused("the function is gone", call(updated, "{}"))
	refused("the function is gone, and the run pinned", pinned)
	if err := p.follower.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	unfit = false
	refused("the node is closed", call(updated, "{}"))
	if u := use.Usage(); u.Runs != 0 {
		t.Errorf("%d runs of the tenant are counted", u.Runs)
	}
}

// TestRunLentWithoutMemory takes all memory of a node: what it lends is nothing then, and calls are refused and leave nothing.
func TestRunLentWithoutMemory(t *testing.T) {
	g := newGated()
	p := newPair(t, engine.Options{Memory: budgetFor(2), MaxRuns: 2, Sandbox: &fakeSandbox{run: g.run}})
	d := create(t, p.owner, spec("f", "1"))
	p.sync(t)
	bytes, places := p.follower.Lendable()
	if each := (runtime.Limits{}).WithDefaults().Reservation(); bytes < each || bytes > 2*each || places != 2 {
		t.Errorf("it lends %d bytes and %d places", bytes, places)
	}
	var runs sync.WaitGroup
	for range 2 {
		runs.Go(func() {
			if _, err := p.follower.RunLent(t.Context(), call(d, "{}")); err != nil {
				t.Error(err)
			}
		})
		<-g.began
	}
	if f := p.follower.Figures(); f.LendPlaces != 0 || f.Lent != 2 || f.Running != 2 {
		t.Errorf("%+v", f)
	}
	if _, err := p.follower.RunLent(t.Context(), call(d, "{}")); !errors.Is(err, runtime.ErrPlaceUnused) {
		t.Errorf("without memory: %v", err)
	}
	close(g.end)
	runs.Wait()
	if again, places := p.follower.Lendable(); again < bytes-runtime.MiB || places != 2 { // it has the code of the function now
		t.Errorf("it lends %d bytes and %d places, and %d before", again, places, bytes)
	}
}

// TestRunLentBeyondAShare has a function that has its share of a node's memory: the node begins runs of others, and its next run
// when one has ended soon; else it refuses that.
func TestRunLentBeyondAShare(t *testing.T) {
	g := newGated()
	p := newPair(t, engine.Options{Memory: budgetFor(5), Sandbox: &fakeSandbox{run: g.run}})
	d, other := create(t, p.owner, spec("f", "1")), create(t, p.owner, spec("g", "1"))
	p.sync(t)
	var runs sync.WaitGroup
	begin := func(d runtime.Deployment) {
		runs.Go(func() {
			if _, err := p.follower.RunLent(t.Context(), call(d, "{}")); err != nil {
				t.Error(err)
			}
		})
		<-g.began
	}
	for range 3 {
		begin(d)
	}
	var refused atomic.Int32
	for range 5 {
		runs.Go(func() {
			if _, err := p.follower.RunLent(t.Context(), call(d, "{}")); !errors.Is(err, runtime.ErrPlaceUnfit) {
				t.Errorf("beyond its share: %v", err)
			}
			refused.Add(1)
		})
	}
	for refused.Load() < 5 {
		if bytes, places := p.follower.Lendable(); bytes == 0 || places == 0 {
			t.Fatalf("while runs wait for others of their function, the node lends %d bytes for %d runs", bytes, places)
		}
		time.Sleep(time.Millisecond)
	}
	begin(other)
	runs.Go(func() {
		if _, err := p.follower.RunLent(t.Context(), call(d, "{}")); err != nil {
			t.Errorf("beyond its share, while others end: %v", err)
		}
	})
	time.Sleep(20 * time.Millisecond) // by then it waits, commonly; if not, the test holds as well
	close(g.end)
	<-g.began
	runs.Wait()
}

// TestStopWithOwnAdoptedRuns stops an owner that has adopted a run from itself: the run ends with this process, so its end is awaited and recorded.
func TestStopWithOwnAdoptedRuns(t *testing.T) {
	var id string
	d := crashDuring(t, openDisk(t, vfs.NewCrashableMem()), 1, func(e *engine.Engine) {
		create(t, e, spec("hello", "[]"))
		id = submit(t, e, runtime.SubmitRequest{})
	})
	run, place := lentRun(t, id, 1)
	run.Own = true
	use := runtime.NewTenantUse(runtime.TenantLimits{})
	o := engine.Options{Sandbox: &fakeSandbox{run: echo}, Uses: func(runtime.Tenant) *runtime.TenantUse { return use }, Adopt: adopt(run)}
	e := engineOn(t, d.store, o)
	if u := use.Usage(); u.Runs != 0 { // the lender counts it
		t.Errorf("%d runs of the tenant are counted", u.Runs)
	}
	closed := make(chan error, 1)
	go func() { closed <- e.Close(t.Context()) }()
	for {
		if _, err := e.Submit(t.Context(), runtime.SubmitRequest{Tenant: tenant, Function: "hello"}); runtime.CodeOf(err) == runtime.CodeUnavailable {
			break
		}
		time.Sleep(time.Millisecond)
	}
	place.end <- nil
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if x, err := d.store.GetExecution(tenant, id); err != nil || x.State != runtime.StateSucceeded || x.Attempt != 1 {
		t.Errorf("%+v, %v", x, err)
	}
	place.check()
	closeAll(t, e, d)
}

// TestRunLentEnds cancels runs for the owner, lets the node stop, and closes the engine of the node.
func TestRunLentEnds(t *testing.T) {
	g := newGated()
	p := newPair(t, engine.Options{Sandbox: &fakeSandbox{run: g.run}})
	d := create(t, p.owner, spec("f", "1"))
	p.sync(t)
	begin := func(ctx context.Context) <-chan error {
		ended := make(chan error)
		go func() {
			_, err := p.follower.RunLent(ctx, call(d, "{}"))
			ended <- err
		}()
		<-g.began
		return ended
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	ended := begin(ctx)
	cancel(nil)
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled by its owner: %v", err)
	}
	ctx, cancel = context.WithCancelCause(t.Context())
	ended = begin(ctx)
	cancel(runtime.ShuttingDownError())
	queuedAgain := func(err error) bool {
		coded, ok := runtime.AsError(err)
		return ok && coded.Code == runtime.CodeUnavailable && coded.RetryAfter > 0 && !errors.Is(err, runtime.ErrPlaceUnused)
	}
	if err := <-ended; !queuedAgain(err) {
		t.Errorf("the node stops: %v", err)
	}
	ended = begin(t.Context())
	over, stop := context.WithCancel(t.Context())
	stop()
	closed := make(chan error)
	go func() { closed <- p.follower.Close(over) }()
	if err := <-ended; !queuedAgain(err) {
		t.Errorf("the engine is closed: %v", err)
	}
	if err := <-closed; err != nil && !errors.Is(err, context.Canceled) { // the run may have ended after it was looked
		t.Error(err)
	}
	if err := p.follower.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// borrowed are places on an engine that follows.
type borrowed struct {
	lender *engine.Engine
	free   atomic.Int64
	onFree func()
	used   atomic.Int64
}

func (b *borrowed) Take(runtime.Tenant, int64, int) (runtime.Place, bool) {
	if b.lender == nil || b.free.Add(-1) < 0 {
		b.free.Add(1)
		return nil, false
	}
	return b, true
}

func (b *borrowed) OnFree(f func()) { b.onFree = f }
func (b *borrowed) Nodes() int      { return 1 }

func (b *borrowed) Run(ctx context.Context, c runtime.RunCall) (runtime.Outcome, error) {
	c.Program = runtime.Program{Tenant: c.Program.Tenant, FunctionID: c.Program.FunctionID, Version: c.Program.Version}
	c.Context = nil
	o, err := b.lender.RunLent(ctx, c)
	if err == nil {
		b.used.Add(1)
	}
	return o, err
}

func (b *borrowed) Release() {
	b.free.Add(1)
	b.onFree()
}

func (b *borrowed) Recorded() {}

// TestNoStaleVersionElsewhere updates a function while its background runs use the places of a node that follows, late: no run that was
// accepted after an update has returned uses an earlier version, wherever it runs.
func TestNoStaleVersionElsewhere(t *testing.T) {
	place := &borrowed{}
	place.free.Store(4)
	slow := &fakeSandbox{run: func(_ context.Context, p runtime.Program, _, _ []byte) (runtime.Outcome, error) {
		time.Sleep(time.Millisecond)
		return runtime.Outcome{Result: p.Source}, nil
	}}
	p := newPairOf(t, engine.Options{Sandbox: slow, MaxRuns: 1, Places: place}, engine.Options{Sandbox: slow})
	place.lender = p.follower
	create(t, p.owner, spec("f", "1"))
	p.sync(t)
	const updates = 40
	for i := 2; i <= updates; i++ {
		if _, err := p.owner.UpdateFunction(t.Context(), runtime.FunctionUpdate{Tenant: tenant, Name: "f", Source: []byte(strconv.Itoa(i))}); err != nil {
			t.Fatal(err)
		}
		a, err := p.owner.SubmitBulk(t.Context(), runtime.BulkRequest{Tenant: tenant, Function: "f", Args: many(8)})
		if err != nil {
			t.Fatal(err)
		}
		if i%3 != 0 {
			p.sync(t)
		}
		for _, id := range a.IDs {
			x, err := p.owner.AwaitExecution(t.Context(), tenant, id)
			if err != nil || string(x.Result) != strconv.Itoa(i) || x.Version != uint64(i) || x.LostAttempts != 0 {
				t.Fatalf("update %d: %+v, %v", i, x, err)
			}
		}
	}
	if f := p.owner.Figures(); place.used.Load() == 0 || f.Returned == 0 || f.SentAway != uint64(place.used.Load())+f.Returned || f.Away != 0 {
		t.Errorf("%d runs were away; %+v", place.used.Load(), f)
	}
}

// heldPlace is a place where a run waits for its end.
type heldPlace struct {
	t        *testing.T
	end      chan error // nil: it succeeds
	called   atomic.Int64
	released atomic.Int64
	cause    atomic.Value
}

func newHeldPlace(t *testing.T) *heldPlace { return &heldPlace{t: t, end: make(chan error, 1)} }

func (p *heldPlace) Run(ctx context.Context, c runtime.RunCall) (runtime.Outcome, error) {
	p.called.Add(1)
	if ctx.Err() == nil {
		c.Logs.Append(1, []byte("began\n"))
	}
	select {
	case err := <-p.end:
		if err != nil {
			return runtime.Outcome{}, err
		}
		c.Logs.Append(1, []byte("ended\n"))
		return runtime.Outcome{Result: []byte(`"elsewhere"`), Usage: runtime.Usage{Duration: 5, Memory: 7}}, nil
	case <-ctx.Done():
		p.cause.Store(context.Cause(ctx))
		return runtime.Outcome{}, ctx.Err()
	}
}

func (p *heldPlace) Release() { p.released.Add(1) }

func (p *heldPlace) Recorded() {}

// check checks that a place was used and given back once.
func (p *heldPlace) check() { p.t.Helper(); p.checkUsed(1) }

// checkGivenUp checks that a place was given back once instead of being used.
func (p *heldPlace) checkGivenUp() { p.t.Helper(); p.checkUsed(0) }

func (p *heldPlace) checkUsed(times int64) {
	p.t.Helper()
	for end := time.Now().Add(30 * time.Second); p.released.Load() == 0 && time.Now().Before(end); time.Sleep(time.Millisecond) {
	}
	if p.called.Load() != times || p.released.Load() != 1 {
		p.t.Errorf("the place was used %d times and given back %d times", p.called.Load(), p.released.Load())
	}
}

// lentRun returns a run of an execution on another node.
func lentRun(t *testing.T, id string, attempt int) (runtime.LentRun, *heldPlace) {
	p := newHeldPlace(t)
	return runtime.LentRun{Tenant: tenant, Execution: id, Attempt: attempt, Version: 1, Started: time.Now(), Place: p}, p
}

// adopt returns the option of an engine that adopts runs.
func adopt(all ...runtime.LentRun) func() []runtime.LentRun {
	return func() []runtime.LentRun { return all }
}

// TestAdoption has 6 runs that were under way when the owner died. The next owner adopts those that other nodes still run, each with its one
// attempt, charges the others, and cancels what nobody needs.
func TestAdoption(t *testing.T) {
	var ids []string
	d := crashDuring(t, openDisk(t, vfs.NewCrashableMem()), 7, func(e *engine.Engine) {
		create(t, e, spec("hello", "[]"))
		a, err := e.SubmitBulk(context.Background(), runtime.BulkRequest{Tenant: tenant, Function: "hello", Args: many(7)})
		if err != nil {
			t.Fatal(err)
		}
		ids = a.IDs
	})
	succeeds, first := lentRun(t, ids[0], 1)
	lost, second := lentRun(t, ids[1], 1)
	another, third := lentRun(t, ids[2], 2) // attempt
	earlier, fourth := lentRun(t, ids[0], 0)
	unknown, fifth := lentRun(t, runtime.NewID(), 1)
	foreign, sixth := lentRun(t, ids[3], 1)
	foreign.Tenant = "b"
	stopped, seventh := lentRun(t, ids[4], 1)
	waits, eighth := lentRun(t, ids[6], 1)
	e := engineOn(t, d.store, engine.Options{Sandbox: &fakeSandbox{run: echo}, Adopt: adopt(succeeds, lost, another, earlier, unknown, foreign, stopped, waits)})
	for i, attempts := range []int{1, 2, 2, 2, 1, 2, 1} {
		switch i {
		case 0, 1, 4, 6:
			if x := getExecution(t, e, ids[i]); x.State != runtime.StateRunning || x.Attempt != 1 || x.LostAttempts != 0 {
				t.Errorf("run %d is %+v", i, x)
			}
		default:
			if x := await(t, e, ids[i]); x.State != runtime.StateSucceeded || x.Attempt != attempts || x.LostAttempts != 1 {
				t.Errorf("run %d is %+v", i, x)
			}
		}
	}
	if f := e.Figures(); f.Away != 4 || f.Adopted != 4 || f.Running != 0 {
		t.Errorf("%+v", f)
	}
	if p, err := e.FollowLogs(t.Context(), tenant, ids[0], runtime.LogPosition{}); err != nil || string(p.Logs.Data) != "began\n" || p.State != runtime.StateRunning {
		t.Errorf("the logs of a run on another node are %+v, %v", p, err)
	}
	first.end <- nil
	x := await(t, e, ids[0])
	page, err := e.GetLogs(t.Context(), tenant, ids[0], runtime.LogPosition{})
	if x.State != runtime.StateSucceeded || x.Attempt != 1 || x.LostAttempts != 0 || x.Version != 1 || string(x.Result) != `"elsewhere"` || x.Usage.Memory != 7 ||
		err != nil || string(page.Logs.Data) != "began\nended\n" {
		t.Errorf("%+v; its logs are %q, %v", x, page.Logs.Data, err)
	}
	second.end <- runtime.ErrPlaceLost
	if x := await(t, e, ids[1]); x.State != runtime.StateSucceeded || x.Attempt != 2 || x.LostAttempts != 1 {
		t.Errorf("%+v", x)
	}
	eighth.end <- runtime.ErrPlaceUnused // the node has not begun it
	if x := await(t, e, ids[6]); x.State != runtime.StateSucceeded || x.Attempt != 2 || x.LostAttempts != 0 {
		t.Errorf("%+v", x)
	}
	if x, changed := cancelled(t, e, ids[4]); !changed || x.State != runtime.StateCancelling {
		t.Errorf("%+v, %v", x, changed)
	}
	if x := await(t, e, ids[4]); x.State != runtime.StateCancelled || x.Attempt != 1 {
		t.Errorf("%+v", x)
	}
	for _, p := range []*heldPlace{first, second, seventh, eighth} {
		p.check()
	}
	for _, p := range []*heldPlace{third, fourth, fifth, sixth} {
		p.checkGivenUp()
	}
	closeAll(t, e, d)
}

// TestAdoptionThatFails has a process that becomes the owner and cannot read what is queued: what other nodes run goes on, for the next one.
func TestAdoptionThatFails(t *testing.T) {
	run, place := lentRun(t, runtime.NewID(), 1)
	store := unreadableStore{newStore(t), errors.New("bad block")}
	if _, err := engine.New(engine.Options{Store: store, Sandbox: &fakeSandbox{}, Log: quiet, Adopt: adopt(run)}); runtime.CodeOf(err) != runtime.CodeUnavailable {
		t.Error(err)
	}
	if place.called.Load()+place.released.Load() > 0 {
		t.Error("a run was cancelled, or taken")
	}
}

// TestAdoptionOfACancelledRun adopts a run whose cancellation was requested before the owner died.
func TestAdoptionOfACancelledRun(t *testing.T) {
	d := openDisk(t, vfs.NewCrashableMem())
	g := newGated()
	ignoring := make(chan struct{})
	e := engineOn(t, d.store, engine.Options{Sandbox: &fakeSandbox{run: func(ctx context.Context, p runtime.Program, args, c []byte) (runtime.Outcome, error) {
		g.began <- struct{}{}
		<-ignoring
		return echo(ctx, p, args, c)
	}}})
	create(t, e, spec("hello", "[]"))
	id := submit(t, e, runtime.SubmitRequest{})
	<-g.began
	cancelled(t, e, id)
	after := d.crash(t)
	close(ignoring)
	abandon(t, e, d)
	run, place := lentRun(t, id, 1)
	e = engineOn(t, after.store, engine.Options{Sandbox: &fakeSandbox{}, Adopt: adopt(run)})
	if x := await(t, e, id); x.State != runtime.StateCancelled || x.Attempt != 1 || x.LostAttempts != 0 {
		t.Errorf("%+v", x)
	}
	place.check()
	closeAll(t, e, after)
}

// TestAdoptionOfTasks adopts tasks of a job: they keep their places in its parallelism, and the job ends with all of its tasks.
func TestAdoptionOfTasks(t *testing.T) {
	var x runtime.JobExecution
	d := crashDuring(t, openDisk(t, vfs.NewCrashableMem()), 2, func(e *engine.Engine) {
		create(t, e, spec("hello", "[]"))
		if _, err := e.CreateJob(ctx, job(runtime.JobSpec{MaxConcurrentTasks: 2})); err != nil {
			t.Fatal(err)
		}
		x = startJob(t, e, runtime.JobStartRequest{Tasks: tasks(6)})
	})
	first, one := lentRun(t, runtime.TaskID(x.ID, 0), 1)
	second, two := lentRun(t, runtime.TaskID(x.ID, 1), 1)
	var ran atomic.Int64
	e := engineOn(t, d.store, engine.Options{Sandbox: counted(&ran), Adopt: adopt(first, second)})
	// Another function is not held up.
	create(t, e, spec("other", "[]"))
	await(t, e, submit(t, e, runtime.SubmitRequest{Function: "other"}))
	j, err := e.GetJobExecution(ctx, tenant, x.Job, x.ID)
	if err != nil || j.Stats.Running != 2 || ran.Load() != 1 {
		t.Errorf("%+v, %v; %d have run", j.Stats, err, ran.Load())
	}
	one.end <- nil
	two.end <- nil
	if j = awaitJob(t, e, x); j.State != runtime.StateSucceeded || j.Stats.Succeeded != 6 || j.Stats.Retried != 0 || ran.Load() != 5 {
		t.Errorf("%+v; %d have run", j, ran.Load())
	}
	one.check()
	two.check()
	closeAll(t, e, d)
}

// TestAdoptedSuspects checks that a suspect that another node still runs when the owner dies is not charged.
func TestAdoptedSuspects(t *testing.T) {
	remaining, id := lostTwice(t)
	d := openDisk(t, remaining)
	run, place := lentRun(t, id, 2)
	e := engineOn(t, d.store, engine.Options{Sandbox: &fakeSandbox{}, Adopt: adopt(run)})
	if x := getExecution(t, e, id); x.State != runtime.StateRunning || x.Attempt != 2 || x.LostAttempts != 1 || x.Suspicion.Losses != 1 {
		t.Errorf("%+v", x)
	}
	place.end <- nil
	if x := await(t, e, id); x.State != runtime.StateSucceeded || x.Attempt != 2 || x.LostAttempts != 1 {
		t.Errorf("%+v", x)
	}
	place.check()
	closeAll(t, e, d)
}

// TestOwnersThatChange replaces the owner of the data again and again while a run is on another node: it keeps its attempt, until it ends.
func TestOwnersThatChange(t *testing.T) {
	d := openDisk(t, vfs.NewCrashableMem())
	elsewhere := newHeldPlace(t)
	place := &onePlace{heldPlace: elsewhere, taken: make(chan struct{})}
	g := newGated()
	e := engineOn(t, d.store, engine.Options{Sandbox: &fakeSandbox{run: g.run}, MaxRuns: 1, Memory: memory.New(4<<30, nil), Places: place})
	create(t, e, spec("hello", "[]"))
	ids := []string{submit(t, e, runtime.SubmitRequest{}), submit(t, e, runtime.SubmitRequest{})}
	<-g.began
	<-place.taken
	away := place.id.Load().(string)
	here := ids[0]
	if here == away {
		here = ids[1]
	}
	for round := range 4 {
		if round%2 == 0 { // it dies, else it stops
			after := d.crash(t)
			abandon(t, e, d)
			d = after
		} else {
			over, stop := context.WithCancel(t.Context())
			stop()
			if err := e.Close(over); err != nil {
				t.Error(err)
			}
		}
		run, next := lentRun(t, away, 1)
		elsewhere = next
		e = engineOn(t, d.store, engine.Options{Sandbox: &fakeSandbox{run: g.run}, MaxRuns: 1, Memory: memory.New(4<<30, nil), Adopt: adopt(run)})
		<-g.began
		if x := getExecution(t, e, away); x.State != runtime.StateRunning || x.Attempt != 1 || x.LostAttempts != 0 {
			t.Fatalf("round %d: %+v", round, x)
		}
	}
	elsewhere.end <- nil
	if x := await(t, e, away); x.State != runtime.StateSucceeded || x.Attempt != 1 || string(x.Result) != `"elsewhere"` {
		t.Errorf("%+v", x)
	}
	close(g.end)
	if x := await(t, e, here); x.State != runtime.StateSucceeded || x.LostAttempts != 2 {
		t.Errorf("%+v", x)
	}
	closeAll(t, e, d)
}

// onePlace is a node with one place.
type onePlace struct {
	*heldPlace
	id    atomic.Value
	once  atomic.Bool
	taken chan struct{}
}

func (p *onePlace) Take(runtime.Tenant, int64, int) (runtime.Place, bool) {
	return p, p.once.CompareAndSwap(false, true)
}

func (p *onePlace) Run(ctx context.Context, c runtime.RunCall) (runtime.Outcome, error) {
	p.id.Store(c.Info.Execution)
	close(p.taken)
	return p.heldPlace.Run(ctx, c)
}

func (p *onePlace) OnFree(func()) {}
func (p *onePlace) Nodes() int    { return 1 }
