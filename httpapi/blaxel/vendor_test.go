package blaxel_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/faaspot/faaspot/httpapi/internal/apitest"
	"github.com/faaspot/faaspot/httpapi/wire"
	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/engine"
)

// TestListedExecutionsHaveTasks checks that both forms of the list have the first tasks of each
// execution, and the number of all.
func TestListedExecutionsHaveTasks(t *testing.T) {
	t.Parallel()
	s := apitest.StartJobs(t, nil)
	s.CreateJob(t, "j", "")
	s.AwaitEnd(t, "j", s.Start(t, "j", `{"tasks":[{"do":"fail"},{}],"executionId":"few"}`))
	s.AwaitEnd(t, "j", s.Start(t, "j", `{"tasks":[`+strings.Repeat(`{},`, 24)+`{}],"executionId":"many"}`))
	var bare []wire.JobExecution[string]
	var page wire.Page[wire.JobExecution[string]]
	s.Ask(t, "GET", "/v0/jobs/j/executions", "", nil, &bare)
	s.Ask(t, "GET", "/v0/jobs/j/executions", "", apitest.Paged, &page)
	for _, list := range [][]wire.JobExecution[string]{bare, page.Data} {
		if len(list) != 2 {
			t.Fatalf("%+v", list)
		}
		many, few := list[0], list[1]
		if len(many.Tasks) != 20 || len(many.Spec.Tasks) != 20 || many.Spec.TaskCount != 25 || many.Tasks[19].Metadata.Name != "task-19" {
			t.Errorf("%d tasks, %d requested, of %d", len(many.Tasks), len(many.Spec.Tasks), many.Spec.TaskCount)
		}
		if len(few.Tasks) != 2 || len(few.Spec.Tasks) != 2 || few.Tasks[0].Status != wire.TaskFailed || few.Tasks[1].Status != wire.TaskSucceeded {
			t.Errorf("%+v", few)
		}
	}
}

// TestLongMessagesAreCutInLists checks that a list of failures with the longest messages is whole.
func TestLongMessagesAreCutInLists(t *testing.T) {
	t.Parallel()
	s := apitest.StartJobs(t, nil)
	s.CreateJob(t, "j", "")
	for range 10 {
		s.Start(t, "j", `{"tasks":[{"do":"long"},{"do":"long"},{"do":"long"},{"do":"long"},{}]}`)
	}
	var list []wire.JobExecution[string]
	s.Ask(t, "GET", "/v0/jobs/j/executions?limit=1", "", nil, &list)
	s.AwaitEnd(t, "j", list[0].Metadata.ID)
	s.Ask(t, "GET", "/v0/jobs/j/executions?limit=100", "", nil, &list)
	if len(list) != 10 {
		t.Fatalf("%d executions", len(list))
	}
	for _, x := range list {
		for _, task := range x.Tasks {
			if _, message := task.Failure(); len(message) > 1100 || task.Status == wire.TaskFailed && len(message) < 1000 {
				t.Fatalf("a message of %d bytes", len(message))
			}
		}
	}
}

// TestRequestedTasks checks the members of spec.tasks.
func TestRequestedTasks(t *testing.T) {
	t.Parallel()
	s := apitest.StartJobs(t, nil)
	s.CreateJob(t, "j", `,"runtime":{"timeout":120}`)
	x := s.AwaitEnd(t, "j", s.Start(t, "j", `{"tasks":[{},{}]}`))
	for i, requested := range x.Spec.Tasks {
		if requested.Conditions == nil || len(requested.Conditions) != 0 || requested.Status != wire.TaskUnspecified ||
			requested.Spec != x.Tasks[i].Spec || requested.Metadata.Name != wire.TaskName(i) || requested.Metadata.CreatedAt != x.Metadata.CreatedAt ||
			requested.Metadata.ScheduledAt == "" || requested.Metadata.UpdatedAt == "" || requested.Metadata.StartedAt == nil || requested.Metadata.CompletedAt == nil {
			t.Errorf("%+v", requested)
		}
	}
}

