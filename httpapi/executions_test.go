package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faaspot/faaspot/runtime"
)

// fakeExecutions answers with the executions in all, in the order of order, and
// keeps what it was called with.
type fakeExecutions struct {
	letters   []string // of the last request about dead letters
	guard     sync.Mutex
	submitted []runtime.BulkRequest
	filters   []runtime.Filter
	listed    []listCall
	cancelled []string
	called    []runtime.Tenant

	observed     []runtime.SearchQuery
	observedPage runtime.Page[runtime.ExecutionSummary]

	all      map[string]runtime.Execution
	order    []string // ids, newest first, that List gives
	ended    map[string]runtime.Execution
	replay   bool
	failing  error
	await    func(ctx context.Context, id string) (runtime.Execution, error)
	logPages func(ctx context.Context, from runtime.LogPosition) (runtime.LogPage, error)
}

type listCall struct {
	cursor string
	limit  int
}

func (f *fakeExecutions) call(tenant runtime.Tenant) {
	f.guard.Lock()
	defer f.guard.Unlock()
	f.called = append(f.called, tenant)
}

func (f *fakeExecutions) Submit(ctx context.Context, r runtime.SubmitRequest) (runtime.Acceptance, error) {
	return f.SubmitBulk(ctx, runtime.BulkRequest{
		Tenant: r.Tenant, Function: r.Function, Args: [][]byte{r.Args}, Retries: r.Retries, IdempotencyKey: r.IdempotencyKey,
	})
}

func (f *fakeExecutions) SubmitBulk(_ context.Context, r runtime.BulkRequest) (runtime.Acceptance, error) {
	f.guard.Lock()
	defer f.guard.Unlock()
	f.called = append(f.called, r.Tenant)
	if f.failing != nil {
		return runtime.Acceptance{}, f.failing
	}
	f.submitted = append(f.submitted, r)
	var a runtime.Acceptance
	for i := range r.Args {
		a.IDs = append(a.IDs, testID[:len(testID)-4]+fmt.Sprintf("%04x", 0xabcd+i))
	}
	a.Replayed = f.replay
	return a, nil
}

func (f *fakeExecutions) GetExecution(_ context.Context, tenant runtime.Tenant, id string) (runtime.Execution, error) {
	f.guard.Lock()
	defer f.guard.Unlock()
	f.called = append(f.called, tenant)
	x, ok := f.all[id]
	if !ok && f.failing == nil {
		return x, runtime.Errorf(runtime.CodeNotFound, "there is no execution with this id")
	}
	return x, f.failing
}

func (f *fakeExecutions) GetExecutions(_ context.Context, tenant runtime.Tenant, ids []string) ([]*runtime.Execution, error) {
	f.guard.Lock()
	defer f.guard.Unlock()
	f.called = append(f.called, tenant)
	found := make([]*runtime.Execution, len(ids))
	for i, id := range ids {
		if x, ok := f.all[id]; ok {
			found[i] = &x
			if len(x.Result) > runtime.ListedResult {
				x.Result = nil
			}
		}
	}
	return found, f.failing
}

func (f *fakeExecutions) AwaitExecution(ctx context.Context, tenant runtime.Tenant, id string) (runtime.Execution, error) {
	if f.await != nil || f.ended != nil {
		f.call(tenant)
	}
	if f.await != nil {
		return f.await(ctx, id)
	}
	if x, ok := f.ended[id]; ok {
		return x, nil
	}
	return f.GetExecution(ctx, tenant, id)
}

func (f *fakeExecutions) ListExecutions(_ context.Context, tenant runtime.Tenant, filter runtime.Filter, r runtime.PageRequest) (page runtime.Page[runtime.Execution], err error) {
	f.guard.Lock()
	defer f.guard.Unlock()
	f.called = append(f.called, tenant)
	f.filters = append(f.filters, filter)
	f.listed = append(f.listed, listCall{r.After, r.Limit})
	for _, id := range f.order[slices.Index(f.order, r.After)+1:] {
		if len(page.Items) < r.Limit {
			page.Items = append(page.Items, f.all[id])
		}
	}
	if len(page.Items) == r.Limit {
		page.Next = page.Items[r.Limit-1].ID
	}
	return page, f.failing
}

