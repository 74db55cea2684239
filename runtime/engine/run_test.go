package engine_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/engine"
	"github.com/faaspot/faaspot/runtime/memory"
)

func TestRun(t *testing.T) { synctest.Test(t, testRun) }

func testRun(t *testing.T) {
	var got struct {
		program       runtime.Program
		args, context string
	}
	sandbox := &fakeSandbox{run: func(_ context.Context, p runtime.Program, args, fnContext []byte) (runtime.Outcome, error) {
		got.program, got.args, got.context = p, string(args), string(fnContext)
		return runtime.Outcome{Result: []byte(`"hello"`), Usage: runtime.Usage{Pages: 7}, Logs: runtime.Logs{Data: []byte("log")}}, nil
	}}
	var mu sync.Mutex
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	e := newEngine(t, engine.Options{Sandbox: sandbox, Now: func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(time.Second)
		return now
	}})
	s := spec("hello.py", "source")
	s.Context = []byte(`{"key":"secret"}`)
	d := create(t, e, s)
	synctest.Wait() // the goroutines of the Engine read the clock too
	before := now
	x, err := run(e, "hello.py", `{"name":"you"}`)
	if err != nil {
		t.Fatal(err)
	}
	if len(x.ID) != 36 || x.ID[14] != '7' {
		t.Errorf("the id %q is no UUIDv7", x.ID)
	}
	want := &runtime.Execution{
		ID: x.ID, Tenant: tenant, Kind: runtime.KindRun, FunctionID: d.Function.ID, Function: "hello.py", Version: 1,
		State: runtime.StateSucceeded, Attempt: 1, ResultSize: len(`"hello"`), Caller: runtime.Caller{TraceID: strings.ReplaceAll(x.ID, "-", "")},
		Created: before.Add(1 * time.Second), Started: before.Add(2 * time.Second), Finished: before.Add(3 * time.Second),
		ArgsSize: len(`{"name":"you"}`), Args: []byte(`{"name":"you"}`),
		Outcome: runtime.Outcome{Result: []byte(`"hello"`), Usage: runtime.Usage{Pages: 7}, Logs: runtime.Logs{Data: []byte("log")}},
	}
	if diff := cmp.Diff(want, x); diff != "" {
		t.Error(diff)
	}
	wantProgram := runtime.Program{
		Tenant: tenant, FunctionID: d.Function.ID, Version: 1, Name: "hello.py", Source: []byte("source"),
		Limits: runtime.Limits{}.WithDefaults(),
	}
	if diff := cmp.Diff(wantProgram, got.program); diff != "" {
		t.Error(diff)
	}
	if got.args != `{"name":"you"}` || got.context != `{"key":"secret"}` {
		t.Errorf("the sandbox got the args %s and the context %s", got.args, got.context)
	}
}

func TestNoArgsAndNoContextAreEmptyObjects(t *testing.T) {
	sandbox := &fakeSandbox{run: func(_ context.Context, _ runtime.Program, args, fnContext []byte) (runtime.Outcome, error) {
		return runtime.Outcome{Result: []byte(`[` + string(args) + `,` + string(fnContext) + `]`)}, nil
	}}
	e := newEngine(t, engine.Options{Sandbox: sandbox})
	create(t, e, spec("hello", "source"))
	x, err := run(e, "hello", "")
	if err != nil || string(x.Result) != "[{},{}]" {
		t.Fatalf("got %+v, %v", x, err)
	}
}

func TestArgsAreCheckedBeforeTheRun(t *testing.T) {
	sandbox := &fakeSandbox{run: func(context.Context, runtime.Program, []byte, []byte) (runtime.Outcome, error) {
		return runtime.Outcome{}, errors.New("this must not run")
	}}
	e := newEngine(t, engine.Options{Sandbox: sandbox})
	create(t, e, spec("hello", "source"))
	for name, test := range map[string]struct {
		args, want string
		code       runtime.Code
	}{
		"null":           {"null", "must be an object", runtime.CodeInvalidArgument},
		"scalar":         {"1", "must be an object", runtime.CodeInvalidArgument},
		"array":          {"[]", "must be an object", runtime.CodeInvalidArgument},
		"blank":          {" ", "is empty", runtime.CodeInvalidArgument},
		"not JSON":       {`{"a":{"b":[1,x]}}`, "$.a.b[1]: a value should be here (byte 13)", runtime.CodeInvalidArgument},
		"names twice":    {`{"a":1,"\u0061":2}`, "$.a: the name appears twice", runtime.CodeInvalidArgument},
		"lone surrogate": {`{"a":"\ud800"}`, "surrogate", runtime.CodeInvalidArgument},
		"not UTF-8":      {"{\"a\":\"\xff\"}", "UTF-8", runtime.CodeInvalidArgument},
		"BOM":            {"\ufeff{}", "byte order mark", runtime.CodeInvalidArgument},
		"1e400":          {`{"a":1e400}`, "too large for a float", runtime.CodeInvalidArgument},
		"many digits":    {`{"a":` + strings.Repeat("9", 10_000) + `}`, "4300 digits", runtime.CodeInvalidArgument},
		"deep":           {`{"a":` + strings.Repeat("[", 100_000), "deeper than 200", runtime.CodeInvalidArgument},
		"limit+1":        {`{"a":"` + strings.Repeat("x", runtime.MaxArgs-7) + `"}`, "6291457 bytes, at most 6291456", runtime.CodeTooLarge},
		"100 MB":         {strings.Repeat("x", 100<<20), "at most", runtime.CodeTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := run(e, "hello", test.args)
			if e := wantCode(t, err, test.code); !strings.Contains(e.Message, test.want) {
				t.Errorf("the message %q does not contain %q", e.Message, test.want)
			}
		})
	}
}

