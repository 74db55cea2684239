package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/runtime"
)

func TestSubmit(t *testing.T) {
	fake := &fakeEngine{}
	ts := start(t, fake, nil)
	two := 2
	for _, c := range []struct {
		method, path, body string
		header             header
		want               runtime.BulkRequest
	}{
		{"POST", "/v1/functions/f.py/rpc", `{"a":1}`, nil, runtime.BulkRequest{Args: [][]byte{[]byte(`{"a":1}`)}}},
		{"POST", "/v1/deployments/f.py/rpc/", ``, nil, runtime.BulkRequest{Args: [][]byte{nil}}},
		{"GET", "/v1/functions/f.py/rpc/?a=1", ``, nil, runtime.BulkRequest{Args: [][]byte{[]byte(`{"a":"1"}`)}}},
		{
			"POST", "/v1/functions/f.py/rpc/", `{}`,
			header{"Idempotency-Key": "k 1", "X-Retries": "2"},
			runtime.BulkRequest{Args: [][]byte{[]byte(`{}`)}, Retries: &two, IdempotencyKey: "k 1"},
		},
	} {
		fake.submitted = nil
		a := ts.do(t, c.method, c.path, c.body, c.header)
		wantHeaders(t, a)
		if a.status != 200 || a.body != `"`+testID+`"` || a.header.Get("Idempotency-Replayed") != "" {
			t.Errorf("%s %s: %d %s", c.method, c.path, a.status, a.body)
		}
		c.want.Tenant, c.want.Function = runtime.DefaultTenant, "f.py"
		if diff := cmp.Diff([]runtime.BulkRequest{c.want}, fake.submitted, cmp.Comparer(func(a, b []byte) bool { return string(a) == string(b) })); diff != "" {
			t.Errorf("%s %s: %s", c.method, c.path, diff)
		}
	}
	fake.replay = true
	if a := ts.do(t, "POST", "/v1/functions/f/rpc", "{}", nil); a.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("a replay is not told as one: %v", a.header)
	}
}

func TestSubmitRefused(t *testing.T) {
	fake := &fakeEngine{}
	ts := start(t, fake, nil)
	for _, path := range []string{"/v1/functions/f/rpc", "/v1/functions/f/bulk_rpc", "/v1/sync/functions/f/rpc"} {
		body := "{}"
		if strings.HasSuffix(path, bulkSuffix) {
			body = "[{}]"
		}
		for name, h := range map[string]header{
			"retries as a word": {"X-Retries": "many"},
			"negative retries":  {"X-Retries": "-1"},
			"too many retries":  {"X-Retries": "11"},
			"part of a retry":   {"X-Retries": "1.5"},
		} {
			a := ts.do(t, "POST", path, body, h)
			if m := wantError(t, a, 400, "invalid_argument"); !strings.Contains(m["message"].(string), "X-Retries") {
				t.Errorf("%s: %s", name, m["message"])
			}
		}
		wantError(t, ts.do(t, "POST", path+"?a=1", body, nil), 400, "invalid_argument")
	}
	if len(fake.submitted) > 0 || len(fake.ran) > 0 {
		t.Errorf("accepted %+v", fake.submitted)
	}
}

// TestKeyThatIsNotOne: two keys, or an empty one, would promise what is not
// held.
func TestKeyThatIsNotOne(t *testing.T) {
	fake := &fakeEngine{}
	ts := startTCP(t, fake, nil)
	for name, lines := range map[string]string{
		"two":   "Idempotency-Key: a\r\nIdempotency-Key: a\r\n",
		"empty": "Idempotency-Key:\r\n",
		"blank": "Idempotency-Key:   \r\n",
	} {
		for _, target := range []string{"POST /v1/functions/f/rpc", "POST /v1/sync/functions/f/rpc", "GET /v1/sync/functions/f/rpc", "DELETE /v1/functions/f"} {
			c := dialRaw(t, ts.addr)
			c.send(t, target+" HTTP/1.1\r\nHost: a\r\n"+authLine+lines+"Content-Length: 0\r\nConnection: close\r\n\r\n")
			answers, _ := c.answers(t, 1)
			if len(answers) != 1 || answers[0].status != 400 || !strings.Contains(answers[0].body, "Idempotency-Key") {
				t.Errorf("%s, %s: %v", target, name, answers)
			}
		}
	}
	if len(fake.submitted)+len(fake.ran)+len(fake.deleted) > 0 {
		t.Error("something was done")
	}
}

