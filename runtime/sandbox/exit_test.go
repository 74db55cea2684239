package sandbox

import (
	"strings"
	"testing"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// exits are the ways to end that neither return nor raise an ordinary exception.
var exits = []struct {
	name    string
	main    string
	class   runtime.Class
	code    int
	message string // part of the message
}{
	{"exit 0", "import sys; sys.exit(0)", runtime.ClassExited, 0, "code 0"},
	{"exit 1", "import sys; sys.exit(1)", runtime.ClassExited, 1, "code 1"},
	{"exit nothing", "import sys; sys.exit()", runtime.ClassExited, 0, "code 0"},
	{"exit text", "import sys; sys.exit('no more')", runtime.ClassExited, 1, "no more"},
	{"exit big", "import sys; sys.exit(2**70 + 3)", runtime.ClassExited, 3, "code 3"},
	{"exit negative", "import sys; sys.exit(-1)", runtime.ClassExited, 255, "code 255"},
	{"exit object", "import sys\nclass C:\n    def __str__(self): raise ValueError\nsys.exit(C())", runtime.ClassExited, 1, "__str__ raised"},
	{"SystemExit", "raise SystemExit", runtime.ClassExited, 0, "code 0"},
	{"quit", "import os; os._exit(3)", runtime.ClassExited, 3, "code 3"},
	{"quit big", "import os; os._exit(256 + 4)", runtime.ClassExited, 4, "code 4"},
	{"abort", "import os; os.abort()", runtime.ClassCrashed, 0, "os.abort"},
	{"KeyboardInterrupt", "raise KeyboardInterrupt('x')", runtime.ClassError, 0, "x"},
	{"GeneratorExit", "raise GeneratorExit('y')", runtime.ClassError, 0, "y"},
	{"BaseException", "raise BaseException('z')", runtime.ClassError, 0, "z"},
	{"StopIteration", "raise StopIteration(5)", runtime.ClassError, 0, "5"},
	{"CancelledError", "import asyncio; raise asyncio.CancelledError('c')", runtime.ClassError, 0, "c"},
	{"group", "raise ExceptionGroup('many', [ValueError(i) for i in range(1000)])", runtime.ClassError, 0, "many"},
	{"exit in finally", "import sys\ntry: 1/0\nfinally: sys.exit(9)", runtime.ClassExited, 9, "code 9"},
	{"exit in finaliser", "import os\nclass C:\n    def __del__(self): os._exit(6)\nC()", runtime.ClassExited, 6, "code 6"},
	{"fatal", "import sys; sys.modules.clear(); raise ImportError('gone')", runtime.ClassError, 0, "gone"},
}

func TestExits(t *testing.T) {
	eachBox(t, func(t *testing.T, box *Sandbox) {
		neighbour(t, box)
		hi := deployed(t, box, hello, runtime.Limits{})
		for i, exit := range exits {
			if !sampled(box, i) {
				continue
			}
			t.Run(exit.name, func(t *testing.T) {
				source := "import atexit\natexit.register(print, 'HANDLED')\n" + body("print('before')\n"+exit.main)
				p := deployed(t, box, source, runtime.Limits{Timeout: 20 * time.Second})
				defer box.Forget(p.FunctionID, p.Version)
				outcome := runInTime(t, box, p, "{}")
				checkClass(t, outcome, exit.class)
				if f := outcome.Failure; f.ExitCode != exit.code || !strings.Contains(f.Message, exit.message) {
					t.Errorf("got %+v", *f)
				}
				if got := string(outcome.Logs.Data); got != "before\n" {
					t.Errorf("logged %q", got)
				}
				if got := result(t, box, hi, `{"name":"next"}`); got != `"Hello next"` {
					t.Errorf("the next run got %s", got)
				}
			})
		}
	})
}

// absent are features that other systems have. They must fail at once, and with the exceptions that
// Python programs expect.
var absent = []struct{ name, main, types string }{
	{"library", "import ctypes; ctypes.CDLL('libc.so.6')", "OSError"},
	{"library of the program", "import ctypes; ctypes.CDLL(None)", "OSError"},
	{"thread", "import threading; threading.Thread(target=print).start()", "RuntimeError"},
	{"executor of processes", "import concurrent.futures as f; f.ProcessPoolExecutor().submit(print)", "NotImplementedError OSError"},
	{"multiprocessing", "import multiprocessing; multiprocessing.Process(target=print).start()", "ModuleNotFoundError ImportError OSError AttributeError ValueError"},
	{"subprocess", "import subprocess; subprocess.run(['true'])", "ModuleNotFoundError ImportError OSError"},
	{"system", "import os; os.system('true')", "AttributeError OSError"},
	{"fork", "import os; os.fork()", "AttributeError OSError"},
	{"exec", "import os; os.execv('/bin/true', ['true'])", "AttributeError OSError"},
	{"kill", "import os; os.kill(1, 9)", "AttributeError OSError"},
	{"socket", "import socket; socket.create_connection(('127.0.0.1', 80))", "OSError ModuleNotFoundError AttributeError socket.gaierror"},
	{"url", "import urllib.request; urllib.request.urlopen('http://127.0.0.1/')", "urllib.error.URLError OSError AttributeError"},
	{"alarm", "import signal; signal.alarm(1)", "AttributeError"},
	{"chroot", "import os; os.chroot('/tmp')", "AttributeError OSError"},
	{"pipe", "import os; os.pipe()", "AttributeError OSError"},
	{"terminal", "import os; os.openpty()", "AttributeError OSError"},
	{"process of asyncio", "import asyncio; asyncio.run(asyncio.create_subprocess_exec('true'))", "NotImplementedError OSError ModuleNotFoundError ImportError AttributeError RuntimeError"},
}

func TestAbsentThingsFailCleanly(t *testing.T) {
	box := boxes["mapped"]
	for _, a := range absent {
		t.Run(a.name, func(t *testing.T) {
			p := deployed(t, box, body(a.main), runtime.Limits{Timeout: 20 * time.Second})
			f := fails(t, box, p, "{}", runtime.ClassError)
			found := false
			for name := range strings.FieldsSeq(a.types) {
				found = found || f.Type == name
			}
			if !found {
				t.Errorf("fails with %s: %s; want one of %s", f.Type, f.Message, a.types)
			}
		})
	}
}
