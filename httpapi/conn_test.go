package httpapi

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/faaspot/faaspot/httpapi/internal/web"
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
			from := time.Now()
			must(ours.SetReadDeadline(in(limit)))
			_, err := client.Write([]byte("x"))
			must(err)
			n, err := ours.Read(buf)
			if errors.Is(err, os.ErrDeadlineExceeded) && time.Since(from) >= limit-early {
				continue // the machine stood still until it had passed
			}
			must(err, ours.SetReadDeadline(in(limit/2)), ours.SetWriteDeadline(in(time.Hour)))
			_, err = ours.Write(buf[:n])
			must(err)
			_, err = client.Read(buf)
			must(err)
		}
		// The shorter deadline applies, although a longer one was set first, which does not pass during the test.
		from := time.Now()
		must(ours.SetReadDeadline(in(time.Hour)), ours.SetReadDeadline(in(limit/2)))
		_, err := ours.Read(buf)
		if took := time.Since(from); !errors.Is(err, os.ErrDeadlineExceeded) || took < limit/2-early {
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
		if _, err := ours.Write(buf[:1]); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("writing a small answer after the deadline: %v", err)
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

// Small answers arrive byte for byte, also if the socket accepts only parts of them.
func TestSmallAnswersArrive(t *testing.T) {
	t.Parallel()
	ours, client := served(t, time.Minute)
	if err := ours.(*conn).Conn.(*net.TCPConn).SetWriteBuffer(4 << 10); err != nil { // it is full often
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	want := make([]byte, 8<<20)
	for i := range want {
		want[i] = byte(random.Uint32())
	}
	sent := make(chan error, 1)
	go func() {
		for left := want; len(left) > 0; {
			n, err := ours.Write(left[:min(len(left), 1+random.IntN(web.FreeBytes))])
			if left = left[n:]; err != nil {
				sent <- err
				return
			}
		}
		sent <- ours.Close()
	}()
	got, err := io.ReadAll(client)
	if err := errors.Join(err, <-sent); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d of %d bytes arrived, or others: %v", len(got), len(want), err)
	}
}

// A small answer to a client that has gone is an error, and does not end the process by SIGPIPE.
func TestSmallAnswerToAClientThatHasGone(t *testing.T) {
	t.Parallel()
	ours, client := served(t, time.Minute)
	if err := errors.Join(client.(*net.TCPConn).SetLinger(0), client.Close()); err != nil {
		t.Fatal(err)
	}
	var err error
	for end := time.Now().Add(10 * time.Second); err == nil && time.Now().Before(end); {
		_, err = ours.Write([]byte("answer"))
	}
	if !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("writing ended with %v", err)
	}
	if err := ours.Close(); err != nil {
		t.Fatal(err)
	}
	if n, err := ours.Write([]byte("answer")); n != 0 || !errors.Is(err, net.ErrClosed) {
		t.Errorf("a closed connection accepted %d bytes: %v", n, err)
	}
}
