package sandbox

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/memory"
)

// reservedBox is a box whose runs reserve their memory as those of a server do.
type reservedBox struct {
	*Sandbox
	budget *memory.Budget
	runs   *memory.Account
}

func openReserved(t *testing.T, budget int64, portable bool) *reservedBox {
	b := memory.New(budget, nil)
	box := &reservedBox{budget: b, runs: b.Open(memory.Options{Name: "runs"})}
	box.Sandbox = openBox(t, Options{Memory: b, Portable: portable})
	return box
}

// reserve reserves the memory of a run until done is called.
func (b *reservedBox) reserve(t *testing.T, p runtime.Program) (done func()) {
	t.Helper()
	n := p.Limits.WithDefaults().Reservation()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := b.runs.Take(ctx, n); err != nil {
		t.Fatal(err)
	}
	return func() {
		b.check(t)
		b.runs.Give(n)
	}
}

// check verifies that the box has not taken more than there is.
func (b *reservedBox) check(t *testing.T) {
	t.Helper()
	if used, most := b.budget.Used(), b.budget.Total()-b.budget.Reserve(); used > most {
		t.Errorf("%d bytes are taken, there are %d: %v", used, most, b.budget.Holders())
	}
}

func (b *reservedBox) deploy(t *testing.T, source string, l runtime.Limits) runtime.Program {
	t.Helper()
	p := program(source, l)
	defer b.reserve(t, p)()
	outcome, err := b.Deploy(context.Background(), p)
	if err != nil {
		t.Fatal(err)
	}
	checkClass(t, outcome, "")
	return p
}

func (b *reservedBox) call(t *testing.T, p runtime.Program, args string) runtime.Outcome {
	t.Helper()
	defer b.reserve(t, p)()
	return run(t, b.Sandbox, p, args)
}

// TestBoxStaysWithinTheBudget deploys and runs more functions than there is memory for their
// images, and then forgets them.
func TestBoxStaysWithinTheBudget(t *testing.T) {
	const functions, ballast = 4, 25
	eachBox(t, func(t *testing.T, shared *Sandbox) {
		rounds := 2
		if !shared.guest.mapped {
			rounds = 1 // copying takes long
		}
		box := openReserved(t, 180*runtime.MiB, !shared.guest.mapped)
		limits := runtime.Limits{Memory: 90 * runtime.MiB, Tmp: runtime.MiB}
		var all []runtime.Program
		for i := range functions {
			all = append(all, box.deploy(t, fmt.Sprintf("x = bytearray(b'%d') * (%d << 20)\ndef main(args, context): return [%d, x[-1]]\n", i, ballast, i), limits))
		}
		for range rounds {
			for i, p := range all {
				if got, want := string(box.call(t, p, "{}").Result), fmt.Sprintf("[%d,%d]", i, '0'+i); got != want {
					t.Errorf("got %s, want %s", got, want)
				}
			}
		}
		kept := box.images.order.Len()
		if kept == 0 || kept == functions {
			t.Errorf("%d of %d images are kept, some fit", kept, functions)
		}
		for _, p := range all {
			box.Forget(p.FunctionID, p.Version)
		}
		settle(box.Sandbox)
		box.check(t)
		for _, h := range box.budget.Holders() {
			if h.Bytes != 0 && h.Name != "idle instances" {
				t.Errorf("%d bytes of %s are still taken", h.Bytes, h.Name)
			}
		}
		// Slots of the forgotten functions are closed; those that deployments use hold little.
		if n, most := box.accounts.idle.Held(), int64(box.pool.idle.len())*8*runtime.MiB; n > most {
			t.Errorf("%d idle slots hold %d bytes", box.pool.idle.len(), n)
		}
		for s := range box.pool.idle.each() {
			if s.image != nil && s.image != box.guest.bare {
				t.Error("an idle slot has a forgotten image")
			}
		}
	})
}

