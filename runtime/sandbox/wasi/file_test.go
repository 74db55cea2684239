package wasi

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
)

// TestUnlinkedButOpen verifies that a file without a name lives, and counts, until it is closed.
func TestUnlinkedButOpen(t *testing.T) {
	r := newRig(t)
	r.sys.Reset(nil, Limits{TmpFiles: 2, TmpBytes: 1000})
	fd := r.mustOpen("tmp/f", openCreate|openExclusive, forBoth)
	r.write(fd, strings.Repeat("x", 1000))
	r.want("unlink", r.unlink("tmp/f"), success)
	_, err := r.open("tmp/f", 0, forReading)
	r.want("open", err, eNOENT)
	if s, _ := r.pread(fd, 5, 0); s != "xxxxx" {
		t.Errorf("the content is %q", s)
	}
	if st, _ := r.fstat(fd); st.links != 0 || st.size != 1000 {
		t.Errorf("%+v", st)
	}
	r.check()
	g := r.mustOpen("tmp/g", openCreate, forBoth)
	_, err = r.write(g, "y")
	r.want("write", err, eNOSPC)
	r.want("a third file", r.mkdir("tmp/d"), eNOSPC)
	r.want("close", r.close(fd), success)
	r.check()
	_, err = r.write(g, "y")
	r.want("write", err, success)
	r.want("a second file", r.mkdir("tmp/d"), success)
}

// TestRemovedDirectory works in a directory that has no name any more.
func TestRemovedDirectory(t *testing.T) {
	r := newRig(t)
	r.want("mkdir", r.mkdir("tmp/a"), success)
	r.want("mkdir", r.mkdir("tmp/a/b"), success)
	fd := r.mustOpen("tmp/a/b", openDirectory, forReading)
	r.want("rmdir", r.rmdir("tmp/a/b"), success)
	r.want("rmdir", r.rmdir("tmp/a"), success)
	r.store("tmp/c", "") // takes the slot of a
	_, err := r.openAt(fd, "x", openCreate, forWriting, 0)
	r.want("create", err, eNOENT)
	_, err = r.openAt(fd, "..", 0, forReading, 0)
	r.want("parent", err, eNOENT)
	r.want("mkdir", r.onPath("path_create_directory", fd, "x"), eNOENT)
	r.want("rename", r.renameAt(3, "tmp/c", fd, "x"), eNOENT)
	if list, err := r.readdir(fd, 1000, 0); err != success || len(list) != 2 {
		t.Errorf("%v, errno %d", list, err)
	}
	_, err = r.openAt(fd, ".", 0, forReading, 0)
	r.want("itself", err, success)
	r.check()
}

func TestSeek(t *testing.T) {
	r := newRig(t)
	fd := r.mustOpen("tmp/f", openCreate, forBoth)
	r.write(fd, "0123456789")
	for _, c := range []struct {
		offset int64
		whence uint32
		at     int64
		err    errno
	}{
		{4, 0, 4, success},
		{2, 1, 6, success},
		{-6, 1, 0, success},
		{-1, 1, 0, eINVAL},
		{-3, 2, 7, success},
		{5, 2, 15, success},
		{-11, 2, 0, eINVAL},
		{0, 3, 0, eINVAL},
		{math.MinInt64, 2, 0, eINVAL},
		{math.MaxInt64, 2, 0, eOVERFLOW},
		{math.MaxInt64, 0, math.MaxInt64, success},
		{1, 1, 0, eOVERFLOW},
	} {
		at, err := r.seek(fd, c.offset, c.whence)
		if err != c.err || err == success && at != c.at {
			t.Errorf("seek %d from %d: %d, errno %d", c.offset, c.whence, at, err)
		}
	}
	_, err := r.write(fd, "x")
	r.want("write at the far end", err, eFBIG)
	_, err = r.pwrite(fd, "x", 1<<40)
	r.want("write far out", err, eNOSPC)
	_, err = r.pwrite(fd, "x", -1)
	r.want("write before the start", err, eINVAL)
	for _, fd := range []uint32{0, 1, 2} {
		_, err = r.seek(fd, 0, 1)
		r.want("seek stdio", err, eSPIPE)
	}
	_, err = r.seek(3, 0, 1)
	r.want("seek a directory", err, eISDIR)
	r.check()
}

