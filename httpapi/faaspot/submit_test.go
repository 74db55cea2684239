package faaspot_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/faaspot/faaspot/httpapi/internal/apitest"
	"github.com/faaspot/faaspot/runtime"
)

func TestSubmit(t *testing.T) {
	t.Parallel()
	fake := &apitest.Fake{}
	ts := apitest.Start(t, fake, nil)
	two := 2
	for _, c := range []struct {
		method, path, body string
		header             apitest.Header
		want               runtime.BulkRequest
	}{
		{"POST", "/v1/functions/f.py/rpc", `{"a":1}`, nil, runtime.BulkRequest{Args: [][]byte{[]byte(`{"a":1}`)}}},
		{"POST", "/v1/deployments/f.py/rpc/", ``, nil, runtime.BulkRequest{Args: [][]byte{nil}}},
		{"POST", "/v1/functions/f.py/rpc/?a=1", ``, nil, runtime.BulkRequest{Args: [][]byte{[]byte(`{"a":"1"}`)}}},
		{"POST", "/v1/functions/None/f.py/rpc/", `{"a":1}`, nil, runtime.BulkRequest{Args: [][]byte{[]byte(`{"a":1}`)}}}, // FaaSpot's last client
		{"GET", "/v1/functions/f.py/rpc/?a=1", ``, nil, runtime.BulkRequest{Args: [][]byte{[]byte(`{"a":"1"}`)}}},
		{
			"POST", "/v1/functions/f.py/rpc/", `{}`,
			apitest.Header{"Idempotency-Key": "k 1", "X-Retries": "2"},
			runtime.BulkRequest{Args: [][]byte{[]byte(`{}`)}, Retries: &two, IdempotencyKey: "k 1"},
		},
	} {
		fake.Submitted = nil
		a := ts.Do(t, c.method, c.path, c.body, c.header)
		apitest.WantHeaders(t, a)
		if a.Status != 200 || a.Body != `"`+apitest.ID+`"` || a.Header.Get("Idempotency-Replayed") != "" {
			t.Errorf("%s %s: %d %s", c.method, c.path, a.Status, a.Body)
		}
		c.want.Tenant, c.want.Function = runtime.DefaultTenant, "f.py"
		if diff := cmp.Diff([]runtime.BulkRequest{c.want}, fake.Submitted, cmp.Comparer(func(a, b []byte) bool { return string(a) == string(b) })); diff != "" {
			t.Errorf("%s %s: %s", c.method, c.path, diff)
		}
	}
	fake.Replay = true
	if a := ts.Do(t, "POST", "/v1/functions/f/rpc", "{}", nil); a.Header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("a replay is not marked as one: %v", a.Header)
	}
}

func TestSubmitRefused(t *testing.T) {
	t.Parallel()
	fake := &apitest.Fake{}
	ts := apitest.Start(t, fake, nil)
	for _, path := range []string{"/v1/functions/f/rpc", "/v1/functions/f/bulk_rpc", "/v1/sync/functions/f/rpc"} {
		body := "{}"
		if strings.HasSuffix(path, "/bulk_rpc") {
			body = "[{}]"
		}
		for name, h := range map[string]apitest.Header{
			"retries as a word": {"X-Retries": "many"},
			"negative retries":  {"X-Retries": "-1"},
			"too many retries":  {"X-Retries": "11"},
			"part of a retry":   {"X-Retries": "1.5"},
		} {
			a := ts.Do(t, "POST", path, body, h)
			if m := apitest.WantError(t, a, 400, "invalid_argument"); !strings.Contains(m["message"].(string), "X-Retries") {
				t.Errorf("%s: %s", name, m["message"])
			}
		}
		apitest.WantError(t, ts.Do(t, "POST", path+"?a=1", body, nil), 400, "invalid_argument")
	}
	if len(fake.Submitted) > 0 || len(fake.Ran) > 0 {
		t.Errorf("accepted %+v", fake.Submitted)
	}
}

// TestInvalidIdempotencyKeys checks that the server refuses two idempotency keys, or an empty one.
func TestInvalidIdempotencyKeys(t *testing.T) {
	t.Parallel()
	fake := &apitest.Fake{}
	ts := apitest.StartTCP(t, fake, nil)
	for name, lines := range map[string]string{
		"two":   "Idempotency-Key: a\r\nIdempotency-Key: a\r\n",
		"empty": "Idempotency-Key:\r\n",
		"blank": "Idempotency-Key:   \r\n",
	} {
		for _, target := range []string{"POST /v1/functions/f/rpc", "POST /v1/sync/functions/f/rpc", "GET /v1/sync/functions/f/rpc", "DELETE /v1/functions/f"} {
			c := apitest.DialRaw(t, ts.Addr)
			c.Send(t, target+" HTTP/1.1\r\nHost: a\r\n"+apitest.AuthLine+lines+"Content-Length: 0\r\nConnection: close\r\n\r\n")
			answers, _ := c.Answers(t, 1)
			if len(answers) != 1 || answers[0].Status != 400 || !strings.Contains(answers[0].Body, "Idempotency-Key") {
				t.Errorf("%s, %s: %v", target, name, answers)
			}
		}
	}
	if len(fake.Submitted)+len(fake.Ran)+len(fake.Deleted) > 0 {
		t.Error("something was done")
	}
}

