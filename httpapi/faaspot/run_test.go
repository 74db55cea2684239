package faaspot_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/faaspot/faaspot/httpapi/faaspot"
	"github.com/faaspot/faaspot/httpapi/internal/apitest"
	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/runtime"
)

func TestRun(t *testing.T) {
	t.Parallel()
	fake := &apitest.Fake{Outcome: apitest.Succeeded(`{"x": [1, "é"]}`)}
	ts := apitest.Start(t, fake, nil)
	for _, c := range []struct {
		method, query, body string
		args                string
	}{
		{"GET", "", "", `{}`},
		{"GET", "?", "", `{}`},
		{"GET", "?name=you&n=1", "", `{"name":"you","n":"1"}`},
		{"GET", "?a+b=c+d%20e%2B&&flag&x==y", "", `{"a b":"c d e+","flag":"","x":"=y"}`},
		{"GET", "?q=%22%5C%0A%00%C3%A9%F0%9F%90%8D%7F", "", `{"q":"\"\\\u000a\u0000` + "é🐍\x7f" + `"}`},
		{"GET", "?p=100%&r=%zz%4", "", `{"p":"100%","r":"%zz%4"}`},
		{"GET", "?=x", "", `{"":"x"}`},
		{"POST", "", "", ``},
		{"POST", "", `{"a":[1,{"b":null}]}`, `{"a":[1,{"b":null}]}`},
		{"PUT", "", ` {"a" : 1} `, ` {"a" : 1} `},
		{"PUT", "?A=B", "", `{"A":"B"}`}, // as FaaSpot's documents write it
		{"POST", "?A=B&c=%20", "", `{"A":"B","c":" "}`},
		{"POST", "", `what the engine says is bad`, `what the engine says is bad`},
	} {
		fake.Renew(nil)
		a := ts.Do(t, c.method, "/v1/sync/functions/f.py/rpc/"+c.query, c.body, nil)
		if a.Status != 200 || a.Body != `{"x": [1, "é"]}` {
			t.Fatalf("%s %s: %d %s", c.method, c.query, a.Status, a.Body)
		}
		apitest.WantHeaders(t, a)
		if id, ms := a.Header.Get("X-Execution-Id"), a.Header.Get("X-Duration-Ms"); id != apitest.ID || ms != "12.345" {
			t.Errorf("X-Execution-Id %q, X-Duration-Ms %q", id, ms)
		}
		if len(fake.Ran) != 1 || fake.Ran[0].Function != "f.py" || string(fake.Ran[0].Args) != c.args {
			t.Errorf("%s %s: ran %+v with %s; want %s", c.method, c.query, fake.Ran, fake.Ran[0].Args, c.args)
		}
	}
}

func TestRunRefused(t *testing.T) {
	t.Parallel()
	fake := &apitest.Fake{Outcome: apitest.Succeeded(`1`)}
	ts := apitest.Start(t, fake, nil)
	for _, c := range []struct{ method, query, message string }{
		{"GET", "?a=1&a=2", `"a" more than once`},
		{"GET", "?a=1&b=2&%61=3", `"a" more than once`},
		{"GET", "?a=%ff", "UTF-8"},
		{"GET", "?%ff=1", "UTF-8"},
		{"GET", "?a=%ed%a0%80", "UTF-8"},
		{"PUT", "?a=1&a=2", `"a" more than once`},
	} {
		m := apitest.WantError(t, ts.Do(t, c.method, "/v1/sync/functions/f/rpc/"+c.query, "", nil), 400, "invalid_argument")
		if !strings.Contains(m["message"].(string), c.message) {
			t.Errorf("%s: %s", c.query, m["message"])
		}
	}
	a := ts.Do(t, "POST", "/v1/sync/functions/f/rpc/", "{}", apitest.Header{"Content-Encoding": "gzip"})
	apitest.WantError(t, a, 415, "unsupported_media_type")
	if len(fake.Ran) > 0 {
		t.Errorf("ran %+v", fake.Ran)
	}
}

// TestRunFailures checks the status and the error of every class of failures.
func TestRunFailures(t *testing.T) {
	t.Parallel()
	fake := &apitest.Fake{}
	ts := apitest.Start(t, fake, nil)
	for class, want := range map[runtime.Class]struct {
		status int
		code   string
	}{
		runtime.ClassError:          {500, "function_error"},
		runtime.ClassTimeout:        {504, "timeout"},
		runtime.ClassCancelled:      {500, "cancelled"},
		runtime.ClassMemory:         {500, "memory"},
		runtime.ClassStack:          {500, "stack"},
		runtime.ClassExited:         {500, "exited"},
		runtime.ClassCrashed:        {500, "crashed"},
		runtime.ClassResultInvalid:  {500, "result_invalid"},
		runtime.ClassResultTooLarge: {500, "result_too_large"},
		runtime.ClassRejected:       {400, "rejected"},
	} {
		exec := apitest.Failed(runtime.Failure{Class: class, Message: "why \"so\" <b>", Traceback: "Traceback\n  line 7", Line: 7})
		exec.Usage.Duration = 70 * time.Microsecond
		fake.Renew(func(f *apitest.Fake) { f.Outcome = exec })
		a := ts.Do(t, "POST", "/v1/sync/functions/f/rpc/", "{}", nil)
		m := apitest.WantError(t, a, want.status, want.code)
		if m["message"] != "why \"so\" <b>" || m["server_traceback"] != "Traceback\n  line 7" || m["line"] != 7.0 || m["execution_id"] != apitest.ID {
			t.Errorf("%s: %s", class, a.Body)
		}
		if id, ms := a.Header.Get("X-Execution-Id"), a.Header.Get("X-Duration-Ms"); id != apitest.ID || ms != "0.070" {
			t.Errorf("%s: X-Execution-Id %q, X-Duration-Ms %q", class, id, ms)
		}
		if strings.Contains(ts.Log.String(), "level=ERROR") {
			t.Errorf("%s: a function's failure is in the log as ours", class)
		}
	}
}

