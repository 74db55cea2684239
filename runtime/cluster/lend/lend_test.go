package lend_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/memory"
)

// settled lets nodes connect, and grant what they have.
func settled() {
	time.Sleep(10 * time.Millisecond)
	synctest.Wait()
}

// The owner never has more runs on a node than that grants, nor more bytes, nor more of a tenant than its share; places are on the
// node that has most room. What is given back can be taken again, and the owner is notified.
func TestPlacesAreThoseThatAreGranted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2, "a", "b")
		b := w.settledOwner(t, "x", 1)
		var notified atomic.Int64
		b.OnFree(func() { notified.Add(1) })
		var all []runtime.Place
		for range 4 {
			all = append(all, take(t, b))
		}
		if _, ok := b.Take("t", 1, 0); ok {
			t.Error("there is a fifth place")
		}
		ctx, cancel := context.WithCancel(t.Context())
		var ends []<-chan ran
		for i, p := range all {
			ends = append(ends, begin(ctx, p, call(fmt.Sprint(i), 1, order{Sleep: time.Hour})))
		}
		time.Sleep(5 * time.Second)
		if a, c := len(w.hosts["a"].started()), len(w.hosts["b"].started()); a != 2 || c != 2 {
			t.Errorf("%d runs are on a node and %d on the other one", a, c)
		}
		if _, ok := b.Take("t", 1, 0); ok {
			t.Error("there is a place while all are in use")
		}
		before := notified.Load()
		cancel()
		for _, e := range ends {
			<-e
		}
		if notified.Load() == before {
			t.Error("nobody was notified of places")
		}
		time.Sleep(2 * time.Second)
		for range 2 {
			if _, ok := b.Take("t", 1, 1); !ok {
				t.Error("a tenant has no place on a node")
			}
		}
		if _, ok := b.Take("t", 1, 1); ok {
			t.Error("a tenant has more places than its share")
		}
		if _, ok := b.Take("u", 1, 1); !ok {
			t.Error("another tenant has no place")
		}
		w.hosts["a"].set(func() { w.hosts["a"].bytes = 100 })
		w.hosts["b"].set(func() { w.hosts["b"].bytes = 100 })
		time.Sleep(2 * time.Second)
		if _, ok := b.Take("v", 101, 0); ok {
			t.Error("a run has more bytes than a node grants")
		}
	})
}

// What a node can lend more while runs want it is found out soon, and without a question for each millisecond.
func TestMoreIsAskedForSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, "a")
		a, b := w.hosts["a"], w.settledOwner(t, "x", 1)
		freed := make(chan struct{}, 1000)
		b.OnFree(func() { freed <- struct{}{} })
		time.Sleep(500 * time.Millisecond) // between two regular questions
		take(t, b)
		for places := 2; places < 6; places++ { // as runs that wait lend what they do not hold
			if _, ok := b.Take("t", runtime.MiB, 0); ok {
				t.Fatal("a place was not granted")
			}
			a.set(func() { a.places = places })
			began := time.Now()
			<-freed
			if after := time.Since(began); after > 50*time.Millisecond { // of the time of this test, which nothing else uses
				t.Errorf("place %d was granted after %v", places, after)
			}
			take(t, b)
		}
		if _, ok := b.Take("t", runtime.MiB, 0); ok {
			t.Fatal("a place was not granted")
		}
		before := len(freed)
		a.set(func() { a.asked = 0 })
		time.Sleep(time.Minute)
		a.set(func() {
			if a.asked < 60 || a.asked > 130 {
				t.Errorf("there were %d questions in a minute", a.asked)
			}
		})
		if n := len(freed) - before; n != 0 {
			t.Errorf("there were %d notices of places that are not free", n)
		}
		a.set(func() { a.bytes = 5*runtime.MiB + 10 })
		time.Sleep(2 * time.Second)
		if b.Take("t", 20, 0); len(freed) != before {
			t.Error("a notice of bytes that are not free")
		}
		a.set(func() { a.bytes, a.places = 5*runtime.MiB+30, 7 })
		time.Sleep(50 * time.Millisecond)
		if _, ok := b.Take("t", 20, 0); !ok {
			t.Error("the smallest run that wants a place did not make the node asked soon")
		}
	})
}

