package engine_test

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/engine"
)

// fakeNetworks counts the networks that are open, and permits no function to allow forbidden:1.
type fakeNetworks struct {
	mu    sync.Mutex
	open  int
	allow [][]string // of the networks that were opened
}

func (f *fakeNetworks) CheckAllow(_ runtime.Tenant, allow []string) error {
	if slices.Contains(allow, "forbidden:1") {
		return runtime.Errorf(runtime.CodePermissionDenied, "beyond the ceiling")
	}
	return nil
}

func (f *fakeNetworks) Open(p *runtime.Program) runtime.Network {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.open++
	f.allow = append(f.allow, p.Allow)
	return &fakeNetwork{networks: f, host: p.Allow[0]}
}

func (f *fakeNetworks) take(t *testing.T) (allow [][]string) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.open != 0 {
		t.Errorf("%d networks are open", f.open)
	}
	allow, f.allow = f.allow, nil
	return allow
}

type fakeNetwork struct {
	networks *fakeNetworks
	host     string
}

func (n *fakeNetwork) Resolve(context.Context, string, string) ([]netip.Addr, error) { return nil, nil }

func (n *fakeNetwork) Dial(context.Context, string, netip.AddrPort) (runtime.Connection, error) {
	return nil, nil
}

func (n *fakeNetwork) Check(string, netip.AddrPort) error { return nil }

func (n *fakeNetwork) CheckServerName(string) error { return nil }

func (n *fakeNetwork) Close() []runtime.Egress {
	n.networks.mu.Lock()
	defer n.networks.mu.Unlock()
	n.networks.open--
	return []runtime.Egress{{Network: "tcp", Host: n.host, Port: 1, Connections: 1, Sent: 2, Received: 3}}
}

// TestRunsGetTheNetworkOfTheirFunction checks that each run has a network of its own exactly if its
// function lists something, that deployments have none, that a change is for later runs, and that what
// was used is stored.
func TestRunsGetTheNetworkOfTheirFunction(t *testing.T) {
	networks := &fakeNetworks{}
	panics := false
	box := &fakeSandbox{call: func(_ context.Context, c runtime.RunCall) (runtime.Outcome, error) {
		if (c.Network != nil) != (len(c.Program.Allow) > 0) {
			t.Errorf("with %q, the network is %v", c.Program.Allow, c.Network)
		}
		if panics {
			panic("hostile")
		}
		return runtime.Outcome{Result: []byte("1")}, nil
	}}
	e := newEngine(t, engine.Options{Sandbox: box, Networks: networks})
	ctx := context.Background()
	run := func(want ...[]string) runtime.Execution {
		t.Helper()
		x, err := e.Run(ctx, runtime.RunRequest{Tenant: tenant, Function: "f"})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, networks.take(t)); diff != "" {
			t.Errorf("networks: %s", diff)
		}
		stored, err := e.GetExecution(ctx, tenant, x.ID)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(x.Egress, stored.Egress); diff != "" {
			t.Errorf("stored: %s", diff)
		}
		return stored
	}
	update := func(allow []string) error {
		_, err := e.UpdateFunction(ctx, runtime.FunctionUpdate{Tenant: tenant, Name: "f", Allow: allow})
		return err
	}
	shown := func(want []string) {
		t.Helper()
		d, err := e.GetFunction(ctx, tenant, "f")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, d.Version.Allow); diff != "" {
			t.Errorf("the allow list: %s", diff)
		}
	}

	if _, err := e.CreateFunction(ctx, runtime.FunctionSpec{Tenant: tenant, Name: "f", Source: []byte("1")}); err != nil {
		t.Fatal(err)
	}
	shown(nil)
	if x := run(); x.Egress != nil {
		t.Errorf("without a network: %+v", x.Egress)
	}
	if err := update([]string{"A.example:1", "b.example.:2", "a.example:1"}); err != nil {
		t.Fatal(err)
	}
	shown([]string{"a.example:1", "b.example:2"})
	if x := run([]string{"a.example:1", "b.example:2"}); len(x.Egress) != 1 || x.Egress[0].Host != "a.example:1" {
		t.Errorf("used: %+v", x.Egress)
	}
	// A list that is not valid, or beyond what the operator permits, changes nothing.
	if err := update([]string{"https://a.example"}); runtime.CodeOf(err) != runtime.CodeInvalidArgument {
		t.Error(err)
	}
	if err := update([]string{"forbidden:1"}); runtime.CodeOf(err) != runtime.CodePermissionDenied {
		t.Error(err)
	}
	for _, name := range []string{"g", "h"} {
		s := runtime.FunctionSpec{Tenant: tenant, Name: name, Source: []byte("1"), Allow: []string{"Forbidden.:1"}}
		_, err := e.CreateFunction(ctx, s)
		if name == "h" {
			_, err = e.UpdateFunction(ctx, runtime.FunctionUpdate{Tenant: tenant, Name: name, Source: s.Source, Allow: s.Allow, Create: true})
		}
		if runtime.CodeOf(err) != runtime.CodePermissionDenied {
			t.Error(err)
		}
	}
	// Other changes keep the list; a new one replaces all of it; an empty one clears it.
	retries := 1
	if _, err := e.UpdateFunction(ctx, runtime.FunctionUpdate{Tenant: tenant, Name: "f", Retries: &retries}); err != nil {
		t.Fatal(err)
	}
	shown([]string{"a.example:1", "b.example:2"})
	if err := update([]string{"c.example:3"}); err != nil {
		t.Fatal(err)
	}
	shown([]string{"c.example:3"})
	run([]string{"c.example:3"})

	// Background runs.
	accepted, err := e.Submit(ctx, runtime.SubmitRequest{Tenant: tenant, Function: "f"})
	if err != nil {
		t.Fatal(err)
	}
	x, err := e.AwaitExecution(ctx, tenant, accepted.IDs[0])
	if err != nil || len(x.Egress) != 1 || x.Egress[0].Host != "c.example:3" {
		t.Errorf("in the background: %+v, %v", x.Egress, err)
	}
	networks.take(t)

	// A fault of the sandbox leaves no network open.
	panics = true
	if _, err := e.Run(ctx, runtime.RunRequest{Tenant: tenant, Function: "f"}); runtime.CodeOf(err) != runtime.CodeInternal {
		t.Errorf("after a panic: %v", err)
	}
	networks.take(t)
	panics = false

	if err := update([]string{}); err != nil {
		t.Fatal(err)
	}
	shown(nil)
	run()
}
