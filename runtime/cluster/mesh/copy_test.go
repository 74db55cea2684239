package mesh_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"testing"
	"time"

	"github.com/faaspot/faaspot/runtime/cluster"
	"github.com/faaspot/faaspot/runtime/cluster/mesh"
)

// newSource returns the address of a node that sends copies.
func newSource(t *testing.T, secret string, send func(ctx context.Context, to net.Conn) error) string {
	t.Helper()
	ln := listen(t)
	l := mesh.Listen(ln, mesh.ListenOptions{
		TLS: secure(t, secret), Log: quiet, Copy: send, Requests: func() *mesh.Queue { return nil }, Status: func() cluster.Status { return cluster.Status{} },
	})
	t.Cleanup(func() { _ = l.Close() })
	return ln.Addr().String()
}

// A copy arrives byte for byte, from a node with the same key alone.
func TestCopy(t *testing.T) {
	want := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	address := newSource(t, "k", func(_ context.Context, to net.Conn) error {
		_, err := to.Write(want)
		return err
	})
	for secret, works := range map[string]bool{"k": true, "o": false} {
		from, err := mesh.Dialer{TLS: secure(t, secret)}.Copy(t.Context(), address)
		if (err == nil) != works {
			t.Fatalf("a copy with the key %q: %v", secret, err)
		}
		if !works {
			continue
		}
		got, err := io.ReadAll(from)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes of %d have come: %v", len(got), len(want), err)
		}
		if err := from.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := (mesh.Dialer{}).Copy(t.Context(), newSource(t, "", nil)); err == nil {
		t.Error("a node that sends no copies has sent one")
	}
}

// A node sends one copy at a time. It ends when the one that gets it does, and when the node stops.
func TestCopiesEnd(t *testing.T) {
	sent := make(chan error, 1)
	address := newSource(t, "k", func(ctx context.Context, to net.Conn) (err error) {
		for err == nil && ctx.Err() == nil {
			_, err = to.Write(make([]byte, 1<<16))
		}
		sent <- err
		return err
	})
	d := mesh.Dialer{TLS: secure(t, "k")}
	ctx, cancel := context.WithCancel(t.Context())
	from, err := d.Copy(ctx, address)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Copy(t.Context(), address); err == nil {
		t.Error("two copies are sent at once")
	}
	cancel()
	select {
	case err = <-sent:
	case <-time.After(patience):
	}
	if err == nil {
		t.Error("the copy goes on after the node that gets it has gone")
	}
	_ = from.Close()

	ln := listen(t)
	l := mesh.Listen(ln, mesh.ListenOptions{TLS: secure(t, "k"), Log: quiet, Copy: func(_ context.Context, to net.Conn) error {
		_, err := to.Read(make([]byte, 1)) // which nobody sends
		return err
	}, Requests: func() *mesh.Queue { return nil }, Status: func() cluster.Status { return cluster.Status{} }})
	if from, err = d.Copy(t.Context(), ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	closed := make(chan error, 1)
	go func() { closed <- l.Close() }()
	select {
	case err := <-closed:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Error("a node that stops waits for a copy")
	}
	_ = from.Close()
}
