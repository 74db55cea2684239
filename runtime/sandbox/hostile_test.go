package sandbox

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	goruntime "runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/engine"
	"github.com/faaspot/faaspot/runtime/memory"
	"github.com/faaspot/faaspot/storage"
	"github.com/faaspot/faaspot/test/attack"
)

// hostileProgram is the body of a main that does harm, and how its run may end. Other tests check
// exactly how most of them end; here they run together.
type hostileProgram struct {
	name, main string
	classes    []runtime.Class
	timeout    time.Duration // zero: hostilePatience
}

const (
	hostilePatience = 20 * time.Second
	// hostileBudget is the memory budget of a hostile server, in bytes.
	hostileBudget = 1536 * runtime.MiB
)

var (
	success     = runtime.Class("")
	anyRecursed = []runtime.Class{success, runtime.ClassError, runtime.ClassMemory, runtime.ClassStack, runtime.ClassResultInvalid}
	anyEnd      = []runtime.Class{success, runtime.ClassError, runtime.ClassMemory}
)

// others are hostile programs that no other test has.
var others = []hostileProgram{
	{"tiny writes", "import sys\nfor _ in range(10**7): sys.stdout.write('x')", []runtime.Class{success}, 3 * hogLimit},
	{"escapes", "print('\\x1b]0;title\\x07\\x1b[2J\\0' * 10**6)", anyEnd, 0},
	{"calls of the host", "import time, os\nwhile True: time.time(); os.urandom(1); os.stat('/tmp')", timeout, hogLimit},
	{"opens", "n = 0\nwhile True:\n    n += 1\n    try: open('/tmp/%d' % n, 'w')\n    except OSError: n = 0", timeout, hogLimit},
	{"large file", "import os\nfd = os.open('/tmp/f', os.O_CREAT | os.O_RDWR)\nwhile True: os.write(fd, bytes(1 << 20))", []runtime.Class{runtime.ClassError}, 0},
	{"renumbers", "import os\nfor a in range(64):\n    for b in range(64):\n        try: os.dup2(a, b)\n        except OSError: pass\nos.closerange(0, 1000)\nreturn 1", anyEnd, 0},
	{"shared memory", "import mmap; mmap.mmap(-1, 4096)", []runtime.Class{success, runtime.ClassError}, 0},
	{"keys that meet", "return {1: 'a', '1': 'b'}", []runtime.Class{runtime.ClassResultInvalid}, 0},
	{"fragments", "import random\nblocks = [bytes(random.randrange(1, 9000)) for _ in range(20_000)]\ndel blocks[::2]\nblocks += [bytes(20_000) for _ in range(500)]\nreturn len(blocks)", anyEnd, 0},
	{"objects of the collector", "import gc\nfor o in gc.get_objects():\n    try: vars(o).clear()\n    except Exception: pass\nreturn 1", []runtime.Class{success, runtime.ClassError, runtime.ClassCrashed, runtime.ClassStack, runtime.ClassExited, runtime.ClassMemory, runtime.ClassResultInvalid}, 0},
}

// hostilePrograms returns the programs of all tests that do harm.
func hostilePrograms() (all []hostileProgram) {
	add := func(of, name, main string, timeout time.Duration, classes ...runtime.Class) {
		all = append(all, hostileProgram{of + ": " + name, main, classes, timeout})
	}
	for _, h := range hogs {
		add("hog", h.name, h.main, hogLimit, h.classes...)
	}
	for _, h := range hoarders {
		add("hoarder", h.name, h.main, 4*hogLimit, h.classes...)
	}
	for _, d := range deep {
		add("recursion", d.name, d.main, 3*hogLimit, anyRecursed...)
	}
	for _, e := range exits {
		add("exit", e.name, e.main, 0, e.class)
	}
	for _, a := range absent {
		add("absent", a.name, a.main, 0, runtime.ClassError)
	}
	for _, h := range hostileErrors {
		if h.classes[0] == runtime.ClassTimeout {
			add("error", h.name, h.main, hogLimit, h.classes...)
		} else {
			add("error", h.name, h.main, 0, h.classes...)
		}
	}
	for _, b := range badResults {
		add("result", b.name, b.main, 10*hogLimit, b.class, runtime.ClassMemory)
	}
	for _, f := range forgeries {
		class := map[string][]runtime.Class{"": {runtime.ClassError, runtime.ClassResultInvalid}, "hurt": {success, runtime.ClassError}}[f.want]
		add("forgery", f.name, f.main, 0, append(class, success)...)
	}
	for name, main := range outputFloods {
		add("output", name, main, 10*hogLimit, success, runtime.ClassMemory)
	}
	slices.SortFunc(all, func(a, b hostileProgram) int { return cmp.Compare(a.name, b.name) })
	return append(all, others...)
}

