package httpapi_test

import (
	"context"
	"testing"
	"time"

	"github.com/faaspot/faaspot/httpapi"
	"github.com/faaspot/faaspot/httpapi/internal/apitest"
	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/httpapi/wire"
	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/memory"
)

// fillWaits takes the places of all requests that may wait for one group. leave frees one of them.
func fillWaits(t *testing.T, s *httpapi.Server, tenant runtime.Tenant, group string) (leave func()) {
	t.Helper()
	for range web.MaxGroupWaiting {
		_, l, err := s.Host().Wait(nil, tenant, group, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		leave = l
		t.Cleanup(l)
	}
	return leave
}

// TestWaitersAreBounded checks that one waiting request too many is refused at once, and that
// requests that do not wait, or wait for another function, are served meanwhile.
func TestWaitersAreBounded(t *testing.T) {
	t.Parallel()
	fake := &apitest.Fake{}
	ts := apitest.Start(t, fake, nil)
	other := apitest.ID[:len(apitest.ID)-1] + "e"
	x := apitest.ExecutionAt(other, runtime.StateRunning)
	x.Function = "g"
	fake.All = map[string]runtime.Execution{apitest.ID: apitest.ExecutionAt(apitest.ID, runtime.StateRunning), other: x}
	leave := fillWaits(t, ts.Server, runtime.DefaultTenant, web.FunctionGroup("f"))
	for _, path := range []string{"?wait=1", "/logs?follow=1"} {
		a := ts.Do(t, "GET", "/v1/executions/"+apitest.ID+path, "", nil)
		apitest.WantError(t, a, 429, "too_busy")
		if a.Header.Get("Retry-After") != "5" {
			t.Errorf("Retry-After %q", a.Header.Get("Retry-After"))
		}
	}
	for _, path := range []string{apitest.ID, other + "?wait=0.001"} {
		if a := ts.Do(t, "GET", "/v1/executions/"+path, "", nil); a.Status != 200 {
			t.Errorf("%s: %d", path, a.Status)
		}
	}
	if n := ts.Waiting(); n != web.MaxGroupWaiting {
		t.Errorf("%d wait", n)
	}
	leave()
	if a := ts.Do(t, "GET", "/v1/executions/"+apitest.ID+"?wait=0.001", "", nil); a.Status != 200 {
		t.Errorf("the last place: %d", a.Status)
	}
}

// TestPlacesAreShared takes places until there are none: no group, tenant or server has more than
// its bound, and what is refused leaves nothing behind.
func TestPlacesAreShared(t *testing.T) {
	t.Parallel()
	h := apitest.Start(t, &apitest.Fake{}, nil).Host()
	var leaves []func()
	number := func(tenant runtime.Tenant, group string) (n int) {
		for {
			_, leave, err := h.Wait(nil, tenant, group, time.Hour)
			if runtime.CodeOf(err) == runtime.CodeTooBusy {
				return n
			} else if err != nil {
				t.Fatal(err)
			}
			leaves = append(leaves, leave)
			n++
		}
	}
	for round := range 2 {
		for _, c := range []struct {
			tenant runtime.Tenant
			group  string
			want   int
		}{
			{"a", "f", web.MaxGroupWaiting},
			{"a", "g", web.MaxTenantWaiting - web.MaxGroupWaiting},
			{"a", "h", 0},
			{"b", "f", web.MaxGroupWaiting},
			{"c", "f", web.MaxWaiting - web.MaxTenantWaiting - web.MaxGroupWaiting},
			{"d", "f", 0},
		} {
			if got := number(c.tenant, c.group); got != c.want {
				t.Errorf("round %d: %s got %d places for %s, want %d", round, c.tenant, got, c.group, c.want)
			}
		}
		for _, leave := range leaves {
			leave()
			leave()
		}
		leaves = nil
		if n := h.Waiting(); n != 0 {
			t.Errorf("%d places are taken", n)
		}
	}
}

// TestRunsWithoutAPlace are refused before they are accepted.
func TestRunsWithoutAPlace(t *testing.T) {
	t.Parallel()
	fake := &apitest.Fake{}
	ts := apitest.Start(t, fake, nil)
	fake.All = map[string]runtime.Execution{apitest.ID: apitest.ExecutionAt(apitest.ID, runtime.StateSucceeded)}
	leave := fillWaits(t, ts.Server, runtime.DefaultTenant, web.FunctionGroup("f"))
	for _, h := range []apitest.Header{{"X-Retries": "0"}, {"Idempotency-Key": "k"}} {
		apitest.WantError(t, ts.Do(t, "POST", "/v1/sync/functions/f/rpc/", "{}", h), 429, "too_busy")
	}
	if n := len(fake.Submitted); n != 0 {
		t.Errorf("%d runs were accepted", n)
	}
	leave()
	if a := ts.Do(t, "POST", "/v1/sync/functions/f/rpc/", "{}", apitest.Header{"X-Retries": "0"}); a.Status != 200 || len(fake.Submitted) != 1 {
		t.Errorf("got %+v, accepted %d", a, len(fake.Submitted))
	}
}

// TestAcceptedRunsAreNeverRefused has the wait of an accepted run end early, in each way: the
// answer is not one that says that nothing was done.
func TestAcceptedRunsAreNeverRefused(t *testing.T) {
	t.Parallel()
	big := apitest.ExecutionAt(apitest.ID, runtime.StateSucceeded)
	big.ResultSize = 6 * runtime.MiB
	for name, c := range map[string]struct {
		x   runtime.Execution
		err error
	}{
		"still running":       {x: apitest.ExecutionAt(apitest.ID, runtime.StateRunning)},
		"server stops":        {err: runtime.ShuttingDownError()},
		"no room to wait":     {err: runtime.Errorf(runtime.CodeTooBusy, "busy")},
		"no memory to answer": {x: big},
	} {
		fake := &apitest.Fake{}
		ts := apitest.StartTCP(t, fake, func(o *httpapi.Options) { o.Memory = memory.New(4*runtime.MiB, nil) })
		fake.OnAwait = func(context.Context, string) (runtime.Execution, error) { return c.x, c.err }
		a := ts.Do(t, "POST", "/v1/sync/functions/f/rpc/", "{}", apitest.Header{"Idempotency-Key": "k"})
		m := apitest.WantError(t, a, 504, "unfinished")
		if m["execution_id"] != apitest.ID || a.Header.Get("X-Execution-Id") != apitest.ID || a.Header.Get("Retry-After") != "" {
			t.Errorf("%s: got %v, %v", name, m, a.Header)
		}
	}
}

// TestHangUpsFreePlaces has clients wait, and follow, and hang up.
func TestHangUpsFreePlaces(t *testing.T) {
	t.Parallel()
	fake := &apitest.Fake{}
	ts := apitest.StartTCP(t, fake, nil)
	fake.All = map[string]runtime.Execution{apitest.ID: apitest.ExecutionAt(apitest.ID, runtime.StateRunning)}
	fake.OnAwait = func(ctx context.Context, _ string) (runtime.Execution, error) {
		<-ctx.Done()
		return fake.All[apitest.ID], nil
	}
	fake.OnLogs = func(ctx context.Context, from runtime.LogPosition) (runtime.LogPage, error) {
		if from.Attempt == 1 {
			<-ctx.Done()
		}
		return runtime.LogPage{State: runtime.StateRunning, Attempt: 1, Next: runtime.LogPosition{Attempt: 1}}, nil
	}
	const tail = " HTTP/1.1\r\nHost: a\r\n" + apitest.AuthLine
	var clients []*apitest.RawConn
	for _, request := range []string{
		"GET /v1/executions/" + apitest.ID + "?wait=200" + tail + "\r\n",
		"POST /v1/sync/functions/f/rpc/" + tail + "X-Retries: 0\r\nContent-Length: 2\r\n\r\n{}",
		"GET /v1/executions/" + apitest.ID + "/logs?follow=1" + tail + "\r\n",
		// The beginning of another request does not hide that the client hangs up.
		"GET /v1/executions/" + apitest.ID + "?wait=200" + tail + "\r\nGET /",
	} {
		c := apitest.DialRaw(t, ts.Addr)
		c.Send(t, request)
		clients = append(clients, c)
	}
	apitest.Eventually(t, func() bool { return ts.Waiting() == int64(len(clients)) })
	for _, c := range clients {
		_ = c.Close()
	}
	apitest.Eventually(t, func() bool { return ts.Waiting() == 0 })
}

// TestTriggersBeyondTheRoomForWaiting start nothing.
func TestTriggersBeyondTheRoomForWaiting(t *testing.T) {
	t.Parallel()
	s := apitest.StartJobs(t, nil)
	s.CreateJob(t, "j", `,"triggers":[{"id":"now","type":"http","configuration":{"path":"a/now","tasks":[{"of":"the trigger"}]}}]`)
	leave := fillWaits(t, s.Server, runtime.DefaultTenant, web.JobGroup("j"))
	apitest.WantError(t, s.Do(t, "POST", "/v0/jobs/j/triggers/a/now", "", nil), 429, "too_busy")
	leave()
	var list []wire.JobExecution[string]
	if s.Ask(t, "GET", "/v0/jobs/j/executions", "", nil, &list); len(list) != 0 {
		t.Errorf("%d executions", len(list))
	}
}
