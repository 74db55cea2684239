//go:build linux

package kill

import (
	"testing"

	"github.com/faaspot/faaspot/test/process"
)

// Two kills hit 64 runs of a second. After the second one, runs of another function complete before
// the suspects have: suspects delay nobody. All runs succeed.
func TestOthersPassSuspects(t *testing.T) {
	t.Parallel()
	s := process.NewSite(t)
	server := s.Serve(t)
	server.Deploy(t, "stay", process.SleepCode)
	server.Deploy(t, "echo", process.EchoCode)
	suspects := server.SubmitBulk(t, "stay", process.SleepArgs(64, 1))
	for range 2 {
		process.Until(t, "many runs are under way", func() bool {
			return len(server.List(t, map[string][]string{"status": {process.Started}})) >= 32
		})
		server.Kill()
		server = s.Serve(t)
	}
	others := server.SubmitBulk(t, "echo", process.NumberedArgs(100))
	server.WaitAll(t, others)
	left := server.List(t, nil)
	if len(left) == 0 {
		t.Error("runs of another function completed after all suspects")
	}
	for _, x := range left {
		if x.Name != "stay" {
			t.Errorf("not done: %s", x.Text)
		}
	}
	for _, x := range server.WaitAll(t, suspects) {
		if x.Status != process.Success || x.Attempts > 3 {
			t.Errorf("%s", x.Text)
		}
	}
}
