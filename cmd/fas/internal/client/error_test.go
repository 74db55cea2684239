package client

import (
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faaspot/faaspot/runtime"
)

func TestAnswersThatAreErrors(t *testing.T) {
	for name, tc := range map[string]struct {
		status int
		header http.Header
		body   string
		want   Error
	}{
		"all of it": {
			500,
			http.Header{"X-Execution-Id": {"e1"}},
			`{"message":"ValueError: no","error_code":"function_error","server_traceback":"Traceback\n  line\n","line":3,"hint":"mend it","execution_id":"e1"}`,
			Error{Status: 500, ExecutionID: "e1", Err: &runtime.Error{
				Code: "function_error", Message: "ValueError: no", Traceback: "Traceback\n  line", Line: 3, Hint: "mend it",
			}},
		},
		"detail for message": {
			404, nil, `{"detail":"Not found.","error_code":"not_found"}`,
			Error{Status: 404, Err: &runtime.Error{Code: runtime.CodeNotFound, Message: "Not found."}},
		},
		"no code": {
			403, nil, `{"detail":"Invalid token."}`,
			Error{Status: 403, Err: &runtime.Error{
				Code: runtime.CodeUnauthenticated, Message: "Invalid token.",
				Hint: "check the token; `fas serve --reset-admin-token` generates a new one",
			}},
		},
		"later": {
			429,
			http.Header{"Retry-After": {"7"}},
			`{"message":"too busy","error_code":"too_busy"}`,
			Error{Status: 429, Err: &runtime.Error{
				Code: runtime.CodeTooBusy, Message: "too busy", RetryAfter: 7 * time.Second, Hint: "try again in 7s",
			}},
		},
		"the server's fault": {
			500, nil, `{"message":"something went wrong","error_code":"internal","error_id":"x1"}`,
			Error{Status: 500, ErrorID: "x1", Err: &runtime.Error{Code: runtime.CodeInternal, Message: "something went wrong"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := serve(t, tc.status, tc.header, tc.body)
			_, err := c.Run(t.Context(), "f", []byte(`{}`))
			got, ok := errors.AsType[*Error](err)
			if !ok {
				t.Fatalf("got %v", err)
			}
			if diff := cmp.Diff(&tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Proxies and servers at a wrong address send responses too.
func TestForeignAnswers(t *testing.T) {
	for name, tc := range map[string]struct {
		status int
		header http.Header
		body   string
		code   runtime.Code
		why    string
	}{
		"page of a proxy":     {502, nil, "<html>Bad Gateway</html>", runtime.CodeUnavailable, "it is not an error of faaspot"},
		"gateway time-out":    {504, nil, "", runtime.CodeUnavailable, "it is not an error of faaspot"},
		"page":                {200, nil, "<html>hello</html>", runtime.CodeInternal, "it is not JSON"},
		"nothing":             {200, nil, "", runtime.CodeInternal, "it is not JSON"},
		"redirect":            {302, http.Header{"Location": {"https://elsewhere.example/login"}}, "", runtime.CodeInternal, "it redirects to https://elsewhere.example/login"},
		"JSON of something":   {404, nil, `{"error":"nope"}`, runtime.CodeNotFound, "it is not an error of faaspot"},
		"JSON that is a list": {401, nil, `[]`, runtime.CodeUnauthenticated, "it is not an error of faaspot"},
	} {
		t.Run(name, func(t *testing.T) {
			c, requests := serve(t, tc.status, tc.header, tc.body)
			_, err := c.Run(t.Context(), "f", []byte(`{}`))
			if runtime.CodeOf(err) != tc.code || !strings.Contains(err.Error(), tc.why) || !strings.Contains(err.Error(), c.URL()) {
				t.Errorf("got %v, want %s: %s", err, tc.code, tc.why)
			}
			if len(*requests) != 1 {
				t.Errorf("%d requests", len(*requests))
			}
		})
	}
}

func TestWrongShapeIsReported(t *testing.T) {
	for _, body := range []string{`{"a":1}`, `3`, `[{"name":1}]`, `[{"created":"yesterday"}]`} {
		c, _ := serve(t, 200, nil, body)
		if _, err := c.Functions(t.Context()); err == nil || !strings.Contains(err.Error(), "is not what was expected") {
			t.Errorf("%s: %v", body, err)
		}
	}
}

// nobody is a port that the system does not give to those who listen at any port.
const nobody = "127.0.0.1:1"

func TestUnreachable(t *testing.T) {
	listen := func() net.Listener {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		return l
	}
	hangsUp, talksOdd := listen(), listen()
	go hangUp(hangsUp, "")
	go hangUp(talksOdd, "220 mail.example.com ESMTP\r\n")
	for name, tc := range map[string]struct{ url, want string }{
		"nobody":        {"http://" + nobody, "no server listens at"},
		"no such host":  {"http://no-such-host.invalid:80", "the host no-such-host.invalid is not known"},
		"hangs up":      {"http://" + hangsUp.Addr().String(), "closed the connection before it answered"},
		"not HTTP":      {"http://" + talksOdd.Addr().String(), "cannot talk to"},
		"not TLS":       {"https://" + talksOdd.Addr().String(), "does not speak TLS"},
		"no TLS at all": {"https://" + hangsUp.Addr().String(), "closed the connection before it answered"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := newClient(t, Options{URL: tc.url, Token: token}).Run(t.Context(), "f", []byte(`{}`))
			if runtime.CodeOf(err) != runtime.CodeUnavailable || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
			coded, _ := errors.AsType[*runtime.Error](err)
			if coded != nil && coded.Hint == "" {
				t.Error("there is no hint")
			}
		})
	}
}

// hangUp sends a text to each client that has sent something, and closes the connection.
func hangUp(l net.Listener, text string) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			if _, err := c.Read(make([]byte, 16<<10)); err == nil {
				_, _ = c.Write([]byte(text))
			}
		}()
	}
}
