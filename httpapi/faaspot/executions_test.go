package faaspot_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faaspot/faaspot/httpapi"
	"github.com/faaspot/faaspot/httpapi/faaspot"
	"github.com/faaspot/faaspot/httpapi/internal/apitest"
	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/httpapi/wire"
	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/memory"
)

const (
	created  = `"created":"2026-03-04 05:06:07.891011+00:00"`
	started  = `"started":"2026-03-04 05:06:07.892011+00:00"`
	finished = `"finished":"2026-03-04 05:06:07.894011+00:00"`
	logsURL  = `"logs_url":"http://api.test/v1/executions/` + apitest.ID + `/logs"`
)

// TestExecutionIsRendered compares the whole text, because clients depend on it.
func TestExecutionIsRendered(t *testing.T) {
	t.Parallel()
	fake := &apitest.Fake{}
	ts := apitest.Start(t, fake, nil)
	for name, c := range map[string]struct {
		state  runtime.State
		change func(*runtime.Execution)
		want   string
	}{
		"queued": {runtime.StateQueued, nil, `"status":"Pending","output":null,"output_size":0,"error":null,` + created +
			`,"started":null,"finished":null,"duration_ms":null,"attempts":0,"retries":0,"cancel_requested":false,`},
		"running": {
			runtime.StateRunning, func(x *runtime.Execution) { x.Retries = 3 },
			`"status":"Started","output":null,"output_size":0,"error":null,` + created + `,` + started +
				`,"finished":null,"duration_ms":null,"attempts":1,"retries":3,"cancel_requested":false,`,
		},
		"cancelling": {
			runtime.StateCancelling, func(x *runtime.Execution) { x.CancelRequested = true },
			`"status":"Started","output":null,"output_size":0,"error":null,` + created + `,` + started +
				`,"finished":null,"duration_ms":null,"attempts":1,"retries":0,"cancel_requested":true,`,
		},
		"succeeded": {
			runtime.StateSucceeded, func(x *runtime.Execution) { x.Result, x.ResultSize = []byte(`{"a":["<&>",1.50]}`), 18 },
			`"status":"Success","output":{"a":["<&>",1.50]},"output_size":18,"error":null,` + created + `,` + started + `,` + finished +
				`,"duration_ms":1.500,"attempts":1,"retries":0,"cancel_requested":false,`,
		},
		"large": {
			runtime.StateSucceeded, func(x *runtime.Execution) { x.ResultSize = 2000 },
			`"status":"Success","output":null,"output_size":2000,"output_omitted":true,"error":null,` + created + `,` + started + `,` + finished +
				`,"duration_ms":1.500,"attempts":1,"retries":0,"cancel_requested":false,`,
		},
		"raised": {
			runtime.StateFailed, func(x *runtime.Execution) {
				x.Failure = &runtime.Failure{Class: runtime.ClassError, Type: "KeyError", Message: "'n'", Traceback: "Traceback", Line: 2}
			},
			`"status":"Failed","output":null,"output_size":0,"error":{"message":"KeyError: 'n'","error_code":"function_error","server_traceback":"Traceback","line":2,"error_type":"KeyError"},` +
				created + `,` + started + `,` + finished + `,"duration_ms":1.500,"attempts":1,"retries":0,"cancel_requested":false,`,
		},
		"time-out": {
			runtime.StateTimeout, func(x *runtime.Execution) {
				x.Failure = &runtime.Failure{Class: runtime.ClassTimeout, Message: "its time was up"}
			},
			`"status":"Failed","output":null,"output_size":0,"error":{"message":"its time was up","error_code":"timeout"},` +
				created + `,` + started + `,` + finished + `,"duration_ms":1.500,"attempts":1,"retries":0,"cancel_requested":false,`,
		},
		"internal": {
			runtime.StateFailed, func(x *runtime.Execution) {
				x.Failure = &runtime.Failure{Class: runtime.ClassInternal, Message: "open /secret: no such file"}
			},
			`"status":"Failed","output":null,"output_size":0,"error":{"message":"something went wrong inside the server","error_code":"internal","hint":"` + web.InternalError("").Hint + `"},` +
				created + `,` + started + `,` + finished + `,"duration_ms":1.500,"attempts":1,"retries":0,"cancel_requested":false,`,
		},
		"cancelled while queued": {
			runtime.StateCancelled, func(x *runtime.Execution) {
				x.Started, x.Attempt = time.Time{}, 0
				x.Failure = &runtime.Failure{Class: runtime.ClassCancelled, Message: "it was cancelled before it started"}
			},
			`"status":"Cancelled","output":null,"output_size":0,"error":{"message":"it was cancelled before it started","error_code":"cancelled"},` +
				created + `,"started":null,` + finished + `,"duration_ms":null,"attempts":0,"retries":0,"cancel_requested":false,`,
		},
	} {
		x := apitest.ExecutionAt(apitest.ID, c.state)
		if c.change != nil {
			c.change(&x)
		}
		fake.Renew(func(f *apitest.Fake) { f.All = map[string]runtime.Execution{apitest.ID: x} })
		for _, path := range []string{"/v1/executions/" + apitest.ID, "/v1/executions/" + apitest.ID + "/"} {
			a := ts.Do(t, "GET", path, "", nil)
			apitest.WantHeaders(t, a)
			want := `{"uuid":"` + apitest.ID + `","name":"f","kind":"run","version":2,` + c.want + logsURL + `,"trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","user_id":null}`
			if diff := cmp.Diff(want, a.Body); a.Status != 200 || diff != "" {
				t.Errorf("%s: %d\n%s", name, a.Status, diff)
			}
		}
	}
	apitest.WantError(t, ts.Do(t, "GET", "/v1/executions/"+strings.ToUpper(apitest.ID[:8])+"-0000-7000-8000-000000000000", "", nil), 404, "not_found")
}