// TestCachesGiveWay verifies that idle slots and unused images give up their memory to runs
// that need it.
func TestCachesGiveWay(t *testing.T) {
	box := openReserved(t, 256*runtime.MiB, false)
	box.pool.spare, box.images.keep = 0, time.Millisecond
	p := box.deploy(t, fmt.Sprintf("x = bytearray(b'1') * (%d << 20)\n", 30)+fine, runtime.Limits{})
	small := box.deploy(t, hello, runtime.Limits{})
	box.call(t, small, string(helloArgs))
	if box.accounts.idle.Held() == 0 || box.accounts.images.mapped.Held() < 30*runtime.MiB {
		t.Fatalf("the caches are empty: %v", box.budget.Holders())
	}
	settle(box.Sandbox)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	all := box.runs.Largest()
	if err := box.runs.Take(ctx, all); err != nil {
		t.Fatalf("the caches do not give way: %v, %v", err, box.budget.Holders())
	}
	if got := box.budget.Used(); got != all {
		t.Errorf("%d bytes are taken by others", got-all)
	}
	if n := box.pool.idle.len() + box.images.order.Len(); n != 0 {
		t.Errorf("%d slots and images are left", n)
	}
	box.runs.Give(all)
	checkClass(t, box.call(t, p, "{}"), "")
}

// TestImageThatCannotBeKept runs a function for whose image there is no memory beside its own run:
// every run builds it, in the memory that the run has reserved.
func TestImageThatCannotBeKept(t *testing.T) {
	eachBox(t, func(t *testing.T, shared *Sandbox) {
		box := openReserved(t, 200*runtime.MiB, !shared.guest.mapped)
		limits := runtime.Limits{Memory: 128 * runtime.MiB, Tmp: 8 * runtime.MiB}
		before := box.accounts.idle.Held()
		p := box.deploy(t, `
import os, uuid
made = str(uuid.uuid4())
x = bytearray(b"x") * (60 << 20)
open("/tmp/f", "wb").write(bytes(6 << 20))
print("by the module body")
def main(args, context):
    print("by the run")
    if args.get("raise"): raise ValueError
    fd = os.open("/tmp/g", os.O_CREAT | os.O_RDWR)
    n = sum(os.write(fd, bytes(1 << 20)) for _ in range(args["n"]))
    return [made, n >> 20, os.path.getsize("/tmp/f") >> 20, len(x) >> 20]
`, limits)
		seen := map[string]bool{}
		for range 3 {
			outcome := box.call(t, p, `{"n":2}`)
			checkClass(t, outcome, "")
			got := string(outcome.Result)
			if len(got) < 40 || got[39:] != `,2,6,60]` || seen[got] {
				t.Errorf("got %s, before %v", got, seen)
			}
			seen[got] = true
			if logs := string(outcome.Logs.Data); logs != "by the run\n" {
				t.Errorf("the log is %q", logs)
			}
		}
		// The content of /tmp that the module body has left counts.
		checkClass(t, box.call(t, p, `{"n":3}`), runtime.ClassError)
		checkClass(t, box.call(t, p, `{"raise":true}`), runtime.ClassError)
		settle(box.Sandbox)
		if n := box.images.order.Len(); n != 0 {
			t.Errorf("%d images are kept", n)
		}
		if got := box.accounts.tmp.Held(); got != 0 {
			t.Errorf("%d bytes of /tmp are not released", got)
		}
		if got, most := box.budget.Used(), before+16*runtime.MiB; got > most {
			t.Errorf("%d bytes are taken after the runs: %v", got, box.budget.Holders())
		}
		// With the memory free, the image is kept again.
		if !box.images.worthBuilding(keyOf(p), time.Now().Add(time.Hour), box.imageRoom) {
			t.Error("the image is never kept, although there is room")
		}
	})
}

// countingPauser counts checkpoints, and stops at one of them.
type countingPauser struct{ n, stop int }

func (p *countingPauser) pause() error {
	if p.n++; p.n == p.stop {
		return endOfRun{}
	}
	return nil
}

