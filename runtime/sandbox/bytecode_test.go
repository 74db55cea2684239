package sandbox

import (
	"fmt"
	"testing"

	"github.com/faaspot/faaspot/runtime"
)

// crafted runs bytecode that no compiler produces, and modifies internals that Python does not
// protect.
const crafted = `
import gc, marshal, random, sys, types
def template(a, b, *c, d=1):
    for x in a:
        try:
            yield [x, b, c, d]
        except ValueError as e:
            with open("/tmp/x") as f: pass
def plain(a, b): return a + b
def main(args, context):
    rng = random.Random(args["seed"])
    code = (plain if rng.random() < .5 else template).__code__
    kind = args["seed"] % 4
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
    else:
        raw = bytearray(marshal.dumps(code))
        for _ in range(rng.randint(1, 10)): raw[rng.randrange(len(raw))] = rng.randrange(256)
        f.__code__ = marshal.loads(bytes(raw))
    result = f([1, 2], 3)
    for _ in result if isinstance(result, types.GeneratorType) else (): pass
    if rng.random() < .2: [type(o) for o in gc.get_referrers(f)]
    return 1
`

// craftedSeeds is the number of broken pieces of bytecode that run on each kind of memory. About a
// third of them crash the interpreter.
const craftedSeeds = 48

func TestCraftedBytecode(t *testing.T) {
	eachBox(t, func(t *testing.T, box *Sandbox) {
		neighbour(t, box)
		p := deployed(t, box, crafted, runtime.Limits{Timeout: runtime.MinTimeout})
		hi := deployed(t, box, hello, runtime.Limits{})
		ends := map[runtime.Class]int{}
		for seed := range times(craftedSeeds) {
			outcome := runInTime(t, box, p, fmt.Sprintf(`{"seed":%d}`, seed))
			class := runtime.Class("")
			if outcome.Failure != nil {
				class = outcome.Failure.Class
			}
			ends[class]++
			if class == runtime.ClassInternal {
				t.Errorf("seed %d: %+v", seed, outcome.Failure)
			}
			if got := result(t, box, hi, `{"name":"next"}`); got != `"Hello next"` {
				t.Fatalf("after seed %d the next run got %s", seed, got)
			}
		}
		t.Logf("ended: %v", ends)
		if ends[runtime.ClassCrashed] == 0 && !testing.Short() {
			t.Error("no seed has crashed the interpreter: the test is not meaningful")
		}
	})
}
