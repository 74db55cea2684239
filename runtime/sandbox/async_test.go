package sandbox

import (
	"strings"
	"testing"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// asyncMains are programs whose main is awaited, whatever makes it async.
var asyncMains = []struct{ name, source, want string }{
	{"function", "async def main(args, context): return args | context", `{"n":1}`},
	{"method", "class Service:\n    async def call(self, args, context): return args['n']\nmain = Service().call", "1"},
	{"object", "class Service:\n    async def __call__(self, args, context): return args['n']\nmain = Service()", "1"},
	{"partial", "import functools\nasync def call(extra, args, context): return extra + args['n']\nmain = functools.partial(call, 2)", "3"},
	{"behind a function", "async def call(args): return args['n']\ndef main(args, context): return call(args)", "1"},
	{"decorated", "import functools\ndef logged(f):\n    @functools.wraps(f)\n    async def wrapper(*args): return [await f(*args)]\n    return wrapper\n@logged\nasync def main(args, context): return args['n']", "[1]"},
	{"own loop policy", `import asyncio
class Policy(asyncio.DefaultEventLoopPolicy):
    def new_event_loop(self):
        loop = super().new_event_loop()
        loop.of_the_function = True
        return loop
asyncio.set_event_loop_policy(Policy())
async def main(args, context): return asyncio.get_running_loop().of_the_function`, "true"},
	{"used at deployment", `import asyncio
async def load(): await asyncio.sleep(0); return 5
VALUE = asyncio.run(load())
async def main(args, context): return [VALUE, asyncio.current_task().get_name()]`, `[5,"Task-4"]`},
	{"first task", "import asyncio\nasync def main(args, context): return asyncio.current_task().get_name()", `"Task-1"`},
	{"hooks", `import asyncio, faas
seen = []
@faas.warm_up
async def warm(): await asyncio.sleep(0); seen.append("warm")
@faas.register_after_restore
async def renew(): await asyncio.sleep(0); seen.append("renewed")
async def main(args, context): return seen`, `["warm","renewed"]`},
}

// TestAsyncMain runs mains that are async, each three times: a run finds the event loop as the image
// has it.
func TestAsyncMain(t *testing.T) {
	eachBox(t, func(t *testing.T, box *Sandbox) {
		for i, c := range asyncMains {
			if !sampled(box, i) {
				continue
			}
			t.Run(c.name, func(t *testing.T) {
				p := deployed(t, box, c.source+"\n", runtime.Limits{})
				defer box.Forget(p.FunctionID, p.Version)
				for range 3 {
					if got := result(t, box, p, `{"n":1}`); got != c.want {
						t.Errorf("got %s, want %s", got, c.want)
					}
				}
			})
		}
	})
}

// TestAsyncMainEnds verifies that what an async main leaves behind ends as with asyncio.run: tasks are
// cancelled and async generators are closed, also after an exception.
func TestAsyncMainEnds(t *testing.T) {
	p := deployed(t, boxes["mapped"], `import asyncio, sys
async def numbers():
    try:
        yield 1
        yield 2
    finally:
        await asyncio.sleep(0)
        print("generator closed")
async def background():
    try: await asyncio.sleep(3600)
    finally: print("task cancelled")
async def main(args, context):
    main.left = numbers()
    await anext(main.left)
    main.task = asyncio.create_task(background())
    await asyncio.sleep(0)
    if args["end"] == "raise": raise LookupError("gone")
    if args["end"] == "exit": sys.exit(3)
    return args["end"]
`, runtime.Limits{})
	for end, class := range map[string]runtime.Class{"return": "", "raise": runtime.ClassError, "exit": runtime.ClassExited} {
		outcome := runInTime(t, boxes["mapped"], p, `{"end":"`+end+`"}`)
		checkClass(t, outcome, class)
		if got := string(outcome.Logs.Data); got != "task cancelled\ngenerator closed\n" {
			t.Errorf("%s: the log is %q", end, got)
		}
	}
}

// TestDeadlineOfAsyncMain verifies that no code of an async main runs after its deadline, neither a
// finally nor a handler of CancelledError.
func TestDeadlineOfAsyncMain(t *testing.T) {
	for name, wait := range map[string]string{
		"sleeps":           "await asyncio.sleep(3600)",
		"computes":         "while True: pass",
		"waits in a group": "async with asyncio.TaskGroup() as g: g.create_task(asyncio.sleep(3600))",
		"waits in time":    "async with asyncio.timeout(1800): await asyncio.sleep(3600)",
	} {
		t.Run(name, func(t *testing.T) {
			p := deployed(t, boxes["mapped"], `import asyncio
async def main(args, context):
    print("begins")
    try:
        `+wait+`
    except BaseException: print("handler")
    finally: print("finally")
`, runtime.Limits{Timeout: 100 * time.Millisecond})
			outcome := runInTime(t, boxes["mapped"], p, "{}")
			checkClass(t, outcome, runtime.ClassTimeout)
			if got := string(outcome.Logs.Data); got != "begins\n" {
				t.Errorf("the log is %q", got)
			}
		})
	}
}

func TestAsyncMainFails(t *testing.T) {
	box := boxes["mapped"]
	p := deployed(t, box, `import asyncio
async def read():
    await asyncio.sleep(0)
    raise LookupError("gone")
async def main(args, context):
    if "coroutine" in args: return {"later": [asyncio.sleep(0)]}
    if "loop" in args: asyncio.run(asyncio.sleep(0))
    if "forever" in args: await asyncio.Event().wait()
    await asyncio.wait_for(read(), 60)
`, runtime.Limits{})
	f := fails(t, box, p, "{}", runtime.ClassError)
	const want = `Traceback (most recent call last):
  File "/function/f.py", line 9, in main
    await asyncio.wait_for(read(), 60)
  File "/function/f.py", line 4, in read
    raise LookupError("gone")
LookupError: gone
`
	if f.Traceback != want || f.Line != 4 {
		t.Errorf("line %d\n%s", f.Line, f.Traceback)
	}
	for args, message := range map[string]string{
		`{"coroutine":1}`: "$.later[0] is of type coroutine, and nothing awaits it",
		`{"loop":1}`:      "asyncio.run() cannot be called from a running event loop",
		`{"forever":1}`:   "this wait would never end",
	} {
		if f := fails(t, box, p, args, runtime.ClassError, runtime.ClassResultInvalid); !strings.HasPrefix(f.Message, message) {
			t.Errorf("%s: %s", args, f.Message)
		}
	}
}

// TestPackageThatStartsThreads verifies that a call of anyio.to_thread runs at once. The package here
// has only what is replaced of the real one.
func TestPackageThatStartsThreads(t *testing.T) {
	p := deployed(t, boxes["mapped"], `import os, sys
for folder in ("/tmp/packages/anyio", "/tmp/packages/anyio/_core", "/tmp/packages/anyio/_backends"):
    os.makedirs(folder)
    open(folder + "/__init__.py", "w").close()
with open("/tmp/packages/anyio/_core/_eventloop.py", "w") as file:
    file.write("""
import contextlib, threading
threadlocals = threading.local()
@contextlib.contextmanager
def claim_worker_thread(backend, token):
    threadlocals.current_token = token
    yield
    del threadlocals.current_token
""")
with open(folder + "/_asyncio.py", "w") as file:
    file.write("""
import contextlib
from contextvars import copy_context
class CancelScope(contextlib.nullcontext):
    _parent_scope = None
    def __init__(self, shield): super().__init__(self)
class AsyncIOBackend:
    @classmethod
    async def checkpoint(cls): pass
    @classmethod
    def current_default_thread_limiter(cls): return contextlib.nullcontext()
    @classmethod
    async def run_sync_in_worker_thread(cls, func, args, abandon_on_cancel=False, limiter=None):
        import threading
        threading.Thread(target=func).start()
""")
sys.path.append("/tmp/packages")
from anyio._backends._asyncio import AsyncIOBackend
from anyio._core._eventloop import threadlocals
import asyncio, contextlib, contextvars
mark = contextvars.ContextVar("mark")
class Limiter(contextlib.AsyncExitStack): used = 0
async def main(args, context):
    mark.set("caller")
    limiter = Limiter()
    def inside(n): return [n, mark.get(), asyncio.run(asyncio.sleep(0, "own loop")), threadlocals.current_token is loop]
    loop = asyncio.get_running_loop()
    return [await AsyncIOBackend.run_sync_in_worker_thread(inside, (1,)), await AsyncIOBackend.run_sync_in_worker_thread(len, ("ab",), limiter=limiter), vars(threadlocals)]
`, runtime.Limits{})
	if got := result(t, boxes["mapped"], p, "{}"); got != `[[1,"caller","own loop",true],2,{}]` {
		t.Errorf("got %s", got)
	}
}
