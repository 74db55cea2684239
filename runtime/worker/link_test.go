package worker

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"
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

// TestWorkerThatDoesNotRead: a worker that asks for descriptors and reads no reply gets few, and the server
// stops reading what it sends.
func TestWorkerThatDoesNotRead(t *testing.T) {
	before := countFiles(t)
	a, b := sockets(t)
	server, err := newConn(a, false)
	if err != nil {
		t.Fatal(err)
	}
	l := newLent(server, &Options{})
	ended := make(chan error)
	go func() { ended <- server.serve() }()
	if err := b.SetWriteDeadline(time.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	sent, most := 0, 0
	for ; sent < 50_000 && err == nil; sent++ {
		h := header{kind: kindStream, flags: flagCall, id: uint64(sent + 1)}
		_, err = b.Write(h.append(nil))
		if sent%500 == 0 {
			most = max(most, countFiles(t))
		}
	}
	if most = max(most, countFiles(t)); most-before > maxRequests+200 {
		t.Errorf("%d descriptors are open after %d calls", most-before, sent)
	}
	if err == nil {
		t.Error("the server reads all that a worker sends which reads nothing")
	}
	server.abort(errEnded)
	<-ended
	l.close()
	b.Close()
	waitForFiles(t, before)
}