// A call arrives as it was sent, and its end as it happened: results, failures, errors, output, usage.
func TestRunsOnAnotherNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 10, "a")
		b := w.settledOwner(t, "x", 1)
		c := call("e", 4, order{Print: 9, Sleep: time.Second, Result: 3})
		c.Env, c.Limits, c.Pinned = []byte(`{"A":"b"}`), runtime.Limits{Timeout: time.Minute, Memory: runtime.MinMemory}.WithDefaults(), true
		c.Program.Source, c.Context = []byte("pass"), []byte(`{"secret":1}`)
		c.Info.Job, c.Info.JobExecution, c.Info.Task = "j", "x", 5
		r := <-begin(t.Context(), take(t, b), c)
		r.check(t, "e", order{Print: 9, Result: 3})
		if u := r.outcome.Usage; u != (runtime.Usage{Duration: time.Second, Memory: 1234, Pages: 5, Start: 6, Built: true}) || len(r.outcome.Egress) != 1 {
			t.Errorf("%+v, %+v", u, r.outcome.Egress)
		}
		got := w.hosts["a"].calls[0]
		got.Logs, c.Logs = nil, nil
		c.Program = runtime.Program{Tenant: "t", FunctionID: "f", Version: 3}
		c.Context = nil // the node has them
		if d := cmp.Diff(c, got); d != "" {
			t.Error(d)
		}

		r = <-begin(t.Context(), take(t, b), call("e", 5, order{Fail: "error", Print: 2}))
		if f := r.outcome.Failure; r.err != nil || f == nil || *f != (runtime.Failure{Class: runtime.ClassError, Type: "ValueError", Message: "m", Traceback: "t", Line: 7}) || string(r.outcome.Logs.Data) != printed("e", 2) {
			t.Errorf("%+v, %v", r.outcome, r.err)
		}
		if r = <-begin(t.Context(), take(t, b), call("e", 6, order{Fail: "worker"})); !errors.Is(r.err, runtime.ErrWorkerLost) || runtime.CodeOf(r.err) != runtime.CodeUnavailable {
			t.Error(r.err)
		}
		c = call("e", 7, order{Fail: "busy", Print: 4})
		r = <-begin(t.Context(), take(t, b), c)
		if logs := c.Logs.End(); string(logs.Data) != printed("e", 4) {
			t.Errorf("a run that has ended with an error has printed %q", logs.Data)
		}
		if e, ok := runtime.AsError(r.err); !ok || e.Code != runtime.CodeTooBusy || e.RetryAfter != 7*time.Second || e.Message != "no memory" || e.Hint != "wait" {
			t.Error(r.err)
		}
		if r = <-begin(t.Context(), take(t, b), call("e", 8, order{Fail: "unused"})); !errors.Is(r.err, runtime.ErrPlaceUnused) {
			t.Error(r.err)
		}
		if _, ok := b.Take("t", 1, 0); ok {
			t.Error("a node that has not begun a run gets another one at once")
		}
		time.Sleep(time.Second)
		(<-begin(t.Context(), take(t, b), call("e", 9, order{}))).check(t, "e", order{})
		time.Sleep(5 * time.Second)
		w.empty(t)
	})
}

// Output is there while the run lasts, all of it in the end, also if the connection was lost meanwhile; output beyond the limit is cut as
// that of a run of the own sandbox.
func TestOutputIsSentWhileItIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 10, "a")
		b := w.settledOwner(t, "x", 1)
		o := order{Print: 3000, Sleep: time.Minute} // several pages
		c := call("e", 1, o)
		ended := begin(t.Context(), take(t, b), c)
		time.Sleep(90 * time.Second)
		if page, changed := c.Logs.Page(1, runtime.LogPosition{}); changed == nil || page.Size != len(printed("e", o.Print)) {
			t.Errorf("%d bytes of output while it runs", page.Size)
		}
		w.hosts["a"].disconnect()
		(<-ended).check(t, "e", o)
		if n := w.hosts["a"].started()["e/1"]; n != 1 {
			t.Errorf("it has begun %d times", n)
		}

		c = call("f", 1, order{Print: 100, Sleep: time.Second})
		c.Logs, c.Limits = runtime.NewLogBuffer(1000), runtime.Limits{Logs: 1000}
		local := runtime.NewLogBuffer(1000)
		for n := range 100 {
			local.Append(uint8(n/3%2+1), []byte(line("f", n)))
		}
		r := <-begin(t.Context(), take(t, b), c)
		if want := local.End(); r.err != nil || string(r.outcome.Logs.Data) != string(want.Data) || !r.outcome.Logs.Truncated || len(r.outcome.Logs.Marks) != len(want.Marks) {
			t.Errorf("%+v, %v\nwant %+v", r.outcome.Logs, r.err, want)
		}
		time.Sleep(5 * time.Second)
		w.empty(t)
	})
}