func (f *fakeExecutions) CancelExecution(_ context.Context, tenant runtime.Tenant, id string) (x runtime.Execution, changed bool, err error) {
	f.guard.Lock()
	defer f.guard.Unlock()
	f.called = append(f.called, tenant)
	x, ok := f.all[id]
	if !ok && f.failing == nil {
		return x, false, runtime.Errorf(runtime.CodeNotFound, "there is no execution with this id")
	}
	f.cancelled = append(f.cancelled, id)
	return x, !x.CancelRequested && x.Finished.IsZero(), f.failing
}

func (f *fakeExecutions) GetLogs(ctx context.Context, tenant runtime.Tenant, id string, from runtime.LogPosition) (runtime.LogPage, error) {
	if _, err := f.GetExecution(ctx, tenant, id); err != nil || f.logPages == nil {
		return runtime.LogPage{State: runtime.StateSucceeded, Attempt: 1}, err
	}
	return f.logPages(ctx, from)
}

func (f *fakeExecutions) FollowLogs(ctx context.Context, _ runtime.Tenant, _ string, from runtime.LogPosition) (runtime.LogPage, error) {
	return f.logPages(ctx, from)
}

// execAt makes an execution in a state.
func execAt(id string, state runtime.State) runtime.Execution {
	x := runtime.Execution{ID: id, Kind: runtime.KindRun, Function: "f", Version: 2, State: state, Created: testTime}
	x.Caller.TraceID = "4bf92f3577b34da6a3ce929d0e0e4736"
	if state != runtime.StateQueued {
		x.Started, x.Attempt = testTime.Add(time.Millisecond), 1
	}
	if state.Terminal() {
		x.Finished = testTime.Add(3 * time.Millisecond)
		x.Usage.Duration = 1500 * time.Microsecond
	}
	return x
}

const (
	created  = `"created":"2026-03-04 05:06:07.891011+00:00"`
	started  = `"started":"2026-03-04 05:06:07.892011+00:00"`
	finished = `"finished":"2026-03-04 05:06:07.894011+00:00"`
	logsURL  = `"logs_url":"http://api.test/v1/executions/` + testID + `/logs"`
)

// TestExecutionIsTold compares the whole text: old clients read these words.
func TestExecutionIsTold(t *testing.T) {
	fake := &fakeEngine{}
	ts := start(t, fake, nil)
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
			`"status":"Failed","output":null,"output_size":0,"error":{"message":"something went wrong inside the server","error_code":"internal","hint":"` + internalMessage.Hint + `"},` +
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
		x := execAt(testID, c.state)
		if c.change != nil {
			c.change(&x)
		}
		fake.renew(func(f *fakeEngine) { f.all = map[string]runtime.Execution{testID: x} })
		for _, path := range []string{"/v1/executions/" + testID, "/v1/executions/" + testID + "/"} {
			a := ts.do(t, "GET", path, "", nil)
			wantHeaders(t, a)
			want := `{"uuid":"` + testID + `","name":"f","kind":"run","version":2,` + c.want + logsURL + `,"trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","user_id":null}`
			if diff := cmp.Diff(want, a.body); a.status != 200 || diff != "" {
				t.Errorf("%s: %d\n%s", name, a.status, diff)
			}
		}
	}
	wantError(t, ts.do(t, "GET", "/v1/executions/"+strings.ToUpper(testID[:8])+"-0000-7000-8000-000000000000", "", nil), 404, "not_found")
}

// TestEveryStateHasAStatus: a state without a word would be an empty status,
// for which clients wait for ever.
func TestEveryStateHasAStatus(t *testing.T) {
	for _, state := range []runtime.State{
		runtime.StateQueued, runtime.StateRunning, runtime.StateCancelling, runtime.StateSucceeded,
		runtime.StateFailed, runtime.StateTimeout, runtime.StateCancelled,
	} {
		end := slices.Contains([]status{statusSuccess, statusFailed, statusCancelled}, statusOfState[state])
		if statusOfState[state] == "" || state.Terminal() != end {
			t.Errorf("%s is told as %q", state, statusOfState[state])
		}
	}
}

