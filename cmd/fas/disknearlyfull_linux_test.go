package main

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/faaspot/faaspot/storage"
)

// stayCode is a function whose runs take as many seconds as they are told.
const stayCode = `import time
def main(args, context):
    time.sleep(args["seconds"])
    return args["n"]`

// stays are args for n runs of it.
func stays(n int, seconds float64) []string {
	args := make([]string, n)
	for i := range args {
		args[i] = fmt.Sprintf(`{"n":%d,"seconds":%g}`, i, seconds)
	}
	return args
}

// When the disk is nearly full, new work is turned away and all else goes on:
// what was accepted before ends, and what there is can be read, cancelled and
// deleted. When there is room again, all is as before.
func TestNearlyFullDisk(t *testing.T) {
	disk := memoryDisk(t, "256m")
	s := newSiteIn(t, t.TempDir(), filepath.Join(disk, "data"))
	server := s.serve(t)
	server.deploy(t, "stay", stayCode)
	server.deploy(t, "gone", echoCode)
	ids := server.submitBulk(t, "stay", stays(200, 0.2), "Idempotency-Key", "before")
	last := server.submit(t, "stay", `{"n":0,"seconds":600}`)

	filler := fill(t, disk, storage.DefaultMinFree/2)
	for _, r := range []struct{ method, path, body string }{
		{"POST", "/v1/functions/stay/rpc/", `{"n":1,"seconds":0}`},
		{"POST", "/v1/functions/stay/bulk_rpc/", array(stays(10, 0))},
		{"PUT", "/v1/functions/", functionJSON("more", echoCode)},
		{"PATCH", "/v1/functions/stay", functionJSON("", echoCode)},
	} {
		answer := server.refused(t, http.StatusServiceUnavailable, "unavailable", r.method, r.path, r.body)
		if answer.header.Get("Retry-After") == "" || !strings.Contains(string(answer.body), "the disk is nearly full") {
			t.Errorf("%s %s: %v %s", r.method, r.path, answer.header, answer.body)
		}
	}
	server.refused(t, http.StatusServiceUnavailable, "unavailable", "GET", "/readyz", "")
	server.must(t, "GET", "/healthz", "")
	server.must(t, "GET", "/v1/functions/stay", "")
	server.must(t, "GET", "/v1/executions/"+ids[0]+"/logs", "")
	if r := server.must(t, "POST", "/v1/functions/stay/bulk_rpc/", array(stays(200, 0.2)), "Idempotency-Key", "before"); !r.replayed() {
		t.Error("what was accepted before is accepted again")
	}
	if r := server.must(t, "POST", "/v1/sync/functions/stay/rpc/", `{"n":7,"seconds":0}`); string(r.body) != "7" {
		t.Errorf("a blocking run is answered with %s", r.body)
	}
	if n := len(server.list(t, url.Values{"function": {"stay"}, "include_completed": {"True"}})); n < len(ids)+2 {
		t.Errorf("%d executions are listed", n)
	}
	server.must(t, "DELETE", "/v1/functions/gone", "")
	server.must(t, "DELETE", "/v1/executions/"+last, "")
	if x := server.awaitEnd(t, last); x.Status != cancelled {
		t.Errorf("cancelled, it is %s", x.text)
	}
	for i, x := range server.awaitAll(t, ids) {
		if x.Status != success || string(x.Output) != fmt.Sprint(i) || x.Attempts != 1 {
			t.Errorf("run %d: %s", i, x.text)
		}
	}

	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	server.must(t, "GET", "/readyz", "")
	if x := server.awaitEnd(t, server.submit(t, "stay", `{"n":8,"seconds":0}`)); string(x.Output) != "8" {
		t.Errorf("with room again: %s", x.text)
	}
}