// TestTimeoutsForTheVendorsSDKs checks that the vendor's SDKs, which wait for succeeded, failed or
// cancelled, get failed as the status of an execution whose tasks ran out of time, and that
// statusReason has the reason for every client.
func TestTimeoutsForTheVendorsSDKs(t *testing.T) {
	t.Parallel()
	s := apitest.StartJobs(t, nil)
	s.CreateJob(t, "j", "")
	x := s.AwaitEnd(t, "j", s.Start(t, "j", `{"tasks":[{"do":"timeout"}],"executionId":"late"}`))
	if x.Status != wire.JobTimeout || x.StatusReason != wire.JobTimeout {
		t.Errorf("%s, because of %q", x.Status, x.StatusReason)
	}
	if other := s.AwaitEnd(t, "j", s.Start(t, "j", `{"tasks":[{"do":"timeout"},{"do":"fail"}],"executionId":"both"}`)); other.Status != wire.JobFailed || other.StatusReason != "" {
		t.Errorf("%s, because of %q", other.Status, other.StatusReason)
	}
	for agent, want := range map[string]wire.JobStatus{
		"blaxel/sdk/typescript/0.3.21 (linux/x64) blaxel/3ccc635": wire.JobFailed,
		"blaxel/sdk/typescript/0.2.71 (linux/x64) blaxel/625389c": wire.JobFailed,
		"blaxel/sdk/python/0.4.24 (linux/x64) blaxel/unknown":     wire.JobFailed,
		"Blaxel/Go 0.26.4": wire.JobTimeout,
		"curl/8.0":         wire.JobTimeout,
	} {
		h := apitest.Header{"User-Agent": agent, "Blaxel-Version": "2026-04-28"}
		var x wire.JobExecution[string]
		for _, method := range []string{"GET", "DELETE"} {
			if s.Ask(t, method, "/v0/jobs/j/executions/late", "", h, &x); x.Status != want || x.StatusReason != wire.JobTimeout || x.Tasks[0].Conditions[2].ExecutionReason != "timeout" {
				t.Errorf("%s by %s: %s because of %q", method, agent, x.Status, x.StatusReason)
			}
		}
		var page wire.Page[wire.JobExecution[string]]
		if s.Ask(t, "GET", "/v0/jobs/j/executions?q=late", "", h, &page); page.Data[0].Status != want {
			t.Errorf("listed for %s: %s", agent, page.Data[0].Status)
		}
	}
}

// TestEnvironmentOfAnExecution checks both forms of the masked environment.
func TestEnvironmentOfAnExecution(t *testing.T) {
	t.Parallel()
	s := apitest.StartJobs(t, nil)
	s.CreateJob(t, "j", "")
	s.AwaitEnd(t, "j", s.Start(t, "j", `{"tasks":[{}],"env":{"B":"s3cret","A":"s3cret"},"executionId":"x"}`))
	for version, want := range map[string]string{
		"": `"{\"A\":\"***\",\"B\":\"***\"}"`, "2026-04-28": `"{\"A\":\"***\",\"B\":\"***\"}"`, "2026-09-21": `"{\"A\":\"***\",\"B\":\"***\"}"`,
		"2026-09-22": `{"A":"***","B":"***"}`, "2027-01-01": `{"A":"***","B":"***"}`,
	} {
		h := apitest.Header{}
		if version != "" {
			h["Blaxel-Version"] = version
		}
		if a := s.Ask(t, "GET", "/v0/jobs/j/executions/x", "", h, nil); !strings.Contains(a.Body, `"envOverride":`+want+`,`) {
			t.Errorf("%q: %s", version, a.Body)
		}
		if a := s.Ask(t, "GET", "/v0/jobs/j/executions", "", h, nil); !strings.Contains(a.Body, `"envOverride":`+want+`,`) {
			t.Errorf("%q: listed as %s", version, a.Body)
		}
	}
}

// TestWholeNumbers checks that the limits of an execution are whole numbers, rounded up, and that
// those of its tasks are exact.
func TestWholeNumbers(t *testing.T) {
	t.Parallel()
	s := apitest.StartJobs(t, nil)
	s.CreateJob(t, "j", `,"runtime":{"timeout":1.5,"memory":100}`)
	a := s.Ask(t, "GET", "/v0/jobs/j/executions/"+s.Start(t, "j", `{"tasks":[{}],"memory":64.25}`)+"?wait=60", "", nil, nil)
	for _, want := range []string{`"memoryOverride":65,`, `"timeout":2}`, `"timeout":"1.5s"`} {
		if !strings.Contains(a.Body, want) {
			t.Errorf("no %s in %s", want, a.Body)
		}
	}
}

// TestDatesOfAnEnd checks that an execution that has ended has the date at which it expires, and
// one that was cancelled the date of that.
func TestDatesOfAnEnd(t *testing.T) {
	t.Parallel()
	s := apitest.StartJobs(t, nil)
	s.CreateJob(t, "j", "")
	id := s.Start(t, "j", `{"tasks":[{"do":"gate"},{}],"parallelism":1}`)
	var x wire.JobExecution[string]
	if s.Ask(t, "GET", "/v0/jobs/j/executions/"+id, "", nil, &x); x.Metadata.ExpiredAt != nil || x.Metadata.DeletedAt != nil {
		t.Errorf("unfinished: %+v", x.Metadata)
	}
	s.Ask(t, "DELETE", "/v0/jobs/j/executions/"+id, "", nil, nil)
	close(s.Sandbox.Gate)
	x = s.AwaitEnd(t, "j", id)
	if m := x.Metadata; x.Status != wire.JobCancelled || m.DeletedAt == nil || *m.DeletedAt != *m.CompletedAt {
		t.Errorf("cancelled: %+v", m)
	}
	done := s.AwaitEnd(t, "j", s.Start(t, "j", `{"tasks":[{}]}`))
	var list []wire.JobExecution[string]
	s.Ask(t, "GET", "/v0/jobs/j/executions", "", nil, &list)
	for _, m := range []wire.JobExecutionMetadata[string]{x.Metadata, done.Metadata, list[0].Metadata, list[1].Metadata} {
		completed, err := time.Parse(time.RFC3339, *m.CompletedAt)
		if err != nil || m.ExpiredAt == nil || *m.ExpiredAt != completed.Add(engine.DefaultRetentionAge).Format("2006-01-02T15:04:05.000000Z") {
			t.Errorf("%+v", m)
		}
	}
	if done.Metadata.DeletedAt != nil {
		t.Errorf("succeeded: %+v", done.Metadata)
	}
}