// A run ends when it is cancelled, also if the connection is lost meanwhile; one that does not end is given up.
func TestCancelledRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 10, "a")
		h := w.hosts["a"]
		b := w.settledOwner(t, "x", 1)
		for _, lose := range []bool{false, true} {
			id := fmt.Sprint("e", lose)
			ctx, cancel := context.WithCancel(t.Context())
			ended := begin(ctx, take(t, b), call(id, 1, order{Sleep: time.Hour}))
			time.Sleep(time.Second)
			if lose {
				h.set(func() { h.cut = true })
				h.disconnect()
			}
			cancel()
			time.Sleep(time.Second)
			h.set(func() { h.cut = false })
			if r := <-ended; r.err != nil || r.outcome.Failure == nil || r.outcome.Failure.Class != runtime.ClassCancelled {
				t.Errorf("%+v, %v", r.outcome, r.err)
			}
			time.Sleep(2 * time.Second)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := begin(ctx, take(t, b), call("deaf", 1, order{Sleep: time.Minute, Deaf: true}))
		time.Sleep(time.Second)
		began := time.Now()
		cancel()
		if r := <-ended; !errors.Is(r.err, runtime.ErrPlaceLost) || time.Since(began) > 11*time.Second {
			t.Errorf("%v after %v", r.err, time.Since(began))
		}
		ctx, cancel = context.WithCancel(t.Context())
		cancel()
		if r := <-begin(ctx, take(t, b), call("never", 1, order{Sleep: time.Hour})); r.err == nil && r.outcome.Failure == nil {
			t.Errorf("%+v", r)
		}
		time.Sleep(3 * time.Minute)
		w.empty(t)
	})
}

// A node that does not lend, or stands still, gets no further runs. What runs on one that is lost counts as lost after a short time; what it
// goes on to run is given up when it comes back, or nobody asks for it.
func TestNodesThatAreLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 10, "a")
		h := w.hosts["a"]
		b := w.settledOwner(t, "x", 1)
		take(t, b).Release()
		late := take(t, b)
		h.idle.Store(true)
		if r := <-begin(t.Context(), late, call("late", 1, order{})); !errors.Is(r.err, runtime.ErrPlaceUnused) || len(h.started()) > 0 {
			t.Errorf("a node that does not lend runs a function: %v", r.err)
		}
		time.Sleep(1100 * time.Millisecond)
		if _, ok := b.Take("t", 1, 0); ok {
			t.Error("a node that does not lend has a place")
		}
		h.idle.Store(false)
		time.Sleep(1100 * time.Millisecond)
		ended := begin(t.Context(), take(t, b), call("e", 1, order{Sleep: 10 * time.Hour}))
		time.Sleep(time.Second)
		began := time.Now()
		h.set(func() { h.still, h.cut = true, true })
		time.Sleep(4 * time.Second)
		if _, ok := b.Take("t", 1, 0); ok {
			t.Error("a node that says nothing has a place")
		}
		if r := <-ended; !errors.Is(r.err, runtime.ErrPlaceLost) {
			t.Error(r.err)
		}
		if took := time.Since(began); took > 15*time.Second {
			t.Errorf("the loss was noticed after %v", took)
		}
		h.set(func() { h.still, h.cut = false, false })
		h.disconnect()
		time.Sleep(5 * time.Second)
		w.empty(t)

		ended = begin(t.Context(), take(t, b), call("f", 1, order{Sleep: time.Hour}))
		time.Sleep(time.Second)
		h.set(func() { h.cut = true })
		h.disconnect()
		began = time.Now()
		if r := <-ended; !errors.Is(r.err, runtime.ErrPlaceLost) || time.Since(began) > 4*time.Second {
			t.Errorf("%v after %v", r.err, time.Since(began))
		}
		time.Sleep(2 * time.Minute)
		w.empty(t)
	})
}

// What the nodes have begun for an owner that is lost is run once: the next owner gets its output and its end, also if it had ended
// before, and the former owner had that end. What the next owner does not want is cancelled.
func TestAdoption(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 10, "a", "b", "x", "y")
		w.hosts["x"].idle.Store(true)
		x := w.settledOwner(t, "x", 1)
		o := map[string]order{
			"long": {Sleep: 30 * time.Second, Print: 2000}, "soon": {Sleep: 3 * time.Second, Print: 7}, "just": {Sleep: 700 * time.Millisecond, Print: 3},
			"unwanted": {Sleep: time.Hour}, "unused": {Sleep: time.Hour}, "old": {},
		}
		var ends []<-chan ran
		(<-begin(t.Context(), take(t, x), call("old", 1, o["old"]))).check(t, "old", o["old"])
		for _, id := range []string{"long", "soon", "just", "unwanted", "unused"} {
			ends = append(ends, beginUnrecorded(t.Context(), take(t, x), call(id, 2, o[id])))
		}
		time.Sleep(2100 * time.Millisecond)
		x.Close()
		for i, e := range ends {
			if r := <-e; (i == 2) != (r.err == nil) || i != 2 && !errors.Is(r.err, runtime.ErrPlaceLost) {
				t.Errorf("run %d: %v", i, r.err)
			}
		}
		time.Sleep(7 * time.Second)

		w.hosts["silent"] = newHost(t, "silent", 0)
		y := w.owner(t, "y", 2)
		began := time.Now()
		found := y.Collect(t.Context())
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("it took %v to ask all nodes", took)
		}
		adopted := make(map[string]<-chan ran)
		for _, r := range found {
			if r.Attempt != 2 || r.Tenant != "t" || r.Version != 3 || time.Since(r.Started) > 12*time.Second || time.Since(r.Started) < 7*time.Second {
				t.Errorf("%+v", r)
			}
			if _, here := w.hosts["y"].started()[r.Execution+"/2"]; r.Own != here {
				t.Errorf("%s is a run of this process: %v, want %v", r.Execution, r.Own, here)
			}
			ctx := t.Context()
			if r.Execution == "unused" {
				r.Place.Release()
				continue
			}
			if r.Execution == "unwanted" {
				ended, cancel := context.WithCancel(ctx)
				cancel()
				ctx = ended
			}
			adopted[r.Execution] = begin(ctx, r.Place, runtime.RunCall{Logs: runtime.NewLogBuffer(runtime.DefaultLogs)})
		}
		if len(adopted) != 4 {
			t.Errorf("%d runs are found: %v", len(adopted), adopted)
		}
		for id, e := range adopted {
			if r := <-e; id != "unwanted" {
				r.check(t, id, o[id])
			} else if r.err != nil || r.outcome.Failure.Class != runtime.ClassCancelled {
				t.Errorf("%+v, %v", r.outcome, r.err)
			}
		}
		for _, h := range w.hosts {
			for attempt, n := range h.started() {
				if n != 1 {
					t.Errorf("%s has begun %d times", attempt, n)
				}
			}
		}
		time.Sleep(5 * time.Second)
		w.empty(t)
	})
}

