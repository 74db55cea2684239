package sandbox

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

const fine = "def main(args, context): return 1\n"

// rejectedPrograms do not deploy.
var rejectedPrograms = []struct {
	name, source string
	class        runtime.Class
	line         int
	message      string // part of the type or the message
}{
	{"nothing", "", runtime.ClassError, 0, "no function main"},
	{"no main", "x = 1\n", runtime.ClassError, 0, "no function main"},
	{"main is none", "main = None\n", runtime.ClassError, 0, "no function main"},
	{"main is a number", "main = 5\n", runtime.ClassError, 0, "type int"},
	{"main is a class", "\nclass main:\n    def __init__(self, args, context): pass\n", runtime.ClassError, 2, "class"},
	{"async generator", "async def main(args, context): yield 1\n", runtime.ClassError, 1, "generator"},
	{"generator", "def main(args, context): yield 1\n", runtime.ClassError, 1, "generator"},
	{"no parameters", "def main(): pass\n", runtime.ClassError, 1, "two arguments"},
	{"one parameter", "def main(args): pass\n", runtime.ClassError, 1, "two arguments"},
	{"three parameters", "def main(a, b, c): pass\n", runtime.ClassError, 1, "two arguments"},
	{"keyword only", "def main(*, args, context): pass\n", runtime.ClassError, 1, "two arguments"},
	{"required keyword", "def main(a, b, *, c): pass\n", runtime.ClassError, 1, "two arguments"},
	{"syntax", "x = 1\ndef main(args, context)\n    pass\n", runtime.ClassError, 2, "SyntaxError"},
	{"indentation", "def main(args, context):\npass\n", runtime.ClassError, 2, "IndentationError"},
	{"tabs", "def main(args, context):\n        x = 1\n\tpass\n", runtime.ClassError, 3, "TabError"},
	{"return outside", fine + "return 1\n", runtime.ClassError, 2, "SyntaxError"},
	{"future", fine + "from __future__ import absent\n", runtime.ClassError, 2, "SyntaxError"},
	{"NUL", fine + "x = '\x00'\n", runtime.ClassError, 0, "SyntaxError"},
	{"not UTF-8", fine + "x = '\xff\xfe'\n", runtime.ClassError, 0, "SyntaxError"},
	{"unknown coding", "# -*- coding: klingon -*-\n" + fine, runtime.ClassError, 0, "SyntaxError"},
	{"raises", "import json\n\njson.loads('{')\n" + fine, runtime.ClassError, 3, "JSONDecodeError"},
	{"raises within", "def f():\n    1 / 0\nf()\n" + fine, runtime.ClassError, 2, "ZeroDivisionError"},
	{"absent module", "import numpy\n" + fine, runtime.ClassError, 1, "ModuleNotFoundError"},
	{"itself", "import function\nfunction.main\n" + fine, runtime.ClassError, 2, "AttributeError"},
	{"exits", "import sys\nsys.exit(4)\n" + fine, runtime.ClassExited, 2, "code 4"},
	{"exits hard", "import os; os._exit(5)\n" + fine, runtime.ClassExited, 0, "code 5"},
	{"aborts", "import os; os.abort()\n" + fine, runtime.ClassCrashed, 0, ""},
	{"interrupts", "raise KeyboardInterrupt\n" + fine, runtime.ClassError, 1, "KeyboardInterrupt"},
	{"assertion", "assert not __name__\n" + fine, runtime.ClassError, 1, "AssertionError"},
	{"hostile signature", "class M:\n    def __call__(self, *a): pass\n    @property\n    def __signature__(self): 1 / 0\nmain = M()\n", runtime.ClassError, 4, "ZeroDivisionError"},
}

func TestRejectedPrograms(t *testing.T) {
	eachBox(t, func(t *testing.T, box *Sandbox) {
		for i, r := range rejectedPrograms {
			if !sampled(box, i) {
				continue
			}
			t.Run(r.name, func(t *testing.T) {
				p := program(r.source, runtime.Limits{Timeout: 20 * time.Second})
				outcome, err := box.Deploy(context.Background(), p)
				if err != nil {
					t.Fatal(err)
				}
				checkClass(t, outcome, r.class)
				f := outcome.Failure
				if r.line != 0 && f.Line != r.line {
					t.Errorf("line %d, want %d: %+v", f.Line, r.line, *f)
				}
				if !strings.Contains(f.Type+": "+f.Message, r.message) {
					t.Errorf("got %s: %s, want %q in it", f.Type, f.Message, r.message)
				}
				if box.images.get(keyOf(p)) != nil {
					t.Error("an image is cached")
				}
				// A run reports the same failure.
				checkClass(t, runInTime(t, box, p, "{}"), r.class)
			})
		}
	})
}

