package worker

import (
	"net"
	"testing"

	"github.com/faaspot/faaspot/runtime"
)

// Close ends a worker that is being started, too.
func TestCloseDuringAStart(t *testing.T) {
	starting, goOn := make(chan struct{}), make(chan struct{})
	serve := hostile(func(*conn, *request) ([]byte, error) { return succeeded, nil })
	s := &starter{t: t, serve: serve}
	pool := poolOf(t, s, Options{})
	s.serve = func(socket *net.UnixConn) error {
		close(starting)
		<-goOn
		return serve(socket)
	}
	if _, err := runIn(t, pool, runtime.RunCall{}); err != nil {
		t.Fatal(err)
	}
	pool.shared[0].current().conn.abort(errEnded)
	<-starting
	closed := make(chan error, 1)
	go func() { closed <- pool.Close() }()
	<-pool.ended
	close(goOn)
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if n := s.count.Load(); n != 2 {
		t.Errorf("%d workers were started", n)
	}
}