// What an owner leaves to the next one goes on, and its end is kept.
func TestRunsThatAreLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 10, "a")
		x := w.settledOwner(t, "x", 1)
		ctx, leave := context.WithCancelCause(t.Context())
		o := order{Sleep: time.Second, Print: 10}
		ended := begin(ctx, take(t, x), call("e", 1, o))
		time.Sleep(time.Second)
		began := time.Now()
		x.Leave()
		leave(runtime.ErrOwnerLeaves)
		if r := <-ended; r.err == nil || time.Since(began) > 0 {
			t.Errorf("%+v after %v", r, time.Since(began))
		}
		for range 3 { // it ends before the owner does, whose connection is lost meanwhile
			w.hosts["a"].disconnect()
			time.Sleep(3 * time.Second)
		}
		if _, ok := x.Take("t", 1, 0); ok {
			t.Error("an owner that leaves has a place")
		}
		if n := x.Nodes(); n != 0 {
			t.Errorf("%d nodes lend to an owner that leaves", n)
		}
		x.Close()
		y := w.owner(t, "y", 2)
		found := y.Collect(t.Context())
		if len(found) != 1 {
			t.Fatalf("%+v", found)
		}
		(<-begin(t.Context(), found[0].Place, runtime.RunCall{Logs: runtime.NewLogBuffer(runtime.DefaultLogs)})).check(t, "e", o)
		time.Sleep(5 * time.Second)
		w.empty(t)
	})
}

// An owner that was replaced, or has the epoch of another node, is refused, and does not cancel what the next one runs.
func TestFormerOwnersAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 10, "a")
		h := w.hosts["a"]
		x := w.settledOwner(t, "x", 1)
		ctx, cancel := context.WithCancel(t.Context())
		ended := begin(ctx, take(t, x), call("e", 1, order{Sleep: 20 * time.Second, Print: 5}))
		time.Sleep(time.Second)
		h.epoch.Store(2) // the node has read it in the log
		cancel()
		if r := <-ended; !errors.Is(r.err, runtime.ErrPlaceLost) {
			t.Error(r.err)
		}
		time.Sleep(time.Second)
		if _, ok := x.Take("t", 1, 0); ok {
			t.Error("a former owner has a place")
		}
		y := w.owner(t, "y", 2)
		found := y.Collect(t.Context())
		if len(found) != 1 {
			t.Fatalf("%+v", found)
		}
		z := w.owner(t, "z", 2)
		if other := z.Collect(t.Context()); len(other) != 0 {
			t.Errorf("a node with the epoch of another one has %+v", other)
		}
		(<-begin(t.Context(), found[0].Place, runtime.RunCall{Logs: runtime.NewLogBuffer(runtime.DefaultLogs)})).check(t, "e", order{Print: 5})
		time.Sleep(5 * time.Second)
		w.empty(t)
	})
}

// A run that a former owner has cancelled, without having recorded it, has not ended for the next one: it is queued again. If its process has
// ended, it was not the cancellation.
func TestCancelledByAFormerOwner(t *testing.T) {
	for _, crashes := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 10, "a")
			x := w.settledOwner(t, "x", 1)
			o := order{Sleep: time.Hour}
			if crashes {
				o = order{Sleep: 5 * time.Second, Fail: "worker", Deaf: true}
			}
			ctx, cancel := context.WithCancel(t.Context())
			ended := beginUnrecorded(ctx, take(t, x), call("e", 1, o))
			time.Sleep(time.Second)
			cancel()
			<-ended
			x.Close()
			y := w.owner(t, "y", 2)
			found := y.Collect(t.Context())
			if len(found) != 1 {
				t.Fatalf("%+v", found)
			}
			r := <-begin(t.Context(), found[0].Place, runtime.RunCall{})
			if e, ok := runtime.AsError(r.err); !ok || e.Code != runtime.CodeUnavailable || e.RetryAfter == 0 || errors.Is(r.err, runtime.ErrPlaceLost) ||
				errors.Is(r.err, runtime.ErrWorkerLost) != crashes {
				t.Errorf("crashes %v: %+v, %v", crashes, r.outcome, r.err)
			}
			w.empty(t)
		})
	}
}

