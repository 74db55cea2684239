package worker

import (
	"errors"
	"os"
	"strings"
	"testing"
)

// linked returns both ends of a connection between a server and its worker, of which set has prepared the
// server's.
func linked(t testing.TB, set func(server *conn)) (server, worker *conn) {
	t.Helper()
	a, b := sockets(t)
	server, err := newConn(a, false)
	if err != nil {
		t.Fatal(err)
	}
	if worker, err = newConn(b, true); err != nil {
		t.Fatal(err)
	}
	set(server)
	ended := make(chan error, 2)
	for _, c := range [...]*conn{server, worker} {
		go func() { ended <- c.serve() }()
	}
	t.Cleanup(func() {
		server.abort(errors.New("the test has ended"))
		<-ended
		<-ended
	})
	return server, worker
}

// countFiles returns the number of files that the process has open, but for pipes, of which Go keeps some.
func countFiles(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip(err)
	}
	n := 0
	for _, e := range entries {
		if target, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && !strings.HasPrefix(target, "pipe:") {
			n++
		}
	}
	return n
}
