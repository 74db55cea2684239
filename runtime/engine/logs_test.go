package engine_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/engine"
	"github.com/faaspot/faaspot/runtime/memory"
)

// followed is the output that a follower got, by attempt.
type followed map[int][]byte

// follow follows the logs of an execution until it is done.
func follow(t testing.TB, e *engine.Engine, id string) followed {
	all := followed{}
	var from runtime.LogPosition
	for {
		p, err := e.FollowLogs(context.Background(), tenant, id, from)
		if err != nil {
			t.Error(err)
			return all
		}
		all[p.Attempt] = append(all[p.Attempt], p.Logs.Data...)
		if p.State.Terminal() && len(p.Logs.Data) == 0 {
			return all
		}
		from = p.Next
	}
}

func logsOf(t testing.TB, e *engine.Engine, id string, from runtime.LogPosition) runtime.LogPage {
	t.Helper()
	p, err := e.GetLogs(context.Background(), tenant, id, from)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func at(attempt, offset int) runtime.LogPosition {
	return runtime.LogPosition{Attempt: attempt, Offset: offset}
}

// steps is a run that sends its call to the test and ends as the test decides.
type steps struct {
	call chan runtime.RunCall
	end  chan error // how the run ends; nil: it succeeds
}

func newSteps() *steps { return &steps{make(chan runtime.RunCall), make(chan error)} }

var errRaised = errors.New("raised")

func (s *steps) run(ctx context.Context, c runtime.RunCall) (runtime.Outcome, error) {
	s.call <- c
	select {
	case err := <-s.end:
		switch {
		case errors.Is(err, errRaised):
			return failure(runtime.ClassError), nil
		case err != nil:
			return runtime.Outcome{}, err
		}
		return runtime.Outcome{Result: []byte("1")}, nil
	case <-ctx.Done():
		return failure(runtime.ClassCancelled), nil
	}
}

// TestLogsOfABackgroundRun checks the logs of an execution at each stage of its life, and when
// followers get a page.
func TestLogsOfABackgroundRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSteps()
		store := &heldStore{Store: newStore(t), hold: make(chan struct{})}
		e := newEngine(t, engine.Options{Store: store, Sandbox: &fakeSandbox{call: s.run}})
		defer e.Close(context.Background())
		create(t, e, spec("hello", "[]"))
		id := submit(t, e, runtime.SubmitRequest{Retries: ptr(1)})
		pages := make(chan runtime.LogPage, 1)
		follow := func(from runtime.LogPosition) {
			go func() {
				p, err := e.FollowLogs(context.Background(), tenant, strings.ToUpper(id), from)
				if err != nil {
					t.Error(err)
				}
				pages <- p
			}()
			synctest.Wait()
		}
		want := func(when string, got, want runtime.LogPage) {
			t.Helper()
			want.Size = want.Next.Offset
			if want.Logs.Began = got.Logs.Began; want.Logs.Began.IsZero() != (len(got.Logs.Data) == 0) {
				t.Errorf("%s: output of %d bytes began at %v", when, len(got.Logs.Data), want.Logs.Began)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: %s", when, diff)
			}
		}
		silent := func(when string) {
			t.Helper()
			synctest.Wait()
			select {
			case p := <-pages:
				t.Errorf("%s: a follower got %+v", when, p)
			default:
			}
		}
		text := func(s string, marks ...runtime.LogMark) runtime.Logs {
			return runtime.Logs{Data: []byte(s), Marks: marks}
		}

		want("queued", logsOf(t, e, id, at(0, 0)), runtime.LogPage{State: runtime.StateQueued})
		want("queued", logsOf(t, e, id, at(7, 100)), runtime.LogPage{State: runtime.StateQueued})
		follow(at(0, 0))
		silent("queued")
		close(store.hold)
		call := <-s.call
		want("it begins", <-pages, runtime.LogPage{Attempt: 1, Next: at(1, 0), State: runtime.StateRunning})
		follow(at(1, 0))
		silent("before it wrote anything")
		call.Logs.Append(1, nil)
		silent("nothing was written")
		call.Logs.Append(1, []byte("one"))
		want("something is written", <-pages, runtime.LogPage{
			Attempt: 1, Logs: text("one", runtime.LogMark{Stream: 1}), Next: at(1, 3), State: runtime.StateRunning,
		})
		call.Logs.Append(2, []byte("two"))
		want("while it runs", logsOf(t, e, id, at(1, 2)), runtime.LogPage{
			Attempt: 1, Logs: text("etwo", runtime.LogMark{Stream: 1}, runtime.LogMark{Offset: 1, Stream: 2}), Next: at(1, 6), State: runtime.StateRunning,
		})
		want("behind the end", logsOf(t, e, id, at(1, 1<<40)), runtime.LogPage{Attempt: 1, Next: at(1, 6), State: runtime.StateRunning})
		want("before the beginning", logsOf(t, e, id, at(1, -1)), logsOf(t, e, id, at(1, 0)))
		want("of an attempt to come", logsOf(t, e, id, at(5, 2)), logsOf(t, e, id, at(1, 0)))
		_, err := e.GetLogs(context.Background(), "b", id, at(0, 0))
		wantCode(t, err, runtime.CodeNotFound)
		_, err = e.FollowLogs(context.Background(), "b", id, at(0, 0))
		wantCode(t, err, runtime.CodeNotFound)

		follow(at(1, 6))
		call.Logs.Append(2, []byte("three"))
		s.end <- errRaised
		last := <-pages
		first := runtime.LogPage{
			Attempt: 1, Logs: text("three", runtime.LogMark{Stream: 2}), Next: at(1, 11), State: runtime.StateQueued,
		}
		synctest.Wait()
		last.State = first.State // the page may have been read before or after the end
		want("it wrote and ended", last, first)
		want("between attempts", logsOf(t, e, id, at(1, 6)), first)
		follow(at(1, 11))
		silent("between attempts")
		call = <-s.call
		want("it begins again", <-pages, runtime.LogPage{Attempt: 2, Next: at(2, 0), State: runtime.StateRunning})
		follow(at(2, 0))
		silent("before it wrote anything")
		s.end <- nil
		want("it is done", <-pages, runtime.LogPage{Attempt: 2, Next: at(2, 0), State: runtime.StateSucceeded})
		want("done", logsOf(t, e, id, at(1, 4)), runtime.LogPage{Attempt: 2, Next: at(2, 0), State: runtime.StateSucceeded})
	})
}

