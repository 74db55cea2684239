package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// Requests with one key, a hundred at once, before and after the server was
// killed: one is carried out, and all get its answer. Another request with the
// key is refused.
func TestOneKeyOneRequest(t *testing.T) {
	s := newSite(t)
	server := s.serve(t)
	server.deploy(t, "echo", echoCode)
	server.deploy(t, "other", echoCode)
	const callers = 100
	bulk := array(numbered(20))
	kinds := []struct {
		name, method, path, body string
		others                   [][3]string // methods, paths and bodies that are other requests
	}{
		{"run", "POST", "/v1/functions/echo/rpc/", `{"n":3}`, [][3]string{
			{"POST", "/v1/functions/echo/rpc/", `{"n":4}`},
			{"POST", "/v1/functions/other/rpc/", `{"n":3}`},
			{"POST", "/v1/functions/echo/bulk_rpc/", `[{"n":3},{"n":3}]`},
			{"DELETE", "/v1/functions/other", ""},
		}},
		{"bulk", "POST", "/v1/functions/echo/bulk_rpc/", bulk, [][3]string{
			{"POST", "/v1/functions/echo/bulk_rpc/", array(numbered(21))},
			{"POST", "/v1/functions/echo/rpc/", `{"n":0}`},
		}},
		{"blocking", "POST", "/v1/sync/functions/echo/rpc/", `{"n":5}`, [][3]string{
			{"POST", "/v1/sync/functions/echo/rpc/", `{"n":6}`},
		}},
		{"create", "PUT", "/v1/functions/", functionJSON("made", echoCode), [][3]string{
			{"PUT", "/v1/functions/", functionJSON("made", echoCode+"\n")},
			{"PUT", "/v1/functions/", functionJSON("made2", echoCode)},
		}},
		{"update", "PATCH", "/v1/functions/made", functionJSON("", echoCode+" # new"), [][3]string{
			{"PATCH", "/v1/functions/made", functionJSON("", echoCode+" # newer")},
		}},
		{"delete", "DELETE", "/v1/functions/made", "", [][3]string{
			{"DELETE", "/v1/functions/other", ""},
		}},
	}
	first := map[string]reply{}
	check := func(name string, r reply, err error) {
		if before, ok := first[name]; err != nil || r.status != http.StatusOK || ok && (string(r.body) != string(before.body) ||
			r.header.Get("X-Execution-Id") != before.header.Get("X-Execution-Id")) {
			t.Errorf("%s: %d %s, %v; want %s", name, r.status, r.body, err, before.body)
		}
	}
	for _, k := range kinds {
		answers := make([]outcome, callers)
		var all sync.WaitGroup
		for i := range answers {
			all.Go(func() {
				answers[i].reply, answers[i].err = server.ask(context.Background(), k.method, k.path, k.body, "Idempotency-Key", k.name)
			})
		}
		all.Wait()
		first[k.name] = answers[0].reply
		fresh := 0
		for _, a := range answers {
			check(k.name, a.reply, a.err)
			if !a.replayed() {
				fresh++
			}
		}
		if fresh != 1 {
			t.Errorf("%s: carried out %d times", k.name, fresh)
		}
	}
	for range 2 {
		for _, k := range kinds {
			r, err := server.ask(context.Background(), k.method, k.path, k.body, "Idempotency-Key", k.name)
			if check(k.name, r, err); !r.replayed() {
				t.Errorf("%s: carried out again", k.name)
			}
			for _, o := range k.others {
				server.refused(t, http.StatusConflict, "conflict", o[0], o[1], o[2], "Idempotency-Key", k.name)
			}
		}
		server.kill()
		server = s.serve(t)
	}
	count := map[string]int{}
	for _, x := range server.list(t, map[string][]string{"include_completed": {"1"}}) {
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

// A request that was refused does not use its key up, and a key is checked.
func TestKeysOfRefusedRequests(t *testing.T) {
	server := newSite(t).serve(t)
	const path = "/v1/functions/late/rpc/"
	server.refused(t, http.StatusNotFound, "not_found", "POST", path, `{"n":3}`, "Idempotency-Key", "k")
	server.deploy(t, "late", echoCode)
	server.refused(t, http.StatusBadRequest, "invalid_argument", "POST", path, `{"n":}`, "Idempotency-Key", "k")
	r := server.must(t, "POST", path, `{"n":3}`, "Idempotency-Key", "k")
	if r.replayed() {
		t.Errorf("it is not the first: %s", r.body)
	}
	if again := server.must(t, "POST", path, `{"n":3}`, "Idempotency-Key", "k"); !again.replayed() || string(again.body) != string(r.body) {
		t.Errorf("%s, and again %s", r.body, again.body)
	}
	for _, key := range []string{"", strings.Repeat("k", 256), "ä"} {
		server.refused(t, http.StatusBadRequest, "invalid_argument", "POST", path, `{"n":3}`, "Idempotency-Key", key)
	}
	longest := fmt.Sprintf("%255s", "k")
	if r := server.must(t, "POST", path, `{"n":3}`, "Idempotency-Key", strings.ReplaceAll(longest, " ", "-")); r.replayed() {
		t.Errorf("got %s", r.body)
	}
}