// TestImageWorkHasCheckpoints verifies that finding the pages of a large image, creating it and
// loading it have checkpoints at least every pieceSize bytes, and end at the first that says so.
func TestImageWorkHasCheckpoints(t *testing.T) {
	box := boxes["mapped"]
	if !box.guest.mapped {
		t.Skip("this system does not report written pages")
	}
	const n = 16 * runtime.MiB
	least := n/pieceSize - 1
	base := box.guest.base
	behind := base.start + len(base.view)
	// Every other page is written first, for an image without a stretch, then all of them.
	for _, step := range []int{2, 1} {
		s, _, done := preparedSlot(t, box, deployed(t, box, hello, runtime.Limits{}))
		written := func() {
			for at := 0; at < step*n; at += step * pageSize {
				s.memory.data()[behind+at] = 1
			}
		}
		written()
		for _, stop := range []int{3, 0} {
			p := &countingPauser{stop: stop}
			pages, err := findPages(base, s.image, s.memory, p)
			if stop > 0 && (p.n != stop || !errors.Is(err, endOfRun{})) {
				t.Errorf("finding the pages ended at checkpoint %d of %d: %v", p.n, stop, err)
			}
			if stop > 0 {
				continue
			}
			if p.n < least || err != nil {
				t.Errorf("finding %d pages had %d checkpoints, want %d: %v", len(pages), p.n, least, err)
			}
			for _, stop := range []int{3, 0} {
				p := &countingPauser{stop: stop}
				written()
				l, err := layoutOf(base, s.memory.data(), pages, step == 1, noPause{})
				if err != nil {
					t.Fatal(err)
				}
				var c content
				if step == 1 {
					c, err = box.files.open(l.bytes(), false)
				} else {
					c.size = l.bytes()
					c.data, err = newPages(c.size / pageSize)
				}
				if err != nil {
					t.Fatal(err)
				}
				img, err := newImage(base, s.memory, l, c, nil, p)
				if stop > 0 {
					if p.n != stop || !errors.Is(err, endOfRun{}) {
						t.Errorf("creating an image ended at checkpoint %d of %d: %v", p.n, stop, err)
					}
					continue
				}
				if p.n < least || err != nil {
					t.Fatalf("creating an image had %d checkpoints, want %d: %v", p.n, least, err)
				}
				if (img.stretch.len() > 0) != (step == 1) {
					t.Errorf("of an image of every %d. page, %d bytes are mapped", step, img.stretch.len())
				}
				p = &countingPauser{}
				if err := s.memory.load(img, p); err != nil || step > 1 && p.n < least {
					t.Errorf("loading had %d checkpoints, want %d: %v", p.n, least, err)
				}
				for at := 0; at < step*n; at += pageSize {
					if want := byte(1 - at/pageSize%step); s.memory.data()[behind+at] != want {
						t.Fatalf("the loaded image has %d at %d, want %d", s.memory.data()[behind+at], at, want)
					}
				}
				if step > 1 {
					p = &countingPauser{stop: 3}
					if err := s.memory.load(img, p); p.n != 3 || !errors.Is(err, endOfRun{}) {
						t.Errorf("loading ended at checkpoint %d of 3: %v", p.n, err)
					}
				}
				if err := s.memory.drop(); err != nil {
					t.Error(err)
				}
				for at := 0; at < step*n; at += pageSize {
					if s.memory.data()[behind+at] != 0 {
						t.Fatalf("a dropped memory has %d at %d", s.memory.data()[behind+at], at)
					}
				}
				img.release()
			}
		}
		done()
	}
}

// tickingClock is a clock that advances by a microsecond with every reading.
type tickingClock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *tickingClock) read() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(time.Microsecond)
	return c.now
}

// TestWorkForARunIsBilled verifies that the duration of a run includes the loading of its image: it
// has a checkpoint for each piece, which reads the clock.
func TestWorkForARunIsBilled(t *testing.T) {
	box := openBox(t, Options{Processors: 1})
	box.files.most = 0 // so the image has no stretch, and loading it copies all of its pages
	p := deployed(t, box, "x = [bytes([1]) * 4000 for _ in range(5000)]\n"+fine, runtime.Limits{})
	img := box.images.get(keyOf(p))
	defer img.release()
	box.processors.now = (&tickingClock{now: time.Now()}).read
	outcome := run(t, box, p, "{}")
	checkClass(t, outcome, "")
	copied := len(img.pages) * pageSize
	if box.guest.mapped && copied < 5000*4000 {
		t.Errorf("only %d bytes are copied", copied)
	}
	if least := time.Duration(copied/pieceSize) * time.Microsecond; outcome.Usage.Duration < least {
		t.Errorf("the run was billed %v, loading its image takes %v", outcome.Usage.Duration, least)
	}
}