// A node that stops begins nothing, lets runs end for a while, and then ends them, so that they are queued again without a charge.
func TestNodesThatStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 10, "a")
		b := w.settledOwner(t, "x", 1)
		short, long := order{Sleep: 2 * time.Second, Print: 3}, order{Sleep: time.Hour}
		first := begin(t.Context(), take(t, b), call("short", 1, short))
		second := begin(t.Context(), take(t, b), call("long", 1, long))
		late := take(t, b)
		time.Sleep(time.Second)
		grace, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		began := time.Now()
		closed := make(chan struct{})
		go func() {
			defer close(closed)
			w.hosts["a"].server.Close(grace)
		}()
		synctest.Wait()
		if r := <-begin(t.Context(), late, call("late", 1, short)); !errors.Is(r.err, runtime.ErrPlaceUnused) {
			t.Error(r.err)
		}
		w.hosts["a"].disconnect() // it still serves its owner
		(<-first).check(t, "short", short)
		r := <-second
		if e, ok := runtime.AsError(r.err); !ok || e.Code != runtime.CodeUnavailable || e.RetryAfter == 0 || errors.Is(r.err, runtime.ErrPlaceLost) {
			t.Errorf("%+v, %v", r.outcome, r.err)
		}
		<-closed
		if took := time.Since(began); took < 9*time.Second || took > 12*time.Second {
			t.Errorf("the node has stopped after %v", took)
		}
		if _, ok := b.Take("t", 1, 0); ok {
			t.Error("a node that has stopped has a place")
		}
		w.empty(t)
	})
}

// The ends that a node keeps take a bounded part of its memory: further ones are lost.
func TestEndsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 100, "a")
		h := w.hosts["a"]
		x := w.settledOwner(t, "x", 1)
		big := order{Sleep: 2 * time.Second, Result: runtime.MiB}
		for i := range 20 {
			begin(t.Context(), take(t, x), call(fmt.Sprint(i), 1, big))
		}
		time.Sleep(time.Second)
		x.Close()
		time.Sleep(10 * time.Second)
		if used := h.memory.Used(); used > hostMemory/16 || used < runtime.MiB {
			t.Errorf("the ends hold %d bytes", used)
		}
		y := w.owner(t, "y", 2)
		ended, lost := 0, 0
		for _, r := range y.Collect(t.Context()) {
			switch got := <-begin(t.Context(), r.Place, runtime.RunCall{}); {
			case errors.Is(got.err, runtime.ErrPlaceLost):
				lost++
			default:
				got.check(t, r.Execution, big)
				ended++
			}
		}
		if ended == 0 || lost == 0 || ended+lost != 20 {
			t.Errorf("%d runs have ended, %d are lost", ended, lost)
		}
		time.Sleep(5 * time.Second)
		w.empty(t)
	})
}

// Whenever the connections are lost, each run begins at most once, its place returns once, with its own result and all of its output, and
// nothing is left.
func TestLossAtAnyTime(t *testing.T) {
	seeds := 30
	if testing.Short() {
		seeds = 5
	}
	for seed := range seeds {
		synctest.Test(t, func(t *testing.T) { loseAtRandom(t, uint64(seed)) })
	}
}

// A node keeps an end until its owner has recorded it, however long that takes, and whatever becomes of connections: the next owner gets what
// the former one had and has not recorded, and nothing else. What is recorded is forgotten at once.
func TestEndsAreKeptUntilTheyAreRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 10, "a")
		h := w.hosts["a"]
		x := w.settledOwner(t, "x", 1)
		o := order{Sleep: time.Second, Print: 5}
		late := take(t, x)
		for id, ended := range map[string]<-chan ran{
			"kept": beginUnrecorded(t.Context(), take(t, x), call("kept", 1, o)),
			"soon": begin(t.Context(), take(t, x), call("soon", 1, o)),
			"late": beginUnrecorded(t.Context(), late, call("late", 1, o)),
		} {
			(<-ended).check(t, id, o)
		}
		for range 3 { // it goes on to ask
			h.disconnect()
			time.Sleep(time.Minute)
		}
		h.set(func() { h.cut = true })
		h.disconnect()
		time.Sleep(10 * time.Second)
		late.Recorded() // while the node cannot be reached
		h.set(func() { h.cut = false })
		time.Sleep(10 * time.Second)
		x.Close()
		y := w.owner(t, "y", 2)
		found := y.Collect(t.Context())
		if len(found) != 1 || found[0].Execution != "kept" {
			t.Fatalf("%+v", found)
		}
		(<-begin(t.Context(), found[0].Place, runtime.RunCall{Logs: runtime.NewLogBuffer(runtime.DefaultLogs)})).check(t, "kept", o)
		w.empty(t)
	})
}