func TestSubmitBulk(t *testing.T) {
	t.Parallel()
	fake := &apitest.Fake{}
	ts := apitest.Start(t, fake, nil)
	for _, body := range []string{
		`[{"n":1}, {"n":  2},{"n":3}]`,
		`{"values":"[{\"n\":1},{\"n\":  2},{\"n\":3}]"}`,
	} {
		fake.Submitted = nil
		a := ts.Do(t, "POST", "/v1/functions/f/bulk_rpc/", body, apitest.Header{"Idempotency-Key": "k", "X-Retries": "0"})
		var ids []string
		if err := json.Unmarshal([]byte(a.Body), &ids); err != nil || a.Status != 200 || len(ids) != 3 || ids[0] != apitest.ID || ids[1] <= ids[0] || ids[2] <= ids[1] {
			t.Errorf("%s: %d %s", body, a.Status, a.Body)
		}
		got := fake.Submitted[0]
		args := fmt.Sprintf("%s", got.Args)
		if args != `[{"n":1} {"n":  2} {"n":3}]` || got.Function != "f" || got.IdempotencyKey != "k" || got.Retries == nil || *got.Retries != 0 {
			t.Errorf("%s: %+v, %s", body, got, args)
		}
	}
	for name, body := range map[string]string{
		"nothing": "", "object": "{}", "number": "1", "half": `[{"n":1},{"n"`, "two arrays": `[{}][{}]`,
		"not a text": `{"values":[{}]}`, "no array in text": `{"values":"{}"}`, "twice": `{"values":"[{}]","values":"[{}]"}`,
	} {
		fake.Submitted = nil
		apitest.WantError(t, ts.Do(t, "POST", "/v1/functions/f/bulk_rpc", body, nil), 400, "invalid_argument")
		if len(fake.Submitted) > 0 {
			t.Errorf("%s: accepted %+v", name, fake.Submitted)
		}
	}
}

// TestBulkBodyMayBeLarger than any other: 7 MiB are taken there, and nowhere
// else.
func TestBulkBodyMayBeLarger(t *testing.T) {
	t.Parallel()
	fake := &apitest.Fake{}
	ts := apitest.StartTCP(t, fake, nil)
	body := `[{"x":"` + strings.Repeat("x", 7*runtime.MiB) + `"}]`
	for _, path := range []string{"/v1/functions/f/bulk_rpc", "/v1/deployments/f/bulk_rpc/"} {
		if a := ts.Do(t, "POST", path, body, nil); a.Status != 200 {
			t.Errorf("%s: %d %.200s", path, a.Status, a.Body)
		}
	}
	for _, path := range []string{"/v1/functions/f/rpc", "/v1/functions/f/rpc?/bulk_rpc", "/v1/executions/bulk"} {
		apitest.WantError(t, ts.Do(t, "POST", path, body, nil), 413, "too_large")
	}
}

// TestBlockingRunWithAKey is a run in the background that is waited for.
func TestBlockingRunWithAKey(t *testing.T) {
	t.Parallel()
	fake := &apitest.Fake{}
	ts := apitest.Start(t, fake, nil)
	good := apitest.ExecutionAt(apitest.ID, runtime.StateSucceeded)
	good.Result = []byte(`{"x": 1}`)
	bad := apitest.ExecutionAt(apitest.ID, runtime.StateTimeout)
	bad.Failure = &runtime.Failure{Class: runtime.ClassTimeout, Message: "its time was up"}
	for _, h := range []apitest.Header{{"Idempotency-Key": "k"}, {"X-Retries": "1"}} {
		for _, method := range []string{"GET", "POST", "PUT"} {
			fake.Done = map[string]runtime.Execution{apitest.ID: good}
			a := ts.Do(t, method, "/v1/sync/functions/f/rpc", "", h)
			if a.Status != 200 || a.Body != `{"x": 1}` || a.Header.Get("X-Execution-Id") != apitest.ID || a.Header.Get("X-Duration-Ms") != "1.500" {
				t.Errorf("%s: %d %s %v", method, a.Status, a.Body, a.Header)
			}
		}
		fake.Done = map[string]runtime.Execution{apitest.ID: bad}
		apitest.WantError(t, ts.Do(t, "POST", "/v1/sync/functions/f/rpc", "{}", h), 504, "timeout")
		fake.Done = map[string]runtime.Execution{apitest.ID: apitest.ExecutionAt(apitest.ID, runtime.StateRunning)}
		a := ts.Do(t, "POST", "/v1/sync/functions/f/rpc", "{}", h)
		if m := apitest.WantError(t, a, 504, "unfinished"); !strings.Contains(m["hint"].(string), apitest.ID) || a.Header.Get("X-Execution-Id") != apitest.ID {
			t.Errorf("%v", m)
		}
	}
	if len(fake.Ran) > 0 {
		t.Error("it ran without being accepted")
	}
}