// A run that has reached a limit says what to do.
func TestRunLimitHints(t *testing.T) {
	t.Parallel()
	fake := &apitest.Fake{}
	ts := apitest.Start(t, fake, nil)
	for _, c := range []struct {
		class         runtime.Class
		kind, message string
		want          string
	}{
		{runtime.ClassTimeout, "", "late", "at most 86400 seconds"},
		{runtime.ClassTimeout, "", "late", "in the background if it takes more than 900 seconds"},
		{runtime.ClassMemory, "MemoryError", "", "at most 3072 MB"},
		{runtime.ClassStack, "", "deep", "loop"},
		{runtime.ClassResultTooLarge, "", "large", "return less"},
		{runtime.ClassError, "OSError", "[Errno 51] No space left on device: '/tmp/a'", "at most 64 MB and 10,000 files"},
		{runtime.ClassError, "OSError", "[Errno 33] No file descriptors available: '/tmp/a'", "at most 256 files"},
		{runtime.ClassError, "OSError", "[Errno 44] No such file or directory: '/tmp/] No space left on device'", ""},
		{runtime.ClassError, "ValueError", "[Errno 51] No space left on device", ""},
	} {
		fake.Renew(func(f *apitest.Fake) {
			f.Outcome = apitest.Failed(runtime.Failure{Class: c.class, Type: c.kind, Message: c.message})
		})
		var m map[string]any
		if err := json.Unmarshal([]byte(ts.Do(t, "POST", "/v1/sync/functions/f/rpc/", "{}", nil).Body), &m); err != nil {
			t.Fatal(err)
		}
		if hint, _ := m["hint"].(string); !strings.Contains(hint, c.want) || c.want == "" && hint != "" {
			t.Errorf("the hint of %s %s is %q, want %q", c.class, c.message, hint, c.want)
		}
	}
}

func TestRunPlatformFailures(t *testing.T) {
	t.Parallel()
	for name, exec := range map[string]*runtime.Execution{
		"internal":   apitest.Failed(runtime.Failure{Class: runtime.ClassInternal, Message: "s3cret"}),
		"no failure": {ID: apitest.ID, State: runtime.StateFailed},
		"no class":   apitest.Failed(runtime.Failure{Message: "s3cret"}),
	} {
		ts := apitest.Start(t, &apitest.Fake{Outcome: exec}, nil)
		a := ts.Do(t, "POST", "/v1/sync/functions/f/rpc/", "{}", nil)
		m := apitest.WantError(t, a, 500, "internal")
		id, _ := m["error_id"].(string)
		if len(id) != 36 || m["execution_id"] != apitest.ID || strings.Contains(a.Body, "s3cret") {
			t.Errorf("%s: %s", name, a.Body)
		}
		if log := ts.Log.String(); strings.Count(log, "level=ERROR") != 1 || strings.Count(log, id) != 1 {
			t.Errorf("%s: log %s", name, log)
		}
	}
}

func TestFailureMessage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ typ, message, want string }{
		{"ValueError", "bad", "ValueError: bad"},
		{"ValueError", "", "ValueError"},
		{"ValueError", "ValueError: bad", "ValueError: bad"},
		{"", "bad", "bad"},
	} {
		if got := web.FailureMessage(&runtime.Failure{Type: c.typ, Message: c.message}); got != c.want {
			t.Errorf("%q, %q: %q", c.typ, c.message, got)
		}
	}
}

func TestMillis(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "0.000", 999: "0.000", time.Microsecond: "0.001", 1234567 * time.Nanosecond: "1.234",
		15 * time.Minute: "900000.000", -time.Second: "0.000",
	} {
		if got := string(faaspot.AppendMillis(nil, d)); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}

// TestNothingOutlivesTheRequest keeps what the engine got while the same
// connection brings other requests.
func TestNothingOutlivesTheRequest(t *testing.T) {
	t.Parallel()
	var kept []runtime.RunRequest
	ts := apitest.Start(t, &apitest.Fake{OnRun: func(_ context.Context, r runtime.RunRequest) (*runtime.Execution, error) {
		kept = append(kept, r)
		return apitest.Succeeded("1"), nil
	}}, nil)
	letters := "abcdefghij"
	for i := range letters {
		c := letters[i : i+1]
		ts.Do(t, "POST", "/v1/sync/functions/"+strings.Repeat(c, 20)+"/rpc/", `{"x":"`+strings.Repeat(c, 50)+`"}`, nil)
		ts.Do(t, "GET", "/v1/sync/functions/"+strings.Repeat(c, 20)+"/rpc/?x="+strings.Repeat(c, 50), "", nil)
	}
	for i, r := range kept {
		c := letters[i/2 : i/2+1]
		if r.Function != strings.Repeat(c, 20) || string(r.Args) != `{"x":"`+strings.Repeat(c, 50)+`"}` {
			t.Errorf("request %d became %q %s", i, r.Function, r.Args)
		}
	}
}
