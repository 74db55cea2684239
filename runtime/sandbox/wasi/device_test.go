package wasi

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestDevices reads from every device, writes to it, and compares with Linux.
func TestDevices(t *testing.T) {
	for _, c := range []struct {
		path  string
		read  int   // bytes that reading 100 yields
		zero  bool  // they are zeros
		write errno // of writing 10 bytes
		seek  errno
		log   int // bytes of those that the log receives
	}{
		{"dev/null", 0, false, success, success, 0},
		{"dev/zero", 100, true, success, success, 0},
		{"dev/full", 100, true, eNOSPC, success, 0},
		{"dev/random", 100, false, success, success, 0},
		{"dev/urandom", 100, false, success, success, 0},
		{"dev/stdin", 0, false, success, eSPIPE, 0},
		{"dev/stdout", 0, false, success, eSPIPE, 10},
		{"dev/stderr", 0, false, success, eSPIPE, 10},
		{"dev/fd/2", 0, false, success, eSPIPE, 10},
	} {
		t.Run(c.path, func(t *testing.T) {
			r := newRig(t)
			fd := r.mustOpen(c.path, openCreate|openTruncate, forBoth)
			got, err := r.read(fd, 100)
			r.want("read", err, success)
			if len(got) != c.read || c.zero != (got != "" && strings.Trim(got, "\x00") == "") {
				t.Errorf("read %q", got)
			}
			before := r.logBytes()
			_, err = r.write(fd, "0123456789")
			r.want("write", err, c.write)
			if n := r.logBytes() - before; n != c.log {
				t.Errorf("the log received %d bytes", n)
			}
			_, err = r.seek(fd, 0, 2)
			r.want("seek", err, c.seek)
			st, err := r.fstat(fd)
			r.want("fstat", err, success)
			if named, _ := r.stat(c.path); st.fileType != typeCharacterDevice || named != st {
				t.Errorf("open %+v, by name %+v", st, named)
			}
			r.want("unlink", r.unlink(c.path), eROFS)
			_, err = r.open(c.path, openCreate|openExclusive, forWriting)
			r.want("exclusively", err, eEXIST)
			_, err = r.open(c.path, openDirectory, forReading)
			r.want("as a directory", err, eNOTDIR)
			r.want("rename", r.rename(c.path, "tmp/x"), eROFS)
			r.want("close", r.close(fd), success)
			_, err = r.write(1, "still open")
			r.want("stdout", err, success)
			r.check()
		})
	}
	if got := newRig(t).names("dev/fd"); !slices.Equal(got, []string{"0", "1", "2"}) {
		t.Errorf("dev/fd holds %q", got)
	}
}

// logBytes returns the number of bytes that the log has received.
func (r *rig) logBytes() int { return r.control.logged[1].Len() + r.control.logged[2].Len() }