func TestWait(t *testing.T) {
	done := execAt(testID, runtime.StateSucceeded)
	fake := &fakeEngine{}
	ts := start(t, fake, nil)
	fake.all = map[string]runtime.Execution{testID: execAt(testID, runtime.StateRunning)}
	var patience time.Duration
	fake.await = func(ctx context.Context, _ string) (runtime.Execution, error) {
		if until, ok := ctx.Deadline(); ok {
			patience = time.Until(until)
		}
		return done, nil
	}
	for wait, want := range map[string]status{"": statusStarted, "0": statusStarted, "0.5": statusSuccess, "280": statusSuccess} {
		path := "/v1/executions/" + testID
		if wait != "" {
			path += "?wait=" + wait
		}
		patience = 0
		if got := ts.do(t, "GET", path, "", nil).object(t)["status"]; got != string(want) {
			t.Errorf("wait=%s: %v, want %s", wait, got, want)
		}
		if want == statusSuccess && (patience <= 0 || patience > maxWait) {
			t.Errorf("wait=%s: waited for %v", wait, patience)
		}
	}
	for _, wait := range []string{"-1", "281", "1e9", "NaN", "Inf", "1s", "", "0x"} {
		wantError(t, ts.do(t, "GET", "/v1/executions/"+testID+"?wait="+wait, "", nil), 400, "invalid_argument")
	}
	if n := ts.waiting.Load(); n != 0 {
		t.Errorf("%d are said to wait, and nobody does", n)
	}
}

// TestWaitersAreBounded: one more than may wait is turned away at once, and
// those who do not wait are served all the while.
func TestWaitersAreBounded(t *testing.T) {
	fake := &fakeEngine{}
	ts := start(t, fake, nil)
	fake.all = map[string]runtime.Execution{testID: execAt(testID, runtime.StateRunning)}
	ts.waiting.Store(maxWaiting)
	for _, path := range []string{"?wait=1", "/logs?follow=1"} {
		a := ts.do(t, "GET", "/v1/executions/"+testID+path, "", nil)
		wantError(t, a, 429, "too_busy")
		if a.header.Get("Retry-After") != "5" {
			t.Errorf("Retry-After %q", a.header.Get("Retry-After"))
		}
	}
	if a := ts.do(t, "GET", "/v1/executions/"+testID, "", nil); a.status != 200 {
		t.Errorf("without wait: %d", a.status)
	}
	if n := ts.waiting.Load(); n != maxWaiting {
		t.Errorf("%d wait", n)
	}
	ts.waiting.Store(maxWaiting - 1)
	if a := ts.do(t, "GET", "/v1/executions/"+testID+"?wait=0.001", "", nil); a.status != 200 {
		t.Errorf("the last place: %d", a.status)
	}
}

// TestShutdownEndsWaits: whoever waits is answered at once when the server is
// told to stop.
func TestShutdownEndsWaits(t *testing.T) {
	fake := &fakeEngine{}
	ts := start(t, fake, nil)
	fake.all = map[string]runtime.Execution{testID: execAt(testID, runtime.StateRunning)}
	waits := make(chan struct{})
	fake.await = func(ctx context.Context, id string) (runtime.Execution, error) {
		close(waits)
		<-ctx.Done()
		return fake.GetExecution(ctx, "", id)
	}
	answered := make(chan answer, 1)
	go func() { answered <- ts.do(t, "GET", "/v1/executions/"+testID+"?wait=280", "", nil) }()
	<-waits
	if err := ts.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if a := <-answered; a.status != 200 || a.object(t)["status"] != "Started" {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestGetMany(t *testing.T) {
	fake := &fakeEngine{}
	ts := start(t, fake, nil)
	large := execAt(testID, runtime.StateSucceeded)
	large.Result = []byte(`"` + strings.Repeat("x", 4*runtime.KiB) + `"`)
	large.ResultSize = len(large.Result)
	small := execAt(testID[:35]+"0", runtime.StateSucceeded)
	small.Result, small.ResultSize = []byte("1"), 1
	fake.all = map[string]runtime.Execution{large.ID: large, small.ID: small}
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
			a := ts.do(t, "POST", path, body, nil)
			var got []execution
			if err := json.Unmarshal([]byte(a.body), &got); err != nil || a.status != 200 {
				t.Fatalf("%d %s: %v", a.status, a.body, err)
			}
			var told []string
			for _, x := range got {
				told = append(told, fmt.Sprintf("%s %s %d", x.UUID, x.Status, len(x.Output)))
			}
			want := []string{
				small.ID + " Success 1", absent + " NotFound 4",
				fmt.Sprintf("%s Success %d", large.ID, large.ResultSize), small.ID + " Success 1",
			}
			if diff := cmp.Diff(want, told); diff != "" {
				t.Error(diff)
			}
			if got[1].Error == nil || got[1].Error.Code != runtime.CodeNotFound || got[1].Name != nil {
				t.Errorf("the absent one is told as %+v", got[1])
			}
		}
	}
	for name, body := range map[string]string{
		"nothing": "", "object": "{}", "number": "1", "numbers": "[1]", "no array in text": `{"tasks":"1"}`,
		"not a text": `{"tasks":[1]}`, "broken": `["` + testID,
	} {
		a := ts.do(t, "POST", "/v1/executions/bulk/", body, nil)
		wantError(t, a, 400, "invalid_argument")
		if !strings.Contains(a.body, "hint") {
			t.Errorf("%s: no hint: %s", name, a.body)
		}
	}
}