// A run that its node has not begun when there is another owner is none that is lost, also if the connection is lost meanwhile.
func TestCollectedRunsThatHaveNotBegun(t *testing.T) {
	for _, lose := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 10, "a")
			x := w.settledOwner(t, "x", 1)
			begin(t.Context(), take(t, x), call("e", 1, order{Sleep: 5 * time.Second, Fail: "late"}))
			time.Sleep(time.Second)
			x.Close()
			y := w.owner(t, "y", 2)
			found := y.Collect(t.Context())
			if len(found) != 1 {
				t.Fatalf("%+v", found)
			}
			time.Sleep(5 * time.Second)
			if lose {
				w.hosts["a"].disconnect()
				time.Sleep(time.Second)
			}
			if r := <-begin(t.Context(), found[0].Place, runtime.RunCall{}); !errors.Is(r.err, runtime.ErrPlaceUnused) {
				t.Errorf("lose %v: %v", lose, r.err)
			}
			w.empty(t)
		})
	}
}

// Results that the owner cannot store take a bounded part of its memory: nodes keep further ones, and send those that are small. None is
// lost, also if connections are meanwhile.
func TestResultsWaitForMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		for i := range 10 {
			name := fmt.Sprint("n", i)
			w.hosts[name] = newHost(t, name, 1)
		}
		budget := memory.New(hostMemory, quiet)
		b := w.ownerWith(t, "x", 1, budget)
		b.Collect(t.Context())
		settled()
		big := order{Sleep: time.Second, Result: runtime.MiB}
		type result struct {
			id string
			o  order
			ran
			place runtime.Place
		}
		results := make(chan result, 10)
		for i := range 10 {
			r := result{id: fmt.Sprint(i), o: big, place: take(t, b)}
			if i == 9 {
				r.o = order{Sleep: 2 * time.Second}
			}
			go func() {
				r.outcome, r.err = r.place.Run(t.Context(), call(r.id, 1, r.o))
				results <- r
			}()
		}
		time.Sleep(time.Minute)
		if n, used := len(results), budget.Used(); n != 5 || used < 4*runtime.MiB || used > 8*runtime.MiB {
			t.Errorf("there are %d results, want 4 large ones and one that is small; they hold %d bytes", n, used)
		}
		for i := range 10 {
			r := <-results
			if r.check(t, r.id, r.o); r.o.Result == 0 && i > 4 {
				t.Error("a small result waits for large ones")
			}
			r.place.Release()
			r.place.Recorded()
		}
		w.empty(t)
		if used := budget.Used(); used > 10*runtime.KiB {
			t.Errorf("the owner holds %d bytes when all results are stored", used)
		}
		b.Close()
		if used := budget.Used(); used != 0 {
			t.Errorf("the owner holds %d bytes in the end", used)
		}
	})
}

// A node that does not begin a run because of its tenant gets no further ones of that for a while, and those of others at once.
func TestRefusalsOfATenant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 10, "a")
		b := w.settledOwner(t, "x", 1)
		var notified atomic.Int64
		b.OnFree(func() { notified.Add(1) })
		if r := <-begin(t.Context(), take(t, b), call("e", 1, order{Fail: "unfit"})); !errors.Is(r.err, runtime.ErrPlaceUnfit) {
			t.Error(r.err)
		}
		if _, ok := b.Take("t", 1, 0); ok {
			t.Error("the tenant has a place on a node that has not begun its run")
		}
		p, ok := b.Take("u", 1, 0)
		if !ok {
			t.Fatal("another tenant has no place")
		}
		p.Release()
		before := notified.Load()
		time.Sleep(1100 * time.Millisecond)
		if notified.Load() == before {
			t.Error("nobody was notified of the place")
		}
		(<-begin(t.Context(), take(t, b), call("f", 1, order{}))).check(t, "f", order{})
		w.empty(t)
	})
}

// No end is lost on its way to an owner, however large the ends are that there are at once.
func TestLargeEndsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 100, "a")
		b := w.settledOwner(t, "x", 1)
		big := order{Sleep: time.Second, Result: runtime.MiB}
		var ends []<-chan ran
		for i := range 20 {
			ends = append(ends, begin(t.Context(), take(t, b), call(fmt.Sprint(i), 1, big)))
		}
		for i, e := range ends {
			(<-e).check(t, fmt.Sprint(i), big)
		}
		w.empty(t)
	})
}

// An end arrives however long it is on its way.
func TestSlowPath(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 10, "a")
		b := w.settledOwner(t, "x", 1)
		o := order{Result: runtime.MiB}
		w.hosts["a"].set(func() { w.hosts["a"].pace = 3 * time.Second / (64 << 10) })
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		(<-begin(ctx, take(t, b), call("e", 1, o))).check(t, "e", o)
		if n := w.hosts["a"].started()["e/1"]; n != 1 {
			t.Errorf("it has begun %d times", n)
		}
	})
}