// TestEveryStateHasAStatus checks that no status is empty: clients would wait forever for such an
// execution.
func TestEveryStateHasAStatus(t *testing.T) {
	t.Parallel()
	for _, state := range []runtime.State{
		runtime.StateQueued, runtime.StateRunning, runtime.StateCancelling, runtime.StateSucceeded,
		runtime.StateFailed, runtime.StateTimeout, runtime.StateCancelled,
	} {
		end := slices.Contains([]wire.Status{wire.StatusSuccess, wire.StatusFailed, wire.StatusCancelled}, faaspot.StatusOfState[state])
		if faaspot.StatusOfState[state] == "" || state.Terminal() != end {
			t.Errorf("%s is rendered as %q", state, faaspot.StatusOfState[state])
		}
	}
}

func TestWait(t *testing.T) {
	t.Parallel()
	done := apitest.ExecutionAt(apitest.ID, runtime.StateSucceeded)
	fake := &apitest.Fake{}
	ts := apitest.Start(t, fake, nil)
	fake.All = map[string]runtime.Execution{apitest.ID: apitest.ExecutionAt(apitest.ID, runtime.StateRunning)}
	var patience time.Duration
	fake.OnAwait = func(ctx context.Context, _ string) (runtime.Execution, error) {
		if until, ok := ctx.Deadline(); ok {
			patience = time.Until(until)
		}
		return done, nil
	}
	for wait, want := range map[string]wire.Status{"": wire.StatusStarted, "0": wire.StatusStarted, "0.5": wire.StatusSuccess, "280": wire.StatusSuccess} {
		path := "/v1/executions/" + apitest.ID
		if wait != "" {
			path += "?wait=" + wait
		}
		patience = 0
		if got := ts.Do(t, "GET", path, "", nil).Object(t)["status"]; got != string(want) {
			t.Errorf("wait=%s: %v, want %s", wait, got, want)
		}
		if want == wire.StatusSuccess && (patience <= 0 || patience > 280*time.Second) {
			t.Errorf("wait=%s: waited for %v", wait, patience)
		}
	}
	for _, wait := range []string{"-1", "281", "1e9", "NaN", "Inf", "1s", "", "0x"} {
		apitest.WantError(t, ts.Do(t, "GET", "/v1/executions/"+apitest.ID+"?wait="+wait, "", nil), 400, "invalid_argument")
	}
	if n := ts.Waiting(); n != 0 {
		t.Errorf("%d requests count as waiting, want none", n)
	}
}

