package sandbox

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/faaspot/faaspot/runtime"
)

// trackedBox opens a box whose slots use the given kind of tracker. It skips the test where that
// kind does not work.
func trackedBox(t *testing.T, kind trackerKind) *Sandbox {
	t.Helper()
	box := openBox(t, Options{IdleSlots: 2})
	if !box.guest.mapped {
		t.Skip("this system does not report written pages")
	}
	tr := box.guest.base.tracker
	if kind < tr.kind {
		t.Skip("this system does not support this tracker")
	}
	tr.kind = kind
	// The slot that Open has created still uses the previous kind.
	dropNewest(t, box)
	return box
}

// countingBox opens a box whose slots look for written pages only after page faults. It skips the
// test where the system does not count them.
func countingBox(t *testing.T) *Sandbox {
	t.Helper()
	box := trackedBox(t, trackWritten)
	if !box.guest.base.tracker.countsFaults {
		t.Skip("this system does not count page faults per thread")
	}
	return box
}

// TestSlotsAreRestoredByEachTracker restores with all kinds of trackers, the oldest last.
func TestSlotsAreRestoredByEachTracker(t *testing.T) {
	for kind := trackFile; kind < trackerKinds; kind++ { // boxes use the first kind already
		t.Run(fmt.Sprint(kind), func(t *testing.T) {
			t.Parallel()
			restores(t, trackedBox(t, kind), 2+uint64(kind), "")
		})
	}
}

// TestTrackersReportWrittenPages writes to pages all over a memory, some of which were read before.
func TestTrackersReportWrittenPages(t *testing.T) {
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
			reported := map[int]bool{}
			if err := s.memory.dirty(func(start, end int) {
				for at := start; at < end; at += pageSize {
					reported[at/pageSize] = true
				}
			}); err != nil {
				t.Fatal(err)
			}
			for at := int(sum) % pageSize; at < len(mem); at += step {
				if !reported[at/pageSize] {
					t.Fatalf("page %d of %d was written but not reported", at/pageSize, len(mem)/pageSize)
				}
			}
			if _, _, err := s.memory.restore(noPause{}); err != nil {
				t.Fatal(err)
			}
			if at := unequal(s); at >= 0 {
				t.Errorf("the restored memory differs at %d", at)
			}
		})
	}
}

// faultRuns is the number of runs with each kind of tracker whose memory is compared.
const faultRuns = 100

// touches writes to the pages named in its args: of the image's data, of new memory, and of the C
// stack. It may sleep before, in between and after.
const touches = `
import json, time
data = bytearray(4 << 20)
def main(args, context):
    for page in args["pages"]:
        if args["sleep"]: time.sleep(args["sleep"] / 1e6)
        data[page * 4096 % len(data)] ^= 1
    if args["sleep"]: time.sleep(args["sleep"] / 1e6)
    new = bytearray(args["new"])
    for at in range(0, len(new), 4096): new[at] = 1
    return json.loads("[" * args["deep"] + "0" + "]" * args["deep"])
`

// filled is touches with data in its image, which is therefore mapped.
const filled = touches + `
for at in range(0, len(data), 4096): data[at] = 1
`

// TestRunsWithoutPageFaultsAreRestored mixes two sorts of runs on one slot and compares all of its
// memory after each: runs that write to no new page, which are restored without a scan by the
// kernel, and runs that do.
func TestRunsWithoutPageFaultsAreRestored(t *testing.T) {
	for kind := range trackerKinds {
		t.Run(fmt.Sprint(kind), func(t *testing.T) {
			t.Parallel()
			box := trackedBox(t, kind)
			if !box.guest.base.tracker.countsFaults {
				t.Skip("this system does not count page faults per thread")
			}
			rng := rand.New(rand.NewPCG(uint64(kind), 7))
			p, other := deployed(t, box, touches, runtime.Limits{}), deployed(t, box, filled, runtime.Limits{})
			scans := 0
			for i := range times(faultRuns) {
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
					for range 1100 { // more than restoreLimit
						pages = append(pages, rng.IntN(1024))
					}
				}
				program := p
				if rng.IntN(20) == 0 {
					program = other
				}
				sleep := 0 // µs
				if len(pages) < 5 && rng.IntN(3) == 0 {
					sleep = 1 + rng.IntN(1300) // more than lendAfter, too
				}
				args, _ := json.Marshal(map[string]any{"pages": pages, "new": size, "deep": depth, "sleep": sleep})
				result(t, box, program, string(args))
				s := newest(box)
				scans = s.memory.(*mappedMemory).scans
				if s.image == nil {
					continue // it had too many written pages; the next run loads the image again
				}
				if at := unequal(s); at >= 0 {
					t.Fatalf("after run %d with %s the memory differs at %d", i, args, at)
				}
			}
			// Runs without a page fault do occur. The comparison above reads all pages, which the last
			// kind of tracker cannot distinguish from writing.
			if kind == trackEntries {
				return
			}
			for range 100 {
				result(t, box, p, `{"pages": [], "new": 0, "deep": 0, "sleep": 0}`)
				before := scans
				if scans = newest(box).memory.(*mappedMemory).scans; scans == before {
					return
				}
			}
			t.Errorf("%d runs needed a scan: none was without page faults", scans)
		})
	}
}

