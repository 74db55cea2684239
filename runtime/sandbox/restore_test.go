package sandbox

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

//go:embed testdata/actions.py
var actionsSource string

// actionNames returns the names in testdata/actions.py that a plan can use; endings are those that
// may end a run.
func actionNames() (actions, endings []string) {
	for _, m := range regexp.MustCompile(`(?m)^def (\w+)\(n\):$`).FindAllStringSubmatch(actionsSource, -1) {
		if strings.HasPrefix(m[1], "end_") {
			endings = append(endings, m[1])
		} else {
			actions = append(actions, m[1])
		}
	}
	return actions, endings
}

// planned deploys testdata/actions.py; the other arguments decide what its module body leaves
// behind.
func planned(t testing.TB, box *Sandbox, tenant runtime.Tenant, ballast, fixed int, more string) runtime.Program {
	t.Helper()
	source := strings.NewReplacer("BALLAST", strconv.Itoa(ballast), "FIXED", strconv.Itoa(fixed)).Replace(actionsSource) + more
	p := program(source, runtime.Limits{Timeout: 500 * time.Millisecond})
	p.Tenant = tenant
	deployable := p
	deployable.Limits.Timeout = time.Minute
	outcome, err := box.Deploy(context.Background(), deployable)
	if err != nil {
		t.Fatal(err)
	}
	checkClass(t, outcome, "")
	return p
}

// plan returns the args of a random program.
func plan(rng *rand.Rand, actions, endings []string) (args []byte, ending string) {
	var steps [][2]any
	for range rng.IntN(6) {
		steps = append(steps, [2]any{actions[rng.IntN(len(actions))], rng.IntN(100)})
	}
	ending = endings[rng.IntN(len(endings))]
	steps = append(steps, [2]any{ending, rng.IntN(100)})
	args, err := json.Marshal(map[string]any{"plan": steps})
	if err != nil {
		panic(err)
	}
	return args, ending
}

var zeros [1 << 20]byte

// unequal returns the offset of the first byte in which a slot's memory differs from its loaded
// image, or -1. It reads all of the memory and computes the expected content independently of the
// code under test.
func unequal(s *slot) int {
	mem, base := s.memory.data(), s.image.base
	if len(mem) != s.image.size {
		return min(len(mem), s.image.size)
	}
	behind := base.start + len(base.view)
	check := func(start, end int) int {
		for start < end {
			stop := min(end, start+len(zeros))
			want := zeros[:]
			switch {
			case start < base.start:
				stop = min(stop, base.start)
			case start < behind:
				stop = min(stop, behind)
				want = base.view[start-base.start:]
			}
			if !bytes.Equal(mem[start:stop], want[:stop-start]) {
				for i := range mem[start:stop] {
					if mem[start+i] != want[i] {
						return start + i
					}
				}
			}
			start = stop
		}
		return -1
	}
	type part struct {
		start   int
		content []byte
	}
	var parts []part
	lines := s.image.data
	for _, own := range s.image.pages {
		content := slices.Clone(base.page(own.at()))
		for i := range 64 {
			if own.lines>>i&1 == 1 {
				copy(content[i*64:(i+1)*64], lines)
				lines = lines[64:]
			}
		}
		parts = append(parts, part{own.at(), content})
	}
	if x := s.image.stretch; x.len() > 0 {
		parts = append(parts, part{x.start, s.image.data[len(s.image.data)-x.len():]})
	}
	slices.SortFunc(parts, func(a, b part) int { return a.start - b.start })
	at := 0
	for _, p := range parts {
		if found := check(at, p.start); found >= 0 {
			return found
		}
		at = p.start + len(p.content)
		if got := mem[p.start:at]; !bytes.Equal(got, p.content) {
			for i := range got {
				if got[i] != p.content[i] {
					return p.start + i
				}
			}
		}
	}
	return check(at, len(mem))
}

// newest returns the slot that was returned last, or nil.
func newest(box *Sandbox) *slot {
	box.pool.mu.Lock()
	defer box.pool.mu.Unlock()
	var last *slot
	for s := range box.pool.idle.each() {
		if last == nil || s.put > last.put {
			last = s
		}
	}
	return last
}

// dropNewest closes the slot that was returned last.
func dropNewest(t testing.TB, box *Sandbox) {
	s := newest(box)
	box.pool.mu.Lock()
	box.pool.remove(s)
	box.pool.mu.Unlock()
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
}

