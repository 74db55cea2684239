package engine_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/engine"
)

// statsOf returns the counts of a tenant, without durations, once they are complete.
func statsOf(t *testing.T, e *engine.Engine, of runtime.Tenant) map[string]runtime.RunStats {
	t.Helper()
	for {
		s, err := e.GetStats(t.Context(), of, runtime.StatsQuery{Since: time.Now().Add(-time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		if s.Complete.After(s.From) {
			time.Sleep(time.Millisecond)
			continue
		}
		all := map[string]runtime.RunStats{"": s.Total}
		for _, f := range s.Functions {
			all[f.Function] = f.RunStats
		}
		for name, c := range all {
			all[name] = runtime.RunStats{Succeeded: c.Succeeded, Failed: c.Failed, Timeout: c.Timeout, Cancelled: c.Cancelled, Ran: c.Ran}
		}
		return all
	}
}

// byArgs fails, times out or waits for its cancellation as its args say.
func byArgs(ctx context.Context, _ runtime.Program, args, _ []byte) (runtime.Outcome, error) {
	switch string(args) {
	case `{"do":"fail"}`:
		return runtime.Outcome{Failure: &runtime.Failure{Class: runtime.ClassError}}, nil
	case `{"do":"timeout"}`:
		return runtime.Outcome{Failure: &runtime.Failure{Class: runtime.ClassTimeout}}, nil
	case `{"do":"wait"}`:
		<-ctx.Done()
		return runtime.Outcome{}, ctx.Err()
	}
	return runtime.Outcome{Result: []byte("1"), Usage: runtime.Usage{Duration: time.Millisecond}}, nil
}

// TestStatisticsOfEveryEnd ends runs in every way there is: each is counted once, by its function and
// outcome, and observed once. Changes of functions are no runs.
func TestStatisticsOfEveryEnd(t *testing.T) {
	observed := make(map[bool]map[runtime.State]int)
	var mu sync.Mutex
	e := newEngine(t, engine.Options{Sandbox: &fakeSandbox{run: byArgs}, OnEnd: func(x *runtime.Execution, blocking bool) {
		mu.Lock()
		defer mu.Unlock()
		if observed[blocking] == nil {
			observed[blocking] = make(map[runtime.State]int)
		}
		observed[blocking][x.State]++
	}})
	create(t, e, spec("hello", "x"))
	create(t, e, spec("other", "x"))
	for _, args := range []string{`{}`, `{}`, `{"do":"fail"}`, `{"do":"timeout"}`} {
		if _, err := run(e, "hello", args); err != nil {
			t.Fatal(err)
		}
		await(t, e, submit(t, e, runtime.SubmitRequest{Args: []byte(args), Retries: ptr(0)}))
	}
	if _, err := run(e, "other", `{}`); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		_, err := e.Run(ctx, runtime.RunRequest{Tenant: tenant, Function: "other", Args: []byte(`{"do":"wait"}`)})
		ended <- err
	}()
	eventually(t, func() bool {
		page, err := e.ListExecutions(t.Context(), tenant, runtime.ExecutionFilter{States: []runtime.State{runtime.StateRunning}}, runtime.PageRequest{})
		return err == nil && len(page.Items) == 1
	})
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	waiting := submit(t, e, runtime.SubmitRequest{Args: []byte(`{"do":"wait"}`)})
	if _, _, err := e.CancelExecution(t.Context(), tenant, waiting); err != nil {
		t.Fatal(err)
	}
	await(t, e, waiting)
	got := statsOf(t, e, tenant)
	ran := got["hello"].Ran - 8 // the cancelled run in the background may have begun, or not
	want := map[string]runtime.RunStats{
		"hello": {Succeeded: 4, Failed: 2, Timeout: 2, Cancelled: 1, Ran: 8 + ran},
		"other": {Succeeded: 1, Cancelled: 1, Ran: 2},
		"":      {Succeeded: 5, Failed: 2, Timeout: 2, Cancelled: 2, Ran: 10 + ran},
	}
	if diff := cmp.Diff(want, got); diff != "" || ran < 0 || ran > 1 {
		t.Error(diff)
	}
	mu.Lock()
	defer mu.Unlock()
	if diff := cmp.Diff(map[bool]map[runtime.State]int{
		true:  {runtime.StateSucceeded: 3, runtime.StateFailed: 1, runtime.StateTimeout: 1, runtime.StateCancelled: 1},
		false: {runtime.StateSucceeded: 2, runtime.StateFailed: 1, runtime.StateTimeout: 1, runtime.StateCancelled: 1},
	}, observed); diff != "" {
		t.Errorf("observed: %s", diff)
	}
	if other := statsOf(t, e, "another"); other[""] != (runtime.RunStats{}) {
		t.Errorf("another tenant has %+v", other)
	}
}

// TestStatisticsAfterARestart checks that statistics after a restart are those from before, runs that were
// cancelled with their job included, and that runs which end meanwhile are counted once.
func TestStatisticsAfterARestart(t *testing.T) {
	d := openDisk(t, vfs.NewCrashableMem())
	box := &fakeSandbox{run: byArgs}
	e := engineOn(t, d.store, engine.Options{Sandbox: box})
	create(t, e, spec("hello", "x"))
	for i := range 50 {
		args := []string{`{}`, `{"do":"fail"}`, `{"do":"timeout"}`}[i%3]
		if _, err := run(e, "hello", args); err != nil {
			t.Fatal(err)
		}
	}
	for range 20 {
		await(t, e, submit(t, e, runtime.SubmitRequest{Args: []byte(`{}`)}))
	}
	before := statsOf(t, e, tenant)
	if got := before[""].Succeeded + before[""].Failed + before[""].Timeout; got != 70 {
		t.Fatalf("%d runs were counted", got)
	}
	if err := e.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	e = engineOn(t, d.store, engine.Options{Sandbox: box})
	defer closeAll(t, e, d)
	for range 5 {
		if _, err := run(e, "hello", `{}`); err != nil {
			t.Fatal(err)
		}
	}
	after := statsOf(t, e, tenant)
	for _, name := range []string{"", "hello"} {
		c := before[name]
		c.Succeeded, c.Ran = c.Succeeded+5, c.Ran+5
		before[name] = c
	}
	if diff := cmp.Diff(before, after); diff != "" {
		t.Error(diff)
	}
	e.ForgetTenant(tenant)
	if got := statsOf(t, e, tenant)[""]; got != (runtime.RunStats{}) {
		t.Errorf("a tenant that was forgotten has %+v", got)
	}
}

// TestFollowExecutions checks that a follower is told of every kind of change, and of none of another
// tenant.
func TestFollowExecutions(t *testing.T) {
	gate := make(chan struct{})
	e := newEngine(t, engine.Options{Sandbox: &fakeSandbox{run: func(ctx context.Context, _ runtime.Program, _, _ []byte) (runtime.Outcome, error) {
		select {
		case <-gate:
			return runtime.Outcome{Result: []byte("1")}, nil
		case <-ctx.Done():
			return runtime.Outcome{}, ctx.Err()
		}
	}}})
	feed, err := e.FollowExecutions(tenant)
	if err != nil {
		t.Fatal(err)
	}
	defer feed.Close()
	stranger, err := e.FollowExecutions("another")
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	// sees waits until the follower was told of an execution in a state.
	sees := func(id string, state runtime.State) {
		t.Helper()
		for {
			ids, missed, _ := feed.Next(t.Context())
			if missed > 0 || t.Context().Err() != nil {
				t.Fatalf("%d changes are missed", missed)
			}
			for _, changed := range ids {
				if x, err := e.GetExecution(t.Context(), tenant, changed); err == nil && (id == "" || changed == id) && x.State == state {
					return
				}
			}
		}
	}
	created := create(t, e, spec("hello", "x"))
	sees(created.ExecutionID, runtime.StateSucceeded)
	id := submit(t, e, runtime.SubmitRequest{})
	sees(id, runtime.StateRunning)
	if _, _, err := e.CancelExecution(t.Context(), tenant, id); err != nil {
		t.Fatal(err)
	}
	sees(id, runtime.StateCancelled)
	ended := make(chan error)
	go func() {
		_, err := run(e, "hello", "{}")
		ended <- err
	}()
	sees("", runtime.StateRunning)
	gate <- struct{}{}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	sees("", runtime.StateSucceeded)
	now, cancel := context.WithCancel(t.Context())
	cancel()
	if ids, missed, _ := stranger.Next(now); len(ids)+missed > 0 {
		t.Errorf("another tenant was told of %v", ids)
	}
	close(gate)
}

// TestFeedsMissNothing has many runs begin and end while a follower reads: it is told of each after its
// end.
func TestFeedsMissNothing(t *testing.T) {
	e := newEngine(t, engine.Options{Sandbox: &fakeSandbox{run: byArgs}})
	create(t, e, spec("hello", "x"))
	feed, err := e.FollowExecutions(tenant)
	if err != nil {
		t.Fatal(err)
	}
	defer feed.Close()
	const runs, callers = 100, 4
	var group sync.WaitGroup
	for range callers {
		group.Go(func() {
			for range runs {
				if _, err := run(e, "hello", "{}"); err != nil {
					t.Error(err)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() {
		group.Wait()
		close(done)
	}()
	ended := make(map[string]bool)
	lost := 0
	read := func(ctx context.Context) {
		ids, missed, _ := feed.Next(ctx)
		lost += missed
		found, err := e.GetExecutions(t.Context(), tenant, ids)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range found {
			if x != nil && x.State.Terminal() {
				ended[x.ID] = true
			}
		}
	}
	for reading := true; reading; {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		read(ctx)
		cancel()
		select {
		case <-done:
			reading = false
		default:
		}
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	read(over)
	if len(ended)+lost < runs*callers {
		t.Errorf("a follower was told of the ends of %d runs of %d, and of %d changes that it missed", len(ended), runs*callers, lost)
	}
}

// TestFeedsAreShared lets few tenants hold all places of followers. Others get places all the same, until all
// have as many, and those who lose a follower are informed at once.
func TestFeedsAreShared(t *testing.T) {
	e := newEngine(t, engine.Options{Sandbox: &fakeSandbox{run: byArgs}})
	greedy := make(map[runtime.Tenant][]runtime.ExecutionFeed)
	const tenants = engine.MaxFeeds / engine.MaxTenantFeeds
	for i := range engine.MaxFeeds {
		of := runtime.Tenant(fmt.Sprint("greedy", i%tenants))
		feed, err := e.FollowExecutions(of)
		if err != nil {
			t.Fatal(err)
		}
		greedy[of] = append(greedy[of], feed)
	}
	for i := range engine.MaxTenantFeeds {
		if _, err := e.FollowExecutions("late"); (err == nil) != (i < engine.MaxFeeds/(tenants+1)) {
			t.Fatalf("place %d of the tenant that came late: %v", i+1, err)
		}
	}
	ended, cancelled := 0, 0
	for of, feeds := range greedy {
		left := 0
		for _, feed := range feeds {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if _, _, more := feed.Next(ctx); more {
				left++
			} else {
				ended++
			}
			feed.Close()
		}
		cancelled += left
		if left < engine.MaxFeeds/(tenants+1)-1 {
			t.Errorf("%s has %d followers left", of, left)
		}
	}
	if want := engine.MaxFeeds / (tenants + 1); ended != want || ended+cancelled != engine.MaxFeeds {
		t.Errorf("%d followers have ended, want %d", ended, want)
	}
	if n := e.Figures().Followers; n != ended {
		t.Errorf("%d follow, want %d", n, ended)
	}
}

// TestFeedsAreBounded checks the bound of followers, and that one that does not read holds a bounded number
// of changes and learns how many it has missed.
func TestFeedsAreBounded(t *testing.T) {
	e := newEngine(t, engine.Options{Sandbox: &fakeSandbox{run: byArgs}})
	create(t, e, spec("hello", "x"))
	var open []runtime.ExecutionFeed
	for range engine.MaxTenantFeeds {
		feed, err := e.FollowExecutions(tenant)
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, feed)
	}
	if _, err := e.FollowExecutions(tenant); runtime.CodeOf(err) != runtime.CodeTooBusy {
		t.Errorf("one too many: %v", err)
	}
	for i := range engine.MaxFeeds - engine.MaxTenantFeeds {
		feed, err := e.FollowExecutions(runtime.Tenant(fmt.Sprint("t", i)))
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, feed)
	}
	acceptance, err := e.SubmitBulk(t.Context(), runtime.BulkRequest{Tenant: tenant, Function: "hello", Args: many(3 * engine.MaxChanged)})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range acceptance.IDs {
		await(t, e, id)
	}
	ids, missed, more := open[0].Next(t.Context())
	if len(ids) != engine.MaxChanged || missed < 2*engine.MaxChanged || !more {
		t.Errorf("%d changes are held, %d were missed", len(ids), missed)
	}
	for _, feed := range open {
		feed.Close()
		feed.Close() // has no effect
	}
	if n := e.Figures().Followers; n != 0 {
		t.Errorf("%d followers are left", n)
	}
	if err := e.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if _, err := e.FollowExecutions(tenant); runtime.CodeOf(err) != runtime.CodeUnavailable {
		t.Errorf("after Close: %v", err)
	}
}

// TestFigures checks the figures of an engine at work.
func TestFigures(t *testing.T) {
	gate := make(chan struct{})
	use := runtime.NewTenantUse(runtime.TenantLimits{Runs: 1})
	e := newEngine(t, engine.Options{
		Uses: func(runtime.Tenant) *runtime.TenantUse { return use },
		Sandbox: &fakeSandbox{run: func(context.Context, runtime.Program, []byte, []byte) (runtime.Outcome, error) {
			<-gate
			return runtime.Outcome{Result: []byte("1")}, nil
		}},
	})
	create(t, e, spec("hello", "x"))
	ids := []string{submit(t, e, runtime.SubmitRequest{}), submit(t, e, runtime.SubmitRequest{}), submit(t, e, runtime.SubmitRequest{})}
	eventually(t, func() bool {
		f := e.Figures()
		return f.Running == 1 && f.Waiting == 2 && f.Oldest > 0
	})
	s, err := e.GetStats(t.Context(), tenant, runtime.StatsQuery{})
	if err != nil || s.Queue.Queued != 2 || s.Queue.Running != 1 || s.Queue.Oldest <= 0 || s.Queue.Memory <= 0 || s.Queue.MemoryLimit < s.Queue.Memory {
		t.Errorf("%+v: %v", s.Queue, err)
	}
	close(gate)
	for _, id := range ids {
		await(t, e, id)
	}
	eventually(t, func() bool {
		f := e.Figures()
		return f.Running+f.Waiting+f.Delayed+f.Held+f.WaitingRuns+f.Parked+f.BlockedCallers == 0 && f.Oldest == 0
	})
}

// errHistory is the error of a store that cannot read its history.
var errHistory = errors.New("the history cannot be read")

// unreadableHistory fails to read the runs that have ended.
type unreadableHistory struct{ runtime.Store }

func (s unreadableHistory) EndedRuns(time.Time) (runtime.EndedRuns, error) { return s, nil }
func (unreadableHistory) Each(func(runtime.EndedRun) error) error          { return errHistory }
func (unreadableHistory) Close() error                                     { return nil }

// TestStatisticsWithoutHistory checks that an engine whose history cannot be read serves, and that its
// statistics say from when on they are complete.
func TestStatisticsWithoutHistory(t *testing.T) {
	before := time.Now()
	e := newEngine(t, engine.Options{Store: unreadableHistory{newStore(t)}, Sandbox: &fakeSandbox{run: byArgs}})
	create(t, e, spec("hello", "x"))
	if _, err := run(e, "hello", "{}"); err != nil {
		t.Fatal(err)
	}
	s, err := e.GetStats(t.Context(), tenant, runtime.StatsQuery{Since: before.Add(-time.Hour)})
	if err != nil || s.Total.Succeeded != 1 || s.Complete.Before(before.Truncate(time.Second)) {
		t.Errorf("%d runs, complete since %v: %v", s.Total.Succeeded, s.Complete, err)
	}
}

// eventually waits until a condition holds.
func eventually(t *testing.T, holds func() bool) {
	t.Helper()
	for !holds() {
		if t.Context().Err() != nil {
			t.Fatal("the test ended before the condition held")
		}
		time.Sleep(time.Millisecond)
	}
}