// TestSwitchesAreRestored calls some functions by turns on one slot, each for a random number of
// runs, and compares all of the slot's memory after each run. The pages that a switch has written
// count as written for a while, and then no more.
func TestSwitchesAreRestored(t *testing.T) {
	for kind := range trackerKinds {
		t.Run(fmt.Sprint(kind), func(t *testing.T) {
			t.Parallel()
			box := trackedBox(t, kind)
			box.pool.limit = 1
			rng := rand.New(rand.NewPCG(uint64(kind), 11))
			var programs []runtime.Program
			for i := range 4 {
				// Images with stretches of several sizes and places, and one without.
				source := strings.Replace(filled, "4 << 20", fmt.Sprint((1<<16)<<(3*i)), 1)
				source = fmt.Sprintf("table = list(range(%d))\n%s", i*3000, source)
				programs = append(programs, deployed(t, box, source, runtime.Limits{}))
			}
			mapped := 0
			for _, p := range programs {
				img := box.images.get(keyOf(p))
				if img.stretch.len() > 0 {
					mapped++
				}
				img.release()
			}
			if mapped == 0 || mapped == len(programs) {
				t.Fatalf("%d of %d images have a stretch", mapped, len(programs))
			}
			widened, narrowed := false, false
			for round := range 4 + times(40) {
				p, runs := programs[rng.IntN(len(programs))], 1+rng.IntN(2)*rng.IntN(2*wideRuns)
				if round < 4 { // each program once, and the last one until its runs have ended the switch
					p, runs = programs[round], 1+round/3*2*wideRuns
				}
				for i := range runs {
					pages := []int{}
					if rng.IntN(8) == 0 {
						pages = append(pages, rng.IntN(1024))
					}
					args, _ := json.Marshal(map[string]any{"pages": pages, "new": 0, "deep": rng.IntN(50), "sleep": 0})
					result(t, box, p, string(args))
					s := newest(box)
					if s.image == nil {
						continue // the comparison reads all pages, which the last kind cannot distinguish from writing
					}
					if at := unequal(s); at >= 0 {
						t.Fatalf("after run %d with %s the memory differs at %d", i, args, at)
					}
					m := s.memory.(*mappedMemory)
					widened = widened || m.wide > 0
					narrowed = narrowed || widened && m.wide == 0 && i >= wideRuns
				}
			}
			if kind != trackEntries && box.guest.base.tracker.countsFaults && (!widened || !narrowed) {
				t.Errorf("a switch kept pages writable: %v, and runs after it ended that: %v", widened, narrowed)
			}
		})
	}
}

// TestSleepNeedsNoScan verifies that a run that sleeps, and lends memory, is watched to its end.
func TestSleepNeedsNoScan(t *testing.T) {
	box := countingBox(t)
	const runs = 40
	p := deployed(t, box, touches, runtime.Limits{})
	sleeps := func() int {
		before := 0
		if s := newest(box); s != nil {
			before = s.memory.(*mappedMemory).scans
		}
		for range runs {
			result(t, box, p, `{"pages":[],"new":0,"deep":0,"sleep":1100}`)
		}
		return newest(box).memory.(*mappedMemory).scans - before
	}
	sleeps() // the first runs write to new pages
	if n := sleeps(); n > runs/2 {
		t.Errorf("%d of %d runs that sleep needed a scan", n, runs)
	}
}

