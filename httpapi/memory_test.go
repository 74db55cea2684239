package httpapi_test

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/faaspot/faaspot/httpapi"
	"github.com/faaspot/faaspot/httpapi/internal/apitest"
	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/memory"
)

// budgeted starts a server with a memory budget.
func budgeted(t *testing.T, fake *apitest.Fake, total int64, change func(*httpapi.Options)) (*apitest.Served, *memory.Budget) {
	t.Helper()
	b := memory.New(total, nil)
	return apitest.StartTCP(t, fake, func(o *httpapi.Options) {
		o.Memory = b
		if change != nil {
			change(o)
		}
	}), b
}

// held returns the bytes that accounts of a name hold.
func held(b *memory.Budget, name string) int64 {
	for _, h := range b.Holders() {
		if h.Name == name {
			return h.Bytes
		}
	}
	return -1
}

// argsOf returns args of n bytes.
func argsOf(n int) string { return "{" + strings.Repeat(" ", n-2) + "}" }

// TestQueuedArgsAreInTheBudget has callers wait with large args: those beyond the budget are refused
// before they run, small ones are served, and all is given back.
func TestQueuedArgsAreInTheBudget(t *testing.T) {
	t.Parallel()
	const size = runtime.MiB
	finish := make(chan struct{})
	started := make(chan struct{}, 100)
	ts, b := budgeted(t, &apitest.Fake{OnRun: func(_ context.Context, r runtime.RunRequest) (*runtime.Execution, error) {
		if len(r.Args) == size {
			started <- struct{}{}
			<-finish
		}
		return apitest.Succeeded("1"), nil
	}}, 32*size, nil)
	answers := make(chan apitest.Answer, 10)
	for range 10 {
		go func() { answers <- ts.Do(t, "POST", "/v1/sync/functions/f/rpc/", argsOf(size), nil) }()
	}
	for range 6 {
		a := <-answers
		apitest.WantError(t, a, 429, "too_busy")
		if a.Header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
	}
	if n := held(b, "args of waiting requests"); n != 4*size || len(started) != 4 {
		t.Errorf("%d bytes are held, %d runs started", n, len(started))
	}
	if a := ts.Do(t, "POST", "/v1/sync/functions/f/rpc/", argsOf(60_000), nil); a.Status != 200 {
		t.Errorf("small args: %+v", a)
	}
	if a := ts.Do(t, "POST", "/v1/functions/f/bulk_rpc/", "["+argsOf(size)+"]", nil); a.Status != 200 {
		t.Errorf("a bulk: %+v", a)
	}
	close(finish)
	for range 4 {
		if a := <-answers; a.Status != 200 {
			t.Errorf("got %+v", a)
		}
	}
	apitest.Eventually(t, func() bool { return held(b, "args of waiting requests") == 0 && held(b, "request bodies") == 0 })
}

// TestWithheldBodiesEnd has bodies that stop before their end, or never end: they hold no more than
// the budget, and are given up in bounded time.
func TestWithheldBodiesEnd(t *testing.T) {
	t.Parallel()
	const size = 4 * runtime.MiB
	for name, c := range map[string]struct {
		header, body string
		drip         string
	}{
		"last byte":   {"Content-Length: " + strconv.Itoa(size) + "\r\n\r\n", argsOf(size)[1:], ""},
		"drip":        {"Content-Length: " + strconv.Itoa(size) + "\r\n\r\n", argsOf(size / 2), " "},
		"no chunk":    {"Transfer-Encoding: chunked\r\n\r\n", "200000\r\n" + argsOf(2*runtime.MiB) + "\r\n", ""},
		"small chunk": {"Transfer-Encoding: chunked\r\n\r\n", "200000\r\n" + argsOf(2*runtime.MiB) + "\r\n", "1\r\n \r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ts, b := budgeted(t, &apitest.Fake{}, 8*size, shortTimeouts)
			var conns []*apitest.RawConn
			for range 8 {
				conn := apitest.DialRaw(t, ts.Addr)
				_, _ = conn.Write([]byte("POST /v1/functions/f/bulk_rpc/ HTTP/1.1\r\nHost: a\r\n" + apitest.AuthLine + c.header + c.body))
				conns = append(conns, conn)
				if used := b.Used(); used > b.Total() {
					t.Errorf("%d bytes are used", used)
				}
			}
			if c.drip != "" {
				go func() {
					for alive := true; alive; time.Sleep(5 * time.Millisecond) {
						alive = false
						for _, conn := range conns {
							if _, err := conn.Write([]byte(c.drip)); err == nil {
								alive = true
							}
						}
					}
				}()
			}
			apitest.Eventually(t, func() bool { return held(b, "request bodies") == 0 })
			if a := ts.Do(t, "POST", "/v1/functions/f/bulk_rpc/", "["+argsOf(runtime.MiB)+"]", nil); a.Status != 200 {
				t.Errorf("afterwards: %+v", a)
			}
		})
	}
}

