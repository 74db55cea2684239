package httpapi_test

import (
	"sync"
	"testing"
	"time"

	"github.com/faaspot/faaspot/httpapi"
	"github.com/faaspot/faaspot/httpapi/internal/apitest"
	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/httpapi/wire"
	"github.com/faaspot/faaspot/runtime"
)

// fillWaits takes the places of all requests that may wait. leave frees one of them.
func fillWaits(t *testing.T, s *httpapi.Server) (leave func()) {
	t.Helper()
	for range web.MaxWaiting {
		_, l, err := s.Host().Wait(time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		leave = l
		t.Cleanup(l)
	}
	return sync.OnceFunc(leave)
}

// TestWaitersAreBounded checks that one waiting request too many is refused at once, and that
// requests that do not wait are served meanwhile.
func TestWaitersAreBounded(t *testing.T) {
	t.Parallel()
	fake := &apitest.Fake{}
	ts := apitest.Start(t, fake, nil)
	fake.All = map[string]runtime.Execution{apitest.ID: apitest.ExecutionAt(apitest.ID, runtime.StateRunning)}
	leave := fillWaits(t, ts.Server)
	for _, path := range []string{"?wait=1", "/logs?follow=1"} {
		a := ts.Do(t, "GET", "/v1/executions/"+apitest.ID+path, "", nil)
		apitest.WantError(t, a, 429, "too_busy")
		if a.Header.Get("Retry-After") != "5" {
			t.Errorf("Retry-After %q", a.Header.Get("Retry-After"))
		}
	}
	if a := ts.Do(t, "GET", "/v1/executions/"+apitest.ID, "", nil); a.Status != 200 {
		t.Errorf("without wait: %d", a.Status)
	}
	if n := ts.Waiting(); n != web.MaxWaiting {
		t.Errorf("%d wait", n)
	}
	leave()
	if a := ts.Do(t, "GET", "/v1/executions/"+apitest.ID+"?wait=0.001", "", nil); a.Status != 200 {
		t.Errorf("the last place: %d", a.Status)
	}
}

// TestTriggersBeyondTheRoomForWaiting start nothing.
func TestTriggersBeyondTheRoomForWaiting(t *testing.T) {
	t.Parallel()
	s := apitest.StartJobs(t, nil)
	s.CreateJob(t, "j", `,"triggers":[{"id":"now","type":"http","configuration":{"path":"a/now","tasks":[{"of":"the trigger"}]}}]`)
	leave := fillWaits(t, s.Server)
	apitest.WantError(t, s.Do(t, "POST", "/v0/jobs/j/triggers/a/now", "", nil), 429, "too_busy")
	leave()
	var list []wire.JobExecution[string]
	if s.Ask(t, "GET", "/v0/jobs/j/executions", "", nil, &list); len(list) != 0 {
		t.Errorf("%d executions", len(list))
	}
}
