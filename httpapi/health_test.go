package httpapi

import (
	"errors"
	"sync/atomic"
	"testing"

	"github.com/faaspot/faaspot/runtime"
)

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
