//go:build linux

package wasi

import (
	"errors"
	"fmt"
	"math"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// errnoOf translates the errnos of Linux that both systems can return.
var errnoOf = map[error]errno{
	unix.EBADF: eBADF, unix.EBUSY: eBUSY, unix.EEXIST: eEXIST, unix.EINVAL: eINVAL, unix.EISDIR: eISDIR,
	unix.ENOENT: eNOENT, unix.ENOTDIR: eNOTDIR, unix.ENOTEMPTY: eNOTEMPTY, unix.EFBIG: eFBIG,
	unix.ELOOP: eLOOP, unix.EPERM: ePERM,
}

// model applies to a directory of the machine the operations that the guest applies to /tmp.
type model struct {
	t    *rapid.T
	r    *rig
	root int            // descriptor of the directory that models /tmp
	tmp  uint32         // the guest's descriptor of /tmp
	fds  map[uint32]int // the guest's descriptors and the machine's
	dirs map[uint32]int
}

// anyPath draws a path below /tmp that does not leave it and may not exist.
var anyPath = rapid.Custom(func(t *rapid.T) string {
	names := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "a", "b", "b", "c", "dd", ".", ".."}), 1, 5).Draw(t, "names")
	for i := range names {
		if clean := path.Clean(strings.Join(names[:i+1], "/")); clean == ".." || strings.HasPrefix(clean, "../") {
			names = names[:i]
			break
		}
	}
	p := strings.Join(names, "/")
	if p == "" {
		return "a"
	}
	if rapid.IntRange(0, 9).Draw(t, "slash") == 0 {
		p += "/"
	}
	return p
})

func (m *model) agree(what string, got errno, machine error) bool {
	m.t.Helper()
	want := success
	if machine != nil {
		var ok bool
		if want, ok = errnoOf[machine]; !ok {
			m.t.Fatalf("%s: the machine returned %v", what, machine)
		}
	}
	if got != want {
		m.t.Fatalf("%s: errno %d, the machine returned %d (%v)", what, got, want, machine)
	}
	return got == success
}

func (m *model) anyFd() (uint32, int) {
	open := make([]uint32, 0, len(m.fds))
	for fd := range m.fds {
		open = append(open, fd)
	}
	if len(open) == 0 {
		m.t.Skip("no file is open")
	}
	slices.Sort(open)
	fd := rapid.SampledFrom(open).Draw(m.t, "fd")
	return fd, m.fds[fd]
}

// anyDir draws a directory descriptor to start from: mostly /tmp, sometimes one that was opened,
// and perhaps removed or moved since.
func (m *model) anyDir() (uint32, int) {
	open := []uint32{m.tmp, m.tmp, m.tmp}
	for fd := range m.dirs {
		open = append(open, fd)
	}
	slices.Sort(open)
	fd := rapid.SampledFrom(open).Draw(m.t, "dir")
	return fd, m.dirs[fd]
}

// place draws a directory and a path that does not climb above /tmp, where the two systems differ.
func (m *model) place() (dir uint32, machine int, path string) {
	dir, machine = m.anyDir()
	return dir, machine, anyPath.Draw(m.t, "path")
}

func (m *model) open() {
	if len(m.fds)+len(m.dirs) > 20 {
		m.t.Skip("enough are open")
	}
	dir, machine, p := m.place()
	rights := rapid.SampledFrom([]uint64{forReading, forWriting, forBoth}).Draw(m.t, "rights")
	flags := rapid.SampledFrom([]uint32{
		0, openCreate, openCreate, openCreate | openExclusive, openTruncate, openCreate | openTruncate, openDirectory,
	}).Draw(m.t, "flags")
	appends := rapid.IntRange(0, 3).Draw(m.t, "append") == 0
	if rights == forReading {
		flags &^= openTruncate // unspecified by POSIX
	}
	how := map[uint64]int{forReading: unix.O_RDONLY, forWriting: unix.O_WRONLY, forBoth: unix.O_RDWR}[rights]
	for ours, theirs := range map[uint32]int{
		openCreate: unix.O_CREAT, openExclusive: unix.O_EXCL, openTruncate: unix.O_TRUNC, openDirectory: unix.O_DIRECTORY,
	} {
		if flags&ours != 0 {
			how |= theirs
		}
	}
	fdflags := uint32(0)
	if appends {
		how |= unix.O_APPEND
		fdflags = flagAppend
	}
	if flags&openDirectory != 0 {
		rights, how = forReading, how&^unix.O_ACCMODE
	}
	theirs, machineErr := unix.Openat(machine, p, how|unix.O_CLOEXEC, 0o600)
	fd, err := m.r.openAt(dir, p, flags, rights, fdflags)
	if !m.agree(fmt.Sprintf("open %q flags %d rights %d", p, flags, rights), err, machineErr) {
		return
	}
	var st unix.Stat_t
	if err := unix.Fstat(theirs, &st); err != nil {
		m.t.Fatal(err)
	}
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		m.dirs[fd] = theirs
	} else {
		m.fds[fd] = theirs
	}
}

