package apitest

import (
	"testing"
	"time"
)

// Eventually waits for what another goroutine does.
func Eventually(t *testing.T, done func() bool) {
	t.Helper()
	for began := time.Now(); !done(); time.Sleep(time.Millisecond) {
		if time.Since(began) > time.Minute {
			t.Fatal("it does not come about")
		}
	}
}
