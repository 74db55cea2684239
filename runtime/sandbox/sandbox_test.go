package sandbox

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// boxes are shared by the tests: opening one starts an interpreter.
var boxes = map[string]*Sandbox{}

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "faaspot-sandbox-test-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	for name, o := range map[string]Options{"mapped": {}, "copied": {Portable: true}} {
		o.CacheDir = dir
		box, err := Open(context.Background(), o)
		if err != nil {
			panic(err)
		}
		defer box.Close()
		boxes[name] = box
	}
	return m.Run()
}

// eachBox runs a test on both kinds of memory.
func eachBox(t *testing.T, f func(t *testing.T, box *Sandbox)) {
	for name, box := range boxes {
		t.Run(name, func(t *testing.T) { f(t, box) })
	}
}

var programs atomic.Int64

// program makes a program that no other test has.
func program(source string, limits runtime.Limits) runtime.Program {
	n := programs.Add(1)
	return runtime.Program{
		Tenant: "t", FunctionID: fmt.Sprintf("f%d", n), Version: 1, Name: "f", Source: []byte(source), Limits: limits,
	}
}

// deployed deploys a program that is to be valid.
func deployed(t testing.TB, box *Sandbox, source string, limits runtime.Limits) runtime.Program {
	t.Helper()
	p := program(source, limits)
	outcome, err := box.Deploy(context.Background(), p)
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
	outcome, err := box.Run(context.Background(), p, []byte(args), []byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	return outcome
}

// result runs a program that is to succeed.
func result(t testing.TB, box *Sandbox, p runtime.Program, args string) string {
	t.Helper()
	outcome := run(t, box, p, args)
	if outcome.Failure != nil {
		t.Fatalf("failed: %+v\n%s", *outcome.Failure, outcome.Logs.Data)
	}
	return string(outcome.Result)
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
				t.Fatalf("got %s: something of a run before is left", got)
			}
		}
	})
}

func TestFailureTellsTheUsersFrames(t *testing.T) {
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

func BenchmarkRun(b *testing.B) {
	box := boxes["mapped"]
	p := deployed(b, box, hello, runtime.Limits{})
	args, none := []byte(`{"name":"user1"}`), []byte("{}")
	b.ReportAllocs()
	pages := 0
	for b.Loop() {
		o, err := box.Run(context.Background(), p, args, none)
		if err != nil || o.Failure != nil {
			b.Fatal(o, err)
		}
		pages = o.Usage.Pages
	}
	b.ReportMetric(float64(pages), "pages")
	b.ReportMetric(float64(len(box.images.get(keyOf(p)).pages)), "delta-pages")
}

func BenchmarkDeploy(b *testing.B) {
	box := boxes["mapped"]
	for b.Loop() {
		p := deployed(b, box, hello, runtime.Limits{})
		box.Forget(p.FunctionID, p.Version)
	}
}
