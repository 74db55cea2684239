package httpapi

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/faaspot/faaspot/runtime"
)

// TestBeforeTheEngineStarts: until there is an engine, requests that need it get 503, and
// nothing else changes.
func TestBeforeTheEngineStarts(t *testing.T) {
	fake := &fakeEngine{}
	ts := start(t, fake, func(o *Options) { o.Engine = nil })
	for _, r := range [][2]string{
		{"GET", "/readyz"}, {"GET", "/v1/functions/"}, {"POST", "/v1/sync/functions/f/rpc"}, {"GET", "/v1/executions/"}, {"GET", "/v0/jobs"}, {"GET", "/v1/dlq/"},
	} {
		a := ts.do(t, r[0], r[1], "{}", nil)
		if a.status != 503 || a.header.Get("Retry-After") != "1" || !strings.Contains(a.body, "the server is starting") {
			t.Errorf("%s %s: %d %s", r[0], r[1], a.status, a.body)
		}
	}
	if a := ts.do(t, "GET", "/healthz", "", header{"Authorization": ""}); a.status != 200 {
		t.Errorf("healthz: %d", a.status)
	}
	if a := ts.do(t, "GET", "/v1/functions/", "", header{"Authorization": ""}); a.status != 401 {
		t.Errorf("without a token: %d", a.status)
	}
	ts.SetEngine(fake)
	if a := ts.do(t, "GET", "/readyz", "", header{"Authorization": ""}); a.status != 200 {
		t.Errorf("readyz with an engine: %d", a.status)
	}
	if a := ts.do(t, "GET", "/v1/functions/", "", nil); a.status != 200 {
		t.Errorf("with an engine: %d %s", a.status, a.body)
	}
}

func TestHealth(t *testing.T) {
	var why atomic.Value
	ts := start(t, &fakeEngine{}, func(o *Options) {
		o.Ready = func() error {
			if err, ok := why.Load().(*error); ok {
				return *err
			}
			return nil
		}
	})
	get := func(path string) answer { return ts.do(t, "GET", path, "", header{"Authorization": ""}) }
	if a := get("/healthz"); a.status != 200 || a.body != `{"status":"ok"}` {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := get("/readyz"); a.status != 200 || a.body != `{"status":"ready"}` {
		t.Errorf("%d %s", a.status, a.body)
	}
	for err, want := range map[error]string{
		errors.New("/var/lib/s3cret"):                                           "the server is not ready to serve",
		runtime.Errorf(runtime.CodeUnavailable, "the base image is being made"): "the base image is being made",
		runtime.Errorf(runtime.CodeInternal, "s3cret"):                          "the server is not ready to serve",
	} {
		why.Store(&err)
		a := get("/readyz")
		if m := wantError(t, a, 503, "unavailable"); m["message"] != want {
			t.Errorf("%v: %s", err, a.body)
		}
		if got := a.header.Get("Retry-After"); got != "1" {
			t.Errorf("Retry-After %q", got)
		}
		if a := get("/healthz"); a.status != 200 {
			t.Errorf("healthz: %d", a.status)
		}
	}
}
