package wasi

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
)

// TestPaths opens paths for reading and for writing.
func TestPaths(t *testing.T) {
	for _, c := range []struct {
		path        string
		read, write errno // opened as is; opened with O_CREAT for writing
	}{
		{"usr/lib/python313.zip", success, eROFS},
		{"usr//lib/./../lib/python313.zip", success, eROFS},
		{"../../../usr/share/a/b/c", success, eROFS},
		{"tmp/../root", success, eROFS},
		{"tmp/dir/../../root", success, eROFS},
		{"tmp/file", success, success},
		{"tmp/new", eNOENT, success},
		{"tmp/dir/new", eNOENT, success},
		{"usr/../tmp/dir/../new", eNOENT, success},
		{"tmp/new/", eNOENT, eISDIR},
		{"tmp/file/", eNOTDIR, eISDIR},
		{"tmp/file/x", eNOTDIR, eNOTDIR},
		{"tmp/file/..", eNOTDIR, eNOTDIR},
		{"tmp/none/../file", eNOENT, eNOENT},
		{"root/x", eNOTDIR, eNOTDIR},
		{"usr/new", eNOENT, eROFS},
		{"new", eNOENT, eROFS},
		{"tmpx", eNOENT, eROFS},
		{".", success, eISDIR},
		{"..", success, eISDIR},
		{"tmp", success, eISDIR},
		{"tmp/dir/", success, eISDIR},
		{"usr/lib", success, eISDIR},
		{"", eNOENT, eNOENT},
		{"/tmp/file", ePERM, ePERM},
		{"/", ePERM, ePERM},
		{"etc/passwd", eNOENT, eNOENT},
		{"../../../../etc/passwd", eNOENT, eNOENT},
		{"proc/self/mem", eNOENT, eNOENT},
		{"dev/null", eNOENT, eNOENT},
		{"tmp/a\x00b", eINVAL, eINVAL},
		{"tmp/\xff", eILSEQ, eILSEQ},
		{"tmp/\xed\xa0\x80", eILSEQ, eILSEQ},
		{"tmp/" + strings.Repeat("n", 255), eNOENT, success},
		{"tmp/" + strings.Repeat("n", 256), eNAMETOOLONG, eNAMETOOLONG},
		{strings.Repeat("./", 2040) + "tmp/file", success, success},
		{strings.Repeat("./", 2048) + "tmp/file", eNAMETOOLONG, eNAMETOOLONG},
		{"tmp/\u00e9", eNOENT, success},
	} {
		name := c.path
		if len(name) > 40 {
			name = fmt.Sprintf("%s... (%d)", name[:40], len(name))
		}
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.store("tmp/file", "content")
			r.want("mkdir", r.mkdir("tmp/dir"), success)
			_, err := r.open(c.path, 0, forReading)
			r.want("for reading", err, c.read)
			_, err = r.open(c.path, openCreate, forWriting)
			r.want("for writing", err, c.write)
			r.check()
		})
	}
}

// TestOutsideTmp shows that nothing but /tmp can be changed.
func TestOutsideTmp(t *testing.T) {
	r := newRig(t)
	r.store("tmp/f", "")
	r.want("mkdir", r.mkdir("tmp/d"), success)
	r.want("mkdir", r.mkdir("x"), eROFS)
	r.want("mkdir", r.mkdir("usr"), eEXIST)
	r.want("mkdir", r.mkdir("usr/x"), eROFS)
	r.want("rmdir", r.rmdir("usr/share/a/b"), eROFS)
	r.want("rmdir", r.rmdir("."), eINVAL)
	r.want("rmdir", r.rmdir("tmp"), eBUSY)
	r.want("rmdir", r.rmdir("tmp/."), eINVAL)
	r.want("rmdir", r.rmdir("tmp/d/.."), eNOTEMPTY)
	r.want("rmdir", r.rmdir("tmp/d/."), eINVAL)
	r.want("rmdir", r.rmdir("tmp/f"), eNOTDIR)
	r.want("unlink", r.unlink("root"), eROFS)
	r.want("unlink", r.unlink("tmp"), eISDIR)
	r.want("rename", r.rename("root", "tmp/r"), eROFS)
	r.want("rename", r.rename("tmp/f", "f"), eROFS)
	r.want("rename", r.rename("tmp/f", "root"), eROFS)
	r.want("rename", r.rename("tmp", "tmp2"), eBUSY)
	r.want("rename", r.rename("tmp/d", "tmp"), eBUSY)
	r.want("rename", r.rename("usr", "tmp/d"), eROFS)
	r.want("rename", r.rename("none", "tmp/f"), eNOENT)
	_, err := r.open("root", openTruncate, forReading)
	r.want("truncate", err, eROFS)
	fd := r.mustOpen("root", 0, forReading)
	_, err = r.write(fd, "x")
	r.want("write", err, eBADF)
	_, err = r.pwrite(fd, "x", 0)
	r.want("pwrite", err, eBADF)
	r.want("allocate", r.call("fd_allocate", uint64(fd), 0, 1), eBADF)
	r.want("set size", r.call("fd_filestat_set_size", uint64(fd), 0), eINVAL)
	r.want("set times", r.call("fd_filestat_set_times", uint64(fd), 0, 0, 2), eROFS)
	r.want("set times", r.call("fd_filestat_set_times", 3, 0, 0, 2), eROFS)
	at, n := r.put(atPath, "usr")
	r.want("set times", r.call("path_filestat_set_times", 3, 0, at, n, 0, 0, 2), eROFS)
	if got := r.load("root"); got != "at the root" {
		t.Errorf("the file is now %q", got)
	}
	r.check()
}

