package sandbox

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/memory"
)

const (
	hammerers = 8
	// hammerBlows is the number of operations of each goroutine.
	hammerBlows = 12
	// hammerFunctions is larger than the number of slots, and of images that fit the cache.
	hammerFunctions = 12
	// hammerMemory is the memory budget in bytes: enough for some images only.
	hammerMemory = 16 * runtime.MiB
)

// TestHammer deploys, runs, forgets and cancels from many goroutines at once, in a box that is too
// small for all of it. Every outcome must be correct.
func TestHammer(t *testing.T) {
	const seed = 7
	t.Logf("seed %d", seed)
	bothBoxes(t, func(t *testing.T, shared *Sandbox) {
		t.Parallel()
		budget := memory.New(hammerMemory, nil)
		box := openBox(t, Options{
			IdleSlots: 3, Processors: 2, Memory: budget, Portable: !shared.guest.mapped,
		})
		functions := make([]runtime.Program, hammerFunctions)
		for i := range functions {
			def, sleep := "def", "time.sleep(0.01)"
			if i%2 == 1 {
				def, sleep = "async def", "await asyncio.sleep(0.012)" // it leaves its slot
			}
			functions[i] = program(fmt.Sprintf(`
import asyncio, os, time
seen = []
ballast = bytearray(b"%d" * 300000)
%s main(args, context):
    assert not seen and not os.listdir("/tmp")
    seen.append(args)
    open("/tmp/x", "w").write("x" * 1000)
    what = args.get("what")
    if what == "raise": raise ValueError(args["n"])
    if what == "exit": os._exit(7)
    if what == "loop":
        while True: pass
    if what == "sleep": %s
    if what == "grow": ballast.extend(bytes(70 << 20))
    return [%d, args["n"], context["secret"]]
`, i%10, def, sleep, i), runtime.Limits{Timeout: time.Minute, Memory: 256 * runtime.MiB})
			functions[i].Tenant = runtime.Tenant(fmt.Sprint("tenant", i%3))
		}
		whats := []string{"", "", "", "raise", "exit", "loop", "sleep", "grow"}
		blows := times(hammerBlows)
		if !box.guest.mapped && *soak == 0 {
			blows = max(blows/3, 1) // copying takes long
		}
		var done atomic.Int64
		var wg sync.WaitGroup
		for h := range hammerers {
			wg.Go(func() {
				rng := rand.New(rand.NewPCG(seed, uint64(h)))
				for n := range blows {
					i := rng.IntN(len(functions))
					p := functions[i]
					switch rng.IntN(12) {
					case 0:
						box.Forget(p.FunctionID, p.Version)
						continue
					case 1:
						outcome, err := box.Deploy(context.Background(), p)
						if err != nil || outcome.Failure != nil {
							t.Errorf("deploying: %+v, %v", outcome, err)
						}
						continue
					}
					what := whats[rng.IntN(len(whats))]
					ctx, cancel := context.WithCancel(context.Background())
					if what == "loop" {
						ctx, cancel = context.WithTimeout(ctx, time.Duration(rng.IntN(40))*time.Millisecond)
					}
					args := fmt.Sprintf(`{"what":"%s","n":%d}`, what, n)
					secret := fmt.Sprintf("%d-%d", h, n)
					outcome, err := box.Run(ctx, runtime.RunCall{Program: p, Args: []byte(args), Context: fmt.Appendf(nil, `{"secret":"%s"}`, secret)})
					cancel()
					if err != nil {
						t.Errorf("%s: %v", what, err)
						continue
					}
					class := runtime.Class("")
					if outcome.Failure != nil {
						class = outcome.Failure.Class
					}
					want := map[string]runtime.Class{"raise": runtime.ClassError, "exit": runtime.ClassExited, "loop": runtime.ClassCancelled}[what]
					if class != want {
						t.Errorf("%s ended as %q: %+v", what, class, outcome.Failure)
					}
					if result := fmt.Sprintf(`[%d,%d,"%s"]`, i, n, secret); class == "" && string(outcome.Result) != result {
						t.Errorf("got %s, want %s", outcome.Result, result)
					}
					done.Add(1)
				}
			})
		}
		wg.Wait()
		if done.Load() == 0 {
			t.Error("nothing ran")
		}
		if box.processors.free != 2 || box.processors.waiting.Load() != 0 || box.processors.waitingFresh.Load() != 0 {
			t.Errorf("%d permits are free, %d runs wait for one", box.processors.free, box.processors.waiting.Load())
		}
		if got := box.accounts.tmp.Held(); got != 0 {
			t.Errorf("%d bytes of /tmp are not released", got)
		}
		if most := budget.Total() - budget.Reserve(); budget.Used() > most {
			t.Errorf("%d bytes of the budget are used, at most %d may be", budget.Used(), most)
		}
		if box.pool.idle.len() > hammerers {
			t.Errorf("%d slots are idle, %d were in use at once", box.pool.idle.len(), hammerers)
		}
		checkIdleSlots(t, box)
	})
}

// checkIdleSlots verifies that the idle slots of a box, in which nothing runs, equal their images.
func checkIdleSlots(t *testing.T, box *Sandbox) {
	t.Helper()
	for s := range box.pool.idle.each() {
		if s.image != nil {
			if at := unequal(s); at >= 0 {
				t.Errorf("an idle slot differs from its image at %d", at)
			}
		}
	}
}