// TestLogsAreStoredForEveryOutcome checks that the output of an attempt is stored with its
// execution, for every outcome.
func TestLogsAreStoredForEveryOutcome(t *testing.T) {
	for name, test := range map[string]struct {
		end     func() (runtime.Outcome, error)
		retries int
		cancel  bool // while it waits for its next attempt
		state   runtime.State
		attempt int
	}{
		"success": {func() (runtime.Outcome, error) { return runtime.Outcome{Result: []byte("1")}, nil }, 0, false, runtime.StateSucceeded, 1},
		// The logs of the outcome are ignored.
		"forged": {func() (runtime.Outcome, error) {
			return runtime.Outcome{Result: []byte("1"), Logs: runtime.Logs{Data: []byte("x")}}, nil
		}, 0, false, runtime.StateSucceeded, 1},
		"failure":   {func() (runtime.Outcome, error) { return failure(runtime.ClassError), nil }, 2, false, runtime.StateFailed, 3},
		"time-out":  {func() (runtime.Outcome, error) { return failure(runtime.ClassTimeout), nil }, 0, false, runtime.StateTimeout, 1},
		"result":    {func() (runtime.Outcome, error) { return runtime.Outcome{Result: []byte("{")}, nil }, 0, false, runtime.StateFailed, 1},
		"fault":     {func() (runtime.Outcome, error) { return runtime.Outcome{}, errRaised }, 0, false, runtime.StateFailed, 10},
		"panic":     {func() (runtime.Outcome, error) { panic("broken") }, 0, false, runtime.StateFailed, 10},
		"cancelled": {func() (runtime.Outcome, error) { return failure(runtime.ClassError), nil }, 2, true, runtime.StateCancelled, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				attempt := 0
				d := openDisk(t, vfs.NewMem())
				e := engineOn(t, d.store, engine.Options{Sandbox: &fakeSandbox{call: func(_ context.Context, c runtime.RunCall) (runtime.Outcome, error) {
					attempt++
					c.Logs.Append(1, fmt.Appendf(nil, "attempt %d\n%s", attempt, strings.Repeat("x", 2000)))
					return test.end()
				}}})
				create(t, e, spec("hello", "[]"))
				id := submit(t, e, runtime.SubmitRequest{Retries: &test.retries})
				followed := make(chan followed)
				go func() { followed <- follow(t, e, id) }()
				if test.cancel {
					synctest.Wait()
					if x := getExecution(t, e, id); x.State != runtime.StateQueued {
						t.Fatalf("it does not wait for its next attempt: %+v", x)
					}
					cancelled(t, e, id)
				}
				seen := <-followed
				if len(seen[0]) != 0 {
					t.Errorf("before its first attempt it wrote %q", seen[0])
				}
				for i := range test.attempt {
					if want := fmt.Sprintf("attempt %d\n%s", i+1, strings.Repeat("x", 2000)); string(seen[i+1]) != want {
						t.Errorf("the follower got %q of attempt %d", seen[i+1], i+1)
					}
				}
				x := await(t, e, id)
				p := logsOf(t, e, id, at(0, 0))
				if x.State != test.state || x.Attempt != test.attempt || p.Attempt != x.Attempt || p.State != x.State || !bytes.Equal(p.Logs.Data, seen[x.Attempt]) {
					t.Errorf("it ended as %+v; stored is %q, the follower got %q", x, p.Logs.Data, seen[x.Attempt])
				}
				closeAll(t, e, d)
			})
		})
	}
}

