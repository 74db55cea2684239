package blaxel_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/faaspot/faaspot/httpapi/blaxel"
	"github.com/faaspot/faaspot/httpapi/internal/apitest"
	"github.com/faaspot/faaspot/httpapi/wire"
	"github.com/faaspot/faaspot/runtime"
)

// TestJobResponses checks that the response has the job of the request, with masked secrets,
// and that sending the response back changes nothing.
func TestJobResponses(t *testing.T) {
	t.Parallel()
	s := apitest.StartJobs(t, nil)
	var got wire.Job[string]
	s.Ask(t, "POST", "/v0/jobs", apitest.WholeJob, nil, &got)
	want := wire.Job[string]{
		Metadata: wire.JobMetadata[string]{
			Name: "nightly", DisplayName: "Every night", Labels: map[string]string{"team": "a"},
			Workspace: "default", URL: "http://api.test/v0/jobs/nightly",
		},
		Spec: wire.JobSpec{
			Enabled: true, Function: "hello.py",
			Runtime: wire.JobRuntime{
				Memory: 64, Timeout: 90, MaxRetries: 2, MaxConcurrentTasks: 5,
				Envs: []wire.EnvVar{{Name: "OPEN", Value: "o"}, {Name: "KEY", Value: "***", Secret: true}},
			},
			Triggers: []wire.Trigger{
				{ID: "night", Type: "cron", Enabled: false, Configuration: wire.TriggerConfiguration{Schedule: "0 3 * * *", TimeZone: "Europe/Rome", Missed: "catchup", Tasks: []json.RawMessage{[]byte(`{"a":1}`)}}},
				{ID: "hook", Type: "http-async", Enabled: true, Configuration: wire.TriggerConfiguration{Path: "in/hook", CallbackURL: "https://a.example/b", CallbackSecret: "***", Retry: new(3)}},
				{ID: "once", Type: "http-async", Enabled: true, Configuration: wire.TriggerConfiguration{Path: "once", CallbackURL: "https://a.example/c", CallbackSecret: "***", Retry: new(0)}},
				{ID: "now", Type: "http", Enabled: true, Configuration: wire.TriggerConfiguration{Path: "now", Timeout: 1.5}},
			},
		},
		Status: "DEPLOYED",
	}
	want.Spec.Revision.Active = "1"
	given := cmpopts.IgnoreFields(wire.JobMetadata[string]{}, "CreatedAt", "UpdatedAt", "CreatedBy", "UpdatedBy", "RID")
	if diff := cmp.Diff(want, got, given); diff != "" {
		t.Error(diff)
	}
	m := got.Metadata
	if id, job, ok := runtime.ParseRID(m.RID); !ok || !job || id == "" || len(m.CreatedAt) != len(blaxel.TimeFormat) || m.CreatedAt != m.UpdatedAt {
		t.Errorf("%+v", m)
	}

	a := s.Ask(t, "GET", "/v0/jobs/nightly", "", nil, nil)
	var again wire.Job[string]
	back := s.Ask(t, "PUT", "/v0/jobs/nightly", a.Body, nil, &again)
	if a.Body != back.Body || strings.Contains(a.Body, "s3cret") {
		t.Errorf("got %s, and then %s", a.Body, back.Body)
	}
	j, err := s.Engine.GetJob(t.Context(), runtime.DefaultTenant, "nightly")
	if err != nil || j.Spec.Env[1].Value != "s3cret" || j.Spec.Triggers[1].CallbackSecret != "s3cret" || j.Revision != 1 {
		t.Errorf("stored %+v, %v", j, err)
	}
	if a := s.Do(t, "DELETE", "/v0/jobs/nightly", "", nil); a.Status != 200 || a.Body != back.Body {
		t.Errorf("deleted: %d %s", a.Status, a.Body)
	}
	for _, method := range []string{"GET", "DELETE"} {
		apitest.WantError(t, s.Do(t, method, "/v0/jobs/nightly", "", nil), 404, "not_found")
	}
	apitest.WantError(t, s.Do(t, "PUT", "/v0/jobs/nightly", apitest.WholeJob, nil), 404, "not_found")
}

