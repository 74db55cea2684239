package engine_test

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/engine"
)

// jumpyClock is a time of day that can be set forward and back.
type jumpyClock struct{ ahead atomic.Int64 }

func (c *jumpyClock) now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())).Round(0) }

func (c *jumpyClock) jump(d time.Duration) { c.ahead.Add(int64(d)) }

// TestRetriesIgnoreClockJumps sets the clock back or forward: a retry is neither late nor early.
func TestRetriesIgnoreClockJumps(t *testing.T) {
	for _, jump := range []time.Duration{-time.Hour, time.Hour, -time.Minute, time.Second} {
		synctest.Test(t, func(t *testing.T) {
			var clock jumpyClock
			var starts []time.Time
			e := newEngine(t, engine.Options{Now: clock.now, Sandbox: &fakeSandbox{
				run: func(context.Context, runtime.Program, []byte, []byte) (runtime.Outcome, error) {
					starts = append(starts, time.Now())
					return failure(runtime.ClassError), nil
				},
			}})
			create(t, e, spec("hello", "[]"))
			id := submit(t, e, runtime.SubmitRequest{Retries: ptr(2)})
			synctest.Wait()
			clock.jump(jump)
			x := await(t, e, id)
			if len(starts) != 3 || x.State != runtime.StateFailed {
				t.Fatalf("%d attempts, then %s", len(starts), x.State)
			}
			for i, least := range []time.Duration{time.Second, 2 * time.Second} {
				if gap := starts[i+1].Sub(starts[i]); gap < least || gap > 2*least {
					t.Errorf("clock moved by %v: attempt %d came %v after the one before", jump, i+2, gap)
				}
			}
		})
	}
}

// TestDelaysAfterARestartAreBounded sets the clock back while no process runs: a retry does not
// wait for the clock.
func TestDelaysAfterARestartAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newStore(t)
		failing := &fakeSandbox{run: func(context.Context, runtime.Program, []byte, []byte) (runtime.Outcome, error) {
			return failure(runtime.ClassError), nil
		}}
		e, err := engine.New(engine.Options{Store: store, Sandbox: failing, Log: quiet})
		if err != nil {
			t.Fatal(err)
		}
		create(t, e, spec("hello", "[]"))
		id := submit(t, e, runtime.SubmitRequest{Retries: ptr(1)})
		synctest.Wait()
		if err := e.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
		var clock jumpyClock
		clock.jump(-24 * time.Hour)
		began := time.Now()
		await(t, newEngine(t, engine.Options{Store: store, Sandbox: failing, Now: clock.now}), id)
		if took := time.Since(began); took > 2*time.Minute {
			t.Errorf("it waited for %v", took)
		}
	})
}

// TestClockJumpExpiresNothing sets the clock forward: only the time that has really passed
// expires executions.
func TestClockJumpExpiresNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var clock jumpyClock
		e := newEngine(t, engine.Options{Now: clock.now, Retention: runtime.Retention{Age: 2 * time.Hour}, Sandbox: &fakeSandbox{run: echo}})
		create(t, e, spec("hello", "[]"))
		id := submit(t, e, runtime.SubmitRequest{})
		await(t, e, id)
		clock.jump(365 * 24 * time.Hour)
		time.Sleep(time.Hour)
		if x := getExecution(t, e, id); x.State != runtime.StateSucceeded {
			t.Errorf("it is %s", x.State)
		}
		time.Sleep(2 * time.Hour)
		if _, err := e.GetExecution(context.Background(), tenant, id); runtime.CodeOf(err) != runtime.CodeNotFound {
			t.Errorf("it did not expire: %v", err)
		}
	})
}

// TestKeysSurviveAClockSetBack also sets the clock back to the previous day.
func TestKeysSurviveAClockSetBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // begins at midnight
		var clock jumpyClock
		e := newEngine(t, engine.Options{Now: clock.now, Sandbox: &fakeSandbox{run: echo}})
		create(t, e, spec("hello", "[]"))
		request := runtime.SubmitRequest{Tenant: tenant, Function: "hello", IdempotencyKey: "k"}
		first, err := e.Submit(context.Background(), request)
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			clock.jump(-time.Hour)
			again, err := e.Submit(context.Background(), request)
			if err != nil || !again.Replayed || again.IDs[0] != first.IDs[0] {
				t.Errorf("%+v, %v", again, err)
			}
		}
		await(t, e, first.IDs[0])
	})
}

