package sandbox

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/faaspot/faaspot/runtime"
)

// The ends of the sentences in pyguest/bootstrap/_faas_boot/absent.py, each of which says what to do.
const (
	saysThreads     = "or start a run for each part"
	saysProcesses   = "do the work in Python, or start a run for each part"
	saysSignals     = "the time limit of the function ends a run that takes too long"
	saysServers     = "let callers run the function, or fetch the data in main"
	saysNetwork     = "fetch it where the function is called and use the result there"
	saysPackages    = "put the code that it needs into the file, or use a module of the standard library"
	saysFiles       = "put the data that it needs into the file, or send it in the args or the context"
	saysEnvironment = "read settings from context, and the variables of a job from os.environ in main"
	saysNative      = "use Python code and files in /tmp"
	saysTerminal    = "take the input from args and return the output"
)

// absentThings has statements that need what functions do not have.
var absentThings = []struct{ name, statement, kind, begins, says string }{
	{"package", "import requests", "ModuleNotFoundError", "there is no module requests: ", saysPackages},
	{"part of a package", "from numpy.linalg import norm", "ModuleNotFoundError", "there is no module numpy: ", saysPackages},
	{"second file", "from helpers import util", "ModuleNotFoundError", "there is no module helpers: ", saysPackages},
	{"data beside the function", "import pathlib; (pathlib.Path(__file__).parent / 'words.txt').read_text()", "FileNotFoundError", "/function/words.txt does not exist: ", saysFiles},
	{"thread", "import threading; threading.Thread(target=print).start()", "RuntimeError", "can't start new thread: ", saysThreads},
	{"timer of threading", "import threading; threading.Timer(1, print).start()", "RuntimeError", "can't start new thread: ", saysThreads},
	{"thread by _thread", "import _thread; _thread.start_new_thread(print, ())", "RuntimeError", "can't start new thread: ", saysThreads},
	{"fork", "import os; os.fork()", "AttributeError", "os.fork is absent: ", saysProcesses},
	{"fork by name", "from os import fork", "ImportError", "os.fork is absent: ", saysProcesses},
	{"shell", "import os; os.system('date')", "AttributeError", "os.system is absent: ", saysProcesses},
	{"subprocess", "import subprocess; subprocess.run(['date'])", "OSError", "processes are absent: ", saysProcesses},
	{"lock between processes", "import multiprocessing; multiprocessing.Lock()", "ModuleNotFoundError", "the module multiprocessing is absent: ", saysProcesses},
	{"pool of processes", "from multiprocessing import Pool\nPool(2)", "OSError", "processes are absent: ", saysProcesses},
	{"signal of an alarm", "import signal; signal.signal(signal.SIGALRM, print)", "AttributeError", "signal.SIGALRM is absent: ", saysSignals},
	{"timer", "import signal; signal.setitimer(0, 1)", "AttributeError", "signal.setitimer is absent: ", saysSignals},
	{"handler of a loop", "import asyncio, signal\nasync def f(): asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, print)\nasyncio.run(f())", "NotImplementedError", "signals are absent: ", saysSignals},
	{"shared memory", "from multiprocessing import shared_memory", "ModuleNotFoundError", "the module multiprocessing.shared_memory is absent: ", saysProcesses},
	{"breakpoint", "breakpoint()", "RuntimeError", "breakpoint() is absent: ", saysTerminal},
	{"debugger", "import pdb; pdb.set_trace()\nx = 1", "bdb.BdbQuit", "the debugger has nothing to read: ", saysTerminal},
	{"removed module", "import cgi", "ModuleNotFoundError", "Python 3.13 has removed the module cgi: ", "use urllib.parse.parse_qs"},
	{"removed package", "from distutils.core import setup", "ModuleNotFoundError", "Python 3.12 has removed the module distutils: ", "use sysconfig or shutil"},
	{"removed module of the network", "import telnetlib", "ModuleNotFoundError", "Python 3.13 has removed the module telnetlib: ", "use socket"},
	{"alarm", "import signal; signal.alarm(1)", "AttributeError", "signal.alarm is absent: ", saysSignals},
	{"http", "import urllib.request as r; r.urlopen('http://example.com')", "urllib.error.URLError", "<urlopen error ", saysNetwork},
	{"https", "import urllib.request as r; r.urlopen('https://example.com')", "urllib.error.URLError", "<urlopen error ", saysNetwork},
	{"HTTPSConnection", "import http.client as c; c.HTTPSConnection('example.com').request('GET', '/')", "socket.gaierror", "[Errno -3] Temporary failure in name resolution: ", saysNetwork},
	{"name look-up", "import socket; socket.gethostbyname('example.com')", "socket.gaierror", "[Errno -3] Temporary failure in name resolution: ", saysNetwork},
	{"connection", "import socket; socket.create_connection(('192.0.2.1', 80))", "OSError", "[Errno 101] Network is unreachable: ", saysNetwork},
	{"connection of asyncio", "import asyncio; asyncio.run(asyncio.open_connection('example.com', 80))", "socket.gaierror", "[Errno -3] Temporary failure in name resolution: ", saysNetwork},
	{"mail", "import smtplib; smtplib.SMTP('mail.example.com')", "socket.gaierror", "[Errno -3] Temporary failure in name resolution: ", saysNetwork},
	{"mail with TLS", "import smtplib; smtplib.SMTP_SSL('mail.example.com')", "socket.gaierror", "[Errno -3] Temporary failure in name resolution: ", saysNetwork},
	{"server", "import http.server as h; h.HTTPServer(('', 8000), h.BaseHTTPRequestHandler)", "PermissionError", "[Errno 13] Permission denied: ", saysServers},
	{"server of asyncio", "import asyncio; asyncio.run(asyncio.start_server(print, '127.0.0.1', 80))", "PermissionError", "[Errno 13] error while attempting to bind on address ('127.0.0.1', 80): [errno 13] permission denied: ", saysServers},
	{"executor of processes", "from concurrent.futures import ProcessPoolExecutor as P\nP(2)", "NotImplementedError", "multiprocessing is absent: ", saysProcesses},
	{"process", "import multiprocessing; multiprocessing.Process(target=print).start()", "OSError", "processes are absent: ", saysProcesses},
	{"process of a context", "import multiprocessing; multiprocessing.get_context('spawn').Process(target=print).start()", "OSError", "processes are absent: ", saysProcesses},
	{"manager", "import multiprocessing; multiprocessing.Manager()", "OSError", "processes are absent: ", saysProcesses},
	{"pipe between processes", "import multiprocessing; multiprocessing.Pipe()", "OSError", "processes are absent: ", saysProcesses},
	{"subprocess of asyncio", "import asyncio; asyncio.run(asyncio.create_subprocess_exec('date'))", "OSError", "processes are absent: ", saysProcesses},
	{"terminal of its own", "import pty; pty.spawn('date')", "ImportError", "os.waitpid is absent: ", saysProcesses},
	{"tracemalloc", "import tracemalloc; tracemalloc.start()", "NotImplementedError", "tracemalloc is absent: ", "from its execution"},
	{"input", "input('name? ')", "EOFError", "input has nothing to read: ", saysTerminal},
	{"certificate of a server", "import ssl; ssl.get_server_certificate(('example.com', 443))", "socket.gaierror", "[Errno -3] Temporary failure in name resolution: ", saysNetwork},
	{"shared library", "import ctypes; ctypes.CDLL('libc.so.6')", "OSError", "the shared library libc.so.6 cannot be loaded: ", saysNative},
	{"the program's own library", "import ctypes; ctypes.CDLL(None)", "OSError", "the shared library of the program cannot be loaded: ", saysNative},
	{"CPython's API", "import ctypes; ctypes.pythonapi.Py_IncRef", "AttributeError", "ctypes.pythonapi is absent: ", saysNative},
	{"address", "import ctypes; ctypes.addressof(ctypes.c_int())", "NotImplementedError", "ctypes.addressof is absent: ", saysNative},
	{"limit of the process", "import resource; resource.setrlimit(resource.RLIMIT_CPU, (1, 1))", "PermissionError", "[Errno 1] Operation not permitted: the limits of a run are those of its function: ", "fas functions update"},
	{"control of a file", "import fcntl; fcntl.fcntl(1, fcntl.F_NOTIFY, 0)", "OSError", "[Errno 22] Invalid argument: ", "whose system interface has no such call"},
	{"module of a C library", "import readline", "ModuleNotFoundError", "the module readline is absent: ", saysTerminal},
	{"timer", "import threading; threading.Timer(0, print).start()", "RuntimeError", "can't start new thread: ", saysThreads},
	{"thread of multiprocessing", "import multiprocessing.dummy; multiprocessing.dummy.Process(target=print).start()", "RuntimeError", "can't start new thread: ", saysThreads},
	{"pool of processes", "import multiprocessing; multiprocessing.Pool(2)", "OSError", "processes are absent: ", saysProcesses},
	{"relative import", "from . import helpers", "ImportError", "a relative import finds nothing: ", saysPackages},
	{"file of the working folder", "open('words.txt')", "FileNotFoundError", "words.txt does not exist: ", saysFiles},
	{"file outside of /tmp", "import pathlib; pathlib.Path('out.csv').write_text('x')", "OSError", "out.csv cannot be written: ", "a function writes files in /tmp only"},
	{"screen", "import tkinter", "ModuleNotFoundError", "the module tkinter is absent: ", saysTerminal},
}

