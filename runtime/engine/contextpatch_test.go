package engine_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/engine"
	"github.com/faaspot/faaspot/runtime/redact"
)

// TestConcurrentPatchesLoseNothing patches different values of one context at once. All of them are in
// the context afterwards, and each patch has made a version.
func TestConcurrentPatchesLoseNothing(t *testing.T) {
	e := newEngine(t, engine.Options{})
	s := spec("f", `"one"`)
	s.Context = []byte(`{"first":0,"gone":0}`)
	create(t, e, s)
	const patches = 20
	var all sync.WaitGroup
	for i := range patches {
		all.Go(func() {
			patch := fmt.Appendf(nil, `{"k%d":%d,"gone":null}`, i, i)
			if _, err := e.UpdateFunction(context.Background(), runtime.FunctionUpdate{Tenant: tenant, Name: "f", ContextPatch: patch}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	v, err := e.GetVersion(ctx, tenant, "f", 0)
	if err != nil {
		t.Fatal(err)
	}
	var values map[string]int
	if err := json.Unmarshal(v.Context, &values); err != nil {
		t.Fatal(err)
	}
	if len(values) != patches+1 || v.Number != patches+1 {
		t.Errorf("version %d has %s", v.Number, v.Context)
	}
	for i := range patches {
		if values[fmt.Sprint("k", i)] != i {
			t.Errorf("k%d is lost", i)
		}
	}
	if string(v.Source) != `"one"` {
		t.Errorf("the code is %s", v.Source)
	}
}

// TestPatchesThatAreRefused sends patches that are not valid, or that the function does not permit. None
// makes a version.
func TestPatchesThatAreRefused(t *testing.T) {
	e := newEngine(t, engine.Options{})
	s := spec("f", "1")
	s.Context = []byte(`{"a":"` + strings.Repeat("x", runtime.MaxContext/2) + `"}`)
	create(t, e, s)
	patch := func(text string) runtime.FunctionUpdate {
		return runtime.FunctionUpdate{Tenant: tenant, Name: "f", ContextPatch: []byte(text)}
	}
	with := func(change func(u *runtime.FunctionUpdate)) runtime.FunctionUpdate {
		u := patch(`{"b":1}`)
		change(&u)
		return u
	}
	for what, c := range map[string]struct {
		u    runtime.FunctionUpdate
		code runtime.Code
	}{
		"another tenant":   {with(func(u *runtime.FunctionUpdate) { u.Tenant = "other" }), runtime.CodeNotFound},
		"no function":      {with(func(u *runtime.FunctionUpdate) { u.Name = "none" }), runtime.CodeNotFound},
		"with a context":   {with(func(u *runtime.FunctionUpdate) { u.Context = []byte(`{}`) }), runtime.CodeInvalidArgument},
		"with a version":   {with(func(u *runtime.FunctionUpdate) { u.Restore = 1 }), runtime.CodeInvalidArgument},
		"with create":      {with(func(u *runtime.FunctionUpdate) { u.Create, u.Source = true, []byte("1") }), runtime.CodeInvalidArgument},
		"another version":  {with(func(u *runtime.FunctionUpdate) { u.If = runtime.Precondition{Exists: true, Tags: []string{"x"}} }), runtime.CodePrecondition},
		"an array":         {patch(`[]`), runtime.CodeInvalidArgument},
		"two of a name":    {patch(`{"b":1,"b":2}`), runtime.CodeInvalidArgument},
		"deep":             {patch(`{"b":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + `}`), runtime.CodeInvalidArgument},
		"too large":        {patch(`{"b":"` + strings.Repeat("x", runtime.MaxContext) + `"}`), runtime.CodeTooLarge},
		"too much of both": {patch(`{"b":"` + strings.Repeat("x", runtime.MaxContext/2) + `"}`), runtime.CodeTooLarge},
	} {
		if _, err := e.UpdateFunction(ctx, c.u); runtime.CodeOf(err) != c.code {
			t.Errorf("%s: %v, want %s", what, err, c.code)
		}
	}
	if v, err := e.GetVersion(ctx, tenant, "f", 0); err != nil || v.Number != 1 {
		t.Errorf("version %d, %v", v.Number, err)
	}
}

// TestPatchesHappenOnce repeats a patch with its key, and another one with the same key.
func TestPatchesHappenOnce(t *testing.T) {
	e := newEngine(t, engine.Options{})
	create(t, e, spec("f", "1"))
	u := runtime.FunctionUpdate{Tenant: tenant, Name: "f", ContextPatch: []byte(`{"a":1}`), IdempotencyKey: "key"}
	first := update(t, e, u)
	if again := update(t, e, u); again.ExecutionID != first.ExecutionID || !again.Replayed {
		t.Errorf("%+v, then %+v", first, again)
	}
	u.ContextPatch = []byte(`{"a":2}`)
	if _, err := e.UpdateFunction(ctx, u); runtime.CodeOf(err) != runtime.CodeConflict {
		t.Errorf("another patch with the same key: %v", err)
	}
	u.ContextPatch, u.Context = nil, []byte(`{"a":1}`)
	if _, err := e.UpdateFunction(ctx, u); runtime.CodeOf(err) != runtime.CodeConflict {
		t.Errorf("a context with the key of a patch: %v", err)
	}
}

// TestPatchesAreNotLogged logs the value of a patch while the patch is deployed.
func TestPatchesAreNotLogged(t *testing.T) {
	var log lockedLog
	secrets := redact.New()
	hidden := slog.New(redact.NewHandler(slog.NewTextHandler(&log, nil), secrets))
	box := &fakeSandbox{deploy: func(_ context.Context, p runtime.Program) (runtime.Outcome, error) {
		if p.Version == 2 {
			hidden.Error("a deployment", "near", "the value canary-of-the-patch is new")
		}
		return runtime.Outcome{}, nil
	}}
	e := newEngine(t, engine.Options{Sandbox: box, Log: hidden, Secrets: secrets})
	create(t, e, spec("f", "1"))
	update(t, e, runtime.FunctionUpdate{Name: "f", ContextPatch: []byte(`{"key":{"inner":"canary-of-the-patch"}}`)})
	if text := log.String(); strings.Contains(text, "canary") || !strings.Contains(text, redact.Mask) {
		t.Errorf("the log is %s", text)
	}
}
