package httpapi_test

import (
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/faaspot/faaspot/httpapi"
	"github.com/faaspot/faaspot/httpapi/internal/apitest"
)

// logged returns the lines of an access log in JSON, once there are n of them.
func logged(t *testing.T, log *apitest.Buffer, n int) (lines []map[string]any) {
	t.Helper()
	apitest.Eventually(t, func() bool { return strings.Count(log.String(), "\n") >= n })
	for line := range strings.Lines(log.String()) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		lines = append(lines, m)
	}
	return lines
}

// TestAccessLog checks that each request is one line of the access log and none of the other log,
// with what it was, how it ended and which execution it started.
func TestAccessLog(t *testing.T) {
	t.Parallel()
	access := &apitest.Buffer{}
	ts := apitest.StartTCP(t, &apitest.Fake{}, func(o *httpapi.Options) { o.AccessLog = slog.New(slog.NewJSONHandler(access, nil)) })
	const trace = "4bf92f3577b34da6a3ce929d0e0e4736"
	traced := apitest.Header{"Traceparent": "00-" + trace + "-00f067aa0ba902b7-01"}
	for _, r := range []struct {
		method, target, body string
		header               apitest.Header
		path, user           string
		status               int
		execution            string
	}{
		{"GET", "/v1/functions/", "", traced, "/v1/functions/", "admin", 200, ""},
		{"POST", "/v1/sync/functions/f/rpc/?key=in-the-query", `{"key":"in-the-body"}`, traced, "/v1/sync/functions/f/rpc/", "admin", 400, ""},
		{"POST", "/v1/functions/f/rpc/", `{"key":"in-the-body"}`, traced, "/v1/functions/f/rpc/", "admin", 200, apitest.ID},
		{"DELETE", "/v1/functions/f", "", traced, "/v1/functions/f", "admin", 200, apitest.ID},
		{"GET", "/v1/functions/", "", apitest.Header{"Authorization": "Token wrong-one", "Traceparent": traced["Traceparent"]}, "/v1/functions/", "", 401, ""},
		{"GET", "/none?token=in-the-query", "", traced, "/none", "", 404, ""},
	} {
		before := strings.Count(access.String(), "\n")
		a := ts.Do(t, r.method, r.target, r.body, r.header)
		lines := logged(t, access, before+1)
		line := lines[len(lines)-1]
		if _, ok := line["duration_ms"].(float64); !ok || len(lines) != before+1 {
			t.Errorf("%s %s: %v", r.method, r.target, line)
		}
		for name, want := range map[string]any{
			"msg": "request", "method": r.method, "path": r.path, "status": float64(r.status), "user": r.user, "tenant": map[bool]any{true: "default", false: ""}[r.user != ""], "trace": trace,
			"execution": r.execution, "bytes_in": float64(len(r.body)), "bytes_out": float64(len(a.Body)),
		} {
			if line[name] != want {
				t.Errorf("%s %s: %s is %v, want %v", r.method, r.target, name, line[name], want)
			}
		}
	}
	conn := apitest.DialRaw(t, ts.Addr)
	conn.Send(t, "GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Token "+apitest.Token+"\r\nbroken\r\n\r\n")
	if answers, _ := conn.Answers(t, 1); len(answers) != 1 || answers[0].Status != 400 {
		t.Errorf("a request that cannot be read: %v", answers)
	}
	lines := logged(t, access, 7)
	if last := lines[len(lines)-1]; last["status"] != float64(400) {
		t.Errorf("a request that cannot be read: %v", last)
	}
	for _, secret := range []string{apitest.Token, "wrong-one", "in-the-query", "in-the-body"} {
		if strings.Contains(access.String(), secret) {
			t.Errorf("the access log has %s", secret)
		}
	}
	if log := ts.Log.String(); slices.Contains(strings.Fields(log), "msg=request") {
		t.Errorf("the other log has requests: %s", log)
	}
}