// hostileServer is an engine with the sandbox and the store of a server.
type hostileServer struct {
	box    *Sandbox
	engine *engine.Engine
	budget *memory.Budget
	dir    string                     // of the store
	made   []runtime.FunctionDeletion // of all functions
	end    func()
}

// openHostile opens a server that keeps so many slots between runs, with a memory budget in bytes.
func openHostile(t *testing.T, slots int, budget int64) *hostileServer {
	t.Helper()
	s := &hostileServer{budget: memory.New(budget, nil), dir: filepath.Join(t.TempDir(), "store")}
	var err error
	if s.box, err = Open(context.Background(), Options{CacheDir: cacheDir, IdleSlots: slots, Memory: s.budget}); err != nil {
		t.Fatal(err)
	}
	store, err := storage.Open(storage.Options{Dir: s.dir})
	if err != nil {
		t.Fatal(err)
	}
	if s.engine, err = engine.New(engine.Options{Store: store, Sandbox: s.box, Memory: s.budget}); err != nil {
		t.Fatal(err)
	}
	s.end = func() {
		for _, f := range s.made {
			if _, err := s.engine.DeleteFunction(context.Background(), f); err != nil {
				t.Error(err)
			}
		}
		for _, err := range []error{s.engine.Close(context.Background()), store.Close(), s.box.Close()} {
			if err != nil {
				t.Error(err)
			}
		}
		if got := s.budget.Used(); got != 0 {
			t.Errorf("the closed server holds %d bytes", got)
		}
	}
	return s
}

// hostileRunner is a function that runs the program in its args. One function for all programs with
// one time limit lets each slot run one program after the other without being laid anew.
const hostileRunner = `
def main(args, context):
    space = {"__name__": "function"}
    exec(compile(args["source"], "/function/f.py", "exec"), space)
    return space["main"](args, context)
`

const hostileTenant = "hostile"

// runnerOf returns the name of the function that runs a program.
func runnerOf(p hostileProgram) string {
	return fmt.Sprint("runner-", cmp.Or(p.timeout, hostilePatience))
}

// create creates a function, which must succeed.
func (s *hostileServer) create(t *testing.T, f runtime.FunctionSpec) {
	t.Helper()
	if _, err := s.engine.CreateFunction(context.Background(), f); err != nil {
		t.Fatalf("%s: %v", f.Name, err)
	}
	s.made = append(s.made, runtime.FunctionDeletion{Tenant: f.Tenant, Name: f.Name})
}

// createRunners creates the functions that programs need.
func (s *hostileServer) createRunners(t *testing.T, programs []hostileProgram) {
	t.Helper()
	made := map[string]bool{}
	for _, p := range programs {
		if name := runnerOf(p); !made[name] {
			made[name] = true
			s.create(t, runtime.FunctionSpec{
				Tenant: hostileTenant, Name: name, Source: []byte(hostileRunner), Limits: runtime.Limits{Timeout: cmp.Or(p.timeout, hostilePatience), Tmp: 8 * runtime.MiB},
			})
		}
	}
}

// run runs a function while its caller waits, or in the background.
func (s *hostileServer) run(function string, args []byte, blocking bool) (*runtime.Execution, error) {
	ctx := context.Background()
	if blocking {
		return s.engine.Run(ctx, runtime.RunRequest{Tenant: hostileTenant, Function: function, Args: args})
	}
	accepted, err := s.engine.Submit(ctx, runtime.SubmitRequest{Tenant: hostileTenant, Function: function, Args: args, Retries: new(int)})
	if err != nil {
		return nil, err
	}
	x, err := s.engine.AwaitExecution(ctx, hostileTenant, accepted.IDs[0])
	return &x, err
}

// neighbour runs the canary of another tenant until the test ends.
func (s *hostileServer) neighbour(t *testing.T) {
	t.Helper()
	s.create(t, runtime.FunctionSpec{
		Tenant: "neighbour", Name: "canary", Source: []byte(canary), Context: []byte(canaryContext), Limits: runtime.Limits{Memory: runtime.MinMemory},
	})
	watch(t, func(args []byte) (runtime.Outcome, error) {
		x, err := s.engine.Run(context.Background(), runtime.RunRequest{Tenant: "neighbour", Function: "canary", Args: args})
		if err != nil {
			return runtime.Outcome{}, err
		}
		return x.Outcome, nil
	})
}