// acceptedPrograms deploy, and return 1.
var acceptedPrograms = map[string]string{
	"plain":         fine,
	"lambda":        "main = lambda args, context: 1\n",
	"defaults":      "def main(args=None, context=None, more=2): return 1\n",
	"variadic":      "def main(*a, **k): return 1\n",
	"callable":      "class M:\n    def __call__(self, args, context): return 1\nmain = M()\n",
	"method":        "class M:\n    def f(self, args, context): return 1\nmain = M().f\n",
	"partial":       "import functools\nmain = functools.partial(lambda x, a, c: x, 1)\n",
	"decorated":     "import functools\ndef deco(f):\n    @functools.wraps(f)\n    def g(*a): return f(*a)\n    return g\n@deco\ndef main(args, context): return 1\n",
	"from builtins": "main = lambda *a: len([a])\n",
	"BOM":           "\ufeff" + fine,
	"coding":        "# -*- coding: utf-8 -*-\n" + fine,
	"latin coding":  "# -*- coding: latin-1 -*-\nx = '\xe9'\nassert x == chr(233)\n" + fine,
	"CRLF":          strings.ReplaceAll(fine, "\n", "\r\n"),
	"no line end":   strings.TrimSpace(fine),
	"main guard":    fine + "if __name__ == '__main__':\n    raise SystemExit\n",
	"large":         "data = " + "'" + strings.Repeat("x", 1_000_000) + "'\n" + fine,
	"many lines":    strings.Repeat("x = 1\n", 20_000) + fine,
	"annotations":   "def main(args: int, context: 'Absent') -> int: return 1\n",
	"future":        "from __future__ import annotations\ndef main(args: Absent, context): return 1\n",
	"pickled class": "import pickle\nclass C: pass\ndef main(args, context):\n    pickle.loads(pickle.dumps(C()))\n    return 1\n",
	"dataclass":     "import dataclasses\n@dataclasses.dataclass\nclass C:\n    x: int\ndef main(args, context): return C(1).x\n",
	"source":        "import inspect\ndef main(args, context):\n    assert 'assert' in inspect.getsource(main)\n    return 1\n",
	"non-ASCII":     "def größe(): return 1\ndef main(args, context): return größe()\n",
}

func TestAcceptedPrograms(t *testing.T) {
	eachBox(t, func(t *testing.T, box *Sandbox) {
		i := 0
		for name, source := range acceptedPrograms {
			if i++; !sampled(box, i) {
				continue
			}
			t.Run(name, func(t *testing.T) {
				p := deployed(t, box, source, runtime.Limits{})
				defer box.Forget(p.FunctionID, p.Version)
				if got := result(t, box, p, "{}"); got != "1" {
					t.Errorf("got %s", got)
				}
			})
		}
	})
}

func TestSyntaxErrorPointsAtThePlace(t *testing.T) {
	outcome, err := boxes["mapped"].Deploy(context.Background(), program("def main(args, context):\n    return 1 +* 2\n", runtime.Limits{}))
	if err != nil {
		t.Fatal(err)
	}
	checkClass(t, outcome, runtime.ClassError)
	want := "  File \"/function/f.py\", line 2\n    return 1 +* 2\n              ^\nSyntaxError: invalid syntax\n"
	if f := outcome.Failure; f.Traceback != want || f.Line != 2 || f.Type != "SyntaxError" {
		t.Errorf("got %+v\n%s\nwant\n%s", *f, f.Traceback, want)
	}
}

func TestDeploymentIsLogged(t *testing.T) {
	p := program("import sys\nprint('at deployment')\nsys.stderr.write('error\\n')\n"+fine, runtime.Limits{})
	outcome, err := boxes["mapped"].Deploy(context.Background(), p)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(outcome.Logs.Data); got != "at deployment\nerror\n" {
		t.Errorf("logged %q", got)
	}
	if outcome := run(t, boxes["mapped"], p, "{}"); len(outcome.Logs.Data) != 0 {
		t.Errorf("the run logged %q", outcome.Logs.Data)
	}
}