func TestLinksAreRefused(t *testing.T) {
	r := newRig(t)
	r.store("tmp/f", "")
	old, n := r.put(atPath, "tmp/f")
	link := func(to string) (errno, errno) {
		at, m := r.put(atPath2, to)
		return r.call("path_link", 3, 0, old, n, 3, at, m), r.call("path_symlink", old, n, 3, at, m)
	}
	for to, want := range map[string]errno{"tmp/l": ePERM, "tmp/f": eEXIST, "l": eROFS, "no/l": eNOENT} {
		hard, soft := link(to)
		r.want("hard link to "+to, hard, want)
		r.want("symbolic link to "+to, soft, want)
	}
	readlink := func(path string) errno {
		at, n := r.put(atPath, path)
		return r.call("path_readlink", 3, at, n, atBuffer, 100, atResult)
	}
	r.want("readlink", readlink("tmp/f"), eINVAL)
	r.want("readlink", readlink("tmp/none"), eNOENT)
}

func TestTreeFiles(t *testing.T) {
	r := newRig(t)
	fd := r.mustOpen("usr/lib/python313.zip", 0, forReading)
	whole := string(testTree["/usr/lib/python313.zip"])
	if end, err := r.seek(fd, -5, 2); end != int64(len(whole))-5 || err != success {
		t.Fatal(end, err)
	}
	if s, _ := r.read(fd, 100); s != whole[len(whole)-5:] {
		t.Errorf("the end is %q", s)
	}
	if s, _ := r.read(fd, 100); s != "" {
		t.Errorf("behind the end is %q", s)
	}
	if s, _ := r.pread(fd, 100_000, 3); s != whole[3:100_003] {
		t.Error("pread differs")
	}
	if s, _ := r.pread(fd, 10, math.MaxInt64); s != "" {
		t.Errorf("at the far end is %q", s)
	}
	st, _ := r.fstat(fd)
	if st.size != uint64(len(whole)) || st.fileType != typeRegular || st.modified != treeTime || st.device != deviceTree {
		t.Errorf("%+v", st)
	}
	for dir, want := range map[string][]string{
		".": {"root", "tmp", "usr"}, "usr": {"lib", "share"}, "usr/lib": {"empty", "python313.zip"}, "usr/share/a/b": {"c"},
	} {
		if got := r.names(dir); !slices.Equal(got, want) {
			t.Errorf("%s holds %q, want %q", dir, got, want)
		}
	}
}

func TestNewTreeRefuses(t *testing.T) {
	for _, files := range []map[string][]byte{
		{"": nil}, {".": nil}, {"/": nil}, {"//a": nil}, {"a//b": nil}, {"a/../b": nil}, {"a/": nil}, {"\xff": nil}, {"a\x00": nil},
		{"tmp": nil}, {"/tmp/x": nil}, {"a": nil, "a/b": nil}, {"a": nil, "/a": nil}, {strings.Repeat("x", 256): nil},
	} {
		if _, err := NewTree(files); err == nil {
			t.Errorf("%q is accepted", files)
		}
	}
	tree, err := NewTree(nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := newRigOn(t, tree, testPages).names("."); !slices.Equal(got, []string{"tmp"}) {
		t.Errorf("an empty tree holds %q", got)
	}
}

// TestUnlinkedButOpen shows that a file without a name lives, and counts, until it is closed.
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

// TestRemovedDirectory works in a directory that has lost its name.
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
		{4, 0, 4, success}, {2, 1, 6, success}, {-6, 1, 0, success}, {-1, 1, 0, eINVAL}, {-3, 2, 7, success},
		{5, 2, 15, success}, {-11, 2, 0, eINVAL}, {0, 3, 0, eINVAL}, {math.MinInt64, 2, 0, eINVAL},
		{math.MaxInt64, 2, 0, eOVERFLOW}, {math.MaxInt64, 0, math.MaxInt64, success}, {1, 1, 0, eOVERFLOW},
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

// TestReaddirUnderChange removes what it lists and adds more, with buffers of every small size.
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
