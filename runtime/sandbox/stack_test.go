package sandbox

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// deep recurses as deeply as it can: in Python, in C, and in C by way of Python.
var deep = []struct{ name, main string }{
	{"function", "def f(): return f()\nf()"},
	{"mutual", "def f(): return g()\ndef g(): return f()\nf()"},
	{"without limit", "import sys; sys.setrecursionlimit(2**31 - 1)\ndef f(): return f()\nf()"},
	{"many arguments", "import sys; sys.setrecursionlimit(2**31 - 1)\ndef f(*a, **k): return f(*a, **k)\nf(*range(100))"},
	{"method", "import sys; sys.setrecursionlimit(2**31 - 1)\nclass C:\n    def __getattr__(self, name): return getattr(self, name + 'x')\nC().y"},
	{"repr of itself", "import sys; sys.setrecursionlimit(2**31 - 1)\nclass C:\n    def __repr__(self): return repr(self)\nrepr(C())"},
	{"add", "import sys; sys.setrecursionlimit(2**31 - 1)\nclass C:\n    def __add__(self, o): return self + o\nC() + C()"},
	{"call", "import sys; sys.setrecursionlimit(2**31 - 1)\nclass C:\n    def __call__(self): return self()\nC()()"},
	{"map", "import sys; sys.setrecursionlimit(2**31 - 1)\ndef f(x): return list(map(f, [x]))\nf(1)"},
	{"sort", "import sys; sys.setrecursionlimit(2**31 - 1)\ndef f(x): return sorted([1, 2], key=f)\nf(1)"},
	{"generator", "import sys; sys.setrecursionlimit(2**31 - 1)\ndef f():\n    yield from f()\nlist(f())"},
	{"json.loads", "import json; json.loads('[' * 10**6)"},
	{"json.loads without limit", "import json, sys; sys.setrecursionlimit(2**31 - 1); json.loads('[' * 10**6)"},
	{"json.loads objects", `import json; json.loads('{"a":' * 10**5)`},
	{"json.dumps", "import json\nl = []\nfor _ in range(10**6): l = [l]\njson.dumps(l)"},
	{"ast.parse", "import ast; ast.parse('(' * 10**5)"},
	{"ast.literal_eval", "import ast; ast.literal_eval('-' * 10**5 + '1')"},
	{"compile", "compile('+'.join(['x'] * 10**5), 'x', 'eval')"},
	{"compile calls", "compile('f' + '()' * 10**5, 'x', 'eval')"},
	{"compile not", "compile('not ' * 10**5 + 'x', 'x', 'eval')"},
	{"compile blocks", "compile('if x:\\n' + ''.join(' ' * i + 'if x:\\n' for i in range(1, 99)) + ' ' * 99 + 'pass', 'x', 'exec')"},
	{"eval", "eval('[' * 5000 + ']' * 5000)"},
	{"repr", "l = []\nfor _ in range(10**6): l = [l]\nrepr(l)"},
	{"equality", "a, b = [], []\nfor _ in range(10**6): a, b = [a], [b]\na == b"},
	{"hash", "t = ()\nfor _ in range(10**6): t = (t,)\nhash(t)"},
	{"free", "l = []\nfor _ in range(10**6): l = [l]\nl = None"},
	{"free tuples", "t = ()\nfor _ in range(10**6): t = (t,)\nt = None"},
	{"free dicts", "d = {}\nfor _ in range(10**5): d = {0: d}\nd = None"},
	{"free objects", "class N: pass\nn = None\nfor _ in range(10**5):\n    m = N(); m.n = n; n = m\ndel m, n"},
	{"free iterators", "i = iter(())\nfor _ in range(10**6): i = map(None, i)\ndel i"},
	{"next of nested", "import itertools\ni = iter(())\nfor _ in range(10**6): i = itertools.chain(i)\nnext(i, 0)"},
	{"next of filters", "i = iter(())\nfor _ in range(10**5): i = filter(None, i)\nnext(i, 0)"},
	{"pickle.dumps", "import pickle\nl = []\nfor _ in range(10**5): l = [l]\npickle.dumps(l)"},
	{"pickle.loads", "import pickle; pickle.loads(b'(' * 10**6 + b'.')"},
	{"pickle.loads nested", "import pickle; pickle.loads(b']' * 10**5 + b'a' * (10**5 - 1) + b'.')"},
	{"re.compile", "import re; re.compile('(' * 5000 + ')' * 5000)"},
	{"re.compile without limit", "import re, sys; sys.setrecursionlimit(2**31 - 1); re.compile('(' * 10**5 + ')' * 10**5)"},
	{"deepcopy", "import copy\nl = []\nfor _ in range(10**5): l = [l]\ncopy.deepcopy(l)"},
	{"marshal.dumps", "import marshal\nl = []\nfor _ in range(10**5): l = [l]\nmarshal.dumps(l)"},
	{"marshal.loads", "import marshal; marshal.loads(b'\\xdb\\x01\\x00\\x00\\x00' * 10**5)"},
	{"format", "('{:' * 10**5).format(*range(10))"},
	{"isinstance", "t = int\nfor _ in range(10**6): t = (t,)\nisinstance('', t)"},
	{"issubclass", "t = int\nfor _ in range(10**6): t = (t,)\nissubclass(str, t)"},
	{"except", "t = ValueError\nfor _ in range(10**6): t = (t,)\ntry: raise KeyError\nexcept t: pass"},
	{"startswith", "t = ('x',)\n''.startswith(t * 10**6)"},
	{"union", "t = int\nfor i in range(10**4): t = t | type('T', (), {})\nisinstance('', t)"},
	{"generic", "t = int\nfor _ in range(10**5): t = list[t]\nrepr(t)"},
	{"xml", "import xml.etree.ElementTree as e; e.fromstring('<a>' * 10**5 + '</a>' * 10**5)"},
	{"xml text", "import xml.etree.ElementTree as e; e.tostring(e.fromstring('<a>' * 10**4 + '</a>' * 10**4))"},
	{"partial", "import functools\nf = int\nfor _ in range(10**5): f = functools.partial(f)\nclass P(functools.partial): pass\ng = int\nfor _ in range(10**5):\n    p = P(g); p.x = 1; g = p\ng()"},
	{"property", "class C:\n    x = property(lambda self: self.x)\nC().x"},
	{"import", "import sys\nclass F:\n    def find_spec(self, name, *a): return __import__(name + 'x')\nsys.meta_path.insert(0, F())\nimport zzz"},
	{"trace", "import sys\ndef f(*a): return f()\nsys.settrace(f)\n(lambda: 0)()"},
	{"finalisers", "class N:\n    def __init__(self, n): self.n = n\n    def __del__(self): self.n = None\nn = None\nfor _ in range(10**5): n = N(n)\nn = None"},
	{"weak references", "import weakref\nclass N: pass\ndef f(_):\n    n = N(); weakref.ref(n, f); r.append(weakref.ref(n, f)); del n\nr = []\nn = N(); r.append(weakref.ref(n, f)); del n"},
	{"database", "import sqlite3; sqlite3.connect(':memory:').execute('select ' + '(' * 10**4 + '1' + ')' * 10**4)"},
	{"decimal", "import decimal; decimal.Decimal('1' * 10**6) ** 2"},
	{"result", "l = []\nfor _ in range(10**6): l = [l]\nreturn l"},
	{"result dicts", "d = {}\nfor _ in range(10**5): d = {'a': d}\nreturn d"},
	{"raise in a circle", "def f():\n    try: f()\n    finally: f()\nf()"},
}

