package sandbox

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// tracebackBound is larger than any traceback, in bytes.
const tracebackBound = 160 * runtime.KiB

// hostileErrors end in exceptions that resist being described.
var hostileErrors = []struct {
	name, main string
	classes    []runtime.Class
}{
	{"str raises", "class E(Exception):\n    def __str__(self): raise ValueError\nraise E", []runtime.Class{runtime.ClassError}},
	{"str exits", "import sys\nclass E(Exception):\n    def __str__(self): sys.exit(3)\nraise E", []runtime.Class{runtime.ClassError}},
	{"str interrupts", "class E(Exception):\n    def __str__(self): raise KeyboardInterrupt\nraise E", []runtime.Class{runtime.ClassError}},
	{"str is no text", "class E(Exception):\n    def __str__(self): return 5\nraise E", []runtime.Class{runtime.ClassError}},
	{"str loops", "class E(Exception):\n    def __str__(self):\n        while True: pass\nraise E", []runtime.Class{runtime.ClassTimeout}},
	{"str recurses", "class E(Exception):\n    def __str__(self): return str(self)\nraise E", []runtime.Class{runtime.ClassError, runtime.ClassStack}},
	{"str is huge", "class E(Exception):\n    def __str__(self): return 'x' * 50_000_000\nraise E", []runtime.Class{runtime.ClassError, runtime.ClassMemory}},
	{"str is too huge", "class E(Exception):\n    def __str__(self): return 'x' * 500_000_000\nraise E", []runtime.Class{runtime.ClassError, runtime.ClassMemory}},
	{"repr raises", "class A:\n    def __repr__(self): raise ValueError\nraise KeyError(A())", []runtime.Class{runtime.ClassError}},
	{"message of controls", "raise ValueError('\\0' * 10**6)", []runtime.Class{runtime.ClassError}},
	{"message beyond the first plane", "raise ValueError('\\U0001f600' * 10**6)", []runtime.Class{runtime.ClassError}},
	{"message of surrogates", "raise ValueError('\\ud800' * 10**6)", []runtime.Class{runtime.ClassError}},
	{"class lies", "class E(Exception):\n    @property\n    def __class__(self): raise ValueError\nraise E", []runtime.Class{runtime.ClassError}},
	{"claims another class", "class E(Exception):\n    __class__ = SystemExit\nraise E", []runtime.Class{runtime.ClassError}},
	{"traceback lies", "class E(Exception):\n    __traceback__ = 5\nraise E", []runtime.Class{runtime.ClassError}},
	{"cause lies", "class E(Exception):\n    __cause__ = 5\nraise E", []runtime.Class{runtime.ClassError}},
	{"attributes raise", "class E(Exception):\n    def __getattribute__(self, name): raise ValueError(name)\nraise E", []runtime.Class{runtime.ClassError}},
	{"own cause", "e = ValueError(); f = KeyError(); e.__cause__ = f; f.__cause__ = e\nraise e", []runtime.Class{runtime.ClassError}},
	{"long chain", "e = None\nfor i in range(10**6):\n    n = ValueError(i); n.__cause__ = e; e = n\nraise e", []runtime.Class{runtime.ClassError, runtime.ClassMemory}},
	{"long contexts", "e = None\nfor i in range(10**5):\n    n = ValueError(i); n.__context__ = e; e = n\nraise e", []runtime.Class{runtime.ClassError}},
	{"name is huge", "raise type('E' * 10**6, (Exception,), {})", []runtime.Class{runtime.ClassError}},
	{"name is no text", "class E(Exception): __module__ = 5\nraise E", []runtime.Class{runtime.ClassError}},
	{"deep group", "e = ValueError(1)\nfor i in range(10**4): e = ExceptionGroup('g', [e])\nraise e", []runtime.Class{runtime.ClassError}},
	{"deep frames", "import sys; sys.setrecursionlimit(10**5)\ndef f(n):\n    if n == 0: raise ValueError\n    f(n - 1)\nf(5000)", []runtime.Class{runtime.ClassError, runtime.ClassStack}},
	{"syntax error lies", "e = SyntaxError('m'); e.filename = '/function/f.py'; e.lineno = 'x'; e.offset = 1.5; e.text = 7\nraise e", []runtime.Class{runtime.ClassError}},
	{"syntax error far off", "e = SyntaxError('m'); e.filename = '/function/f.py'; e.lineno = 2**70; e.offset = -2**70; e.text = 'x' * 10**7\nraise e", []runtime.Class{runtime.ClassError}},
	{"many notes", "e = ValueError()\nfor i in range(10**5): e.add_note('n' * 100)\nraise e", []runtime.Class{runtime.ClassError}},
	{"notes lie", "e = ValueError(); e.__notes__ = 5\nraise e", []runtime.Class{runtime.ClassError}},
	{"note raises", "class N:\n    def __str__(self): raise ValueError\ne = ValueError(); e.__notes__ = [N()]\nraise e", []runtime.Class{runtime.ClassError}},
	{"wide group", "raise ExceptionGroup('g', [ValueError(i) for i in range(10**5)])", []runtime.Class{runtime.ClassError}},
	{"group of groups", "e = ValueError('x' * 4000)\nfor i in range(9): e = ExceptionGroup('g' * 4000, [e] * 20)\nraise e", []runtime.Class{runtime.ClassError}},
	{"group of chains", "def chain():\n    e = None\n    for i in range(1000):\n        n = ValueError(i); n.__cause__ = e; e = n\n    return e\nraise ExceptionGroup('g', [chain() for _ in range(50)])", []runtime.Class{runtime.ClassError}},
	{"group lies", "class G(ExceptionGroup):\n    exceptions = 5\nraise G('g', [ValueError()])", []runtime.Class{runtime.ClassError}},
	{"names lie", "e = NameError(); e.name = 5\nraise e", []runtime.Class{runtime.ClassError}},
	{"missing module lies", "e = ModuleNotFoundError(); e.name = 'x' * 10**6\nraise e", []runtime.Class{runtime.ClassError}},
	{"missing attribute lies", "e = AttributeError(); e.obj = type('M', (), {'__name__': 5})(); e.name = 'x'\nraise e", []runtime.Class{runtime.ClassError}},
	{"parts of long lines", "def g(): raise ValueError\nx = [" + strings.Repeat("1, ", 40_000) + "g()]", []runtime.Class{runtime.ClassError}},
	{"parts of many lines", "def g(n):\n    if n == 0: raise ValueError\n    return [\n" + strings.Repeat("        "+strings.Repeat("1, ", 100)+"\n", 90) + "        g(n - 1) + 0]\ntry: g(30)\nexcept ValueError as e: raise ExceptionGroup('g', [ExceptionGroup('h', [e] * 15)] * 15)", []runtime.Class{runtime.ClassError}},
	{"far into its code", "def g(): raise ValueError\n" + strings.Repeat("x = 1\n", 90_000) + "g()", []runtime.Class{runtime.ClassError}},
	{"loader raises", "exec(compile('1/0', '/tmp/none.py', 'exec'), {'__name__': 'm', '__loader__': type('L', (), {'get_source': lambda *a: 1 / 0})()})", []runtime.Class{runtime.ClassError}},
	{"file name is huge", "exec(compile('1/0', 'x' * 10**6, 'exec'))", []runtime.Class{runtime.ClassError}},
	{"source is huge", "with open('/tmp/x.py', 'w') as f:\n    for _ in range(100): f.write('x' * 10**5)\nexec(compile('1/0', '/tmp/x.py', 'exec'))", []runtime.Class{runtime.ClassError}},
	{"library is replaced", "import traceback, linecache\ntraceback.FrameSummary = traceback.StackSummary = linecache.getline = None\n1/0", []runtime.Class{runtime.ClassError}},
	{"no name", "raise type('', (Exception,), {})('x')", []runtime.Class{runtime.ClassError}},
}

