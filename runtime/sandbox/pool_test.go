package sandbox

import (
	"testing"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/memory"
)

// newTestPool returns a pool with enough memory.
func newTestPool(limit int) *pool {
	return &pool{limit: limit, account: memory.New(runtime.MiB, nil).Open(memory.Options{Name: "idle instances"})}
}

// poolSlot returns a slot with the fields that the pool uses.
func poolSlot(img *image, tenant runtime.Tenant, size int) *slot {
	return &slot{image: img, tenant: tenant, memory: newCopiedMemory(size, size), reserved: sizeClass}
}

func TestPoolTakesTheBestSlot(t *testing.T) {
	const size = 4 * pageSize
	a, b := &image{size: size}, &image{size: size}
	mine, theirs, bare := poolSlot(a, "x", size), poolSlot(a, "y", size), poolSlot(nil, "", size)
	other, large := poolSlot(b, "x", size), poolSlot(nil, "", 2*size)
	p := newTestPool(8)
	for _, s := range []*slot{mine, theirs, bare, other, large} {
		if p.put(s) != nil {
			t.Fatal("no room")
		}
	}
	if got := p.take(a, "x", size); got != mine {
		t.Error("not the slot that has the image loaded for this tenant")
	}
	if got := p.take(a, "x", size); got != bare {
		t.Error("not the slot with nothing loaded")
	}
	// The idle slots have other images loaded, which will be used again, and there is room for more
	// slots.
	if got := p.take(a, "x", size); got != nil {
		t.Errorf("took a slot of another tenant: %v", got.tenant)
	}
	p.limit = 3
	if got := p.take(a, "x", size); got != theirs {
		t.Error("a full pool does not return the least recently used slot")
	}
	p.limit = 2
	if got := p.take(a, "z", size); got != other {
		t.Error("a full pool returns no slot")
	}
	p.limit = 1
	if got := p.take(a, "z", size); got != nil {
		t.Error("a slot that is too large was returned")
	}
}

func TestPoolIsBounded(t *testing.T) {
	p := newTestPool(2)
	slots := []*slot{poolSlot(nil, "a", pageSize), poolSlot(nil, "b", pageSize), poolSlot(nil, "c", pageSize)}
	p.put(slots[0])
	p.put(slots[1])
	if got := p.put(slots[2]); got != slots[0] {
		t.Error("the surplus is not the least recently used slot")
	}
	if idle := p.close(); len(idle) != 2 {
		t.Errorf("%d were idle", len(idle))
	}
	if got := p.put(slots[0]); got != slots[0] {
		t.Error("a closed pool accepts slots")
	}
	if p.take(&image{}, "a", 0) != nil {
		t.Error("a closed pool returns slots")
	}
}

// A few small slots stay in the pool without memory of the budget, even if there is none; others do
// not, and reclaiming leaves the small ones.
func TestSpareSlotsNeedNoMemory(t *testing.T) {
	b := memory.New(10*runtime.MiB, nil)
	p := &pool{limit: 8, account: b.Open(memory.Options{Name: "idle instances"}), spare: 2}
	others := b.Open(memory.Options{Name: "others"})
	others.Add(b.Total())
	small := func() *slot { return &slot{idle: runtime.MiB} }
	first, second := small(), small()
	if p.put(first) != nil || p.put(second) != nil {
		t.Fatal("a spare slot is refused")
	}
	if third := small(); p.put(third) != third {
		t.Error("a third slot is kept without memory")
	}
	large := &slot{idle: 2 * spareBytes}
	others.Give(b.Total())
	if p.put(large) != nil || p.account.Held() != large.idle {
		t.Errorf("%d bytes are taken for a large slot", p.account.Held())
	}
	if removed, n := p.reclaim(1 << 40); len(removed) != 1 || removed[0] != large || n != large.idle {
		t.Errorf("%d slots with %d bytes were reclaimed", len(removed), n)
	}
	if p.remove(0); p.spares != 1 || first.isSpare {
		t.Errorf("%d slots are spare after one has left", p.spares)
	}
}

// A run gets only a slot whose memory can grow to its limit, even if a smaller one has its image, and
// leaves larger slots to the runs that need them.
func TestPoolTakesASlotThatIsLargeEnough(t *testing.T) {
	const size = 4 * pageSize
	img := &image{size: size}
	slotOf := func(img *image, classes int) *slot {
		s := poolSlot(img, "a", size)
		s.reserved = classes * sizeClass
		return s
	}
	loaded, three, one, two := slotOf(img, 1), slotOf(nil, 3), slotOf(nil, 1), slotOf(nil, 2)
	p := newTestPool(8)
	for _, s := range []*slot{three, loaded, one, two} {
		if p.put(s) != nil {
			t.Fatal("no room")
		}
	}
	for _, step := range []struct {
		most int
		want *slot
	}{
		{sizeClass + 1, two},
		{sizeClass, loaded},
		{runtime.MinMemory, one},
		{3*sizeClass + 1, nil},
		{runtime.MinMemory, three},
		{runtime.MinMemory, nil},
	} {
		if got := p.take(img, "a", step.most); got != step.want {
			t.Errorf("a run of %d bytes got %+v, want %+v", step.most, got, step.want)
		}
	}
	p.put(one)
	p.limit = 1
	if got := p.take(img, "a", 2*sizeClass); got != nil {
		t.Error("a full pool returns a slot that is too small")
	}
	if surplus := p.put(two); surplus != one {
		t.Error("a larger slot does not replace the least recently used one")
	}
}

// Spare slots that are too small for a run give way to one that any run can use.
func TestLargerSpareSlotsReplaceSmallerOnes(t *testing.T) {
	b := memory.New(10*runtime.MiB, nil)
	p := &pool{limit: 8, account: b.Open(memory.Options{Name: "idle instances"}), spare: 2}
	b.Open(memory.Options{Name: "others"}).Add(b.Total())
	spare := func(classes int) *slot {
		return &slot{idle: runtime.MiB, reserved: classes * sizeClass, memory: newCopiedMemory(0, 0)}
	}
	first, second, third, fourth, fifth := spare(1), spare(1), spare(3), spare(2), spare(3)
	refused := spare(2) // it is larger than none
	for i, step := range []struct{ put, surplus *slot }{
		{first, nil}, {second, nil}, {third, first}, {fourth, second}, {refused, refused}, {fifth, fourth},
	} {
		if got := p.put(step.put); got != step.surplus {
			t.Errorf("the surplus of step %d is %+v, want %+v", i, got, step.surplus)
		}
	}
	if p.spares != 2 || len(p.idle) != 2 || p.account.Held() != 0 {
		t.Errorf("%d of %d slots are spare, and %d bytes are taken", p.spares, len(p.idle), p.account.Held())
	}
	if got := p.take(&image{}, "a", 3*sizeClass); got != third {
		t.Errorf("a large run got %+v", got)
	}
}