// TestMaskedSecretsStay checks that *** means the stored secret, and is refused if none is stored.
func TestMaskedSecretsStay(t *testing.T) {
	t.Parallel()
	s := apitest.StartJobs(t, nil)
	const masked = `{"metadata":{"name":"j"},"spec":{"function":"hello.py","runtime":{"envs":[{"name":%q,"value":"***","secret":true}]}}}`
	apitest.WantError(t, s.Do(t, "POST", "/v0/jobs", fmt.Sprintf(masked, "KEY"), nil), 400, "invalid_argument")
	s.CreateJob(t, "j", `,"runtime":{"envs":[{"name":"KEY","value":"s3cret","secret":true}]}`)
	s.Ask(t, "PUT", "/v0/jobs/j", fmt.Sprintf(masked, "KEY"), nil, nil)
	apitest.WantError(t, s.Do(t, "PUT", "/v0/jobs/j", fmt.Sprintf(masked, "OTHER"), nil), 400, "invalid_argument")
	apitest.WantError(t, s.Do(t, "PUT", "/v0/jobs/j", `{"spec":{"function":"hello.py","triggers":[{"id":"t","type":"http-async","configuration":{"path":"p","callbackUrl":"http://a.example","callbackSecret":"***"}}]}}`, nil),
		400, "invalid_argument")
	s.AwaitEnd(t, "j", s.Start(t, "j", `{"tasks":[{}]}`))
	if got := s.Sandbox.Env; !slices.Equal(got, []string{`{"KEY":"s3cret"}`}) {
		t.Errorf("the task had %q", got)
	}
}

// TestGeneratedSecretIsShownOnce checks that only the response to the request that generated a
// secret shows it.
func TestGeneratedSecretIsShownOnce(t *testing.T) {
	t.Parallel()
	s := apitest.StartJobs(t, nil)
	const hook = `{"id":%q,"type":"http-async","configuration":{"path":%q,"callbackUrl":"http://a.example"}}`
	secret := func(method, path, triggers string, n int) string {
		var got wire.Job[string]
		s.Ask(t, method, path, `{"metadata":{"name":"j"},"spec":{"function":"hello.py","triggers":[`+triggers+`]}}`, nil, &got)
		return got.Spec.Triggers[n].Configuration.CallbackSecret
	}
	first := fmt.Sprintf(hook, "a", "a")
	generated := secret("POST", "/v0/jobs", first, 0)
	if len(generated) != 64 {
		t.Errorf("generated: %q", generated)
	}
	if got := secret("PUT", "/v0/jobs/j", first, 0); got != "***" {
		t.Errorf("shown again: %q", got)
	}
	both := first + "," + fmt.Sprintf(hook, "b", "b")
	if got := secret("PUT", "/v0/jobs/j", both, 1); len(got) != 64 || got == generated {
		t.Errorf("generated for another: %q", got)
	}
	if got := secret("PUT", "/v0/jobs/j", both, 0) + secret("PUT", "/v0/jobs/j", both, 1); got != "******" {
		t.Errorf("shown again: %q", got)
	}
}