// TestShutdownEndsWaits checks that requests that wait get an answer as soon as a shutdown begins.
func TestShutdownEndsWaits(t *testing.T) {
	t.Parallel()
	fake := &apitest.Fake{}
	ts := apitest.Start(t, fake, nil)
	fake.All = map[string]runtime.Execution{apitest.ID: apitest.ExecutionAt(apitest.ID, runtime.StateRunning)}
	waits := make(chan struct{})
	fake.OnAwait = func(ctx context.Context, id string) (runtime.Execution, error) {
		close(waits)
		<-ctx.Done()
		return fake.GetExecution(ctx, "", id)
	}
	answered := make(chan apitest.Answer, 1)
	go func() { answered <- ts.Do(t, "GET", "/v1/executions/"+apitest.ID+"?wait=280", "", nil) }()
	<-waits
	if err := ts.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if a := <-answered; a.Status != 200 || a.Object(t)["status"] != "Started" {
		t.Errorf("%d %s", a.Status, a.Body)
	}
}

func TestGetMany(t *testing.T) {
	t.Parallel()
	fake := &apitest.Fake{}
	ts := apitest.Start(t, fake, nil)
	large := apitest.ExecutionAt(apitest.ID, runtime.StateSucceeded)
	large.Result = []byte(`"` + strings.Repeat("x", 4*runtime.KiB) + `"`)
	large.ResultSize = len(large.Result)
	small := apitest.ExecutionAt(apitest.ID[:35]+"0", runtime.StateSucceeded)
	small.Result, small.ResultSize = []byte("1"), 1
	fake.All = map[string]runtime.Execution{large.ID: large, small.ID: small}
	const absent = "not even an id"

	ids, err := json.Marshal([]string{small.ID, absent, large.ID, small.ID})
	if err != nil {
		t.Fatal(err)
	}
	inText, err := json.Marshal(map[string]string{"tasks": string(ids)})
	if err != nil {
		t.Fatal(err)
	}
	for _, body := range []string{string(ids), string(inText), " " + string(inText)} {
		for _, path := range []string{"/v1/executions/bulk", "/v1/executions/bulk/"} {
			a := ts.Do(t, "POST", path, body, nil)
			var got []wire.Execution[*string]
			if err := json.Unmarshal([]byte(a.Body), &got); err != nil || a.Status != 200 {
				t.Fatalf("%d %s: %v", a.Status, a.Body, err)
			}
			var rendered []string
			for _, x := range got {
				rendered = append(rendered, fmt.Sprintf("%s %s %d", x.UUID, x.Status, len(x.Output)))
			}
			want := []string{
				small.ID + " Success 1", absent + " NotFound 4",
				fmt.Sprintf("%s Success %d", large.ID, large.ResultSize), small.ID + " Success 1",
			}
			if diff := cmp.Diff(want, rendered); diff != "" {
				t.Error(diff)
			}
			if got[1].Error == nil || got[1].Error.Code != string(runtime.CodeNotFound) || got[1].Name != nil {
				t.Errorf("the absent one is rendered as %+v", got[1])
			}
		}
	}
	for name, body := range map[string]string{
		"nothing": "", "object": "{}", "number": "1", "numbers": "[1]", "no array in text": `{"tasks":"1"}`,
		"not a text": `{"tasks":[1]}`, "broken": `["` + apitest.ID,
	} {
		a := ts.Do(t, "POST", "/v1/executions/bulk/", body, nil)
		apitest.WantError(t, a, 400, "invalid_argument")
		if !strings.Contains(a.Body, "hint") {
			t.Errorf("%s: no hint: %s", name, a.Body)
		}
	}
}

