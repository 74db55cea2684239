package httpapi

import (
	"errors"
	"net"
	"os"
	"testing"
	"time"
)

// served returns both ends of a connection, ours as the listener accepts it.
func served(t *testing.T, early time.Duration) (ours, client net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(Options{Auth: TokenHash{}, HeaderTimeout: 100 * early, IdleTimeout: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	l := &listener{Listener: ln, server: s, conns: s.conns}
	defer l.Close()
	if client, err = net.Dial("tcp", ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	if ours, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ours.Close() })
	s.conns.accepted(ours.(*conn))
	return ours, client
}

// Deadlines that are replaced again and again never pass, and the last one passes on time; one that
// has passed can be replaced.
func TestDeadlinesOfAConnection(t *testing.T) {
	t.Parallel()
	const early, limit = 5 * time.Millisecond, 500 * time.Millisecond
	ours, client := served(t, early)
	buf := make([]byte, 64<<10)
	in := func(d time.Duration) time.Time { return time.Now().Add(d) }
	must := func(errs ...error) {
		t.Helper()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		for end := in(2 * limit); time.Now().Before(end); {
			// As the library does: one for the next request, one for reading it, one
			// for the answer.
			must(ours.SetReadDeadline(in(limit)))
			_, err := client.Write([]byte("x"))
			must(err)
			n, err := ours.Read(buf)
			must(err, ours.SetReadDeadline(in(limit/2)), ours.SetWriteDeadline(in(limit)))
			_, err = ours.Write(buf[:n])
			must(err)
			_, err = client.Read(buf)
			must(err)
		}
		// The shorter deadline applies, although a longer one was set first.
		from := time.Now()
		must(ours.SetReadDeadline(in(limit)), ours.SetReadDeadline(in(limit/2)))
		_, err := ours.Read(buf)
		took := time.Since(from)
		if !errors.Is(err, os.ErrDeadlineExceeded) || took < limit/2-early || took > limit*4/5 {
			t.Errorf("reading ended after %v: %v", took, err)
		}
	}
	// The client does not read what the server writes.
	for range 2 {
		from := time.Now()
		must(ours.SetWriteDeadline(in(limit)))
		var err error
		for err == nil {
			_, err = ours.Write(buf)
		}
		if took := time.Since(from); !errors.Is(err, os.ErrDeadlineExceeded) || took < limit-early {
			t.Errorf("writing ended after %v: %v", took, err)
		}
	}
	// No deadline is none.
	must(ours.SetDeadline(time.Time{}))
	late := time.AfterFunc(limit, func() { _, _ = client.Write([]byte("x")) })
	defer late.Stop()
	if _, err := ours.Read(buf); err != nil {
		t.Errorf("without a deadline: %v", err)
	}
}
