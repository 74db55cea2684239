package sandbox

import (
	"testing"

	"github.com/faaspot/faaspot/runtime"
)

// tracks is a program that leaves tracks of a run wherever it can, and reports which of them it
// finds at its start.
const tracks = `
import builtins, decimal, gc, json, locale, os, random, re, signal, sqlite3, sys, tempfile, time, types, warnings
module = {"n": 0}
class Kept: attribute = 1
def default(x=[]): return x
def found():
    marks = []
    def mark(name, there):
        if there: marks.append(name)
    mark("global", module["n"])
    mark("class", Kept.attribute != 1)
    mark("default", default())
    mark("code", default.__code__.co_name != "default")
    mark("new global", "left" in globals())
    mark("module", type(json) is not types.ModuleType or "evil" in vars(json))
    mark("sys.modules", "evil" in sys.modules)
    mark("builtins", hasattr(builtins, "evil"))
    mark("patched builtin", type(abs).__name__ != "builtin_function_or_method")
    mark("environment", "EVIL" in os.environ)
    mark("file", os.listdir("/tmp"))
    mark("directory", os.getcwd() != "/")
    mark("sys.path", "/tmp/evil" in sys.path)
    mark("finders", "evil" in sys.meta_path)
    mark("hooks", sys.excepthook is not sys.__excepthook__ or sys.gettrace() or sys.getprofile())
    mark("recursion", sys.getrecursionlimit() != 1000)
    mark("decimal", decimal.getcontext().prec != 28)
    mark("random", random.random() == 0.8444218515250481)
    mark("garbage collector", not gc.isenabled() or gc.get_threshold()[0] == 1)
    mark("warnings", any("evil" in str(f) for f in warnings.filters))
    mark("stdout", type(sys.stdout).__name__ != "TextIOWrapper" or sys.stdout.closed)
    mark("temporary", tempfile.tempdir)
    mark("digits", sys.get_int_max_str_digits() != 4300)
    mark("descriptors", descriptors() > 4)
    mark("umask and locale", os.umask(0o22) != 0o22 or not locale.setlocale(locale.LC_ALL).startswith("LC_CTYPE=C.UTF-8;LC_NUMERIC=C;"))
    mark("interned", any(isinstance(o, Kept) for o in gc.get_objects()))
    mark("adapters", any("Kept" in str(k) for k in sqlite3.adapters))
    return marks
def descriptors():
    n = 0
    for fd in range(64):
        try:
            os.fstat(fd)
            n += 1
        except OSError: pass
    return n
def main(args, context):
    marks = found()
    if args.get("look"): return marks
    module["n"] = 1
    Kept.attribute = 2
    default().append(1)
    globals()["left"] = 1
    json.evil = sys.modules["evil"] = types.ModuleType("evil")
    builtins.evil = 1
    os.environ["EVIL"] = "1"
    open("/tmp/evil", "w").write("x")
    held = [os.open("/tmp/evil", os.O_RDONLY) for _ in range(20)]
    os.chdir("/tmp")
    sys.path.append("/tmp/evil")
    sys.meta_path.append("evil")
    sys.excepthook = print
    sys.settrace(lambda *a: None)
    sys.setprofile(lambda *a: None)
    sys.setrecursionlimit(500)
    decimal.getcontext().prec = 5
    os.umask(0)
    try: locale.setlocale(locale.LC_ALL, "de_DE.UTF-8")
    except locale.Error: pass
    random.seed(0)
    gc.set_threshold(1); gc.disable()
    warnings.filterwarnings("ignore", "evil")
    tempfile.tempdir = "/tmp/evil"
    sys.set_int_max_str_digits(0)
    gc.collect(); keep.append(Kept())
    sqlite3.register_adapter(Kept, str)
    default.__code__ = (lambda x=[]: x).__code__
    sys.stdout.close()
    builtins.abs = print
    if args.get("raise"): raise ValueError
    return found()
keep = []
`

// tracksLeft is the least number of tracks that the run itself must find.
const tracksLeft = 23

func TestNoTracksAreLeft(t *testing.T) {
	eachBox(t, func(t *testing.T, shared *Sandbox) {
		box := openBox(t, Options{IdleSlots: 1, Portable: !shared.guest.mapped})
		same := deployed(t, box, tracks, runtime.Limits{})
		other := deployed(t, box, tracks, runtime.Limits{})
		stranger := same
		stranger.Tenant = "stranger"
		if got := result(t, box, same, `{"look":true}`); got != "[]" {
			t.Fatalf("the first run finds %s", got)
		}
		for _, args := range []string{`{}`, `{"raise":true}`} {
			for name, next := range map[string]runtime.Program{"the same": same, "another function": other, "another tenant": stranger} {
				outcome := run(t, box, same, args)
				if args == "{}" {
					checkClass(t, outcome, "")
					left := 1
					for _, c := range outcome.Result {
						if c == ',' {
							left++
						}
					}
					if left < tracksLeft {
						t.Errorf("only %d tracks are found by the run itself: %s", left, outcome.Result)
					}
				}
				if got := result(t, box, next, `{"look":true}`); got != "[]" {
					t.Errorf("%s finds %s", name, got)
				}
			}
		}
	})
}

// TestFilesOfTheModuleBody verifies that every run finds the files and descriptors of the module
// body as the module body left them.
func TestFilesOfTheModuleBody(t *testing.T) {
	eachBox(t, func(t *testing.T, box *Sandbox) {
		p := deployed(t, box, `
import os
os.makedirs("/tmp/a/b")
open("/tmp/a/b/kept", "w").write("deployed")
held = open("/tmp/a/b/kept", "r+")
def main(args, context):
    before = held.read()
    held.write(" and run")
    held.flush()
    os.rename("/tmp/a/b/kept", "/tmp/moved")
    open("/tmp/new", "w").close()
    return [before, open("/tmp/moved").read(), sorted(os.listdir("/tmp"))]
`, runtime.Limits{})
		for range 3 {
			if got := result(t, box, p, "{}"); got != `["deployed","deployed and run",["a","moved","new"]]` {
				t.Fatalf("got %s", got)
			}
		}
	})
}
