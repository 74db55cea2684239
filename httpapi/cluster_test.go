package httpapi_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/faaspot/faaspot/httpapi"
	"github.com/faaspot/faaspot/httpapi/internal/apitest"
	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage"
)

// outdatable is a server that may not have the last state of the data, once outdated is set.
func outdatable(t *testing.T, fake *apitest.Fake, outdated *atomic.Bool) *apitest.Served {
	t.Helper()
	return apitest.Start(t, fake, func(o *httpapi.Options) {
		o.Current = func() error {
			if !outdated.Load() {
				return nil
			}
			err := runtime.Errorf(runtime.CodeUnavailable, "it may be outdated")
			err.RetryAfter = 1e9
			return err
		}
	})
}

func checkOutdated(t *testing.T, what string, a apitest.Answer) {
	t.Helper()
	if a.Status != 503 || a.Header.Get("Retry-After") != "1" || !strings.Contains(a.Body, "it may be outdated") || strings.Contains(a.Body, "[]") || a.Header.Get("Idempotency-Replayed") != "" {
		t.Errorf("%s: %d %s", what, a.Status, a.Body)
	}
}

// TestReadsMustBeCurrent checks that a server answers no read whose result may be outdated, and all else.
func TestReadsMustBeCurrent(t *testing.T) {
	t.Parallel()
	var outdated atomic.Bool
	ts := outdatable(t, &apitest.Fake{}, &outdated)
	reads := [][2]string{{"GET", "/v1/functions/"}, {"GET", "/v1/executions/"}, {"GET", "/v0/jobs"}, {"GET", "/v1/dlq/"}}
	for _, r := range reads {
		if a := ts.Do(t, r[0], r[1], "", nil); a.Status != 200 {
			t.Errorf("%s %s: %d %s", r[0], r[1], a.Status, a.Body)
		}
	}
	outdated.Store(true)
	for _, r := range reads {
		checkOutdated(t, r[0]+" "+r[1], ts.Do(t, r[0], r[1], "", nil))
	}
	function := `{"name":"hello.py","code":"def main(args, context): pass"}`
	for _, w := range [][3]string{{"POST", "/v1/functions/f/rpc", "{}"}, {"PUT", "/v1/functions/", function}, {"DELETE", "/v1/functions/f", ""}} {
		if a := ts.Do(t, w[0], w[1], w[2], nil); a.Status != 200 {
			t.Errorf("%s %s, which is stored: %d %s", w[0], w[1], a.Status, a.Body)
		}
	}
	if a := ts.Do(t, "GET", "/healthz", "", apitest.Header{"Authorization": ""}); a.Status != 200 {
		t.Errorf("healthz: %d", a.Status)
	}
}

// TestErrorsMustBeCurrent checks that errors that say something about the data are no more answered by a server that
// may be outdated than its reads are, whatever the route does.
func TestErrorsMustBeCurrent(t *testing.T) {
	t.Parallel()
	for code, status := range map[runtime.Code]int{runtime.CodeNotFound: 404, runtime.CodeConflict: 409, runtime.CodeAlreadyExists: 409, runtime.CodePrecondition: 412} {
		var outdated atomic.Bool
		fake := &apitest.Fake{Err: runtime.Errorf(code, "a fact")}
		ts := outdatable(t, fake, &outdated)
		for _, now := range []bool{false, true} {
			outdated.Store(now)
			for _, r := range [][3]string{
				{"GET", "/v1/functions/f", ""}, {"DELETE", "/v1/functions/f", ""}, {"PUT", "/v1/functions/", `{"name":"hello.py","code":"def main(args, context): pass"}`},
			} {
				a := ts.Do(t, r[0], r[1], r[2], nil)
				if now {
					checkOutdated(t, r[0]+" "+string(code), a)
				} else if a.Status != status {
					t.Errorf("%s: %d %s", r[0], a.Status, a.Body)
				}
			}
		}
	}
	var outdated atomic.Bool
	ts := outdatable(t, &apitest.Fake{}, &outdated)
	wrong := apitest.Header{"Authorization": "Token wrong"}
	upload := apitest.Header{"Authorization": "Token wrong", "Expect": "100-continue"}
	for _, r := range [][2]string{{"GET", "/v1/functions/"}, {"POST", "/v1/functions/f/rpc"}, {"DELETE", "/v1/functions/f"}} {
		outdated.Store(false)
		if a := ts.Do(t, r[0], r[1], "{}", wrong); a.Status != 401 {
			t.Errorf("%s: %d %s", r[0], a.Status, a.Body)
		}
		outdated.Store(true)
		checkOutdated(t, r[0]+" with a token that is not known", ts.Do(t, r[0], r[1], "{}", wrong))
	}
	checkOutdated(t, "a body that waits for an answer", ts.Do(t, "POST", "/v1/functions/f/rpc", "{}", upload))
}

