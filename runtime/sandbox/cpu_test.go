package sandbox

import (
	"context"
	goruntime "runtime"
	"strings"
	"testing"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// hogLimit is the time limit of programs that try to run forever.
const hogLimit = runtime.MinTimeout

var (
	timeout = []runtime.Class{runtime.ClassTimeout}
	// Some computations end early because memory runs out, or because CPython refuses them.
	timeoutMemoryOrError = []runtime.Class{runtime.ClassTimeout, runtime.ClassMemory, runtime.ClassError}
)

// hogs compute forever, or nearly so.
var hogs = []struct {
	name    string
	main    string
	classes []runtime.Class
}{
	{"loop", "while True: pass", timeout},
	{"sum of a range", "sum(range(10**15))", timeout},
	{"any of an iterator", "any(iter(int, 1))", timeout},
	{"list of repeat", "import itertools; list(itertools.repeat(0, 10**9))", timeoutMemoryOrError},
	{"deque of count", "import itertools, collections; collections.deque(itertools.count(), maxlen=0)", timeout},
	{"in count", "import itertools; -1 in itertools.count()", timeout},
	{"regular expression", "import re; re.match(r'(a+)+$', 'a'*40 + 'b')", timeout},
	{"power", "10**10**9", timeoutMemoryOrError},
	{"tower", "10**10**8 % 7", timeoutMemoryOrError},
	{"int of text", "int('9' * 10**7)", timeoutMemoryOrError},
	{"int of text without limit", "import sys; sys.set_int_max_str_digits(0); int('9' * 10**7)", timeoutMemoryOrError},
	{"text of int", "import sys; sys.set_int_max_str_digits(0); str(10**10**6)", timeoutMemoryOrError},
	{"shift", "2 << (2**33)", timeoutMemoryOrError},
	{"factorial", "import math; math.factorial(10**7)", timeoutMemoryOrError},
	{"catches everything", `
while True:
    try:
        while True: pass
    except BaseException:
        pass
    finally:
        continue`, timeout},
	{"never gives in", `
import atexit, signal, sys
atexit.register(print, 'HANDLED')
try:
    signal.signal(signal.SIGALRM, lambda *a: print('HANDLED'))
    signal.signal(signal.SIGTERM, lambda *a: print('HANDLED'))
except (OSError, ValueError, AttributeError):
    pass
class Zombie:
    def __del__(self):
        print('HANDLED')
        while True: Zombie()
sys.settrace(lambda *a: None)
z = Zombie()
try:
    while True: pass
finally:
    print('HANDLED')`, timeout},
	{"finaliser", `
class Zombie:
    def __del__(self):
        while True: pass
Zombie()`, timeout},
	{"finalisers", `
class Zombie:
    def __del__(self): Zombie()
Zombie()
while True: pass`, timeout},
	{"trace function", `
import sys
def trace(*a):
    while True: pass
sys.settrace(trace)
(lambda: 0)()`, timeout},
	{"collections", "import gc\nwhile True: gc.collect()", timeout},
	{"sleep", "import time; time.sleep(1e9)", timeout},
	{"many sleeps", "import time\nwhile True: time.sleep(0)", timeout},
	{"short sleeps", "import time\nwhile True: time.sleep(1e-6)", timeout},
	{"select", "import select; select.select([], [], [], 1e6)", timeoutMemoryOrError},
	{"event", "import threading; threading.Event().wait(1e6)", timeoutMemoryOrError},
	{"lock", "import threading; l = threading.Lock(); l.acquire(); l.acquire()", timeoutMemoryOrError},
	{"queue", "import queue; queue.Queue().get()", timeoutMemoryOrError},
	{"event loop", "import asyncio; asyncio.run(asyncio.sleep(1e6))", timeoutMemoryOrError},
	{"flooded dict", `
class Same:
    def __init__(self, n): self.n = n
    def __hash__(self): return 1
    def __eq__(self, other): return self.n == other.n
d = {}
n = 0
while True:
    d[Same(n)] = n
    n += 1`, timeout},
	{"flood of integers", "d = {i * (2**61 - 1): 0 for i in range(10**6)}\nwhile True: d.get(5)", timeoutMemoryOrError},
	{"hostile order", `
class Odd(int):
    def __lt__(self, other):
        while True: pass
sorted([Odd(2), Odd(1)])`, timeout},
	{"decimal", "import decimal; decimal.getcontext().prec = 10**6; decimal.Decimal(2).sqrt() ** decimal.Decimal('0.3')", timeoutMemoryOrError},
	{"huge decimal", "import decimal; c = decimal.getcontext(); c.prec = 10**8; decimal.Decimal(1) / 7", timeoutMemoryOrError},
	{"search", "'a' * 10**6 in ('a' * (10**6 - 1) + 'b') * 10", append([]runtime.Class{""}, timeoutMemoryOrError...)},
	{"replace", "s = 'a' * 10**6\nwhile True: s.replace('aa', 'b').count('b')", timeout},
	{"sort", "import random\nwhile True: sorted(random.random() for _ in range(10**5))", timeout},
	{"compress", "import lzma, os\nwhile True: lzma.compress(os.urandom(10**5), preset=1)", timeout},
	{"hash", "import hashlib; hashlib.sha256(bytes(10**8) * 3)", timeoutMemoryOrError},
	{"digest", "import hashlib; d = hashlib.sha3_512(); b = bytes(10**7)\nwhile True: d.update(b)", timeout},
	{"randomness", "import os\nwhile True: os.urandom(10**6)", timeout},
	{"database", "import sqlite3; sqlite3.connect(':memory:').execute('with recursive t(x) as (select 1 union all select x + 1 from t) select count(*) from t').fetchall()", timeout},
	{"output", "while True: print('x' * 10**5)", timeout},
	{"files", "while True:\n    with open('/tmp/f', 'wb') as f: f.write(bytes(10**6))", timeout},
	{"copies", "b = bytearray(10**7)\nwhile True: b[:] = bytes(b)", timeout},
}

func TestHogsAreStopped(t *testing.T) {
	eachBox(t, func(t *testing.T, box *Sandbox) {
		neighbour(t, box)
		for i, hog := range hogs {
			if !sampled(box, i) {
				continue
			}
			t.Run(hog.name, func(t *testing.T) {
				p := deployed(t, box, body(hog.main), runtime.Limits{Timeout: hogLimit})
				defer box.Forget(p.FunctionID, p.Version)
				outcome := runInTime(t, box, p, "{}")
				checkClass(t, outcome, hog.classes...)
				if strings.Contains(string(outcome.Logs.Data), "HANDLED") {
					t.Error("a handler of the function ran after its end")
				}
				if limit := p.Limits.WithDefaults().Memory; outcome.Usage.Memory > limit {
					t.Errorf("the memory grew to %d, the limit is %d", outcome.Usage.Memory, limit)
				}
			})
		}
	})
}

func TestHogsAreStoppedAtDeployment(t *testing.T) {
	box := boxes["mapped"]
	for _, module := range []string{
		"while True: pass",
		"import time; time.sleep(1e9)",
		"x = 10**10**8",
		// Work of the compiler itself: folding and parsing.
		"x = " + strings.Repeat("(1 + ", 50) + "1" + strings.Repeat(")", 50) + "\nwhile True: pass",
	} {
		outcome, err := box.Deploy(context.Background(), program(module, runtime.Limits{Timeout: hogLimit}))
		if err != nil {
			t.Fatal(err)
		}
		checkClass(t, outcome, runtime.ClassTimeout, runtime.ClassMemory)
	}
}

// TestGuestsDoNotBlockTheCollector runs collections while guests compute. The Go garbage collector
// stops all goroutines, and the scheduler cannot stop a guest. A guest that did not call the host
// would make the collection, and with it the server, wait until the guest ends.
func TestGuestsDoNotBlockTheCollector(t *testing.T) {
	box := boxes["mapped"]
	p := deployed(t, box, body("while True: pass"), runtime.Limits{Timeout: 2 * time.Minute})
	const hogs, collections = 4, 5
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan runtime.Outcome, hogs)
	for range hogs {
		go func() {
			outcome, _ := box.Run(ctx, runtime.RunCall{Program: p, Args: []byte("{}"), Context: []byte("{}")})
			ended <- outcome
		}()
	}
	// A collection that waited for a loop to end would take the loop's whole time limit.
	for range collections {
		goruntime.GC()
	}
	cancel()
	for range hogs {
		checkClass(t, <-ended, runtime.ClassCancelled)
	}
}