// TestAbsentThingsSaySo verifies that what is absent is named, with what to do instead, by the same
// sentence in a deployment and in a run.
func TestAbsentThingsSaySo(t *testing.T) {
	box := boxes["mapped"]
	for _, c := range absentThings {
		t.Run(c.name, func(t *testing.T) {
			p := program(c.statement+"\ndef main(args, context): pass\n", runtime.Limits{})
			atDeployment, err := box.Deploy(context.Background(), p)
			if err != nil {
				t.Fatal(err)
			}
			checkClass(t, atDeployment, runtime.ClassError)
			q := deployed(t, box, body(c.statement), runtime.Limits{})
			defer box.Forget(q.FunctionID, q.Version)
			atRun := fails(t, box, q, "{}", runtime.ClassError)
			for _, f := range []*runtime.Failure{atDeployment.Failure, atRun} {
				if f.Type != c.kind || !strings.HasPrefix(f.Message, c.begins) || !strings.Contains(f.Message, c.says) || f.Line == 0 {
					t.Errorf("line %d, %s: %s", f.Line, f.Type, f.Message)
				}
				if !f.Advises {
					t.Error("the message does not count as advice")
				}
				if strings.Count(f.Traceback, c.says) == 0 {
					t.Errorf("the traceback does not say it:\n%s", f.Traceback)
				}
			}
			if atDeployment.Failure.Message != atRun.Message {
				t.Errorf("the deployment said %q, the run %q", atDeployment.Failure.Message, atRun.Message)
			}
		})
	}
}