// TestFollowersMissNothing has many executions write, some of them in two attempts, while
// followers start at various moments. Each follower gets every byte of the last attempt once, as
// it is stored later, and of other attempts only what they wrote.
func TestFollowersMissNothing(t *testing.T) {
	const runs, followers = 60, 3
	var mu sync.Mutex
	written := map[string]map[int]string{} // by args and attempt
	e := newEngine(t, engine.Options{MaxRuns: 6, Memory: memory.New(10<<30, nil), Sandbox: &fakeSandbox{
		call: func(_ context.Context, c runtime.RunCall) (runtime.Outcome, error) {
			mu.Lock()
			if written[string(c.Args)] == nil {
				written[string(c.Args)] = map[int]string{}
			}
			attempt := len(written[string(c.Args)]) + 1
			written[string(c.Args)][attempt] = ""
			mu.Unlock()
			var all []byte
			rng := rand.New(rand.NewPCG(uint64(len(c.Args)), uint64(attempt)))
			for i := range rng.IntN(400) {
				line := fmt.Appendf(nil, "%d of %s\n", i, c.Args)
				c.Logs.Append(uint8(1+i%3/2), line)
				all = append(all, line...)
			}
			mu.Lock()
			written[string(c.Args)][attempt] = string(all)
			mu.Unlock()
			if attempt == 1 && len(c.Args)%2 == 0 {
				return failure(runtime.ClassError), nil
			}
			return runtime.Outcome{Result: []byte("1")}, nil
		},
	}})
	create(t, e, spec("hello", "[]"))
	a, err := e.SubmitBulk(context.Background(), runtime.BulkRequest{Tenant: tenant, Function: "hello", Args: many(runs), Retries: ptr(1)})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	seen := make([]followed, runs*followers)
	for i := range seen {
		wg.Go(func() {
			if i >= runs { // starts later
				if _, err := e.FollowLogs(context.Background(), tenant, a.IDs[(i*7)%runs], at(0, 0)); err != nil {
					t.Error(err)
				}
			}
			seen[i] = follow(t, e, a.IDs[i%runs])
		})
	}
	wg.Wait()
	for i, all := range seen {
		args := string(many(runs)[i%runs])
		p := logsOf(t, e, a.IDs[i%runs], at(0, 0))
		if p.Attempt != len(written[args]) || string(p.Logs.Data) != written[args][p.Attempt] {
			t.Fatalf("run %s: stored is %q of attempt %d", args, p.Logs.Data, p.Attempt)
		}
		for attempt, data := range all {
			if wrote := written[args][attempt]; attempt == p.Attempt && string(data) != wrote || !strings.HasPrefix(wrote, string(data)) {
				t.Errorf("follower %d of %s got %q of attempt %d, which wrote %q", i, args, data, attempt, written[args][attempt])
			}
		}
		if all[p.Attempt] == nil {
			t.Errorf("follower %d of %s got no page of the last attempt", i, args)
		}
	}
}

func TestFollowLogsEndsEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSteps()
		d := openDisk(t, vfs.NewMem())
		e := engineOn(t, d.store, engine.Options{Sandbox: &fakeSandbox{call: s.run}})
		create(t, e, spec("hello", "[]"))
		id := submit(t, e, runtime.SubmitRequest{})
		call := <-s.call
		call.Logs.Append(1, []byte("one"))
		empty := runtime.LogPage{Attempt: 1, Next: at(1, 3), Size: 3, State: runtime.StateRunning}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		from := time.Now()
		p, err := e.FollowLogs(ctx, tenant, id, at(1, 3))
		if diff := cmp.Diff(empty, p); err != nil || diff != "" || time.Since(from) != time.Minute {
			t.Errorf("after %v: %v, %s", time.Since(from), err, diff)
		}
		// Output that exists is returned even after the end of ctx.
		if p, err = e.FollowLogs(ctx, tenant, id, at(1, 0)); err != nil || string(p.Logs.Data) != "one" {
			t.Errorf("got %+v, %v", p, err)
		}
		pages := make(chan runtime.LogPage)
		go func() {
			p, err := e.FollowLogs(context.Background(), tenant, id, at(1, 3))
			if err != nil {
				t.Error(err)
			}
			pages <- p
		}()
		synctest.Wait()
		closing, stop := context.WithCancel(context.Background())
		closed := make(chan error)
		go func() { closed <- e.Close(closing) }()
		if diff := cmp.Diff(empty, <-pages); diff != "" {
			t.Errorf("at the shutdown: %s", diff)
		}
		_, err = e.FollowLogs(context.Background(), tenant, id, at(0, 0))
		wantCode(t, err, runtime.CodeUnavailable)
		stop() // the run is queued again
		if err := <-closed; err != nil {
			t.Fatal(err)
		}

		e = engineOn(t, d.store, engine.Options{Sandbox: &fakeSandbox{call: s.run}})
		call = <-s.call
		call.Logs.Append(1, []byte("again"))
		if p := logsOf(t, e, id, at(1, 2)); string(p.Logs.Data) != "again" || p.Attempt != 2 {
			t.Errorf("logs of the next attempt: %+v", p)
		}
		s.end <- nil
		await(t, e, id)
		closeAll(t, e, d)
	})
}

// TestLogsOfARequeuedRun checks that the output of a run that is queued again at a shutdown is on
// disk.
func TestLogsOfARequeuedRun(t *testing.T) {
	s := newSteps()
	d := openDisk(t, vfs.NewCrashableMem())
	e := engineOn(t, d.store, engine.Options{Sandbox: &fakeSandbox{call: s.run}})
	create(t, e, spec("hello", "[]"))
	id := submit(t, e, runtime.SubmitRequest{})
	(<-s.call).Logs.Append(2, []byte("half of the work is done"))
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if err := e.Close(ended); err != nil {
		t.Fatal(err)
	}
	after := d.crash(t)
	if err := d.store.Close(); err != nil {
		t.Error(err)
	}
	x, page, err := after.store.GetLogs(tenant, id, at(0, 0))
	if err != nil || x.State != runtime.StateQueued || x.Attempt != 1 || string(page.Logs.Data) != "half of the work is done" {
		t.Errorf("%+v wrote %q, %v", x, page.Logs.Data, err)
	}
	if err := after.store.Close(); err != nil {
		t.Error(err)
	}
}
