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

// takeIdle takes a slot for a call that ends at once, so that the calls of a test are never counted
// together.
func takeIdle(p *pool, img *image, tenant runtime.Tenant, most int) *slot {
	defer p.leave()
	return p.take(img, tenant, most)
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
	if got := takeIdle(p, a, "x", size); got != mine {
		t.Error("not the slot that has the image loaded for this tenant")
	}
	if got := takeIdle(p, a, "x", size); got != bare {
		t.Error("not the slot with nothing loaded")
	}
	// The idle slots have other images loaded, which will be used again, and there is room for more
	// slots.
	if got := takeIdle(p, a, "x", size); got != nil {
		t.Errorf("took a slot of another tenant: %v", got.tenant)
	}
	p.limit = 3
	if got := takeIdle(p, a, "x", size); got != theirs {
		t.Error("a full pool does not return the least recently used slot")
	}
	p.limit = 2
	if got := takeIdle(p, a, "z", size); got != other {
		t.Error("a full pool returns no slot")
	}
	p.limit = 1
	if got := takeIdle(p, a, "z", size); got != nil {
		t.Error("a slot that is too large was returned")
	}
}

// TestPoolKeepsWhatWasBusy verifies that a wave of calls finds the slots of the wave before, that no
// more are kept, and that they are closed once two periods had no use for them.
func TestPoolKeepsWhatWasBusy(t *testing.T) {
	const limit, wave = 2, 20
	img := &image{size: pageSize}
	p := newTestPool(limit)
	p.account = memory.New(runtime.GiB, nil).Open(memory.Options{Name: "idle instances"})
	var slots []*slot
	for range wave {
		if p.take(img, "x", pageSize) != nil {
			t.Fatal("an empty pool returns a slot")
		}
		slots = append(slots, poolSlot(img, "x", pageSize))
	}
	returnAll := func() {
		t.Helper()
		for _, s := range slots {
			if p.put(s) != nil {
				t.Error("a slot that was in use at once with the others is not kept")
			}
			p.leave()
		}
		slots = slots[:0]
	}
	returnAll()
	if surplus := p.put(poolSlot(img, "x", pageSize)); surplus == nil {
		t.Error("more slots are kept than were in use at once")
	}
	if removed := p.nextPeriod(); len(removed) != 0 {
		t.Errorf("%d slots were removed in the period after they were in use", len(removed))
	}
	// Another function takes them over, and none must be made.
	other := &image{size: pageSize}
	for range wave {
		s := p.take(other, "x", pageSize)
		if s == nil {
			t.Fatal("a call finds none of the slots of the wave before")
		}
		slots = append(slots, s)
	}
	if idle, busy := p.count(); idle != 0 || busy != wave {
		t.Errorf("%d slots are idle and %d busy while all are in use", idle, busy)
	}
	returnAll()
	if idle, busy := p.count(); idle != wave || busy != 0 {
		t.Errorf("%d slots are idle and %d busy while none is in use", idle, busy)
	}
	p.nextPeriod()
	if removed := p.nextPeriod(); len(removed) != wave-limit || p.idle.len() != limit {
		t.Errorf("%d slots were removed and %d are kept after two periods without a call", len(removed), p.idle.len())
	}
	if p.busy != 0 {
		t.Errorf("%d calls are counted that have ended", p.busy)
	}
}

// TestPoolLeavesWarmSlots verifies that a burst of runs does not take the slots of a function that runs all the
// time, and that these become free for others once it has stopped.
func TestPoolLeavesWarmSlots(t *testing.T) {
	const limit, concurrent, burst = 2, 4, 20
	img, other := &image{size: pageSize}, &image{size: pageSize}
	p := newTestPool(limit)
	p.account = memory.New(runtime.GiB, nil).Open(memory.Options{Name: "idle instances"})
	runs := func(img *image, n int) (found, made []*slot) {
		t.Helper()
		for range n {
			if s := p.take(img, "x", pageSize); s != nil {
				found = append(found, s)
			} else {
				made = append(made, poolSlot(img, "x", pageSize))
			}
		}
		return found, made
	}
	end := func(img *image, slots ...*slot) {
		t.Helper()
		for _, s := range slots {
			s.image = img
			if p.put(s) != nil {
				t.Error("a slot is not kept")
			}
			p.leave()
		}
	}
	_, made := runs(img, concurrent)
	end(img, made...)
	for range warmHits {
		found, _ := runs(img, concurrent)
		end(img, found...)
	}
	taken, own := runs(other, burst)
	if len(taken) != 0 {
		t.Errorf("a burst took %d slots of another function", len(taken))
	}
	if found, _ := runs(img, concurrent); len(found) != concurrent {
		t.Errorf("during a burst, %d of %d runs find their slots", len(found), concurrent)
	} else {
		end(img, found...)
	}
	end(other, own...)
	p.nextPeriod()
	p.nextPeriod()
	p.nextPeriod()
	if p.idle.warm.len != 0 || p.idle.len() != limit {
		t.Errorf("%d slots are warm, and %d kept, long after the last run", p.idle.warm.len, p.idle.len())
	}
}