// TestPausedWatchKeepsFaults verifies that a page written before or after a pause is reported, and
// that what was not resumed is not counted as watched.
func TestPausedWatchKeepsFaults(t *testing.T) {
	box := countingBox(t)
	p := planned(t, box, "t", 100, 1<<20, "")
	run(t, box, p, `{"plan":[]}`)
	m := newest(box).memory.(*mappedMemory)
	reports := func(at int) bool {
		found := false
		if err := m.dirty(func(start, end int) { found = found || start <= at && at < end }); err != nil {
			t.Fatal(err)
		}
		return found
	}
	for i := range 40 {
		reports(0) // the written ranges are known from here on
		at := (i + 1) * 61 * pageSize
		m.watch()
		if i%2 == 0 {
			m.region[at]++
		}
		m.pause()
		m.resume()
		if i%2 == 1 {
			m.region[at]++
		}
		m.unwatch(true)
		if !reports(at) {
			t.Fatalf("page %d was written but not reported", at/pageSize)
		}
	}
	m.watch()
	m.pause()
	m.unwatch(true)
	if m.writtenKnown {
		t.Error("a run that was not resumed is counted as watched")
	}
	if _, _, err := m.restore(noPause{}); err != nil {
		t.Fatal(err)
	}
	if at := unequal(newest(box)); at >= 0 {
		t.Errorf("the restored memory differs at %d", at)
	}
}

// TestFaultsAreNeverMissed makes the first write to a page in every way in which a run might:
// the counter must detect each.
func TestFaultsAreNeverMissed(t *testing.T) {
	box := countingBox(t)
	p := planned(t, box, "t", 100, 1<<20, "")
	run(t, box, p, `{"plan":[]}`)
	m := newest(box).memory.(*mappedMemory)
	m.watch()
	m.unwatch(false)
	m.unwatch(true)
	if m.writtenKnown {
		t.Error("a run that may have changed its thread was counted as watched")
	}
	for at := 0; at < m.size; at += 61 * pageSize {
		if err := m.dirty(func(int, int) {}); err != nil { // the written ranges are known from here on
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
			t.Fatalf("the first write to page %d was not detected", at/pageSize)
		}
	}
	if _, _, err := m.restore(noPause{}); err != nil {
		t.Fatal(err)
	}
	if at := unequal(newest(box)); at >= 0 {
		t.Errorf("the restored memory differs at %d", at)
	}
}

// TestTouchedPagesAreRestored verifies that the pages that a swap copies beforehand, because runs
// of the image write to them, are restored after a run that has no page fault.
func TestTouchedPagesAreRestored(t *testing.T) {
	box := countingBox(t)
	p := deployed(t, box, filled, runtime.Limits{})
	other := box.images.get(keyOf(deployed(t, box, filled, runtime.Limits{})))
	defer other.release()
	img := box.images.get(keyOf(p))
	defer img.release()
	s, _, done := preparedSlot(t, box, p)
	defer done()
	m := s.memory.(*mappedMemory)
	hot := []uint32{uint32(img.stretch.start/pageSize) + 10, uint32(img.stretch.start/pageSize) + 500}
	img.hot.Store(&hot)
	for _, next := range []*image{other, img} {
		if _, _, err := m.restore(noPause{}); err != nil { // the written ranges are known from here on
			t.Fatal(err)
		}
		if err := s.prepare(next, p.Tenant); err != nil {
			t.Fatal(err)
		}
	}
	if !m.writtenKnown {
		t.Fatal("the swap marked all pages as unwritten")
	}
	scans := m.scans
	for _, page := range hot {
		m.watch()
		m.region[int(page)*pageSize]++
		m.unwatch(true)
	}
	if _, restored, err := m.restore(noPause{}); !restored || err != nil {
		t.Fatal(restored, err)
	}
	if m.scans != scans {
		t.Error("a write to a page that was copied beforehand has caused a page fault")
	}
	if at := unequal(s); at >= 0 {
		t.Errorf("the restored memory differs at %d", at)
	}
}

// TestWhatSleepingRunsWriteIsLearned verifies that pages of a mapped image are copied beforehand for
// later loads if runs write to them, also if these runs wait and lend their memory.
func TestWhatSleepingRunsWriteIsLearned(t *testing.T) {
	box := countingBox(t)
	p := deployed(t, box, `
import time

data = bytearray(8 << 20)
for at in range(0, len(data), 4096): data[at] = 1

def main(args, context):
    data[1 << 20] = 2
    time.sleep(0.002)
    return 1
`, runtime.Limits{})
	img := box.images.get(keyOf(p))
	defer img.release()
	if img.stretch.len() == 0 {
		t.Fatal("the image has no stretch")
	}
	if outcome, err := box.Run(t.Context(), runtime.RunCall{Program: p, Args: runtime.EmptyObject, Context: runtime.EmptyObject, Room: &room{}}); err != nil || outcome.Failure != nil {
		t.Fatal(outcome.Failure, err)
	}
	settle(box)
	if hot := img.hot.Load(); hot == nil || len(*hot) == 0 {
		t.Error("nothing was learned of a run that has slept")
	}
}
