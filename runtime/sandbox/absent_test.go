package sandbox

import (
	"context"
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
	{"pool of threads", "from concurrent.futures import ThreadPoolExecutor as P\nP(2).submit(abs, 1)", "RuntimeError", "can't start new thread: ", saysThreads},
	{"to_thread", "import asyncio; asyncio.run(asyncio.to_thread(abs, 1))", "RuntimeError", "can't start new thread: ", saysThreads},
	{"fork", "import os; os.fork()", "AttributeError", "os.fork is absent: ", saysProcesses},
	{"fork by name", "from os import fork", "ImportError", "os.fork is absent: ", saysProcesses},
	{"shell", "import os; os.system('date')", "AttributeError", "os.system is absent: ", saysProcesses},
	{"subprocess", "import subprocess; subprocess.run(['date'])", "OSError", "processes are absent: ", saysProcesses},
	{"lock between processes", "import multiprocessing; multiprocessing.Lock()", "ModuleNotFoundError", "the module multiprocessing is absent: ", saysProcesses},
	{"pool of processes", "from multiprocessing import Pool\nPool(2)", "AttributeError", "os.pipe is absent: ", saysProcesses},
	{"alarm", "import signal; signal.alarm(1)", "AttributeError", "signal.alarm is absent: ", saysSignals},
	{"http", "import urllib.request as r; r.urlopen('http://example.com')", "urllib.error.URLError", "<urlopen error ", saysNetwork},
	{"https", "import urllib.request as r; r.urlopen('https://example.com')", "urllib.error.URLError", "https is absent: ", saysNetwork},
	{"HTTPSConnection", "import http.client as c; c.HTTPSConnection('example.com')", "AttributeError", "http.client.HTTPSConnection is absent: ", saysNetwork},
	{"name look-up", "import socket; socket.gethostbyname('example.com')", "socket.gaierror", "[Errno -3] Temporary failure in name resolution: ", saysNetwork},
	{"connection", "import socket; socket.create_connection(('192.0.2.1', 80))", "OSError", "[Errno 101] Network is unreachable: ", saysNetwork},
	{"connection of asyncio", "import asyncio; asyncio.run(asyncio.open_connection('example.com', 80))", "socket.gaierror", "[Errno -3] Temporary failure in name resolution: ", saysNetwork},
	{"mail", "import smtplib; smtplib.SMTP('mail.example.com')", "socket.gaierror", "[Errno -3] Temporary failure in name resolution: ", saysNetwork},
	{"mail with TLS", "import smtplib; smtplib.SMTP_SSL('mail.example.com')", "AttributeError", "smtplib.SMTP_SSL is absent: ", saysNetwork},
	{"server", "import http.server as h; h.HTTPServer(('', 8000), h.BaseHTTPRequestHandler)", "OSError", "[Errno 101] Network is unreachable: ", saysNetwork},
	{"server of asyncio", "import asyncio; asyncio.run(asyncio.start_server(print, '127.0.0.1', 80))", "OSError", "servers are absent: ", saysNetwork},
	{"executor of processes", "from concurrent.futures import ProcessPoolExecutor as P\nP(2)", "NotImplementedError", "multiprocessing is absent: ", saysProcesses},
	{"process", "import multiprocessing; multiprocessing.Process(target=print).start()", "AttributeError", "os.WNOHANG is absent: ", saysProcesses},
	{"tracemalloc", "import tracemalloc; tracemalloc.start()", "NotImplementedError", "tracemalloc is absent: ", "from its execution"},
	{"input", "input('name? ')", "EOFError", "input has nothing to read: ", saysTerminal},
	{"ssl", "import ssl", "ModuleNotFoundError", "the module ssl is absent: ", saysNetwork},
	{"ctypes", "import ctypes", "ModuleNotFoundError", "the module ctypes is absent: ", saysNative},
	{"mmap", "import mmap", "ModuleNotFoundError", "the module mmap is absent: ", saysNative},
	{"pool of threads of multiprocessing", "from multiprocessing.pool import ThreadPool\nThreadPool(2)", "AttributeError", "ThreadPool is absent: ", saysThreads},
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
				if !strings.Contains(f.Traceback, c.says) {
					t.Errorf("the traceback does not say it:\n%s", f.Traceback)
				}
			}
			if atDeployment.Failure.Message != atRun.Message {
				t.Errorf("the deployment said %q, the run %q", atDeployment.Failure.Message, atRun.Message)
			}
		})
	}
}

// TestAbsentThingsCanBeDetected verifies that programs which look for an absent thing find that it is
// absent, and that exceptions they handle have the messages of CPython.
func TestAbsentThingsCanBeDetected(t *testing.T) {
	box := boxes["mapped"]
	p := deployed(t, box, body(`import importlib.util, os, signal, socket
found = [hasattr(os, "fork"), hasattr(signal, "alarm"), hasattr(socket, "AF_UNIX"), importlib.util.find_spec("requests")]
try: import requests
except ImportError as e: found.append(str(e))
try: os.environ["NONE"]
except KeyError as e: found.append(str(e))
return found`), runtime.Limits{})
	const want = `[false,false,false,null,"No module named 'requests'","'NONE'"]`
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
	const want = "the environment has no variable 'API_KEY': a run has the variables HOME, LANG and TMPDIR, and those of its job: read settings from context"
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

func TestAsyncMainSaysWhatToDo(t *testing.T) {
	box := boxes["mapped"]
	outcome, err := box.Deploy(context.Background(), program("import asyncio\nasync def main(args, context): pass\n", runtime.Limits{}))
	if err != nil {
		t.Fatal(err)
	}
	checkClass(t, outcome, runtime.ClassError)
	if f := outcome.Failure; f.Line != 2 || !strings.HasPrefix(f.Message, "main is async") || !strings.Contains(f.Message, "asyncio.run(") {
		t.Errorf("line %d: %s", f.Line, f.Message)
	}
	q := deployed(t, box, "async def f(): pass\ndef main(args, context): return f()\n", runtime.Limits{})
	if f := fails(t, box, q, "{}", runtime.ClassResultInvalid); !strings.Contains(f.Message, "asyncio.run(") {
		t.Errorf("a coroutine: %s", f.Message)
	}
}