// TestDeadlineIncludesLoading verifies that a run whose image takes longer to load than its time
// limit ends at its limit.
func TestDeadlineIncludesLoading(t *testing.T) {
	eachBox(t, func(t *testing.T, box *Sandbox) {
		p := deployed(t, box, hello, runtime.Limits{})
		img := box.images.get(keyOf(p))
		defer img.release()
		free := box.processors.free
		s, r, done := preparedSlot(t, box, p)
		defer done()
		s.claim.deadline = time.Now().Add(-time.Second)
		if err := s.pause(); !errors.Is(err, endOfRun{}) || s.call.endClass != runtime.ClassTimeout {
			t.Errorf("a checkpoint past the deadline returned %v, %q", err, s.call.endClass)
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		s.claim.ctx, s.claim.deadline = ctx, time.Now().Add(time.Hour)
		if err := s.pause(); !errors.Is(err, endOfRun{}) || s.call.endClass != runtime.ClassCancelled {
			t.Errorf("a checkpoint of a cancelled run returned %v, %q", err, s.call.endClass)
		}
		r.started, r.deadline = time.Now().Add(-time.Hour), time.Now().Add(-time.Second)
		outcome, err := box.callOnSlot(context.Background(), img, "another tenant", r, nil)
		if err != nil || box.processors.free != free-1 {
			t.Errorf("%v; %d permits are free, there were %d", err, box.processors.free, free)
		}
		checkClass(t, outcome, runtime.ClassTimeout)
	})
}

// TestFitProcessors verifies how many guests may compute at once, and what their stacks take.
func TestFitProcessors(t *testing.T) {
	for _, c := range []struct {
		n      int
		budget int64
		fit    int
		bytes  int64
	}{
		{1, 0, 1, 0},
		{2, 0, 2, 0},
		{8, 0, 2, 0},
		{8, 400 * runtime.MiB, 3, maxStack},
		{4, 8192 * runtime.MiB, 4, 2 * maxStack},
		{64, math.MaxInt64, 64, 62 * maxStack},
	} {
		if fit, bytes := fitProcessors(c.n, c.budget); fit != c.fit || bytes != c.bytes {
			t.Errorf("%d processors, %d bytes: %d, %d", c.n, c.budget, fit, bytes)
		}
	}
}

// deepSleep is a function that recurses deeply in the interpreter's C code and sleeps there.
const deepSleep = `
import time, itertools
def main(args, context):
    def sleep(x):
        time.sleep(args["seconds"])
        return x
    it = map(sleep, [1])
    for _ in range(args["depth"]): it = itertools.cycle(it)
    return next(it)
`

func TestNativeStackIsKnown(t *testing.T) {
	box := boxes["mapped"]
	s, r, done := preparedSlot(t, box, deployed(t, box, hello, runtime.Limits{}))
	defer done()
	r.inputs, r.deadline = [3][]byte{helloArgs, noContext}, time.Now().Add(time.Hour)
	s.invoke(context.Background(), &r)
	for op, stack := range s.stacks {
		if n, known := stack.size(); !known || n < 1000 || n > maxIdleStack {
			t.Errorf("the stack of operation %d has %d bytes, known: %v; has wazero changed callEngine?", op, n, known)
		}
	}
	if n, known := stackOf(nil).size(); n != 0 || known {
		t.Errorf("the stack of no function has %d bytes", n)
	}
}

// TestNativeStacksAreTaken verifies that the native stack of a run that sleeps deep in a recursion is
// taken from the budget, that a run for whose stack there is no memory ends, and that the memory is
// given back.
func TestNativeStacksAreTaken(t *testing.T) {
	box := openReserved(t, 400*runtime.MiB, false)
	p := box.deploy(t, deepSleep, runtime.Limits{Memory: runtime.MinMemory, Tmp: runtime.MiB})
	const deep = `{"depth":100000,"seconds":%g}`
	places := box.processors.free
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		outcome, err := box.Run(ctx, runtime.RunCall{Program: p, Args: fmt.Appendf(nil, deep, 600.0), Context: []byte("{}")})
		if err != nil {
			t.Error(err)
		}
		checkClass(t, outcome, runtime.ClassCancelled)
	})
	held := func() int64 { return box.accounts.stacks.Held() }
	asleep := func() bool { // a sleeping run has no permit
		box.processors.mu.Lock()
		defer box.processors.mu.Unlock()
		return held() >= 8*runtime.MiB && box.processors.free == places
	}
	for end := time.Now().Add(time.Minute); !asleep() && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	if got := held(); got < 8*runtime.MiB || got > maxStack {
		t.Errorf("a deep stack takes %d bytes", got)
	}
	settle(box.Sandbox)
	rest := box.budget.Open(memory.Options{Name: "rest"})
	n := rest.Free()
	rest.Add(n)
	outcome := run(t, box.Sandbox, p, fmt.Sprintf(deep, 0.0))
	checkClass(t, outcome, runtime.ClassStack)
	rest.Give(n)
	checkClass(t, run(t, box.Sandbox, p, fmt.Sprintf(deep, 0.0)), "")
	cancel()
	wg.Wait()
	settle(box.Sandbox)
	if got := held(); got != 0 {
		t.Errorf("%d bytes of stacks are not given back", got)
	}
	for s := range box.pool.idle.each() {
		for _, stack := range s.stacks {
			if n, _ := stack.size(); n > maxIdleStack {
				t.Errorf("an idle slot has a stack of %d bytes", n)
			}
		}
	}
}