func TestLargestArgs(t *testing.T) {
	e := newEngine(t, engine.Options{})
	create(t, e, spec("hello", "[]"))
	if _, err := run(e, "hello", `{"a":"`+strings.Repeat("x", runtime.MaxArgs-8)+`"}`); err != nil {
		t.Fatal(err)
	}
}

func TestStateOfEveryOutcome(t *testing.T) {
	long := []byte(`"` + strings.Repeat("x", runtime.MaxResult-1) + `"`)
	for name, test := range map[string]struct {
		outcome runtime.Outcome
		state   runtime.State
		class   runtime.Class
	}{
		"result":          {runtime.Outcome{Result: []byte("1")}, runtime.StateSucceeded, ""},
		"raised":          {failure(runtime.ClassError), runtime.StateFailed, runtime.ClassError},
		"timeout":         {failure(runtime.ClassTimeout), runtime.StateTimeout, runtime.ClassTimeout},
		"cancelled":       {failure(runtime.ClassCancelled), runtime.StateCancelled, runtime.ClassCancelled},
		"memory":          {failure(runtime.ClassMemory), runtime.StateFailed, runtime.ClassMemory},
		"internal":        {failure(runtime.ClassInternal), runtime.StateFailed, runtime.ClassInternal},
		"no class":        {failure(""), runtime.StateFailed, runtime.ClassInternal},
		"nothing":         {runtime.Outcome{}, runtime.StateFailed, runtime.ClassResultInvalid},
		"not JSON":        {runtime.Outcome{Result: []byte("NaN")}, runtime.StateFailed, runtime.ClassResultInvalid},
		"names twice":     {runtime.Outcome{Result: []byte(`{"a":1,"a":1}`)}, runtime.StateFailed, runtime.ClassResultInvalid},
		"too large":       {runtime.Outcome{Result: long}, runtime.StateFailed, runtime.ClassResultTooLarge},
		"largest":         {runtime.Outcome{Result: long[1:]}, runtime.StateFailed, runtime.ClassResultInvalid},
		"result, failure": {runtime.Outcome{Result: []byte("1"), Failure: failure(runtime.ClassError).Failure}, runtime.StateFailed, runtime.ClassError},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEngine(t, engine.Options{Sandbox: &fakeSandbox{
				run: func(context.Context, runtime.Program, []byte, []byte) (runtime.Outcome, error) {
					return test.outcome, nil
				},
			}})
			create(t, e, spec("hello", "source"))
			x, err := run(e, "hello", "")
			if err != nil {
				t.Fatal(err)
			}
			if x.State != test.state || (x.Failure == nil) != (test.class == "") || (x.Result == nil) == (test.class == "") {
				t.Fatalf("the execution is %+v", x)
			}
			if x.Failure != nil && x.Failure.Class != test.class {
				t.Fatalf("the failure is %+v", x.Failure)
			}
		})
	}
}

func failure(class runtime.Class) runtime.Outcome {
	return runtime.Outcome{Failure: &runtime.Failure{Class: class, Message: "why"}}
}