func TestDeepRecursion(t *testing.T) {
	eachBox(t, func(t *testing.T, box *Sandbox) {
		if !box.guest.mapped && *soak == 0 {
			t.Skip("the kind of memory makes no difference to a stack")
		}
		neighbour(t, box)
		hi := deployed(t, box, hello, runtime.Limits{})
		for _, d := range deep {
			t.Run(d.name, func(t *testing.T) {
				// CPython decides how the run ends; this test verifies that it ends, and affects
				// nothing else. Some programs succeed without any recursion.
				p := deployed(t, box, body(d.main), runtime.Limits{Timeout: 500 * time.Millisecond})
				defer box.Forget(p.FunctionID, p.Version)
				outcome := runInTime(t, box, p, "{}")
				checkClass(t, outcome, "", runtime.ClassError, runtime.ClassMemory, runtime.ClassStack, runtime.ClassTimeout, runtime.ClassResultInvalid)
				if f := outcome.Failure; f != nil && strings.Contains(f.Message+f.Traceback, "goroutine") {
					t.Errorf("the message contains details of the server: %s", f.Message)
				}
				if got := result(t, box, hi, `{"name":"next"}`); got != `"Hello next"` {
					t.Errorf("the next run got %s", got)
				}
			})
		}
	})
}

// TestRecursionErrorCanBeCaught verifies that recursion within the interpreter's own limit can be
// caught, repeatedly.
func TestRecursionErrorCanBeCaught(t *testing.T) {
	eachBox(t, func(t *testing.T, box *Sandbox) {
		p := deployed(t, box, body(`
def down(n): return 1 + down(n + 1)
caught = 0
for _ in range(5):
    try: down(0)
    except RecursionError: caught += 1
return caught`), runtime.Limits{})
		for range 3 {
			if got := result(t, box, p, "{}"); got != "5" {
				t.Fatalf("got %s", got)
			}
		}
	})
}

