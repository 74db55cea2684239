package engine_test

import (
	"context"
	"encoding/json"
	"sync"
	"testing"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/engine"
)

// TestWhiteSpaceAroundArgs checks that a function gets the same args however it is run, and that white
// space around them makes no difference.
func TestWhiteSpaceAroundArgs(t *testing.T) {
	var mu sync.Mutex
	got := map[string]int{}
	e, _ := jobEngine(t, engine.Options{Sandbox: &fakeSandbox{run: func(_ context.Context, _ runtime.Program, args, _ []byte) (runtime.Outcome, error) {
		mu.Lock()
		defer mu.Unlock()
		got[string(args)]++
		return runtime.Outcome{Result: []byte("1")}, nil
	}}}, runtime.JobSpec{})
	forms := []string{`{"a": 1}`, ` {"a": 1}`, "{\"a\": 1}\n", "\r\n\t {\"a\": 1} \t\r\n"}
	for _, args := range forms {
		if _, err := e.Run(ctx, runtime.RunRequest{Tenant: tenant, Function: "hello", Args: []byte(args)}); err != nil {
			t.Errorf("%q: %v", args, err)
		}
		await(t, e, submit(t, e, runtime.SubmitRequest{Args: []byte(args)}))
		a, err := e.SubmitBulk(ctx, runtime.BulkRequest{Tenant: tenant, Function: "hello", Args: [][]byte{[]byte(args)}})
		if err != nil {
			t.Fatal(err)
		}
		await(t, e, a.IDs[0])
		awaitJob(t, e, startJob(t, e, runtime.JobStartRequest{Tasks: []json.RawMessage{json.RawMessage(args)}}))
	}
	if len(got) != 1 || got[`{"a": 1}`] != 4*len(forms) {
		t.Errorf("the function got %v", got)
	}
	for _, args := range []string{" ", "\n", "\u00a0{}", "{}\u00a0", "\ufeff{}", " [] "} {
		_, blocking := e.Run(ctx, runtime.RunRequest{Tenant: tenant, Function: "hello", Args: []byte(args)})
		_, background := e.Submit(ctx, runtime.SubmitRequest{Tenant: tenant, Function: "hello", Args: []byte(args)})
		if runtime.CodeOf(blocking) != runtime.CodeInvalidArgument || runtime.CodeOf(background) != runtime.CodeInvalidArgument {
			t.Errorf("%q: %v, %v", args, blocking, background)
		}
	}
}

// TestChangesHaveTheirUser checks that the record of a change names its user, and says what the
// response said.
func TestChangesHaveTheirUser(t *testing.T) {
	failing := false
	e := newEngine(t, engine.Options{Sandbox: &fakeSandbox{deploy: func(context.Context, runtime.Program) (runtime.Outcome, error) {
		if failing {
			return failure(runtime.ClassTimeout), nil
		}
		return runtime.Outcome{}, nil
	}}})
	s := spec("hello", "[]")
	s.UserID = "ada"
	created := create(t, e, s)
	failing = true
	_, failed := e.UpdateFunction(ctx, runtime.FunctionUpdate{Tenant: tenant, Name: "hello", Source: []byte("x"), UserID: "ada"})
	failing = false
	if _, err := e.DeleteFunction(ctx, runtime.FunctionDeletion{Tenant: tenant, Name: "hello", UserID: "ada"}); err != nil {
		t.Fatal(err)
	}
	page, err := e.ListExecutions(ctx, tenant, runtime.ExecutionFilter{}, runtime.PageRequest{Limit: 10})
	if err != nil || len(page.Items) != 3 || page.Items[2].ID != created.ExecutionID {
		t.Fatalf("%+v, %v", page.Items, err)
	}
	for _, x := range page.Items {
		if x.Caller.UserID != "ada" {
			t.Errorf("%s by %q", x.Kind, x.Caller.UserID)
		}
	}
	if known, ok := runtime.AsError(failed); !ok || known.Code != runtime.CodeDeployFailed || page.Items[1].Failure == nil || page.Items[1].Failure.Message != known.Message {
		t.Errorf("the response was %v, the record is %+v", failed, page.Items[1].Failure)
	}
}
