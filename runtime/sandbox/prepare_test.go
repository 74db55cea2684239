package sandbox

import (
	"testing"

	"github.com/faaspot/faaspot/runtime"
)

// countingMemory counts how often an image is loaded or swapped.
type countingMemory struct {
	copiedMemory
	loaded, swapped int
}

func (m *countingMemory) load(*image, pauser) error {
	m.loaded++
	return nil
}

func (m *countingMemory) swap(*image, pauser) error {
	m.swapped++
	return nil
}

// TestTenantsShareNoPages verifies that a slot gets a fresh memory, whatever restoring would do,
// when it moves to another tenant or when no image is known to be loaded.
func TestTenantsShareNoPages(t *testing.T) {
	const size = 4 * pageSize
	g := &guest{base: &baseImage{size: size}}
	images := [2]*image{{base: g.base, size: size}, {base: g.base, size: size}}
	for _, img := range images {
		img.holders.Store(1)
	}
	m := &countingMemory{copiedMemory: *newCopiedMemory(size, size)}
	s := &slot{guest: g, memory: m}
	for i, step := range []struct {
		image           int
		tenant          runtime.Tenant
		loaded, swapped int // totals so far
	}{
		{0, "a", 1, 0},
		{0, "a", 1, 0},
		{1, "a", 1, 1},
		{1, "b", 2, 1},
		{0, "a", 3, 1},
		{0, "b", 4, 1},
	} {
		if err := s.prepare(images[step.image], step.tenant); err != nil {
			t.Fatal(err)
		}
		if m.loaded != step.loaded || m.swapped != step.swapped || s.image != images[step.image] || s.tenant != step.tenant {
			t.Errorf("step %d: loaded %d times, swapped %d times; want %d and %d", i, m.loaded, m.swapped, step.loaded, step.swapped)
		}
	}
	s.unload()
	if err := s.prepare(images[0], "b"); err != nil || m.loaded != 5 {
		t.Errorf("an unloaded image is not loaded again: %d, %v", m.loaded, err)
	}
	s.unload()
	for i, img := range images {
		if n := img.holders.Load(); n != 1 {
			t.Errorf("image %d has %d holders", i, n)
		}
	}
}
