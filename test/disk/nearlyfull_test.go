//go:build linux

package disk

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/faaspot/faaspot/storage"
	"github.com/faaspot/faaspot/test/process"
)

// On a nearly full disk the server refuses new work. Accepted runs end, and everything can be read,
// cancelled and deleted. With room again, everything works as before.
func TestNearlyFullDisk(t *testing.T) {
	t.Parallel()
	disk := memoryDisk(t, "256m")
	s := process.NewSiteIn(t, t.TempDir(), filepath.Join(disk, "data"))
	server := s.Serve(t)
	server.Deploy(t, "stay", process.SleepCode)
	server.Deploy(t, "gone", process.EchoCode)
	ids := server.SubmitBulk(t, "stay", process.SleepArgs(200, 0.2), "Idempotency-Key", "before")
	last := server.Submit(t, "stay", `{"n":0,"seconds":600}`)

	filler := fill(t, disk, storage.DefaultFloor(256<<20)/2)
	for _, r := range []struct{ method, path, body string }{
		{"POST", "/v1/functions/stay/rpc/", `{"n":1,"seconds":0}`},
		{"POST", "/v1/functions/stay/bulk_rpc/", process.JSONArray(process.SleepArgs(10, 0))},
		{"PUT", "/v1/functions/", process.FunctionJSON("more", process.EchoCode)},
		{"PATCH", "/v1/functions/stay", process.FunctionJSON("", process.EchoCode)},
	} {
		answer := server.Refused(t, http.StatusServiceUnavailable, "unavailable", r.method, r.path, r.body)
		if answer.Header.Get("Retry-After") == "" || !strings.Contains(string(answer.Body), "the disk is nearly full") {
			t.Errorf("%s %s: %v %s", r.method, r.path, answer.Header, answer.Body)
		}
	}
	server.Refused(t, http.StatusServiceUnavailable, "unavailable", "GET", "/readyz", "")
	server.Must(t, "GET", "/healthz", "")
	server.Must(t, "GET", "/v1/functions/stay", "")
	server.Must(t, "GET", "/v1/executions/"+ids[0]+"/logs", "")
	if r := server.Must(t, "POST", "/v1/functions/stay/bulk_rpc/", process.JSONArray(process.SleepArgs(200, 0.2)), "Idempotency-Key", "before"); !r.Replayed() {
		t.Error("the repeated request was accepted again")
	}
	if r := server.Must(t, "POST", "/v1/sync/functions/stay/rpc/", `{"n":7,"seconds":0}`); string(r.Body) != "7" {
		t.Errorf("a blocking run is answered with %s", r.Body)
	}
	if n := len(server.List(t, url.Values{"function": {"stay"}, "include_completed": {"True"}})); n < len(ids)+2 {
		t.Errorf("%d executions are listed", n)
	}
	server.Must(t, "DELETE", "/v1/functions/gone", "")
	server.Must(t, "DELETE", "/v1/executions/"+last, "")
	if x := server.WaitEnd(t, last); x.Status != process.Cancelled {
		t.Errorf("cancelled, it is %s", x.Text)
	}
	for i, x := range server.WaitAll(t, ids) {
		if x.Status != process.Success || string(x.Output) != fmt.Sprint(i) || x.Attempts != 1 {
			t.Errorf("run %d: %s", i, x.Text)
		}
	}

	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	server.Must(t, "GET", "/readyz", "")
	if x := server.WaitEnd(t, server.Submit(t, "stay", `{"n":8,"seconds":0}`)); string(x.Output) != "8" {
		t.Errorf("with room again: %s", x.Text)
	}
}
