package sandbox

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// TestFilesOutsideAreOutOfReach tries to reach files of the machine.
func TestFilesOutsideAreOutOfReach(t *testing.T) {
	eachBox(t, func(t *testing.T, box *Sandbox) {
		p := deployed(t, box, `
import os, errno
def attempt(f, *args):
    try:
        f(*args)
        return "done"
    except (OSError, ValueError, AttributeError, NotImplementedError) as e:
        return "refused"
def main(args, context):
    done = []
    def refuse(what, f, *args):
        if attempt(f, *args) == "done": done.append(what)
    for path in ("/etc/shadow", "/proc/self/mem", "/proc/self/maps", "/dev/mem", "/dev/fd/4", "/dev/pts", "/root", "/var", "/home", "/sys",
                 "../../../../etc/shadow", "/tmp/../etc/shadow", "/usr/lib/../../etc/shadow", "//etc/shadow", "/tmp/\x00/etc", "/../etc/ssh",
                 "/usr/lib/faaspot/../../../etc/shadow"):
        refuse("open " + path, open, path)
        refuse("list " + path, os.listdir, path)
    for path in ("/x", "/usr/x", "/usr/lib/x", "/usr/lib/faaspot/_faas_boot/values.py", "/usr/lib/python3.13", "/usr/lib/python3.13/os.pyc", "/usr/lib/python3.13/json", "/usr/lib/python3.13/x.py", "/usr/lib/faaspot/x.py"):
        refuse("write " + path, open, path, "w")
        refuse("append " + path, open, path, "ab")
        refuse("remove " + path, os.remove, path)
        refuse("make " + path, os.mkdir, path)
        refuse("move to " + path, os.rename, "/tmp/f", path)
    open("/tmp/f", "w").close()
    os.symlink("/etc/shadow", "/tmp/l")
    refuse("read through a link", open, "/tmp/l")
    os.symlink("/usr/lib/python3.13", "/tmp/lib")
    refuse("write through a link", open, "/tmp/lib/os.pyc", "w")
    refuse("create through a link", open, "/tmp/lib/x", "w")
    refuse("symbolic link outside", os.symlink, "/tmp", "/usr/l")
    refuse("hard link", os.link, "/usr/lib/python3.13/os.pyc", "/tmp/l")
    for fd in range(4, 200):
        refuse("read %d" % fd, os.read, fd, 1)
        refuse("write %d" % fd, os.write, fd, b"x")
        refuse("close %d" % fd, os.close, fd)
    refuse("read the root", os.read, 3, 10)
    refuse("write the root", os.write, 3, b"x")
    return [done, sorted(os.listdir("/")), sorted(os.listdir("/usr/lib")), os.listdir("/etc"), open("/etc/passwd").read()]
`, runtime.Limits{})
		if got := result(t, box, p, "{}"); got != `[[],["dev","etc","tmp","usr"],["faaspot","python3.13","ssl"],["group","hostname","hosts","passwd","ssl"],"root:x:0:0:root:/tmp:/bin/sh\n"]` {
			t.Errorf("got %s", got)
		}
	})
}

