package sandbox

import (
	"fmt"
	"testing"

	"github.com/faaspot/faaspot/runtime"
)

// nativeCalls calls random functions of the guest's own C modules, and of those whose calls reach the
// host, with random arguments. The same seed does the same.
const nativeCalls = `
import _faas, _socket, _ssl, _hashlib, posix, random, select, time
modules = [(m, [name for name in dir(m) if callable(getattr(m, name)) and name not in ("_exit", "abort")]) for m in (_faas, _socket, _ssl, _hashlib, posix, select, time)]
numbers = [0, 1, -1, 3, 4, 255, 4096, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**63, -2**63, 2**64, 1.5, float("nan"), 1e300]
others = ["", "/tmp/x", "x" * 5000, "\ud800", "a\0b", "sha256", b"", bytes(100), bytearray(64), memoryview(bytes(9)), None, True, [], [1, 2], (), ("127.0.0.1", 80), {}, print, object(), _socket.socket]
def main(args, context):
    rng = random.Random(args["seed"])
    made = []
    for _ in range(200):
        module, names = rng.choice(modules)
        f = getattr(module, rng.choice(names))
        if made and rng.random() < .4:
            one = rng.choice(made)
            f = getattr(one, rng.choice(dir(one)), f)
        try:
            value = f(*(rng.choice(rng.choice((numbers, others, made or others))) for _ in range(rng.randrange(6))))
            if len(made) < 50: made.append(value)
        except Exception: pass
    return 1
`

// nativeSeeds is the number of random programs that run in mapped memory.
const nativeSeeds = 60

// TestCallsOfNativeModules calls what reaches the host with anything that Python can pass. A run may
// harm itself, and nothing else.
func TestCallsOfNativeModules(t *testing.T) {
	eachBox(t, func(t *testing.T, box *Sandbox) {
		t.Cleanup(func() { checkIdleSlots(t, box) })
		neighbour(t, box)
		p := deployed(t, box, nativeCalls, runtime.Limits{Timeout: 3 * runtime.MinTimeout, Memory: runtime.DefaultMemory})
		hi := deployed(t, box, hello, runtime.Limits{})
		ends := map[runtime.Class]int{}
		seeds(box, nativeSeeds, func(seed int) {
			outcome := runInTime(t, box, p, fmt.Sprintf(`{"seed":%d}`, seed))
			checkClass(t, outcome, "", runtime.ClassError, runtime.ClassTimeout, runtime.ClassMemory, runtime.ClassStack, runtime.ClassExited, runtime.ClassCrashed)
			if f := outcome.Failure; f != nil {
				ends[f.Class]++
				if internals.MatchString(f.Message + f.Traceback) {
					t.Errorf("seed %d: the failure shows internals of the server: %+v", seed, f)
				}
			} else {
				ends[""]++
			}
			if got := result(t, box, hi, `{"name":"next"}`); got != `"Hello next"` {
				t.Fatalf("after seed %d the next run got %s", seed, got)
			}
		})
		t.Logf("ended: %v", ends)
		if ends[""] == 0 && *onlySeed < 0 && !testing.Short() {
			t.Error("no program has ended by itself: the test is not meaningful")
		}
	})
}
