package engine_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/engine"
)

func TestCreateValidates(t *testing.T) {
	box := &fakeSandbox{deploy: func(context.Context, runtime.Program) (runtime.Outcome, error) {
		return runtime.Outcome{}, errors.New("this must not be deployed")
	}}
	e := newEngine(t, engine.Options{Sandbox: box})
	with := func(change func(*runtime.FunctionSpec)) runtime.FunctionSpec {
		s := spec("hello", "source")
		change(&s)
		return s
	}
	for name, test := range map[string]struct {
		spec runtime.FunctionSpec
		code runtime.Code
		want string
	}{
		"no tenant":     {with(func(s *runtime.FunctionSpec) { s.Tenant = "" }), runtime.CodeInvalidArgument, "tenant"},
		"name":          {spec("../x", "source"), runtime.CodeInvalidArgument, "name"},
		"no source":     {spec("hello", ""), runtime.CodeInvalidArgument, "empty"},
		"blank source":  {spec("hello", " \n\t"), runtime.CodeInvalidArgument, "empty"},
		"NUL":           {spec("hello", "a\nb\x00"), runtime.CodeInvalidArgument, "NUL byte at line 2 (byte 3)"},
		"not UTF-8":     {spec("hello", "a\n\nü\xff"), runtime.CodeInvalidArgument, "not valid UTF-8 at line 3 (byte 5)"},
		"10 MB":         {spec("hello", strings.Repeat("x", 10<<20)), runtime.CodeTooLarge, "1048576 (1 MiB) are allowed"},
		"context":       {with(func(s *runtime.FunctionSpec) { s.Context = []byte(`[]`) }), runtime.CodeInvalidArgument, "context"},
		"large context": {with(func(s *runtime.FunctionSpec) { s.Context = make([]byte, runtime.MaxContext+1) }), runtime.CodeTooLarge, "context"},
		"timeout":       {with(func(s *runtime.FunctionSpec) { s.Limits.Timeout = runtime.MaxTimeout + 1 }), runtime.CodeInvalidArgument, "timeout"},
		"memory":        {with(func(s *runtime.FunctionSpec) { s.Limits.Memory = 1 }), runtime.CodeInvalidArgument, "memory"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := e.CreateFunction(context.Background(), test.spec)
			if got := wantCode(t, err, test.code); !strings.Contains(got.Message, test.want) {
				t.Errorf("the message %q does not contain %q", got.Message, test.want)
			}
		})
	}
}

// TestDeployErrorsAdviseOnce verifies that the hint to correct the code is not below a message that
// says what to do, and that the text of sys.exit is in the message.
func TestDeployErrorsAdviseOnce(t *testing.T) {
	for name, test := range map[string]struct {
		failure runtime.Failure
		message string
		hint    string // its beginning
	}{
		"plain":   {runtime.Failure{Class: runtime.ClassError, Type: "NameError", Message: "no x"}, "NameError: no x", "correct the code"},
		"advises": {runtime.Failure{Class: runtime.ClassError, Message: "main is a class; use a function", Advises: true}, "main is a class; use a function", ""},
		"exited":  {runtime.Failure{Class: runtime.ClassExited, ExitCode: 1, Message: "the function exited with code 1: no key"}, "while the code was loaded, the function exited with code 1: no key", "do not call sys.exit"},
	} {
		t.Run(name, func(t *testing.T) {
			box := &fakeSandbox{deploy: func(context.Context, runtime.Program) (runtime.Outcome, error) {
				return runtime.Outcome{Failure: &test.failure}, nil
			}}
			e := newEngine(t, engine.Options{Sandbox: box})
			_, err := e.CreateFunction(context.Background(), spec("hello", "source"))
			got := wantCode(t, err, runtime.CodeDeployFailed)
			if got.Message != test.message || !strings.HasPrefix(got.Hint, test.hint) || (got.Hint == "") != (test.hint == "") {
				t.Errorf("%s; %s", got.Message, got.Hint)
			}
		})
	}
}

