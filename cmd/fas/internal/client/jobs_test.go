package client

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faaspot/faaspot/runtime"
)

func TestJobRequests(t *testing.T) {
	const auth, asJSON = "Token " + token, "application/json"
	no := false
	for name, tc := range map[string]struct {
		do   func(ctx context.Context, c *Client) error
		want seen
	}{
		"run": {
			func(ctx context.Context, c *Client) error {
				_, err := c.RunJob(ctx, "bills", JobRun{
					Tasks: []json.RawMessage{json.RawMessage(`{"n":1.0}`)}, Name: "x", ID: "k",
					Env: map[string]string{"A": "<1>"}, Memory: 64, Parallelism: 2, AllowQueue: &no,
				})
				return err
			},
			seen{
				"POST", "/v0/jobs/bills/executions", auth, asJSON,
				`{"tasks":[{"n":1.0}],"executionId":"x","id":"k","env":{"A":"<1>"},"memory":64,"parallelism":2,"allowQueue":false}`,
			},
		},
		"rollback": {
			func(ctx context.Context, c *Client) error { _, err := c.RollbackJob(ctx, "bills", "3"); return err },
			seen{"PUT", "/v0/jobs/bills", auth, asJSON, `{"spec":{"revision":{"active":"3"}}}`},
		},
		"trigger": {
			func(ctx context.Context, c *Client) error {
				_, err := c.TriggerJob(ctx, "bills", "/a/b c/", nil)
				return err
			},
			seen{"POST", "/v0/jobs/bills/triggers/a/b%20c", auth, "", ""},
		},
		"cancel": {
			func(ctx context.Context, c *Client) error {
				_, err := c.CancelJobExecution(ctx, "bills", "a/b")
				return err
			},
			seen{"DELETE", "/v0/jobs/bills/executions/a%2Fb", auth, "", ""},
		},
		"redrive some": {
			func(ctx context.Context, c *Client) error {
				_, err := c.RedriveDeadLetters(ctx, []string{"a"})
				return err
			},
			seen{"POST", "/v1/dlq/redrive", auth, asJSON, `{"ids":["a"]}`},
		},
		"redrive none": {
			func(ctx context.Context, c *Client) error {
				_, err := c.RedriveDeadLetters(ctx, []string{})
				return err
			},
			seen{"POST", "/v1/dlq/redrive", auth, asJSON, `{"ids":[]}`},
		},
		"redrive all": {
			func(ctx context.Context, c *Client) error { _, err := c.RedriveDeadLetters(ctx, nil); return err },
			seen{"POST", "/v1/dlq/redrive", auth, asJSON, `{}`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, requests := serve(t, 200, nil, `{}`)
			if err := tc.do(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]seen{tc.want}, *requests, cmp.AllowUnexported(seen{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Errors of all dialects are decoded into one type.
func TestErrorsOfDialects(t *testing.T) {
	for body, want := range map[string]struct {
		status int
		code   runtime.Code
		id     string
	}{
		`{"error":"conflict","code":409,"message":"m","hint":"h"}`:                                                                  {409, runtime.CodeConflict, ""},
		`{"error":"internal","code":500,"message":"m","error_id":"e"}`:                                                              {500, runtime.CodeInternal, "e"},
		`{"errorCode":"INVALID_ARGUMENT","errorName":"InvalidExecutionFilter","errorInstanceId":"e","parameters":{},"message":"m"}`: {400, runtime.CodeInvalidArgument, ""},
		`{"errorCode":"NOT_FOUND","errorName":"ResourceNotFound","errorInstanceId":"e","parameters":{},"message":"m"}`:              {404, runtime.CodeNotFound, ""},
		`{"errorCode":"INTERNAL","errorName":"Internal","errorInstanceId":"e","parameters":{},"message":"m"}`:                       {500, runtime.CodeInternal, "e"},
	} {
		c, _ := serve(t, want.status, nil, body)
		_, err := c.Job(t.Context(), "x")
		answer, ok := errors.AsType[*Error](err)
		if !ok || runtime.CodeOf(err) != want.code || answer.Err.Message != "m" || answer.ErrorID != want.id {
			t.Errorf("%s: %v (%+v)", body, err, answer)
		}
	}
}

// A job that another client creates at the same time is updated.
func TestApplyJob(t *testing.T) {
	job := func(revision, updated string) string {
		return `{"metadata":{"name":"x","createdAt":"2026-01-31T15:04:05.000000Z","updatedAt":"2026-01-31T15:04:0` + updated +
			`.000000Z"},"spec":{"revision":{"active":"` + revision + `"}}}`
	}
	absent, taken := `{"error":"not_found","code":404,"message":"m"}`, `{"error":"already_exists","code":409,"message":"m"}`
	for name, tc := range map[string]struct {
		answers []string // "404 body" in the order of requests
		want    Change
		methods string
	}{
		"created":    {[]string{absent, job("1", "5")}, JobCreated, "GET POST "},
		"changed":    {[]string{job("1", "5"), job("2", "6")}, JobChanged, "GET PUT "},
		"relabelled": {[]string{job("1", "5"), job("1", "6")}, JobChanged, "GET PUT "},
		"unchanged":  {[]string{job("1", "5"), job("1", "5")}, JobUnchanged, "GET PUT "},
		"raced":      {[]string{absent, taken, job("1", "5"), job("1", "5")}, JobUnchanged, "GET POST GET PUT "},
	} {
		t.Run(name, func(t *testing.T) {
			methods := ""
			c := scriptedClient(t, func(r *http.Request) (*http.Response, error) {
				methods += r.Method + " "
				body := tc.answers[0]
				tc.answers = tc.answers[1:]
				return say(map[string]int{absent: 404, taken: 409}[body]+map[bool]int{true: 200}[body != absent && body != taken], body)
			})
			_, change, err := c.ApplyJob(t.Context(), "x", []byte(`{}`))
			if err != nil || change != tc.want || methods != tc.methods {
				t.Errorf("%s, %v, asked %s", change, err, methods)
			}
		})
	}
}

// A wait survives a server that is away for a while, and asks no more often than
// it must.
func TestWaitJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked, began := 0, time.Now()
		c := scriptedClient(t, func(r *http.Request) (*http.Response, error) {
			asked++
			wait := waitAsked(t, r)
			switch {
			case asked == 2:
				return say(503, `{"error":"unavailable","code":503,"message":"starting"}`)
			case time.Since(began) < 30*time.Second:
				if err := later(r.Context(), wait); err != nil {
					return nil, err
				}
				return say(200, `{"metadata":{"id":"e"},"status":"running"}`)
			}
			return say(200, `{"metadata":{"id":"e"},"status":"timeout"}`)
		})
		states, failures := 0, 0
		x, err := c.WaitJob(t.Context(), "j", "e", 10*time.Second, func(JobExecution) { states++ }, func(error) { failures++ })
		if err != nil || x.Status != JobTimeout || failures != 1 || states != asked-1 || asked > 7 {
			t.Errorf("%+v, %v, asked %d times, %d states, %d failures", x, err, asked, states, failures)
		}
	})
}

func TestTaskStory(t *testing.T) {
	failed := Task{Status: TaskFailed, Conditions: []Condition{
		{Type: "Scheduled"},
		{Type: "Started"},
		{Type: "Retried"},
		{Type: "Retried"},
		{Type: "Completed", ExecutionReason: "timeout", Message: "its time was up"},
	}}
	failed.Metadata.Name = "task-12"
	if code, message := failed.Failure(); failed.Attempts() != 3 || failed.Index() != 12 || code != "timeout" || message != "its time was up" {
		t.Errorf("%d attempts of %d, %s, %s", failed.Attempts(), failed.Index(), code, message)
	}
	waits := failed
	if waits.Status = TaskReconciling; waits.Attempts() != 2 {
		t.Errorf("%d attempts of one that waits", waits.Attempts())
	}
	if code, _ := waits.Failure(); code != "" {
		t.Errorf("it has not failed: %s", code)
	}
	for text, want := range map[string]int{"3": 3, "task-3": 3, "task-": -1, "-1": -1, "x": -1, "": -1} {
		if n, err := TaskIndex(text); err == nil && n != want || (err != nil) != (want < 0) {
			t.Errorf("%q is task %d, %v", text, n, err)
		}
	}
}
