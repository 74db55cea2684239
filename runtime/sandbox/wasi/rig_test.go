package wasi

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"

	"github.com/faaspot/faaspot/runtime/sandbox/tlsengine"
)

// exit is the panic value of the fake control when the guest exits.
type exit struct{ code uint32 }

// fakeControl is a run that grants and records everything by default.
type fakeControl struct {
	clock       *fakeClock
	logged      [3]bytes.Buffer
	charged     int64
	most        int64 // refuse charges beyond this
	peak        int64
	slept       []time.Duration
	checkpoints int
	execution   string
	connections int
	mostHeld    int // refuse more connections than that; 0: none is refused
	files       int
	mostFiles   int           // refuse more files than that; 0: none is refused
	patience    time.Duration // a longer wait ends the run; 0: 20 s
	waits       int
	onSleep     func()
	onCheck     func()
}

func (c *fakeControl) Sleep(d time.Duration) {
	c.slept = append(c.slept, d)
	if c.onSleep != nil {
		c.onSleep()
	}
	c.clock.wall += int64(d)
	c.clock.monotonic += int64(d)
}

func (c *fakeControl) Exit(code uint32) { panic(exit{code}) }

func (c *fakeControl) Log(stream int, p []byte) { c.logged[stream].Write(p) }

func (c *fakeControl) Execution() []byte { return []byte(c.execution) }

func (c *fakeControl) Charge(n int64) bool {
	if n > 0 && c.charged+n > c.most {
		return false
	}
	c.charged += n
	c.peak = max(c.peak, c.charged)
	return true
}

func (c *fakeControl) Checkpoint() {
	c.checkpoints++
	if c.onCheck != nil {
		c.onCheck()
	}
}

// Wait lets the clock of the machine decide, and moves the fake clock by what has passed.
func (c *fakeControl) Wait(d time.Duration, wait func(ctx context.Context, until time.Time) bool) {
	c.waits++
	began := time.Now()
	limit := cmp.Or(c.patience, 20*time.Second)
	if d < limit {
		limit = d
	}
	done := wait(context.Background(), began.Add(limit))
	passed := max(int64(time.Since(began)), 1)
	if !done && limit == d {
		passed = max(passed, int64(d))
	}
	c.clock.wall += passed
	c.clock.monotonic += passed
	if !done && limit < d {
		panic(errEnd)
	}
}

func (c *fakeControl) Hold(n int) bool {
	if n > 0 && c.mostHeld > 0 && c.connections+n > c.mostHeld {
		return false
	}
	c.connections += n
	return true
}

func (c *fakeControl) HoldFiles(n int) bool {
	if n > 0 && c.mostFiles > 0 && c.files+n > c.mostFiles {
		return false
	}
	c.files += n
	return true
}

func (c *fakeControl) Trust() Trust { return fakeTrust{testTrust} }

// testTrust keeps the trust anchors of all rigs.
var testTrust = tlsengine.NewStore(func(int64) {})

// fakeTrust are the trust anchors of one tenant.
type fakeTrust struct{ *tlsengine.Store }

func (f fakeTrust) Find(sum string) *tlsengine.Roots { return f.Store.Find("tenant", sum) }
func (f fakeTrust) Keep(r *tlsengine.Roots) bool     { return f.Store.Keep("tenant", r) }

// fakeClock moves only when a test moves it.
type fakeClock struct{ wall, monotonic int64 }

func (c *fakeClock) Now() (int64, int64) { return c.wall, c.monotonic }

// rig is a System and a guest's memory, with methods to call the System's functions.
type rig struct {
	t       testing.TB
	sys     *System
	control *fakeControl
	clock   *fakeClock
	mem     guest
	kept    int64 // bytes charged for content of a State since the last reset

	network   *testNetwork
	addresses []netip.AddrPort // of the network
}

// testTree is the Tree of the rigs.
var testTree = map[string][]byte{
	"/usr/lib/python313.zip": bytes.Repeat([]byte("0123456789abcdef"), 10_000),
	"/usr/lib/empty":         nil,
	"/usr/share/a/b/c":       []byte("deep"),
	"root":                   []byte("at the root"),
}

func mustTree(t testing.TB) *Tree {
	tree, err := NewTree(testTree)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

const testPages = 32

// Addresses in guest memory that the rig uses.
const (
	atPath   = 0x1000
	atPath2  = 0x12000
	atVector = 0x30000
	atResult = 0x38000
	atBuffer = 0x40000
)

func newRig(t testing.TB) *rig { return newRigOn(t, mustTree(t), testPages) }

func newRigOn(t testing.TB, tree *Tree, pages byte) *rig {
	ctx := context.Background()
	rt := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
	t.Cleanup(func() { rt.Close(ctx) })
	m, err := rt.Instantiate(ctx, guestModule(pages, nil))
	if err != nil {
		t.Fatal(err)
	}
	clock := &fakeClock{wall: 1_700_000_000e9, monotonic: 5e9}
	control := &fakeControl{clock: clock, most: math.MaxInt64}
	sys, err := New(Config{
		Tree: tree, Clock: clock, Random: randomReader{rand.New(rand.NewPCG(1, 2))}, Control: control,
		Args: []string{"python", "-c", ""}, Env: []string{"A=1", "PATH=/usr/bin"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return &rig{t: t, sys: sys, control: control, clock: clock, mem: guest{m.Memory()}}
}

type randomReader struct{ r *rand.Rand }

func (r randomReader) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(r.r.Uint32())
	}
	return len(p), nil
}

// functionNamed returns a function of the table.
func functionNamed(name string) function {
	for _, f := range functions {
		if f.name == name {
			return f
		}
	}
	panic("no function " + name)
}

// call calls a function with these parameters.
func (r *rig) call(name string, params ...uint64) errno {
	f := functionNamed(name)
	if len(params) != len(f.params) {
		r.t.Fatalf("%s takes %d parameters, not %d", name, len(f.params), len(params))
	}
	return f.call(r.sys, r.mem, params)
}

func (r *rig) put(at uint32, data string) (uint64, uint64) {
	if !r.mem.WriteString(at, data) {
		r.t.Fatalf("%d bytes do not fit at %#x", len(data), at)
	}
	return uint64(at), uint64(len(data))
}

func (r *rig) result() uint32 {
	v, _ := r.mem.ReadUint32Le(atResult)
	return v
}

func (r *rig) result64() uint64 {
	v, _ := r.mem.ReadUint64Le(atResult)
	return v
}

// recovered runs f and returns the value of its panic.
func recovered(f func()) (v any) {
	defer func() { v = recover() }()
	f()
	return nil
}

var errEnd = errors.New("the run ends")
