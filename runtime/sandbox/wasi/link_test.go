package wasi

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
)

// TestLinks follows links of all kinds. TestAgainstTheMachine compares random ones with Linux.
func TestLinks(t *testing.T) {
	r := newRig(t)
	r.store("tmp/f", "content")
	r.want("mkdir", r.mkdir("tmp/d"), success)
	r.store("tmp/d/g", "deep")
	for path, target := range map[string]string{
		"tmp/soft": "f", "tmp/dir": "d", "tmp/d/up": "../f", "tmp/absolute": "/tmp/d/up", "tmp/root": "/", "tmp/code": "/root",
		"tmp/above": "../../../../root", "tmp/chain": "dir/up", "tmp/dangling": "none", "tmp/loop": "loop", "tmp/slash": "d/",
		"tmp/file slash": "f/", "tmp/outside": "/etc/passwd", "tmp/host": "../../../etc/passwd",
	} {
		r.want("symlink "+path, r.symlink(target, path), success)
		if text, err := r.readlink(path); text != target || err != success {
			t.Errorf("%s leads to %q, errno %d, want %q", path, text, err, target)
		}
		st, err := r.lstat(path)
		if st.fileType != typeSymbolicLink || st.size != uint64(len(target)) || err != success {
			t.Errorf("%s: %+v, errno %d", path, st, err)
		}
	}
	for path, want := range map[string]string{
		"tmp/soft": "content", "tmp/dir/g": "deep", "tmp/absolute": "content", "tmp/chain": "content", "tmp/root/root": "at the root",
		"tmp/code": "at the root", "tmp/above": "at the root", "tmp/slash/g": "deep", "tmp/root/tmp/dir/../f": "content",
		"usr/../tmp/dir/up": "content",
	} {
		if got := r.load(path); got != want {
			t.Errorf("%s holds %q, want %q", path, got, want)
		}
	}
	for path, want := range map[string]errno{
		"tmp/dangling": eNOENT, "tmp/loop": eLOOP, "tmp/loop/x": eLOOP, "tmp/soft/": eNOTDIR, "tmp/file slash": eNOTDIR,
		"tmp/soft/x": eNOTDIR, "tmp/outside": eNOENT, "tmp/host": eNOENT,
	} {
		_, err := r.open(path, 0, forReading)
		r.want("open "+path, err, want)
	}
	for path, want := range map[string]errno{"tmp/f": eINVAL, "tmp/none": eNOENT, "tmp": eINVAL, "tmp/dir/": eINVAL, "root": eINVAL} {
		_, err := r.readlink(path)
		r.want("readlink "+path, err, want)
	}
	if text, err := r.readlinkAt(3, "tmp/absolute", 4); text != "/tmp" || err != success {
		t.Errorf("the start of a target is %q, errno %d", text, err)
	}
	// A link cannot make anything outside /tmp writable.
	_, err := r.open("tmp/code", 0, forBoth)
	r.want("write through a link", err, eROFS)
	_, err = r.open("tmp/root/new", openCreate, forWriting)
	r.want("create through a link", err, eROFS)
	r.want("unlink through a link", r.unlink("tmp/root/root"), eROFS)
	r.want("rename through a link", r.rename("tmp/f", "tmp/root/new"), eROFS)
	_, err = r.open("tmp/dangling", openCreate|openExclusive, forWriting)
	r.want("exclusively", err, eEXIST)
	r.store("tmp/dangling", "now it exists")
	if got := r.load("tmp/none"); got != "now it exists" {
		t.Errorf("the target holds %q", got)
	}
	at, n := r.put(atPath, "tmp/soft")
	r.want("O_NOFOLLOW", r.call("path_open", 3, 0, at, n, 0, forReading, 0, 0, atResult), eLOOP)
	for _, to := range []struct {
		path string
		err  errno
	}{{"tmp/f", eEXIST}, {"tmp/soft", eEXIST}, {"l", eROFS}, {"no/l", eNOENT}, {"tmp/new/", eNOENT}} {
		r.want("symlink at "+to.path, r.symlink("f", to.path), to.err)
		r.want("link at "+to.path, r.link("tmp/f", to.path), to.err)
	}
	r.want("an empty target", r.symlink("", "tmp/empty"), eNOENT)
	r.want("NUL", r.symlink("a\x00b", "tmp/nul"), eINVAL)
	r.want("a long target", r.symlink(strings.Repeat("x", 4097), "tmp/long"), eNAMETOOLONG)
	r.want("unlink", r.unlink("tmp/dir"), success)
	if got := r.load("tmp/d/g"); got != "deep" {
		t.Errorf("behind the removed link is %q", got)
	}
	r.check()
}

