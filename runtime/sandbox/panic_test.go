package sandbox

import (
	"context"
	"math"
	"testing"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/memory"
)

// panickyMemory panics at the n-th call of one of its methods.
type panickyMemory struct {
	guestMemory
	method string
	n      int
}

func (m *panickyMemory) count(method string) {
	if method == m.method {
		if m.n--; m.n == 0 {
			panic(method)
		}
	}
}

func (m *panickyMemory) load(img *image, p pauser) error {
	m.count("load")
	return m.guestMemory.load(img, p)
}

func (m *panickyMemory) swap(img *image, p pauser) error {
	m.count("load")
	return m.guestMemory.swap(img, p)
}

func (m *panickyMemory) restore(p pauser) (int, bool, error) {
	m.count("restore")
	return m.guestMemory.restore(p)
}

func (m *panickyMemory) surrender(start, end int) error {
	m.count("surrender")
	return m.guestMemory.surrender(start, end)
}

func (m *panickyMemory) watch() {
	m.count("watch")
	m.guestMemory.watch()
}

func (m *panickyMemory) unwatch(finished bool) {
	if finished {
		m.count("unwatch")
	}
	m.guestMemory.unwatch(finished)
}

func (m *panickyMemory) dirty(f func(start, end int)) error {
	m.count("dirty")
	return m.guestMemory.dirty(f)
}

// TestPanicLeavesNothing makes the work of the host for a call panic at every stage: the panic
// reaches the caller, and the call leaves no memory, image or permit behind.
func TestPanicLeavesNothing(t *testing.T) {
	budget := memory.New(512*runtime.MiB, nil)
	box := openBox(t, Options{Memory: budget, IdleSlots: 1})
	if !box.guest.mapped {
		t.Skip("this system does not report written pages")
	}
	places := box.processors.free
	// mappings closes the idle slots, and returns how many mappings of slots there are.
	mappings := func() int {
		box.reclaimSlots(math.MaxInt64)
		settle(box)
		return processCounts(t).images
	}
	before := mappings()
	large := program("x = bytearray(b'1') * (8 << 20)\n"+fine, runtime.Limits{})
	deploy := func() { box.Deploy(context.Background(), large) }
	for _, c := range []struct {
		method string
		n      int
		deploy bool
	}{
		{"load", 1, false},
		{"watch", 1, false},
		{"unwatch", 1, false},
		{"restore", 1, false},
		{"dirty", 1, true},     // the search for the pages of the new image
		{"surrender", 1, true}, // the creation of the image
		{"restore", 2, true},   // after the image was created
	} {
		// The only idle slot serves every call; it is bare, or has nothing loaded.
		p := deployed(t, box, hello, runtime.Limits{})
		settle(box)
		if box.pool.idle.len() != 1 {
			t.Fatalf("%d slots are idle", box.pool.idle.len())
		}
		slot := newest(box)
		slot.memory = &panickyMemory{slot.memory, c.method, c.n}
		call := deploy
		if !c.deploy {
			call = func() {
				box.Run(context.Background(), runtime.RunCall{Program: p, Args: helloArgs, Context: noContext})
			}
		}
		if got := panicOf(call); got != c.method {
			t.Errorf("%+v: the panic is %v", c, got)
		}
		box.Forget(p.FunctionID, p.Version)
		box.Forget(large.FunctionID, large.Version)
		if after := mappings(); after != before {
			t.Errorf("%+v: %d mappings of slots, before %d", c, after, before)
		}
		if budget.Heap() != 0 || box.processors.free != places {
			t.Errorf("%+v: %d permits are free, %d bytes of the heap are taken", c, box.processors.free, budget.Heap())
		}
		for _, h := range budget.Holders() {
			if h.Bytes != 0 && h.Name != "native stacks" { // those of places
				t.Errorf("%+v: %d bytes of %s are still taken", c, h.Bytes, h.Name)
			}
		}
	}
}

// panicOf calls f and returns the value of its panic, or nil.
func panicOf(f func()) (value any) {
	defer func() { value = recover() }()
	f()
	return nil
}