// A call that has not arrived at a node was not used, whether the node stops or the connection was lost meanwhile: it has no charge.
func TestCallsThatDoNotArrive(t *testing.T) {
	for _, stops := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 10, "a")
			h := w.hosts["a"]
			b := w.settledOwner(t, "x", 1)
			p := take(t, b)
			h.set(func() { h.lag = time.Second })
			ended := begin(t.Context(), p, call("e", 1, order{}))
			time.Sleep(100 * time.Millisecond)
			h.set(func() { h.lag = 0 })
			if stops {
				h.server.Close(t.Context())
			} else {
				h.disconnect()
			}
			if r := <-ended; !errors.Is(r.err, runtime.ErrPlaceUnused) || len(h.started()) > 0 {
				t.Errorf("it stops %v: %v, %v", stops, r.err, h.started())
			}
			w.empty(t)
		})
	}
}

// A new owner gets what a node runs which it does not reach at once, or which answers late.
func TestCollectWaits(t *testing.T) {
	for _, cut := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 10, "a")
			h := w.hosts["a"]
			x := w.settledOwner(t, "x", 1)
			begin(t.Context(), take(t, x), call("e", 1, order{Sleep: 5 * time.Second}))
			time.Sleep(time.Second)
			x.Close()
			h.set(func() { h.cut, h.lag = cut, 1500*time.Millisecond })
			if cut {
				h.set(func() { h.lag = 0 })
				time.AfterFunc(500*time.Millisecond, func() { h.set(func() { h.cut = false }) })
			}
			y := w.owner(t, "y", 2)
			found := y.Collect(t.Context())
			h.set(func() { h.lag = 0 })
			if len(found) != 1 {
				t.Fatalf("cut %v: %+v", cut, found)
			}
			(<-begin(t.Context(), found[0].Place, runtime.RunCall{})).check(t, "e", order{})
			w.empty(t)
		})
	}
}

// A node that stops does not wait for an owner that has left what runs there.
func TestStopAfterTheOwnerHasLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 10, "a")
		x := w.settledOwner(t, "x", 1)
		ctx, leave := context.WithCancelCause(t.Context())
		ended := begin(ctx, take(t, x), call("e", 1, order{Sleep: time.Hour}))
		time.Sleep(time.Second)
		x.Leave()
		leave(runtime.ErrOwnerLeaves)
		<-ended
		synctest.Wait()
		now, cancel := context.WithCancel(t.Context())
		cancel()
		began := time.Now()
		w.hosts["a"].server.Close(now)
		if took := time.Since(began); took > time.Second {
			t.Errorf("the node has stopped after %v", took)
		}
		w.empty(t)
	})
}

// Runs for which no node has room do not keep it secret that a node has places again for others.
func TestLargeRunsHideNoPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 4, "a")
		h, b := w.hosts["a"], w.settledOwner(t, "x", 1)
		if _, ok := b.Take("t", 1<<50, 0); ok {
			t.Fatal("a node has room for everything")
		}
		h.set(func() { h.places = 0 })
		time.Sleep(5 * time.Second)
		if n := b.Nodes(); n != 0 {
			t.Fatalf("%d nodes lend", n)
		}
		var notified atomic.Int64
		b.OnFree(func() { notified.Add(1) })
		h.set(func() { h.places = 4 })
		time.Sleep(5 * time.Second)
		if n := notified.Load(); n != 1 {
			t.Errorf("there were %d notices of the places of a node that had none", n)
		}
	})
}

// A node that grants less than is used there has no free place.
func TestNoPlaceIsFreeBeyondTheGrant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, "a")
		h, b := w.hosts["a"], w.settledOwner(t, "x", 1)
		begin(t.Context(), take(t, b), call("e", 1, order{Sleep: time.Hour}))
		time.Sleep(time.Second)
		h.idle.Store(true)
		time.Sleep(2 * time.Second)
		var notified atomic.Int64
		b.OnFree(func() { notified.Add(1) })
		b.Take("t", runtime.MiB, 0)
		time.Sleep(10 * time.Second)
		if n := notified.Load(); n != 0 {
			t.Errorf("there were %d notices of places that are not free", n)
		}
	})
}

// A run that its node has refused since its new owner has asked for it is none that is lost, although the answer is.
func TestCollectedRunsWhoseRefusalIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 10, "a")
		h := w.hosts["a"]
		x := w.settledOwner(t, "x", 1)
		begin(t.Context(), take(t, x), call("e", 1, order{Sleep: 5 * time.Second, Fail: "late"}))
		time.Sleep(time.Second)
		x.Close()
		y := w.owner(t, "y", 2)
		found := y.Collect(t.Context())
		if len(found) != 1 {
			t.Fatalf("%+v", found)
		}
		ended := begin(t.Context(), found[0].Place, runtime.RunCall{})
		time.Sleep(time.Second)
		h.set(func() { h.still = true })
		time.Sleep(5 * time.Second)
		h.set(func() { h.still = false })
		h.disconnect()
		if r := <-ended; !errors.Is(r.err, runtime.ErrPlaceUnused) {
			t.Error(r.err)
		}
		w.empty(t)
	})
}

