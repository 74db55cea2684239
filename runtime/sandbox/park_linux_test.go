package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/memory"
)

// lender is a Room that reports each loan, and returns the memory when free allows it.
type lender struct {
	held chan int64
	lent atomic.Int64                // times that a run has kept its slot
	free func(context.Context) error // nil: at once
}

func (l *lender) Lend(held int64) {
	l.lent.Add(1)
	l.held <- held
}

func (l *lender) Park(held int64) { l.held <- held }

func (l *lender) Reclaim(ctx context.Context, _ time.Duration) error {
	if l.free == nil {
		return nil
	}
	return l.free(ctx)
}

// sleeper prints, writes to its memory and to /tmp, and waits.
const sleeper = `import asyncio
kept = []
async def main(args, context):
    kept.append(args["marker"] * 100)
    print("begins", end="")
    file = open("/tmp/" + args["marker"], "w+")
    file.write(args["marker"] * 5000)
    file.flush()
    try:
        for seconds in args["sleeps"]: await asyncio.sleep(seconds)
    except BaseException as error: print("handler", error)
    finally: print(" finally")
    file.seek(0)
    return [kept[0] == args["marker"] * 100, len(kept), len(file.read())]
`

func sleeperArgs(marker string, sleeps ...float64) []byte {
	args, err := json.Marshal(map[string]any{"marker": marker, "sleeps": sleeps})
	if err != nil {
		panic(err)
	}
	return args
}

// checkIdle verifies that no run has a slot or a permit, and that the idle slots equal their images.
func checkIdle(t *testing.T, box *Sandbox, places int) {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		box.pool.mu.Lock()
		busy := box.pool.busy
		box.pool.mu.Unlock()
		box.processors.mu.Lock()
		free := box.processors.free
		box.processors.mu.Unlock()
		if busy == 0 && free == places {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%d runs have a slot, and %d of %d permits are free", busy, free, places)
		}
	}
	box.pool.mu.Lock() // no slot is closed meanwhile
	defer box.pool.mu.Unlock()
	for s := range box.pool.idle.each() {
		if s.image == nil {
			continue
		}
		if at := unequal(s); at >= 0 {
			t.Fatalf("a slot differs from its image at byte %d", at)
		}
		if s.stack.Get() != box.guest.base.stack || s.ticks.Get() != s.initialTicks || s.system.Capture() != nil {
			t.Fatal("a slot has the globals or the files of a run")
		}
	}
}

// A run that waits leaves its slot, in which nothing of it remains, and what it holds is little.
func TestParkedRunsHoldNoSlot(t *testing.T) {
	box := openBox(t, Options{IdleSlots: 2})
	p := deployed(t, box, sleeper, runtime.Limits{})
	other := deployed(t, box, hello, runtime.Limits{})
	other.Tenant = "other"
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	places := box.processors.permits
	l := &lender{held: make(chan int64, 10)}
	var runs sync.WaitGroup
	const n = 10
	for i := range n {
		runs.Go(func() {
			marker := fmt.Sprintf("%d-of-a-tenant", i)
			outcome, err := box.Run(ctx, runtime.RunCall{Program: p, Args: sleeperArgs(marker, 3600), Context: runtime.EmptyObject, Room: l})
			if err != nil {
				t.Error(err)
			}
			checkClass(t, outcome, runtime.ClassCancelled)
			if got := string(outcome.Logs.Data); got != "begins" {
				t.Errorf("the log is %q", got)
			}
		})
	}
	for range n {
		if held := <-l.held; held < 64*runtime.KiB || held > runtime.MiB {
			t.Errorf("a parked run holds %d bytes", held)
		}
	}
	checkIdle(t, box, places)
	box.pool.mu.Lock()
	for s := range box.pool.idle.each() {
		if bytes.Contains(s.memory.data(), []byte("-of-a-tenant")) {
			t.Error("an idle slot has the memory of a parked run")
		}
	}
	box.pool.mu.Unlock()
	if held := box.accounts.tmp.Held(); held < n*40_000 {
		t.Errorf("the files of the parked runs count %d bytes", held)
	}
	for range 20 {
		result(t, box, other, string(helloArgs))
	}
	cancel()
	runs.Wait()
	checkIdle(t, box, places)
	if held := box.accounts.tmp.Held(); held != 0 {
		t.Errorf("%d bytes of /tmp are left", held)
	}
}