// TestGetManyBoundsOutputs checks that outputs beyond the bound are omitted and marked as omitted.
func TestGetManyBoundsOutputs(t *testing.T) {
	t.Parallel()
	fake := &apitest.Fake{}
	ts := apitest.Start(t, fake, nil)
	fake.All = make(map[string]runtime.Execution)
	const size = 5 * runtime.MiB
	var ids []string
	for i := range 8 {
		x := apitest.ExecutionAt(fmt.Sprintf("%s%04x", apitest.ID[:32], i), runtime.StateSucceeded)
		x.Result = []byte(`"` + strings.Repeat("x", size-2) + `"`)
		x.ResultSize = size
		fake.All[x.ID] = x
		ids = append(ids, x.ID)
	}
	body, err := json.Marshal(ids)
	if err != nil {
		t.Fatal(err)
	}
	var got []wire.Execution[*string]
	if err := json.Unmarshal([]byte(ts.Do(t, "POST", "/v1/executions/bulk", string(body), nil).Body), &got); err != nil {
		t.Fatal(err)
	}
	for i, x := range got {
		if whole := i < faaspot.MaxOutputs/size; x.UUID != ids[i] || (len(x.Output) == size) != whole || x.OutputOmitted == whole || *x.OutputSize != size {
			t.Errorf("%d: %d bytes of %d, omitted %v", i, len(x.Output), *x.OutputSize, x.OutputOmitted)
		}
	}
}

func TestCancel(t *testing.T) {
	t.Parallel()
	fake := &apitest.Fake{}
	ts := apitest.Start(t, fake, nil)
	for name, c := range map[string]struct {
		before, after runtime.State
		asked         bool
		changed       bool
		status        wire.Status
		message       string
		late          bool
	}{
		"running":                {runtime.StateCancelling, runtime.StateCancelled, false, true, wire.StatusCancelled, "while it ran", false},
		"ended by itself":        {runtime.StateCancelling, runtime.StateSucceeded, false, true, wire.StatusSuccess, "by itself", false},
		"does not stop yet":      {runtime.StateCancelling, runtime.StateCancelling, false, true, wire.StatusStarted, "is being stopped", false},
		"again":                  {runtime.StateCancelling, runtime.StateCancelling, true, false, wire.StatusStarted, "is being stopped", false},
		"ended":                  {runtime.StateFailed, "", false, false, wire.StatusFailed, "had already ended", false},
		"cancelled":              {runtime.StateCancelled, "", false, false, wire.StatusCancelled, "cancelled before; nothing", false},
		"stopped, not stored":    {runtime.StateCancelling, runtime.StateCancelling, false, true, wire.StatusStarted, "was stopped; its end is not stored yet", true},
		"ended, not stored":      {runtime.StateRunning, runtime.StateRunning, true, false, wire.StatusStarted, "has ended by itself, and its end is not stored yet; nothing", true},
		"an attempt, not stored": {runtime.StateRunning, runtime.StateRunning, true, false, wire.StatusStarted, "nothing was changed: repeat the request", false},
		"stored meanwhile":       {runtime.StateCancelling, runtime.StateCancelled, false, true, wire.StatusCancelled, "while it ran", true},
	} {
		x := apitest.ExecutionAt(apitest.ID, c.before)
		x.CancelRequested = c.asked
		fake.Renew(func(f *apitest.Fake) {
			f.All = map[string]runtime.Execution{apitest.ID: x}
			f.Done, f.Late = nil, map[string]bool{apitest.ID: c.late}
			if c.after != "" {
				f.Done = map[string]runtime.Execution{apitest.ID: apitest.ExecutionAt(apitest.ID, c.after)}
			}
		})
		got := ts.Do(t, "DELETE", "/v1/executions/"+apitest.ID, "", nil).Object(t)
		if got["changed"] != c.changed || got["status"] != string(c.status) || !strings.Contains(got["message"].(string), c.message) || got["uuid"] != apitest.ID {
			t.Errorf("%s: %v", name, got)
		}
	}
	apitest.WantError(t, ts.Do(t, "DELETE", "/v1/executions/x", "", nil), 404, "not_found")
}