// internals matches what no failure may show.
var internals = regexp.MustCompile(`goroutine \d|\.go:\d|wazero|runtime error|wasm stack`)

// check checks how a program has ended.
func (p *hostileProgram) check(t *testing.T, x *runtime.Execution, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("%s: %v", p.name, err)
		return
	}
	class, text := success, ""
	if x.Failure != nil {
		class, text = x.Failure.Class, x.Failure.Message+x.Failure.Traceback
	}
	switch {
	case !slices.Contains(p.classes, class) && class != runtime.ClassTimeout: // on a busy machine the deadline may pass first
		t.Errorf("%s ended as %q (%.300s), want one of %q", p.name, class, text, p.classes)
	case !x.State.Terminal() || (class == success) != (x.State == runtime.StateSucceeded):
		t.Errorf("%s ended as %q in the state %s", p.name, class, x.State)
	case internals.MatchString(text):
		t.Errorf("%s: the failure shows internals of the server: %s", p.name, text)
	case x.Usage.Memory > runtime.DefaultMemory:
		t.Errorf("%s: the memory grew to %d", p.name, x.Usage.Memory)
	}
}

// runAll runs programs, so many at once, half of them in the background.
func (s *hostileServer) runAll(t *testing.T, programs []hostileProgram, atOnce int, blocking func(i int) bool) {
	t.Helper()
	queue := make(chan int)
	var all sync.WaitGroup
	for range atOnce {
		all.Go(func() {
			for i := range queue {
				p := &programs[i]
				args, err := json.Marshal(map[string]string{"source": body(p.main)})
				if err != nil {
					panic(err) // the test's own text
				}
				x, err := s.run(runnerOf(*p), args, blocking(i))
				p.check(t, x, err)
			}
		})
	}
	for i := range programs {
		queue <- i
	}
	close(queue)
	all.Wait()
}

// held is what a process holds after a load.
type held struct {
	counts
	goroutines int
	resident   int64 // bytes
}

// holds returns what the process holds when nothing runs, less the files of the store, which come and go
// with its tables.
func (s *hostileServer) holds(t *testing.T) held {
	t.Helper()
	settle(s.box)
	debug.FreeOSMemory()
	resident, err := attack.Resident(os.Getpid())
	if err != nil && goruntime.GOOS == "linux" {
		t.Fatal(err)
	}
	h := held{processCounts(t), goruntime.NumGoroutine(), resident}
	links, _ := filepath.Glob("/proc/self/fd/*")
	for _, link := range links {
		if file, err := os.Readlink(link); err == nil && strings.HasPrefix(file, s.dir) {
			h.files--
		}
	}
	return h
}

const (
	// hostileSlack is how many bytes of resident memory may come and go: instances that stay ready,
	// each with some pages of its own, blocks of the store, and Go's heap.
	hostileSlack = 64 * runtime.MiB
	// hostileFiles is the number of files that may come and go: one for each slot.
	hostileFiles = 4
	// hostileGoroutines is the number of goroutines of the engine and the store that may come and go.
	hostileGoroutines = 8
)

// TestHostilePrograms runs all hostile programs beside a neighbour of another tenant, each while its
// caller waits and in the background, with one slot and with several. Each ends as it may, the
// neighbour's memory stays whole, and afterwards nothing is left of them.
func TestHostilePrograms(t *testing.T) {
	programs := hostilePrograms()
	if testing.Short() {
		for i := range programs[:len(programs)/8] {
			programs[i] = programs[i*8]
		}
		programs = programs[:len(programs)/8]
	}
	before := processCounts(t)
	for _, slots := range []int{1, 4} {
		t.Run(fmt.Sprint(slots), func(t *testing.T) {
			if slots > 1 {
				defer debug.SetGCPercent(debug.SetGCPercent(10)) // what the collector must not free shows sooner
			}
			s := openHostile(t, slots, hostileBudget)
			defer s.end()
			s.createRunners(t, programs)
			t.Run("programs", func(t *testing.T) {
				s.neighbour(t)
				// What is held after some programs of each kind is what is usual.
				blocking := func(i int) bool { return i%2 == slots%2 }
				var first, rest []hostileProgram
				for i, p := range programs {
					if i%4 < 1 {
						first = append(first, p)
					} else {
						rest = append(rest, p)
					}
				}
				s.runAll(t, first, slots, blocking)
				usual := s.holds(t)
				s.runAll(t, rest, slots, blocking)
				if *soak > 0 {
					s.runAll(t, programs, slots, func(i int) bool { return !blocking(i) })
				}
				settledGoroutines(usual.goroutines + hostileGoroutines)
				after := s.holds(t)
				t.Logf("%d programs; before %+v, after %+v", len(programs), usual, after)
				after.check(t, usual)
			})
			if used := s.box.accounts.tmp.Held(); used != 0 {
				t.Errorf("%d bytes of /tmp are not released", used)
			}
			checkIdleSlots(t, s.box)
		})
	}
	if end := processCounts(t); end.files > before.files || end.images > before.images {
		t.Errorf("at the end %+v, at the start %+v", end, before)
	}
}

