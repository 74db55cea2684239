package engine

import (
	"io"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/memory"
)

// leads is the state of a recorder whose process records.
func leads() (follows bool) { return false }

// TestRecorderWaitsForASlowStore checks that executions are recorded later if the store cannot
// write for the moment.
func TestRecorderWaitsForASlowStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls, stored := 0, make(map[string]bool)
		r := newRecorder(func(batch []runtime.Execution) error {
			if calls++; calls%100 != 0 {
				return runtime.Errorf(runtime.CodeUnavailable, "the disk does not keep up")
			}
			for _, x := range batch {
				stored[x.ID] = true
			}
			return nil
		}, leads, memory.New(1<<40, nil), slog.New(slog.NewTextHandler(io.Discard, nil)))
		r.start()
		var ids []string
		for range 10 {
			x := runtime.Execution{ID: runtime.NewID()}
			ids = append(ids, x.ID)
			r.add(&x)
		}
		r.flush()
		for _, id := range ids {
			if !stored[id] {
				t.Errorf("%s is not recorded", id)
			}
		}
		r.stop()
		r.wait()
	})
}

// TestRecorderDoesNotWaitForABrokenStore checks that the recorder waits for a broken store only
// once, so that it does not delay callers.
func TestRecorderDoesNotWaitForABrokenStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder(func([]runtime.Execution) error {
			return runtime.Errorf(runtime.CodeUnavailable, "the disk is full")
		}, leads, memory.New(1<<40, nil), slog.New(slog.NewTextHandler(io.Discard, nil)))
		r.start()
		began := time.Now()
		for range 1000 {
			r.add(&runtime.Execution{ID: runtime.NewID()})
		}
		r.flush()
		if took := time.Since(began); took > recordPatience+time.Second {
			t.Errorf("it waited for %v", took)
		}
		r.stop()
		r.wait()
	})
}

// TestRecorderThatFollowsIsStopped checks that a recorder waits for the process that records also when it is stopped, until
// there is no time left.
func TestRecorderThatFollowsIsStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, patient := range []bool{true, false} {
			stored := 0
			var away atomic.Bool
			away.Store(true)
			r := newRecorder(func(batch []runtime.Execution) error {
				if away.Load() {
					return runtime.Errorf(runtime.CodeUnavailable, "there is no owner")
				}
				stored += len(batch)
				return nil
			}, func() bool { return true }, memory.New(1<<40, nil), slog.New(slog.DiscardHandler))
			r.start()
			r.add(&runtime.Execution{ID: runtime.NewID()})
			time.Sleep(time.Second)
			r.stop()
			time.Sleep(10 * time.Second)
			if patient {
				away.Store(false)
			} else {
				r.giveUp()
			}
			r.wait()
			if (stored == 1) != patient {
				t.Errorf("%d executions are recorded", stored)
			}
		}
	})
}

// TestReadersDoNotWaitInVain checks that one reader waits for a process that does not record, and others again when it does.
func TestReadersDoNotWaitInVain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var away atomic.Bool
		r := newRecorder(func([]runtime.Execution) error {
			if away.Load() {
				return runtime.Errorf(runtime.CodeUnavailable, "the log is full")
			}
			return nil
		}, func() bool { return true }, memory.New(1<<40, nil), slog.New(slog.DiscardHandler))
		r.start()
		read := func() time.Duration {
			began := time.Now()
			r.flushUntil(began.Add(time.Second))
			return time.Since(began)
		}
		for range 2 {
			away.Store(true)
			r.add(&runtime.Execution{ID: runtime.NewID()})
			if took := read(); took != time.Second {
				t.Errorf("the first reader has waited for %v", took)
			}
			if took := read(); took != 0 {
				t.Errorf("the second reader has waited for %v", took)
			}
			away.Store(false)
			r.flush()
		}
		r.stop()
		r.wait()
	})
}