// TestUnreadAnswersAreInTheBudget has clients request a large result, again and again, and read
// nothing: no more is held than the budget allows, later requests are refused, small ones and runs
// are served, and what is held is given back.
func TestUnreadAnswersAreInTheBudget(t *testing.T) {
	t.Parallel()
	const size = 6 * runtime.MiB
	x := apitest.ExecutionAt(apitest.ID, runtime.StateSucceeded)
	x.Result = []byte(`"` + strings.Repeat("x", size-2) + `"`)
	x.ResultSize = size
	fake := &apitest.Fake{Outcome: apitest.Succeeded("1")}
	fake.All = map[string]runtime.Execution{apitest.ID: x}
	ts, b := budgeted(t, fake, 16*size, func(o *httpapi.Options) { o.WriteTimeout = 10 * time.Second })
	get := "GET /v1/executions/" + apitest.ID + " HTTP/1.1\r\nHost: a\r\n" + apitest.AuthLine + "\r\n"
	var conns []*apitest.RawConn
	for range 20 {
		conn := apitest.DialRaw(t, ts.Addr)
		conn.Send(t, get)
		conns = append(conns, conn)
	}
	apitest.Eventually(t, func() bool { return held(b, "answers") > 0 })
	refused := false
	for range 5 {
		a := ts.Do(t, "GET", "/v1/executions/"+apitest.ID, "", nil)
		if a.Status == 429 && a.Header.Get("Retry-After") != "" {
			refused = true
		} else if a.Status != 200 || len(a.Body) < size {
			t.Fatalf("got %d, %d bytes", a.Status, len(a.Body))
		}
		if used := b.Used(); used > b.Total()/2 {
			t.Fatalf("%d bytes are used", used)
		}
		if a := ts.Do(t, "POST", "/v1/sync/functions/f/rpc/", "{}", nil); a.Status != 200 {
			t.Fatalf("a run: %+v", a)
		}
	}
	if !refused {
		t.Error("no request was refused")
	}
	// A client that does not read makes room for one that does.
	apitest.Eventually(t, func() bool { return ts.Do(t, "GET", "/v1/executions/"+apitest.ID, "", nil).Status == 200 })
	for _, conn := range conns {
		_ = conn.Close()
	}
	apitest.Eventually(t, func() bool { return held(b, "answers") == 0 })
}

// TestResultsOfRunsAreAlwaysSent has more results of blocking runs than the budget allows: these
// runs were carried out, so none is refused.
func TestResultsOfRunsAreAlwaysSent(t *testing.T) {
	t.Parallel()
	result := `"` + strings.Repeat("x", 2*runtime.MiB) + `"`
	ts, b := budgeted(t, &apitest.Fake{Outcome: apitest.Succeeded(result)}, 2*runtime.MiB, nil)
	for range 3 {
		if a := ts.Do(t, "POST", "/v1/sync/functions/f/rpc/", "{}", nil); a.Status != 200 || a.Body != result {
			t.Errorf("got %d, %d bytes", a.Status, len(a.Body))
		}
	}
	apitest.Eventually(t, func() bool { return held(b, "answers") == 0 })
}