// check compares what a process holds with what it held before.
func (h held) check(t *testing.T, before held) {
	t.Helper()
	if h.mappings > before.mappings+mappingSlack || h.files > before.files+hostileFiles || h.goroutines > before.goroutines+hostileGoroutines {
		t.Errorf("afterwards the process holds %+v, before %+v", h, before)
	}
	if h.resident > before.resident+hostileSlack {
		t.Errorf("%d MB are resident, before %d MB", h.resident/runtime.MiB, before.resident/runtime.MiB)
	}
}

// fill takes all the memory that it may have.
const fill = `
def main(args, context):
    blocks = []
    try:
        while True: blocks.append(b"x" * (1 << 18))
    except MemoryError:
        return len(blocks) > 10
`

// TestManyRunsAtTheirLimit starts more runs at once than there is memory for, each of which takes all
// that it may have. They take turns, or are refused before they start.
func TestManyRunsAtTheirLimit(t *testing.T) {
	const budget = 512 * runtime.MiB
	s := openHostile(t, 4, budget)
	defer s.end()
	s.create(t, runtime.FunctionSpec{Tenant: hostileTenant, Name: "fill", Source: []byte(fill), Limits: runtime.Limits{Memory: runtime.MinMemory, Tmp: 8 * runtime.MiB}})
	before := s.holds(t)
	t.Run("runs", func(t *testing.T) {
		s.neighbour(t)
		ctx, stop := context.WithCancel(t.Context())
		peak := make(chan int64)
		go func() { peak <- attack.Peak(ctx, os.Getpid()) }()
		var all sync.WaitGroup
		for i := range min(times(100), 1000) {
			all.Go(func() {
				x, err := s.run("fill", []byte("{}"), i%2 == 0)
				switch {
				case err != nil && runtime.CodeOf(err) == runtime.CodeTooBusy:
				case err != nil || x.Failure != nil || string(x.Result) != "true":
					t.Errorf("run %d: %+v, %v", i, x, err)
				}
				if used := s.budget.Used(); used > budget {
					t.Errorf("%d bytes of the budget are used, it has %d", used, int64(budget))
				}
			})
		}
		all.Wait()
		stop()
		if most := <-peak; most > before.resident+budget+memory.Overhead {
			t.Errorf("%d MB are resident, %d MB were before", most/runtime.MiB, before.resident/runtime.MiB)
		}
	})
}

// TestRejectedProgramsAreTheirAuthorsFault deploys all programs that do not deploy, as a server does:
// no error is one of the server, and each has the line.
func TestRejectedProgramsAreTheirAuthorsFault(t *testing.T) {
	s := openHostile(t, 1, hostileBudget)
	defer s.end()
	t.Run("deployments", func(t *testing.T) {
		s.neighbour(t)
		for i, r := range rejectedPrograms {
			_, err := s.engine.CreateFunction(t.Context(), runtime.FunctionSpec{Tenant: hostileTenant, Name: fmt.Sprint("f", i), Source: []byte(r.source)})
			e, ok := runtime.AsError(err)
			if !ok || e.Code != runtime.CodeDeployFailed && e.Code != runtime.CodeInvalidArgument || r.line != 0 && e.Line != r.line || internals.MatchString(e.Message+e.Traceback) {
				t.Errorf("%s: %+v", r.name, err)
			}
		}
		if _, err := s.engine.CreateFunction(t.Context(), runtime.FunctionSpec{Tenant: hostileTenant, Name: "large", Source: make([]byte, 10*runtime.MiB)}); runtime.CodeOf(err) != runtime.CodeTooLarge {
			t.Errorf("10 MB of code: %v", err)
		}
	})
	page, err := s.engine.ListFunctions(t.Context(), hostileTenant, runtime.PageRequest{Limit: 10})
	if err != nil || len(page.Items) != 0 {
		t.Errorf("stored: %+v, %v", page.Items, err)
	}
}
