package sandbox

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/faaspot/faaspot/runtime"
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
			s.memory.watch()
			for at := int(sum) % pageSize; at < len(mem); at += step {
				mem[at]++
			}
			s.memory.unwatch(true)
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

// touches writes to the pages it is told to: of data that the image has, of new
// memory, and of the C stack.
const touches = `
import json
data = bytearray(4 << 20)
def main(args, context):
    for page in args["pages"]: data[page * 4096] ^= 1
    new = bytearray(args["new"])
    for at in range(0, len(new), 4096): new[at] = 1
    return json.loads("[" * args["deep"] + "0" + "]" * args["deep"])
`

// TestRunsWithoutPageFaultsAreRestored mixes runs that write nowhere new, whose
// memory is put back without asking the kernel what was written, with runs that
// do, on one slot, and compares all of its memory after each.
func TestRunsWithoutPageFaultsAreRestored(t *testing.T) {
	for kind := range trackerKinds {
		t.Run(fmt.Sprint(kind), func(t *testing.T) {
			box := trackedBox(t, kind)
			if !box.guest.base.tracker.counted {
				t.Skip("this system does not count page faults by thread")
			}
			rng := rand.New(rand.NewPCG(uint64(kind), 7))
			p, other := deployed(t, box, touches, runtime.Limits{}), deployed(t, box, touches, runtime.Limits{})
			scans := 0
			for i := range times(400) {
				pages := make([]int, 0, 4)
				size, depth := 0, 0
				switch kind := rng.IntN(40); {
				case kind < 5:
					pages = append(pages, rng.IntN(1024), rng.IntN(1024))
				case kind < 10:
					size = rng.IntN(3 << 20)
				case kind < 13:
					depth = rng.IntN(150)
				case kind == 13:
					for range 1100 { // more than are put back one by one
						pages = append(pages, rng.IntN(1024))
					}
				}
				program := p
				if rng.IntN(20) == 0 {
					program = other
				}
				args, _ := json.Marshal(map[string]any{"pages": pages, "new": size, "deep": depth})
				result(t, box, program, string(args))
				s := newest(box)
				scans = s.memory.(*mappedMemory).scans
				if at := unequal(s); at >= 0 {
					t.Fatalf("after run %d with %s the memory differs at %d", i, args, at)
				}
			}
			// Comparing reads all pages, which the last kind cannot tell from writing.
			if most := times(400) * 9 / 10; kind != trackEntries && scans > most {
				t.Errorf("the kernel was asked after %d runs: too few had no page fault", scans)
			}
		})
	}
}

// TestFaultsAreMissedByNobody writes to a page for the first time wherever a
// run might: the counter must see each.
func TestFaultsAreMissedByNobody(t *testing.T) {
	box := trackedBox(t, trackWritten)
	if !box.guest.base.tracker.counted {
		t.Skip("this system does not count page faults by thread")
	}
	p := planned(t, box, "t", 100, 1<<20, "")
	run(t, box, p, `{"plan":[]}`)
	m := newest(box).memory.(*mappedMemory)
	m.watch()
	m.unwatch(false)
	m.unwatch(true)
	if m.writtenKnown {
		t.Error("a run that may have changed its thread counts as watched")
	}
	for at := 0; at < m.size; at += 61 * pageSize {
		if err := m.dirty(func(int, int) {}); err != nil { // from here on what was written is known
			t.Fatal(err)
		}
		m.watch()
		m.region[at]++
		m.unwatch(true)
		fresh := true
		for _, w := range m.written {
			fresh = fresh && (at < w.start || at >= w.end)
		}
		if fresh && m.writtenKnown {
			t.Fatalf("the first write to page %d is not noticed", at/pageSize)
		}
	}
	if _, err := m.restore(); err != nil {
		t.Fatal(err)
	}
	if at := unequal(newest(box)); at >= 0 {
		t.Errorf("restored, it differs at %d", at)
	}
}