func TestFailedDeployIsNotStored(t *testing.T) {
	for _, class := range []runtime.Class{
		runtime.ClassError, runtime.ClassTimeout, runtime.ClassMemory, runtime.ClassStack, runtime.ClassExited,
		runtime.ClassCrashed, runtime.ClassResultInvalid, runtime.ClassCancelled, runtime.ClassInternal, "",
	} {
		t.Run(string(class), func(t *testing.T) {
			box := &fakeSandbox{deploy: func(context.Context, runtime.Program) (runtime.Outcome, error) {
				return runtime.Outcome{Failure: &runtime.Failure{Class: class, Type: "SyntaxError", Message: "invalid syntax", Traceback: "tb", Line: 3, ExitCode: 7}}, nil
			}}
			e := newEngine(t, engine.Options{Sandbox: box})
			_, err := e.CreateFunction(context.Background(), spec("hello", "source"))
			switch class {
			case runtime.ClassCancelled:
				wantCode(t, err, runtime.CodeUnavailable)
			case runtime.ClassInternal, "":
				wantCode(t, err, runtime.CodeInternal)
			default:
				got := wantCode(t, err, runtime.CodeDeployFailed)
				if got.Line != 3 || got.Traceback != "tb" || got.Message == "" {
					t.Errorf("the error is %#v", got)
				}
				if class == runtime.ClassError && got.Message != "SyntaxError: invalid syntax" {
					t.Errorf("the message is %q", got.Message)
				}
			}
			if box.held() != 0 {
				t.Errorf("the sandbox holds %d images", box.held())
			}
			all, err := listFunctions(context.Background(), e, tenant, "", 0)
			if err != nil || len(all) != 0 {
				t.Errorf("the functions are %v, %v", all, err)
			}
		})
	}
}

// A function that is put is created with the defaults, or updated; what the request does not name
// stays. Of concurrent requests for a new name, one creates.
func TestPutFunction(t *testing.T) {
	e := newEngine(t, engine.Options{Sandbox: &fakeSandbox{}})
	ctx := context.Background()
	timeout := 2 * time.Second
	first := runtime.FunctionUpdate{Tenant: tenant, Name: "hello", Create: true, Source: []byte(`"one"`), Context: []byte(`{"a":1}`), Timeout: &timeout}
	d, err := e.UpdateFunction(ctx, first)
	if err != nil || d.Function.Version != 1 {
		t.Fatalf("got %+v, %v", d, err)
	}
	d, err = e.UpdateFunction(ctx, runtime.FunctionUpdate{Tenant: tenant, Name: "hello", Create: true, Source: []byte(`"two"`)})
	if err != nil || d.Function.Version != 2 {
		t.Fatalf("got %+v, %v", d, err)
	}
	detail, err := e.GetFunction(ctx, tenant, "hello")
	if err != nil {
		t.Fatal(err)
	}
	if v := detail.Version; string(v.Source) != `"two"` || string(v.Context) != `{"a":1}` || v.Limits.Timeout != timeout || v.Retries != 0 {
		t.Errorf("the version is %+v", v)
	}
	for name, u := range map[string]runtime.FunctionUpdate{
		"no code":  {Tenant: tenant, Name: "new", Create: true, Timeout: &timeout},
		"new name": {Tenant: tenant, Name: "new", Create: true, Source: []byte("1"), NewName: ptr("newer")},
		"retries":  {Tenant: tenant, Name: "new", Create: true, Source: []byte("1"), Retries: ptr(-1)},
		"timeout":  {Tenant: tenant, Name: "new", Create: true, Source: []byte("1"), Timeout: ptr(time.Duration(-1))},
		"name":     {Tenant: tenant, Name: "../x", Create: true, Source: []byte("1")},
	} {
		if _, err := e.UpdateFunction(ctx, u); runtime.CodeOf(err) != runtime.CodeInvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}

	// With a key, the same request happens once; PATCH with the same key is another request.
	keyed := runtime.FunctionUpdate{Tenant: tenant, Name: "keyed", Create: true, Source: []byte("1"), IdempotencyKey: "k"}
	d, err = e.UpdateFunction(ctx, keyed)
	if err != nil || d.Replayed {
		t.Fatalf("got %+v, %v", d, err)
	}
	if again, err := e.UpdateFunction(ctx, keyed); err != nil || !again.Replayed || again.ExecutionID != d.ExecutionID {
		t.Errorf("again: %+v, %v", again, err)
	}
	keyed.Create = false
	if _, err := e.UpdateFunction(ctx, keyed); runtime.CodeOf(err) != runtime.CodeConflict {
		t.Errorf("another request: %v", err)
	}

	const callers = 8
	versions := make(chan uint64, callers)
	for range callers {
		go func() {
			d, err := e.UpdateFunction(ctx, runtime.FunctionUpdate{Tenant: tenant, Name: "race", Create: true, Source: []byte("1")})
			if err != nil {
				t.Error(err)
			}
			versions <- d.Function.Version
		}()
	}
	seen := make(map[uint64]bool)
	for range callers {
		seen[<-versions] = true
	}
	if len(seen) != callers {
		t.Errorf("%d callers made the versions %v", callers, seen)
	}
}