func (m *model) close() {
	fd, theirs := m.anyFd()
	m.agree("close", m.r.close(fd), unix.Close(theirs))
	delete(m.fds, fd)
}

func (m *model) closeDir() {
	fd, theirs := m.anyDir()
	if fd == m.tmp {
		m.t.Skip("needed")
	}
	m.agree("close", m.r.close(fd), unix.Close(theirs))
	delete(m.dirs, fd)
}

var (
	anyData = rapid.Custom(func(t *rapid.T) string {
		return strings.Repeat(rapid.StringN(1, 4, 8).Draw(t, "piece"), anyCount.Draw(t, "times"))
	})
	anyCount  = rapid.SampledFrom([]int{0, 1, 100, 10_000})
	anyOffset = rapid.SampledFrom([]int64{0, 1, 10, 500, 65_535, 65_536, 65_537, 131_072, 200_000})
)

func (m *model) write() {
	fd, theirs := m.anyFd()
	data := anyData.Draw(m.t, "data")
	n, err := m.r.write(fd, data)
	want, machineErr := unix.Write(theirs, []byte(data))
	if m.agree("write", err, machineErr) && n != want {
		m.t.Fatalf("wrote %d bytes, the machine %d", n, want)
	}
}

func (m *model) pwrite() {
	fd, theirs := m.anyFd()
	if flags, _ := unix.FcntlInt(uintptr(theirs), unix.F_GETFL, 0); flags&unix.O_APPEND != 0 {
		m.t.Skip("Linux ignores the offset then")
	}
	data, offset := anyData.Draw(m.t, "data"), anyOffset.Draw(m.t, "offset")
	n, err := m.r.pwrite(fd, data, offset)
	want, machineErr := unix.Pwrite(theirs, []byte(data), offset)
	if m.agree("pwrite", err, machineErr) && n != want {
		m.t.Fatalf("wrote %d bytes, the machine %d", n, want)
	}
}

func (m *model) read() {
	fd, theirs := m.anyFd()
	buf := make([]byte, anyCount.Draw(m.t, "count"))
	data, err := m.r.read(fd, len(buf))
	n, machineErr := unix.Read(theirs, buf)
	if m.agree("read", err, machineErr) && data != string(buf[:n]) {
		m.t.Fatalf("read %d bytes, the machine %d others", len(data), n)
	}
}

func (m *model) pread() {
	fd, theirs := m.anyFd()
	buf, offset := make([]byte, anyCount.Draw(m.t, "count")), anyOffset.Draw(m.t, "offset")
	data, err := m.r.pread(fd, len(buf), offset)
	n, machineErr := unix.Pread(theirs, buf, offset)
	if m.agree("pread", err, machineErr) && data != string(buf[:n]) {
		m.t.Fatalf("read %d bytes, the machine %d others", len(data), n)
	}
}

func (m *model) seek() {
	fd, theirs := m.anyFd()
	offset := anyOffset.Draw(m.t, "offset") * rapid.SampledFrom([]int64{1, -1}).Draw(m.t, "sign")
	whence := rapid.IntRange(0, 2).Draw(m.t, "whence")
	at, err := m.r.seek(fd, offset, uint32(whence))
	want, machineErr := unix.Seek(theirs, offset, whence)
	if m.agree("seek", err, machineErr) && at != want {
		m.t.Fatalf("at %d, the machine at %d", at, want)
	}
}

func (m *model) truncate() {
	fd, theirs := m.anyFd()
	size := anyOffset.Draw(m.t, "size")
	m.agree("truncate", m.r.call("fd_filestat_set_size", uint64(fd), uint64(size)), unix.Ftruncate(theirs, size))
}

func (m *model) allocate() {
	fd, theirs := m.anyFd()
	offset, size := anyOffset.Draw(m.t, "offset"), anyOffset.Draw(m.t, "size")
	machineErr := unix.Fallocate(theirs, 0, offset, size)
	if errors.Is(machineErr, unix.EOPNOTSUPP) {
		m.t.Skip("the machine's file system cannot")
	}
	m.agree("allocate", m.r.call("fd_allocate", uint64(fd), uint64(offset), uint64(size)), machineErr)
}

