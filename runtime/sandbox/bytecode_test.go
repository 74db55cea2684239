package sandbox

import (
	"flag"
	"fmt"
	"strings"
	"testing"

	"github.com/faaspot/faaspot/runtime"
)

// crafted runs bytecode that no compiler produces, and modifies internals that Python does not
// protect. The same seed does the same.
const crafted = `
import gc, marshal, opcode, random, struct, sys, types
def template(a, b, *c, d=1):
    for x in a:
        try:
            yield [x, b, c, d]
        except ValueError as e:
            with open("/tmp/x") as f: pass
def plain(a, b): return a + b
held = []
def whole_memory():
    """Returns a bytearray that is the whole linear memory: an instruction takes for a constant what lies at a forged address."""
    def words(*numbers): return struct.pack("<%dI" % len(numbers), *(n & 0xffffffff for n in numbers))
    forged = words(1 << 28, id(bytearray), 0x7fffffff, 0x7fffffff, 0, 0, 0) # refcount, type, size, room, content, start, views
    cell = words(id(forged) + 16) # the content of bytes is 16 bytes behind their address
    held.extend((forged, cell))
    code = (lambda: None).__code__.replace(co_consts=(None,) * 4)
    for _ in range(2): # the second time with the address of the constants that it has
        index = (id(cell) + 16 - id(code.co_consts) - 12) // 4
        steps = [("RESUME", 0), *(("EXTENDED_ARG", index >> bits & 255) for bits in (24, 16, 8)), ("LOAD_CONST", index & 255), ("RETURN_VALUE", 0)]
        code = code.replace(co_code=bytes(b for name, arg in steps for b in (opcode.opmap[name], arg)), co_stacksize=10)
        held.append(code)
    return types.FunctionType(code, {})()
def scribble(rng):
    memory = whole_memory()
    known = rng.randbytes(100)
    if memory[id(known) + 16:id(known) + 116] == known: print("reads all memory", flush=True)
    for _ in range(rng.randint(1, 300)):
        at = rng.randrange(64 << 20)
        memory[at:at + 8] = rng.randbytes(8)
def main(args, context):
    rng = random.Random(args["seed"])
    code = (plain if rng.random() < .5 else template).__code__
    kind = args["seed"] % 5
    def f(a=1, b=2, *c, d=1): pass
    if kind == 0:
        f.__code__ = code.replace(co_code=rng.randbytes(64), co_consts=())
    elif kind == 1:
        # One instruction of a real function is another one.
        raw = bytearray(code.co_code)
        for _ in range(rng.randint(1, 4)): raw[rng.randrange(len(raw))] = rng.randrange(256)
        f.__code__ = code.replace(co_code=bytes(raw))
    elif kind == 2:
        f.__code__ = code.replace(co_stacksize=rng.randrange(3), co_flags=rng.randrange(256), co_exceptiontable=rng.randbytes(20))
    elif kind == 3:
        raw = bytearray(marshal.dumps(code))
        for _ in range(rng.randint(1, 10)): raw[rng.randrange(len(raw))] = rng.randrange(256)
        f.__code__ = marshal.loads(bytes(raw))
    else:
        scribble(rng)
    result = f([1, 2], 3)
    for _ in result if isinstance(result, types.GeneratorType) else (): pass
    if rng.random() < .2: [type(o) for o in gc.get_referrers(f)]
    return 1
`

// craftedSeeds is the number of broken pieces of bytecode that run in mapped memory. About a third
// of them crash the interpreter.
const craftedSeeds = 200

var onlySeed = flag.Int("seed", -1, "the only seed of tests that run random programs; negative: all")

// seeds calls f for each seed of a test on a box.
func seeds(box *Sandbox, n int, f func(seed int)) {
	if *onlySeed >= 0 {
		f(*onlySeed)
		return
	}
	for seed := range times(n) {
		// Steps of 5 and 4 have no common divisor: copied memory gets all kinds.
		if sampled(box, seed) {
			f(seed)
		}
	}
}

func TestCraftedBytecode(t *testing.T) {
	eachBox(t, func(t *testing.T, box *Sandbox) {
		t.Cleanup(func() { checkIdleSlots(t, box) }) // after the last run of the neighbour
		neighbour(t, box)
		p := deployed(t, box, crafted, runtime.Limits{Timeout: runtime.MinTimeout})
		hi := deployed(t, box, hello, runtime.Limits{})
		ends := map[runtime.Class]int{}
		everything := 0
		seeds(box, craftedSeeds, func(seed int) {
			outcome := runInTime(t, box, p, fmt.Sprintf(`{"seed":%d}`, seed))
			class := runtime.Class("")
			if outcome.Failure != nil {
				class = outcome.Failure.Class
			}
			ends[class]++
			if strings.Contains(string(outcome.Logs.Data), "reads all memory") {
				everything++
			}
			if class == runtime.ClassInternal {
				t.Errorf("seed %d: %+v", seed, outcome.Failure)
			}
			if got := result(t, box, hi, `{"name":"next"}`); got != `"Hello next"` {
				t.Fatalf("after seed %d the next run got %s", seed, got)
			}
		})
		t.Logf("ended: %v; %d read all of their memory", ends, everything)
		if (ends[runtime.ClassCrashed] == 0 || everything == 0) && !testing.Short() && *onlySeed < 0 {
			t.Error("no seed has crashed the interpreter, or reached all of its memory: the test is not meaningful")
		}
	})
}