// Parked runs of several tenants continue in each other's slots, and each finds its own state.
func TestParkedRunsKeepTheirState(t *testing.T) {
	box := openBox(t, Options{IdleSlots: 2})
	places := box.processors.permits
	var programs []runtime.Program
	for i := range 4 {
		p := deployed(t, box, sleeper, runtime.Limits{})
		p.Tenant = runtime.Tenant(fmt.Sprint(i % 2))
		programs = append(programs, p)
	}
	var runs sync.WaitGroup
	for i := range times(40) {
		runs.Go(func() {
			p := programs[i%len(programs)]
			args := sleeperArgs(fmt.Sprintf("marker%d", i), 0.02, 0.005, 0.03, 0.011)
			outcome, err := box.Run(t.Context(), runtime.RunCall{Program: p, Args: args, Context: runtime.EmptyObject})
			if err != nil || outcome.Failure != nil {
				t.Errorf("%+v, %v", outcome.Failure, err)
			}
			want := fmt.Sprintf("[true,1,%d]", 5000*len(fmt.Sprintf("marker%d", i)))
			if got := string(outcome.Result); got != want || string(outcome.Logs.Data) != "begins finally\n" {
				t.Errorf("got %s and the log %q, want %s", got, outcome.Logs.Data, want)
			}
		})
	}
	runs.Wait()
	checkIdle(t, box, places)
	if held := box.accounts.tmp.Held(); held != 0 {
		t.Errorf("%d bytes of /tmp are left", held)
	}
}

// asyncActions makes the main of testdata/actions.py async, which waits after each action.
const asyncActions = `
import asyncio
async def main(args, context):
    result = None
    for action, n in args["plan"]:
        try:
            result = globals()[action](n)
        except (ImportError, OSError):
            pass
        await asyncio.sleep(0.011)
    return result
`

// TestSlotsAreRestoredAfterParking is TestSlotsAreRestoredExactly for runs that leave their slots.
func TestSlotsAreRestoredAfterParking(t *testing.T) {
	t.Parallel()
	restores(t, openBox(t, Options{IdleSlots: 2}), 3, asyncActions)
}

// A parked run ends at its deadline without any of its code, and its time is as long as its limit.
func TestDeadlineOfParkedRuns(t *testing.T) {
	box := boxes["mapped"]
	p := deployed(t, box, sleeper, runtime.Limits{Timeout: time.Second})
	outcome := runInTime(t, box, p, string(sleeperArgs("m", 0.02, 3600)))
	checkClass(t, outcome, runtime.ClassTimeout)
	if got := string(outcome.Logs.Data); got != "begins" || !strings.Contains(outcome.Failure.Message, "limit of 1 seconds") {
		t.Errorf("the log is %q, the message %q", got, outcome.Failure.Message)
	}
	if u := outcome.Usage; u.Duration < p.Limits.Timeout || u.Memory < int64(box.guest.base.size) {
		t.Errorf("usage %+v", u)
	}
}

// A parked run that does not get its memory back ends, whatever the reason, and leaves nothing.
func TestParkedRunsWithoutMemory(t *testing.T) {
	box := boxes["mapped"]
	p := deployed(t, box, sleeper, runtime.Limits{Timeout: 2 * time.Second})
	places := box.processors.permits
	refused := errors.New("no memory")
	ctx, cancel := context.WithCancel(t.Context())
	for _, c := range []struct {
		name  string
		ctx   context.Context
		free  func(context.Context) error
		class runtime.Class
		err   error
	}{
		{"late", t.Context(), func(context.Context) error { time.Sleep(p.Limits.Timeout + 100*time.Millisecond); return nil }, "", nil},
		{"refused", t.Context(), func(context.Context) error { return refused }, "", refused},
		{"cancelled", ctx, func(ctx context.Context) error { cancel(); <-ctx.Done(); return ctx.Err() }, runtime.ClassCancelled, nil},
	} {
		l := &lender{held: make(chan int64, 10), free: c.free}
		outcome, err := box.Run(c.ctx, runtime.RunCall{Program: p, Args: sleeperArgs("m", 0.02), Context: runtime.EmptyObject, Room: l})
		if !errors.Is(err, c.err) {
			t.Errorf("%s: %v", c.name, err)
		}
		if checkClass(t, outcome, c.class); (outcome.Result != nil) != (c.name == "late") {
			t.Errorf("%s: %+v", c.name, outcome)
		}
		if outcome.Usage.Duration > p.Limits.Timeout {
			t.Errorf("%s: it took %v with the wait", c.name, outcome.Usage.Duration)
		}
		settle(box)
		if held := box.accounts.tmp.Held(); held != 0 {
			t.Errorf("%s: %d bytes of /tmp are left", c.name, held)
		}
		if box.processors.free != places {
			t.Errorf("%s: %d permits are free, there are %d", c.name, box.processors.free, places)
		}
	}
}