// TestRecordsOfFailedChanges checks that the record of a change that failed has the error code of its
// response.
func TestRecordsOfFailedChanges(t *testing.T) {
	t.Parallel()
	s := apitest.StartJobs(t, nil)
	const broken = `{"name":"broken","code":"fail","encoding":"plain"}`
	a := s.Do(t, "PUT", "/v1/functions/", broken, nil)
	if a.Status != 400 || !strings.Contains(a.Body, `"error_code":"deploy_failed"`) {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	list := s.Do(t, "GET", "/v1/executions/?include_completed=true&limit=1", "", nil)
	if !strings.Contains(list.Body, `"error_code":"deploy_failed"`) || !strings.Contains(list.Body, `"user_id":"`+runtime.AdminUser+`"`) {
		t.Errorf("%d %s", list.Status, list.Body)
	}
}

// TestGetManyBoundsFailures looks up one failed execution as often as allowed, and many failed ones:
// each id is read once, tracebacks beyond the bound are omitted, and what is read at once stays small.
func TestGetManyBoundsFailures(t *testing.T) {
	t.Parallel()
	const total = 512 * runtime.MiB
	b := memory.New(total, nil)
	fake := &apitest.Fake{}
	ts := apitest.StartTCP(t, fake, func(o *httpapi.Options) { o.Memory = b })
	fake.All = make(map[string]runtime.Execution)
	trace := strings.Repeat("x", 128*runtime.KiB)
	var distinct []string
	for i := range 1000 {
		x := apitest.ExecutionAt(fmt.Sprintf("%s%04x", apitest.ID[:32], i), runtime.StateFailed)
		x.Failure = &runtime.Failure{Class: runtime.ClassError, Type: "E", Message: strings.Repeat("é", 5000), Traceback: trace}
		fake.All[x.ID] = x
		distinct = append(distinct, x.ID)
	}
	for name, ids := range map[string][]string{
		"one":  slices.Repeat(distinct[:1], runtime.MaxBulk),
		"many": slices.Repeat(distinct, 10),
	} {
		body, err := json.Marshal(ids)
		if err != nil {
			t.Fatal(err)
		}
		fake.Reads = nil
		a := ts.Do(t, "POST", "/v1/executions/bulk", string(body), nil)
		var got []wire.Execution[*string]
		if err := json.Unmarshal([]byte(a.Body), &got); err != nil || len(got) != len(ids) {
			t.Fatalf("%s: %d, %d executions: %v", name, a.Status, len(got), err)
		}
		if len(a.Body) > faaspot.MaxOutputs+len(ids)*2*runtime.KiB {
			t.Errorf("%s: the answer has %d bytes", name, len(a.Body))
		}
		traces := 0
		for i, x := range got {
			if x.UUID != ids[i] || x.Status != wire.StatusFailed || x.Error == nil || !strings.HasPrefix(x.Error.Message, "E: é") || strings.Contains(x.Error.Message, "\ufffd") {
				t.Fatalf("%s: %d: %s %s", name, i, x.UUID, x.Status)
			}
			if len(x.Error.ServerTraceback) > 0 {
				traces++
			}
		}
		unique := len(slices.Compact(slices.Sorted(slices.Values(ids))))
		if traces < min(unique, 100) || traces > min(len(ids), faaspot.MaxOutputs/len(trace)) {
			t.Errorf("%s: %d tracebacks", name, traces)
		}
		read := 0
		for _, n := range fake.Reads {
			if read += n; n > 16 {
				t.Errorf("%s: %d executions are read at once", name, n)
			}
		}
		if read != unique {
			t.Errorf("%s: %d executions are read, want %d", name, read, unique)
		}
	}
}
