package engine_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/engine"
)

// traced keeps what an engine reports as traces.
type traced struct {
	mu       sync.Mutex
	attempts []runtime.Execution
	ends     map[string]runtime.Execution // by id
	blocking map[string]bool
	jobs     []runtime.JobExecution
}

func (r *traced) OnAttempt(x *runtime.Execution) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.attempts = append(r.attempts, *x)
}

func (r *traced) OnEnd(x *runtime.Execution, blocking bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ends == nil {
		r.ends, r.blocking = make(map[string]runtime.Execution), make(map[string]bool)
	}
	r.ends[x.ID], r.blocking[x.ID] = *x, blocking
}

func (r *traced) OnJobEnd(x *runtime.JobExecution) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.jobs = append(r.jobs, *x)
}

func (r *traced) end(id string) (x runtime.Execution, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	x, ok = r.ends[id]
	return x, ok
}

// startsIn fails the first attempt of each run, and reports that each took a microsecond to start.
func startsIn(ctx context.Context, c runtime.RunCall) (runtime.Outcome, error) {
	o := runtime.Outcome{Result: []byte("1"), Usage: runtime.Usage{Duration: time.Millisecond, Start: time.Microsecond, Built: true}}
	if c.Info.Attempt == 1 && string(c.Args) != "{}" {
		o.Failure = &runtime.Failure{Class: runtime.ClassError, Message: "no"}
	}
	return o, nil
}

// TestTimelines tests that every attempt of a run is reported with its times in order, under the span of its
// caller, and each execution of a job that has ended.
func TestTimelines(t *testing.T) {
	const trace, span = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	caller := runtime.Caller{UserID: "ada", TraceID: trace, ParentSpan: span, Sampled: runtime.SamplingOff}
	r := &traced{}
	e, _ := jobEngine(t, engine.Options{Sandbox: &fakeSandbox{call: startsIn}, Traces: r}, runtime.JobSpec{})
	ordered := func(what string, x *runtime.Execution, waiting time.Time) {
		t.Helper()
		l := x.Timeline
		switch {
		case l == nil:
			t.Fatalf("%s has no timeline", what)
		case l.Began.Round(0).Before(waiting.Round(0)) || l.Called.Sub(l.Began) != time.Microsecond || l.Ended.Before(l.Began) || !l.Built:
			t.Errorf("%s: %+v, and it waited since %v", what, l, waiting)
		}
		if x.Caller.ParentSpan != span || x.Caller.Sampled != runtime.SamplingOff || x.Caller.TraceID != trace {
			t.Errorf("%s: the caller is %+v", what, x.Caller)
		}
	}

	done, err := e.Run(ctx, runtime.RunRequest{Tenant: tenant, Function: "hello", Args: []byte("{}"), Caller: caller})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { _, ok := r.end(done.ID); return ok })
	x, _ := r.end(done.ID)
	ordered("a blocking run", &x, x.Created)
	if !r.blocking[done.ID] || len(r.attempts) != 0 {
		t.Error("the blocking run was not reported as one")
	}

	id := submit(t, e, runtime.SubmitRequest{Args: []byte(`{"a":1}`), Retries: ptr(1), Caller: caller})
	await(t, e, id)
	eventually(t, func() bool { _, ok := r.end(id); return ok })
	if len(r.attempts) != 2 {
		t.Fatalf("%d attempts were reported", len(r.attempts))
	}
	first, second := r.attempts[0], r.attempts[1]
	ordered("the first attempt", &first, first.Created)
	ordered("the second attempt", &second, first.Timeline.Ended)
	if first.Timeline.Failure == nil || second.Timeline.Failure != nil || first.Attempt != 1 || second.Attempt != 2 || !first.Timeline.Waiting.Equal(first.Created) {
		t.Errorf("the attempts are %+v and %+v", first.Timeline, second.Timeline)
	}
	if second.Timeline.Waiting.Round(0).Before(first.Timeline.Ended.Round(0)) || second.Timeline.Began.Sub(second.Timeline.Waiting) <= 0 {
		t.Errorf("the second attempt waits from %v to %v, the first has ended at %v", second.Timeline.Waiting, second.Timeline.Began, first.Timeline.Ended)
	}

	job := awaitJob(t, e, startJob(t, e, runtime.JobStartRequest{Tasks: tasks(3), Caller: caller}))
	eventually(t, func() bool { r.mu.Lock(); defer r.mu.Unlock(); return len(r.jobs) == 1 })
	if got := r.jobs[0]; got.ID != job.ID || !got.State.Terminal() || got.ParentSpan != span || got.Sampled != runtime.SamplingOff || got.Finished.IsZero() {
		t.Errorf("the job has ended as %+v", got)
	}
}

// TestNoTimelines tests that nothing is noted or stored of traces if nobody wants them.
func TestNoTimelines(t *testing.T) {
	var mu sync.Mutex
	ended := 0
	e := newEngine(t, engine.Options{Sandbox: &fakeSandbox{call: startsIn}, OnEnd: func(x *runtime.Execution, _ bool) {
		mu.Lock()
		defer mu.Unlock()
		if ended++; x.Timeline != nil {
			t.Error("a run has a timeline")
		}
	}})
	create(t, e, spec("hello", "x"))
	if _, err := run(e, "hello", "{}"); err != nil {
		t.Fatal(err)
	}
	x := await(t, e, submit(t, e, runtime.SubmitRequest{Caller: runtime.Caller{TraceID: "4bf92f3577b34da6a3ce929d0e0e4736", ParentSpan: "00f067aa0ba902b7", Sampled: runtime.SamplingOn}}))
	if x.Caller.ParentSpan != "" {
		t.Errorf("the span of the caller was stored: %+v", x.Caller)
	}
	eventually(t, func() bool { mu.Lock(); defer mu.Unlock(); return ended == 2 })
}
