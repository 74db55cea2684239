package egress

import (
	"io"
	"net"
	"testing"

	"github.com/faaspot/faaspot/runtime"
)

// callsOf closes a network and returns what it has noted.
func callsOf(t *testing.T, w runtime.Network) (calls []runtime.EgressCall, lost int) {
	t.Helper()
	w.Close()
	calls, lost = w.(runtime.EgressRecorder).Calls()
	for i := range calls {
		c := &calls[i]
		if c.Began.IsZero() || c.Ended.Before(c.Began) || c.Connecting < 0 || c.Connecting > c.Ended.Sub(c.Began) {
			t.Errorf("the times of %+v are wrong", c)
		}
		c.Connecting = 0
	}
	return calls, lost
}

// refusingPort returns a port of the machine at which nobody listens.
func refusingPort(t *testing.T) uint16 {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return uint16(l.Addr().(*net.TCPAddr).Port)
}

// TestCallsAreNoted tests what a run notes of its connections: those that were made, refused and not found;
// and nothing if that is not wanted.
func TestCallsAreNoted(t *testing.T) {
	to := echo(t)
	resolver, _ := zone{"a.example.": fixed("127.0.0.1")}.resolver(t)
	refusing := refusingPort(t)
	o := NetworkOptions{Resolver: resolver, Allow: []string{loopback}, Calls: 5}
	allow := []string{hostPort("a.example", to.Port()), hostPort("gone.example", 1), hostPort("127.0.0.1", refusing)}
	use := func(w runtime.Network) {
		c, err := reach(w, "tcp", "a.example", to.Port())
		if err != nil {
			t.Fatal(err)
		}
		if err := c.CheckServerName("a.example"); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write([]byte("12345")); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, make([]byte, 3)); err != nil {
			t.Fatal(err)
		}
		c.Close()
		if _, err := reach(w, "tcp", "gone.example", 1); runtime.CodeOf(err) != runtime.CodeNotFound {
			t.Fatal(err)
		}
		if _, err := reach(w, "tcp", "127.0.0.1", refusing); runtime.CodeOf(err) != runtime.CodeUnavailable {
			t.Fatal(err)
		}
		for range 4 { // open at the end, without TLS
			if _, err := reach(w, "tcp", "a.example", to.Port()); err != nil {
				t.Fatal(err)
			}
		}
	}
	w := newNetworks(t, o).open(t, allow...)
	use(w)
	calls, lost := callsOf(t, w)
	if len(calls) != 5 || lost != 2 {
		t.Fatalf("noted: %+v, and %d lost", calls, lost)
	}
	for i, want := range []runtime.EgressCall{
		{Network: "tcp", Host: "a.example", Port: to.Port(), TLS: true, Sent: 5, Received: 3},
		{Host: "gone.example", Failure: runtime.CodeNotFound},
		{Network: "tcp", Host: "127.0.0.1", Port: refusing, Failure: runtime.CodeUnavailable},
		{Network: "tcp", Host: "a.example", Port: to.Port()},
		{Network: "tcp", Host: "a.example", Port: to.Port()},
	} {
		want.Began, want.Ended = calls[i].Began, calls[i].Ended
		if calls[i] != want {
			t.Errorf("noted %+v, want %+v", calls[i], want)
		}
	}
	o.Calls = 0
	w = newNetworks(t, o).open(t, allow...)
	use(w)
	if calls, lost := callsOf(t, w); len(calls) != 0 || lost != 0 {
		t.Errorf("noted, though that is not wanted: %+v, %d", calls, lost)
	}
}

// TestCallsBelowAName tests that a name that the function chooses, below one in its allow list, is not noted.
func TestCallsBelowAName(t *testing.T) {
	to := echo(t)
	resolver, _ := zone{"s3cret.example.": fixed("127.0.0.1"), "listed.example.": fixed("127.0.0.1")}.resolver(t)
	w := newNetworks(t, NetworkOptions{Resolver: resolver, Allow: []string{loopback}, Calls: 5}).
		open(t, hostPort("*.example", to.Port()), hostPort("listed.example", to.Port()))
	for _, host := range []string{"s3cret.example", "listed.example"} {
		c, err := reach(w, "tcp", host, to.Port())
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
	}
	if _, err := reach(w, "tcp", "s3cret.absent.example", to.Port()); runtime.CodeOf(err) != runtime.CodeNotFound {
		t.Fatal(err)
	}
	calls, _ := callsOf(t, w)
	if len(calls) != 3 || calls[0].Host != "*.example" || calls[1].Host != "listed.example" || calls[2].Host != "*.example" {
		t.Errorf("noted: %+v", calls)
	}
}

// TestTLSInMemory tests that TLS whose bytes a run has in memory counts for the connections to its server.
func TestTLSInMemory(t *testing.T) {
	to := echo(t)
	resolver, _ := zone{"a.example.": fixed("127.0.0.1"), "b.example.": fixed("127.0.0.1")}.resolver(t)
	w := newNetworks(t, NetworkOptions{Resolver: resolver, Allow: []string{loopback}, Calls: 5}).open(t, hostPort("a.example", to.Port()), hostPort("b.example", to.Port()))
	for _, host := range []string{"a.example", "b.example"} {
		c, err := reach(w, "tcp", host, to.Port())
		if err != nil {
			t.Fatal(err)
		}
		if host == "b.example" {
			if err := w.CheckServerName("B.example"); err != nil {
				t.Fatal(err)
			}
		}
		defer c.Close()
	}
	calls, _ := callsOf(t, w)
	if len(calls) != 2 {
		t.Fatalf("noted: %+v", calls)
	}
	for _, c := range calls {
		if c.TLS != (c.Host == "b.example") {
			t.Errorf("noted %+v", c)
		}
	}
}
