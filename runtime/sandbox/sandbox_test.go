package sandbox

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/memory"
	"github.com/faaspot/faaspot/runtime/strictjson"
	"github.com/faaspot/faaspot/test/guestcache"
)

// soak is the number of repetitions of the tests that repeat something random.
var soak = flag.Int("soak", 0, "repeat random tests this many times instead of some hundreds")

// times returns how often a test repeats something: n by default, less under -short, and the number
// given to -soak.
func times(n int) int {
	switch {
	case *soak > 0:
		return *soak
	case testing.Short():
		return max(n/10, 1)
	}
	return n
}

// boxes are shared by the tests, because opening one starts an interpreter.
var boxes = map[string]*Sandbox{}

// testMemory is the memory budget of a box, in bytes. Its runs reserve nothing in most tests.
const testMemory = 1024 * runtime.MiB

// cacheDir stores the compiled guest for all boxes of a test process.
var cacheDir string

func TestMain(m *testing.M) {
	flag.Parse()
	if flag.Lookup("test.fuzz").Value.String() != "" {
		os.Exit(m.Run()) // no fuzz test needs an interpreter, and each process of the fuzzer would start two
	}
	os.Exit(testMain(m))
}

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "faaspot-sandbox-test-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	cacheDir = filepath.Join(dir, "guest")
	publish := guestcache.Fetch(cacheDir)
	for name, o := range map[string]Options{"mapped": {}, "copied": {Portable: true}} {
		o.CacheDir, o.Memory = cacheDir, memory.New(testMemory, nil)
		o.Bundles, o.BundleDir = testBundles, filepath.Join(dir, name)
		box, err := Open(context.Background(), o)
		if err != nil {
			panic(err)
		}
		defer box.Close()
		boxes[name] = box
	}
	publish()
	return m.Run()
}

// bothBoxes runs a test on both kinds of memory.
func bothBoxes(t *testing.T, f func(t *testing.T, box *Sandbox)) {
	for name, box := range boxes {
		t.Run(name, func(t *testing.T) { f(t, box) })
	}
}

// eachBox runs a test on both kinds of memory, but shortened tests on the one that is mapped, unless -run names
// the other.
func eachBox(t *testing.T, f func(t *testing.T, box *Sandbox)) {
	if !testing.Short() || strings.Contains(flag.Lookup("test.run").Value.String(), "copied") {
		bothBoxes(t, f)
		return
	}
	t.Run("mapped", func(t *testing.T) { f(t, boxes["mapped"]) })
}

// sampled reports whether case number i of a test runs on the box. The subject of such a test does
// not depend on the kind of memory, so only every fourth case runs on copied memory, which is slow, and under
// the race detector; -soak runs all.
func sampled(box *Sandbox, i int) bool {
	return box.guest.mapped && !raceEnabled || *soak > 0 || i%4 == 0
}

// openBox opens a box for a single test.
func openBox(t testing.TB, o Options) *Sandbox {
	t.Helper()
	o.CacheDir = cacheDir
	if o.Memory == nil {
		o.Memory = memory.New(testMemory, nil)
	}
	box, err := Open(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := box.Close(); err != nil {
			t.Errorf("closing the box: %v", err)
		}
	})
	return box
}

// settle waits until no slot is being closed in the background.
func settle(box *Sandbox) {
	for end := time.Now().Add(time.Minute); len(box.closing) > 0 && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
}

var programs atomic.Int64

// program returns a program that no other test has.
func program(source string, limits runtime.Limits) runtime.Program {
	n := programs.Add(1)
	return runtime.Program{
		Tenant: "t", FunctionID: fmt.Sprintf("f%d", n), Version: 1, Name: "f", Source: []byte(source), Limits: limits,
	}
}

// deployed deploys a program, which must succeed.
func deployed(t testing.TB, box *Sandbox, source string, limits runtime.Limits) runtime.Program {
	t.Helper()
	p := program(source, limits)
	patient := p // the time limit is for runs: deploying takes long with the race detector
	patient.Limits.Timeout = max(p.Limits.WithDefaults().Timeout, 30*time.Second)
	outcome, err := box.Deploy(context.Background(), patient)
	if err != nil {
		t.Fatal(err)
	}
	if outcome.Failure != nil {
		t.Fatalf("does not deploy: %+v\n%s", *outcome.Failure, outcome.Logs.Data)
	}
	return p
}

