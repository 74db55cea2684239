package blaxel_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/faaspot/faaspot/httpapi/internal/apitest"
	"github.com/faaspot/faaspot/httpapi/wire"
	"github.com/faaspot/faaspot/runtime"
)

const hooked = `,"triggers":[
  {"id":"now","type":"http","configuration":{"path":"a/now","tasks":[{"of":"the trigger"}]}},
  {"id":"later","type":"http-async","configuration":{"path":"later"}},
  {"id":"brief","type":"http","configuration":{"path":"brief","timeout":0.05}},
  {"id":"off","type":"http","enabled":false,"configuration":{"path":"off"}},
  {"id":"night","type":"cron","enabled":false,"configuration":{"schedule":"@daily","tasks":[{}]}}]`

// TestTriggersForRequests checks which tasks a request runs, and when and with what the server
// responds.
func TestTriggersForRequests(t *testing.T) {
	t.Parallel()
	s := apitest.StartJobs(t, nil)
	s.CreateJob(t, "j", hooked)
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
		var x wire.JobExecution[string]
		s.Ask(t, "POST", "/v0/jobs/j/triggers/a/now", body, nil, &x)
		var outputs []string
		for _, r := range x.Results {
			outputs = append(outputs, string(r.Output))
		}
		if x.Status != "succeeded" || !slices.Equal(outputs, want) || x.Metadata.Trigger != "now" {
			t.Errorf("%q: %+v %q", body, x, outputs)
		}
	}
	var x wire.JobExecution[string]
	s.Ask(t, "POST", "/v0/jobs/j/triggers/a/now/", `{"tasks":[{"do":"large"},{"do":"fail"}]}`, nil, &x)
	if x.Status != "failed" || len(x.Results[0].Output) < runtime.ListedResult || x.Results[1].Error == nil || x.Results[1].Error.Code != "function_error" {
		t.Errorf("%+v", x)
	}

	a := s.Ask(t, "POST", "/v0/jobs/j/triggers/later", `{"a":1}`, apitest.Header{"Idempotency-Key": "k"}, nil)
	again := s.Ask(t, "POST", "/v0/jobs/j/triggers/later", `{"a":1}`, apitest.Header{"Idempotency-Key": "k"}, nil)
	id := a.Object(t)["executionId"]
	if want := fmt.Sprintf(`{"executionId":%q,"id":"k","jobId":"j","tasks":[{"a":1}],"workspaceId":"default"}`, id); a.Body != want || again.Body != want {
		t.Errorf("%s, and again %s", a.Body, again.Body)
	}
	if a := s.Ask(t, "POST", "/v0/jobs/j/triggers/later", "", nil, nil); !strings.Contains(a.Body, `"tasks":[{}]`) {
		t.Error(a.Body)
	}

	// After the timeout of the trigger the response has the current state, and the execution
	// continues.
	x = wire.JobExecution[string]{}
	s.Ask(t, "POST", "/v0/jobs/j/triggers/brief", `{"do":"gate"}`, nil, &x)
	if x.Status.Done() || len(x.Results) != 1 || x.Results[0].Status == wire.TaskSucceeded {
		t.Errorf("%+v", x)
	}
	close(s.Sandbox.Gate)
	if x := s.AwaitEnd(t, "j", x.Metadata.ID); x.Status != "succeeded" {
		t.Errorf("%+v", x)
	}

	for _, path := range []string{"off", "night", "none", "a", "now", "a/now/b", "a//now", "..", ""} {
		a := s.Do(t, "POST", "/v0/jobs/j/triggers/"+path, "", nil)
		apitest.WantError(t, a, 404, "not_found")
	}
	apitest.WantError(t, s.Do(t, "GET", "/v0/jobs/j/triggers/a/now", "", nil), 405, "method_not_allowed")
	apitest.WantError(t, s.Do(t, "POST", "/v0/jobs/none/triggers/a/now", "", nil), 404, "not_found")
	for _, body := range []string{"[]", "1", `{"tasks":[1]}`, `{"a":1,"a":2}`} {
		apitest.WantError(t, s.Do(t, "POST", "/v0/jobs/j/triggers/a/now", body, nil), 400, "invalid_argument")
	}
}

// TestTriggerAfterItsExecutionIsDropped checks that a request with the same key still returns
// the id of the dropped execution, without its results, and starts nothing.
func TestTriggerAfterItsExecutionIsDropped(t *testing.T) {
	t.Parallel()
	s := apitest.StartJobs(t, nil)
	s.CreateJob(t, "j", hooked)
	trigger := func() apitest.Answer {
		return s.Ask(t, "POST", "/v0/jobs/j/triggers/a/now", "", apitest.Header{"Idempotency-Key": "k"}, nil)
	}
	var x wire.JobExecution[string]
	if err := json.Unmarshal([]byte(trigger().Body), &x); err != nil || x.Status != "succeeded" {
		t.Fatal(x, err)
	}
	if again := trigger(); again.Header.Get("Idempotency-Replayed") != "true" || !strings.Contains(again.Body, `"succeeded"`) {
		t.Errorf("again: %s", again.Body)
	}
	if err := s.Store.Expire(time.Now().Add(time.Minute), runtime.Retention{Age: 1}); err != nil {
		t.Fatal(err)
	}
	apitest.WantError(t, s.Do(t, "GET", "/v0/jobs/j/executions/"+x.Metadata.UUID, "", nil), 404, "not_found")
	again := trigger()
	want := fmt.Sprintf(`{"executionId":%q,"id":"k","jobId":"j","tasks":[{"of":"the trigger"}],"workspaceId":"default"}`, x.Metadata.ID)
	if again.Header.Get("Idempotency-Replayed") != "true" || again.Body != want {
		t.Errorf("once it is dropped: %s, want %s", again.Body, want)
	}
	var list []wire.JobExecution[string]
	if s.Ask(t, "GET", "/v0/jobs/j/executions", "", nil, &list); len(list) != 0 {
		t.Errorf("%d executions", len(list))
	}
}