func TestFileLimits(t *testing.T) {
	eachBox(t, func(t *testing.T, box *Sandbox) {
		for name, c := range map[string]struct{ main, want string }{
			"open files": {`
import os, errno
held = []
try:
    for i in range(10**6): held.append(os.open("/tmp/f", os.O_CREAT | os.O_RDWR))
except OSError as e: return [len(held), errno.errorcode[e.errno]]`, `[60,"EMFILE"]`},
			"files": {`
import os, errno
try:
    for i in range(10**6): os.close(os.open("/tmp/%d" % i, os.O_CREAT | os.O_RDWR))
except OSError as e: return [i, errno.errorcode[e.errno]]`, `[10000,"ENOSPC"]`},
			"bytes": {`
import os, errno
fd = os.open("/tmp/f", os.O_CREAT | os.O_RDWR)
n = 0
try:
    for i in range(1024): n += os.write(fd, bytes(1 << 20))
except OSError as e: return [n >> 20, errno.errorcode[e.errno]]`, `[8,"ENOSPC"]`},
			"sparse": {`
import os, errno
fd = os.open("/tmp/f", os.O_CREAT | os.O_RDWR)
try: os.truncate("/tmp/f", 1 << 30)
except OSError as e: return errno.errorcode[e.errno]`, `"ENOSPC"`},
			"depth": {`
import os, errno
try:
    for i in range(10**4):
        os.mkdir("d"); os.chdir("d")
except OSError as e: return errno.errorcode[e.errno]`, `"ENAMETOOLONG"`},
		} {
			t.Run(name, func(t *testing.T) {
				p := deployed(t, box, body("import os\nos.chdir('/tmp')\n"+c.main), runtime.Limits{OpenFiles: 64, Tmp: 8 * runtime.MiB, Timeout: time.Minute})
				// Twice: what one run has used up is available to the next.
				for range 2 {
					if got := result(t, box, p, "{}"); got != c.want {
						t.Errorf("got %s, want %s", got, c.want)
					}
				}
			})
		}
		if got := box.accounts.tmp.Held(); got != 0 {
			t.Errorf("%d bytes of /tmp are not released", got)
		}
	})
}

// TestTmpIsNotShared verifies that a run has all of the /tmp that it has reserved, whatever other
// runs hold, and that a run which reaches its limit gets an error that the disk is full.
func TestTmpIsNotShared(t *testing.T) {
	eachBox(t, func(t *testing.T, shared *Sandbox) {
		box := openBox(t, Options{Portable: !shared.guest.mapped})
		const limit, hogs = 4 * runtime.MiB, 8
		hog := deployed(t, box, body(`
import time
open("/tmp/f", "wb").write(bytes(args["n"]))
time.sleep(60)`), runtime.Limits{Tmp: limit})
		p := deployed(t, box, body(`
try: open("/tmp/f", "wb").write(bytes(args["n"]))
except OSError: return "full"
return "fits"`), runtime.Limits{Tmp: limit})
		ctx, cancel := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		for range hogs {
			wg.Go(func() {
				box.Run(ctx, runtime.RunCall{Program: hog, Args: fmt.Appendf(nil, `{"n":%d}`, limit), Context: []byte("{}")})
			})
		}
		for end := time.Now().Add(time.Minute); box.accounts.tmp.Held() < hogs*limit && time.Now().Before(end); {
			time.Sleep(time.Millisecond)
		}
		if got := box.accounts.tmp.Held(); got < hogs*limit {
			t.Errorf("%d runs with %d bytes in /tmp each hold %d", hogs, limit, got)
		}
		if got := result(t, box, p, fmt.Sprintf(`{"n":%d}`, limit)); got != `"fits"` {
			t.Errorf("writing what was reserved returned %s", got)
		}
		if got := result(t, box, p, fmt.Sprintf(`{"n":%d}`, 2*limit)); got != `"full"` {
			t.Errorf("writing more than was reserved returned %s", got)
		}
		cancel()
		wg.Wait()
		if got := box.accounts.tmp.Held(); got != 0 {
			t.Errorf("%d bytes of /tmp are not released", got)
		}
	})
}

// TestClosedDescriptorsAreRestored verifies that a run which closes stdio and the root does not
// affect the next run.
func TestClosedDescriptorsAreRestored(t *testing.T) {
	eachBox(t, func(t *testing.T, box *Sandbox) {
		p := deployed(t, box, body("import os\nprint('x')\nn = len(os.listdir('/'))\nos.closerange(0, 10)\nreturn n"), runtime.Limits{})
		for range 3 {
			outcome := run(t, box, p, "{}")
			if string(outcome.Result) != "4" || string(outcome.Logs.Data) != "x\n" {
				t.Fatalf("got %s, %q, %+v", outcome.Result, outcome.Logs.Data, outcome.Failure)
			}
		}
	})
}
