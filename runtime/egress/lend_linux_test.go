package egress

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/faaspot/faaspot/runtime"
)

// lend lends a socket, and returns the descriptor as another process has it.
func lend(t testing.TB, s runtime.Socket) int {
	t.Helper()
	fd, err := s.(runtime.Lender).Lend()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

// readAll reads a descriptor to its end.
func readAll(t testing.TB, fd int) (all string) {
	t.Helper()
	b := make([]byte, 100)
	for {
		if _, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 20_000); err != nil && !errors.Is(err, unix.EINTR) {
			t.Fatal(err)
		}
		n, err := unix.Read(fd, b)
		if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) {
			continue
		}
		if n <= 0 {
			return all
		}
		all += string(b[:n])
	}
}

// TestLend: another process uses a socket by its descriptor, until this one closes the connection.
func TestLend(t *testing.T) {
	ended := make(chan struct{}, 2)
	to := listen(t, func(c net.Conn) {
		_, _ = io.WriteString(c, "hello")
		_, _ = io.Copy(io.Discard, c)
		ended <- struct{}{}
	})
	n := newNetworks(t, NetworkOptions{Allow: []string{loopback}})
	w := n.open(t, to.String())
	connected := connect(t, w, "tcp", to)
	if err := ending(t, connected); err != nil {
		t.Fatal(err)
	}
	dialled, err := w.Dial(t.Context(), "tcp", to)
	if err != nil {
		t.Fatal(err)
	}
	for what, s := range map[string]runtime.Socket{"Connect": connected, "Dial": dialled} {
		fd := lend(t, s)
		if _, err := s.(runtime.Lender).Lend(); runtime.CodeOf(err) != runtime.CodeInternal {
			t.Errorf("%s: lent again: %v", what, err)
		}
		if _, err := unix.Write(fd, []byte("123")); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if err := s.Count(3, 5); err != nil {
			t.Error(err)
		}
		// A close that is the last one must not wait for the peer.
		if err := unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1, Linger: 3600}); err != nil {
			t.Error(err)
		}
		for end := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
			sent, received, ok := s.(runtime.Lender).Transferred()
			if !ok || time.Now().After(end) {
				t.Fatalf("%s: the kernel has counted %d and %d bytes, %v", what, sent, received, ok)
			}
			if sent >= 1 && received >= 3 {
				break
			}
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		<-ended
		if got := readAll(t, fd); got != "hello" {
			t.Errorf("%s: received %q", what, got)
		}
		if _, err := unix.Write(fd, []byte("4")); !errors.Is(err, unix.EPIPE) {
			t.Errorf("%s: sent after Close: %v", what, err)
		}
		if linger, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_LINGER); linger != 0 || err != nil {
			t.Errorf("%s: the socket lingers: %d, %v", what, linger, err)
		}
		if _, err := s.(runtime.Lender).Lend(); runtime.CodeOf(err) != runtime.CodeUnavailable {
			t.Errorf("%s: lent after Close: %v", what, err)
		}
		if _, _, ok := s.(runtime.Lender).Transferred(); ok {
			t.Errorf("%s: the kernel counts a closed socket", what)
		}
	}
	if used := w.Close(); len(used) != 1 || used[0].Connections != 2 || used[0].Sent != 6 || used[0].Received != 10 {
		t.Errorf("the run has used %+v", used)
	}
}

// TestLendWhileConnecting: the patience for an attempt ends it also after Lend, and so does the end of the run.
func TestLendWhileConnecting(t *testing.T) {
	to, _ := silent(t)
	n := newNetworks(t, NetworkOptions{Allow: []string{loopback}})
	n.patience = 50 * time.Millisecond
	w := n.open(t, to.String())
	c := connect(t, w, "tcp", to)
	fd := lend(t, c)
	if _, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, 20_000); err != nil {
		t.Error(err)
	}
	if ended, err := c.Connected(); !ended || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%v, %v", ended, err)
	}
	n.patience = dialTimeout
	c = connect(t, w, "tcp", to)
	fd = lend(t, c)
	w.Close()
	if _, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, 20_000); err != nil {
		t.Error(err)
	}
	if ended, err := c.Connected(); !ended || runtime.CodeOf(err) != runtime.CodeUnavailable {
		t.Errorf("after Close: %v, %v", ended, err)
	}
	if _, err := unix.Write(fd, []byte("x")); err == nil {
		t.Error("sent after Close")
	}
}
