package wasi

import (
	"fmt"
	"math"
	"strings"
	"testing"
)

func TestOpenFilesLimit(t *testing.T) {
	r := newRig(t)
	r.sys.Reset(nil, Limits{OpenFiles: 10})
	for fd := uint32(4); fd < 10; fd++ {
		if got := r.mustOpen("root", 0, forReading); got != fd {
			t.Errorf("descriptor %d, want %d", got, fd)
		}
	}
	for range 100 {
		_, err := r.open("tmp/new", openCreate, forWriting)
		r.want("one more", err, eMFILE)
	}
	if names := r.namesWith(9, "tmp"); len(names) != 0 {
		t.Errorf("the refused open made %q", names)
	}
	r.want("close", r.close(6), success)
	if fd := r.mustOpen("root", 0, forReading); fd != 6 {
		t.Errorf("descriptor %d, want the lowest free", fd)
	}
	r.sys.Reset(nil, Limits{OpenFiles: -1})
	_, err := r.open("root", 0, forReading)
	r.want("none allowed", err, eMFILE)
	r.reset(nil)
	for range 256 - 4 {
		r.mustOpen("root", 0, forReading)
	}
	_, err = r.open("root", 0, forReading)
	r.want("beyond the default", err, eMFILE)
}

// namesWith lists a directory when no descriptor is free, by closing one.
func (r *rig) namesWith(fd uint32, path string) []string {
	r.t.Helper()
	r.want("close", r.close(fd), success)
	names := r.names(path)
	r.mustOpen("root", 0, forReading)
	return names
}

func TestTmpFilesLimit(t *testing.T) {
	r := newRig(t)
	made := 0
	for ; made < 20_000; made++ {
		if err := r.mkdir(fmt.Sprintf("tmp/%d", made)); err != success {
			r.want("mkdir", err, eNOSPC)
			break
		}
	}
	if made != 10_000 {
		t.Errorf("%d directories", made)
	}
	r.check()
	if got := len(r.names("tmp")); got != made {
		t.Errorf("%d are listed", got)
	}
	for i := range made {
		r.want("rmdir", r.rmdir(fmt.Sprintf("tmp/%d", i)), success)
	}
	r.check()
	if own := r.sys.charged; own > inodeCost+blockCost {
		t.Errorf("an empty /tmp takes %d bytes", own)
	}
	r.sys.Reset(nil, Limits{TmpFiles: -1})
	r.want("none allowed", r.mkdir("tmp/d"), eNOSPC)
}

func TestTmpBytesLimit(t *testing.T) {
	r := newRig(t)
	const limit = 300_000
	r.sys.Reset(nil, Limits{TmpBytes: limit})
	fd := r.mustOpen("tmp/f", openCreate, forBoth)
	piece := strings.Repeat("x", 70_000)
	total := 0
	for {
		n, err := r.write(fd, piece)
		if err != success {
			r.want("write", err, eNOSPC)
			break
		}
		total += n
	}
	if total != limit {
		t.Errorf("%d bytes written", total)
	}
	r.check()
	setSize := func(n uint64) errno { return r.call("fd_filestat_set_size", uint64(fd), n) }
	r.want("grow", setSize(limit+1), eNOSPC)
	r.want("shrink", setSize(1), success)
	r.check()
	r.want("sparse growth", setSize(limit), success)
	if s, _ := r.pread(fd, 10, 0); s != "x"+strings.Repeat("\x00", 9) {
		t.Errorf("old content shows: %q", s)
	}
	g := r.mustOpen("tmp/g", openCreate, forBoth)
	_, err := r.write(g, "y")
	r.want("holes count", err, eNOSPC)
	r.want("allocate", r.call("fd_allocate", uint64(g), 0, 1), eNOSPC)
	r.want("set size", setSize(1<<63), eINVAL)
	r.check()
	r.sys.Reset(nil, Limits{TmpBytes: -1})
	fd = r.mustOpen("tmp/f", openCreate, forBoth)
	_, err = r.write(fd, "x")
	r.want("none allowed", err, eNOSPC)
}

