package httpapi_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/faaspot/faaspot/httpapi/internal/apitest"
	"github.com/faaspot/faaspot/runtime"
)

// limit changes limits of a tenant, as the operator.
func limit(t *testing.T, s *apitest.JobServer, tenant, limits string) {
	t.Helper()
	s.Ask(t, "PATCH", "/v1/tenants/"+tenant, `{"limits":`+limits+`}`, nil, nil)
}

// answers sends n requests at once.
func answers(n int, send func() apitest.Answer) []apitest.Answer {
	all := make([]apitest.Answer, n)
	var sent sync.WaitGroup
	for i := range all {
		sent.Go(func() { all[i] = send() })
	}
	sent.Wait()
	return all
}

// refused returns how many answers are refusals because of a limit, and checks them; all others must
// be successful.
func refused(t *testing.T, all []apitest.Answer, message string) (n int) {
	t.Helper()
	for _, a := range all {
		switch {
		case a.Status == 200:
		case a.Status == 429 && a.Header.Get("Retry-After") == "1" && strings.Contains(a.Body, message) && strings.Contains(a.Body, "operator"):
			n++
		default:
			t.Errorf("%d %v %s", a.Status, a.Header, a.Body)
		}
	}
	return n
}

// awaitUsage waits until a tenant has runs and queued executions.
func (n tenantOf) awaitUsage(t *testing.T, runs, queued int) {
	t.Helper()
	apitest.Eventually(t, func() bool {
		a := n.ok(t, "GET", "/v1/usage", "", nil)
		return strings.Contains(a.Body, fmt.Sprintf(`"runs":%d,"queued":%d,`, runs, queued))
	})
}

// TestLimitsOfTenants lets one tenant go beyond each of its limits with requests that arrive at once,
// while another one does the same without a limit.
func TestLimitsOfTenants(t *testing.T) {
	t.Parallel()
	s := apitest.StartJobs(t, nil)
	a, b := newTenant(t, s, "tenant-a"), newTenant(t, s, "tenant-b")
	for _, n := range []tenantOf{a, b} {
		if _, err := s.Engine.CreateFunction(t.Context(), runtime.FunctionSpec{
			Tenant: runtime.Tenant(n.name), Name: "f", Source: []byte("def main(args, context): pass\n"), Limits: runtime.Limits{Memory: runtime.MinMemory, Tmp: runtime.MiB},
		}); err != nil {
			t.Fatal(err)
		}
	}
	const atGate = `{"do":"gate"}`
	submit := func(n tenantOf) func() apitest.Answer {
		return func() apitest.Answer { return n.do(t, "POST", "/v1/functions/f/rpc", atGate, nil) }
	}
	run := func(n tenantOf) func() apitest.Answer {
		return func() apitest.Answer { return n.do(t, "POST", "/v1/sync/functions/f/rpc", atGate, nil) }
	}

	// Executions in the background: one runs, two may wait.
	limit(t, s, "tenant-a", `{"runs":1,"queued":2}`)
	refused(t, answers(2, submit(a)), "nothing")
	a.awaitUsage(t, 1, 1)
	if n := refused(t, answers(20, submit(a)), "may have 2"); n != 19 {
		t.Errorf("%d of 20 executions were refused, want 19", n)
	}
	bulk := func(n int) apitest.Answer {
		return a.do(t, "POST", "/v1/functions/f/bulk_rpc", "["+strings.Repeat("{},", n-1)+"{}]", nil)
	}
	if r := bulk(3); r.Status != 413 || r.Header.Get("Retry-After") != "" {
		t.Errorf("%d %v %s", r.Status, r.Header, r.Body)
	}
	a.awaitUsage(t, 1, 2)

	// Runs whose callers wait.
	if n := refused(t, answers(8, run(a)), "as it may have at once: 1"); n != 8 {
		t.Errorf("%d of 8 runs were refused", n)
	}
	now := func(n tenantOf) apitest.Answer {
		return n.do(t, "POST", "/v0/jobs/j/executions", `{"allowQueue":false,"tasks":[{}]}`, nil)
	}
	for _, n := range []tenantOf{a, b} {
		n.ok(t, "POST", "/v0/jobs", `{"metadata":{"name":"j"},"spec":{"function":"f"}}`, nil)
	}
	if n := refused(t, []apitest.Answer{now(a)}, "as it may have at once: 1"); n != 1 {
		t.Error("a job that must start now was not refused")
	}

	// The neighbour notices nothing.
	if n := refused(t, []apitest.Answer{now(b)}, "nothing"); n != 0 {
		t.Error("the job of the neighbour was refused")
	}
	b.awaitUsage(t, 0, 0)
	refused(t, answers(2, submit(b)), "nothing")
	b.awaitUsage(t, 2, 0)
	ended := make(chan []apitest.Answer)
	go func() { ended <- answers(1, run(b)) }()
	b.awaitUsage(t, 3, 0)

	// What waits starts when the limit is raised.
	limit(t, s, "tenant-a", `{"runs":2}`)
	a.awaitUsage(t, 2, 1)
	limit(t, s, "tenant-a", `{"runs":null}`)
	a.awaitUsage(t, 3, 0)
	limit(t, s, "tenant-a", `{"runs":1}`)
	refused(t, answers(1, submit(a)), "nothing")
	a.awaitUsage(t, 3, 1)
	close(s.Sandbox.Gate)
	refused(t, <-ended, "nothing")
	a.awaitUsage(t, 0, 0)
	b.awaitUsage(t, 0, 0)
}