func TestUpdate(t *testing.T) {
	box := &fakeSandbox{}
	e := newEngine(t, engine.Options{Sandbox: box})
	ctx := context.Background()
	s := spec("hello", `"one"`)
	s.Context = []byte(`{"a":1}`)
	first := create(t, e, s)
	if string(first.Logs.Data) != "deployed" || len(first.ExecutionID) != 36 {
		t.Errorf("the deployment is %+v", first)
	}

	timeout, memory := 2*time.Second, int64(256*runtime.MiB)
	d, err := e.UpdateFunction(ctx, runtime.FunctionUpdate{Tenant: tenant, Name: "hello", Source: []byte(`"two"`), Timeout: &timeout})
	if err != nil || d.Function.Version != 2 || d.Function.ID != first.Function.ID {
		t.Fatalf("got %+v, %v", d, err)
	}
	if x, err := run(e, "hello", ""); err != nil || string(x.Result) != `"two"` || x.Version != 2 {
		t.Fatalf("got %+v, %v", x, err)
	}
	if _, err = e.UpdateFunction(ctx, runtime.FunctionUpdate{Tenant: tenant, Name: "hello", Memory: &memory, Context: []byte(`{}`)}); err != nil {
		t.Fatal(err)
	}
	detail, err := e.GetFunction(ctx, tenant, "hello")
	if err != nil {
		t.Fatal(err)
	}
	if v := detail.Version; v.Number != 3 || string(v.Source) != `"two"` || string(v.Context) != `{}` || v.Limits.Timeout != timeout || v.Limits.Memory != memory {
		t.Errorf("the version is %+v", v)
	}
	if box.held() != 1 {
		t.Errorf("the sandbox holds %d images of one function", box.held())
	}

	for name, test := range map[string]struct {
		update runtime.FunctionUpdate
		code   runtime.Code
	}{
		"nothing":      {runtime.FunctionUpdate{Name: "hello"}, runtime.CodeInvalidArgument},
		"no such":      {runtime.FunctionUpdate{Name: "other", Source: []byte("x")}, runtime.CodeNotFound},
		"name":         {runtime.FunctionUpdate{Name: "../x", Source: []byte("x")}, runtime.CodeInvalidArgument},
		"new name":     {runtime.FunctionUpdate{Name: "hello", NewName: ptr("../x")}, runtime.CodeInvalidArgument},
		"empty source": {runtime.FunctionUpdate{Name: "hello", Source: []byte{}}, runtime.CodeInvalidArgument},
		"context":      {runtime.FunctionUpdate{Name: "hello", Context: []byte("1")}, runtime.CodeInvalidArgument},
		"memory":       {runtime.FunctionUpdate{Name: "hello", Memory: ptr(int64(1))}, runtime.CodeInvalidArgument},
	} {
		test.update.Tenant = tenant
		if _, err := e.UpdateFunction(ctx, test.update); runtime.CodeOf(err) != test.code {
			t.Errorf("%s: %v, want %s", name, err, test.code)
		}
	}

	box.deploy = func(context.Context, runtime.Program) (runtime.Outcome, error) {
		return failure(runtime.ClassError), nil
	}
	_, err = e.UpdateFunction(ctx, runtime.FunctionUpdate{Tenant: tenant, Name: "hello", Source: []byte("bad")})
	wantCode(t, err, runtime.CodeDeployFailed)
	if x, err := run(e, "hello", ""); err != nil || x.Version != 3 {
		t.Fatalf("after a failed update: %+v, %v", x, err)
	}
}

func ptr[T any](v T) *T { return &v }

