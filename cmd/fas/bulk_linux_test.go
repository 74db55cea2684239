package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/faaspot/faaspot/runtime"
)

const absentID = "01900000-0000-7000-8000-000000000000"

// A bulk is accepted as a whole, or refused as a whole with a reason.
func TestBulksThatAreRefused(t *testing.T) {
	server := newSite(t).serve(t)
	server.deploy(t, "echo", echoCode)
	const path = "/v1/functions/echo/bulk_rpc/"
	args := numbered(100)
	for name, tc := range map[string]struct {
		body   string
		status int
		code   string
	}{
		"one too many":   {array(numbered(runtime.MaxBulk + 1)), http.StatusRequestEntityTooLarge, "too_large"},
		"far too many":   {array(numbered(100_000)), http.StatusRequestEntityTooLarge, "too_large"},
		"none":           {"[]", http.StatusBadRequest, "invalid_argument"},
		"no array":       {`{"n":1}`, http.StatusBadRequest, "invalid_argument"},
		"a number":       {array(append(args[:50:50], "42")), http.StatusBadRequest, "invalid_argument"},
		"an array":       {array(append(args[:50:50], "[]")), http.StatusBadRequest, "invalid_argument"},
		"a name twice":   {array(append(args[:50:50], `{"n":1,"n":2}`)), http.StatusBadRequest, "invalid_argument"},
		"half an array":  {array(args)[:500], http.StatusBadRequest, "invalid_argument"},
		"one large item": {array(append(args[:50:50], fmt.Sprintf(`{"n":"%s"}`, strings.Repeat("x", runtime.MaxArgs)))), http.StatusRequestEntityTooLarge, "too_large"},
	} {
		t.Run(name, func(t *testing.T) {
			r := server.refused(t, tc.status, tc.code, "POST", path, tc.body)
			if strings.HasPrefix(name, "a ") && !strings.Contains(string(r.body), "run 50") {
				t.Errorf("it does not say which: %s", r.body)
			}
		})
	}
	// Half a body is none.
	whole := array(args)
	for _, sent := range []int{0, 1, len(whole) / 2, len(whole) - 1} {
		server.hangUp(t, "POST", path, whole, sent, nil)
	}
	ids := server.submitBulk(t, "echo", args)
	server.awaitAll(t, ids)
	runs := 0
	for _, x := range server.list(t, map[string][]string{"include_completed": {"1"}}) {
		if x.Kind == "run" {
			runs++
		}
	}
	if runs != len(args) {
		t.Errorf("%d runs are listed, %d were accepted", runs, len(args))
	}
}

// One run of many that fails does so alone.
func TestOneOfABulkFails(t *testing.T) {
	server := newSite(t).serve(t)
	server.deploy(t, "root", "import os\ndef main(args, context):\n"+
		"    if args['n'] == 3: os._exit(1)\n"+
		"    if args['n'] == 5: return bytearray(10**10)\n"+
		"    if args['n'] == 7: return object()\n"+
		"    return 100 / (args['n'] - 11)")
	want := map[int]string{3: "exited", 5: "function_error", 7: "result_invalid", 11: "function_error"}
	for n, x := range server.awaitAll(t, server.submitBulk(t, "root", numbered(500))) {
		code := ""
		if x.Error != nil {
			code = x.Error.Code
		}
		if code != want[n] || (x.Status == success) != (code == "") || x.Attempts != 1 {
			t.Errorf("run %d: want %q, got %s", n, want[n], x.text)
		}
	}
}

// Half of a bulk is cancelled while it is worked off.
func TestBulkIsCancelledMidway(t *testing.T) {
	server := newSite(t).serve(t)
	server.deploy(t, "stay", stayCode)
	ids := server.submitBulk(t, "stay", stays(3_000, 0.005))
	told := make([]seen, len(ids))
	var cancels sync.WaitGroup
	for worker := range 8 {
		cancels.Go(func() {
			for i := len(ids) - 1 - worker; i >= 0; i -= 16 {
				r, err := server.ask(context.Background(), "DELETE", "/v1/executions/"+ids[i], "")
				if err != nil || r.status != http.StatusOK {
					t.Errorf("%d %s, %v", r.status, r.body, err)
					return
				}
				told[i] = decoded[seen](t, r)
			}
		})
	}
	cancels.Wait()
	count := map[string]int{}
	for i, x := range server.awaitAll(t, ids) {
		before := told[i]
		switch {
		case before.ID == "" && x.Status != success:
			t.Errorf("nobody cancelled %s", x.text)
		case before.done() && before.Status != x.Status:
			t.Errorf("%s was told, now it is %s", before.text, x.text)
		case x.Status == success && string(x.Output) != fmt.Sprint(i), x.Status == failed:
			t.Errorf("run %d: %s", i, x.text)
		case x.Status == cancelled && x.Attempts > 1:
			t.Errorf("it began again: %s", x.text)
		}
		count[x.Status]++
	}
	t.Log(count)
	if count[cancelled] == 0 || count[success] < len(ids)/2 {
		t.Errorf("got %v", count)
	}
}

// Whoever comes after a bulk does not wait for its end.
func TestOthersPassABulk(t *testing.T) {
	server := newSite(t).serve(t)
	server.deploy(t, "stay", stayCode)
	server.deploy(t, "echo", echoCode)
	ids := server.submitBulk(t, "stay", stays(runtime.MaxBulk, 0.05))
	if r := server.must(t, "POST", "/v1/sync/functions/echo/rpc/", `{"n":3}`); string(r.body) != `{"n":3,"square":9}` {
		t.Errorf("a blocking run is answered with %s", r.body)
	}
	if x := server.awaitEnd(t, server.submit(t, "echo", `{"n":3}`)); x.Status != success {
		t.Errorf("got %s", x.text)
	}
	if x := server.execution(t, ids[len(ids)-1]); x.done() {
		t.Errorf("the bulk is done before: %s", x.text)
	}
}

// Each id that is asked for has its place in the answer.
func TestManyIDs(t *testing.T) {
	server := newSite(t).serve(t)
	server.deploy(t, "echo", echoCode)
	ids := server.submitBulk(t, "echo", numbered(3))
	server.awaitAll(t, ids)
	asked := []string{ids[2], absentID, ids[0], ids[2], ids[1], absentID}
	for i, x := range server.executions(t, asked) {
		if x.ID != asked[i] || (x.Status == notFound) != (asked[i] == absentID) {
			t.Errorf("asked for %s, got %s", asked[i], x.text)
		}
		if x.Status == notFound && (x.Error == nil || x.Error.Code != "not_found") {
			t.Errorf("got %s", x.text)
		}
	}
}