// TestRunURL checks the path at which the vendor's earlier SDKs start executions.
func TestRunURL(t *testing.T) {
	t.Parallel()
	s := apitest.StartJobs(t, nil)
	s.CreateJob(t, "j", "")
	for _, path := range []string{"/default/jobs/j/executions", "/default/jobs/j/executions/", "/v0/default/jobs/j/executions"} {
		var created wire.StartJobResponse
		s.Ask(t, "POST", path, `{"tasks":[{"a":1}]}`, nil, &created)
		if x := s.AwaitEnd(t, "j", created.ExecutionID); created.JobID != "j" || x.Status != wire.JobSucceeded {
			t.Errorf("%s: %+v", path, created)
		}
	}
	for _, path := range []string{"/other/jobs/j/executions", "/default/jobs/none/executions", "/default/jobs/j/other"} {
		m := apitest.WantError(t, s.Do(t, "POST", path, `{"tasks":[{}]}`, nil), 404, "not_found")
		if m["error"] != "not_found" || m["code"] != 404.0 {
			t.Errorf("%s: %v", path, m)
		}
	}
	apitest.WantError(t, s.Do(t, "GET", "/default/jobs/j/executions", "", nil), 405, "method_not_allowed")
	// The body may be as large as at the other path.
	large := fmt.Sprintf(`{"tasks":[%s{}]}`, strings.Repeat(`{"a":"`+strings.Repeat("x", 100*runtime.KiB)+`"},`, 100))
	s.Ask(t, "POST", "/default/jobs/j/executions", large, nil, nil)
}

// TestTriggersOfTheDocument checks triggers that the vendor's document allows.
func TestTriggersOfTheDocument(t *testing.T) {
	t.Parallel()
	s := apitest.StartJobs(t, nil)
	const body = `{"metadata":{"name":"j"},"spec":{"function":"hello.py","runtime":{"timeout":600},"triggers":[
		{"id":"t","type":"http","configuration":{"path":"a","authenticationType":"blaxel"}},
		{"id":"t","type":"http-async","configuration":{"path":"b","timeout":300,"callbackUrl":"https://a.example/"}},
		{"id":"t-2","type":"http-async","configuration":{"path":"c","timeout":900}},
		{"id":"t","type":"cron","configuration":{"schedule":"0 3 * * *","timeout":60}}]}}`
	var created, again wire.Job[string]
	s.Ask(t, "POST", "/v0/jobs", body, nil, &created)
	ids := func(j *wire.Job[string]) (ids []string) {
		for _, trigger := range j.Spec.Triggers {
			ids = append(ids, trigger.ID)
		}
		return ids
	}
	if want := []string{"t", "t-3", "t-2", "t-4"}; !slices.Equal(ids(&created), want) {
		t.Errorf("%q", ids(&created))
	}
	secret := created.Spec.Triggers[1].Configuration.CallbackSecret
	s.Ask(t, "PUT", "/v0/jobs/j", body, nil, &again)
	j, err := s.Engine.GetJob(t.Context(), runtime.DefaultTenant, "j")
	if err != nil || !slices.Equal(ids(&again), ids(&created)) || again.Spec.Revision.Active != "1" || j.Spec.Triggers[1].CallbackSecret != secret {
		t.Errorf("applied again: %+v, %v", again.Spec, err)
	}
	// The timeout of a trigger bounds that of the job's tasks.
	for path, want := range map[string]int64{"a": 600, "b": 300, "c": 600} {
		a := s.Ask(t, "POST", "/v0/jobs/j/triggers/"+path, `{}`, nil, nil)
		id, _ := a.Object(t)["executionId"].(string)
		if metadata, ok := a.Object(t)["metadata"].(map[string]any); ok {
			id = metadata["id"].(string)
		}
		if x := s.AwaitEnd(t, "j", id); x.Spec.Timeout != want {
			t.Errorf("%s: %d s", path, x.Spec.Timeout)
		}
	}
}
