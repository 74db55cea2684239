package client

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faaspot/faaspot/runtime"
)

const token = "t0ps3cret"

// seen is a request that a server received.
type seen struct {
	method, target, auth, contentType, body string
}

// serve starts a server that sends one response, and records its requests.
func serve(t *testing.T, status int, header http.Header, body string) (*Client, *[]seen) {
	t.Helper()
	var requests []seen
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		requests = append(requests, seen{r.Method, r.URL.RequestURI(), r.Header.Get("Authorization"), r.Header.Get("Content-Type"), string(data)})
		for key, values := range header {
			w.Header()[key] = values
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(web.Close)
	return newClient(t, Options{URL: web.URL, Token: token}), &requests
}

func newClient(t *testing.T, o Options) *Client {
	t.Helper()
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestRequests(t *testing.T) {
	const auth, asJSON = "Token " + token, "application/json"
	three := 3
	secrets, code := "key = \"v\"", "x = '100% <&>'\n"
	for name, tc := range map[string]struct {
		do   func(ctx context.Context, c *Client) error
		want seen
	}{
		"create": {
			func(ctx context.Context, c *Client) error {
				_, err := c.Create(ctx, CreateRequest{Name: "f", Code: code, Context: &secrets, Timeout: 2.5, Memory: 256, Retries: &three, Allow: &[]string{"a.example:443"}})
				return err
			},
			seen{
				"PUT", "/v1/functions/", auth, asJSON,
				`{"name":"f","code":"x = '100% <&>'\n","context":"key = \"v\"","timeout":2.5,"memory":256,"retries":3,"allow":["a.example:443"],"encoding":"plain"}`,
			},
		},
		"create with defaults": {
			func(ctx context.Context, c *Client) error {
				_, err := c.Create(ctx, CreateRequest{Name: "f", Code: "x"})
				return err
			},
			seen{"PUT", "/v1/functions/", auth, asJSON, `{"name":"f","code":"x","encoding":"plain"}`},
		},
		"update": {
			func(ctx context.Context, c *Client) error {
				_, err := c.Update(ctx, "f", UpdateRequest{Name: "g"})
				return err
			},
			seen{"PATCH", "/v1/functions/f", auth, asJSON, `{"name":"g","encoding":"plain"}`},
		},
		"update that allows nothing": {
			func(ctx context.Context, c *Client) error {
				_, err := c.Update(ctx, "f", UpdateRequest{Allow: &[]string{}})
				return err
			},
			seen{"PATCH", "/v1/functions/f", auth, asJSON, `{"allow":[],"encoding":"plain"}`},
		},
		"delete": {
			func(ctx context.Context, c *Client) error { _, err := c.Delete(ctx, "f.py"); return err },
			seen{"DELETE", "/v1/functions/f.py", auth, "", ""},
		},
		"run": {
			func(ctx context.Context, c *Client) error {
				_, err := c.Run(ctx, "a/b", []byte(`{"n": 1.0}`))
				return err
			},
			seen{"POST", "/v1/sync/functions/a%2Fb/rpc/", auth, asJSON, `{"n": 1.0}`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, requests := serve(t, 200, nil, `"id"`)
			if err := tc.do(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]seen{tc.want}, *requests, cmp.AllowUnexported(seen{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRunReturnsResultUnchanged(t *testing.T) {
	c, _ := serve(t, 200, http.Header{"X-Execution-Id": {"e1"}, "X-Duration-Ms": {"1.5"}}, `{"n": 1.50,  "s": "<é>"}`)
	got, err := c.Run(t.Context(), "f", []byte(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	want := Answer{Result: json.RawMessage(`{"n": 1.50,  "s": "<é>"}`), ExecutionID: "e1", Duration: 1500 * time.Microsecond}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestFunctionIsRead(t *testing.T) {
	c, requests := serve(t, 200, nil, `{"name":"f","runner_url":"http://h/v1/functions/f/rpc/","version":3,
		"created":"2017-07-21 15:10:52.537686+00:00","updated":"2017-07-21 17:10:52.000000+02:00","rid":"ri.x",
		"code":"x = '%41'","encoding":"plain","timeout":2.5,"memory":128,"retries":2,"allow":["*.example:443"],"keep_args":true,"context_keys":["a"],"unknown":1}`)
	got, err := c.Function(t.Context(), "f")
	if err != nil {
		t.Fatal(err)
	}
	want := Function{
		Listed: Listed{
			Name: "f", RunnerURL: "http://h/v1/functions/f/rpc/", Version: 3,
			Created: time.Date(2017, 7, 21, 15, 10, 52, 537686000, time.UTC),
			Updated: time.Date(2017, 7, 21, 15, 10, 52, 0, time.UTC),
			RID:     "ri.x",
		},
		Timeout: 2.5, Memory: 128, Retries: 2, Allow: []string{"*.example:443"}, KeepArgs: true, ContextKeys: []string{"a"}, Code: "x = '%41'",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if target := (*requests)[0].target; target != "/v1/functions/f?encoding=plain" {
		t.Errorf("requested %s", target)
	}
	data, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	const promise = `{"name":"f","runner_url":"http://h/v1/functions/f/rpc/","version":3,` +
		`"created":"2017-07-21T15:10:52.537686Z","updated":"2017-07-21T15:10:52Z","rid":"ri.x","paused":false,` +
		`"timeout":2.5,"memory":128,"retries":2,"allow":["*.example:443"],"keep_args":true,"context_keys":["a"],"code":"x = '%41'"}`
	if diff := cmp.Diff(promise, string(data)); diff != "" {
		t.Errorf("the JSON form has changed, which breaks scripts:\n%s", diff)
	}
}

// A list that does not fit on a page is requested page by page.
func TestFunctionsFollowsPages(t *testing.T) {
	const total = 2*pageSize + 7
	var targets []string
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		targets = append(targets, r.URL.RequestURI())
		first := 0
		if after := r.URL.Query().Get("after"); after != "" {
			if _, err := fmt.Sscanf(after, "f%05d", &first); err != nil {
				t.Error(err)
			}
			first++
		}
		page := []map[string]any{}
		for i := first; i < min(first+pageSize, total); i++ {
			page = append(page, map[string]any{
				"name": fmt.Sprintf("f%05d", i), "version": 1,
				"created": "2017-07-21 15:10:52.537686+00:00", "updated": "2017-07-21 15:10:52.537686+00:00",
			})
		}
		_ = json.NewEncoder(w).Encode(page)
	}))
	defer web.Close()
	list, err := newClient(t, Options{URL: web.URL}).Functions(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != total || list[total-1].Name != fmt.Sprintf("f%05d", total-1) {
		t.Errorf("%d functions, want %d", len(list), total)
	}
	want := []string{
		"/v1/functions/?limit=1000",
		"/v1/functions/?after=f00999&limit=1000",
		"/v1/functions/?after=f01999&limit=1000",
	}
	if diff := cmp.Diff(want, targets); diff != "" {
		t.Error(diff)
	}
}

func TestNoFunctionsIsAnEmptyList(t *testing.T) {
	c, _ := serve(t, 200, nil, `[]`)
	list, err := c.Functions(t.Context())
	if data, _ := json.Marshal(list); err != nil || string(data) != "[]" {
		t.Errorf("got %s, %v", data, err)
	}
}

func TestNewRefuses(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string]Options{
		"no address":          {},
		"another protocol":    {URL: "ftp://h:1"},
		"no host":             {URL: "http://"},
		"no such certificate": {URL: "https://h:1", CACertificate: filepath.Join(t.TempDir(), "absent.pem")},
		"empty certificate":   {URL: "https://h:1", CACertificate: empty},
	} {
		if _, err := New(o); runtime.CodeOf(err) != runtime.CodeInvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTLS(t *testing.T) {
	web := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `[]`)
	}))
	web.Config.ErrorLog = nil
	defer web.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: web.Certificate().Raw})
	if err := os.WriteFile(ca, block, 0o600); err != nil {
		t.Fatal(err)
	}
	plainURL := strings.Replace(web.URL, "https://", "http://", 1)
	_, port, err := net.SplitHostPort(web.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		o    Options
		want string // in the error; empty: none
	}{
		"system authorities":  {Options{URL: web.URL}, "signed by an authority that is not trusted here"},
		"own authority":       {Options{URL: web.URL, CACertificate: ca}, ""},
		"trust all":           {Options{URL: web.URL, TrustAll: true}, ""},
		"name not in it":      {Options{URL: "https://localhost:" + port, CACertificate: ca}, "is for another host"},
		"http where it is s":  {Options{URL: plainURL}, "it is not an error of faaspot"},
		"trust all by a name": {Options{URL: "https://localhost:" + port, TrustAll: true}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := newClient(t, tc.o).Functions(t.Context())
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

func TestTraceHasNoSecrets(t *testing.T) {
	var lines []string
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Set-Cookie", "session="+token)
		_, _ = io.WriteString(w, `"id"`)
	}))
	defer web.Close()
	c := newClient(t, Options{URL: web.URL, Token: token, Trace: func(_ TraceLevel, line string) { lines = append(lines, line) }})
	private := "password = \"" + token + "\""
	if _, err := c.Create(t.Context(), CreateRequest{Name: "f", Code: "x", Context: &private}); err != nil {
		t.Fatal(err)
	}
	all := strings.Join(lines, "\n")
	if strings.Contains(all, token) {
		t.Errorf("a secret is in the trace:\n%s", all)
	}
	for _, want := range []string{"> PUT " + web.URL + "/v1/functions/", "> Authorization: (not shown)", "< 200 OK", "* connected to "} {
		if !strings.Contains(all, want) {
			t.Errorf("%q is not in the trace:\n%s", want, all)
		}
	}
}

func TestHealth(t *testing.T) {
	for name, tc := range map[string]struct {
		status int
		body   string
		want   Health
	}{
		"ready":     {200, `{"status":"ready"}`, Health{Reachable: true, Ready: true}},
		"versioned": {200, `{"status":"ready","version":"v1.2.3"}`, Health{Reachable: true, Ready: true, Version: "v1.2.3"}},
		"starting":  {503, `{"message":"the server is starting","error_code":"unavailable"}`, Health{Reachable: true}},
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := serve(t, tc.status, nil, tc.body)
			got, err := c.Health(t.Context())
			if got.Time.IsZero() == tc.want.Ready {
				t.Errorf("the server's time is %v", got.Time)
			}
			if got.Time = (time.Time{}); got != tc.want || (err == nil) != tc.want.Ready {
				t.Errorf("got %+v, %v, want %+v", got, err, tc.want)
			}
		})
	}
	got, err := newClient(t, Options{URL: "http://" + nobody}).Health(t.Context())
	if got != (Health{}) || err == nil {
		t.Errorf("no server: %+v, %v", got, err)
	}
}

var errStop = errors.New("stop")

func TestCauseOfCancellationComesBack(t *testing.T) {
	asked := make(chan struct{})
	web := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		close(asked)
		<-r.Context().Done()
	}))
	defer web.Close()
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		<-asked
		cancel(errStop)
	}()
	if _, err := newClient(t, Options{URL: web.URL}).Run(ctx, "f", []byte(`{}`)); !errors.Is(err, errStop) {
		t.Errorf("got %v", err)
	}
}
