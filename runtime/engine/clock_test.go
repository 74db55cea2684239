package engine_test

import (
	"context"
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
		// Ids follow the last one of this process, which has the time of the machine's clock.
		newest := time.Unix(uuid.Must(uuid.NewV7()).Time().UnixTime())
		clock.jump(time.Until(newest))
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
