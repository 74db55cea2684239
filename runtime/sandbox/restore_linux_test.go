package sandbox

import (
	"fmt"
	"testing"
)

// trackedBox opens a box whose slots tell written pages in the given way. It
// skips the test where that way does not work.
func trackedBox(t *testing.T, kind trackerKind) *Sandbox {
	t.Helper()
	box := openBox(t, Options{IdleSlots: 2})
	if !box.guest.mapped {
		t.Skip("this system does not tell written pages")
	}
	tr := box.guest.base.tracker
	if kind < tr.kind {
		t.Skip("this system does not have it")
	}
	tr.kind = kind
	// The one that Open has made still asks in its own way.
	dropNewest(t, box)
	return box
}

// TestSlotsComeBackByEachTracker restores by all the ways in which kernels tell
// written pages, the oldest last.
func TestSlotsComeBackByEachTracker(t *testing.T) {
	for kind := trackFile; kind < trackerKinds; kind++ { // the first is what boxes have anyway
		t.Run(fmt.Sprint(kind), func(t *testing.T) { restores(t, trackedBox(t, kind), 2+uint64(kind)) })
	}
}

// TestTrackersTellWhatWasWritten writes to pages spread over all of a memory,
// some of which were read before.
func TestTrackersTellWhatWasWritten(t *testing.T) {
	const step = 97 * pageSize
	for kind := range trackerKinds {
		t.Run(fmt.Sprint(kind), func(t *testing.T) {
			box := trackedBox(t, kind)
			p := planned(t, box, "t", 100, 1<<20, "")
			run(t, box, p, `{"plan":[]}`)
			s := newest(box)
			mem := s.memory.data()
			var sum byte
			for at := 0; at < len(mem); at += step / 2 {
				sum += mem[at]
			}
			for at := int(sum) % pageSize; at < len(mem); at += step {
				mem[at]++
			}
			told := map[int]bool{}
			if err := s.memory.dirty(func(start, end int) {
				for at := start; at < end; at += pageSize {
					told[at/pageSize] = true
				}
			}); err != nil {
				t.Fatal(err)
			}
			for at := int(sum) % pageSize; at < len(mem); at += step {
				if !told[at/pageSize] {
					t.Fatalf("page %d of %d was written, and is not told", at/pageSize, len(mem)/pageSize)
				}
			}
			if _, err := s.memory.restore(); err != nil {
				t.Fatal(err)
			}
			if at := unequal(s); at >= 0 {
				t.Errorf("restored, it differs at %d", at)
			}
		})
	}
}
