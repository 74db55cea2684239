package mesh_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/faaspot/faaspot/runtime/cluster"
	"github.com/faaspot/faaspot/runtime/cluster/mesh"
)

// A node is drained by processes with its key alone, and says why it cannot be.
func TestDrainOrders(t *testing.T) {
	var got []string
	ln := listen(t)
	l := mesh.Listen(ln, mesh.ListenOptions{
		TLS: secure(t, "k"), Log: quiet, Requests: func() *mesh.Queue { return nil }, Status: func() cluster.Status { return cluster.Status{} },
		Undrain: func() { got = append(got, "undo") },
		Drain: func(to string, grace time.Duration) error {
			got = append(got, to+" "+grace.String())
			if to == "nobody" {
				return &cluster.Refusal{Message: "there is none", Hint: "start it"}
			}
			return nil
		},
	})
	t.Cleanup(func() { _ = l.Close() })
	address, long := ln.Addr().String(), strings.Repeat("n", 63)
	d := mesh.Dialer{TLS: secure(t, "k")}
	for _, to := range []string{"", "b", long} {
		if err := d.Drain(t.Context(), address, to, time.Minute+time.Millisecond); err != nil {
			t.Errorf("to %q: %v", to, err)
		}
	}
	err := d.Drain(t.Context(), address, "nobody", 0)
	if refused, ok := errors.AsType[*cluster.Refusal](err); !ok || *refused != (cluster.Refusal{Message: "there is none", Hint: "start it"}) {
		t.Errorf("got %v", err)
	}
	if err := d.Undrain(t.Context(), address); err != nil {
		t.Error(err)
	}
	if err := (mesh.Dialer{TLS: secure(t, "o")}).Undrain(t.Context(), address); err == nil {
		t.Error("a process with another key has drained a node")
	}
	want := " 1m0.001s,b 1m0.001s," + long + " 1m0.001s,nobody 0s,undo"
	if text := strings.Join(got, ","); text != want {
		t.Errorf("the node was asked for %s, want %s", text, want)
	}
}