func run(t testing.TB, box *Sandbox, p runtime.Program, args string) runtime.Outcome {
	t.Helper()
	outcome, err := box.Run(context.Background(), runtime.RunCall{Program: p, Args: []byte(args), Context: []byte("{}"), Room: &room{}})
	if err != nil {
		t.Fatal(err)
	}
	return outcome
}

// room is a Room that notes what is lent.
type room struct {
	held    []int64
	reclaim func(ctx context.Context, patience time.Duration) error // nil: the memory is free at once
}

func (r *room) Lend(held int64) { r.held = append(r.held, held) }

func (r *room) Park(held int64) { r.Lend(held) }

func (r *room) Reclaim(ctx context.Context, patience time.Duration) error {
	if r.reclaim == nil {
		return nil
	}
	return r.reclaim(ctx, patience)
}

// result runs a program, which must succeed, and returns its result.
func result(t testing.TB, box *Sandbox, p runtime.Program, args string) string {
	t.Helper()
	outcome := run(t, box, p, args)
	if outcome.Failure != nil {
		t.Fatalf("failed: %+v\n%s", *outcome.Failure, outcome.Logs.Data)
	}
	return string(outcome.Result)
}

// grace is how long after its deadline a run may continue before a test considers it endless.
// Benchmarks measure how soon runs are really stopped.
const grace = 20 * time.Second

// runInTime is run for programs that may try not to end.
func runInTime(t testing.TB, box *Sandbox, p runtime.Program, args string) runtime.Outcome {
	t.Helper()
	type answer struct {
		outcome runtime.Outcome
		err     error
	}
	done := make(chan answer, 1)
	go func() {
		outcome, err := box.Run(context.Background(), runtime.RunCall{Program: p, Args: []byte(args), Context: []byte("{}")})
		done <- answer{outcome, err}
	}()
	select {
	case a := <-done:
		if a.err != nil {
			t.Fatal(a.err)
		}
		return a.outcome
	case <-time.After(p.Limits.WithDefaults().Timeout + grace):
		t.Fatal("the run does not end")
		return runtime.Outcome{}
	}
}

// engineCheck applies the check of the engine: a result that is not strict JSON is a failure. The
// sandbox does not check that.
func engineCheck(outcome *runtime.Outcome) {
	if outcome.Failure != nil {
		return
	}
	if err := strictjson.Check(outcome.Result, strictjson.Options{}); err != nil {
		outcome.Failure = &runtime.Failure{Class: runtime.ClassResultInvalid, Message: err.Error()}
	}
}

// fails runs a program, which must fail in one of the given classes after the engine's check.
func fails(t testing.TB, box *Sandbox, p runtime.Program, args string, classes ...runtime.Class) *runtime.Failure {
	t.Helper()
	outcome := runInTime(t, box, p, args)
	engineCheck(&outcome)
	checkClass(t, outcome, classes...)
	return outcome.Failure
}

// checkClass verifies the class of an outcome; the empty class means success.
func checkClass(t testing.TB, outcome runtime.Outcome, classes ...runtime.Class) {
	t.Helper()
	class, message := runtime.Class(""), string(outcome.Result)
	if outcome.Failure != nil {
		class, message = outcome.Failure.Class, outcome.Failure.Message
	}
	if !slices.Contains(classes, class) {
		t.Fatalf("ended as %q (%.200s), want one of %q", class, message, classes)
	}
	if len(message) > maxFailure {
		t.Fatalf("the message has %d bytes", len(message))
	}
}

// body returns a program whose main has the given statements.
func body(statements string) string {
	return "def main(args, context):\n    " + strings.ReplaceAll(strings.TrimSpace(statements), "\n", "\n    ") + "\n"
}

// canary keeps patterns in its image and in the memory of each run while others run. It returns n,
// and the names of what it finds changed.
const canary = `
import time
def pattern(n): return bytes((n * 31 + i * 7) % 251 for i in range(997)) * 128
kept = bytearray(pattern(0))
def main(args, context):
    n = args["n"]
    own, new = bytearray(pattern(n)), bytearray(1 << 20)
    time.sleep(0.002)
    whole = {"image": kept == pattern(0), "run": own == pattern(n), "new memory": new.count(0) == len(new), "context": context == {"secret": "s"}}
    return [n, *(name for name in whole if not whole[name])]
`

