package httpapi_test

import (
	"crypto/sha256"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/faaspot/faaspot/httpapi"
	"github.com/faaspot/faaspot/httpapi/internal/apitest"
	"github.com/faaspot/faaspot/runtime"
)

// TestReadsMustBeCurrent checks that a server answers no read whose result may be outdated, and all else.
func TestReadsMustBeCurrent(t *testing.T) {
	t.Parallel()
	fake := &apitest.Fake{}
	var outdated atomic.Bool
	ts := apitest.Start(t, fake, func(o *httpapi.Options) {
		o.Current = func() error {
			if !outdated.Load() {
				return nil
			}
			err := runtime.Errorf(runtime.CodeUnavailable, "it may be outdated")
			err.RetryAfter = 1e9
			return err
		}
	})
	reads := [][2]string{{"GET", "/v1/functions/"}, {"GET", "/v1/executions/"}, {"GET", "/v0/jobs"}, {"GET", "/v1/dlq/"}}
	for _, r := range reads {
		if a := ts.Do(t, r[0], r[1], "", nil); a.Status != 200 {
			t.Errorf("%s %s: %d %s", r[0], r[1], a.Status, a.Body)
		}
	}
	outdated.Store(true)
	for _, r := range reads {
		a := ts.Do(t, r[0], r[1], "", nil)
		if a.Status != 503 || a.Header.Get("Retry-After") != "1" || !strings.Contains(a.Body, "it may be outdated") || strings.Contains(a.Body, "[]") {
			t.Errorf("%s %s: %d %s", r[0], r[1], a.Status, a.Body)
		}
	}
	if a := ts.Do(t, "POST", "/v1/functions/f/rpc", "{}", nil); a.Status != 200 {
		t.Errorf("a run: %d %s", a.Status, a.Body)
	}
	if a := ts.Do(t, "GET", "/healthz", "", apitest.Header{"Authorization": ""}); a.Status != 200 {
		t.Errorf("healthz: %d", a.Status)
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