// TestJobBodiesThatAreRefused checks that errors name the path of a member that is unsupported or
// not valid.
func TestJobBodiesThatAreRefused(t *testing.T) {
	t.Parallel()
	s := apitest.StartJobs(t, nil)
	s.CreateJob(t, "taken", "")
	for _, c := range []struct{ body, says string }{
		{``, "the body is empty"},
		{`[]`, "object"},
		{`{"metadata":{"name":"j"},"metadata":{}}`, "metadata"},
		{`{"spec":{"function":"hello.py"}}`, "metadata.name is missing"},
		{`{"metadata":{"name":"J"},"spec":{"function":"hello.py"}}`, "the job name is not valid"},
		{`{"metadata":{"name":7},"spec":{}}`, "metadata.name is not a string"},
		{`{"metadata":{"name":"j"}}`, "spec.function is missing"},
		{`{"metadata":{"name":"j"},"spec":{"function":"none"}}`, `"none" does not exist`},
		{`{"metadata":{"name":"j"},"spec":{"function":"hello.py"},"kind":"Job"}`, "kind is not known here"},
		{`{"metadata":{"name":"j","label":{}},"spec":{"function":"hello.py"}}`, "metadata.label is not known here"},
		{`{"metadata":{"name":"j","externalId":"7"},"spec":{"function":"hello.py"}}`, "metadata.externalId is not stored"},
		{`{"metadata":{"name":"j","labels":{"a":1}},"spec":{"function":"hello.py"}}`, "metadata.labels.a is not a string"},
		{`{"metadata":{"name":"j","labels":{"a":null}},"spec":{"function":"hello.py"}}`, "metadata.labels.a is not a string"},
		{`{"metadata":{"name":"j","labels":[]},"spec":{"function":"hello.py"}}`, "metadata.labels is not an object"},
		spec(`"runtime":{"memroy":64}`, "spec.runtime.memroy is not known here"),
		spec(`"runtime":{"memory":63}`, "out of bounds"),
		spec(`"runtime":{"memory":1e300}`, "spec.runtime.memory of 1e+300 is out of bounds"),
		spec(`"runtime":{"memory":"64"}`, "spec.runtime.memory is not a number"),
		spec(`"runtime":{"memory":3073}`, "spec.runtime.memory of 3073 is out of bounds"),
		spec(`"runtime":{"timeout":86401}`, "spec.runtime.timeout of 86401 seconds is out of bounds"),
		spec(`"runtime":{"timeout":1e300}`, "spec.runtime.timeout of 1e+300 seconds is out of bounds"),
		spec(`"runtime":{"timeout":"25h"}`, "spec.runtime.timeout of 90000 seconds is out of bounds"),
		spec(`"runtime":{"timeout":"-1s"}`, "spec.runtime.timeout of -1 seconds is out of bounds"),
		spec(`"runtime":{"timeout":"soon"}`, `spec.runtime.timeout of "soon" is not a duration`),
		spec(`"runtime":{"timeout":[30]}`, "spec.runtime.timeout is neither a number nor a duration"),
		spec(`"runtime":{"maxRetries":11}`, "spec.runtime.maxRetries of 11 is out of bounds"),
		spec(`"runtime":{"maxRetries":1.5}`, "spec.runtime.maxRetries of 1.5 is not a whole number"),
		spec(`"runtime":{"maxConcurrentTasks":-1}`, "spec.runtime.maxConcurrentTasks of -1 is out of bounds"),
		spec(`"runtime":{"image":"a/b:c"}`, "spec.runtime.image is not supported"),
		spec(`"runtime":{"ports":[{"target":80}]}`, "spec.runtime.ports are not supported"),
		spec(`"runtime":{"envs":{}}`, "spec.runtime.envs is not an array"),
		spec(`"runtime":{"envs":[{"name":"A","valueFrom":{}}]}`, "spec.runtime.envs[0].valueFrom is not known here"),
		spec(`"runtime":{"envs":[{"name":"A"},3]}`, "spec.runtime.envs has an item that is not an object, at index 1"),
		spec(`"runtime":{"envs":[{"name":"1A"}]}`, "no valid name"),
		spec(`"runtime":{"envs":[{"name":"A"},{"name":"A"}]}`, "twice"),
		spec(`"policies":["p"]`, "spec.policies are not supported"),
		spec(`"volumes":[{"name":"v"}]`, "spec.volumes are not supported"),
		spec(`"githubRunner":{"repositories":["a/b"]}`, "spec.githubRunner.repositories are not supported"),
		spec(`"revision":{"canary":"2"}`, "spec.revision.canary is not supported"),
		spec(`"revision":{"canaryPercent":10}`, "spec.revision.canaryPercent is not supported"),
		spec(`"revision":{"traffic":50}`, "spec.revision.traffic is not supported"),
		spec(`"triggers":[{"type":"webhook"}]`, `there is no type "webhook"`),
		spec(`"triggers":[{"type":"cron","configuration":{"cron":"* * * * *"}}]`, "spec.triggers[0].configuration.cron is not known here"),
		spec(`"triggers":[{"type":"http","configuration":{"path":"a","authenticationType":"public"}}]`, "spec.triggers[0].configuration.authenticationType"),
		spec(`"triggers":[{"type":"http","configuration":{"path":"a"}},{"type":"http","configuration":{"path":"a"}}]`, "the path"),
		spec(`"triggers":[{"type":"http","configuration":{"path":"../a"}}]`, "path"),
		spec(`"triggers":[{"type":"http-async","configuration":{"path":"a","retry":21}}]`, "spec.triggers[0].configuration.retry of 21 is out of bounds"),
		spec(`"triggers":[{"type":"http","configuration":{"path":"a","tasks":[7]}}]`, "task 0"),
	} {
		m := apitest.WantError(t, s.Do(t, "POST", "/v0/jobs", c.body, nil), 400, "invalid_argument")
		if !strings.Contains(m["message"].(string), c.says) {
			t.Errorf("%s: %s", c.body, m["message"])
		}
	}
	apitest.WantError(t, s.Do(t, "POST", "/v0/jobs", `{"metadata":{"name":"taken"},"spec":{"function":"hello.py"}}`, nil), 409, "already_exists")
	if m := apitest.WantError(t, s.Do(t, "PUT", "/v0/jobs/taken", `{"metadata":{"name":"other"},"spec":{"function":"hello.py"}}`, nil), 400, "invalid_argument"); !strings.Contains(m["message"].(string), "metadata.name") {
		t.Error(m)
	}
	apitest.WantError(t, s.Do(t, "GET", "/v0/jobs/Not-A-Name", "", nil), 400, "invalid_argument")
	apitest.WantError(t, s.Do(t, "POST", "/v0/jobs", strings.Repeat(" ", blaxel.MaxJobBody+1), nil), 413, "too_large")
	var all []wire.Job[string]
	if s.Ask(t, "GET", "/v0/jobs", "", nil, &all); len(all) != 1 {
		t.Errorf("%d jobs are there", len(all))
	}
}

