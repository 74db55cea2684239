package worker

import (
	"bytes"
	"context"
	"net"
	"slices"
	"sync"
	"testing"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/memory"
	"github.com/faaspot/faaspot/runtime/worker/internal/wire"
)

// A tenant keeps in a worker no more images than its limit allows; the server learns how many, the limit
// changes with the next run, and what was counted is given back when the worker ends.
func TestImagesOfTenantsInAWorker(t *testing.T) {
	uses := map[runtime.Tenant]*runtime.TenantUse{}
	for _, name := range []runtime.Tenant{"free", "limited"} {
		uses[name] = runtime.NewTenantUse(runtime.TenantLimits{})
	}
	budget := memory.New(testMemory, quiet)
	s := &starter{t: t}
	pool, err := New(Options{Memory: budget, Log: quiet, Start: s.start, Uses: func(name runtime.Tenant) *runtime.TenantUse { return uses[name] }})
	if err != nil {
		t.Fatal(err)
	}
	w := pool.shared[0].current()
	deploy := func(name runtime.Tenant, n int) (kept int64) {
		t.Helper()
		for range n {
			p := newProgram("data = bytes(range(256)) * 4096\ndef main(args, context):\n    return len(data)\n", runtime.Limits{})
			p.Tenant = name
			if outcome, err := pool.Deploy(t.Context(), p); err != nil || outcome.Failure != nil {
				t.Fatalf("%+v, %v", outcome.Failure, err)
			}
			if got := result(t, pool, p, "{}"); got != "1048576" {
				t.Errorf("got %s", got)
			}
		}
		if err := w.ping(); err != nil {
			t.Fatal(err)
		}
		return uses[name].Usage().Images
	}
	all := deploy("free", 4)
	if all < 2*runtime.MiB { // on a busy machine, some of their four MiB move to disk at once
		t.Errorf("4 functions keep %d bytes", all)
	}
	limit := all/2 + runtime.MiB/2
	uses["limited"].SetLimits(runtime.TenantLimits{Images: int(limit)})
	if kept := deploy("limited", 4); kept <= 0 || kept > limit {
		t.Errorf("a tenant keeps %d bytes of %d", kept, limit)
	}
	uses["limited"].SetLimits(runtime.TenantLimits{})
	if kept := deploy("limited", 4); kept <= limit {
		t.Errorf("without its limit, a tenant keeps %d bytes, as with %d", kept, limit)
	}
	if err := pool.Close(); err != nil {
		t.Error(err)
	}
	for name, use := range uses {
		if kept := use.Usage().Images; kept != 0 {
			t.Errorf("tenant %s keeps %d bytes in no worker", name, kept)
		}
	}
}

// A worker gets the limits of a tenant once, again when they have changed, and none of a tenant without any.
func TestLimitsReachTheWorker(t *testing.T) {
	var mu sync.Mutex
	var got [][]byte
	s := &starter{t: t}
	s.serve = func(socket *net.UnixConn) error {
		c, err := newConn(socket, true)
		if err != nil {
			return err
		}
		for _, k := range []kind{kindProgram, kindContext, kindForget} {
			c.handlers[k].note = func([]byte) error { return nil }
		}
		c.handlers[kindTenant].note = func(b []byte) error {
			mu.Lock()
			defer mu.Unlock()
			got = append(got, bytes.Clone(b))
			return nil
		}
		c.handle(kindHello, pong)
		c.handle(kindPing, pong)
		c.handle(kindRun, func(context.Context, []byte, []int) ([]byte, []int, error) { return succeeded, nil, nil })
		_ = c.serve()
		return nil
	}
	use := runtime.NewTenantUse(runtime.TenantLimits{Runs: 5})
	pool := poolOf(t, s, Options{Uses: func(name runtime.Tenant) *runtime.TenantUse {
		if name == "t" {
			return use
		}
		return nil
	}})
	run := func(name runtime.Tenant) {
		t.Helper()
		p := newProgram("", runtime.Limits{})
		p.Tenant = name
		if _, err := pool.shared[0].current().run(t.Context(), &runtime.RunCall{Program: p, Args: runtime.EmptyObject, Context: runtime.EmptyObject}); err != nil {
			t.Fatal(err)
		}
	}
	run("t")
	run("other")
	use.SetLimits(runtime.TenantLimits{ProcessorShare: 300, Images: 7})
	run("t")
	run("t")
	use.SetLimits(runtime.TenantLimits{})
	run("t")
	if err := pool.shared[0].current().ping(); err != nil {
		t.Fatal(err)
	}
	of := func(share, images uint64) []byte {
		return wire.AppendUint(wire.AppendUint(wire.AppendBytes(nil, "t"), share), images)
	}
	want := [][]byte{of(300, 7), of(runtime.DefaultProcessorShare, 0)}
	mu.Lock()
	defer mu.Unlock()
	if !slices.EqualFunc(got, want, bytes.Equal) {
		t.Errorf("the worker got %q, not %q", got, want)
	}
}

// A worker applies the limits of a tenant as long as it knows programs of it, and reports no more of it afterwards.
func TestTenantsInAWorker(t *testing.T) {
	var s workerTenants
	message := wire.AppendUint(wire.AppendUint(wire.AppendBytes(nil, "t"), 300), 7)
	if err := s.onTenant(message); err == nil {
		t.Error("limits of a tenant without programs")
	}
	s.count("t", 1)
	s.count("t", 1)
	if err := s.onTenant(message); err != nil {
		t.Fatal(err)
	}
	s.count("t", -1)
	if use := s.use("t"); use.ProcessorShare() != 300 || !use.TakeImages(7) || use.TakeImages(1) {
		t.Errorf("the limits are %+v", use.Limits())
	}
	var known programs
	known.tenants.count("t", 1)
	if err := known.onKept(s.report()); err != nil || known.tenants.all["t"].kept != 7 {
		t.Errorf("reported: %d bytes, %v", known.tenants.all["t"].kept, err)
	}
	s.count("t", -1)
	if s.use("t") != nil || len(s.programs) != 0 || !bytes.Equal(s.report(), []byte{0}) {
		t.Error("the tenant is not forgotten")
	}
	for name, report := range map[string][]byte{
		"nothing": nil, "too many": wire.AppendUint(nil, maxKept+1), "half": {1, 1},
		"too much": wire.AppendUint(append(wire.AppendUint(nil, 1), message[:2]...), runtime.MaxTenantBytes+1),
	} {
		if known.onKept(report) == nil {
			t.Errorf("%s: the report is taken", name)
		}
	}
	if known.tenants.all["t"].kept != 7 {
		t.Error("a report that was refused has changed what is kept")
	}
}
