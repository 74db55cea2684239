package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faaspot/faaspot/runtime"
)

const (
	anID     = "019aa8f0-93c1-7d1e-a1f7-6d1b7f3c52b4"
	pending  = `{"uuid":"` + anID + `","status":"Pending"}`
	whole    = `{"uuid":"` + anID + `","name":"hello","kind":"run","version":3,"status":"Success","output":{"n": 1.50},"output_size":10,"error":null,"created":"2017-07-21 15:10:52.537686+00:00","started":"2017-07-21 15:10:52.538101+00:00","finished":"2017-07-21 15:10:52.538230+00:00","duration_ms":0.129,"attempts":2,"retries":3,"cancel_requested":false,"logs_url":"http://h/logs"}`
	notFound = `{"uuid":"` + anID + `","name":null,"kind":null,"version":null,"status":"NotFound","output":null,"output_size":null,"error":{"message":"there is none","error_code":"not_found"},"created":null,"started":null,"finished":null,"duration_ms":null,"attempts":null,"retries":null,"cancel_requested":null,"logs_url":null}`
	failed   = `{"uuid":"` + anID + `","status":"Failed","error":{"message":"ValueError: no","error_code":"function_error","server_traceback":"Traceback","line":3,"error_type":"ValueError"},` + egress + `}`
	egress   = `"egress":[{"network":"udp","host":"a.example","port":53,"connections":1,"bytes_sent":2,"bytes_received":3,"duration_ms":0.5},` +
		`{"host":"(others)","connections":1,"bytes_sent":2,"bytes_received":3,"duration_ms":1.000}]`
)