// TestPoolKeepsMappedSlots verifies that functions with mapped images have slots of their own while they are
// used, up to a number and as long as there is memory, and that others have as many as without them.
func TestPoolKeepsMappedSlots(t *testing.T) {
	const limit, mapped = 2, 5
	p := newTestPool(limit)
	b := memory.New(runtime.GiB, nil)
	others := b.Open(memory.Options{Name: "others"})
	p.mapped, p.account = mapped, b.Open(memory.Options{Name: "idle instances"})
	small := &image{size: pageSize}
	images := make([]*image, mapped+1)
	for i := range images {
		images[i] = &image{size: pageSize, layout: layout{stretch: byteRange{0, pageSize}}}
	}
	call := func(img *image) (made bool) {
		s := takeIdle(p, img, "x", pageSize)
		if made = s == nil; made {
			s = poolSlot(nil, "x", pageSize)
		}
		s.image = img
		if surplus := p.put(s); surplus != nil {
			t.Error("a call leaves a surplus slot")
		}
		return made
	}
	for range limit {
		p.put(poolSlot(small, "x", pageSize))
	}
	for i, img := range images {
		if made := call(img); made != (i < mapped) {
			t.Errorf("mapped image %d: a slot was made: %v", i, made)
		}
	}
	if call(images[mapped]) || call(images[1]) {
		t.Error("a slot was made for an image that has one")
	}
	if p.idle.copied.len != limit || p.idle.mapped.len != mapped {
		t.Errorf("%d and %d slots are kept", p.idle.copied.len, p.idle.mapped.len)
	}
	// Without memory for another one, the least recently used slot is taken.
	p.mapped++
	others.Add(b.Total())
	taken := takeIdle(p, images[0], "x", pageSize)
	others.Give(b.Total())
	if taken == nil {
		t.Fatal("a slot was made without memory for it")
	}
	p.put(taken)
	p.nextPeriod()
	call(images[1])
	p.nextPeriod()
	if removed := p.nextPeriod(); len(removed) != mapped-1 || p.idle.mapped.len != 1 || p.idle.copied.len != limit {
		t.Errorf("%d slots were removed; %d and %d are kept", len(removed), p.idle.copied.len, p.idle.mapped.len)
	}
	if removed := p.nextPeriod(); len(removed) != 1 || p.idle.mapped.len != 0 || p.idle.copied.len != limit {
		t.Errorf("%d slots were removed; %d and %d are kept without a call", len(removed), p.idle.copied.len, p.idle.mapped.len)
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
	if takeIdle(p, &image{}, "a", 0) != nil {
		t.Error("a closed pool returns slots")
	}
}

// A few small slots stay in the pool without memory of the budget, even if there is none; others do
// not, and reclaiming leaves the small ones.
func TestSpareSlotsNeedNoMemory(t *testing.T) {
	b := memory.New(10*runtime.MiB, nil)
	p := &pool{limit: 8, account: b.Open(memory.Options{Name: "idle instances"}), spare: 2}
	others := b.Open(memory.Options{Name: "others"})
	others.Add(b.Total() - b.Reserve() - idleOverhead/2)
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
	if p.remove(p.idle.copied.first); p.spares != 1 || first.isSpare {
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
		if got := takeIdle(p, img, "a", step.most); got != step.want {
			t.Errorf("a run of %d bytes got %+v, want %+v", step.most, got, step.want)
		}
	}
	p.put(one)
	p.limit = 1
	if got := takeIdle(p, img, "a", 2*sizeClass); got != nil {
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
	if p.spares != 2 || p.idle.len() != 2 || p.account.Held() != 0 {
		t.Errorf("%d of %d slots are spare, and %d bytes are taken", p.spares, p.idle.len(), p.account.Held())
	}
	if got := takeIdle(p, &image{}, "a", 3*sizeClass); got != fifth {
		t.Errorf("a large run got %+v", got)
	}
}
