package wasi

import (
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