// TestDescriptorsByName verifies that /dev/fd/N leads to what descriptor N refers to, and that no
// change of such a name reaches /tmp.
func TestDescriptorsByName(t *testing.T) {
	r := newRig(t)
	r.store("tmp/a", "0123456789")
	r.want("mkdir", r.mkdir("tmp/d"), success)
	r.store("tmp/d/x", "inner")
	file, folder := r.mustOpen("tmp/a", 0, forBoth), r.mustOpen("tmp/d", openDirectory, forReading)
	name, inFolder := fmt.Sprintf("dev/fd/%d", file), fmt.Sprintf("dev/fd/%d/x", folder)
	if got := r.load(name) + r.load(inFolder); got != "0123456789inner" {
		t.Errorf("read %q", got)
	}
	again := r.mustOpen(name, openCreate|openTruncate, forBoth)
	_, err := r.write(again, "new")
	r.want("write", err, success)
	if got := r.load("tmp/a"); got != "new" {
		t.Errorf("the file has %q", got)
	}
	_, err = r.open(name, openCreate|openExclusive, forWriting)
	r.want("exclusively", err, eEXIST)
	named, _ := r.stat(name)
	if st, _ := r.fstat(file); st != named {
		t.Errorf("by name %+v, by descriptor %+v", named, st)
	}
	for what, err := range map[string]errno{
		"unlink": r.unlink(name), "rename": r.rename(name, "tmp/b"), "onto": r.rename("tmp/d/x", name), "over": r.rename(name, name),
	} {
		r.want(what, err, eROFS)
	}
	r.want("rmdir", r.rmdir(fmt.Sprintf("dev/fd/%d", folder)), eNOTDIR)
	r.want("mkdir", r.mkdir(name), eEXIST)
	r.want("symlink", r.symlink("x", name), eEXIST)
	r.want("link from", r.link(name, "tmp/b"), eXDEV)
	r.want("link to", r.link("tmp/a", name), eEXIST)
	r.want("follow and link", r.linkAt(3, name, 1, 3, "tmp/b"), success)
	if got := strings.Join(r.names("tmp"), " "); got != "a d b" {
		t.Errorf("/tmp holds %s", got)
	}
	r.want("unlink a", r.unlink("tmp/a"), success)
	r.want("unlink b", r.unlink("tmp/b"), success)
	if got := r.load(name); got != "new" {
		t.Errorf("without a name the file has %q", got)
	}
	r.want("link without a name", r.linkAt(3, name, 1, 3, "tmp/b"), eNOENT)
	r.want("close", r.close(again), success)
	r.want("close", r.close(file), success)
	_, err = r.stat(name)
	r.want("closed", err, eNOENT)
	for _, path := range []string{"dev/fd/", "dev/fd/00", "dev/fd/+1", "dev/fd/1_0", "dev/fd/4294967296", "dev/fd/x"} {
		if _, err := r.stat(path); (path == "dev/fd/") != (err == success) {
			t.Errorf("%s: errno %d", path, err)
		}
	}
	if fd, err := r.dup(1, 9); err != success || fd != 9 {
		t.Fatal(fd, err)
	}
	out := r.mustOpen("dev/fd/9", 0, forWriting)
	before := r.logBytes()
	_, err = r.write(out, "to the log")
	r.want("write", err, success)
	if r.logBytes() == before {
		t.Error("a name of stdout does not lead to the log")
	}
	r.check()
}

// TestExecutionDevice reads what the host says about the run, as a stream that ends, at every size of
// buffer, and through descriptors that share a position.
func TestExecutionDevice(t *testing.T) {
	r := newRig(t)
	fd := r.mustOpen("dev/execution", 0, forReading)
	if got, err := r.read(fd, 100); err != success || got != "" {
		t.Errorf("without a run: %q, %v", got, err)
	}
	r.control.execution = `{"id":"x"}`
	for _, size := range []int{1, 3, 10, 11, 1000} {
		fd := r.mustOpen("dev/execution", 0, forReading)
		var all strings.Builder
		for {
			got, err := r.read(fd, size)
			if r.want("read", err, success); got == "" {
				break
			}
			all.WriteString(got)
		}
		if all.String() != r.control.execution {
			t.Errorf("in parts of %d bytes: %q", size, all.String())
		}
		r.control.execution = "" // a text that has become shorter than the position
		if got, err := r.read(fd, size); err != success || got != "" {
			t.Errorf("behind the end: %q, %v", got, err)
		}
		r.control.execution = `{"id":"x"}`
		r.want("close", r.close(fd), success)
	}
	r.check()
}

// TestPositionsOfDevices reads and writes devices at positions, as pread and pwrite do on Linux.
func TestPositionsOfDevices(t *testing.T) {
	r := newRig(t)
	for _, c := range []struct {
		path  string
		read  int
		err   errno
		write errno
	}{
		{"dev/null", 0, success, success},
		{"dev/zero", 10, success, success},
		{"dev/full", 10, success, eNOSPC},
		{"dev/urandom", 10, success, success},
		{"dev/execution", 0, eSPIPE, eSPIPE},
		{"dev/stdin", 0, eSPIPE, eSPIPE},
		{"dev/stdout", 0, eSPIPE, eSPIPE},
	} {
		fd := r.mustOpen(c.path, 0, forBoth)
		got, err := r.pread(fd, 10, 1<<40)
		if r.want("pread of "+c.path, err, c.err); err == success && len(got) != c.read {
			t.Errorf("%s: read %d bytes", c.path, len(got))
		}
		_, err = r.pwrite(fd, "0123456789", 1<<40)
		r.want("pwrite of "+c.path, err, c.write)
	}
	r.check()
}