// A run whose memory has changed too much to leave its slot waits in it.
func TestRunsThatKeepTheirSlots(t *testing.T) {
	box := openBox(t, Options{}) // whose slots have not been used: they may keep pages
	p := deployed(t, box, `import asyncio
async def main(args, context):
    block = bytearray(args["bytes"])
    for at in range(0, len(block), 4096): block[at] = 7
    for _ in range(3): await asyncio.sleep(0.05)
    return sum(block) // 7
`, runtime.Limits{})
	for _, pages := range []int{0, 10, 200, 600, 2000, 10_000} {
		l := &lender{held: make(chan int64, 10)}
		outcome, err := box.Run(t.Context(), runtime.RunCall{
			Program: p, Args: fmt.Appendf(nil, `{"bytes":%d}`, pages*4096), Context: runtime.EmptyObject, Room: l,
		})
		if err != nil || outcome.Failure != nil || string(outcome.Result) != fmt.Sprint(pages) {
			t.Fatalf("%d pages: %+v %s, %v", pages, outcome.Failure, outcome.Result, err)
		}
		// Each page has one line that is not zero.
		if most := int64(pages)*4096 + 4*runtime.MiB; len(l.held) != 3 || <-l.held > most {
			t.Errorf("%d pages: %d waits", pages, len(l.held)+1)
		}
		if kept := l.lent.Load() > 0; kept != (pages > maxDelta) {
			t.Errorf("%d pages: it has kept its slot: %v", pages, kept)
		}
	}
}

// Parked runs that start from one image draw different random numbers before and after they wait.
func TestRandomnessOfParkedRuns(t *testing.T) {
	box := boxes["mapped"]
	p := deployed(t, box, `import asyncio, os, random, secrets, uuid
async def main(args, context):
    def draw(): return [random.random(), os.urandom(8).hex(), secrets.token_hex(8), str(uuid.uuid4())]
    before = draw()
    await asyncio.sleep(0.05)
    random_id = id(random._inst)
    return before + draw()
`, runtime.Limits{})
	var mu sync.Mutex
	var runs sync.WaitGroup
	seen := map[string]bool{}
	const n = 8
	for range n {
		runs.Go(func() {
			outcome, err := box.Run(t.Context(), runtime.RunCall{Program: p, Args: runtime.EmptyObject, Context: runtime.EmptyObject})
			var drawn []any
			if err != nil || json.Unmarshal(outcome.Result, &drawn) != nil {
				t.Errorf("%+v, %v", outcome, err)
			}
			mu.Lock()
			defer mu.Unlock()
			for _, value := range drawn {
				seen[fmt.Sprint(value)] = true
			}
		})
	}
	runs.Wait()
	if len(seen) != n*8 {
		t.Errorf("%d different values were drawn, want %d", len(seen), n*8)
	}
}

