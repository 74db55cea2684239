package faaspot_test

import (
	"context"
	"net"
	goruntime "runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/faaspot/faaspot/httpapi"
	"github.com/faaspot/faaspot/httpapi/internal/apitest"
	"github.com/faaspot/faaspot/runtime"
)

// slowReads is an engine that takes its time for results, and counts how many reads it does at once.
type slowReads struct {
	*apitest.Fake
	reads, at, most atomic.Int64
}

func (e *slowReads) read() {
	e.reads.Add(1)
	if n := e.at.Add(1); n > e.most.Load() {
		e.most.Store(n)
	}
	time.Sleep(time.Millisecond)
	e.at.Add(-1)
}

func (e *slowReads) GetExecution(ctx context.Context, tenant runtime.Tenant, id string) (runtime.Execution, error) {
	e.read()
	return e.Fake.GetExecution(ctx, tenant, id)
}

// TestLargeReadsTakeTurns sends requests for large results and logs at once: the server reads one at a time, or in a quarter of the processors, and
// answers all. What is small is read at once.
func TestLargeReadsTakeTurns(t *testing.T) {
	t.Parallel()
	const clients = 6
	for size, large := range map[int]bool{200 * runtime.KiB: true, 2 * runtime.ListedResult: false} {
		x := apitest.ExecutionAt(apitest.ID, runtime.StateSucceeded)
		x.Result = []byte(`"` + strings.Repeat("x", size) + `"`)
		x.ResultSize = len(x.Result)
		logs := runtime.Logs{Data: []byte(strings.Repeat("line\n", size/5)), Marks: []runtime.LogMark{{Stream: 1}}}
		e := &slowReads{Fake: &apitest.Fake{}}
		e.All = map[string]runtime.Execution{apitest.ID: x}
		e.OnLogs = func(_ context.Context, from runtime.LogPosition) (runtime.LogPage, error) {
			if from.Offset > 0 {
				e.read()
			}
			return runtime.NewLogPage(1, logs, from), nil
		}
		ts := apitest.Start(t, e.Fake, func(o *httpapi.Options) { o.Engine = e })
		var group sync.WaitGroup
		for range clients {
			for _, r := range []struct{ method, path, body string }{
				{"GET", "/v1/executions/" + apitest.ID, ""},
				{"POST", "/v1/executions/bulk", `["` + apitest.ID + `"]`},
				{"GET", "/v1/executions/" + apitest.ID + "/logs?format=raw", ""},
			} {
				group.Go(func() {
					if a := ts.Do(t, r.method, r.path, r.body, nil); a.Status != 200 || len(a.Body) < size/5*5 {
						t.Errorf("%s %s: %d, %d bytes", r.method, r.path, a.Status, len(a.Body))
					}
				})
			}
		}
		group.Wait()
		if most, want := e.most.Load(), int64(max(1, goruntime.GOMAXPROCS(0)/4)); large && most > want || e.reads.Load() < 2*clients {
			t.Errorf("results of %d bytes: %d of %d reads at once, want %d", size, most, e.reads.Load(), want)
		}
	}
}

// gatedResults is an engine whose results come when the gate is open.
type gatedResults struct {
	*apitest.Fake
	began, gate chan struct{}
}

func (e *gatedResults) GetExecution(ctx context.Context, tenant runtime.Tenant, id string) (runtime.Execution, error) {
	e.began <- struct{}{}
	<-e.gate
	return e.Fake.GetExecution(ctx, tenant, id)
}

// TestClientsDoNotPayForTurns lets a response with logs wait for its turn for longer than the server waits for clients
// that do not read: a client that reads gets all of it.
func TestClientsDoNotPayForTurns(t *testing.T) {
	t.Parallel()
	const size, patience = 300 * runtime.KiB, 500 * time.Millisecond
	x := apitest.ExecutionAt(apitest.ID, runtime.StateSucceeded)
	x.Result = []byte(`"` + strings.Repeat("x", size) + `"`)
	x.ResultSize = len(x.Result)
	logs := runtime.Logs{Data: []byte(strings.Repeat("line\n", size/5)), Marks: []runtime.LogMark{{Stream: 1}}}
	e := &gatedResults{Fake: &apitest.Fake{}, began: make(chan struct{}), gate: make(chan struct{})}
	e.All = map[string]runtime.Execution{apitest.ID: x}
	e.OnLogs = func(_ context.Context, from runtime.LogPosition) (runtime.LogPage, error) {
		return runtime.NewLogPage(1, logs, from), nil
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dial := func() (net.Conn, error) { return net.Dial("tcp", ln.Addr().String()) }
	ts := apitest.StartOn(t, ln, dial, e.Fake, func(o *httpapi.Options) { o.Engine, o.WriteTimeout = e, patience })
	var group sync.WaitGroup
	for range max(1, goruntime.GOMAXPROCS(0)/4) { // all places of the tenant
		group.Go(func() { ts.Do(t, "GET", "/v1/executions/"+apitest.ID, "", nil) })
		<-e.began
	}
	time.AfterFunc(2*patience, func() { close(e.gate) })
	if a := ts.Do(t, "GET", "/v1/executions/"+apitest.ID+"/logs?format=raw", "", nil); a.Status != 200 || len(a.Body) != len(logs.Data) {
		t.Errorf("%d, %d bytes of %d", a.Status, len(a.Body), len(logs.Data))
	}
	group.Wait()
}