func TestExecutionRequests(t *testing.T) {
	const auth, asJSON = "Token " + token, "application/json"
	after := time.Date(2026, 1, 31, 15, 4, 5, 600, time.FixedZone("", 3600))
	none := func([]Execution) error { return nil }
	for name, tc := range map[string]struct {
		answer string
		do     func(ctx context.Context, c *Client) error
		want   seen
	}{
		"submit": {
			`"id"`,
			func(ctx context.Context, c *Client) error {
				_, err := c.Submit(ctx, "a/b", []byte(`{"n": 1.0}`), RunOptions{})
				return err
			},
			seen{"POST", "/v1/functions/a%2Fb/rpc/", auth, asJSON, `{"n": 1.0}`},
		},
		"bulk": {
			`["a","b"]`,
			func(ctx context.Context, c *Client) error {
				_, err := c.SubmitBulk(ctx, "f", [][]byte{[]byte(`{"n": 1.0}`), []byte(`{}`)}, RunOptions{})
				return err
			},
			seen{"POST", "/v1/functions/f/bulk_rpc/", auth, asJSON, `[{"n": 1.0},{}]`},
		},
		"get": {
			pending,
			func(ctx context.Context, c *Client) error { _, err := c.Execution(ctx, anID); return err },
			seen{"GET", "/v1/executions/" + anID, auth, "", ""},
		},
		"get many": {
			"[" + pending + "]",
			func(ctx context.Context, c *Client) error {
				_, err := c.ExecutionsByID(ctx, []string{anID})
				return err
			},
			seen{"POST", "/v1/executions/bulk/", auth, asJSON, `["` + anID + `"]`},
		},
		"list": {
			"[]",
			func(ctx context.Context, c *Client) error {
				_, err := c.ListExecutions(ctx, Filter{}, 0, none)
				return err
			},
			seen{"GET", "/v1/executions/?limit=1000", auth, "", ""},
		},
		"list with filters": {
			"[]",
			func(ctx context.Context, c *Client) error {
				f := Filter{Function: "f", Completed: true, Statuses: []string{"Failed", "cancelled"}, After: after, Before: after.Add(time.Hour)}
				_, err := c.ListExecutions(ctx, f, 7, none)
				return err
			},
			seen{"GET", "/v1/executions/?created_after=2026-01-31T14%3A04%3A05.0000006Z&created_before=2026-01-31T15%3A04%3A05.0000006Z" +
				"&function=f&include_completed=True&limit=7&status=Failed%2Ccancelled", auth, "", ""},
		},
		"cancel": {
			pending,
			func(ctx context.Context, c *Client) error { _, err := c.Cancel(ctx, anID); return err },
			seen{"DELETE", "/v1/executions/" + anID, auth, "", ""},
		},
		"logs": {
			"{}",
			func(ctx context.Context, c *Client) error { _, err := c.Logs(ctx, anID, LogOptions{}); return err },
			seen{"GET", "/v1/executions/" + anID + "/logs", auth, "", ""},
		},
		"logs of a stream": {
			"{}",
			func(ctx context.Context, c *Client) error {
				_, err := c.Logs(ctx, anID, LogOptions{Only: Stderr})
				return err
			},
			seen{"GET", "/v1/executions/" + anID + "/logs?stream=stderr", auth, "", ""},
		},
		"raw logs": {
			"no JSON",
			func(ctx context.Context, c *Client) error {
				data, err := c.RawLogs(ctx, anID, Stdout)
				if string(data) != "no JSON" {
					return fmt.Errorf("got %q, %w", data, err)
				}
				return err
			},
			seen{"GET", "/v1/executions/" + anID + "/logs?format=raw&stream=stdout", auth, "", ""},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, requests := serve(t, 200, nil, tc.answer)
			if err := tc.do(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]seen{tc.want}, *requests, cmp.AllowUnexported(seen{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRunOptionsAreHeaders(t *testing.T) {
	zero := 0
	for name, tc := range map[string]struct {
		o    RunOptions
		want map[string]string
	}{
		"nothing":              {RunOptions{}, map[string]string{}},
		"no further attempts":  {RunOptions{Retries: &zero}, map[string]string{"X-Retries": "0"}},
		"a key":                {RunOptions{IdempotencyKey: "k"}, map[string]string{"Idempotency-Key": "k"}},
		"patience is not sent": {RunOptions{IdempotencyKey: "k", Patient: true}, map[string]string{"Idempotency-Key": "k"}},
	} {
		got := make(map[string]string)
		web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			for _, name := range []string{"X-Retries", "Idempotency-Key"} {
				if value := r.Header.Values(name); len(value) > 0 {
					got[name] = strings.Join(value, "|")
				}
			}
			_, _ = w.Write([]byte(`"id"`))
		}))
		if _, err := newClient(t, Options{URL: web.URL}).Submit(t.Context(), "f", nil, tc.o); err != nil {
			t.Fatal(err)
		}
		web.Close()
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// The --json output is a promise.
func TestExecutionsAreReadAndPrinted(t *testing.T) {
	for name, tc := range map[string]struct{ answer, promise string }{
		"done": {whole, `{"uuid":"` + anID + `","name":"hello","kind":"run","version":3,"status":"Success","output":{"n":1.50},"output_size":10,` +
			`"output_omitted":false,"error":null,"created":"2017-07-21T15:10:52.537686Z","started":"2017-07-21T15:10:52.538101Z",` +
			`"finished":"2017-07-21T15:10:52.53823Z","duration_ms":0.129,"attempts":2,"retries":3,"cancel_requested":false,"logs_url":"http://h/logs"}`},
		"absent": {notFound, `{"uuid":"` + anID + `","name":"","kind":"","version":0,"status":"NotFound","output":null,"output_size":0,` +
			`"output_omitted":false,"error":{"message":"there is none","error_code":"not_found"},"created":null,"started":null,` +
			`"finished":null,"duration_ms":null,"attempts":0,"retries":0,"cancel_requested":false,"logs_url":""}`},
		"failed": {failed, `{"uuid":"` + anID + `","name":"","kind":"","version":0,"status":"Failed","output":null,"output_size":0,"output_omitted":false,` +
			`"error":{"message":"ValueError: no","error_code":"function_error","server_traceback":"Traceback","line":3,"error_type":"ValueError"},` +
			`"created":null,"started":null,"finished":null,"duration_ms":null,"attempts":0,"retries":0,"cancel_requested":false,"logs_url":"",` + egress + `}`},
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := serve(t, 200, nil, tc.answer)
			x, err := c.Execution(t.Context(), anID)
			if err != nil {
				t.Fatal(err)
			}
			data, err := json.Marshal(x)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.promise, string(data)); diff != "" {
				t.Errorf("the JSON form has changed, which breaks scripts:\n%s", diff)
			}
		})
	}
}

func TestErrOfExecution(t *testing.T) {
	for status, code := range map[Status]runtime.Code{
		StatusPending: "", StatusStarted: "", StatusSuccess: "",
		StatusFailed: "memory", StatusCancelled: "memory", StatusNotFound: "memory", "Exploded": "memory",
	} {
		x := Execution{ID: anID, Status: status, Failure: &Failure{Message: "m", Code: "memory", Traceback: "t", Line: 2, Hint: "h"}}
		if got := runtime.CodeOf(x.Err()); got != code {
			t.Errorf("%s: %q, want %q", status, got, code)
		}
	}
	x := Execution{ID: anID, Status: StatusFailed}
	if err, ok := errors.AsType[*Error](x.Err()); !ok || err.ExecutionID != anID || err.Err.Message != "the execution is Failed" {
		t.Errorf("an end without a reason: %v", x.Err())
	}
}

// A server that mixes things up is not believed.
func TestAnswersAboutSomethingElse(t *testing.T) {
	const other = "019aa8f0-93c1-7d1e-a1f7-000000000000"
	ctx := t.Context()
	for name, tc := range map[string]struct {
		answer string
		do     func(c *Client) error
	}{
		"another execution": {pending, func(c *Client) error { _, err := c.Execution(ctx, other); return err }},
		"another in a list": {"[" + pending + "]", func(c *Client) error { _, err := c.ExecutionsByID(ctx, []string{other}); return err }},
		"too few":           {"[]", func(c *Client) error { _, err := c.ExecutionsByID(ctx, []string{anID}); return err }},
		"too few ids":       {`["a"]`, func(c *Client) error { _, err := c.SubmitBulk(ctx, "f", make([][]byte, 2), RunOptions{}); return err }},
		"no list":           {`{}`, func(c *Client) error { _, err := c.ListExecutions(ctx, Filter{}, 0, nil); return err }},
		"no time":           {`{"uuid":"` + anID + `","created":"soon"}`, func(c *Client) error { _, err := c.Execution(ctx, anID); return err }},
	} {
		c, _ := serve(t, 200, nil, tc.answer)
		if err := tc.do(c); err == nil || !strings.Contains(err.Error(), "is not what was expected") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// pages serves total executions, numbered from the newest, with at most size on a page, and records
// its requests.
func pages(t *testing.T, total, size int) (c *Client, targets *[]string) {
	t.Helper()
	targets = new([]string)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*targets = append(*targets, r.URL.RequestURI())
		limit, from := 0, 0
		if _, err := fmt.Sscan(r.URL.Query().Get("limit"), &limit); err != nil {
			t.Error(err)
		}
		if cursor := r.URL.Query().Get("cursor"); cursor != "" {
			if _, err := fmt.Sscan(cursor, &from); err != nil {
				t.Error(err)
			}
		}
		end := min(from+min(limit, size), total)
		list := []map[string]any{}
		for i := from; i < end; i++ {
			list = append(list, map[string]any{"uuid": fmt.Sprint(i), "status": "Success"})
		}
		if end < total {
			w.Header().Set("Link", fmt.Sprintf(`</v1/executions/?cursor=%d&limit=%d>; rel="next"`, end, limit))
		}
		_ = json.NewEncoder(w).Encode(list)
	}))
	t.Cleanup(web.Close)
	return newClient(t, Options{URL: web.URL}), targets
}