const canaryContext = `{"secret":"s"}`

// neighbour runs the canary of another tenant repeatedly until the test ends. It must succeed
// whatever other runs do.
func neighbour(t *testing.T, box *Sandbox) {
	t.Helper()
	p := program(canary, runtime.Limits{})
	p.Tenant = "neighbour"
	watch(t, func(args []byte) (runtime.Outcome, error) {
		return box.Run(context.Background(), runtime.RunCall{Program: p, Args: args, Context: []byte(canaryContext)})
	})
}

// watch calls run, which runs the canary, repeatedly until the test ends.
func watch(t *testing.T, run func(args []byte) (runtime.Outcome, error)) {
	t.Helper()
	stop, stopped := make(chan struct{}), make(chan struct{})
	var runs, worst int64
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
			}
			start := time.Now()
			outcome, err := run(fmt.Appendf(nil, `{"n":%d}`, runs))
			if err != nil || outcome.Failure != nil || string(outcome.Result) != fmt.Sprintf("[%d]", runs) {
				t.Errorf("the neighbour got %s, %+v, %v", outcome.Result, outcome.Failure, err)
				return
			}
			runs++
			worst = max(worst, int64(time.Since(start)))
			// Pause, so that the neighbour is not another hog: copying an image takes milliseconds.
			time.Sleep(10 * time.Millisecond)
		}
	}()
	t.Cleanup(func() {
		close(stop)
		<-stopped
		if runs == 0 {
			t.Error("the neighbour never ran")
		}
		if time.Duration(worst) > grace {
			t.Errorf("the neighbour waited for %v", time.Duration(worst))
		}
	})
}

const hello = "def main(args, context):\n    return 'Hello %s' % args['name']\n"

func TestRun(t *testing.T) {
	eachBox(t, func(t *testing.T, box *Sandbox) {
		p := deployed(t, box, hello, runtime.Limits{})
		if got := result(t, box, p, `{"name":"user1"}`); got != `"Hello user1"` {
			t.Errorf("got %s", got)
		}
	})
}

func TestModuleStateIsThatOfDeployment(t *testing.T) {
	eachBox(t, func(t *testing.T, box *Sandbox) {
		p := deployed(t, box, "n = [0]\ndef main(args, context):\n    n[0] += 1\n    return n\n", runtime.Limits{})
		for range 5 {
			if got := result(t, box, p, "{}"); got != "[1]" {
				t.Fatalf("got %s: state of a previous run is left", got)
			}
		}
	})
}

func TestFailureShowsTheUsersFrames(t *testing.T) {
	box := boxes["mapped"]
	p := deployed(t, box, `import json
def inner(s):
    return json.loads(s)
def main(args, context):
    return inner("{")
`, runtime.Limits{})
	f := run(t, box, p, "{}").Failure
	if f == nil || f.Class != runtime.ClassError || f.Type != "json.decoder.JSONDecodeError" || f.Line != 3 {
		t.Fatalf("got %+v", f)
	}
	want := `Traceback (most recent call last):
  File "/function/f.py", line 5, in main
    return inner("{")
  File "/function/f.py", line 3, in inner
    return json.loads(s)
           ~~~~~~~~~~^^^
json.decoder.JSONDecodeError: ` + f.Message + "\n"
	if f.Traceback != want {
		t.Errorf("got\n%s\nwant\n%s", f.Traceback, want)
	}
}

func TestTimeLimit(t *testing.T) {
	eachBox(t, func(t *testing.T, box *Sandbox) {
		p := deployed(t, box, "def main(args, context):\n    while True: pass\n", runtime.Limits{Timeout: 200 * time.Millisecond})
		if f := run(t, box, p, "{}").Failure; f == nil || f.Class != runtime.ClassTimeout {
			t.Fatalf("got %+v", f)
		}
		if strings.Contains(result(t, box, deployed(t, box, hello, runtime.Limits{}), `{"name":1}`), "x") {
			t.Error("the box is broken")
		}
	})
}
