package httpapi_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/faaspot/faaspot/httpapi"
	"github.com/faaspot/faaspot/httpapi/internal/apitest"
	"github.com/faaspot/faaspot/runtime"
)

// TestMetricsRoute serves metrics to an operator, and to everyone at the address for health checks; a server
// without metrics has none.
func TestMetricsRoute(t *testing.T) {
	t.Parallel()
	ts := apitest.StartTCP(t, &apitest.Fake{}, nil)
	a := ts.Do(t, "GET", "/metrics", "", nil)
	if a.Status != 200 || !strings.HasPrefix(a.Header.Get("Content-Type"), "text/plain; version=0.0.4") || !strings.Contains(a.Body, "\nfaaspot_ready 1\n") {
		t.Errorf("%d %v %.200s", a.Status, a.Header, a.Body)
	}
	apitest.WantError(t, ts.Do(t, "GET", "/metrics", "", apitest.Header{"Authorization": ""}), 401, "unauthenticated")
	ln, _ := apitest.ListenTCP(t)
	served := make(chan error, 1)
	go func() { served <- ts.ServeHealth(ln) }()
	for _, path := range []string{"/metrics", "/metrics/"} {
		resp, err := http.Get("http://" + ln.Addr().String() + path)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != 200 || !strings.Contains(string(text), "\nfaaspot_ready 1\n") {
			t.Errorf("%s: %d %.200s %v", path, resp.StatusCode, text, err)
		}
	}
	if err := ts.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
	without := apitest.Start(t, &apitest.Fake{}, func(o *httpapi.Options) { o.Metrics = nil })
	apitest.WantError(t, without.Do(t, "GET", "/metrics", "", nil), 404, "not_found")
}

// TestFiguresOfTheServer checks that requests are counted by the class of their status.
func TestFiguresOfTheServer(t *testing.T) {
	t.Parallel()
	ts := apitest.StartTCP(t, apitest.FullFake(), nil)
	for _, path := range []string{"/healthz", "/v1/functions/", "/none", "/v1/executions/x?wait=-1"} {
		ts.Do(t, "GET", path, "", nil)
	}
	ts.Fake.Renew(func(f *apitest.Fake) { f.Err = runtime.Errorf(runtime.CodeUnavailable, "no") })
	ts.Do(t, "GET", "/v1/functions/", "", nil)
	want := [5]uint64{1: 2, 3: 2, 4: 1}
	apitest.Eventually(t, func() bool { return ts.Figures().Requests == want })
	if f := ts.Figures(); f.Connections < 1 {
		t.Errorf("%+v", f)
	}
}