// TestCaughtExceptionsSayWhy verifies that the exceptions of what Linux has and functions do not have
// say why to a program that catches them, and that handlers find what they look for.
func TestCaughtExceptionsSayWhy(t *testing.T) {
	box := boxes["mapped"]
	for _, c := range []struct{ name, statement, says string }{
		{"fork", "import os\ntry: os.fork()\nexcept AttributeError as e: return [str(e), e.name == 'fork', e.obj is os]", saysProcesses},
		{"fork by name", "try: from os import fork\nexcept ImportError as e: return [str(e), e.name == 'os', e.name_from == 'fork']", saysProcesses},
		{"subprocess", "import subprocess, errno\ntry: subprocess.run(['date'])\nexcept OSError as e: return [str(e), e.errno == errno.ENOTSUP, len(e.args) == 2]", saysProcesses},
		{"shell", "import os\ntry: os.system('date')\nexcept AttributeError as e: return [str(e)]", saysProcesses},
		{"executor of processes", "from concurrent.futures import ProcessPoolExecutor\ntry: ProcessPoolExecutor()\nexcept NotImplementedError as e: return [str(e)]", saysProcesses},
		{"lock between processes", "import multiprocessing\ntry: multiprocessing.Lock()\nexcept ImportError as e: return [str(e), e.name == '_multiprocessing']", saysProcesses},
		{"thread", "import threading\ntry: threading.Thread(target=print).start()\nexcept RuntimeError as e: return [str(e)]", saysThreads},
		{"wait of a call that the loop does not end", "import asyncio, threading\ntry: asyncio.run(asyncio.to_thread(threading.Event().wait))\nexcept RuntimeError as e: return [str(e)]", "this wait would never end"},
		{"wait of a call behind a cancelled timer", "import asyncio, threading\nasync def run():\n        timer = asyncio.get_running_loop().call_later(3600, print)\n        asyncio.get_running_loop().call_soon(timer.cancel)\n        await asyncio.to_thread(threading.Event().wait)\ntry: asyncio.run(run())\nexcept RuntimeError as e: return [str(e)]", "this wait would never end"},
		{"socket", "import socket, errno\ntry: socket.create_connection(('192.0.2.1', 80))\nexcept OSError as e: return [str(e), e.errno == errno.ENETUNREACH, len(e.args) == 2, e.filename is None]", saysNetwork},
		{"name look-up", "import socket\ntry: socket.gethostbyname('example.com')\nexcept socket.gaierror as e: return [str(e), e.errno == socket.EAI_AGAIN]", saysNetwork},
		{"http", "import urllib.request, urllib.error\ntry: urllib.request.urlopen('http://192.0.2.1')\nexcept urllib.error.URLError as e: return [str(e), isinstance(e.reason, OSError)]", saysNetwork},
		{"https", "import urllib.request, urllib.error\ntry: urllib.request.urlopen('https://example.com')\nexcept urllib.error.URLError as e: return [str(e), isinstance(e.reason, OSError)]", saysNetwork},
		{"server of asyncio", "import asyncio\ntry: asyncio.run(asyncio.start_server(print, '127.0.0.1', 80))\nexcept OSError as e: return [str(e)]", saysServers},
		{"shared library", "import ctypes\ntry: ctypes.CDLL('libc.so.6')\nexcept OSError as e: return [str(e)]", saysNative},
		{"process", "import multiprocessing, errno\ntry: multiprocessing.Process(target=print).start()\nexcept OSError as e: return [str(e), e.errno == errno.ENOTSUP]", saysProcesses},
		{"alarm", "import signal\ntry: signal.alarm(1)\nexcept AttributeError as e: return [str(e)]", saysSignals},
		{"handler of a loop", "import asyncio\nasync def f():\n    try: asyncio.get_running_loop().add_signal_handler(15, print)\n    except NotImplementedError as e: return [str(e)]\nreturn asyncio.run(f())", saysSignals},
		{"file outside of /tmp", "import errno\ntry: open('out.csv', 'w')\nexcept OSError as e: return [str(e), e.errno == errno.EROFS, e.filename == 'out.csv', len(e.args) == 2]", "a function writes files in /tmp only"},
		{"mode outside of /tmp", "import os, errno\ntry: os.chmod('/usr', 0)\nexcept OSError as e: return [str(e), e.errno == errno.EROFS, e.filename == '/usr']", "a function writes files in /tmp only"},
		{"tracemalloc", "import tracemalloc\ntry: tracemalloc.start()\nexcept NotImplementedError as e: return [str(e)]", "from its execution"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := deployed(t, box, body(c.statement), runtime.Limits{})
			defer box.Forget(p.FunctionID, p.Version)
			var got []any
			if err := json.Unmarshal([]byte(result(t, box, p, "{}")), &got); err != nil {
				t.Fatal(err)
			}
			for i, v := range got[1:] {
				if v != true {
					t.Errorf("property %d of the exception is not as it was", i)
				}
			}
			if text, _ := got[0].(string); strings.Count(text, c.says) != 1 {
				t.Errorf("got %q", text)
			}
		})
	}
}

