//go:build linux

package server

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/test/process"
)

// A bulk is accepted or refused as a whole; a refusal has a reason.
func TestBulksThatAreRefused(t *testing.T) {
	t.Parallel()
	server := process.NewSite(t).Serve(t)
	server.Deploy(t, "echo", process.EchoCode)
	const path = "/v1/functions/echo/bulk_rpc/"
	args := process.NumberedArgs(100)
	for name, tc := range map[string]struct {
		body   string
		status int
		code   string
	}{
		"one too many":   {process.JSONArray(process.NumberedArgs(runtime.MaxBulk + 1)), http.StatusRequestEntityTooLarge, "too_large"},
		"far too many":   {process.JSONArray(process.NumberedArgs(100_000)), http.StatusRequestEntityTooLarge, "too_large"},
		"none":           {"[]", http.StatusBadRequest, "invalid_argument"},
		"no array":       {`{"n":1}`, http.StatusBadRequest, "invalid_argument"},
		"a number":       {process.JSONArray(append(args[:50:50], "42")), http.StatusBadRequest, "invalid_argument"},
		"an array":       {process.JSONArray(append(args[:50:50], "[]")), http.StatusBadRequest, "invalid_argument"},
		"a name twice":   {process.JSONArray(append(args[:50:50], `{"n":1,"n":2}`)), http.StatusBadRequest, "invalid_argument"},
		"half an array":  {process.JSONArray(args)[:500], http.StatusBadRequest, "invalid_argument"},
		"one large item": {process.JSONArray(append(args[:50:50], fmt.Sprintf(`{"n":"%s"}`, strings.Repeat("x", runtime.MaxArgs)))), http.StatusRequestEntityTooLarge, "too_large"},
	} {
		t.Run(name, func(t *testing.T) {
			r := server.Refused(t, tc.status, tc.code, "POST", path, tc.body)
			if strings.HasPrefix(name, "a ") && !strings.Contains(string(r.Body), "run 50") {
				t.Errorf("the error does not name the run: %s", r.Body)
			}
		})
	}
	// An incomplete body starts nothing.
	whole := process.JSONArray(args)
	for _, sent := range []int{0, 1, len(whole) / 2, len(whole) - 1} {
		server.HangUp(t, "POST", path, whole, sent, nil)
	}
	ids := server.SubmitBulk(t, "echo", args)
	server.WaitAll(t, ids)
	runs := 0
	for _, x := range server.List(t, map[string][]string{"include_completed": {"1"}}) {
		if x.Kind == "run" {
			runs++
		}
	}
	if runs != len(args) {
		t.Errorf("%d runs are listed, %d were accepted", runs, len(args))
	}
}

// A failing run of a bulk does not affect the others.
func TestOneOfABulkFails(t *testing.T) {
	t.Parallel()
	server := process.NewSite(t).Serve(t)
	server.Deploy(t, "root", "import os\ndef main(args, context):\n"+
		"    if args['n'] == 3: os._exit(1)\n"+
		"    if args['n'] == 5: return bytearray(10**10)\n"+
		"    if args['n'] == 7: return object()\n"+
		"    return 100 / (args['n'] - 11)")
	want := map[int]string{3: "exited", 5: "function_error", 7: "result_invalid", 11: "function_error"}
	for n, x := range server.WaitAll(t, server.SubmitBulk(t, "root", process.NumberedArgs(500))) {
		code := ""
		if x.Error != nil {
			code = x.Error.Code
		}
		if code != want[n] || (x.Status == process.Success) != (code == "") || x.Attempts != 1 {
			t.Errorf("run %d: want %q, got %s", n, want[n], x.Text)
		}
	}
}

// Half of the runs of a bulk are cancelled while the bulk runs.
func TestBulkIsCancelledMidway(t *testing.T) {
	t.Parallel()
	server := process.NewSite(t).Serve(t)
	server.Deploy(t, "stay", process.SleepCode)
	ids := server.SubmitBulk(t, "stay", process.SleepArgs(3_000, 0.005))
	reported := make([]process.Execution, len(ids))
	var cancels sync.WaitGroup
	for worker := range 8 {
		cancels.Go(func() {
			for i := len(ids) - 1 - worker; i >= 0; i -= 16 {
				r, err := server.Do(context.Background(), "DELETE", "/v1/executions/"+ids[i], "")
				if err != nil || r.Status != http.StatusOK {
					t.Errorf("%d %s, %v", r.Status, r.Body, err)
					return
				}
				reported[i] = process.Decode[process.Execution](t, r)
			}
		})
	}
	cancels.Wait()
	count := map[string]int{}
	for i, x := range server.WaitAll(t, ids) {
		before := reported[i]
		switch {
		case before.ID == "" && x.Status != process.Success:
			t.Errorf("no request cancelled %s", x.Text)
		case before.Done() && before.Status != x.Status:
			t.Errorf("%s was reported, now it is %s", before.Text, x.Text)
		case x.Status == process.Success && string(x.Output) != fmt.Sprint(i), x.Status == process.Failed:
			t.Errorf("run %d: %s", i, x.Text)
		case x.Status == process.Cancelled && x.Attempts > 1:
			t.Errorf("it started again: %s", x.Text)
		}
		count[x.Status]++
	}
	t.Log(count)
	if count[process.Cancelled] == 0 || count[process.Success] < len(ids)/2 {
		t.Errorf("got %v", count)
	}
}

// Runs that are submitted after a bulk do not wait for its end.
func TestRunsPassABulk(t *testing.T) {
	t.Parallel()
	server := process.NewSite(t).Serve(t)
	server.Deploy(t, "stay", process.SleepCode)
	server.Deploy(t, "echo", process.EchoCode)
	ids := server.SubmitBulk(t, "stay", process.SleepArgs(runtime.MaxBulk, 0.05))
	if r := server.Must(t, "POST", "/v1/sync/functions/echo/rpc/", `{"n":3}`); string(r.Body) != `{"n":3,"square":9}` {
		t.Errorf("a blocking run is answered with %s", r.Body)
	}
	if x := server.WaitEnd(t, server.Submit(t, "echo", `{"n":3}`)); x.Status != process.Success {
		t.Errorf("got %s", x.Text)
	}
	if x := server.Execution(t, ids[len(ids)-1]); x.Done() {
		t.Errorf("the bulk is already done: %s", x.Text)
	}
}

// Each requested id has its place in the answer.
func TestManyIDs(t *testing.T) {
	t.Parallel()
	server := process.NewSite(t).Serve(t)
	server.Deploy(t, "echo", process.EchoCode)
	ids := server.SubmitBulk(t, "echo", process.NumberedArgs(3))
	server.WaitAll(t, ids)
	asked := []string{ids[2], process.AbsentID, ids[0], ids[2], ids[1], process.AbsentID}
	for i, x := range server.Executions(t, asked) {
		if x.ID != asked[i] || (x.Status == process.NotFound) != (asked[i] == process.AbsentID) {
			t.Errorf("requested %s, got %s", asked[i], x.Text)
		}
		if x.Status == process.NotFound && (x.Error == nil || x.Error.Code != "not_found") {
			t.Errorf("got %s", x.Text)
		}
	}
}