func TestUnequalSees(t *testing.T) {
	eachBox(t, func(t *testing.T, shared *Sandbox) {
		box := openBox(t, Options{IdleSlots: 1, Portable: !shared.guest.mapped})
		p := planned(t, box, "t", 10, 8192, "")
		run(t, box, p, `{"plan":[]}`)
		s := newest(box)
		if at := unequal(s); at >= 0 {
			t.Fatalf("differs at %d", at)
		}
		base := box.guest.base
		own := s.image.pages[len(s.image.pages)/2].at()
		for _, at := range []int{
			0, own, own + pageSize - 1, base.start - 1, base.start, base.start + len(base.view) - 1, base.start + len(base.view), s.image.size - 1,
		} {
			s.memory.data()[at] ^= 1
			if got := unequal(s); got < 0 {
				t.Errorf("a flipped bit at %d is not detected", at)
			}
			s.memory.data()[at] ^= 1
		}
	})
}

const (
	// restoreRuns is the number of random programs on each kind of memory. An error in restoring
	// shows within some tens of them.
	restoreRuns = 30
	// comparedEvery is the average number of runs between two comparisons. A comparison reads all
	// pages and so maps them, which does not happen in production; the other runs are not observed.
	comparedEvery = 3
)

// restores runs random programs of several functions and tenants on few slots and verifies that the
// slots are restored exactly. more is added to the source of each function.
func restores(t *testing.T, box *Sandbox, seed uint64, more string) {
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	actions, endings := actionNames()
	if len(actions) < 20 || len(endings) < 10 {
		t.Fatalf("found only %d actions and %d endings", len(actions), len(endings))
	}
	functions := []runtime.Program{
		planned(t, box, "a", 0, 0, more),
		planned(t, box, "a", 500, 100, more),
		planned(t, box, "b", 50, 3<<20, more),
		planned(t, box, "b", 0, 0, "\nopen('/tmp/left', 'w').write('by the module body')\nlast = open('/tmp/open', 'wb')\n"+more),
		planned(t, box, "c", 0, 1<<20, "\nfor _ in range(3): cycles(100); patterns(19); numbers(50); classes(20)\n"+more),
		planned(t, box, "c", 0, 70<<20, more), // its image is larger than the base
	}
	baseSum := sha256.Sum256(box.guest.base.view)
	imageSums := make([][sha256.Size]byte, len(functions))
	for i, p := range functions {
		img := box.images.get(keyOf(p))
		imageSums[i] = sha256.Sum256(img.data)
		img.release()
	}

	seen := map[string]int{}
	compared, restored := 0, 0
	runs := times(restoreRuns)
	if !box.guest.mapped && *soak == 0 {
		runs = max(runs/3, 1) // copying takes long
	}
	for i := range runs {
		// A few runs in a row use the same function before the next switch.
		p := functions[rng.IntN(len(functions))]
		for range 1 + rng.IntN(3) {
			args, ending := plan(rng, actions, endings)
			p := p
			if ending == "end_endless" || ending == "end_crash" {
				if rng.IntN(4) != 0 {
					continue // these take long
				}
				p.Limits.Timeout = runtime.MinTimeout
			}
			outcome := runInTime(t, box, p, string(args))
			class := runtime.Class("")
			if outcome.Failure != nil {
				class = outcome.Failure.Class
			}
			if class == runtime.ClassInternal {
				t.Fatalf("seed %d, run %d, %s: %+v", seed, i, args, outcome.Failure)
			}
			seen[ending+" "+string(class)]++
			s := newest(box)
			if s == nil || s.image == nil {
				continue
			}
			restored++
			if rng.IntN(comparedEvery) != 0 {
				continue
			}
			compared++
			if at := unequal(s); at >= 0 {
				t.Fatalf("seed %d, run %d, %s ended as %q: the slot differs from its image at byte %d (page %d)",
					seed, i, args, class, at, at/pageSize)
			}
			if got := s.stack.Get(); got != box.guest.base.stack {
				t.Fatalf("seed %d, run %d, %s: the stack pointer is %d", seed, i, args, got)
			}
			if rng.IntN(2) == 0 {
				dropNewest(t, box)
			}
		}
	}
	t.Logf("%d slots compared, %d restored; endings: %v", compared, restored, seen)
	if compared == 0 || len(seen) < 5 && !testing.Short() {
		t.Error("the test has compared nothing")
	}
	if sha256.Sum256(box.guest.base.view) != baseSum {
		t.Error("the base image has changed")
	}
	for i, p := range functions {
		img := box.images.get(keyOf(p))
		if img == nil {
			t.Fatal("an image is missing")
		}
		if sha256.Sum256(img.data) != imageSums[i] {
			t.Errorf("the image of function %d has changed", i)
		}
		img.release()
	}
}

