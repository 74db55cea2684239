//go:build linux

package server

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/faaspot/faaspot/test/process"
)

// A hundred requests with one key are sent at once, before and after a kill: one takes effect, and
// all get its response. Another request with the key is refused.
func TestOneKeyOneRequest(t *testing.T) {
	t.Parallel()
	s := process.NewSite(t)
	server := s.Serve(t)
	server.Deploy(t, "echo", process.EchoCode)
	server.Deploy(t, "other", process.EchoCode)
	const callers = 100
	bulk := process.JSONArray(process.NumberedArgs(20))
	kinds := []struct {
		name, method, path, body string
		others                   [][3]string // methods, paths and bodies of other requests
	}{
		{"run", "POST", "/v1/functions/echo/rpc/", `{"n":3}`, [][3]string{
			{"POST", "/v1/functions/echo/rpc/", `{"n":4}`},
			{"POST", "/v1/functions/other/rpc/", `{"n":3}`},
			{"POST", "/v1/functions/echo/bulk_rpc/", `[{"n":3},{"n":3}]`},
			{"DELETE", "/v1/functions/other", ""},
		}},
		{"bulk", "POST", "/v1/functions/echo/bulk_rpc/", bulk, [][3]string{
			{"POST", "/v1/functions/echo/bulk_rpc/", process.JSONArray(process.NumberedArgs(21))},
			{"POST", "/v1/functions/echo/rpc/", `{"n":0}`},
		}},
		{"blocking", "POST", "/v1/sync/functions/echo/rpc/", `{"n":5}`, [][3]string{
			{"POST", "/v1/sync/functions/echo/rpc/", `{"n":6}`},
		}},
		{"create", "PUT", "/v1/functions/", process.FunctionJSON("made", process.EchoCode), [][3]string{
			{"PUT", "/v1/functions/", process.FunctionJSON("made", process.EchoCode+"\n")},
			{"PUT", "/v1/functions/", process.FunctionJSON("made2", process.EchoCode)},
		}},
		{"update", "PATCH", "/v1/functions/made", process.FunctionJSON("", process.EchoCode+" # new"), [][3]string{
			{"PATCH", "/v1/functions/made", process.FunctionJSON("", process.EchoCode+" # newer")},
		}},
		{"delete", "DELETE", "/v1/functions/made", "", [][3]string{
			{"DELETE", "/v1/functions/other", ""},
		}},
	}
	first := map[string]process.Reply{}
	check := func(name string, r process.Reply, err error) {
		if before, ok := first[name]; err != nil || r.Status != http.StatusOK || ok && (string(r.Body) != string(before.Body) ||
			r.Header.Get("X-Execution-Id") != before.Header.Get("X-Execution-Id")) {
			t.Errorf("%s: %d %s, %v; want %s", name, r.Status, r.Body, err, before.Body)
		}
	}
	for _, k := range kinds {
		answers := make([]process.Outcome, callers)
		var all sync.WaitGroup
		for i := range answers {
			all.Go(func() {
				answers[i].Reply, answers[i].Err = server.Do(context.Background(), k.method, k.path, k.body, "Idempotency-Key", k.name)
			})
		}
		all.Wait()
		first[k.name] = answers[0].Reply
		fresh := 0
		for _, a := range answers {
			check(k.name, a.Reply, a.Err)
			if !a.Replayed() {
				fresh++
			}
		}
		if fresh != 1 {
			t.Errorf("%s: took effect %d times", k.name, fresh)
		}
	}
	for range 2 {
		for _, k := range kinds {
			r, err := server.Do(context.Background(), k.method, k.path, k.body, "Idempotency-Key", k.name)
			if check(k.name, r, err); !r.Replayed() {
				t.Errorf("%s: took effect again", k.name)
			}
			for _, o := range k.others {
				server.Refused(t, http.StatusConflict, "conflict", o[0], o[1], o[2], "Idempotency-Key", k.name)
			}
		}
		server.Kill()
		server = s.Serve(t)
	}
	count := map[string]int{}
	for _, x := range server.List(t, map[string][]string{"include_completed": {"1"}}) {
		count[x.Name+" "+x.Kind]++
	}
	for what, want := range map[string]int{
		"echo create": 1, "echo run": 1 + 20 + 1, "other create": 1, "other run": 0, "other delete": 0,
		"made create": 1, "made update": 1, "made delete": 1, "made2 create": 0,
	} {
		if count[what] != want {
			t.Errorf("%d of %s are listed, want %d", count[what], what, want)
		}
	}
}

// A refused request does not use up its key, and keys are validated.
func TestKeysOfRefusedRequests(t *testing.T) {
	t.Parallel()
	server := process.NewSite(t).Serve(t)
	const path = "/v1/functions/late/rpc/"
	server.Refused(t, http.StatusNotFound, "not_found", "POST", path, `{"n":3}`, "Idempotency-Key", "k")
	server.Deploy(t, "late", process.EchoCode)
	server.Refused(t, http.StatusBadRequest, "invalid_argument", "POST", path, `{"n":}`, "Idempotency-Key", "k")
	r := server.Must(t, "POST", path, `{"n":3}`, "Idempotency-Key", "k")
	if r.Replayed() {
		t.Errorf("the answer is a replay: %s", r.Body)
	}
	if again := server.Must(t, "POST", path, `{"n":3}`, "Idempotency-Key", "k"); !again.Replayed() || string(again.Body) != string(r.Body) {
		t.Errorf("%s, and again %s", r.Body, again.Body)
	}
	for _, key := range []string{"", strings.Repeat("k", 256), "ä"} {
		server.Refused(t, http.StatusBadRequest, "invalid_argument", "POST", path, `{"n":3}`, "Idempotency-Key", key)
	}
	longest := fmt.Sprintf("%255s", "k")
	if r := server.Must(t, "POST", path, `{"n":3}`, "Idempotency-Key", strings.ReplaceAll(longest, " ", "-")); r.Replayed() {
		t.Errorf("got %s", r.Body)
	}
}