func TestSubmitBulk(t *testing.T) {
	fake := &fakeEngine{}
	ts := start(t, fake, nil)
	for _, body := range []string{
		`[{"n":1}, {"n":  2},{"n":3}]`,
		`{"values":"[{\"n\":1},{\"n\":  2},{\"n\":3}]"}`,
	} {
		fake.submitted = nil
		a := ts.do(t, "POST", "/v1/functions/f/bulk_rpc/", body, header{"Idempotency-Key": "k", "X-Retries": "0"})
		var ids []string
		if err := json.Unmarshal([]byte(a.body), &ids); err != nil || a.status != 200 || len(ids) != 3 || ids[0] != testID || ids[1] <= ids[0] || ids[2] <= ids[1] {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
		got := fake.submitted[0]
		args := fmt.Sprintf("%s", got.Args)
		if args != `[{"n":1} {"n":  2} {"n":3}]` || got.Function != "f" || got.IdempotencyKey != "k" || got.Retries == nil || *got.Retries != 0 {
			t.Errorf("%s: %+v, %s", body, got, args)
		}
	}
	for name, body := range map[string]string{
		"nothing": "", "object": "{}", "number": "1", "half": `[{"n":1},{"n"`, "two arrays": `[{}][{}]`,
		"not a text": `{"values":[{}]}`, "no array in text": `{"values":"{}"}`, "twice": `{"values":"[{}]","values":"[{}]"}`,
	} {
		fake.submitted = nil
		wantError(t, ts.do(t, "POST", "/v1/functions/f/bulk_rpc", body, nil), 400, "invalid_argument")
		if len(fake.submitted) > 0 {
			t.Errorf("%s: accepted %+v", name, fake.submitted)
		}
	}
}

// TestBulkBodyMayBeLarger than any other: 7 MiB are taken there, and nowhere
// else.
func TestBulkBodyMayBeLarger(t *testing.T) {
	fake := &fakeEngine{}
	ts := startTCP(t, fake, nil)
	body := `[{"x":"` + strings.Repeat("x", 7*runtime.MiB) + `"}]`
	for _, path := range []string{"/v1/functions/f/bulk_rpc", "/v1/deployments/f/bulk_rpc/"} {
		if a := ts.do(t, "POST", path, body, nil); a.status != 200 {
			t.Errorf("%s: %d %.200s", path, a.status, a.body)
		}
	}
	for _, path := range []string{"/v1/functions/f/rpc", "/v1/functions/f/rpc?/bulk_rpc", "/v1/executions/bulk"} {
		wantError(t, ts.do(t, "POST", path, body, nil), 413, "too_large")
	}
}

// TestBlockingRunWithAKey is a run in the background that is waited for.
func TestBlockingRunWithAKey(t *testing.T) {
	fake := &fakeEngine{}
	ts := start(t, fake, nil)
	good := execAt(testID, runtime.StateSucceeded)
	good.Result = []byte(`{"x": 1}`)
	bad := execAt(testID, runtime.StateTimeout)
	bad.Failure = &runtime.Failure{Class: runtime.ClassTimeout, Message: "its time was up"}
	for _, h := range []header{{"Idempotency-Key": "k"}, {"X-Retries": "1"}} {
		for _, method := range []string{"GET", "POST", "PUT"} {
			fake.ended = map[string]runtime.Execution{testID: good}
			a := ts.do(t, method, "/v1/sync/functions/f/rpc", "", h)
			if a.status != 200 || a.body != `{"x": 1}` || a.header.Get("X-Execution-Id") != testID || a.header.Get("X-Duration-Ms") != "1.500" {
				t.Errorf("%s: %d %s %v", method, a.status, a.body, a.header)
			}
		}
		fake.ended = map[string]runtime.Execution{testID: bad}
		wantError(t, ts.do(t, "POST", "/v1/sync/functions/f/rpc", "{}", h), 504, "timeout")
		fake.ended = map[string]runtime.Execution{testID: execAt(testID, runtime.StateRunning)}
		a := ts.do(t, "POST", "/v1/sync/functions/f/rpc", "{}", h)
		if m := wantError(t, a, 503, "unavailable"); !strings.Contains(m["hint"].(string), testID) || a.header.Get("X-Execution-Id") != testID {
			t.Errorf("%v", m)
		}
	}
	if len(fake.ran) > 0 {
		t.Error("it ran without being accepted")
	}
}

// TestPanicOfAnAcceptingRun ends the process, as every panic does that may have
// left the store in the middle of a write; one of a plain run does not.
func TestPanicOfAnAcceptingRun(t *testing.T) {
	for key, ends := range map[string]bool{"k": true, "": false} {
		fake := &panicking{&fakeEngine{run: func(context.Context, runtime.RunRequest) (*runtime.Execution, error) { panic("run") }}}
		log := &syncBuffer{}
		s, err := New(Options{Engine: fake, Auth: HashToken(testToken), Log: textLog(log)})
		if err != nil {
			t.Fatal(err)
		}
		var ctx fasthttp.RequestCtx
		ctx.Request.Header.SetMethod("POST")
		ctx.Request.SetRequestURI("/v1/sync/functions/f/rpc")
		ctx.Request.Header.SetHost("a")
		ctx.Request.Header.Set("Authorization", "Token "+testToken)
		if key != "" {
			ctx.Request.Header.Set("Idempotency-Key", key)
		}
		ended := func() (ended bool) {
			defer func() { ended = recover() != nil }()
			s.serve(&ctx)
			return false
		}()
		if ended != ends {
			t.Errorf("with key %q the process ends: %v", key, ended)
		}
	}
}

// panicking panics when a run is submitted.
type panicking struct{ *fakeEngine }

func (*panicking) Submit(context.Context, runtime.SubmitRequest) (runtime.Acceptance, error) {
	panic(errors.New("in the middle of a write"))
}