// TestEndlessWaits verifies that a wait which nothing can end is an error at once, also for a program
// that catches it, and that the run continues afterwards.
func TestEndlessWaits(t *testing.T) {
	box := boxes["mapped"]
	p := deployed(t, box, `import asyncio, queue, threading
from concurrent.futures import Future

def twice(lock):
    lock.acquire()
    lock.acquire()

def inside(lock):
    with lock:
        with lock: pass

async def never(): await asyncio.Event().wait()

async def put(): await asyncio.Queue().get()

async def held():
    lock = asyncio.Lock()
    await lock.acquire()
    await lock.acquire()

def condition():
    c = threading.Condition()
    with c: c.wait()

def full():
    q = queue.Queue(1)
    q.put(1)
    q.put(2)

def joined():
    q = queue.Queue()
    q.put(1)
    q.join()

WAITS = [
    lambda: twice(threading.Lock()), lambda: inside(threading.Lock()), condition, full, joined,
    lambda: threading.Event().wait(), lambda: threading.Semaphore(0).acquire(), lambda: threading.Barrier(2).wait(),
    lambda: queue.Queue().get(), lambda: queue.LifoQueue().get(), lambda: queue.SimpleQueue().get(), lambda: Future().result(),
    lambda: asyncio.run(never()), lambda: asyncio.run(put()), lambda: asyncio.run(held()), lambda: asyncio.new_event_loop().run_forever(),
]

def main(args, context):
    if "wait" in args: return WAITS[args["wait"]]()
    caught = []
    for wait in WAITS:
        try: wait()
        except RuntimeError as error: caught.append(str(error))
        else: caught.append("returned")
    return caught
`, runtime.Limits{})
	var caught []string
	if err := json.Unmarshal([]byte(result(t, box, p, "{}")), &caught); err != nil {
		t.Fatal(err)
	}
	const want = "this wait would never end: a function runs on one thread, and no other releases, sets or puts what it waits for: do that before the wait, or wait with a timeout"
	for i, text := range caught {
		if text != want {
			t.Errorf("wait %d: %q", i, text)
		}
	}
	for i := range caught {
		if f := fails(t, box, p, fmt.Sprintf(`{"wait":%d}`, i), runtime.ClassError); f.Type != "RuntimeError" || f.Message != want || !f.Advises {
			t.Errorf("wait %d: %s: %s", i, f.Type, f.Message)
		}
	}
}

