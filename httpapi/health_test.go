package httpapi_test

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/faaspot/faaspot/httpapi"
	"github.com/faaspot/faaspot/httpapi/internal/apitest"
	"github.com/faaspot/faaspot/runtime"
)

// TestBeforeTheEngineStarts checks that requests that need the engine get 503 until it is set, and
// that all others work.
func TestBeforeTheEngineStarts(t *testing.T) {
	t.Parallel()
	fake := &apitest.Fake{}
	ts := apitest.Start(t, fake, func(o *httpapi.Options) { o.Engine = nil })
	for _, r := range [][2]string{
		{"GET", "/readyz"}, {"GET", "/v1/functions/"}, {"POST", "/v1/sync/functions/f/rpc"}, {"GET", "/v1/executions/"}, {"GET", "/v0/jobs"}, {"GET", "/v1/dlq/"},
	} {
		a := ts.Do(t, r[0], r[1], "{}", nil)
		if a.Status != 503 || a.Header.Get("Retry-After") != "1" || !strings.Contains(a.Body, "the server is starting") {
			t.Errorf("%s %s: %d %s", r[0], r[1], a.Status, a.Body)
		}
	}
	if a := ts.Do(t, "GET", "/healthz", "", apitest.Header{"Authorization": ""}); a.Status != 200 {
		t.Errorf("healthz: %d", a.Status)
	}
	if a := ts.Do(t, "GET", "/v1/functions/", "", apitest.Header{"Authorization": ""}); a.Status != 401 {
		t.Errorf("without a token: %d", a.Status)
	}
	ts.SetEngine(fake)
	if a := ts.Do(t, "GET", "/readyz", "", apitest.Header{"Authorization": ""}); a.Status != 200 {
		t.Errorf("readyz with an engine: %d", a.Status)
	}
	if a := ts.Do(t, "GET", "/v1/functions/", "", nil); a.Status != 200 {
		t.Errorf("with an engine: %d %s", a.Status, a.Body)
	}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	var why atomic.Value
	ts := apitest.Start(t, &apitest.Fake{}, func(o *httpapi.Options) {
		o.Ready = func() error {
			if err, ok := why.Load().(*error); ok {
				return *err
			}
			return nil
		}
	})
	get := func(path string) apitest.Answer {
		return ts.Do(t, "GET", path, "", apitest.Header{"Authorization": ""})
	}
	if a := get("/healthz"); a.Status != 200 || a.Body != `{"status":"ok"}` {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	if a := get("/readyz"); a.Status != 200 || a.Body != `{"status":"ready"}` {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	for err, want := range map[error]string{
		errors.New("/var/lib/s3cret"):                                           "the server is not ready to serve",
		runtime.Errorf(runtime.CodeUnavailable, "the base image is being made"): "the base image is being made",
		runtime.Errorf(runtime.CodeInternal, "s3cret"):                          "the server is not ready to serve",
	} {
		why.Store(&err)
		a := get("/readyz")
		if m := apitest.WantError(t, a, 503, "unavailable"); m["message"] != want {
			t.Errorf("%v: %s", err, a.Body)
		}
		if got := a.Header.Get("Retry-After"); got != "1" {
			t.Errorf("Retry-After %q", got)
		}
		if a := get("/healthz"); a.Status != 200 {
			t.Errorf("healthz: %d", a.Status)
		}
	}
}
