package backoff

import (
	"testing"
	"time"
)

func TestDelay(t *testing.T) {
	for failures, want := range map[int]time.Duration{
		1: time.Second, 2: 2 * time.Second, 6: 32 * time.Second, 7: time.Minute, 9: time.Minute, 10: time.Minute, 1 << 40: time.Minute,
	} {
		if got := Delay(failures, time.Minute); got != want {
			t.Errorf("after %d failures %v, want %v", failures, got, want)
		}
	}
}

func TestJitter(t *testing.T) {
	different := map[time.Duration]bool{}
	for range 100 {
		d := Jitter(time.Minute)
		if d < time.Minute || d >= time.Minute*5/4 {
			t.Fatalf("%v is not between 1 and 1.25 minutes", d)
		}
		different[d] = true
	}
	if len(different) < 50 {
		t.Errorf("only %d different delays", len(different))
	}
}
