//go:build linux

package server

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/test/process"
)

// newTenant creates a tenant, and returns a client with a token that permits everything in it.
func newTenant(t *testing.T, server *process.Server, name string) *process.Client {
	t.Helper()
	server.Must(t, "POST", "/v1/tenants/", fmt.Sprintf(`{"name":%q}`, name))
	made := process.Decode[struct{ Token string }](t, server.Must(t, "POST", "/v1/tokens/", fmt.Sprintf(`{"name":"all","scope":"admin","tenant":%q}`, name)))
	c := process.NewClient(server.Base, made.Token)
	t.Cleanup(c.Close)
	return c
}

// One tenant has 10,000 runs in the background and many callers that wait, all of runs that compute for
// long, and all of the memory that a tenant may have. Runs of another tenant, with and without a caller,
// end meanwhile; what the first tenant has beyond its limits is refused with the time after which to retry.
func TestFloodOfOneTenant(t *testing.T) {
	t.Parallel()
	const callers, rounds, seconds = 60, 6, 10
	server := process.NewSite(t, "--memory-budget", "1200MB", "--tenant-queued", fmt.Sprint(runtime.MaxBulk)).Serve(t)
	loud, quiet := newTenant(t, server, "loud"), newTenant(t, server, "quiet")
	loud.Deploy(t, "work", process.WorkCode, "timeout", 300)
	quiet.Deploy(t, "echo", process.EchoCode, "memory", 64)
	ids := loud.SubmitBulk(t, "work", process.SleepArgs(runtime.MaxBulk, seconds))
	ctx, cancel := context.WithCancel(t.Context())
	var waiting sync.WaitGroup
	gone := func() { cancel(); waiting.Wait() }
	defer gone()
	for n := range callers {
		waiting.Go(func() {
			r, err := loud.Do(ctx, "POST", fmt.Sprintf(runPath, "work"), fmt.Sprintf(`{"n":%d,"seconds":%d}`, n, seconds))
			if err == nil && r.Status != http.StatusOK && r.Header.Get("Retry-After") == "" {
				t.Errorf("a caller of the first tenant gets %d without Retry-After: %s", r.Status, r.Body)
			}
		})
	}
	for n := range rounds {
		args := fmt.Sprintf(`{"n":%d}`, n)
		want := fmt.Sprintf(`{"n":%d,"square":%d}`, n, n*n)
		if r := quiet.Must(t, "POST", fmt.Sprintf(runPath, "echo"), args); string(r.Body) != want {
			t.Fatalf("run %d of the second tenant: %s", n, r.Body)
		}
		if x := quiet.WaitEnd(t, quiet.Submit(t, "echo", args)); string(x.Output) != want || x.Attempts != 1 {
			t.Fatalf("background run %d of the second tenant: %s", n, x.Text)
		}
	}
	r, err := loud.Do(t.Context(), "POST", "/v1/functions/work/bulk_rpc/", process.JSONArray(process.SleepArgs(1000, seconds)))
	if err != nil || r.Status != http.StatusTooManyRequests || r.Code() != "too_busy" || r.Header.Get("Retry-After") == "" {
		t.Errorf("beyond the limit of queued runs: %d %s, %v", r.Status, r.Body, err)
	}
	var usage struct{ Queued int }
	if err := json.Unmarshal(loud.Must(t, "GET", "/v1/usage", "").Body, &usage); err != nil || usage.Queued < runtime.MaxBulk-1000 {
		t.Errorf("%d runs are queued, %v", usage.Queued, err)
	}
	if x := loud.Execution(t, ids[len(ids)-1]); x.Done() {
		t.Errorf("the last run of the bulk is done: %s", x.Text)
	}
	gone()
	// The tenant goes with all that it has queued, and the other one stays.
	server.Must(t, "DELETE", "/v1/tenants/loud?force=true", "")
	process.Until(t, "the first tenant is deleted", func() bool {
		r, err := server.Do(t.Context(), "GET", "/v1/tenants/loud", "")
		return err == nil && r.Status == http.StatusNotFound
	})
	if r := quiet.Must(t, "POST", fmt.Sprintf(runPath, "echo"), `{"n":3}`); string(r.Body) != `{"n":3,"square":9}` {
		t.Errorf("after that: %s", r.Body)
	}
}
