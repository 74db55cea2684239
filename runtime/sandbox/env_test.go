package sandbox

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// environment returns what a run sees of its environment in every way that Python offers, and
// changes the environment as the args say.
const environment = `
import os
at_deployment = dict(os.environ)
def main(args, context):
    for name, value in args.get("set", {}).items(): os.environ[name] = value
    if args.get("raise"): raise ValueError("left")
    if args.get("exit"): os._exit(3)
    if args.get("loop"):
        while True: pass
    if args.get("fill"):
        os.environ["LEFT"] = "x"
        hog = bytearray(1 << 30)
    names = set(os.environ) | {n.decode() for n in os.environb} if hasattr(os, "environb") else set(os.environ)
    return {
        "seen": {n: os.getenv(n) for n in sorted(names) if n not in ("HOME", "TMPDIR", "LANG", "USER")},
        "home": os.environ["HOME"], "context": context, "at deployment": sorted(at_deployment),
    }
`

type seen struct {
	Seen    map[string]string
	Home    string
	Context map[string]string
	Before  []string `json:"at deployment"`
}

func runWith(t *testing.T, box *Sandbox, p runtime.Program, args, fnContext string, env map[string]string) runtime.Outcome {
	t.Helper()
	c := runtime.RunCall{Program: p, Args: []byte(args), Context: []byte(fnContext)}
	if env != nil {
		var err error
		if c.Env, err = json.Marshal(env); err != nil {
			t.Fatal(err)
		}
	}
	o, err := box.Run(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func sees(t *testing.T, o runtime.Outcome, context map[string]string, want map[string]string) {
	t.Helper()
	checkClass(t, o, "")
	var s seen
	if err := json.Unmarshal(o.Result, &s); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(s.Seen) != fmt.Sprint(want) || fmt.Sprint(s.Context) != fmt.Sprint(context) {
		t.Fatalf("the run sees %s, want %v and the context %v", o.Result, want, context)
	}
	for _, name := range s.Before {
		if _, leaked := want[name]; leaked {
			t.Fatalf("%s was there at deployment", name)
		}
	}
}

// TestARunSeesItsEnvironmentAlone verifies that a run sees its own environment and that no other
// run does, however the run ended.
func TestARunSeesItsEnvironmentAlone(t *testing.T) {
	eachBox(t, func(t *testing.T, shared *Sandbox) {
		box := openBox(t, Options{IdleSlots: 1, Portable: !shared.guest.mapped})
		same := deployed(t, box, environment, runtime.Limits{Timeout: time.Second, Memory: 128 * runtime.MiB})
		other := deployed(t, box, environment, runtime.Limits{})
		stranger := same
		stranger.Tenant = "stranger"
		none := map[string]string{}
		sees(t, runWith(t, box, same, `{}`, `{}`, nil), none, none)
		env := map[string]string{"MODE": "fast", "SECRET": "s3cret \"x\"\n\u00fc", "EMPTY": "", "BIG": strings.Repeat("v", 60_000)}
		for _, args := range []string{`{}`, `{"raise":1}`, `{"exit":1}`, `{"loop":1}`, `{"fill":1}`} {
			for name, next := range map[string]runtime.Program{"the same": same, "another function": other, "another tenant": stranger} {
				limited := same
				if args != "{}" {
					limited.Limits.Timeout = 300 * time.Millisecond
				}
				o := runWith(t, box, limited, args, `{"key":"value"}`, env)
				if args == "{}" {
					sees(t, o, map[string]string{"key": "value"}, env)
				} else if o.Failure == nil {
					t.Fatalf("%s did not fail: %s", args, o.Result)
				}
				o = runWith(t, box, next, `{}`, `{"key":"value"}`, nil)
				sees(t, o, map[string]string{"key": "value"}, none)
				o = runWith(t, box, next, `{"set":{"MORE":"1"}}`, `{}`, map[string]string{"MODE": "slow"})
				sees(t, o, none, map[string]string{"MODE": "slow", "MORE": "1"})
				if t.Failed() {
					t.Fatalf("after %s, %s", args, name)
				}
			}
		}
		var s seen
		o := runWith(t, box, same, `{}`, `{}`, map[string]string{"HOME": "/elsewhere"})
		if err := json.Unmarshal(o.Result, &s); err != nil || s.Home != "/elsewhere" {
			t.Errorf("HOME is %q, %v", s.Home, err)
		}
	})
}

// TestContextIsNotAnEnvironment passes contexts that are arrays, or that look like the
// pair of context and environment. The function must receive them unchanged.
func TestContextIsNotAnEnvironment(t *testing.T) {
	eachBox(t, func(t *testing.T, box *Sandbox) {
		p := deployed(t, box, "import os\ndef main(args, context): return [context, os.environ.get('A')]\n", runtime.Limits{})
		for _, fnContext := range []string{`{}`, `{"a":[{},{"A":"1"}]}`} {
			if o := runWith(t, box, p, `{}`, fnContext, nil); string(o.Result) != `[`+fnContext+`,null]` {
				t.Errorf("the context %s came as %s", fnContext, o.Result)
			}
			if o := runWith(t, box, p, `{}`, fnContext, map[string]string{"A": "2"}); string(o.Result) != `[`+fnContext+`,"2"]` {
				t.Errorf("the context %s came as %s", fnContext, o.Result)
			}
		}
	})
}

// TestLimitsOfACall verifies that the limits of a call apply to that run only: an image that is built
// in the run has no more memory than the run, and later runs with other limits use it.
func TestLimitsOfACall(t *testing.T) {
	const source = "data = bytearray(80 << 20)\ndef main(args, context):\n    b = bytearray(args['n'] << 20)\n    while args.get('loop'): pass\n    return len(b) + len(data)\n"
	eachBox(t, func(t *testing.T, box *Sandbox) {
		p := deployed(t, box, source, runtime.Limits{Memory: 512 * runtime.MiB, Timeout: time.Minute})
		call := func(args string, l runtime.Limits) runtime.Outcome {
			o, err := box.Run(context.Background(), runtime.RunCall{Program: p, Args: []byte(args), Context: []byte("{}"), Limits: l})
			if err != nil {
				t.Fatal(err)
			}
			return o
		}
		small := runtime.Limits{Memory: 128 * runtime.MiB, Timeout: time.Minute}
		for range 2 {
			checkClass(t, call(`{"n":200}`, small), runtime.ClassMemory)
			checkClass(t, call(`{"n":200}`, runtime.Limits{}), "")
			checkClass(t, call(`{"n":1}`, small), "")
			checkClass(t, call(`{"n":1,"loop":true}`, runtime.Limits{Memory: 512 * runtime.MiB, Timeout: runtime.MinTimeout}), runtime.ClassTimeout)
			small.Memory = runtime.MinMemory
			checkClass(t, call(`{"n":0}`, small), "", runtime.ClassMemory)
			small.Memory = 128 * runtime.MiB
			box.Forget(p.FunctionID, p.Version)
		}
	})
}
