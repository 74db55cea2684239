//go:build linux

package process

import (
	"testing"
	"time"
)

// Patience bounds every wait of a test; nothing takes that long unless it is broken.
const Patience = 2 * time.Minute

// Until waits for a condition that another process brings about. Between processes there is
// nothing to wait on, so it polls every millisecond.
func Until(t *testing.T, what string, happened func() bool) {
	t.Helper()
	for deadline := time.Now().Add(Patience); !happened(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("timed out waiting until %s", what)
		}
	}
}