// TestAbsentThingsCanBeDetected verifies that programs which look for an absent thing find that it is
// absent, and that exceptions which Linux raises, too, have the messages of CPython.
func TestAbsentThingsCanBeDetected(t *testing.T) {
	box := boxes["mapped"]
	p := deployed(t, box, body(`import ctypes, importlib.util, os, signal, socket
found = [hasattr(os, "fork"), hasattr(signal, "alarm"), hasattr(signal, "SIGALRM"), hasattr(socket, "AF_UNIX"), hasattr(ctypes, "pythonapi"), importlib.util.find_spec("requests"), importlib.util.find_spec("readline")]
try: import requests
except ImportError as e: found.append(str(e))
try: os.environ["NONE"]
except KeyError as e: found.append(str(e))
return found`), runtime.Limits{})
	const want = `[false,false,false,false,false,null,null,"No module named 'requests'","'NONE'"]`
	if got := result(t, box, p, "{}"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestEnvironmentAtModuleLevel(t *testing.T) {
	box := boxes["mapped"]
	for source, explained := range map[string]bool{
		"import os\nKEY = os.environ['API_KEY']\ndef main(args, context): pass\n":                                                                   true,
		"import os\nclass Settings:\n def __init__(self): self.key = os.environ['API_KEY']\nsettings = Settings()\ndef main(args, context): pass\n": true,
		"KEY = {}['API_KEY']\ndef main(args, context): pass\n":                                                                                      false,
	} {
		outcome, err := box.Deploy(context.Background(), program(source, runtime.Limits{}))
		if err != nil {
			t.Fatal(err)
		}
		checkClass(t, outcome, runtime.ClassError)
		if f := outcome.Failure; f.Type != "KeyError" || strings.Contains(f.Message, saysEnvironment) != explained {
			t.Errorf("%s: %s", f.Type, f.Message)
		}
	}
}

func TestEnvironmentInMain(t *testing.T) {
	box := boxes["mapped"]
	p := deployed(t, box, body("import os\nreturn os.environ['API_KEY']"), runtime.Limits{})
	const want = "the environment has no variable 'API_KEY': a run has the variables HOME, LANG, TMPDIR and USER, and those of its job: read settings from context"
	if f := fails(t, box, p, "{}", runtime.ClassError); f.Message != want {
		t.Errorf("got %q", f.Message)
	}
}

// TestMainByAnotherName verifies that the error for code of another service names the function to
// rename.
func TestMainByAnotherName(t *testing.T) {
	outcome, err := boxes["mapped"].Deploy(context.Background(), program("import os\ndef lambda_handler(event, context): pass\n", runtime.Limits{}))
	if err != nil {
		t.Fatal(err)
	}
	checkClass(t, outcome, runtime.ClassError)
	if f := outcome.Failure; f.Line != 2 || !strings.HasSuffix(f.Message, "rename lambda_handler to main") {
		t.Errorf("line %d: %s", f.Line, f.Message)
	}
}

// TestResultsSayWhatToReturn verifies that a value without a form in JSON is named with its place and
// what to return instead.
func TestResultsSayWhatToReturn(t *testing.T) {
	box := boxes["mapped"]
	p := deployed(t, box, `import dataclasses, datetime, decimal, enum, uuid
@dataclasses.dataclass
class Point: x: int = 1
class Colour(enum.Enum): RED = "red"
values = [b"x", {1}, datetime.date(2026, 1, 1), decimal.Decimal(1), uuid.UUID(int=1), Point(), Colour.RED, 10 ** 5000, object()]
def main(args, context): return {"a": [values[args["i"]]]}
`, runtime.Limits{})
	for i, want := range []string{"bytes, which JSON cannot express: return base64", "set, which JSON cannot express: return list(", "isoformat()", "return str(", "return str(", "dataclasses.asdict(", "its value", "more than 4300 digits: return hex(", "type object, which JSON cannot express"} {
		if f := fails(t, box, p, fmt.Sprintf(`{"i":%d}`, i), runtime.ClassResultInvalid); !strings.HasPrefix(f.Message, "$.a[0] is ") || !strings.Contains(f.Message, want) {
			t.Errorf("got %q, want %q", f.Message, want)
		}
	}
}

// TestGeneratorAsMain verifies that a main which is a generator is refused with its line, whether it is
// async or not, and whatever it is wrapped in.
func TestGeneratorAsMain(t *testing.T) {
	for _, source := range []string{
		"import asyncio\nasync def main(args, context): yield\n",
		"import functools\ndef f(args, context, n): yield\nmain = functools.partial(functools.partial(f), n=1)\n",
		"import functools\nclass F:\n  async def __call__(self, args, context): yield\nmain = functools.partial(F())\n",
	} {
		outcome, err := boxes["mapped"].Deploy(context.Background(), program(source, runtime.Limits{}))
		if err != nil {
			t.Fatal(err)
		}
		checkClass(t, outcome, runtime.ClassError)
		if f := outcome.Failure; f.Line < 2 || !strings.HasPrefix(f.Message, "main is a generator") {
			t.Errorf("line %d: %s", f.Line, f.Message)
		}
	}
}
