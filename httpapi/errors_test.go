package httpapi_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/httpapi"
	"github.com/faaspot/faaspot/httpapi/internal/apitest"
	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/runtime"
)

func TestErrorStatuses(t *testing.T) {
	t.Parallel()
	fake := &apitest.Fake{}
	ts := apitest.Start(t, fake, nil)
	for code, status := range map[runtime.Code]int{
		runtime.CodeInvalidArgument: 400,
		runtime.CodeDeployFailed:    400,
		runtime.CodeUnauthenticated: 401,
		runtime.CodeNotFound:        404,
		runtime.CodeAlreadyExists:   409,
		runtime.CodeConflict:        409,
		runtime.CodePrecondition:    412,
		runtime.CodeTooLarge:        413,
		runtime.CodeTooBusy:         429,
		runtime.CodeUnavailable:     503,
	} {
		err := &runtime.Error{
			Code: code, Op: "op-s3cret", Message: "what and why", Hint: "do this",
			Traceback: "frames", Line: 3, RetryAfter: 1100 * time.Millisecond, Err: errors.New("cause-s3cret"),
		}
		fake.Renew(func(f *apitest.Fake) { f.Err = fmt.Errorf("wrapped: %w", err); f.Failing = f.Err })
		apitest.EveryPath(httpapi.Routes(), func(r web.Route, path string) {
			if r.Open || r.Method == "HEAD" || strings.HasPrefix(r.Path, "/console/") || strings.HasPrefix(r.Path, "/v1/server/") || r.Path == "/metrics" || r.Path == "/v1/whoami" || r.Method == "GET" && (r.Path == "/v1/tenants" || r.Path == "/v1/schedules/next") { // cannot fail
				return
			}
			a := ts.Do(t, r.Method, path, apitest.BodyFor(r), nil)
			m := apitest.WantError(t, a, status, string(code))
			if m["errorCode"] != nil {
				if m["message"] != "what and why: do this" {
					t.Errorf("%s %s: %s", r.Method, path, a.Body)
				}
			} else if m["message"] != "what and why" || m["hint"] != "do this" || m["line"] != 3.0 || m["error_code"] != nil && m["server_traceback"] != "frames" {
				t.Errorf("%s %s: %s", r.Method, path, a.Body)
			}
			if strings.Contains(a.Body, "s3cret") {
				t.Errorf("%s %s: the cause is in the answer", r.Method, path)
			}
			want := ""
			if status == 429 || status == 503 {
				want = "2"
			}
			if got := a.Header.Get("Retry-After"); got != want {
				t.Errorf("%d: Retry-After %q, want %q", status, got, want)
			}
		})
		if strings.Contains(ts.Log.String(), "level=ERROR") {
			t.Errorf("%s: a caller's error is in the log as ours", code)
		}
	}
}

func TestUnexpectedErrors(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]error{
		"internal":     runtime.Internal("engine.x", errors.New("s3cret")),
		"any":          errors.New("s3cret"),
		"unknown code": &runtime.Error{Code: "new", Message: "s3cret"},
		"own words":    &runtime.Error{Code: runtime.CodeInternal, Message: "s3cret", Hint: "s3cret", Traceback: "s3cret"},
	} {
		ts := apitest.Start(t, &apitest.Fake{Err: err}, nil)
		a := ts.Do(t, "GET", "/v1/functions/", "", nil)
		m := apitest.WantError(t, a, 500, "internal")
		id, _ := m["error_id"].(string)
		if len(id) != 36 || strings.Contains(a.Body, "s3cret") {
			t.Errorf("%s: %s", name, a.Body)
		}
		if log := ts.Log.String(); strings.Count(log, "level=ERROR") != 1 || strings.Count(log, id) != 1 || !strings.Contains(log, "s3cret") {
			t.Errorf("%s: log %s", name, log)
		}
	}
}