func (m *model) mkdir() {
	dir, machine, p := m.place()
	m.agree("mkdir "+p, m.r.onPath("path_create_directory", dir, p), unix.Mkdirat(machine, p, 0o700))
}

func (m *model) rmdir() {
	dir, machine, p := m.place()
	m.agree("rmdir "+p, m.r.onPath("path_remove_directory", dir, p), unix.Unlinkat(machine, p, unix.AT_REMOVEDIR))
}

func (m *model) unlink() {
	dir, machine, p := m.place()
	m.agree("unlink "+p, m.r.onPath("path_unlink_file", dir, p), unix.Unlinkat(machine, p, 0))
}

func (m *model) rename() {
	dir, machine, p := m.place()
	dir2, machine2, p2 := m.place()
	m.agree("rename "+p+" to "+p2, m.r.renameAt(dir, p, dir2, p2), unix.Renameat(machine, p, machine2, p2))
}

// anyTarget draws the target of a symbolic link. None leads to the link's own directory or above it,
// so that no path climbs above /tmp.
var anyTarget = rapid.SampledFrom([]string{"a", "b", "c", "dd", "a/b", "b/a", "./c", "a/", "b//", "none/x"})

func (m *model) symlink() {
	dir, machine, p := m.place()
	target := anyTarget.Draw(m.t, "target")
	m.agree("symlink "+p+" to "+target, m.r.symlinkAt(target, dir, p), unix.Symlinkat(target, machine, p))
}

func (m *model) link() {
	dir, machine, p := m.place()
	dir2, machine2, p2 := m.place()
	follow := rapid.IntRange(0, 1).Draw(m.t, "follow")
	m.agree(fmt.Sprintf("link %s to %s, follow %d", p2, p, follow), m.r.linkAt(dir, p, uint64(follow), dir2, p2),
		unix.Linkat(machine, p, machine2, p2, follow*unix.AT_SYMLINK_FOLLOW))
}

func (m *model) readlink() {
	dir, machine, p := m.place()
	size := rapid.SampledFrom([]int{1, 2, 100}).Draw(m.t, "size")
	text, err := m.r.readlinkAt(dir, p, uint64(size))
	buf := make([]byte, size)
	n, machineErr := unix.Readlinkat(machine, p, buf)
	if m.agree("readlink "+p, err, machineErr) && text != string(buf[:n]) {
		m.t.Fatalf("readlink %s: %q, the machine %q", p, text, buf[:n])
	}
}

// dup duplicates a descriptor, whose position the duplicate shares.
func (m *model) dup() {
	if len(m.fds)+len(m.dirs) > 20 {
		m.t.Skip("enough are open")
	}
	fd, theirs := m.anyFd()
	copied, err := m.r.dup(fd, math.MaxUint32)
	machine, machineErr := unix.Dup(theirs)
	if m.agree("dup", err, machineErr) {
		m.fds[copied] = machine
	}
}

// park lets another run use the System, and continues the run in that System or in another.
func (m *model) park() {
	p := m.r.sys.Park()
	if rapid.Bool().Draw(m.t, "elsewhere") {
		sys, err := New(Config{Tree: m.r.sys.tree, Clock: m.r.clock, Random: m.r.sys.random, Control: m.r.control})
		if err != nil {
			m.t.Fatal(err)
		}
		m.r.sys = sys
	}
	m.r.store("tmp/a", "of another run")
	m.r.mustOpen("tmp/b", openCreate, forBoth)
	m.r.sys.Reset(nil, Limits{})
	m.r.sys.Resume(p)
}

func (m *model) stat() {
	dir, machine, p := m.place()
	look, how := m.r.statAt, 0
	if rapid.Bool().Draw(m.t, "lstat") {
		look, how = m.r.lstatAt, unix.AT_SYMLINK_NOFOLLOW
	}
	st, err := look(dir, p)
	var want unix.Stat_t
	if !m.agree(fmt.Sprintf("stat %s, flags %d", p, how), err, unix.Fstatat(machine, p, &want, how)) {
		return
	}
	if isLink := want.Mode&unix.S_IFMT == unix.S_IFLNK; isLink != (st.fileType == typeSymbolicLink) {
		m.t.Fatalf("stat %s: %+v, the machine %+v", p, st, want)
	}
	isDir := want.Mode&unix.S_IFMT == unix.S_IFDIR
	if isDir != (st.fileType == typeDirectory) || !isDir && (st.size != uint64(want.Size) || st.links != want.Nlink) {
		m.t.Fatalf("stat %s: %+v, the machine %+v", p, st, want)
	}
}