func TestHostileErrors(t *testing.T) {
	eachBox(t, func(t *testing.T, box *Sandbox) {
		for i, h := range hostileErrors {
			if !sampled(box, i) {
				continue
			}
			t.Run(h.name, func(t *testing.T) {
				limits := runtime.Limits{Timeout: 30 * time.Second}
				if h.classes[0] == runtime.ClassTimeout {
					limits.Timeout = runtime.MinTimeout
				}
				p := deployed(t, box, body(h.main), limits)
				defer box.Forget(p.FunctionID, p.Version)
				f := fails(t, box, p, "{}", h.classes...)
				if len(f.Traceback) > tracebackBound || len(f.Type) > 1000 {
					t.Errorf("the traceback has %d bytes, the type %d", len(f.Traceback), len(f.Type))
				}
			})
		}
	})
}

// TestLongFailureIsStillRead reaches all bounds of a failure at once, with the characters that are
// longest as JSON.
func TestLongFailureIsStillRead(t *testing.T) {
	box := boxes["mapped"]
	for name, c := range map[string]string{"ascii": "x", "controls": "\\x01", "wide": "\\U0001f600", "quotes": "\\\""} {
		t.Run(name, func(t *testing.T) {
			comment := strings.Repeat("\U0001f600", 500)
			p := deployed(t, box, `
def f(n, e):
    if n == 0: raise e # `+comment+`
    f(n - 1, e) # `+comment+`
def main(args, context):
    text = "`+c+`" * 10**5
    try:
        try:
            try:
                f(40, ValueError(text))
            except ValueError:
                f(40, KeyError(text))
        except KeyError:
            f(40, OSError(text))
    except OSError as e:
        f(40, type("E" * 300, (Exception,), {})(text))
`, runtime.Limits{})
			f := fails(t, box, p, "{}", runtime.ClassError)
			if f.Line != 3 || !strings.HasPrefix(f.Type, "EEE") {
				t.Errorf("type %s, line %d", f.Type, f.Line)
			}
			if len(f.Traceback) > tracebackBound || !strings.Contains(f.Traceback, "in main") {
				t.Errorf("the traceback has %d bytes", len(f.Traceback))
			}
		})
	}
}

