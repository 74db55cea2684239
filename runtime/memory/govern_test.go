package memory

import (
	"context"
	goruntime "runtime"
	"runtime/debug"
	"testing"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

func TestGovernor(t *testing.T) {
	const plenty = 1 << 40
	const quiet = defaultQuiet
	g := governor{base: 100 * runtime.MiB, floor: 1 << 40, quiet: quiet}
	at := time.Now()
	later := func(d time.Duration) time.Time {
		at = at.Add(d)
		return at
	}
	if limit, change := g.limit(0, plenty, at); !change || limit != g.base {
		t.Fatalf("the first limit is %d, %v", limit, change)
	}
	if _, change := g.limit(limitStep-1, plenty, later(governPeriod)); change {
		t.Error("a small change changes the limit")
	}
	held := int64(80 * runtime.MiB)
	if limit, change := g.limit(held, plenty, later(governPeriod)); !change || limit != g.base+held {
		t.Errorf("with more held the limit is %d, %v", limit, change)
	}
	if limit, change := g.limit(0, plenty, later(governPeriod)); change || limit != g.base+held || g.shouldCollect(limit, 0, at) {
		t.Errorf("just after it was given back, the limit is %d, %v", limit, change)
	}
	if limit, change := g.limit(0, 10*runtime.MiB, later(governPeriod)); !change || limit != g.base+10*runtime.MiB {
		t.Errorf("when others need what was given back, the limit is %d, %v", limit, change)
	}
	if !g.shouldCollect(g.current+excess+1, 0, at) || g.shouldCollect(g.current+excess+1, 0, later(collectPause/2)) {
		t.Error("an excess is collected once per pause")
	}
	for range 2 {
		g.limit(0, plenty, later(window))
	}
	if limit, _ := g.limit(0, plenty, later(governPeriod)); limit != g.base {
		t.Errorf("long after it was given back, the limit is %d", limit)
	}

	g.floor, g.has = 20*runtime.MiB, 20*runtime.MiB
	has := g.floor + growth + 1
	for range 10 { // waves
		if g.shouldCollect(has, 0, later(quiet/2)) || g.shouldCollect(g.floor, 0, later(quiet/2)) {
			t.Error("memory that is soon needed again is returned")
		}
	}
	if g.shouldCollect(has, 0, at) || !g.shouldCollect(has, 0, later(quiet)) {
		t.Error("memory that is not needed any more is not returned")
	}
	g.floor, g.has = has-growth/2, has-growth/2
	if g.shouldCollect(has, 0, later(time.Hour)) {
		t.Error("little growth is returned")
	}
}

// Memory that an account has given back leaves the process.
func TestGovernReturnsMemory(t *testing.T) {
	b := New(1<<30, nil)
	b.quiet = 100 * time.Millisecond
	a := b.Open(Options{Name: "bodies", Heap: true})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		b.Govern(ctx)
		close(ended)
	}()
	await(t, "there is a limit", func() bool { return debug.SetMemoryLimit(-1) < 1<<40 })
	before := debug.SetMemoryLimit(-1)
	const size = 256 * runtime.MiB
	a.Add(size)
	var body struct{ held []byte }
	body.held = make([]byte, size)
	for i := 0; i < len(body.held); i += 4096 {
		body.held[i] = 1
	}
	await(t, "the limit follows what is held", func() bool { return debug.SetMemoryLimit(-1) > size })
	full := goMemory()
	goruntime.KeepAlive(&body)
	body.held = nil
	a.Give(size)
	await(t, "freed memory is returned", func() bool { return goMemory() < full-size*3/4 })
	stop()
	<-ended
	if after := debug.SetMemoryLimit(-1); after < before {
		t.Errorf("the limit stays at %d", after)
	}
	if r := Resident(); goruntime.GOOS == "linux" && (r < runtime.MiB || r > 1<<40) {
		t.Errorf("the process has %d bytes resident", r)
	}
}

func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not after 30 s: %s", what)
		}
	}
}

// TestMemoryOfALoadIsReturned collects in the middle of a load, in which Go needs much: what it still has when
// the load has ended is returned, once.
func TestMemoryOfALoadIsReturned(t *testing.T) {
	const idle, loaded = 30 * runtime.MiB, 200 * runtime.MiB
	at := time.Now()
	g := governor{base: 100 * runtime.MiB, floor: idle, has: idle, quiet: defaultQuiet}
	g.limit(0, 0, at)
	for range 3 {
		at = at.Add(collectPause)
		if !g.shouldCollect(loaded+excess, 0, at) {
			t.Fatal("an excess is not collected")
		}
		g.returned(loaded - 100*runtime.MiB)
	}
	const left = loaded - 100*runtime.MiB // below the limit
	if at = at.Add(defaultQuiet); !g.shouldCollect(left, 0, at) {
		t.Error("what is left of a load is not returned")
	}
	g.returned(left) // it is needed
	for range 10 {
		if at = at.Add(defaultQuiet); g.shouldCollect(left, 0, at) {
			t.Error("what is needed is collected again")
		}
	}
}
