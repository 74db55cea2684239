//go:build linux

package kill

import (
	"fmt"
	"testing"

	"github.com/faaspot/faaspot/test/customers"
	"github.com/faaspot/faaspot/test/process"
)

// maxDeaths bounds the kills until the run that ends the server fails: two before it is a suspect,
// one that tells it from the run beside it, and three with it alone or five beside others; two more in
// case the test is so slow that the run has outlived its probation before the kill.
const maxDeaths = 2 + 1 + 5 + 2

// A run ends the server in each of its attempts; here the test kills the server whenever it sees
// the run started. The server fails the run after a bounded number of attempts. All other runs
// succeed, including the one that ran beside it.
func TestRunThatEndsTheServer(t *testing.T) {
	t.Parallel()
	s := process.NewSite(t)
	server := s.Serve(t)
	server.Deploy(t, "stay", process.SleepCode, "timeout", 900)
	server.Deploy(t, "echo", process.EchoCode)
	beside := server.Submit(t, "stay", `{"n":1,"seconds":2}`)
	poison := server.Submit(t, "stay", `{"n":2,"seconds":900}`)
	others := server.SubmitBulk(t, "echo", process.NumberedArgs(500))
	deaths := 0
	for ; ; deaths++ {
		var x process.Execution
		process.Until(t, fmt.Sprintf("attempt %d runs", deaths+1), func() bool {
			x = server.Execution(t, poison)
			return x.Done() || x.Status == process.Started && x.Attempts == deaths+1
		})
		if x.Done() {
			break
		}
		if deaths == maxDeaths {
			t.Fatalf("after %d deaths it is %s", deaths, x.Text)
		}
		server.Kill()
		server = s.Serve(t)
	}
	t.Logf("it failed after %d deaths", deaths)
	x := server.Execution(t, poison)
	if x.Status != process.Failed || x.Error == nil || x.Error.Code != "internal" || x.Attempts != deaths || deaths < 3 {
		t.Errorf("the run that ends the server, after %d deaths: %s", deaths, x.Text)
	}
	if x := server.WaitEnd(t, beside); x.Status != process.Success || string(x.Output) != "1" {
		t.Errorf("the other run: %s", x.Text)
	}
	for i, x := range server.WaitAll(t, others) {
		if why := customers.CheckOutput(i, x.Output); x.Status != process.Success || why != "" {
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