func TestTracebacks(t *testing.T) {
	box := boxes["mapped"]
	for _, c := range []struct{ name, source, want string }{
		{"chained", `def main(args, context):
    try:
        int("x")
    except ValueError as error:
        raise RuntimeError("second") from error
`, `Traceback (most recent call last):
  File "/function/f.py", line 3, in main
    int("x")
    ~~~^^^^^
ValueError: invalid literal for int() with base 10: 'x'

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/function/f.py", line 5, in main
    raise RuntimeError("second") from error
RuntimeError: second
`},
		{"during handling", `def main(args, context):
    try:
        1 / 0
    except ZeroDivisionError:
        {}["k"]
`, `Traceback (most recent call last):
  File "/function/f.py", line 3, in main
    1 / 0
    ~~^~~
ZeroDivisionError: division by zero

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/function/f.py", line 5, in main
    {}["k"]
    ~~^^^^^
KeyError: 'k'
`},
		{"not chained", `def main(args, context):
    try:
        1 / 0
    except ZeroDivisionError:
        raise ValueError from None
`, `Traceback (most recent call last):
  File "/function/f.py", line 5, in main
    raise ValueError from None
ValueError
`},
		{"through the library", `import functools
@functools.cache
def f(n):
    return {}[n]
class C:
    def method(self):
        return list(map(f, [1]))
def main(args, context):
    return C().method()
`, `Traceback (most recent call last):
  File "/function/f.py", line 9, in main
    return C().method()
           ~~~~~~~~~~^^
  File "/function/f.py", line 7, in method
    return list(map(f, [1]))
  File "/function/f.py", line 4, in f
    return {}[n]
           ~~^^^
KeyError: 1
`},
		{"notes", `def main(args, context):
    error = ValueError("no")
    error.add_note("row 2")
    error.add_note("of two\nlines")
    raise error
`, `Traceback (most recent call last):
  File "/function/f.py", line 5, in main
    raise error
ValueError: no
row 2
of two
lines
`},
		{"a group", `def main(args, context):
    inner = ExceptionGroup("in", [KeyError("k")])
    inner.add_note("a note")
    try:
        int("x")
    except ValueError as error:
        raise ExceptionGroup("out", [TypeError("t"), inner, error]) from None
`, `  + Exception Group Traceback (most recent call last):
  |   File "/function/f.py", line 7, in main
  |     raise ExceptionGroup("out", [TypeError("t"), inner, error]) from None
  | ExceptionGroup: out (3 sub-exceptions)
  +-+---------------- 1 ----------------
    | TypeError: t
    +---------------- 2 ----------------
    | ExceptionGroup: in (1 sub-exception)
    | a note
    +-+---------------- 1 ----------------
      | KeyError: 'k'
      +------------------------------------
    +---------------- 3 ----------------
    | Traceback (most recent call last):
    |   File "/function/f.py", line 5, in main
    |     int("x")
    |     ~~~^^^^^
    | ValueError: invalid literal for int() with base 10: 'x'
    +------------------------------------
`},
		{"an expression of several lines", `def f(*values): return values[9]
def main(args, context):
    return f(
        1,
        2,
        3,
        4,
    )
`, `Traceback (most recent call last):
  File "/function/f.py", line 3, in main
    return f(
        1,
    ...<2 lines>...
        4,
    )
  File "/function/f.py", line 1, in f
    def f(*values): return values[9]
                           ~~~~~~^^^
IndexError: tuple index out of range
`},
		{"a misspelled name", `def main(args, context):
    total = 1
    return totl
`, `Traceback (most recent call last):
  File "/function/f.py", line 3, in main
    return totl
           ^^^^
NameError: name 'totl' is not defined. Did you mean: 'total'?
`},
		{"a syntax error of its own", `def main(args, context):
    return eval("1 +* 2")
`, `Traceback (most recent call last):
  File "/function/f.py", line 2, in main
    return eval("1 +* 2")
  File "<string>", line 1
    1 +* 2
       ^
SyntaxError: invalid syntax
`},
		{"in code of its own making", `def main(args, context):
    exec("1 / 0")
`, `Traceback (most recent call last):
  File "/function/f.py", line 2, in main
    exec("1 / 0")
    ~~~~^^^^^^^^^
  File "<string>", line 1, in <module>
ZeroDivisionError: division by zero
`},
		{"in a module of its own", `def main(args, context):
    import sys
    open("/tmp/mod.py", "w").write("def f(n):\n    return [1][n]\n")
    sys.path.append("/tmp")
    import mod
    mod.f(2)
`, `Traceback (most recent call last):
  File "/function/f.py", line 6, in main
    mod.f(2)
    ~~~~~^^^
  File "/tmp/mod.py", line 2, in f
    return [1][n]
           ~~~^^^
IndexError: list index out of range
`},
		{"a group that except* lets pass", `def main(args, context):
    try:
        raise ExceptionGroup("g", [ValueError(1), OSError(2)])
    except* ValueError:
        raise KeyError("k")
`, `  + Exception Group Traceback (most recent call last):
  | ExceptionGroup:  (2 sub-exceptions)
  +-+---------------- 1 ----------------
    | Exception Group Traceback (most recent call last):
    |   File "/function/f.py", line 3, in main
    |     raise ExceptionGroup("g", [ValueError(1), OSError(2)])
    | ExceptionGroup: g (1 sub-exception)
    +-+---------------- 1 ----------------
      | ValueError: 1
      +------------------------------------
    | 
    | During handling of the above exception, another exception occurred:
    | 
    | Traceback (most recent call last):
    |   File "/function/f.py", line 5, in main
    |     raise KeyError("k")
    | KeyError: 'k'
    +---------------- 2 ----------------
    | Exception Group Traceback (most recent call last):
    |   File "/function/f.py", line 3, in main
    |     raise ExceptionGroup("g", [ValueError(1), OSError(2)])
    | ExceptionGroup: g (1 sub-exception)
    +-+---------------- 1 ----------------
      | OSError: 2
      +------------------------------------
`},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := fails(t, box, deployed(t, box, c.source, runtime.Limits{}), "{}", runtime.ClassError)
			if f.Traceback != c.want {
				t.Errorf("got\n%s\nwant\n%s", f.Traceback, c.want)
			}
		})
	}
}