func TestSlotsAreRestoredExactly(t *testing.T) {
	eachBox(t, func(t *testing.T, shared *Sandbox) {
		t.Parallel()
		restores(t, openBox(t, Options{IdleSlots: 2, Portable: !shared.guest.mapped}), 1, "")
	})
}

// TestEveryEndingIsRestored goes through all endings in turn, so that none depends on chance.
func TestEveryEndingIsRestored(t *testing.T) {
	classesOf := map[string][]runtime.Class{
		"end_return":       {""},
		"end_raise":        {runtime.ClassError},
		"end_chain":        {runtime.ClassError},
		"end_exit":         {runtime.ClassExited},
		"end_hard_exit":    {runtime.ClassExited},
		"end_abort":        {runtime.ClassCrashed, runtime.ClassExited},
		"end_endless":      {runtime.ClassTimeout},
		"end_memory":       {runtime.ClassMemory},
		"end_memory_small": {runtime.ClassMemory},
		"end_interrupt":    {runtime.ClassError},
		"end_object":       {runtime.ClassResultInvalid},
		"end_surrogate":    {runtime.ClassResultInvalid},
		"end_too_large":    {runtime.ClassResultTooLarge},
		"end_crash":        {"", runtime.ClassCrashed, runtime.ClassError, runtime.ClassTimeout, runtime.ClassMemory, runtime.ClassStack},
	}
	// A slot whose interpreter did not return, or whose memory has grown, is not returned to the
	// pool.
	dropped := []string{"end_hard_exit", "end_abort", "end_endless"}
	_, endings := actionNames()
	eachBox(t, func(t *testing.T, shared *Sandbox) {
		box := openBox(t, Options{IdleSlots: 1, Portable: !shared.guest.mapped})
		for _, limit := range []int64{runtime.MinMemory, 100 * runtime.MiB} {
			if limit != runtime.MinMemory && !shared.guest.mapped && *soak == 0 {
				continue // copying that much takes long
			}
			for i, ending := range endings {
				classes, ok := classesOf[ending]
				if !ok {
					t.Errorf("no class is known for %s", ending)
				}
				p := planned(t, box, runtime.Tenant(fmt.Sprint(i%2)), 20, 4096, "")
				p.Limits.Memory = limit
				if ending == "end_endless" {
					p.Limits.Timeout = runtime.MinTimeout
				} else {
					p.Limits.Timeout = time.Minute
				}
				for box.pool.idle.len() > 0 {
					dropNewest(t, box)
				}
				args := fmt.Sprintf(`{"plan":[["grow_list",50],["allocate",9],["write_fixed",3],["%s",3]]}`, ending)
				outcome := runInTime(t, box, p, args)
				checkClass(t, outcome, classes...)
				s := newest(box)
				grown := outcome.Usage.Memory > int64(box.guest.base.size)
				if s != nil && (grown || slices.Contains(dropped, ending)) {
					t.Errorf("%s: the slot was returned to the pool (memory %d)", ending, outcome.Usage.Memory)
				}
				if s == nil && !grown && !slices.Contains(dropped, ending) && ending != "end_crash" {
					t.Errorf("%s: the slot was not returned to the pool", ending)
				}
				if s != nil && s.image != nil { // otherwise the next run loads the image again
					if at := unequal(s); at >= 0 {
						t.Errorf("%s: differs at %d", ending, at)
					}
				}
				p.Limits.Timeout = time.Minute
				if got := result(t, box, p, `{"plan":[["end_return",1]]}`); got != `{"n":1,"kept":[]}` {
					t.Errorf("after %s: got %s", ending, got)
				}
				box.Forget(p.FunctionID, p.Version)
			}
		}
	})
}
