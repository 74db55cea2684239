package runtime_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// TestRateOfATenant sends requests from several goroutines, as fast as they can: never more pass than
// the burst and what the rate adds, another tenant notices nothing, and after the time in the error one
// passes again.
func TestRateOfATenant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limited := runtime.NewTenantUse(runtime.TenantLimits{RequestsPerSecond: 10, RequestBurst: 25}.Effective(runtime.TenantLimits{}))
		other := runtime.NewTenantUse(runtime.TenantLimits{RequestsPerSecond: 10}.Effective(runtime.TenantLimits{}))
		burst := func() (passed int64) {
			var n atomic.Int64
			var all sync.WaitGroup
			for range 8 {
				all.Go(func() {
					for range 100 {
						if limited.CheckRate() == nil {
							n.Add(1)
						}
					}
				})
			}
			all.Wait()
			return n.Load()
		}
		if n := burst(); n != 25 {
			t.Errorf("%d requests passed at once, want 25", n)
		}
		err, _ := runtime.AsError(limited.CheckRate())
		if err == nil || err.Code != runtime.CodeTooBusy || err.RetryAfter != 100*time.Millisecond {
			t.Fatalf("%+v", err)
		}
		time.Sleep(err.RetryAfter - 1)
		if limited.CheckRate() == nil {
			t.Error("a request passed too early")
		}
		time.Sleep(time.Nanosecond)
		if err := limited.CheckRate(); err != nil {
			t.Error(err)
		}
		if err := other.CheckRate(); err != nil {
			t.Errorf("another tenant: %v", err)
		}
		time.Sleep(time.Second)
		if n := burst(); n != 10 {
			t.Errorf("%d requests passed after a second, want 10", n)
		}
		time.Sleep(time.Hour)
		if n := burst(); n != 25 {
			t.Errorf("%d requests passed after an hour, want 25", n)
		}
		limited.SetLimits(runtime.TenantLimits{}.Effective(runtime.TenantLimits{}))
		if n := burst(); n != 800 {
			t.Errorf("%d requests passed without a limit", n)
		}
	})
}

// TestRunsOfATenantHammer begins and ends runs from several goroutines: there are never more than the
// limit, and a run that waits as a queued one does learns that another has ended.
func TestRunsOfATenantHammer(t *testing.T) {
	const most = 3
	u := runtime.NewTenantUse(runtime.TenantLimits{Runs: most})
	freed := make(chan struct{}, 1)
	var now atomic.Int64
	end := func() {
		now.Add(-1)
		if u.EndRun() {
			select {
			case freed <- struct{}{}:
			default:
			}
		}
	}
	check := func() {
		if n := now.Add(1); n > most {
			t.Errorf("%d runs at once", n)
		}
	}
	var callers sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		callers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if u.BeginRun() == nil {
					check()
					end()
				}
			}
		})
	}
	for range 10_000 {
		for !u.TryRun() {
			<-freed // hangs if an end is missed
		}
		check()
		end()
	}
	close(stop)
	callers.Wait()
	if n := u.Usage().Runs; n != 0 {
		t.Errorf("%d runs are left", n)
	}
}

// TestQueueOfATenant checks that reservations do not exceed the limit, and which are refused for good.
func TestQueueOfATenant(t *testing.T) {
	u := runtime.NewTenantUse(runtime.TenantLimits{Queued: 100})
	var taken atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 50 {
				if u.Reserve(7) == nil {
					taken.Add(7)
				}
			}
		})
	}
	all.Wait()
	if n := taken.Load(); n != 98 || u.Usage().Queued != n {
		t.Errorf("%d are reserved, %d count", n, u.Usage().Queued)
	}
	if err := u.Reserve(3); runtime.CodeOf(err) != runtime.CodeTooBusy {
		t.Error(err)
	}
	if err := u.Reserve(101); runtime.CodeOf(err) != runtime.CodeTooLarge {
		t.Error(err)
	}
	u.Queue(-98)
	if err := u.Reserve(100); err != nil {
		t.Error(err)
	}
}

// TestEffectiveLimits checks which limits a tenant has that has some of its own.
func TestEffectiveLimits(t *testing.T) {
	defaults := runtime.TenantLimits{RequestsPerSecond: 10, RequestBurst: 50, Runs: 5}
	for own, want := range map[runtime.TenantLimits]runtime.TenantLimits{
		{}:                       defaults,
		{RequestsPerSecond: 20}:  {RequestsPerSecond: 20, RequestBurst: 20, Runs: 5},
		{RequestBurst: 5}:        {RequestsPerSecond: 10, RequestBurst: 5, Runs: 5},
		{Runs: 100, Queued: 200}: {RequestsPerSecond: 10, RequestBurst: 50, Runs: 100, Queued: 200},
	} {
		if got := own.Effective(defaults); got != want {
			t.Errorf("%+v: %+v, want %+v", own, got, want)
		}
	}
	if got := (runtime.TenantLimits{RequestBurst: 5}).Effective(runtime.TenantLimits{}); got != (runtime.TenantLimits{}) {
		t.Errorf("a burst without a rate: %+v", got)
	}
}

// BenchmarkTenantUse is what the limits add to a run: the checks of one tenant, from all processors.
func BenchmarkTenantUse(b *testing.B) {
	const never = 1_000_000_000 // per second: more than the benchmark can do
	u := runtime.NewTenantUse(runtime.TenantLimits{RequestsPerSecond: never, RequestBurst: never, Runs: never})
	b.ReportAllocs()
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			if err := u.CheckRate(); err != nil {
				b.Error(err)
			}
			if err := u.BeginRun(); err != nil {
				b.Error(err)
			}
			u.EndRun()
		}
	})
}
