//go:build linux

package kill

import (
	"fmt"
	"testing"

	"github.com/faaspot/faaspot/test/process"
)

// A run ends the server in each of its attempts; here the test kills the server whenever it sees
// the run started. The server fails the run after the third attempt. All other runs succeed,
// including the one that ran beside it.
func TestRunThatEndsTheServer(t *testing.T) {
	t.Parallel()
	s := process.NewSite(t)
	server := s.Serve(t)
	server.Deploy(t, "stay", process.SleepCode)
	server.Deploy(t, "echo", process.EchoCode)
	beside := server.Submit(t, "stay", `{"n":1,"seconds":2}`)
	poison := server.Submit(t, "stay", `{"n":2,"seconds":900}`)
	others := server.SubmitBulk(t, "echo", process.NumberedArgs(500))
	for attempt := 1; attempt <= process.MaxLostAttempts; attempt++ {
		process.Until(t, fmt.Sprintf("attempt %d runs", attempt), func() bool {
			x := server.Execution(t, poison)
			if x.Done() || x.Attempts > attempt {
				t.Fatalf("before attempt %d it is %s", attempt, x.Text)
			}
			return x.Status == process.Started && x.Attempts == attempt
		})
		server.Kill()
		server = s.Serve(t)
	}
	x := server.WaitEnd(t, poison)
	if x.Status != process.Failed || x.Error == nil || x.Error.Code != "internal" || x.Attempts != process.MaxLostAttempts {
		t.Errorf("the run that ends the server: %s", x.Text)
	}
	if x := server.WaitEnd(t, beside); x.Status != process.Success || string(x.Output) != "1" {
		t.Errorf("the other run: %s", x.Text)
	}
	for i, x := range server.WaitAll(t, others) {
		p := promise{n: i}
		if why := p.checkOutput(x.Output); x.Status != process.Success || why != "" || x.Attempts > process.MaxLostAttempts {
			t.Errorf("%s: %s", why, x.Text)
		}
	}
	if x := server.WaitEnd(t, server.Submit(t, "stay", `{"n":3,"seconds":0}`)); x.Status != process.Success || x.Attempts != 1 {
		t.Errorf("afterwards: %s", x.Text)
	}
	if again := server.Execution(t, poison); again.Text != x.Text {
		t.Errorf("it was %s, now %s", x.Text, again.Text)
	}
}