func TestListFollowsPages(t *testing.T) {
	for name, tc := range map[string]struct {
		total, size, limit int
		want, requests     int
		more               bool
	}{
		"none":                 {0, 1000, 0, 0, 1, false},
		"all":                  {2500, 1000, 0, 2500, 3, false},
		"small pages":          {25, 10, 0, 25, 3, false},
		"a few":                {25, 1000, 10, 10, 1, true},
		"exactly all":          {10, 1000, 10, 10, 1, false},
		"more than there are":  {10, 1000, 20, 10, 1, false},
		"in the midst":         {25, 10, 15, 15, 2, true},
		"at the end of a page": {25, 10, 20, 20, 2, true},
	} {
		t.Run(name, func(t *testing.T) {
			c, targets := pages(t, tc.total, tc.size)
			var got []string
			more, err := c.ListExecutions(t.Context(), Filter{}, tc.limit, func(page []Execution) error {
				for _, x := range page {
					got = append(got, x.ID)
				}
				return nil
			})
			if err != nil || more != tc.more || len(*targets) != tc.requests {
				t.Errorf("more %v, %d requests, %v", more, len(*targets), err)
			}
			var want []string
			for i := range tc.want {
				want = append(want, fmt.Sprint(i))
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestListStopsOnRequest(t *testing.T) {
	c, targets := pages(t, 30, 10)
	_, err := c.ListExecutions(t.Context(), Filter{}, 0, func([]Execution) error { return errStop })
	if !errors.Is(err, errStop) || len(*targets) != 1 {
		t.Errorf("%v after %d requests", err, len(*targets))
	}
}

// The token goes nowhere else, whatever a page says.
func TestListStaysOnItsServer(t *testing.T) {
	for _, link := range []string{"https://elsewhere.example/v1/executions/", "//elsewhere.example/v1/executions/", "/other"} {
		c, requests := serve(t, 200, http.Header{"Link": {"<" + link + `>; rel="next"`}}, `[]`)
		_, err := c.ListExecutions(t.Context(), Filter{}, 0, func([]Execution) error { return nil })
		if err == nil || len(*requests) != 1 {
			t.Errorf("%s: %v after %d requests", link, err, len(*requests))
		}
	}
	c, _ := serve(t, 200, http.Header{"Link": {`</v1/executions/?x>; rel="prev"`}}, `[]`)
	if _, err := c.ListExecutions(t.Context(), Filter{}, 0, func([]Execution) error { return nil }); err != nil {
		t.Error(err)
	}
}

func TestManyAreLookedUpInPages(t *testing.T) {
	var sizes []int
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var ids []string
		if err := json.NewDecoder(r.Body).Decode(&ids); err != nil {
			t.Error(err)
		}
		sizes = append(sizes, len(ids))
		list := []map[string]any{}
		for _, id := range ids {
			list = append(list, map[string]any{"uuid": id, "status": "Success"})
		}
		_ = json.NewEncoder(w).Encode(list)
	}))
	defer web.Close()
	ids := make([]string, 2*lookupPage+5)
	for i := range ids {
		ids[i] = fmt.Sprint(i)
	}
	list, err := newClient(t, Options{URL: web.URL}).ExecutionsByID(t.Context(), ids)
	if err != nil || len(list) != len(ids) || list[lookupPage+3].ID != ids[lookupPage+3] {
		t.Errorf("%d executions, %v", len(list), err)
	}
	if diff := cmp.Diff([]int{lookupPage, lookupPage, 5}, sizes); diff != "" {
		t.Error(diff)
	}
}

func TestCancellationIsReadAndPrinted(t *testing.T) {
	c, _ := serve(t, 200, nil, strings.Replace(pending, `"Pending"`, `"Cancelled","changed":true,"message":"it never started"`, 1))
	got, err := c.Cancel(t.Context(), anID)
	if err != nil || !got.Changed || got.Message != "it never started" || got.Status != StatusCancelled {
		t.Fatalf("%+v, %v", got, err)
	}
	data, err := json.Marshal(got)
	if err != nil || !strings.HasPrefix(string(data), `{"uuid":"`+anID+`",`) || !strings.HasSuffix(string(data), `,"changed":true,"message":"it never started"}`) {
		t.Errorf("%s, %v", data, err)
	}
}