func TestRename(t *testing.T) {
	deployed := 0
	box := &fakeSandbox{deploy: func(context.Context, runtime.Program) (runtime.Outcome, error) {
		deployed++
		return runtime.Outcome{}, nil
	}}
	var name string
	box.run = func(_ context.Context, p runtime.Program, _, _ []byte) (runtime.Outcome, error) {
		name = p.Name
		return runtime.Outcome{Result: p.Source}, nil
	}
	e := newEngine(t, engine.Options{Sandbox: box})
	ctx := context.Background()
	create(t, e, spec("one", `"one"`))
	create(t, e, spec("two", `"two"`))
	rename := func(from, to string) error {
		_, err := e.UpdateFunction(ctx, runtime.FunctionUpdate{Tenant: tenant, Name: from, NewName: &to})
		return err
	}
	wantCode(t, rename("one", "two"), runtime.CodeAlreadyExists)
	if _, err := run(e, "one", ""); err != nil {
		t.Fatal(err)
	}
	if err := rename("one", "three"); err != nil {
		t.Fatal(err)
	}
	if err := rename("three", "three"); err != nil {
		t.Fatal(err)
	}
	_, err := run(e, "one", "")
	wantCode(t, err, runtime.CodeNotFound)
	x, err := run(e, "three", "")
	if err != nil || string(x.Result) != `"one"` || x.Version != 1 || x.Function != "three" {
		t.Fatalf("got %+v, %v", x, err)
	}
	if deployed != 2 {
		t.Errorf("renaming deployed again: %d deployments", deployed)
	}
	if name != "one" {
		t.Errorf("the file name in tracebacks changed to %q, want that of the version", name)
	}
	if box.held() != 2 {
		t.Errorf("the sandbox holds %d images of 2 functions", box.held())
	}
	if _, err := e.UpdateFunction(ctx, runtime.FunctionUpdate{Tenant: tenant, Name: "three", NewName: ptr("one"), Source: []byte(`"new"`)}); err != nil {
		t.Fatal(err)
	}
	if x, err := run(e, "one", ""); err != nil || string(x.Result) != `"new"` || x.Version != 2 {
		t.Fatalf("got %+v, %v", x, err)
	}
}

func TestDelete(t *testing.T) {
	box := &fakeSandbox{}
	e := newEngine(t, engine.Options{Sandbox: box})
	create(t, e, spec("hello", `"one"`))
	if _, err := run(e, "hello", ""); err != nil {
		t.Fatal(err)
	}
	d, err := remove(e, "hello")
	if err != nil || d.Function.Name != "hello" || len(d.ExecutionID) != 36 {
		t.Fatalf("got %+v, %v", d, err)
	}
	_, err = run(e, "hello", "")
	wantCode(t, err, runtime.CodeNotFound)
	_, err = remove(e, "hello")
	wantCode(t, err, runtime.CodeNotFound)
	_, err = remove(e, "../x")
	wantCode(t, err, runtime.CodeInvalidArgument)
	if box.held() != 0 {
		t.Errorf("the sandbox holds %d images", box.held())
	}
}

// TestRunsOutliveTheirVersion deletes or updates a function during its runs: they finish, and
// their image is forgotten after them and not before.
func TestRunsOutliveTheirVersion(t *testing.T) {
	for name, change := range map[string]func(e *engine.Engine) error{
		"delete": func(e *engine.Engine) error {
			_, err := remove(e, "hello")
			return err
		},
		"update": func(e *engine.Engine) error {
			_, err := e.UpdateFunction(context.Background(), runtime.FunctionUpdate{Tenant: tenant, Name: "hello", Source: []byte("[2]")})
			return err
		},
		"rename and update": func(e *engine.Engine) error {
			_, err := e.UpdateFunction(context.Background(), runtime.FunctionUpdate{Tenant: tenant, Name: "hello", NewName: ptr("bye")})
			if err == nil {
				_, err = e.UpdateFunction(context.Background(), runtime.FunctionUpdate{Tenant: tenant, Name: "bye", Source: []byte("[2]")})
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGated()
			box := &fakeSandbox{run: g.run}
			e := newEngine(t, engine.Options{Sandbox: box})
			d := create(t, e, spec("hello", "[1]"))
			var wg sync.WaitGroup
			for range 2 {
				wg.Go(func() {
					x, err := run(e, "hello", "")
					if err != nil || x.Version != 1 || string(x.Result) != "[1]" {
						t.Errorf("got %+v, %v", x, err)
					}
				})
			}
			<-g.began
			<-g.began
			if err := change(e); err != nil {
				t.Fatal(err)
			}
			box.mu.Lock()
			held := box.images[image(d.Function.ID, 1)]
			box.mu.Unlock()
			if !held {
				t.Error("the image was forgotten during the runs")
			}
			close(g.end)
			wg.Wait()
			box.mu.Lock()
			held = box.images[image(d.Function.ID, 1)]
			box.mu.Unlock()
			if held {
				t.Error("the image was not forgotten after the last run")
			}
		})
	}
}