func TestMisbehavingSandbox(t *testing.T) {
	broken := errors.New("broken")
	unavailable := runtime.Errorf(runtime.CodeUnavailable, "no slot")
	for name, test := range map[string]struct {
		do   func() (runtime.Outcome, error)
		code runtime.Code
	}{
		"error":       {func() (runtime.Outcome, error) { return runtime.Outcome{}, broken }, runtime.CodeInternal},
		"panic":       {func() (runtime.Outcome, error) { panic(broken) }, runtime.CodeInternal},
		"coded error": {func() (runtime.Outcome, error) { return runtime.Outcome{}, unavailable }, runtime.CodeUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			box := &fakeSandbox{}
			// One run at a time: if a failed run did not release its memory, the next one
			// would wait forever.
			e := newEngine(t, engine.Options{Sandbox: box, MaxRuns: 1})
			create(t, e, spec("hello", "[]"))
			box.run = func(context.Context, runtime.Program, []byte, []byte) (runtime.Outcome, error) { return test.do() }
			_, err := run(e, "hello", "")
			got := wantCode(t, err, test.code)
			if strings.Contains(got.Message+got.Hint, "broken") {
				t.Errorf("the caller sees %q", got.Message)
			}
			if test.code == runtime.CodeInternal && !strings.Contains(got.Error(), "broken") {
				t.Errorf("the log lacks the cause: %v", got)
			}
			box.run = nil
			if _, err := run(e, "hello", ""); err != nil {
				t.Fatalf("the next run fails: %v", err)
			}
			box.deploy = func(context.Context, runtime.Program) (runtime.Outcome, error) { return test.do() }
			_, err = e.CreateFunction(context.Background(), spec("other", "[]"))
			wantCode(t, err, test.code)
			if box.held() != 1 {
				t.Errorf("the sandbox holds %d images of one function", box.held())
			}
			_, err = e.GetFunction(context.Background(), tenant, "other")
			wantCode(t, err, runtime.CodeNotFound)
		})
	}
}

func TestCallerContextCancelsTheRun(t *testing.T) {
	g := newGated()
	e := newEngine(t, engine.Options{Sandbox: &fakeSandbox{run: g.run}, MaxRuns: 1})
	create(t, e, spec("hello", "[]"))
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		<-g.began
		cancel()
	}()
	x, err := e.Run(ctx, runtime.RunRequest{Tenant: tenant, Function: "hello"})
	if err != nil || x.State != runtime.StateCancelled || x.Failure.Class != runtime.ClassCancelled {
		t.Fatalf("got %+v, %v", x, err)
	}
	close(g.end)
	if _, err := run(e, "hello", ""); err != nil {
		t.Fatal(err)
	}
}

func TestUnknownFunctions(t *testing.T) {
	e := newEngine(t, engine.Options{})
	create(t, e, spec("hello", "[]"))
	_, err := run(e, "other", "")
	wantCode(t, err, runtime.CodeNotFound)
	_, err = e.Run(context.Background(), runtime.RunRequest{Tenant: "b", Function: "hello"})
	wantCode(t, err, runtime.CodeNotFound)
	for _, name := range []string{"", ".", "../x", "a/b", "%2e", "a\x00", strings.Repeat("x", 10_000), "ü", "\u202eabc", "-x", "а"} {
		_, err := run(e, name, "")
		wantCode(t, err, runtime.CodeInvalidArgument)
	}
}

func TestBudget(t *testing.T) {
	e := newEngine(t, engine.Options{Memory: memory.New(256*runtime.MiB, nil)})
	s := spec("large", "[]")
	s.Limits.Memory = 512 * runtime.MiB
	_, err := e.CreateFunction(context.Background(), s)
	if got := wantCode(t, err, runtime.CodeInvalidArgument); !strings.Contains(got.Message, "578 MB") || !strings.Contains(got.Message, "232 MB") {
		t.Fatalf("the message is %q", got.Message)
	}
	create(t, e, spec("small", "[]"))
	if _, err := run(e, "small", ""); err != nil {
		t.Fatal(err)
	}
}

func TestOptionsAreValidated(t *testing.T) {
	store, sandbox := newStore(t), &fakeSandbox{}
	for name, o := range map[string]engine.Options{
		"no store":   {Sandbox: sandbox},
		"no sandbox": {Store: store},
		"queue":      {Store: store, Sandbox: sandbox, QueueLimit: -1},
		"runs":       {Store: store, Sandbox: sandbox, MaxRuns: -1},
		"cache":      {Store: store, Sandbox: sandbox, CacheBytes: -1},
	} {
		if _, err := engine.New(o); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// A run that has waited for memory does not begin when another process may have changed its function meanwhile.
func TestRunOfAFormerOwner(t *testing.T) {
	lost := errors.New("another process owns the data")
	var owner error
	ran := false
	e := newEngine(t, engine.Options{Owner: func() error { return owner }, Sandbox: &fakeSandbox{run: func(context.Context, runtime.Program, []byte, []byte) (runtime.Outcome, error) {
		ran = true
		return runtime.Outcome{Result: []byte("1")}, nil
	}}})
	create(t, e, spec("f.py", "source"))
	owner = lost
	if _, err := run(e, "f.py", "{}"); !errors.Is(err, lost) || ran {
		t.Errorf("the run has begun: %t, %v", ran, err)
	}
	owner = nil
	if _, err := run(e, "f.py", "{}"); err != nil || !ran {
		t.Errorf("the run has begun: %t, %v", ran, err)
	}
}
