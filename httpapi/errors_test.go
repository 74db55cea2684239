package httpapi

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/runtime"
)

func TestErrorStatuses(t *testing.T) {
	fake := &fakeEngine{}
	ts := start(t, fake, nil)
	for code, status := range map[runtime.Code]int{
		runtime.CodeInvalidArgument: 400,
		runtime.CodeDeployFailed:    400,
		runtime.CodeUnauthenticated: 401,
		runtime.CodeNotFound:        404,
		runtime.CodeAlreadyExists:   409,
		runtime.CodeConflict:        409,
		runtime.CodeTooLarge:        413,
		runtime.CodeTooBusy:         429,
		runtime.CodeUnavailable:     503,
	} {
		err := &runtime.Error{
			Code: code, Op: "op-s3cret", Message: "what and why", Hint: "do this",
			Traceback: "frames", Line: 3, RetryAfter: 1100 * time.Millisecond, Err: errors.New("cause-s3cret"),
		}
		fake.renew(func(f *fakeEngine) { f.err = fmt.Errorf("wrapped: %w", err); f.failing = f.err })
		everyPath(func(r route, path string) {
			if r.open || r.method == "HEAD" {
				return
			}
			a := ts.do(t, r.method, path, bodyFor(r), nil)
			m := wantError(t, a, status, string(code))
			if m["errorCode"] != nil {
				if m["message"] != "what and why: do this" {
					t.Errorf("%s %s: %s", r.method, path, a.body)
				}
			} else if m["message"] != "what and why" || m["hint"] != "do this" || m["line"] != 3.0 || m["error_code"] != nil && m["server_traceback"] != "frames" {
				t.Errorf("%s %s: %s", r.method, path, a.body)
			}
			if strings.Contains(a.body, "s3cret") {
				t.Errorf("%s %s: the cause is in the answer", r.method, path)
			}
			want := ""
			if status == 429 || status == 503 {
				want = "2"
			}
			if got := a.header.Get("Retry-After"); got != want {
				t.Errorf("%d: Retry-After %q, want %q", status, got, want)
			}
		})
		if strings.Contains(ts.log.String(), "level=ERROR") {
			t.Errorf("%s: a caller's error is in the log as ours", code)
		}
	}
}

func TestUnexpectedErrors(t *testing.T) {
	for name, err := range map[string]error{
		"internal":     runtime.Internal("engine.x", errors.New("s3cret")),
		"any":          errors.New("s3cret"),
		"unknown code": &runtime.Error{Code: "new", Message: "s3cret"},
		"own words":    &runtime.Error{Code: runtime.CodeInternal, Message: "s3cret", Hint: "s3cret", Traceback: "s3cret"},
	} {
		ts := start(t, &fakeEngine{err: err}, nil)
		a := ts.do(t, "GET", "/v1/functions/", "", nil)
		m := wantError(t, a, 500, "internal")
		id, _ := m["error_id"].(string)
		if len(id) != 36 || strings.Contains(a.body, "s3cret") {
			t.Errorf("%s: %s", name, a.body)
		}
		if log := ts.log.String(); strings.Count(log, "level=ERROR") != 1 || strings.Count(log, id) != 1 || !strings.Contains(log, "s3cret") {
			t.Errorf("%s: log %s", name, log)
		}
	}
}

// TestPanic: a route that cannot write to the store survives a panic.
func TestPanic(t *testing.T) {
	ts := start(t, &fakeEngine{run: func(context.Context, runtime.RunRequest) (*runtime.Execution, error) { panic("s3cret") }}, nil)
	a := ts.do(t, "GET", "/v1/sync/functions/f/rpc/", "", nil)
	m := wantError(t, a, 500, "internal")
	if strings.Contains(a.body, "s3cret") {
		t.Error(a.body)
	}
	if log := ts.log.String(); !strings.Contains(log, m["error_id"].(string)) || !strings.Contains(log, "s3cret") || !strings.Contains(log, "errors_test.go") {
		t.Errorf("log %s", log)
	}
	if a := ts.do(t, "GET", "/healthz", "", nil); a.status != 200 {
		t.Errorf("afterwards: %d", a.status)
	}
}

// TestPanicOfAWriter: every route that may write to the store lets the panic
// through, to end the process, and says so in the log first.
func TestPanicOfAWriter(t *testing.T) {
	writers := 0
	for _, r := range routes {
		if !r.writes {
			continue
		}
		writers++
		log := &syncBuffer{}
		// Every method of a fake that is nil panics.
		s, err := New(Options{Engine: (*fakeEngine)(nil), Auth: HashToken(testToken), Log: textLog(log)})
		if err != nil {
			t.Fatal(err)
		}
		var ctx fasthttp.RequestCtx
		ctx.Request.Header.SetMethod(r.method)
		ctx.Request.SetRequestURI(somePath(r.path))
		ctx.Request.Header.SetHost("a")
		ctx.Request.Header.Set("Authorization", "Token "+testToken)
		ctx.Request.SetBodyString(bodyFor(r))
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s %s: the panic was stopped", r.method, r.path)
				}
			}()
			s.serve(&ctx)
		}()
		if !strings.Contains(log.String(), "ending the process") {
			t.Errorf("%s %s: log %s", r.method, r.path, log)
		}
	}
	if writers != 17 {
		t.Errorf("%d routes write to the store: create, update and delete, three to run in the background, and cancel do; "+
			"of jobs create, update and delete, run, trigger, and cancel; of dead letters to drive again and to purge, one and many", writers)
	}
}