// failingStore fails the writes of functions to a real store.
type failingStore struct {
	runtime.Store
	err error
}

func (s *failingStore) CreateFunction(f runtime.Function, v runtime.Version, c runtime.Change) error {
	if s.err != nil {
		return s.err
	}
	return s.Store.CreateFunction(f, v, c)
}

func (s *failingStore) UpdateFunction(f runtime.Function, v *runtime.Version, c runtime.Change) error {
	if s.err != nil {
		return s.err
	}
	return s.Store.UpdateFunction(f, v, c)
}

func (s *failingStore) DeleteFunction(t runtime.Tenant, id string, c runtime.Change) error {
	if s.err != nil {
		return s.err
	}
	return s.Store.DeleteFunction(t, id, c)
}

func TestFailingStore(t *testing.T) {
	store, box := &failingStore{Store: newStore(t)}, &fakeSandbox{}
	e := newEngine(t, engine.Options{Store: store, Sandbox: box})
	ctx := context.Background()
	create(t, e, spec("hello", "[1]"))
	store.err = runtime.Errorf(runtime.CodeUnavailable, "the disk is full")
	_, err := e.CreateFunction(ctx, spec("other", "[1]"))
	wantCode(t, err, runtime.CodeUnavailable)
	_, err = e.UpdateFunction(ctx, runtime.FunctionUpdate{Tenant: tenant, Name: "hello", Source: []byte("[2]")})
	wantCode(t, err, runtime.CodeUnavailable)
	_, err = e.UpdateFunction(ctx, runtime.FunctionUpdate{Tenant: tenant, Name: "hello", NewName: ptr("bye")})
	wantCode(t, err, runtime.CodeUnavailable)
	_, err = remove(e, "hello")
	wantCode(t, err, runtime.CodeUnavailable)
	if box.held() != 1 {
		t.Errorf("the sandbox holds %d images of one function", box.held())
	}
	if x, err := run(e, "hello", ""); err != nil || string(x.Result) != "[1]" {
		t.Fatalf("got %+v, %v", x, err)
	}
}

func TestConcurrentCreatesDeployOnce(t *testing.T) {
	var mu sync.Mutex
	deployed := 0
	box := &fakeSandbox{deploy: func(context.Context, runtime.Program) (runtime.Outcome, error) {
		mu.Lock()
		defer mu.Unlock()
		deployed++
		return runtime.Outcome{}, nil
	}}
	e := newEngine(t, engine.Options{Sandbox: box})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			_, err := e.CreateFunction(context.Background(), spec("hello", "[]"))
			if code := runtime.CodeOf(err); code != "" && code != runtime.CodeAlreadyExists {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if deployed != 1 || box.held() != 1 {
		t.Errorf("%d deployments and %d images for one function", deployed, box.held())
	}
}

func TestPages(t *testing.T) {
	e := newEngine(t, engine.Options{})
	for i := range 120 {
		create(t, e, spec(fmt.Sprintf("f%03d", i), "[]"))
	}
	ctx := context.Background()
	all, err := listFunctions(ctx, e, tenant, "", 0)
	if err != nil || len(all) != runtime.DefaultPage || all[0].Name != "f000" {
		t.Fatalf("the first page has %d functions, %v", len(all), err)
	}
	all, err = listFunctions(ctx, e, tenant, all[len(all)-1].Name, 1<<30)
	if err != nil || len(all) != 20 || all[0].Name != "f100" {
		t.Fatalf("the second page has %d functions, %v", len(all), err)
	}
	if all, err = listFunctions(ctx, e, "b", "", 10); err != nil || len(all) != 0 {
		t.Fatalf("another tenant sees %v, %v", all, err)
	}
}
