package wasi

import (
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

// dump returns all of /tmp: files with their content, links with their target, directories with
// "dir".
func dump(s *System) map[string]string {
	all := map[string]string{}
	var visit func(slot uint32, at string)
	visit = func(slot uint32, at string) {
		for e := range s.tmp.nodes[slot].entries.entries() {
			n, p := s.tmp.nodes[e.slot], at+"/"+e.name
			if n.isDir {
				all[p] = "dir"
				visit(e.slot, p)
				continue
			}
			if n.target != nil {
				all[p] = "link " + string(n.target)
				continue
			}
			content := make([]byte, n.size)
			s.readAt(n, content, 0)
			all[p] = "file " + string(content)
		}
	}
	visit(0, "")
	return all
}

// deploy returns a State: files of several sizes, a deep directory, a removed file that is open as
// descriptor 4, and stdin closed.
func (r *rig) deploy() *State {
	r.t.Helper()
	r.reset(nil)
	for i := range 30 {
		r.store(fmt.Sprintf("tmp/f%d", i), strings.Repeat("s", 10*i))
	}
	r.store("tmp/big", strings.Repeat("0123456789", 30_000))
	for i := range 5 { // leaves free slots
		r.want("unlink", r.unlink(fmt.Sprintf("tmp/f%d", 20+i)), success)
	}
	for _, dir := range []string{"tmp/d", "tmp/d/e", "tmp/d/e/f"} {
		r.want("mkdir", r.mkdir(dir), success)
	}
	r.store("tmp/d/e/f/deep", "deep")
	r.want("symlink", r.symlink("d/e", "tmp/soft"), success)
	r.want("link", r.link("tmp/f7", "tmp/hard"), success)
	fd := r.mustOpen("tmp/unlinked", openCreate, forBoth)
	r.write(fd, "no name")
	r.want("unlink", r.unlink("tmp/unlinked"), success)
	r.want("close", r.close(0), success)
	return r.capture()
}

func TestCaptureOfNothing(t *testing.T) {
	r := newRig(t)
	if r.capture() != nil {
		t.Error("a fresh System has a State")
	}
	r.store("tmp/f", "x")
	r.want("unlink", r.unlink("tmp/f"), success)
	if r.capture() != nil {
		t.Error("an emptied /tmp makes a State")
	}
	r.want("close", r.close(2), success)
	if r.capture() == nil {
		t.Error("a closed descriptor makes no State")
	}
}

func TestCaptureKeepsEverything(t *testing.T) {
	r := newRig(t)
	state := r.deploy()
	before := dump(r.sys)
	if got, most := state.Size(), int64(700_000); got < 300_000 || got > most {
		t.Errorf("a State of 300 kB reports %d bytes", got)
	}
	r.reset(nil)
	if names := r.names("tmp"); len(names) != 0 || r.control.charged != 0 {
		t.Errorf("a run without State sees %q and has %d bytes charged", names, r.control.charged)
	}
	r.reset(state)
	if after := dump(r.sys); !maps.Equal(before, after) {
		t.Error("the content differs")
	}
	if s, err := r.pread(4, 100, 0); s != "no name" || err != success {
		t.Errorf("the open file holds %q, errno %d", s, err)
	}
	_, err := r.read(0, 1)
	r.want("stdin", err, eBADF)
	if r.control.charged != 0 {
		t.Errorf("reading is charged %d bytes", r.control.charged)
	}
	r.want("close", r.close(4), success)
	r.check()
	r.reset(state)
	if s, _ := r.pread(4, 100, 0); s != "no name" {
		t.Errorf("after a run that closed it, the open file holds %q", s)
	}
}

// TestFreeSlotsAreNotShared lets runs of one State use up and release slots that the State left
// free.
func TestFreeSlotsAreNotShared(t *testing.T) {
	r := newRig(t)
	state := r.deploy()
	for range 3 {
		r.reset(state)
		r.store("tmp/new", "takes a free slot")
		r.want("unlink", r.unlink("tmp/f1"), success)
		r.want("unlink", r.unlink("tmp/new"), success)
		r.check()
		r.reset(state)
		r.check()
	}
}

// TestCopyIsSmall changes one byte of a large file.
func TestCopyIsSmall(t *testing.T) {
	r := newRig(t)
	state := r.deploy()
	r.reset(state)
	fd := r.mustOpen("tmp/big", 0, forBoth)
	r.pwrite(fd, "X", 100_000)
	if got := r.control.charged; got > blockSize+2*inodeCost+10*blockCost {
		t.Errorf("%d bytes are charged", got)
	}
	if s, _ := r.pread(fd, 3, 99_999); s != "9X1" {
		t.Errorf("the content is %q", s)
	}
	r.check()
	r.reset(state)
	fd = r.mustOpen("tmp/big", 0, forBoth)
	if s, _ := r.pread(fd, 3, 99_999); s != "901" {
		t.Errorf("the next run sees %q", s)
	}
}

// vandal applies random operations to /tmp.
func vandal(t *rapid.T, r *rig, mark string, steps int) {
	paths := []string{"tmp/big", "tmp/f7", "tmp/f8", "tmp/d", "tmp/d/e", "tmp/d/e/f", "tmp/d/e/f/deep", "tmp/new", "tmp/d/new", "tmp/soft", "tmp/hard"}
	path := rapid.SampledFrom(paths)
	for range steps {
		p := path.Draw(t, "path")
		switch rapid.IntRange(0, 11).Draw(t, "what") {
		case 0:
			r.unlink(p)
		case 1:
			r.rmdir(p)
		case 2:
			r.rename(p, path.Draw(t, "to"))
		case 3:
			r.mkdir(p)
		case 4:
			r.pwrite(4, mark, int64(rapid.IntRange(0, 10).Draw(t, "at")))
		case 5:
			r.close(uint32(rapid.IntRange(0, 8).Draw(t, "fd")))
		case 7:
			r.symlink(p, path.Draw(t, "to"))
		case 8:
			r.link(p, path.Draw(t, "to"))
		case 9:
			r.dup(uint32(rapid.IntRange(0, 8).Draw(t, "fd")), uint32(rapid.IntRange(0, 8).Draw(t, "to")))
		case 6:
			at, n := r.put(atPath, p)
			r.call("path_filestat_set_times", 3, 0, at, n, 1, 2, 5)
		default:
			flags := rapid.SampledFrom([]uint32{0, openCreate, openTruncate}).Draw(t, "flags")
			if fd, err := r.open(p, flags, forBoth); err == success {
				r.pwrite(fd, strings.Repeat(mark, 100), int64(rapid.IntRange(0, 400_000).Draw(t, "at")))
				r.call("fd_filestat_set_size", uint64(fd), uint64(rapid.IntRange(0, 400_000).Draw(t, "size")))
			}
		}
		r.check()
	}
}

// TestStateIsImmutable applies random runs to a State and verifies that the next run starts exactly
// as the first. Then it captures a State from such a run, and verifies the same for that one.
func TestStateIsImmutable(t *testing.T) {
	r := newRig(t)
	first := r.deploy()
	rapid.Check(t, func(t *rapid.T) {
		r.reset(first)
		wantFirst := dump(r.sys)
		vandal(t, r, "A", 15)
		second := r.capture()
		wantSecond := dump(r.sys)
		vandal(t, r, "B", 15) // continues where it was captured
		for _, c := range []struct {
			state *State
			want  map[string]string
		}{{first, wantFirst}, {second, wantSecond}, {first, wantFirst}} {
			r.reset(c.state)
			if r.control.charged != 0 {
				t.Fatalf("%d bytes are still charged", r.control.charged)
			}
			if got := dump(r.sys); !maps.Equal(got, c.want) {
				t.Fatal("the State has changed")
			}
			r.check()
			vandal(t, r, "C", 5)
		}
	})
}

// TestSharedByManySystems lets several Systems read and write the content of one State
// concurrently, for the race detector.
func TestSharedByManySystems(t *testing.T) {
	tree := mustTree(t)
	maker := newRigOn(t, tree, testPages)
	state := maker.deploy()
	want := dump(maker.sys)
	rigs := make([]*rig, 4)
	for i := range rigs {
		rigs[i] = newRigOn(t, tree, testPages)
	}
	var wg sync.WaitGroup
	for i, r := range rigs {
		wg.Go(func() {
			mark := string(rune('a' + i))
			for range 50 {
				r.reset(state)
				if got := dump(r.sys); !maps.Equal(got, want) {
					t.Error("another run shows")
					return
				}
				fd, _ := r.open("tmp/big", 0, forBoth)
				r.pwrite(fd, strings.Repeat(mark, 1000), 65_000)
				r.write(4, mark)
				r.unlink("tmp/f3")
				r.rename("tmp/d/e", "tmp/moved")
				for n := range 20 {
					if fd, err := r.open(fmt.Sprintf("tmp/%d", n), openCreate, forWriting); err == success {
						r.write(fd, mark)
					}
				}
				if s, _ := r.pread(fd, 1000, 65_000); s != strings.Repeat(mark, 1000) {
					t.Error("another run writes here")
					return
				}
				if err := r.sys.audit(0); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// TestMonotonicFloor moves a State to a System whose clock is behind.
func TestMonotonicFloor(t *testing.T) {
	r := newRig(t)
	now := func(id uint64) uint64 {
		r.want("clock_time_get", r.call("clock_time_get", id, 0, atResult), success)
		return r.result64()
	}
	r.store("tmp/f", "")
	r.clock.monotonic = 1000e9
	seen := now(clockMonotonic)
	state := r.capture()
	other := newRigOn(t, r.sys.tree, testPages)
	other.reset(state)
	r = other
	if got := now(clockMonotonic); got < seen {
		t.Errorf("monotonic time went from %d to %d", seen, got)
	}
	r.clock.monotonic = 2000e9
	for id := uint64(clockMonotonic); id <= clockThreadCPU; id++ {
		if got := now(id); got != 2000e9 {
			t.Errorf("clock %d returned %d", id, got)
		}
	}
	r.clock.monotonic = 1
	if got := now(clockMonotonic); got != 2000e9 {
		t.Errorf("monotonic time fell to %d", got)
	}
	r.clock.wall = -5
	if got := now(clockRealtime); got != 0 {
		t.Errorf("before 1970 it is %d", got)
	}
	r.want("another clock", r.call("clock_time_get", 4, 0, atResult), eINVAL)
	r.want("its resolution", r.call("clock_res_get", 4, atResult), eINVAL)
	r.want("resolution", r.call("clock_res_get", 1, atResult), success)
}