// loopEnds are bodies of async functions that end the loop in some way.
var loopEnds = map[string]string{
	"stop":                    "loop.call_later(0.02, loop.stop); await asyncio.sleep(60)",
	"stop at once":            "loop.stop(); await asyncio.sleep(60)",
	"stop and return":         "loop.stop(); return 1",
	"exit in a callback":      "loop.call_later(0.02, sys.exit, 3); await asyncio.sleep(60)",
	"exit in a task":          "async def leave(): await asyncio.sleep(0.02); sys.exit('left')\n    task = asyncio.create_task(leave()); await asyncio.sleep(60)",
	"exit":                    "await asyncio.sleep(0.02); raise SystemExit(4)",
	"interrupt in a callback": "def stop(): raise KeyboardInterrupt('c')\n    loop.call_later(0.02, stop); await asyncio.sleep(60)",
	"interrupt":               "await asyncio.sleep(0.02); raise KeyboardInterrupt",
	"cancels itself":          "asyncio.current_task().cancel('self'); await asyncio.sleep(60)",
	"cancelled":               "await asyncio.sleep(0.02); raise asyncio.CancelledError('raised')",
	"exception in a callback": "loop.call_later(0.02, lambda: 1 / 0); await asyncio.sleep(0.04)",
	"own handler":             "loop.set_exception_handler(lambda loop, c: print(c['message'])); loop.call_later(0.02, lambda: 1 / 0); await asyncio.sleep(0.04)",
	"handler that exits":      "def leave(loop, c): sys.exit(5)\n    loop.set_exception_handler(leave); loop.call_later(0.02, lambda: 1 / 0); await asyncio.sleep(60)",
	"tasks that are left":     "tasks.append(asyncio.create_task(slow_end('a'))); tasks.append(asyncio.create_task(slow_end('b'))); await asyncio.sleep(0.02); return 1",
	"tasks that refuse":       "tasks.append(asyncio.create_task(refuses())); await asyncio.sleep(0.02); return 1",
	"tasks that fail":         "tasks.append(asyncio.create_task(fails())); await asyncio.sleep(0.02); raise LookupError('gone')",
	"generators that are left": "async def g():\n        try: yield 1\n        finally: await asyncio.sleep(0.02); print('closed')\n" +
		"    tasks.append(g()); await anext(tasks[0]); return 1",
	"nested loop":    "await asyncio.sleep(0.02); asyncio.run(slow_end('c'))",
	"closes":         "await asyncio.sleep(0.02); loop.close()",
	"other loop":     "other = asyncio.new_event_loop(); other.close(); await asyncio.sleep(0.02); return other.is_closed()",
	"debug":          "loop.set_debug(True); loop.slow_callback_duration = 60; await asyncio.sleep(0.02); return loop.get_debug()",
	"endless":        "await asyncio.sleep(0.02); await asyncio.Event().wait()",
	"endless future": "await asyncio.sleep(0.02); await loop.create_future()",
	"no loop after":  "await asyncio.sleep(0.02); events = asyncio.events._get_running_loop(); return events is loop",
	"own time":       "real = loop.time; loop.time = lambda: real() * 2; await asyncio.sleep(0.04); return 1",
	"infinite":       "loop.call_later(float('inf'), print); loop.call_later(1e300, print); await asyncio.sleep(0.02); return 1",
	"not a number":   "loop.call_later(float('nan'), print, 'x'); await asyncio.sleep(0.02); return 1",
}

// libraryFrame is a frame of the standard library in a traceback. The frames of the loop differ.
var libraryFrame = regexp.MustCompile(`(?m)^  File "/usr/lib/.*\n`)

// TestLoopsEndAsWithRun compares how an async main ends with how asyncio.run of the same coroutine does
// in a main that is not async.
func TestLoopsEndAsWithRun(t *testing.T) {
	const parts = `import asyncio, logging, sys
logging.basicConfig(level=logging.ERROR, stream=sys.stdout, format="%%(message).20s")
tasks = []
async def slow_end(name):
    try: await asyncio.sleep(60)
    finally: await asyncio.sleep(0.02); print("ended", name)
async def refuses():
    while not tasks.count(2):
        try: await asyncio.sleep(60)
        except asyncio.CancelledError: tasks.append(2); await asyncio.sleep(0.02); return 3
async def fails():
    try: await asyncio.sleep(60)
    finally: await asyncio.sleep(0.02); raise OSError("at the end")
async def body():
    loop = asyncio.get_running_loop()
    %s
%s
`
	box := boxes["mapped"]
	for name, end := range loopEnds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			describe := func(main string) string {
				p := deployed(t, box, fmt.Sprintf(parts, end, main), runtime.Limits{Timeout: 20 * time.Second})
				o := runInTime(t, box, p, "{}")
				f := o.Failure
				if f == nil {
					f = &runtime.Failure{}
				}
				logs := libraryFrame.ReplaceAll(o.Logs.Data, nil)
				return fmt.Sprintf("%s %s %s %s %d\n%s", o.Result, f.Class, f.Type, f.Message, f.ExitCode, logs)
			}
			want := describe("def main(args, context): return asyncio.run(body())")
			if got := describe("def main(args, context): return body()"); got != want {
				t.Errorf("got %s\nwant %s", got, want)
			}
		})
	}
}