// TestShortageWhileRemakingIsTemporary runs a function whose image must be built again while there is
// no memory for its compiled code: the run is refused for now, and holds nothing.
func TestShortageWhileRemakingIsTemporary(t *testing.T) {
	box := openReserved(t, 200*runtime.MiB, false)
	p := box.deploy(t, fmt.Sprintf("x = %q\n", strings.Repeat("x", 2*smallCode))+fine, runtime.Limits{Memory: runtime.MinMemory, Tmp: runtime.MiB})
	places := box.processors.free
	for _, kept := range []bool{true, false} {
		box.Forget(p.FunctionID, p.Version)
		if !kept {
			box.images.noteUnkept(keyOf(p), math.MaxInt64, time.Now().Add(time.Hour))
		}
		box.reclaimSlots(math.MaxInt64)
		settle(box.Sandbox)
		rest := box.budget.Open(memory.Options{Name: "rest"})
		n := rest.Free()
		rest.Add(n)
		outcome, err := box.Run(context.Background(), runtime.RunCall{Program: p, Args: noContext, Context: noContext})
		if known, ok := runtime.AsError(err); !ok || known.Code != runtime.CodeTooBusy || known.RetryAfter <= 0 {
			t.Errorf("image kept: %v: a run for whose code there is no memory ended with %v, %+v", kept, err, outcome.Failure)
		}
		settle(box.Sandbox)
		if got := box.budget.Used(); got != n || box.processors.free != places {
			t.Errorf("%d permits are free, and these hold memory: %v", box.processors.free, box.budget.Holders())
		}
		// A run that must end while it waits for the memory has an outcome of its own.
		cancelled, cancel := context.WithCancel(context.Background())
		cancel()
		for class, err := range map[runtime.Class]error{
			runtime.ClassCancelled: box.takeCode(cancelled, time.Time{}, 2*smallCode),
			runtime.ClassTimeout:   box.takeCode(context.Background(), time.Now().Add(time.Millisecond), 2*smallCode),
		} {
			if !errors.Is(err, endOfRun{}) {
				t.Errorf("%s: got %v", class, err)
			}
		}
		rest.Give(n)
		checkClass(t, box.call(t, p, "{}"), "")
	}
}

// TestResultFitsBesideTheRun verifies that a run that uses all of its memory cannot make the host
// hold a large result beside it.
func TestResultFitsBesideTheRun(t *testing.T) {
	s := transferSlot(nil)
	size := int64(len(s.memory.data()))
	s.call.limits = runtime.Limits{Memory: size, Tmp: 1000}
	if s.takeResult(resultShare + 1001) {
		t.Error("a result beyond the reservation was accepted")
	}
	if !s.takeResult(resultShare+1000) || s.accounts.results.Held() != resultShare+1000 {
		t.Error("a result within the reservation was refused, or is not counted")
	}
}
