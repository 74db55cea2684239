//go:build linux

package server

import (
	"fmt"
	"testing"

	"github.com/faaspot/faaspot/test/process"
)

// A client that hangs up leaves nothing behind but its run, which continues to its end and can be
// read.
func TestClientsThatHangUp(t *testing.T) {
	t.Parallel()
	// There is memory for one run at a time: memory that is not released would block the next run.
	s := process.NewSite(t, "--memory-budget", "1400MB")
	server := s.Serve(t)
	server.Deploy(t, "stay", process.WorkCode, "memory", 1024)
	server.Deploy(t, "hello", process.EchoCode)
	server.Must(t, "POST", "/v1/sync/functions/hello/rpc/", `{"n":3}`)
	server.Close()
	usual := server.Goroutines(t)

	server = s.Serve(t)
	server.Must(t, "POST", "/v1/sync/functions/hello/rpc/", `{"n":3}`)
	open := server.Descriptors(t)
	const calls = 50
	begun := map[string][]string{"status": {"Started"}, "function": {"stay"}}
	for n := range calls {
		args := fmt.Sprintf(`{"n":%d,"seconds":0.02}`, n)
		server.HangUp(t, "POST", "/v1/sync/functions/stay/rpc/", args, len(args), func() bool {
			return n%2 == 0 || len(server.List(t, begun)) > 0 // at once, or during the run
		})
	}
	ended := map[string]int{}
	process.Until(t, "all runs are done", func() bool {
		ended = map[string]int{}
		for _, x := range server.List(t, map[string][]string{"status": {"Success,Failed,Cancelled"}, "function": {"stay"}}) {
			if x.Kind == "run" {
				ended[string(x.Output)]++
			}
		}
		return len(ended) == calls
	})
	for output, n := range ended {
		if n != 1 {
			t.Errorf("%d runs ended with %s", n, output)
		}
	}
	if r := server.Must(t, "POST", "/v1/sync/functions/stay/rpc/", `{"n":7,"seconds":0}`); string(r.Body) != "7" {
		t.Errorf("the next run: %s", r.Body)
	}
	server.Close()
	// The connection of this test may count as one.
	process.Until(t, "all connections are closed", func() bool { return server.Descriptors(t) <= open+1 })
	if n := server.Goroutines(t); n > usual+usual/4 {
		t.Errorf("%d goroutines are left, %d are usual", n, usual)
	}
}