func spec(members, says string) struct{ body, says string } {
	return struct{ body, says string }{`{"metadata":{"name":"j"},"spec":{"function":"hello.py",` + members + `}}`, says}
}

// TestAllErrorsOfAJob checks that an answer has all that is wrong with a job, each with its member, and
// that message and hint are those of the first.
func TestAllErrorsOfAJob(t *testing.T) {
	t.Parallel()
	s := apitest.StartJobs(t, nil)
	s.Ask(t, "POST", "/v0/jobs", apitest.WholeJob, nil, nil)
	for _, body := range []string{
		// What cannot be read, what is out of bounds, and a function that does not exist.
		`{"metadata":{"name":"nightly"},"spec":{"function":"gone","runtime":{"memory":99999,"maxRetries":"x"},
			"triggers":[{"type":"cron","configuration":{"schedule":"never","tasks":[3]}},{"type":"crno"}]}}`,
		// The same without what cannot be read.
		`{"metadata":{"name":"nightly"},"spec":{"function":"gone","runtime":{"memory":1,"timeout":0.01},
			"triggers":[{"type":"cron","configuration":{"schedule":"never","tasks":[3]}},{"type":"crno"}]}}`,
	} {
		second := "spec.runtime.maxRetries"
		if strings.Contains(body, "0.01") {
			second = "spec.runtime.timeout"
		}
		want := []string{"spec.runtime.memory", second, "spec.triggers[0].configuration.schedule", "spec.triggers[0].configuration.tasks", "spec.triggers[1].type", "spec.function"}
		for _, r := range [][2]string{{"POST", "/v0/jobs"}, {"PUT", "/v0/jobs/nightly"}} {
			a := s.Do(t, r[0], r[1], body, nil)
			var e wire.BlaxelError
			if err := json.Unmarshal([]byte(a.Body), &e); err != nil || a.Status != 400 || len(e.Errors) == 0 || e.Message != e.Errors[0].Message || e.Hint != e.Errors[0].Hint {
				t.Fatalf("%v: %d %s", r, a.Status, a.Body)
			}
			var got []string
			for _, one := range e.Errors {
				got = append(got, one.Path)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%v %s: %s", r, body, diff)
			}
		}
	}
	many := `{"metadata":{"name":"a"},"spec":{"function":"hello.py",` + strings.TrimSuffix(strings.Repeat(`"x%d":1,`, 100), ",") + `}}`
	numbers := make([]any, 100)
	for i := range numbers {
		numbers[i] = i
	}
	var e wire.BlaxelError
	if a := s.Do(t, "POST", "/v0/jobs", fmt.Sprintf(many, numbers...), nil); json.Unmarshal([]byte(a.Body), &e) != nil || len(e.Errors) != runtime.MaxErrors {
		t.Errorf("%d errors: %s", len(e.Errors), a.Body)
	}
}