// TestRequestsOfTenants lets one tenant send too many requests; another one, and an operator whose
// tenant has the same limit, are not kept out.
func TestRequestsOfTenants(t *testing.T) {
	t.Parallel()
	s := apitest.StartJobs(t, nil)
	a, b := newTenant(t, s, "tenant-a"), newTenant(t, s, "tenant-b")
	list := func(n tenantOf) func() apitest.Answer {
		return func() apitest.Answer { return n.do(t, "GET", "/v1/functions", "", nil) }
	}
	for _, name := range []string{"tenant-a", "default"} {
		limit(t, s, name, `{"requests_per_second":1,"request_burst":5}`)
	}
	if n := refused(t, answers(100, list(a)), "1 per second and 5 at once are allowed"); n == 0 || n > 95 {
		t.Errorf("%d of 100 requests were refused", n)
	}
	if n := refused(t, answers(100, list(b)), "nothing"); n != 0 {
		t.Errorf("%d requests of the neighbour were refused", n)
	}
	for range 20 {
		limit(t, s, "default", `{"queued":7}`)
	}
	for body, message := range map[string]string{
		`{"limits":{"runs":0}}`: "out of bounds", `{"limits":{"runs":1000001}}`: "between 1 and 1000000", `{"limits":{"code_bytes":1125899906842625}}`: "of 1125899906842625 is out", `{"limits":{"runs":1.5}}`: "whole number",
		`{"limits":{"runs":"2"}}`: "not a number", `{"limits":{"walks":2}}`: "walks", `{"runs":2}`: "runs", `{"limits":[]}`: "not an object", `[]`: "",
	} {
		if r := s.Do(t, "PATCH", "/v1/tenants/tenant-a", body, nil); r.Status != 400 || !strings.Contains(r.Body, message) {
			t.Errorf("%s: %d %s", body, r.Status, r.Body)
		}
	}
	limit(t, s, "tenant-a", `{"requests_per_second":null,"request_burst":null}`)
	if n := refused(t, answers(100, list(a)), "nothing"); n != 0 {
		t.Errorf("%d requests were refused without a limit", n)
	}
}

// TestStorageLimitsOfTenants lets one tenant deploy and create more than it may, with requests that arrive
// at once; a neighbour is not kept out, and the usage has what is stored.
func TestStorageLimitsOfTenants(t *testing.T) {
	t.Parallel()
	s := apitest.StartJobs(t, nil)
	a, b := newTenant(t, s, "tenant-a"), newTenant(t, s, "tenant-b")
	limit(t, s, "tenant-a", `{"functions":3,"code_bytes":1048576,"stored_bytes":8192,"egress_bytes":1000,"egress_hosts":["*.Example.com:443"]}`)
	full := func(all []apitest.Answer, message string) (n int) {
		t.Helper()
		for _, r := range all {
			switch {
			case r.Status == 200:
			case r.Status == 429 && r.Header.Get("Retry-After") == "10" && strings.Contains(r.Body, message) && strings.Contains(r.Body, "operator"):
				n++
			default:
				t.Errorf("%d %v %s", r.Status, r.Header, r.Body)
			}
		}
		return n
	}
	// numbered sends 12 requests at once, each with a number of its own.
	numbered := func(send func(i int) apitest.Answer) []apitest.Answer {
		next := make(chan int, 12)
		for i := range cap(next) {
			next <- i
		}
		return answers(cap(next), func() apitest.Answer { return send(<-next) })
	}
	put := func(n tenantOf, name string) apitest.Answer {
		return n.do(t, "PUT", "/v1/functions", fmt.Sprintf(`{"name":%q,"code":"def main(args, context): pass","memory":64}`, name), nil)
	}
	deploy := func(n tenantOf) []apitest.Answer {
		return numbered(func(i int) apitest.Answer { return put(n, fmt.Sprint("f", i)) })
	}
	job := func(n tenantOf) []apitest.Answer {
		return numbered(func(i int) apitest.Answer {
			return n.do(t, "POST", "/v0/jobs", fmt.Sprintf(`{"metadata":{"name":"j%d"},"spec":{"function":"mine"}}`, i), nil)
		})
	}
	for _, n := range []tenantOf{a, b} {
		if _, err := s.Engine.CreateFunction(t.Context(), runtime.FunctionSpec{Tenant: runtime.Tenant(n.name), Name: "mine", Source: []byte("def main(args, context): pass\n"), Limits: runtime.Limits{Memory: runtime.MinMemory, Tmp: runtime.MiB}}); err != nil {
			t.Fatal(err)
		}
	}
	if n := full(deploy(a), "has 3 functions, and may have 3"); n != 10 {
		t.Errorf("%d of 12 deployments were refused, want 10", n)
	}
	if n := full(job(a), "queued executions, jobs and callbacks"); n == 0 || n == 12 {
		t.Errorf("%d of 12 jobs were refused", n)
	}
	if n := full(job(b), "nothing"); n != 0 {
		t.Errorf("%d jobs of the neighbour were refused", n)
	}
	if n := full(deploy(b), "nothing"); n != 0 {
		t.Errorf("%d deployments of the neighbour were refused", n)
	}
	usage := a.ok(t, "GET", "/v1/usage", "", nil).Body
	if !strings.Contains(usage, `"functions":3,"code_bytes":`) || !strings.Contains(usage, `"egress_hosts":["*.example.com:443"]`) {
		t.Error(usage)
	}
	a.ok(t, "DELETE", "/v1/functions/mine", "", nil)
	if n := full([]apitest.Answer{put(a, "again"), put(a, "more")}, "has 3 functions"); n != 1 {
		t.Errorf("after a deletion %d of 2 deployments were refused", n)
	}
}