// TestClockSetBackUnderLoad sets the clock back by days, or by a moment, while executions of every
// kind are queued and run: the times of each are in order, ids agree with times, and lists and
// searches with the times of now find all that was accepted since.
func TestClockSetBackUnderLoad(t *testing.T) {
	for _, back := range []time.Duration{9 * 24 * time.Hour, 300 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			var clock jumpyClock
			clock.jump(30 * 24 * time.Hour)
			o := engine.Options{Now: clock.now, MaxRuns: 4, Sandbox: &fakeSandbox{run: func(ctx context.Context, p runtime.Program, args, c []byte) (runtime.Outcome, error) {
				time.Sleep(50 * time.Millisecond)
				return runtime.Outcome{Result: []byte("1"), Usage: runtime.Usage{Duration: 50 * time.Millisecond}}, nil
			}}}
			e, j := jobEngine(t, o, runtime.JobSpec{Triggers: []runtime.Trigger{{ID: "tick", Type: runtime.TriggerCron, Schedule: "*/15 * * * *", Tasks: tasks(1)}}})
			submitted, err := e.SubmitBulk(ctx, runtime.BulkRequest{Tenant: tenant, Function: "hello", Args: slices.Repeat([][]byte{[]byte("{}")}, 40)})
			if err != nil {
				t.Fatal(err)
			}
			before := startJob(t, e, runtime.JobStartRequest{Tasks: tasks(10)})
			var group sync.WaitGroup
			blocking := func() {
				x, err := e.Run(ctx, runtime.RunRequest{Tenant: tenant, Function: "hello"})
				if err != nil || x.Started.Before(x.Created) || x.Finished.Before(x.Started) {
					t.Errorf("a blocking run: %+v, %v", x, err)
				}
			}
			for range 10 {
				group.Go(blocking)
			}
			time.Sleep(100 * time.Millisecond)
			clock.jump(-back)
			at := clock.now()
			for range 10 {
				group.Go(blocking)
			}
			since := map[string]bool{}
			for range 10 {
				since[submit(t, e, runtime.SubmitRequest{})] = true
			}
			after := startJob(t, e, runtime.JobStartRequest{Tasks: tasks(10)})
			group.Wait()
			for id := range since {
				await(t, e, id)
			}
			for _, id := range submitted.IDs {
				await(t, e, id)
			}
			for _, x := range []runtime.JobExecution{awaitJob(t, e, before), awaitJob(t, e, after)} {
				if x.Started.Before(x.Created) || x.Finished.Before(x.Started) || x.Updated.Before(x.Finished) {
					t.Errorf("an execution of a job: created %v, started %v, finished %v, updated %v", x.Created, x.Started, x.Finished, x.Updated)
				}
			}
			time.Sleep(time.Second) // blocking runs are recorded
			synctest.Wait()
			window := runtime.ExecutionFilter{After: at.Truncate(time.Millisecond), Before: clock.now().Add(time.Millisecond)}
			if back < time.Second {
				window = runtime.ExecutionFilter{} // the clock stood still for less than that
			}
			found, ids := 0, ""
			for cursor := ""; ; {
				page, err := e.ListExecutions(ctx, tenant, window, runtime.PageRequest{After: cursor, Limit: 1000})
				if err != nil {
					t.Fatal(err)
				}
				for _, x := range page.Items {
					found++
					if ids != "" && x.ID >= ids {
						t.Error("the list is not in the order of ids")
					}
					ids = x.ID
					id, err := uuid.Parse(x.ID)
					if err != nil {
						t.Fatal(err)
					}
					sec, ns := id.Time().UnixTime()
					if x.Task == nil && time.Unix(sec, ns).UnixMilli() != x.Created.UnixMilli() {
						t.Errorf("%s has the time %v, and was created at %v", x.ID, time.Unix(sec, ns).UTC(), x.Created)
					}
					if !x.Started.IsZero() && x.Started.Before(x.Created) || x.Finished.Before(x.Started) {
						t.Errorf("created %v, started %v, finished %v", x.Created, x.Started, x.Finished)
					}
					delete(since, x.ID)
				}
				if cursor = page.Next; cursor == "" {
					break
				}
			}
			if want := 10 + 10 + 10; found < want || len(since) > 0 { // blocking runs, background runs, tasks
				t.Errorf("the list of what was accepted since has %d of at least %d executions, and lacks %v", found, want, since)
			}
			page, err := e.SearchExecutions(ctx, tenant, runtime.SearchQuery{RID: runtime.FunctionRID(j.Spec.FunctionID), Limit: 100})
			if err != nil || len(page.Items) < 90 {
				t.Errorf("a search without bounds finds %d executions, %v", len(page.Items), err)
			}
		})
	}
}

// TestRetentionFollowsTheClock sets the clock forward: what ended before is dropped if there is too
// much, as soon as it has its least age by the clock.
func TestRetentionFollowsTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var clock jumpyClock
		e := newEngine(t, engine.Options{
			Now: clock.now, Sandbox: &fakeSandbox{run: echo},
			Retention: runtime.Retention{Age: 24 * time.Hour, Count: 2},
		})
		create(t, e, spec("hello", "[]"))
		await(t, e, submit(t, e, runtime.SubmitRequest{}))
		time.Sleep(time.Second)
		clock.jump(time.Hour)
		var ids []string
		for range 5 {
			ids = append(ids, submit(t, e, runtime.SubmitRequest{}))
			await(t, e, ids[len(ids)-1])
		}
		time.Sleep(2 * time.Minute)
		if _, err := e.GetExecution(ctx, tenant, ids[0]); runtime.CodeOf(err) != runtime.CodeNotFound {
			t.Errorf("what is too much is kept: %v", err)
		}
		getExecution(t, e, ids[4])
	})
}
