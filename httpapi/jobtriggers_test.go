package httpapi

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

const hooked = `,"triggers":[
  {"id":"now","type":"http","configuration":{"path":"a/now","tasks":[{"of":"the trigger"}]}},
  {"id":"later","type":"http-async","configuration":{"path":"later"}},
  {"id":"brief","type":"http","configuration":{"path":"brief","timeout":0.05}},
  {"id":"off","type":"http","enabled":false,"configuration":{"path":"off"}},
  {"id":"night","type":"cron","enabled":false,"configuration":{"schedule":"@daily","tasks":[{}]}}]`

// TestTriggersForRequests: what is run, and what is answered when.
func TestTriggersForRequests(t *testing.T) {
	s := startJobs(t, nil)
	s.createJob(t, "j", hooked)
	for body, want := range map[string][]string{
		"":                             {`{"of":"the trigger"}`},
		" \n":                          {`{"of":"the trigger"}`},
		`{"tasks":[]}`:                 {`{"of":"the trigger"}`},
		`{}`:                           {`{}`},
		`{"a":1}`:                      {`{"a":1}`},
		`{"tasks":[{"a":1},{"b":2}]}`:  {`{"a":1}`, `{"b":2}`},
		`{"tasks":{"a":1}}`:            {`{"tasks":{"a":1}}`},
		`{"tasks":[{"a":1}],"b":true}`: {`{"tasks":[{"a":1}],"b":true}`},
	} {
		var x toldJobExecution
		s.ask(t, "POST", "/v0/jobs/j/triggers/a/now", body, nil, &x)
		var outputs []string
		for _, r := range x.Results {
			outputs = append(outputs, string(r.Output))
		}
		if x.Status != "succeeded" || !slices.Equal(outputs, want) || x.Metadata.Trigger != "now" {
			t.Errorf("%q: %+v %q", body, x, outputs)
		}
	}
	var x toldJobExecution
	s.ask(t, "POST", "/v0/jobs/j/triggers/a/now/", `{"tasks":[{"do":"large"},{"do":"fail"}]}`, nil, &x)
	if x.Status != "failed" || len(x.Results[0].Output) < runtime.ListedResult || x.Results[1].Error == nil || x.Results[1].Error.Code != "function_error" {
		t.Errorf("%+v", x)
	}

	a := s.ask(t, "POST", "/v0/jobs/j/triggers/later", `{"a":1}`, header{"Idempotency-Key": "k"}, nil)
	again := s.ask(t, "POST", "/v0/jobs/j/triggers/later", `{"a":1}`, header{"Idempotency-Key": "k"}, nil)
	id := a.object(t)["executionId"]
	if want := fmt.Sprintf(`{"executionId":%q,"id":"k","jobId":"j","tasks":[{"a":1}],"workspaceId":"default"}`, id); a.body != want || again.body != want {
		t.Errorf("%s, and again %s", a.body, again.body)
	}
	if a := s.ask(t, "POST", "/v0/jobs/j/triggers/later", "", nil, nil); !strings.Contains(a.body, `"tasks":[{}]`) {
		t.Error(a.body)
	}

	// When its time is up it is answered as it stands, and goes on.
	x = toldJobExecution{}
	s.ask(t, "POST", "/v0/jobs/j/triggers/brief", `{"do":"gate"}`, nil, &x)
	if x.Status.Terminal() || len(x.Results) != 1 || x.Results[0].Status == taskSucceeded {
		t.Errorf("%+v", x)
	}
	close(s.sandbox.gate)
	if x := s.ended(t, "j", x.Metadata.ID); x.Status != "succeeded" {
		t.Errorf("%+v", x)
	}

	for _, path := range []string{"off", "night", "none", "a", "now", "a/now/b", "a//now", "..", ""} {
		a := s.do(t, "POST", "/v0/jobs/j/triggers/"+path, "", nil)
		wantError(t, a, 404, "not_found")
	}
	wantError(t, s.do(t, "GET", "/v0/jobs/j/triggers/a/now", "", nil), 405, "method_not_allowed")
	wantError(t, s.do(t, "POST", "/v0/jobs/none/triggers/a/now", "", nil), 404, "not_found")
	for _, body := range []string{"[]", "1", `{"tasks":[1]}`, `{"a":1,"a":2}`} {
		wantError(t, s.do(t, "POST", "/v0/jobs/j/triggers/a/now", body, nil), 400, "invalid_argument")
	}
}

// TestTriggerAgainOnceItsExecutionIsDropped: the key still finds what it has
// started, though not how that ended, and nothing is started again.
func TestTriggerAgainOnceItsExecutionIsDropped(t *testing.T) {
	s := startJobs(t, nil)
	s.createJob(t, "j", hooked)
	trigger := func() answer {
		return s.ask(t, "POST", "/v0/jobs/j/triggers/a/now", "", header{"Idempotency-Key": "k"}, nil)
	}
	var x toldJobExecution
	if err := json.Unmarshal([]byte(trigger().body), &x); err != nil || x.Status != "succeeded" {
		t.Fatal(x, err)
	}
	if again := trigger(); again.header.Get(headerReplayed) != "true" || !strings.Contains(again.body, `"succeeded"`) {
		t.Errorf("again: %s", again.body)
	}
	if err := s.store.Expire(time.Now(), 0, 0); err != nil {
		t.Fatal(err)
	}
	wantError(t, s.do(t, "GET", "/v0/jobs/j/executions/"+x.Metadata.UUID, "", nil), 404, "not_found")
	again := trigger()
	want := fmt.Sprintf(`{"executionId":%q,"id":"k","jobId":"j","tasks":[{"of":"the trigger"}],"workspaceId":"default"}`, x.Metadata.ID)
	if again.header.Get(headerReplayed) != "true" || again.body != want {
		t.Errorf("once it is dropped: %s, want %s", again.body, want)
	}
	var list []toldJobExecution
	if s.ask(t, "GET", "/v0/jobs/j/executions", "", nil, &list); len(list) != 0 {
		t.Errorf("%d executions", len(list))
	}
}

// TestTriggersBeyondTheRoomForWaiting start nothing.
func TestTriggersBeyondTheRoomForWaiting(t *testing.T) {
	s := startJobs(t, nil)
	s.createJob(t, "j", hooked)
	s.waiting.Add(maxWaiting)
	wantError(t, s.do(t, "POST", "/v0/jobs/j/triggers/a/now", "", nil), 429, "too_busy")
	s.waiting.Add(-maxWaiting)
	var list []toldJobExecution
	if s.ask(t, "GET", "/v0/jobs/j/executions", "", nil, &list); len(list) != 0 {
		t.Errorf("%d executions", len(list))
	}
}