func TestHardLinks(t *testing.T) {
	r := newRig(t)
	r.store("tmp/f", "content")
	r.want("mkdir", r.mkdir("tmp/d"), success)
	r.want("link", r.link("tmp/f", "tmp/d/g"), success)
	first, _ := r.stat("tmp/f")
	second, _ := r.stat("tmp/d/g")
	if first != second || first.links != 2 {
		t.Errorf("%+v and %+v", first, second)
	}
	r.store("tmp/d/g", "changed")
	r.want("unlink", r.unlink("tmp/f"), success)
	if st, _ := r.stat("tmp/d/g"); r.load("tmp/d/g") != "changed" || st.links != 1 {
		t.Errorf("the other name has %+v", st)
	}
	r.want("a directory", r.link("tmp/d", "tmp/e"), ePERM)
	r.want("of the Tree", r.link("root", "tmp/r"), eXDEV)
	r.want("nothing", r.link("tmp/none", "tmp/r"), eNOENT)
	r.want("link", r.link("tmp/d/g", "tmp/same"), success)
	r.want("rename to itself", r.rename("tmp/same", "tmp/d/g"), success)
	if got := r.names("tmp"); !slices.Equal(got, []string{"d", "same"}) {
		t.Errorf("/tmp holds %q", got)
	}
	r.check()
}

// TestLinkLimits verifies that links count against the limits of /tmp.
func TestLinkLimits(t *testing.T) {
	r := newRig(t)
	r.sys.Reset(nil, Limits{TmpFiles: 10, TmpBytes: 1000})
	r.store("tmp/f", "")
	for i := range 9 {
		r.want("link", r.link("tmp/f", fmt.Sprintf("tmp/%d", i)), success)
	}
	r.want("one more link", r.link("tmp/f", "tmp/x"), eNOSPC)
	r.want("one more symlink", r.symlink("f", "tmp/x"), eNOSPC)
	r.want("unlink", r.unlink("tmp/3"), success)
	r.want("a large target", r.symlink(strings.Repeat("x", 1001), "tmp/x"), eNOSPC)
	r.want("a target", r.symlink(strings.Repeat("x", 1000), "tmp/x"), success)
	fd := r.mustOpen("tmp/f", 0, forBoth)
	_, err := r.write(fd, "x")
	r.want("no bytes are left", err, eNOSPC)
	r.check()
	r.control.most = r.control.charged
	r.want("unlink", r.unlink("tmp/x"), success)
	r.control.most = r.control.charged
	r.want("no memory", r.symlink("f", "tmp/x"), eNOSPC)
	r.want("no memory", r.link("tmp/f", "tmp/x"), eNOSPC)
	r.check()
}

// TestLongChainsOfLinks follows as many links as are allowed, each with the longest target, and
// counts the names looked up.
func TestLongChainsOfLinks(t *testing.T) {
	r := newRig(t)
	r.store("tmp/0", "end")
	for i := range maxLinks + 1 {
		target := strings.Repeat("./", 2040) + fmt.Sprint(i)
		r.want("symlink", r.symlink(target, fmt.Sprintf("tmp/%d", i+1)), success)
	}
	before := r.control.checkpoints
	if got := r.load(fmt.Sprintf("tmp/%d", maxLinks)); got != "end" {
		t.Errorf("%q", got)
	}
	if got, most := r.control.checkpoints-before, maxLinks*2041*stepCost/workPerCheckpoint+2; got > most {
		t.Errorf("%d checkpoints, at most %d expected", got, most)
	}
	_, err := r.stat(fmt.Sprintf("tmp/%d", maxLinks+1))
	r.want("one link more", err, eLOOP)
	// Each link leads through the one before it twice: 2^40 names, if all were followed.
	r.want("mkdir", r.mkdir("tmp/e0"), success)
	for i := range 40 {
		r.want("symlink", r.symlink(fmt.Sprintf("e%d/../e%d", i, i), fmt.Sprintf("tmp/e%d", i+1)), success)
	}
	before = r.control.checkpoints
	_, err = r.stat("tmp/e40")
	r.want("a bomb", err, eLOOP)
	if got := r.control.checkpoints - before; got > 1 {
		t.Errorf("%d checkpoints", got)
	}
}