// A call that arrives after its grant is begun although the node has granted less since, several times; one that is too late is not.
func TestCallsForFormerGrants(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 10, "a")
		h, b := w.hosts["a"], w.settledOwner(t, "x", 1)
		time.Sleep(1100 * time.Millisecond)
		first, second := take(t, b), take(t, b)
		h.set(func() { h.places, h.asked = 0, 0 })
		if _, ok := b.Take("t", 1<<50, 0); ok {
			t.Fatal("a node has room for everything")
		}
		time.Sleep(time.Second)
		h.set(func() {
			if h.asked < 5 {
				t.Errorf("the node has granted %d times, want more often", h.asked)
			}
		})
		(<-begin(t.Context(), first, call("e", 1, order{}))).check(t, "e", order{})
		time.Sleep(5 * time.Second)
		if r := <-begin(t.Context(), second, call("f", 1, order{})); !errors.Is(r.err, runtime.ErrPlaceUnused) {
			t.Errorf("a call that is too late has ended with %v", r.err)
		}
		w.empty(t)
	})
}

// A node that stops waits until its owner has recorded an end, also one that the owner had before they connected again.
func TestStopWaitsForRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 10, "a")
		h, x := w.hosts["a"], w.settledOwner(t, "x", 1)
		p := take(t, x)
		(<-beginUnrecorded(t.Context(), p, call("e", 1, order{}))).check(t, "e", order{})
		h.disconnect()
		time.Sleep(time.Second)
		time.AfterFunc(time.Second, p.Recorded)
		began := time.Now()
		h.server.Close(t.Context())
		if took := time.Since(began); took < time.Second || took > 2*time.Second { // of the time of this test
			t.Errorf("the node has stopped after %v", took)
		}
		w.empty(t)
	})
}

// A node that connects again offers its runs at once, however many, also while the results of others have all the room.
func TestOffersDoNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const many = 1000 // whose offer is large
		w := newWorld(t, many, "a")
		for i := range 8 {
			name := fmt.Sprint("n", i)
			w.hosts[name] = newHost(t, name, 1)
		}
		b := w.settledOwner(t, "x", 1)
		var ends []<-chan ran
		o := order{Sleep: time.Minute}
		for i := range many {
			ends = append(ends, begin(t.Context(), take(t, b), call(fmt.Sprintf("%0100d", i), 1, o)))
		}
		big := order{Sleep: time.Second, Result: runtime.MiB}
		stores := make(chan struct{})
		for i := range 8 {
			p := take(t, b)
			go func() {
				_, _ = p.Run(t.Context(), call(fmt.Sprint(i), 1, big))
				<-stores
				p.Release()
				p.Recorded()
			}()
		}
		time.Sleep(10 * time.Second)
		w.hosts["a"].disconnect()
		time.Sleep(80 * time.Second) // longer than it goes on without a connection
		close(stores)
		for i, e := range ends {
			if r := <-e; i%100 == 0 || r.err != nil {
				if r.check(t, fmt.Sprintf("%0100d", i), o); t.Failed() {
					break
				}
			}
		}
	})
}

// A node that stops does not wait for an owner that is silent, or whose connection is lost, if it has nothing for it; it does if it has an
// end that the owner lacks.
func TestStopAfterTheOwnerHasDied(t *testing.T) {
	for _, c := range []struct {
		what          string
		silent, ended bool // the owner is silent, instead of cut off; and a run has ended since
	}{{"cut off", false, false}, {"silent", true, false}, {"cut off, with an end", false, true}, {"silent, with an end", true, true}} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 10, "a")
			h := w.hosts["a"]
			x := w.settledOwner(t, "x", 1)
			(<-begin(t.Context(), take(t, x), runCall("before"))).check(t, "before", order{})
			if c.ended {
				begin(t.Context(), take(t, x), call("e", 1, order{Sleep: time.Second}))
			}
			settled()
			h.set(func() {
				h.cut = true // no connection can be opened
				if c.silent {
					h.lag, h.still = 20*time.Second, true // what was sent does not arrive
				}
			})
			if !c.silent {
				h.disconnect()
			}
			time.Sleep(3 * time.Second)
			began := time.Now()
			h.server.Close(t.Context())
			if took := time.Since(began); (took > 0) != c.ended {
				t.Errorf("%s: the node has stopped after %v", c.what, took)
			}
			x.Close()
			h.set(func() { h.lag = 0 })
			time.Sleep(20 * time.Second) // the last message arrives
			w.empty(t)
		})
	}
}