func TestRevisionsAndRollback(t *testing.T) {
	t.Parallel()
	s := apitest.StartJobs(t, nil)
	s.CreateJob(t, "j", `,"runtime":{"timeout":1}`)
	put := func(body string) wire.Job[string] {
		t.Helper()
		var got wire.Job[string]
		s.Ask(t, "PUT", "/v0/jobs/j", body, nil, &got)
		return got
	}
	for n := 2; n <= 7; n++ {
		got := put(fmt.Sprintf(`{"spec":{"function":"hello.py","runtime":{"timeout":%d},"revision":{"active":"%d"}}}`, n, n-1))
		if got.Spec.Revision.Active != fmt.Sprint(n) {
			t.Fatalf("%+v", got)
		}
	}
	// Another name changes no spec.
	put(`{"metadata":{"displayName":"J","labels":{"a":"b"}},"spec":{"function":"hello.py","runtime":{"timeout":7}}}`)
	var revisions []wire.JobRevision[string]
	s.Ask(t, "GET", "/v0/jobs/j/revisions", "", nil, &revisions)
	var got []string
	for _, r := range revisions {
		got = append(got, fmt.Sprint(r.ID, " ", r.Active, r.PreviousActive, r.TrafficPercent, r.Status))
	}
	want := []string{"7 true false 100DEPLOYED", "6 false true 0DEPLOYED", "5 false false 0DEPLOYED", "4 false false 0DEPLOYED", "3 false false 0DEPLOYED"}
	if !slices.Equal(got, want) {
		t.Errorf("revisions %q", got)
	}

	back := put(`{"metadata":{"name":"j","displayName":"J","labels":{"a":"b"}},"spec":{"revision":{"active":"3"}}}`)
	if back.Spec.Revision.Active != "8" || back.Spec.Runtime.Timeout != 3 || back.Metadata.DisplayName != "J" {
		t.Errorf("rolled back: %+v", back)
	}
	for _, c := range []struct {
		body string
		want int
	}{
		{`{"spec":{"revision":{"active":"2"}}}`, 404}, // dropped
		{`{"spec":{"revision":{"active":"9"}}}`, 404},
		{`{"spec":{"revision":{"active":"x"}}}`, 400},
		{`{"spec":{"revision":{"active":"03"}}}`, 400},
		{`{"spec":{"revision":{"active":"-1"}}}`, 400},
		{`{"spec":{"revision":{"active":7}}}`, 400},
		{`{"spec":{"revision":{}}}`, 400}, // no function
		{`{"metadata":{"displayName":"K"},"spec":{"revision":{"active":"7"}}}`, 400},
		{`{"metadata":{"labels":{"a":"c"}},"spec":{"revision":{"active":"7"}}}`, 400},
		{`{"spec":{"function":"hello.py","revision":{"active":"7"}}}`, 409}, // it is at 8
		{`{"spec":{"function":"hello.py","revision":{"active":"8","traffic":100}}}`, 200},
	} {
		if a := s.Do(t, "PUT", "/v0/jobs/j", c.body, nil); a.Status != c.want {
			t.Errorf("%s: %d %s", c.body, a.Status, a.Body)
		}
	}
}