// TestReasonableDepth verifies that programs that are correct elsewhere do not run out of stack
// here.
func TestReasonableDepth(t *testing.T) {
	box := boxes["mapped"]
	for _, main := range []string{
		"def down(n): return 0 if n == 0 else 1 + down(n - 1)\nreturn down(900)",
		"import json; json.loads('[' * 150 + ']' * 150)",
		"eval('(' * 90 + '1' + ')' * 90)",
		"import re; re.compile('(' * 90 + ')' * 90)",
		"import copy\nl = []\nfor _ in range(200): l = [l]\ncopy.deepcopy(l)",
		"import pickle\nl = []\nfor _ in range(200): l = [l]\npickle.loads(pickle.dumps(l))",
	} {
		result(t, box, deployed(t, box, body(main), runtime.Limits{}), "{}")
	}
}

func TestDeepSource(t *testing.T) {
	box := boxes["mapped"]
	for name, source := range map[string]string{
		"parentheses": "x = " + strings.Repeat("(", 100_000),
		"closed":      "x = " + strings.Repeat("[", 50_000) + strings.Repeat("]", 50_000),
		"operators":   "x = " + strings.Repeat("-", 200_000) + "1",
		"sum":         "x = 1" + strings.Repeat("+1", 200_000),
		"attributes":  "x = a" + strings.Repeat(".a", 200_000),
		"f-strings":   "x = " + strings.Repeat("f'{", 200) + strings.Repeat("}'", 200),
		"lambdas":     "x = " + strings.Repeat("lambda: ", 50_000) + "1",
		"else":        "if 0: pass\n" + strings.Repeat("elif 0: pass\n", 50_000),
	} {
		t.Run(name, func(t *testing.T) {
			p := program(source+"\ndef main(args, context): pass\n", runtime.Limits{Timeout: 5 * time.Second})
			outcome, err := box.Deploy(context.Background(), p)
			if err != nil {
				t.Fatal(err)
			}
			checkClass(t, outcome, "", runtime.ClassError, runtime.ClassMemory, runtime.ClassStack, runtime.ClassTimeout)
		})
	}
}
