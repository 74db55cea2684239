package engine_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/engine"
)

// TestNoSchedules lets ticks of a schedule pass while schedules do not fire, and checks that the job can be
// started otherwise.
func TestNoSchedules(t *testing.T) {
	for _, idle := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			var ran atomic.Int64
			box := &fakeSandbox{run: func(context.Context, runtime.Program, []byte, []byte) (runtime.Outcome, error) {
				ran.Add(1)
				return runtime.Outcome{Result: []byte("1")}, nil
			}}
			e, _ := jobEngine(t, engine.Options{Sandbox: box, NoSchedules: idle}, runtime.JobSpec{Triggers: []runtime.Trigger{
				{ID: "tick", Type: runtime.TriggerCron, Schedule: "*/15 * * * *", Tasks: tasks(1)},
			}})
			time.Sleep(time.Hour)
			synctest.Wait()
			if n := ran.Load(); n > 0 == idle {
				t.Errorf("schedules are idle: %t; %d tasks ran", idle, n)
			}
			before := ran.Load()
			awaitJob(t, e, startJob(t, e, runtime.JobStartRequest{Tasks: tasks(1)}))
			if ran.Load() != before+1 {
				t.Error("the job that was started by hand did not run")
			}
		})
	}
}