// sleepers is the number of runs that wait at once in TestManySleepers: 10,000 with -soak.
const sleepers = 1000

// TestManySleepers parks many runs at once: together they hold little, and a trivial run goes on.
func TestManySleepers(t *testing.T) {
	n := sleepers
	if *soak > 0 {
		n *= 10
	}
	box := openBox(t, Options{})
	p := deployed(t, box, "import asyncio\nasync def main(args, context):\n    await asyncio.sleep(800)\n", runtime.Limits{Timeout: 900 * time.Second})
	trivial := deployed(t, box, hello, runtime.Limits{})
	result(t, box, trivial, string(helloArgs))
	before := memory.Resident()
	l := &lender{held: make(chan int64, n)}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var runs sync.WaitGroup
	for range n {
		runs.Go(func() {
			outcome, err := box.Run(ctx, runtime.RunCall{Program: p, Args: runtime.EmptyObject, Context: runtime.EmptyObject, Room: l})
			if err != nil {
				t.Error(err)
			}
			checkClass(t, outcome, runtime.ClassCancelled)
		})
	}
	var held int64
	for range n {
		held += <-l.held
	}
	checkIdle(t, box, box.processors.permits)
	const most = 4_000_000_000 / 10_000 // of each
	each, resident := held/int64(n), (memory.Resident()-before)/int64(n)
	t.Logf("%d runs hold %d bytes each, and %d of the process", n, each, resident)
	if each > most || resident > most {
		t.Errorf("more than %d bytes each", most)
	}
	box.pool.mu.Lock()
	slots := box.pool.idle.len()
	box.pool.mu.Unlock()
	if slots > n/2 {
		t.Errorf("%d runs have taken %d slots", n, slots)
	}
	for range 20 {
		result(t, box, trivial, string(helloArgs))
	}
	cancel()
	runs.Wait()
}

// TestDelta verifies that a delta restores any change, and that it has the lines that differ and no others.
func TestDelta(t *testing.T) {
	box := boxes["mapped"]
	p := deployed(t, box, "table = list(range(300_000))\n"+hello, runtime.Limits{})
	s, _, done := preparedSlot(t, box, p)
	defer done()
	img, mem := s.image, s.memory.data()
	if img.stretch.len() == 0 {
		t.Fatal("the image has no stretch")
	}
	own, stack := img.pages[len(img.pages)/2].at(), int(box.guest.base.stack)
	places := []int{stack, own, own + 100, img.stretch.start + 5, img.stretch.end - 1, img.size - 1, img.size - 5000}
	for _, at := range places {
		mem[at] ^= 0x55
	}
	for at := 0; at < stack/pageSize*pageSize; at += pageSize {
		if at > stack-20*pageSize {
			mem[at] = 9 // of calls that have returned
		}
	}
	d, ok, err := makeDelta(s.memory, img, box.guest.base.stack, &box.guest.deltas, noPause{})
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	defer d.free()
	lines := map[int]bool{}
	for _, at := range places {
		lines[at/lineSize] = true
	}
	got := 0
	for _, page := range d.pages {
		page.eachRun(func(at, n int) {
			for end := at + n; at < end; at += lineSize {
				if got++; !lines[(page.at()+at)/lineSize] {
					t.Errorf("the line at %d is unchanged", page.at()+at)
				}
			}
		})
	}
	if got != len(lines) {
		t.Errorf("%d lines, want %d", got, len(lines))
	}
	want := slices.Clone(mem[stack/pageSize*pageSize:])
	if _, usable, err := s.restore(); !usable || err != nil {
		t.Fatal(err)
	}
	if at := unequal(s); at >= 0 {
		t.Fatalf("not restored at %d", at)
	}
	if err := d.apply(mem, &meter{pauser: noPause{}}); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(mem[stack/pageSize*pageSize:], want) {
		t.Error("the delta does not make the same memory")
	}
}
