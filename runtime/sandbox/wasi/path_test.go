package wasi

import (
	"fmt"
	"maps"
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
		{"function", eNOENT, eROFS},
		{"function/main.py", eNOENT, eNOENT},
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
		{"dev/null", success, success},
		{"dev/fd/1", success, success},
		{"dev/fd/99", eNOENT, eROFS},
		{"dev/fd/01", eNOENT, eROFS},
		{"dev/fd/3", success, eISDIR},
		{"dev/new", eNOENT, eROFS},
		{"dev/null/x", eNOTDIR, eNOTDIR},
		{"dev/null/", eNOTDIR, eISDIR},
		{"tmp/a\x00b", eINVAL, eINVAL},
		{"tmp/\xff", eNOENT, success},
		{"tmp/\xed\xa0\x80", eNOENT, success},
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

// TestOutsideTmp verifies that nothing outside /tmp can be changed.
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

func TestRename(t *testing.T) {
	for _, c := range []struct {
		from, to string
		err      errno
	}{
		{"f", "new", success},
		{"f", "g", success},
		{"f", "f", success},
		{"d", "d", success},
		{"d", "empty", success},
		{"d/sub", "new", success},
		{"d", "new/", success},
		{"d/", "new", success},
		{"./d/../f", "d/./new", success},
		{"f", "new/", eNOTDIR},
		{"f/", "new", eNOTDIR},
		{"f", "empty", eISDIR},
		{"d", "f", eNOTDIR},
		{"empty", "d", eNOTEMPTY},
		{"d", "d/new", eINVAL},
		{"d", "d/sub/new", eINVAL},
		{"d", "d/sub", eINVAL},
		{"d/sub", "d", eNOTEMPTY},
		{"d/sub/x", "d", eNOTEMPTY},
		{"none", "new", eNOENT},
		{"f", "none/new", eNOENT},
		{"f", "g/new", eNOTDIR},
		{"f/x", "new", eNOTDIR},
		{"d/.", "new", eBUSY},
		{"f", "d/..", eBUSY},
		{".", "new", eBUSY},
		{"d", "..", eBUSY},
	} {
		t.Run(c.from+" to "+c.to, func(t *testing.T) {
			r := newRig(t)
			r.store("tmp/f", "f")
			r.store("tmp/g", "g")
			for _, dir := range []string{"tmp/d", "tmp/d/sub", "tmp/empty"} {
				r.want("mkdir", r.mkdir(dir), success)
			}
			r.store("tmp/d/sub/x", "x")
			was, _ := r.stat("tmp/" + c.from)
			before := dump(r.sys)
			r.want("rename", r.rename("tmp/"+c.from, "tmp/"+c.to), c.err)
			r.check()
			if is, _ := r.stat("tmp/" + c.to); c.err == success && is.number != was.number {
				t.Error("another file has the new name")
			}
			if c.err != success && !maps.Equal(dump(r.sys), before) {
				t.Error("refused, yet something has changed")
			}
		})
	}
}