// TestWhatWasDoneBeforeMustBeCurrent checks that an answer without a change of its own is not given by a server that may
// be outdated: the run that it names may be unknown to the owner.
func TestWhatWasDoneBeforeMustBeCurrent(t *testing.T) {
	t.Parallel()
	var outdated atomic.Bool
	fake := &apitest.Fake{}
	fake.Replay = true
	ts := outdatable(t, fake, &outdated)
	key := apitest.Header{"Idempotency-Key": "k"}
	if a := ts.Do(t, "POST", "/v1/functions/f/rpc", "{}", key); a.Status != 200 || a.Header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("%d %v %s", a.Status, a.Header, a.Body)
	}
	outdated.Store(true)
	checkOutdated(t, "a repeated request", ts.Do(t, "POST", "/v1/functions/f/rpc", "{}", key))
}

// TestNoRunOfAnOutdatedServer checks that no run begins whose version may not be the last one.
func TestNoRunOfAnOutdatedServer(t *testing.T) {
	t.Parallel()
	var outdated atomic.Bool
	fake := &apitest.Fake{}
	ts := outdatable(t, fake, &outdated)
	outdated.Store(true)
	checkOutdated(t, "POST", ts.Do(t, "POST", "/v1/sync/functions/f/rpc", "{}", nil))
	checkOutdated(t, "GET", ts.Do(t, "GET", "/v1/sync/functions/f/rpc", "", nil))
	checkOutdated(t, "a trial", ts.Do(t, "POST", "/v1/try", `{"code":"def main(args, context): pass"}`, nil))
	if len(fake.Ran) > 0 || len(fake.Tried) > 0 {
		t.Errorf("%d runs and %d trials have begun", len(fake.Ran), len(fake.Tried))
	}
}

// stuckEngine is an engine whose deletions of functions do not end before stuck is closed.
type stuckEngine struct {
	*apitest.Fake
	stuck chan struct{}
	began atomic.Int64 // deletions
}

func (e *stuckEngine) DeleteFunction(ctx context.Context, d runtime.FunctionDeletion) (runtime.Deployment, error) {
	e.began.Add(1)
	<-e.stuck
	return e.Fake.DeleteFunction(ctx, d)
}