// TestReadsTakeMemoryFirst checks that what may be large is not read when the memory budget is used up,
// and that what is small is.
func TestReadsTakeMemoryFirst(t *testing.T) {
	t.Parallel()
	fake := apitest.FullFake()
	ts, b := budgeted(t, fake, 64*runtime.MiB, func(o *httpapi.Options) { o.Engine = apitest.FullEngine{Fake: fake} })
	paths := []string{
		"/v1/functions/", "/v1/functions/f", "/v1/dlq/", "/v1/dlq/" + apitest.ID, "/v1/executions/",
		"/v0/jobs", "/v0/jobs/j", "/v0/jobs/j/revisions", "/v0/jobs/j/executions", "/v0/jobs/j/executions/x", "/v0/jobs/j/executions/x/tasks",
	}
	for _, path := range paths {
		if a := ts.Do(t, "GET", path, "", nil); a.Status != 200 {
			t.Errorf("%s: %d %s", path, a.Status, a.Body)
		}
	}
	apitest.Eventually(t, func() bool { return held(b, "answers") == 0 })
	b.Open(memory.Options{Name: "others"}).Add(b.Total() - b.Reserve()/2 - b.Used())
	for _, path := range paths {
		apitest.WantError(t, ts.Do(t, "GET", path, "", nil), 429, "too_busy")
	}
	for _, path := range []string{"/v1/functions/?limit=5", "/v1/executions/" + apitest.ID} {
		if a := ts.Do(t, "GET", path, "", nil); a.Status != 200 {
			t.Errorf("%s: %d %s", path, a.Status, a.Body)
		}
	}
	if a := ts.Do(t, "DELETE", "/v0/jobs/j/executions/x", "", nil); a.Status != 200 {
		t.Errorf("a cancellation: %d %s", a.Status, a.Body)
	}
}

// TestManySmallItems sends bodies with far more items than allowed, which must not take more memory
// than the bodies.
func TestManySmallItems(t *testing.T) {
	ts, _ := budgeted(t, apitest.FullFake(), 1<<30, nil)
	items := strings.Repeat("{},", 500_000)
	items = items[:len(items)-1]
	var members strings.Builder
	for i := range 200_000 {
		members.WriteString(`,"` + strconv.Itoa(i) + `":0`)
	}
	for path, body := range map[string]string{
		"/v1/functions/f/bulk_rpc/":  "[" + items + "]",
		"/v1/functions/g/bulk_rpc/":  `{"a":0` + members.String() + "}",
		"/v0/jobs/j/executions":      `{"tasks":[` + items + `]}`,
		"/v0/jobs/j/executions?a":    `{"tasks":[{}]` + members.String() + `}`,
		"/v0/jobs/j/executions?b":    `{"env":{"a":"b"` + members.String() + `}}`,
		"/v0/jobs/j/triggers/a/path": `{"tasks":[` + items + `]}`,
	} {
		allocated := testing.AllocsPerRun(1, func() {
			a := ts.Do(t, "POST", path, body, nil)
			if a.Status >= 500 {
				t.Errorf("%s: got %d %.200s", path, a.Status, a.Body)
			}
		})
		if allocated > 120_000 {
			t.Errorf("%s: %.0f allocations", path, allocated)
		}
	}
}

// TestCopiesOfFunctionsAreInTheBudget sends functions and jobs whose copies have no memory: they are
// refused before anything is done.
func TestCopiesOfFunctionsAreInTheBudget(t *testing.T) {
	t.Parallel()
	fake := apitest.FullFake()
	ts, _ := budgeted(t, fake, 4*runtime.MiB, nil)
	spaces := strings.Repeat(" ", runtime.MiB)
	for path, method := range map[string]string{"/v1/functions/": "PUT", "/v1/functions/f": "PATCH", "/v0/jobs": "POST", "/v0/jobs/j": "PUT"} {
		apitest.WantError(t, ts.Do(t, method, path, `{"name":"f","code":"def main(args, context): pass"`+spaces+`}`, nil), 429, "too_busy")
	}
}