func TestDup(t *testing.T) {
	r := newRig(t)
	fd := r.mustOpen("tmp/f", openCreate, forBoth)
	r.write(fd, "0123456789")
	second, err := r.dup(fd, math.MaxUint32)
	if second != fd+1 || err != success {
		t.Fatalf("descriptor %d, errno %d", second, err)
	}
	r.seek(fd, 4, 0)
	if s, _ := r.read(second, 2); s != "45" {
		t.Errorf("the duplicate reads %q", s)
	}
	if s, _ := r.read(fd, 2); s != "67" {
		t.Errorf("then the first reads %q", s)
	}
	r.call("fd_fdstat_set_flags", uint64(second), flagAppend)
	r.want("unlink", r.unlink("tmp/f"), success)
	r.want("close", r.close(fd), success)
	r.seek(second, 0, 0)
	r.write(second, "!")
	if s, _ := r.pread(second, 20, 0); s != "0123456789!" {
		t.Errorf("the file holds %q", s)
	}
	state := r.capture()
	r.reset(state)
	if third, err := r.dup(second, 20); third != 20 || err != success {
		t.Fatalf("descriptor %d, errno %d", third, err)
	}
	r.want("close", r.close(second), success)
	if s, _ := r.pread(20, 20, 0); s != "0123456789!" {
		t.Errorf("after a capture it holds %q", s)
	}
	// Output goes where the duplicate leads, and comes back.
	saved, _ := r.dup(1, math.MaxUint32)
	r.dup(20, 1)
	r.write(1, "captured")
	if s, _ := r.pread(20, 20, 11); s != "captured" || r.control.logged[1].Len() != 0 {
		t.Errorf("the file holds %q", s)
	}
	r.dup(saved, 1)
	r.write(1, "back")
	if got := r.control.logged[1].String(); got != "back" {
		t.Errorf("logged %q", got)
	}
	for _, c := range []struct {
		fd, to uint32
		err    errno
	}{{99, 1, eBADF}, {99, math.MaxUint32, eBADF}, {1, 256, eBADF}, {1, 1 << 31, eBADF}, {1, 1, success}, {1, 255, success}} {
		_, err := r.dup(c.fd, c.to)
		r.want(fmt.Sprint("dup ", c.fd, " ", c.to), err, c.err)
	}
	for range 260 {
		_, err = r.dup(1, math.MaxUint32)
	}
	r.want("too many", err, eMFILE)
	r.check()
}

func TestTmpUsage(t *testing.T) {
	r := newRig(t)
	r.sys.Reset(nil, Limits{TmpFiles: 10, TmpBytes: 1000})
	usage := func() (u [4]uint64) {
		r.want("tmp_usage", r.call("tmp_usage", atResult), success)
		for i := range u {
			u[i], _ = r.mem.ReadUint64Le(atResult + 8*uint32(i))
		}
		return u
	}
	if got := usage(); got != [4]uint64{1000, 1000, 10, 10} {
		t.Errorf("an empty /tmp has %d", got)
	}
	r.store("tmp/f", "12345")
	r.want("symlink", r.symlink("f", "tmp/l"), success)
	if got := usage(); got != [4]uint64{1000, 994, 10, 8} {
		t.Errorf("/tmp has %d", got)
	}
	r.want("outside", r.call("tmp_usage", uint64(r.mem.Size())-31), eFAULT)
}

// TestComputingTime verifies that the clocks of the processor stand still while a run sleeps.
func TestComputingTime(t *testing.T) {
	r := newRig(t)
	now := func(id uint64) uint64 {
		r.want("clock_time_get", r.call("clock_time_get", id, 0, atResult), success)
		return r.result64()
	}
	before, passed := now(clockThreadCPU), now(clockMonotonic)
	r.clock.monotonic += 7
	r.mem.Write(atVector, make([]byte, subscriptionSize))
	r.mem.WriteUint32Le(atVector+16, clockMonotonic)
	r.mem.WriteUint64Le(atVector+24, 1e9)
	r.want("poll", r.call("poll_oneoff", atVector, atBuffer, 1, atResult), success)
	if got := now(clockMonotonic) - passed; got != 1e9+7 {
		t.Errorf("%d ns have passed", got)
	}
	for _, id := range []uint64{clockProcessCPU, clockThreadCPU} {
		if got := now(id) - before; got != 7 {
			t.Errorf("clock %d counted %d ns", id, got)
		}
	}
}