func TestDepthLimit(t *testing.T) {
	r := newRig(t)
	r.sys.Reset(nil, Limits{Depth: 5})
	r.want("mkdir", r.mkdir("tmp/other"), success)
	path := "tmp"
	for depth := 1; depth <= 5; depth++ {
		path += "/d"
		r.want(path, r.mkdir(path), success)
	}
	r.want("too deep", r.mkdir(path+"/d"), eNAMETOOLONG)
	r.store(path+"/f", "files may lie there")
	r.want("rename to the same depth", r.rename("tmp/d", "tmp/e"), success)
	r.want("rename below another", r.rename("tmp/e", "tmp/other/e"), eNAMETOOLONG)
	r.want("rename a part", r.rename("tmp/e/d", "tmp/other/e"), success)
	r.check()
}

func TestPathLengthLimit(t *testing.T) {
	r := newRig(t)
	r.sys.Reset(nil, Limits{PathLength: 10})
	_, err := r.open("././././..", 0, forReading)
	r.want("ten bytes", err, success)
	_, err = r.open("./././././.", 0, forReading)
	r.want("eleven bytes", err, eNAMETOOLONG)
	// A length beyond the memory is refused in the same way.
	r.want("all of memory", r.call("path_unlink_file", 3, 0, 1<<32-1), eNAMETOOLONG)
}

// TestChargeRefused refuses memory at every possible point of some scripts, and verifies the
// counters each time.
func TestChargeRefused(t *testing.T) {
	r := newRig(t)
	for _, dir := range []string{"tmp/s", "tmp/s/empty"} {
		r.want("mkdir", r.mkdir(dir), success)
	}
	r.store("tmp/s/file", strings.Repeat("x", 200_000))
	r.store("tmp/s/other", "y")
	file := r.mustOpen("tmp/s/file", 0, forBoth)
	r.mustOpen("tmp/s/other", 0, forBoth)
	r.mustOpen("tmp/s/empty", openDirectory, forReading)
	state := r.capture()
	times := func(path string) errno {
		at, n := r.put(atPath, path)
		return r.call("path_filestat_set_times", 3, 0, at, n, 1, 2, 5)
	}
	pwrite := func(data string, offset int64) errno {
		_, err := r.pwrite(file, data, offset)
		return err
	}
	open := func(path string, flags uint32) errno {
		_, err := r.open(path, flags, forBoth)
		return err
	}
	for name, script := range map[string][]func() errno{
		"write":    {func() errno { return pwrite(strings.Repeat("z", 1000), 65_000) }, func() errno { return pwrite("far", 1<<20) }},
		"resize":   {func() errno { return r.call("fd_filestat_set_size", uint64(file), 10) }, func() errno { return pwrite("far", 200_000) }},
		"allocate": {func() errno { return r.call("fd_allocate", uint64(file), 0, 300_000) }},
		"truncate": {func() errno { return open("tmp/s/file", openTruncate) }},
		"create": {
			func() errno { return open("tmp/s/new", openCreate) },
			func() errno { return r.mkdir("tmp/s/dir") },
			func() errno { return r.rename("tmp/s/new", "tmp/s/dir/new") },
		},
		"unlink what is open":      {func() errno { return r.unlink("tmp/s/other") }, func() errno { return r.unlink("tmp/s/file") }},
		"rmdir what is open":       {func() errno { return r.rmdir("tmp/s/empty") }, func() errno { return r.mkdir("tmp/s/empty") }},
		"rename over what is open": {func() errno { return r.rename("tmp/s/file", "tmp/s/other") }},
		"rename a directory":       {func() errno { return r.rename("tmp/s", "tmp/t") }, func() errno { return r.rename("tmp/t/empty", "tmp/e") }},
		"close what is removed":    {func() errno { return r.unlink("tmp/s/file") }, func() errno { return r.close(file) }},
		"times":                    {func() errno { return times("tmp/s/file") }, func() errno { return times("tmp") }},
	} {
		run := func() (refused bool) {
			for _, step := range script {
				err := step()
				r.check()
				if err != success {
					r.want(name, err, eNOSPC)
					return true // later calls would fail in other ways
				}
			}
			return false
		}
		r.control.most = math.MaxInt64
		r.reset(state)
		r.control.peak = 0
		if run() {
			t.Fatalf("%s: refused with all the memory it wants", name)
		}
		refusals, whole := 0, r.control.peak
		for most := int64(0); most < whole; most += 37 {
			r.reset(state)
			r.control.most = most
			if run() {
				refusals++
			}
		}
		if refusals == 0 {
			t.Errorf("%s: never refused below %d bytes", name, whole)
		}
	}
	r.reset(nil)
	if r.control.charged != 0 {
		t.Errorf("%d bytes are still charged", r.control.charged)
	}
}
