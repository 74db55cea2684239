package main

import (
	"fmt"
	"testing"
)

// A run that ends the server each time that it runs: here by a kill whenever it
// is seen to run. It is given up after the third time. All else ends well, also
// what ran beside it.
func TestARunThatEndsTheServer(t *testing.T) {
	s := newSite(t)
	server := s.serve(t)
	server.deploy(t, "stay", stayCode)
	server.deploy(t, "echo", echoCode)
	beside := server.submit(t, "stay", `{"n":1,"seconds":2}`)
	poison := server.submit(t, "stay", `{"n":2,"seconds":900}`)
	others := server.submitBulk(t, "echo", numbered(500))
	for attempt := 1; attempt <= lostAttempts; attempt++ {
		until(t, fmt.Sprintf("attempt %d runs", attempt), func() bool {
			x := server.execution(t, poison)
			if x.done() || x.Attempts > attempt {
				t.Fatalf("before attempt %d it is %s", attempt, x.text)
			}
			return x.Status == started && x.Attempts == attempt
		})
		server.kill()
		server = s.serve(t)
	}
	x := server.awaitEnd(t, poison)
	if x.Status != failed || x.Error == nil || x.Error.Code != "internal" || x.Attempts != lostAttempts {
		t.Errorf("what ends the server: %s", x.text)
	}
	if x := server.awaitEnd(t, beside); x.Status != success || string(x.Output) != "1" {
		t.Errorf("what ran beside it: %s", x.text)
	}
	for i, x := range server.awaitAll(t, others) {
		p := promise{n: i}
		if why := p.checkOutput(x.Output); x.Status != success || why != "" || x.Attempts > lostAttempts {
			t.Errorf("%s: %s", why, x.text)
		}
	}
	if x := server.awaitEnd(t, server.submit(t, "stay", `{"n":3,"seconds":0}`)); x.Status != success || x.Attempts != 1 {
		t.Errorf("afterwards: %s", x.text)
	}
	if again := server.execution(t, poison); again.text != x.text {
		t.Errorf("it was %s, now %s", x.text, again.text)
	}
}
