package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/faaspot/faaspot/runtime"
)

// caller asks a server over HTTP and sees its answers as they are, unlike a
// client that makes the best of them. It may be used concurrently.
type caller struct {
	base  string
	token string
	http  *http.Client
}

func newCaller(base, token string) *caller {
	return &caller{base, token, &http.Client{
		Transport: &http.Transport{MaxIdleConnsPerHost: 256},
		Timeout:   patience,
	}}
}

func (c *caller) close() { c.http.CloseIdleConnections() }

// reply is an answer.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// ask sends a request. The error says that the answer was lost: whether the
// request was carried out is not known then. Headers are in pairs of name and
// value.
func (c *caller) ask(ctx context.Context, method, path, body string, headers ...string) (reply, error) {
	response, err := c.open(ctx, method, path, body, headers...)
	if err != nil {
		return reply{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return reply{response.StatusCode, response.Header, text}, err
}

// open is ask for an answer that is read while it comes. The caller closes it.
func (c *caller) open(ctx context.Context, method, path, body string, headers ...string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Token "+c.token)
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	return c.http.Do(request)
}

// must is ask for what is to be answered with 200.
func (c *caller) must(t *testing.T, method, path, body string, headers ...string) reply {
	t.Helper()
	r, err := c.ask(context.Background(), method, path, body, headers...)
	if err != nil || r.status != http.StatusOK {
		t.Fatalf("%s %s: %d %s, %v", method, path, r.status, r.body, err)
	}
	return r
}

// refused is ask for what is to be answered with an error.
func (c *caller) refused(t *testing.T, status int, code, method, path, body string, headers ...string) reply {
	t.Helper()
	r, err := c.ask(context.Background(), method, path, body, headers...)
	if err != nil || r.status != status || r.code() != code {
		t.Fatalf("%s %s: %d %s, %v; want %d %s", method, path, r.status, r.body, err, status, code)
	}
	return r
}

// code is the error_code of an answer.
func (r reply) code() string {
	var e struct {
		Code string `json:"error_code"`
	}
	_ = json.Unmarshal(r.body, &e) // what has none has no code
	return e.Code
}

// replayed tells whether the answer is that of an earlier request.
func (r reply) replayed() bool { return r.header.Get("Idempotency-Replayed") == "true" }

// next is the path of the next page of a list, empty if there is none.
func (r reply) next() string {
	path, _, _ := strings.Cut(strings.TrimPrefix(r.header.Get("Link"), "<"), ">")
	return path
}

// seen is an execution as a server tells it.
type seen struct {
	ID       string          `json:"uuid"`
	Name     string          `json:"name"`
	Kind     string          `json:"kind"`
	Version  int             `json:"version"`
	Status   string          `json:"status"`
	Output   json.RawMessage `json:"output"`
	Error    *seenError      `json:"error"`
	Created  string          `json:"created"` // sorts as time does
	Started  string          `json:"started"`
	Finished string          `json:"finished"`
	Attempts int             `json:"attempts"`
	Retries  int             `json:"retries"`
	Wanted   bool            `json:"cancel_requested"`
	Changed  *bool           `json:"changed"` // of the answer to a cancel
	text     string          // all of it
}

type seenError struct {
	Message string `json:"message"`
	Code    string `json:"error_code"`
}

// Statuses of executions.
const (
	pending   = "Pending"
	started   = "Started"
	success   = "Success"
	failed    = "Failed"
	cancelled = "Cancelled"
	notFound  = "NotFound"
)

// done tells whether the execution is to stay as it is.
func (x *seen) done() bool { return x.Status == success || x.Status == failed || x.Status == cancelled }

func (x *seen) UnmarshalJSON(text []byte) error {
	type plain seen
	if err := json.Unmarshal(text, (*plain)(x)); err != nil {
		return err
	}
	x.text = string(bytes.TrimSpace(text))
	return nil
}

// execution reads one.
func (c *caller) execution(t *testing.T, id string) seen {
	t.Helper()
	return decoded[seen](t, c.must(t, "GET", "/v1/executions/"+id, ""))
}

// executions reads many.
func (c *caller) executions(t *testing.T, ids []string) []seen {
	t.Helper()
	body, err := json.Marshal(ids)
	if err != nil {
		t.Fatal(err)
	}
	all := decoded[[]seen](t, c.must(t, "POST", "/v1/executions/bulk/", string(body)))
	if len(all) != len(ids) {
		t.Fatalf("of %d executions %d were answered", len(ids), len(all))
	}
	return all
}

// list reads all pages of a list of executions.
func (c *caller) list(t *testing.T, query url.Values) (all []seen) {
	t.Helper()
	for path := "/v1/executions/?" + query.Encode(); path != ""; {
		r := c.must(t, "GET", path, "")
		all = append(all, decoded[[]seen](t, r)...)
		path = r.next()
	}
	return all
}

// awaitEnd waits until an execution is done.
func (c *caller) awaitEnd(t *testing.T, id string) (x seen) {
	t.Helper()
	until(t, id+" ends", func() bool {
		x = decoded[seen](t, c.must(t, "GET", "/v1/executions/"+id+"?wait=60", ""))
		return x.done()
	})
	return x
}

// awaitAll waits until executions are done.
func (c *caller) awaitAll(t *testing.T, ids []string) (all []seen) {
	t.Helper()
	for some := range slices.Chunk(ids, runtime.MaxBulk) {
		var got []seen
		for left := len(some); left > 0; {
			// As long as some end, the others are waited for.
			until(t, fmt.Sprintf("fewer than %d are not done", left), func() bool {
				got = c.executions(t, some)
				open := slices.DeleteFunc(slices.Clone(got), func(x seen) bool { return x.done() })
				if len(open) < left {
					left = len(open)
					return true
				}
				c.must(t, "GET", "/v1/executions/"+open[len(open)-1].ID+"?wait=1", "")
				return false
			})
		}
		all = append(all, got...)
	}
	return all
}

// awaitStatus waits until an execution has a status.
func (c *caller) awaitStatus(t *testing.T, id, status string) (x seen) {
	t.Helper()
	until(t, id+" is "+status, func() bool {
		x = c.execution(t, id)
		return x.Status == status
	})
	return x
}

// deploy creates a function. Further fields are in pairs of name and value.
func (c *caller) deploy(t *testing.T, name, code string, fields ...any) {
	t.Helper()
	c.must(t, "PUT", "/v1/functions/", functionJSON(name, code, fields...))
}

// functionJSON is the body of create and update; an empty name is left out.
func functionJSON(name, code string, fields ...any) string {
	f := map[string]any{"code": code}
	if name != "" {
		f["name"] = name
	}
	for i := 0; i+1 < len(fields); i += 2 {
		f[fields[i].(string)] = fields[i+1]
	}
	text, err := json.Marshal(f)
	if err != nil {
		panic(err) // the test's own values
	}
	return string(text)
}

// submit has a function run in the background.
func (c *caller) submit(t *testing.T, name, args string, headers ...string) string {
	t.Helper()
	return decoded[string](t, c.must(t, "POST", "/v1/functions/"+name+"/rpc/", args, headers...))
}

// submitBulk has it run for each of the args.
func (c *caller) submitBulk(t *testing.T, name string, args []string, headers ...string) []string {
	t.Helper()
	ids := decoded[[]string](t, c.must(t, "POST", "/v1/functions/"+name+"/bulk_rpc/", array(args), headers...))
	if len(ids) != len(args) {
		t.Fatalf("%d ids for %d runs", len(ids), len(args))
	}
	return ids
}

// numbered are args for n runs: {"n":0} and so on.
func numbered(n int) []string {
	args := make([]string, n)
	for i := range args {
		args[i] = fmt.Sprintf(`{"n":%d}`, i)
	}
	return args
}

// array makes one of JSON texts.
func array(texts []string) string { return "[" + strings.Join(texts, ",") + "]" }

func decoded[T any](t *testing.T, r reply) (v T) {
	t.Helper()
	if err := json.Unmarshal(r.body, &v); err != nil {
		t.Fatalf("%s: %v", r.body, err)
	}
	return v
}