// TestReaddirUnderChange removes the entries that it lists and adds more, with buffers of every
// small size.
func TestReaddirUnderChange(t *testing.T) {
	for size := uint32(40); size < 120; size += 7 {
		r := newRig(t)
		const files = 50
		for i := range files {
			r.store(fmt.Sprintf("tmp/f%02d", i), "")
		}
		fd := r.mustOpen("tmp", openDirectory, forReading)
		var seen []string
		cookie := uint64(0)
		for step := 0; ; step++ {
			list, err := r.readdir(fd, size, cookie)
			r.want("readdir", err, success)
			if len(list) == 0 {
				break
			}
			for _, e := range list {
				cookie = e.next
				if !strings.HasPrefix(e.name, "f") {
					continue
				}
				seen = append(seen, e.name)
				r.want("unlink", r.unlink("tmp/"+e.name), success)
			}
			r.store(fmt.Sprintf("tmp/g%02d", step), "")
			r.want("unlink", r.unlink(fmt.Sprintf("tmp/g%02d", step)), success)
		}
		if len(seen) != files || !slices.IsSorted(seen) {
			t.Errorf("buffer of %d: saw %d files of %d: %q", size, len(seen), files, seen)
		}
		r.check()
	}
}

func TestReaddirCutsTheLastEntry(t *testing.T) {
	r := newRig(t)
	r.store("tmp/a-long-name", "")
	fd := r.mustOpen("tmp", openDirectory, forReading)
	full := 2*direntSize + len(".") + len("..") + direntSize + len("a-long-name")
	for size := range full + 10 {
		r.want("readdir", r.call("fd_readdir", uint64(fd), atBuffer, uint64(size), 0, atResult), success)
		if got, want := int(r.result()), min(size, full); got != want {
			t.Errorf("buffer of %d: %d bytes, want %d", size, got, want)
		}
	}
	r.want("a file", r.call("fd_readdir", 1, atBuffer, 100, 0, atResult), eNOTDIR)
}

func TestTimes(t *testing.T) {
	r := newRig(t)
	r.store("tmp/f", "x")
	st, _ := r.stat("tmp/f")
	if st.modified != r.clock.wall || st.accessed != r.clock.wall || st.changed != r.clock.wall {
		t.Errorf("a new file: %+v", st)
	}
	set := func(accessed, modified uint64, flags uint32) errno {
		at, n := r.put(atPath, "tmp/f")
		return r.call("path_filestat_set_times", 3, 0, at, n, accessed, modified, uint64(flags))
	}
	r.clock.wall += 1e9
	r.want("both", set(11, 12, 1|4), success)
	if st, _ = r.stat("tmp/f"); st.accessed != 11 || st.modified != 12 || st.changed != r.clock.wall {
		t.Errorf("both set: %+v", st)
	}
	r.want("now", set(0, 0, 2), success)
	if st, _ = r.stat("tmp/f"); st.accessed != r.clock.wall || st.modified != 12 {
		t.Errorf("accessed now: %+v", st)
	}
	for _, flags := range []uint32{3, 12, 16, math.MaxUint32} {
		r.want("bad flags", set(0, 0, flags), eINVAL)
	}
	r.want("beyond time", set(math.MaxUint64, 0, 1), eINVAL)
	r.clock.wall += 1e9
	r.load("tmp/f")
	fd := r.mustOpen("tmp/f", 0, forWriting)
	if st, _ = r.stat("tmp/f"); st.modified != 12 {
		t.Errorf("only opened: %+v", st)
	}
	r.write(fd, "y")
	if st, _ = r.stat("tmp/f"); st.modified != r.clock.wall {
		t.Errorf("written: %+v", st)
	}
}

// TestOldContentStaysDropped truncates files and grows them again in every way.
func TestOldContentStaysDropped(t *testing.T) {
	const old, keep = 70_000, 100
	for name, grow := range map[string]func(r *rig, fd uint32) errno{
		"by writing further on": func(r *rig, fd uint32) errno { _, err := r.pwrite(fd, "x", 500); return err },
		"by a hole":             func(r *rig, fd uint32) errno { return r.call("fd_filestat_set_size", uint64(fd), 500) },
		"by allocating":         func(r *rig, fd uint32) errno { return r.call("fd_allocate", uint64(fd), 0, 500) },
		"in the next block":     func(r *rig, fd uint32) errno { _, err := r.pwrite(fd, "x", 68_000); return err },
	} {
		for _, captured := range []bool{false, true} {
			r := newRig(t)
			fd := r.mustOpen("tmp/f", openCreate, forBoth)
			r.write(fd, strings.Repeat("s", old))
			if captured {
				r.reset(r.capture())
			}
			r.want("cut", r.call("fd_filestat_set_size", uint64(fd), keep), success)
			r.want(name, grow(r, fd), success)
			r.pwrite(fd, "y", 1000)
			if got, _ := r.pread(fd, old, keep); strings.Contains(got, "s") {
				t.Errorf("grown %s (captured: %v), the file shows what it held before", name, captured)
			}
			r.check()
		}
	}
}