// TestTracebackHasNoValues verifies that tracebacks do not contain locals, which may be secrets.
func TestTracebackHasNoValues(t *testing.T) {
	box := boxes["mapped"]
	const secret = "hunter2-do-not-tell"
	p := deployed(t, box, "def main(args, context):\n    password = context['password']\n    raise ValueError('no')\n", runtime.Limits{})
	outcome, err := box.Run(context.Background(), runtime.RunCall{Program: p, Args: []byte("{}"), Context: []byte(`{"password":"` + secret + `"}`)})
	if err != nil {
		t.Fatal(err)
	}
	encoded, _ := json.Marshal(outcome)
	if strings.Contains(string(encoded), secret) {
		t.Errorf("the outcome contains values: %s", encoded)
	}
	if strings.Contains(string(box.images.get(keyOf(p)).data), secret) {
		t.Error("the image contains the context")
	}
}

func TestDeepTracebackKeepsBothEnds(t *testing.T) {
	p := deployed(t, boxes["mapped"], `def f(n):
    if n == 0:
        raise ValueError("deep")
    f(n - 1)
def main(args, context):
    f(500)
`, runtime.Limits{})
	f := fails(t, boxes["mapped"], p, "{}", runtime.ClassError)
	for _, part := range []string{"in main", "[Previous line repeated 497 more times]", "line 3, in f", "ValueError: deep"} {
		if !strings.Contains(f.Traceback, part) {
			t.Errorf("lacks %q:\n%s", part, f.Traceback)
		}
	}
	if n := strings.Count(f.Traceback, "\n"); n > 100 {
		t.Errorf("has %d lines", n)
	}
	if f.Line != 3 {
		t.Errorf("line %d", f.Line)
	}
}
