package sandbox

import (
	"testing"

	"github.com/faaspot/faaspot/runtime"
)

// poolSlot returns a slot with the fields that the pool uses.
func poolSlot(img *image, tenant runtime.Tenant, size int) *slot {
	return &slot{image: img, tenant: tenant, memory: newCopiedMemory(size, size)}
}

func TestPoolGivesTheBestSlot(t *testing.T) {
	const size = 4 * pageSize
	a, b := &image{size: size}, &image{size: size}
	mine, theirs, bare := poolSlot(a, "x", size), poolSlot(a, "y", size), poolSlot(nil, "", size)
	other, large := poolSlot(b, "x", size), poolSlot(nil, "", 2*size)
	p := &pool{limit: 8}
	for _, s := range []*slot{mine, theirs, bare, other, large} {
		if p.put(s) != nil {
			t.Fatal("no room")
		}
	}
	if got := p.take(a, "x"); got != mine {
		t.Error("not the one that has the image laid for this tenant")
	}
	if got := p.take(a, "x"); got != bare {
		t.Error("not the one with nothing laid")
	}
	// The idle slots have other images loaded, which will be used again, and there is room for more
	// slots.
	if got := p.take(a, "x"); got != nil {
		t.Errorf("took another's: %v", got.tenant)
	}
	p.limit = 3
	if got := p.take(a, "x"); got != theirs {
		t.Error("a full pool does not give the one used longest ago")
	}
	p.limit = 2
	if got := p.take(a, "z"); got != other {
		t.Error("a full pool gives none")
	}
	p.limit = 1
	if got := p.take(a, "z"); got != nil {
		t.Error("one that is too large was taken")
	}
}

func TestPoolIsBounded(t *testing.T) {
	p := &pool{limit: 2}
	slots := []*slot{poolSlot(nil, "a", pageSize), poolSlot(nil, "b", pageSize), poolSlot(nil, "c", pageSize)}
	p.put(slots[0])
	p.put(slots[1])
	if got := p.put(slots[2]); got != slots[0] {
		t.Error("the surplus is not the one used longest ago")
	}
	if idle := p.close(); len(idle) != 2 {
		t.Errorf("%d were idle", len(idle))
	}
	if got := p.put(slots[0]); got != slots[0] {
		t.Error("a closed pool keeps slots")
	}
	if p.take(&image{}, "a") != nil {
		t.Error("a closed pool gives slots")
	}
}