// TestListsOfJobs checks both forms of the list, every order, and the matches of q.
func TestListsOfJobs(t *testing.T) {
	t.Parallel()
	s := apitest.StartJobs(t, nil)
	var all []wire.Job[string]
	if s.Ask(t, "GET", "/v0/jobs", "", nil, &all); all == nil || len(all) > 0 {
		t.Errorf("no jobs are listed as %v", all)
	}
	names := []string{"delta", "alpha", "echo", "bravo", "charlie"}
	for i, name := range names {
		s.Ask(t, "POST", "/v0/jobs", fmt.Sprintf(`{"metadata":{"name":%q,"displayName":"Number %d","labels":{"parity":"%s"}},"spec":{"function":"hello.py"}}`,
			name, i, []string{"even", "odd"}[i%2]), nil, nil)
	}
	of := func(jobs []wire.Job[string]) (names []string) {
		for _, j := range jobs {
			names = append(names, j.Metadata.Name)
		}
		return names
	}
	newest := slices.Clone(names)
	slices.Reverse(newest)
	sorted := slices.Sorted(slices.Values(names))
	backwards := slices.Clone(sorted)
	slices.Reverse(backwards)
	for _, h := range []apitest.Header{nil, {"Blaxel-Version": "2026-04-27"}, {"Blaxel-Version": "2025-12-31"}} {
		if s.Ask(t, "GET", "/v0/jobs?limit=1&sort=name:asc", "", h, &all); !slices.Equal(of(all), newest) {
			t.Errorf("the array has %q", of(all))
		}
	}
	for query, want := range map[string][]string{
		"":                         newest,
		"sort=createdAt:desc":      newest,
		"sort=createdAt:asc":       names,
		"sort=name:asc":            sorted,
		"sort=name:desc":           backwards,
		"sort=name:asc&q=ODD":      {"alpha", "bravo"},
		"sort=name:asc&q=%20ha%20": {"alpha", "charlie"},
		"q=number%203":             {"bravo"},
		"q=parity&sort=name:asc":   sorted,
		"q=x&sort=name:asc":        sorted, // too short to be looked at
		"q=xx":                     nil,
		"limit=1000":               newest,
	} {
		for _, limit := range []int{1, 2, 50} {
			var got []string
			cursor := ""
			for pages := 0; ; pages++ {
				var page wire.Page[wire.Job[string]]
				s.Ask(t, "GET", fmt.Sprintf("/v0/jobs?%s&limit=%d&cursor=%s", query, limit, cursor), "", apitest.Header{"Blaxel-Version": "2027-01-01"}, &page)
				got = append(got, of(page.Data)...)
				if page.Meta.Total != len(names) || page.Meta.HasMore != (page.Meta.NextCursor != "") || page.Data == nil {
					t.Fatalf("%s: %+v", query, page.Meta)
				}
				if cursor = page.Meta.NextCursor; cursor == "" || pages > len(names) {
					break
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s by %d: %q, want %q", query, limit, got, want)
			}
		}
	}
	for _, query := range []string{"limit=0", "limit=-1", "limit=x", "limit=1.5", "sort=name", "sort=size:asc", "cursor=x", "q=" + strings.Repeat("x", 257), "anchor=end", "status=FAILED"} {
		apitest.WantError(t, s.Do(t, "GET", "/v0/jobs?"+query, "", apitest.Paged), 400, "invalid_argument")
	}
}
