package sandbox

import (
	"sync"
	"testing"
	"time"
)

// A sleep takes at least as long as it should, however many there are at once, and the timers are as
// many as allowed.
func TestTimersAreNeverEarly(t *testing.T) {
	timers := newTimers()
	defer timers.close()
	var wg sync.WaitGroup
	slept := make(chan bool, 100*10)
	for i := range 100 {
		wg.Go(func() {
			for range 10 {
				d := time.Duration(i+1) * 10 * time.Microsecond
				began := time.Now()
				ok := timers.sleep(d)
				if took := time.Since(began); ok && took < d {
					t.Errorf("a sleep of %v ended after %v", d, took)
				}
				slept <- ok
			}
		})
	}
	wg.Wait()
	if n := len(timers.idle) + len(timers.left); n != maxTimers {
		t.Errorf("%d timers are left of %d", n, maxTimers)
	}
	some := false
	for range 100 * 10 {
		some = some || <-slept
	}
	if !some {
		t.Error("no sleep used a timer")
	}
	if timers.sleep(fineSleep) || timers.sleep(0) {
		t.Error("a long sleep, or none, used a timer")
	}
}

func BenchmarkSleep(b *testing.B) {
	timers := newTimers()
	defer timers.close()
	for _, fine := range []bool{true, false} {
		name := "go"
		if fine {
			name = "kernel"
		}
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if !fine || !timers.sleep(200*time.Microsecond) {
					time.Sleep(200 * time.Microsecond)
				}
			}
		})
	}
}