// TestGetManyBoundsOutputs: outputs beyond the bound are left out, and said to
// be.
func TestGetManyBoundsOutputs(t *testing.T) {
	fake := &fakeEngine{}
	ts := start(t, fake, nil)
	fake.all = make(map[string]runtime.Execution)
	const size = 5 * runtime.MiB
	var ids []string
	for i := range 8 {
		x := execAt(fmt.Sprintf("%s%04x", testID[:32], i), runtime.StateSucceeded)
		x.Result = []byte(`"` + strings.Repeat("x", size-2) + `"`)
		x.ResultSize = size
		fake.all[x.ID] = x
		ids = append(ids, x.ID)
	}
	body, err := json.Marshal(ids)
	if err != nil {
		t.Fatal(err)
	}
	var got []execution
	if err := json.Unmarshal([]byte(ts.do(t, "POST", "/v1/executions/bulk", string(body), nil).body), &got); err != nil {
		t.Fatal(err)
	}
	for i, x := range got {
		if whole := i < maxOutputs/size; x.UUID != ids[i] || (len(x.Output) == size) != whole || x.OutputOmitted == whole || *x.OutputSize != size {
			t.Errorf("%d: %d bytes of %d, omitted %v", i, len(x.Output), *x.OutputSize, x.OutputOmitted)
		}
	}
}

func TestCancel(t *testing.T) {
	fake := &fakeEngine{}
	ts := start(t, fake, nil)
	for name, c := range map[string]struct {
		before, after runtime.State
		asked         bool
		changed       bool
		status        status
		message       string
	}{
		"running":           {runtime.StateCancelling, runtime.StateCancelled, false, true, statusCancelled, "while it ran"},
		"ended by itself":   {runtime.StateCancelling, runtime.StateSucceeded, false, true, statusSuccess, "by itself"},
		"does not stop yet": {runtime.StateCancelling, runtime.StateCancelling, false, true, statusStarted, "is being stopped"},
		"again":             {runtime.StateCancelling, runtime.StateCancelling, true, false, statusStarted, "is being stopped"},
		"ended":             {runtime.StateFailed, "", false, false, statusFailed, "had ended before"},
		"cancelled":         {runtime.StateCancelled, "", false, false, statusCancelled, "cancelled before; nothing"},
	} {
		x := execAt(testID, c.before)
		x.CancelRequested = c.asked
		fake.renew(func(f *fakeEngine) {
			f.all = map[string]runtime.Execution{testID: x}
			f.ended = nil
			if c.after != "" {
				f.ended = map[string]runtime.Execution{testID: execAt(testID, c.after)}
			}
		})
		got := ts.do(t, "DELETE", "/v1/executions/"+testID, "", nil).object(t)
		if got["changed"] != c.changed || got["status"] != string(c.status) || !strings.Contains(got["message"].(string), c.message) || got["uuid"] != testID {
			t.Errorf("%s: %v", name, got)
		}
	}
	wantError(t, ts.do(t, "DELETE", "/v1/executions/x", "", nil), 404, "not_found")
}