// TestWritesThatDoNotEnd checks that a request does not wait for its write for ever while another process may own the data, directly and
// through a node. It gets no answer: its outcome is not known. No further one begins then, and what does not write goes on.
func TestWritesThatDoNotEnd(t *testing.T) {
	t.Parallel()
	var outdated atomic.Bool
	runs, end := make(chan struct{}, 1), make(chan struct{})
	e := &stuckEngine{stuck: make(chan struct{}), Fake: &apitest.Fake{OnRun: func(context.Context, runtime.RunRequest) (*runtime.Execution, error) {
		runs <- struct{}{}
		<-end
		return apitest.Succeeded("1"), nil
	}}}
	n := startNode(t, &apitest.Fake{}, e.Fake, func(o *httpapi.Options) {
		o.Engine, o.StallTime = e, 300*time.Millisecond
		o.Current = func() error {
			if outdated.Load() {
				return runtime.Errorf(runtime.CodeUnavailable, "it may be outdated")
			}
			return nil
		}
	})
	n.runs.Store(false)
	ran := make(chan apitest.Answer, 1)
	go func() { ran <- n.owner.Do(t, "POST", "/v1/sync/functions/f/rpc", "{}", nil) }()
	<-runs
	head := " HTTP/1.1\r\nHost: x\r\nAuthorization: Token " + apitest.Token + "\r\nContent-Length: 0\r\n\r\n"
	var waiting []*apitest.RawConn
	for i, address := range []string{n.owner.Addr, n.Addr} {
		c := apitest.DialRaw(t, address)
		c.Send(t, "DELETE /v1/functions/f"+head)
		apitest.Eventually(t, func() bool { return e.began.Load() == int64(i+1) })
		waiting = append(waiting, c)
	}
	outdated.Store(true)
	for i, c := range waiting {
		if answers, closed := c.Answers(t, -1); len(answers) > 0 || !closed {
			t.Errorf("%d: %v", i, answers)
		}
	}
	for _, r := range [][2]string{{"DELETE", "/v1/functions/f"}, {"POST", "/v1/functions/f/rpc"}} {
		if a := n.Do(t, r[0], r[1], "", nil); a.Status != 503 || !strings.Contains(a.Body, "nothing was changed") || a.Header.Get("Retry-After") == "" {
			t.Errorf("%v: %d %s", r, a.Status, a.Body)
		}
	}
	if got := e.began.Load(); got != 2 {
		t.Errorf("%d deletions have begun, want 2", got)
	}
	outdated.Store(false)
	close(e.stuck)
	if a := n.Do(t, "DELETE", "/v1/functions/f", "", nil); a.Status != 200 {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	close(end)
	if a := <-ran; a.Status != 200 || a.Body != "1" {
		t.Errorf("the run: %d %s", a.Status, a.Body)
	}
}

// TestUnknownOutcomesHaveNoAnswer checks that a request of which it is not known whether it has changed something has no answer: 503 would say
// that it has not.
func TestUnknownOutcomesHaveNoAnswer(t *testing.T) {
	t.Parallel()
	unknown := runtime.Errorf(runtime.CodeUnavailable, "it is not known")
	unknown.Err = runtime.ErrUnknownOutcome
	ts := apitest.StartTCP(t, &apitest.Fake{Err: fmt.Errorf("engine: %w", unknown)}, nil)
	for _, request := range []string{"DELETE /v1/functions/f", "POST /v1/functions/f/pause"} {
		c := apitest.DialRaw(t, ts.Addr)
		c.Send(t, request+" HTTP/1.1\r\nHost: x\r\nAuthorization: Token "+apitest.Token+"\r\nContent-Length: 0\r\n\r\n")
		if answers, closed := c.Answers(t, -1); len(answers) > 0 || !closed {
			t.Errorf("%s: %v", request, answers)
		}
	}
	if a := ts.Do(t, "GET", "/v1/functions/f", "", nil); a.Status != 503 {
		t.Errorf("a request that changes nothing: %d %s", a.Status, a.Body)
	}
}

// TestChangesOfAFencedServer checks that a change which was made has no answer if its entry in the audit log does not show any more that this
// server owned the data then: 503 would say that nothing was done. One that has not begun, because the outcome of its entry is not known, gets 503.
func TestChangesOfAFencedServer(t *testing.T) {
	t.Parallel()
	store, err := storage.Open(storage.Options{Dir: "store", FS: vfs.NewMem(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	lost := runtime.Errorf(runtime.CodeUnavailable, "another node owns the data")
	broken := &failingAudit{AuditStore: store, end: lost}
	var outdated atomic.Bool
	fake := &apitest.Fake{}
	ts := apitest.StartTCP(t, fake, func(o *httpapi.Options) {
		o.Audit = broken
		o.Current = func() error {
			if outdated.Load() {
				return lost
			}
			return nil
		}
	})
	const function = `{"name":"f","code":"def main(args, context): pass"}`
	if a := ts.Do(t, "PUT", "/v1/functions/", function, nil); a.Status != 200 {
		t.Errorf("a change without its entry: %d %s", a.Status, a.Body)
	}
	outdated.Store(true)
	for i, r := range [][2]string{{"PUT /v1/functions/", function}, {"DELETE /v1/functions/f", ""}, {"POST /v1/functions/f/pause", ""}} {
		c := apitest.DialRaw(t, ts.Addr)
		c.Send(t, fmt.Sprintf("%s HTTP/1.1\r\nHost: x\r\nAuthorization: Token %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", r[0], apitest.Token, len(r[1]), r[1]))
		if answers, closed := c.Answers(t, -1); len(answers) > 0 || !closed {
			t.Errorf("%s: %v", r[0], answers)
		}
		if i == 0 && len(fake.Made()) != 2 {
			t.Errorf("%d functions were made, want 2", len(fake.Made()))
		}
	}
	unknown := runtime.Errorf(runtime.CodeUnavailable, "it is not known")
	unknown.Err = runtime.ErrUnknownOutcome
	broken.mu.Lock()
	broken.begin = unknown
	broken.mu.Unlock()
	if a := ts.Do(t, "PUT", "/v1/functions/", function, nil); a.Status != 503 || !strings.Contains(a.Body, "nothing was changed") || len(fake.Made()) != 2 {
		t.Errorf("a change that has not begun: %d %s, %d functions were made", a.Status, a.Body, len(fake.Made()))
	}
}

// unavailable refuses all requests.
type unavailable struct{}

func (unavailable) Authenticate([]byte) (*runtime.Identity, error) {
	return nil, runtime.Errorf(runtime.CodeUnavailable, "there is no owner")
}

func (u unavailable) AuthenticateHash([sha256.Size]byte) (*runtime.Identity, error) {
	return u.Authenticate(nil)
}

// TestStandby checks that a server that never has an engine refuses requests, closes their connections, and is ready
// when it says so.
func TestStandby(t *testing.T) {
	t.Parallel()
	var ready atomic.Bool
	ts := apitest.StartTCP(t, &apitest.Fake{}, func(o *httpapi.Options) {
		o.Engine, o.Auth, o.Standby = nil, unavailable{}, true
		o.Ready = func() error {
			if ready.Load() {
				return nil
			}
			return runtime.Errorf(runtime.CodeUnavailable, "not yet")
		}
	})
	for _, want := range []int{503, 200} {
		if a := ts.Do(t, "GET", "/readyz", "", apitest.Header{"Authorization": ""}); a.Status != want {
			t.Errorf("readyz: %d, want %d", a.Status, want)
		}
		for _, r := range [][2]string{{"GET", "/v1/functions/"}, {"POST", "/v1/functions/f/rpc"}, {"PUT", "/v1/functions/"}, {"GET", "/v0/jobs"}} {
			if a := ts.Do(t, r[0], r[1], "{}", nil); a.Status != 503 || !strings.Contains(a.Body, "there is no owner") {
				t.Errorf("%s %s: %d %s", r[0], r[1], a.Status, a.Body)
			}
		}
		ready.Store(true)
	}
	c := apitest.DialRaw(t, ts.Addr)
	c.Send(t, "GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n")
	if all, closed := c.Answers(t, 1); !closed || len(all) != 1 {
		t.Errorf("%d answers, closed: %t", len(all), closed)
	}
}