func TestStandardInputIsAtItsEnd(t *testing.T) {
	eachBox(t, func(t *testing.T, box *Sandbox) {
		p := deployed(t, box, body(`
import sys
try:
    input()
except EOFError:
    return [sys.stdin.read(), sys.stdin.buffer.read(10).decode()]`), runtime.Limits{})
		if got := result(t, box, p, "{}"); got != `["",""]` {
			t.Errorf("got %s", got)
		}
	})
}

func TestRunsAreCancelled(t *testing.T) {
	eachBox(t, func(t *testing.T, box *Sandbox) {
		for _, main := range []string{"while True: pass", "import time; time.sleep(1e9)", "10**10**9"} {
			p := deployed(t, box, body("print('started')\n"+main), runtime.Limits{})
			for _, before := range []time.Duration{0, time.Millisecond, 30 * time.Millisecond} {
				ctx, cancel := context.WithTimeout(context.Background(), before)
				outcome, err := box.Run(ctx, runtime.RunCall{Program: p, Args: []byte("{}"), Context: []byte("{}")})
				cancel()
				if err != nil {
					t.Fatal(err)
				}
				if main == "10**10**9" {
					checkClass(t, outcome, runtime.ClassCancelled, runtime.ClassMemory)
				} else {
					checkClass(t, outcome, runtime.ClassCancelled)
				}
			}
		}
	})
}
