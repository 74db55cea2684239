package main

import (
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
)

// hangUp sends the beginning of a request, or all of it, and closes the
// connection when the condition holds.
func (c *caller) hangUp(t *testing.T, method, path, body string, sent int, when func() bool) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(c.base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, err = fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: faaspot.test\r\nAuthorization: Token %s\r\nContent-Length: %d\r\n\r\n%s",
		method, path, c.token, len(body), body[:sent])
	if err != nil {
		t.Fatal(err)
	}
	if when != nil {
		until(t, "it is time to hang up", when)
	}
}

// goroutines ends a server and counts what it had, but for those that rest until
// the next connection comes.
func (l *life) goroutines(t *testing.T) int {
	t.Helper()
	l.tell(t, syscall.SIGQUIT) // the Go runtime tells all goroutines, and exits
	l.end(t)
	text, err := os.ReadFile(l.talk)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for stack := range strings.SplitSeq(string(text), "\n\n") {
		resting := strings.Contains(stack, "workerFunc(") && !strings.Contains(stack, "serveConn(")
		if strings.HasPrefix(stack, "goroutine ") && !resting {
			n++
		}
	}
	if n == 0 {
		t.Fatalf("no goroutines are told:\n%s", text)
	}
	l.forget(t)
	return n
}

// descriptors counts the files and connections that a server has open.
func (l *life) descriptors(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", l.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// A caller who hangs up leaves nothing behind but the run, which goes on to its
// end and can be looked up.
func TestCallersWhoHangUp(t *testing.T) {
	// There is memory for one run at a time: a place that was not given back
	// would be missed by the next one.
	s := newSite(t, "--memory-budget", "1400MB")
	server := s.serve(t)
	server.deploy(t, "stay", stayCode, "memory", 1024)
	server.deploy(t, "hello", echoCode)
	server.must(t, "POST", "/v1/sync/functions/hello/rpc/", `{"n":3}`)
	server.close()
	usual := server.goroutines(t)

	server = s.serve(t)
	server.must(t, "POST", "/v1/sync/functions/hello/rpc/", `{"n":3}`)
	open := server.descriptors(t)
	const calls = 50
	begun := map[string][]string{"status": {"Started"}, "function": {"stay"}}
	for n := range calls {
		args := fmt.Sprintf(`{"n":%d,"seconds":0.02}`, n)
		server.hangUp(t, "POST", "/v1/sync/functions/stay/rpc/", args, len(args), func() bool {
			return n%2 == 0 || len(server.list(t, begun)) > 0 // at once, or while it runs
		})
	}
	ended := map[string]int{}
	until(t, "all runs are done", func() bool {
		ended = map[string]int{}
		for _, x := range server.list(t, map[string][]string{"status": {"Success,Failed,Cancelled"}, "function": {"stay"}}) {
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
	if r := server.must(t, "POST", "/v1/sync/functions/stay/rpc/", `{"n":7,"seconds":0}`); string(r.body) != "7" {
		t.Errorf("the next run: %s", r.body)
	}
	server.close()
	// One more or less is of a connection of this test.
	until(t, "all connections are closed", func() bool { return server.descriptors(t) <= open+1 })
	if n := server.goroutines(t); n > usual+usual/4 {
		t.Errorf("%d goroutines are left, %d are usual", n, usual)
	}
}