// TestPanic checks that the server survives a panic of a route that cannot write to the store.
func TestPanic(t *testing.T) {
	t.Parallel()
	ts := apitest.Start(t, &apitest.Fake{OnRun: func(context.Context, runtime.RunRequest) (*runtime.Execution, error) { panic("s3cret") }}, nil)
	a := ts.Do(t, "GET", "/v1/sync/functions/f/rpc/", "", nil)
	m := apitest.WantError(t, a, 500, "internal")
	if strings.Contains(a.Body, "s3cret") {
		t.Error(a.Body)
	}
	if log := ts.Log.String(); !strings.Contains(log, m["error_id"].(string)) || !strings.Contains(log, "s3cret") || !strings.Contains(log, "errors_test.go") {
		t.Errorf("log %s", log)
	}
	if a := ts.Do(t, "GET", "/healthz", "", nil); a.Status != 200 {
		t.Errorf("afterwards: %d", a.Status)
	}
}

// TestPanicOfAWriter checks that a panic in any route that may write to the store ends the process,
// and is logged first.
func TestPanicOfAWriter(t *testing.T) {
	t.Parallel()
	writers := 0
	for _, r := range httpapi.Routes() {
		// A backup is made by a goroutine of its own, which the store guards.
		if !r.Writes || r.Path == "/v1/server/backup" {
			continue
		}
		writers++
		log := &apitest.Buffer{}
		// Every method of a fake that is nil panics.
		var none *apitest.Fake
		s, err := httpapi.New(httpapi.Options{Engine: none, Auth: httpapi.HashToken(apitest.Token), Access: none.Access(), Log: apitest.TextLog(log)})
		if err != nil {
			t.Fatal(err)
		}
		var ctx fasthttp.RequestCtx
		ctx.Request.Header.SetMethod(r.Method)
		ctx.Request.SetRequestURI(apitest.SomePath(r.Path))
		ctx.Request.Header.SetHost("a")
		ctx.Request.Header.Set("Authorization", "Token "+apitest.Token)
		ctx.Request.SetBodyString(apitest.BodyFor(r))
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s %s: the panic was stopped", r.Method, r.Path)
				}
			}()
			s.ServeRequest(&ctx)
		}()
		if !strings.Contains(log.String(), "ending the process") {
			t.Errorf("%s %s: log %s", r.Method, r.Path, log)
		}
	}
	if writers != 35 {
		t.Errorf("%d routes write to the store: create, put, put a bundle, roll back, change the context, update, pause, resume and delete, a bundle to try, three to run in the background, and to cancel and run again do; "+
			"operations to start and to end; of jobs create, update and delete, run (two), run again, trigger, and cancel; of dead letters to drive again and to purge, one and many; a backup; "+
			"tenants to create, change and delete, tokens to create, rotate and delete", writers)
	}
}

// TestPanicOfAnAcceptingRun checks that a panic of a blocking run ends the process if the run is
// stored, because the store may be in the middle of a write, and only then.
func TestPanicOfAnAcceptingRun(t *testing.T) {
	t.Parallel()
	for key, ends := range map[string]bool{"k": true, "": false} {
		fake := &panicking{&apitest.Fake{OnRun: func(context.Context, runtime.RunRequest) (*runtime.Execution, error) { panic("run") }}}
		log := &apitest.Buffer{}
		s, err := httpapi.New(httpapi.Options{Engine: fake, Auth: httpapi.HashToken(apitest.Token), Log: apitest.TextLog(log)})
		if err != nil {
			t.Fatal(err)
		}
		var ctx fasthttp.RequestCtx
		ctx.Request.Header.SetMethod("POST")
		ctx.Request.SetRequestURI("/v1/sync/functions/f/rpc")
		ctx.Request.Header.SetHost("a")
		ctx.Request.Header.Set("Authorization", "Token "+apitest.Token)
		if key != "" {
			ctx.Request.Header.Set("Idempotency-Key", key)
		}
		ended := func() (ended bool) {
			defer func() { ended = recover() != nil }()
			s.ServeRequest(&ctx)
			return false
		}()
		if ended != ends {
			t.Errorf("with key %q the process ends: %v", key, ended)
		}
	}
}

// panicking panics when a run is submitted.
type panicking struct{ *apitest.Fake }

func (*panicking) Submit(context.Context, runtime.SubmitRequest) (runtime.Acceptance, error) {
	panic(errors.New("in the middle of a write"))
}
