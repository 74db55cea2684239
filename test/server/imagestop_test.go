//go:build linux

package server

import (
	"context"
	"fmt"
	"syscall"
	"testing"

	"github.com/faaspot/faaspot/test/process"
)

// A module body that does not end while its image is built again delays neither other runs, nor a
// cancellation, nor the stop of the server.
func TestStopWhileAnImageIsBuilt(t *testing.T) {
	t.Parallel()
	s := process.NewSite(t, "--grace", "50ms")
	server := s.Serve(t)
	server.Deploy(t, "seed", "def main(args, context): return hash('x')")
	seed := string(server.Must(t, "POST", fmt.Sprintf(runPath, "seed"), "{}").Body)
	// The next server has another hash seed, and no images.
	server.Deploy(t, "stuck", "while hash('x') != "+seed+": pass\ndef main(args, context): return 1\n", "timeout", 900)
	server.Deploy(t, "echo", process.EchoCode)
	server.Kill()

	server = s.Serve(t)
	cancelled, queued := server.Submit(t, "stuck", "{}"), server.Submit(t, "stuck", "{}")
	for _, id := range []string{cancelled, queued} {
		server.WaitStatus(t, id, process.Started)
	}
	blocking := process.InBackground(func() (process.Reply, error) {
		return server.Do(context.Background(), "POST", fmt.Sprintf(runPath, "stuck"), "{}")
	})
	process.Until(t, "the blocking run is seen", func() bool {
		return len(server.List(t, map[string][]string{"status": {"Started"}})) == 3
	})
	if r := server.Must(t, "POST", fmt.Sprintf(runPath, "echo"), `{"n":3}`); string(r.Body) != `{"n":3,"square":9}` {
		t.Errorf("another run: %s", r.Body)
	}
	server.Cancel(t, cancelled)
	if x := server.WaitEnd(t, cancelled); x.Status != process.Cancelled {
		t.Errorf("cancelled: %s", x.Text)
	}
	server.Signal(t, syscall.SIGTERM)
	if a := <-blocking; a.Err != nil || a.Status < 500 {
		t.Errorf("the caller of a blocking run got %d %s, %v", a.Status, a.Body, a.Err)
	}
	server.WaitExit(t, process.ExitOK)

	server = s.Serve(t)
	if x := server.WaitStatus(t, queued, process.Started); x.Attempts != 2 {
		t.Errorf("on the next server: %s", x.Text)
	}
	server.Cancel(t, queued)
	if x := server.WaitEnd(t, queued); x.Status != process.Cancelled {
		t.Errorf("cancelled on the next server: %s", x.Text)
	}
}
