package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/valyala/fasthttp/fasthttputil"

	"github.com/faaspot/faaspot/runtime"
)

var (
	_ Functions  = (*runtime.Engine)(nil)
	_ Executions = (*runtime.Engine)(nil)
)

const (
	testToken = "test-token-mZ6rW0"
	testID    = "01935f9e-7d5c-7000-8000-00000000abcd"
)

var testTime = time.Date(2026, 3, 4, 5, 6, 7, 891011000, time.UTC)

// fakeEngine keeps what it was called with and answers with what its fields
// say; err overrides all of them.
type fakeEngine struct {
	mu      sync.Mutex
	created []runtime.FunctionSpec
	updated []runtime.FunctionUpdate
	deleted []runtime.FunctionDeletion
	ran     []runtime.RunRequest
	pages   []int
	tenants []runtime.Tenant

	err      error
	list     []runtime.Function
	detail   runtime.FunctionDetail
	replayed bool
	exec     *runtime.Execution
	run      func(context.Context, runtime.RunRequest) (*runtime.Execution, error)

	fakeExecutions
}

func (f *fakeEngine) CreateFunction(_ context.Context, s runtime.FunctionSpec) (runtime.Deployment, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.created = append(f.created, s)
	f.tenants = append(f.tenants, s.Tenant)
	return runtime.Deployment{ExecutionID: testID, Replayed: f.replayed}, f.err
}

func (f *fakeEngine) UpdateFunction(_ context.Context, u runtime.FunctionUpdate) (runtime.Deployment, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.updated = append(f.updated, u)
	f.tenants = append(f.tenants, u.Tenant)
	return runtime.Deployment{ExecutionID: testID, Replayed: f.replayed}, f.err
}

func (f *fakeEngine) DeleteFunction(_ context.Context, d runtime.FunctionDeletion) (runtime.Deployment, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.deleted = append(f.deleted, d)
	f.tenants = append(f.tenants, d.Tenant)
	return runtime.Deployment{ExecutionID: testID, Replayed: f.replayed}, f.err
}

func (f *fakeEngine) GetFunction(_ context.Context, tenant runtime.Tenant, name string) (runtime.FunctionDetail, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tenants = append(f.tenants, tenant)
	d := f.detail
	d.Function.Name = name
	return d, f.err
}

func (f *fakeEngine) ListFunctions(_ context.Context, tenant runtime.Tenant, r runtime.PageRequest) (page runtime.Page[runtime.Function], err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pages = append(f.pages, r.Limit)
	f.tenants = append(f.tenants, tenant)
	if r.Limit > runtime.MaxPage {
		panic("asked for more than a page")
	}
	from := slices.IndexFunc(f.list, func(fn runtime.Function) bool { return fn.Name > r.After })
	if from < 0 {
		return page, f.err
	}
	if page.Items = f.list[from:min(from+r.Limit, len(f.list))]; from+r.Limit < len(f.list) {
		page.Next = page.Items[r.Limit-1].Name
	}
	return page, f.err
}

func (f *fakeEngine) Run(ctx context.Context, r runtime.RunRequest) (*runtime.Execution, error) {
	if f.run != nil {
		return f.run(ctx, r)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ran = append(f.ran, r)
	f.tenants = append(f.tenants, r.Tenant)
	return f.exec, f.err
}

// renew forgets the calls and lets change say what to answer from now on.
func (f *fakeEngine) renew(change func(*fakeEngine)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.created, f.updated, f.deleted, f.ran, f.pages, f.tenants = nil, nil, nil, nil, nil, nil
	if change != nil {
		change(f)
	}
}

func succeeded(result string) *runtime.Execution {
	return &runtime.Execution{
		ID:    testID,
		State: runtime.StateSucceeded,
		Outcome: runtime.Outcome{
			Result: []byte(result),
			Usage:  runtime.Usage{Duration: 12_345_678 * time.Nanosecond},
		},
	}
}

func failed(f runtime.Failure) *runtime.Execution {
	return &runtime.Execution{ID: testID, State: f.Class.State(), Outcome: runtime.Outcome{Failure: &f}}
}

// syncBuffer is a log that handlers write and tests read.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func textLog(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// testServer is a Server on a listener, with a client and its log.
type testServer struct {
	*Server
	fake   *fakeEngine
	log    *syncBuffer
	client *http.Client
	addr   string
}

func startOn(t *testing.T, ln net.Listener, dial func() (net.Conn, error), fake *fakeEngine, change func(*Options)) *testServer {
	t.Helper()
	log := &syncBuffer{}
	o := Options{
		Engine: fake,
		Auth:   HashToken(testToken),
		Log:    textLog(log),
	}
	if change != nil {
		change(&o)
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	transport := &http.Transport{
		DialContext:        func(context.Context, string, string) (net.Conn, error) { return dial() },
		DisableCompression: true,
	}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return &testServer{
		Server: s, fake: fake, log: log, addr: ln.Addr().String(),
		client: &http.Client{
			Transport: transport,
			CheckRedirect: func(*http.Request, []*http.Request) error {
				t.Error("the server redirected")
				return http.ErrUseLastResponse
			},
		},
	}
}

// start serves on a listener in memory.
func start(t *testing.T, fake *fakeEngine, change func(*Options)) *testServer {
	t.Helper()
	ln := fasthttputil.NewInmemoryListener()
	return startOn(t, ln, ln.Dial, fake, change)
}

// startTCP serves on a port.
func startTCP(t *testing.T, fake *fakeEngine, change func(*Options)) *testServer {
	t.Helper()
	ln, dial := listenTCP(t)
	return startOn(t, ln, dial, fake, change)
}

func listenTCP(t *testing.T) (net.Listener, func() (net.Conn, error)) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	return ln, func() (net.Conn, error) { return net.Dial("tcp", addr) }
}

// answer is what came back for a request.
type answer struct {
	status int
	header http.Header
	body   string
}

// object reads the body as a JSON object.
func (a answer) object(t *testing.T) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(a.body), &m); err != nil {
		t.Fatalf("body %q: %v", a.body, err)
	}
	return m
}

type header = map[string]string

// do sends a request with the right token, unless h says otherwise.
func (ts *testServer) do(t *testing.T, method, path, body string, h header) answer {
	t.Helper()
	req, err := http.NewRequest(method, "http://api.test/", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if req.URL.Opaque = path; path == "" { // as it is: also a path that net/url refuses
		t.Fatal("the path is empty")
	}
	req.Header.Set("Authorization", "Token "+testToken)
	req.Header.Set("Content-Type", "application/json")
	for k, v := range h {
		if v == "" {
			req.Header.Del(k)
			continue
		}
		req.Header.Set(k, v)
	}
	resp, err := ts.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(got)}
}

// wantError checks status and code of an error, and that it is written as all
// errors are.
func wantError(t *testing.T, a answer, status int, code string) map[string]any {
	t.Helper()
	m := a.object(t)
	told := m["error_code"]
	if told == nil && m["code"] == float64(status) { // as it is told below /v0
		told = m["error"]
	}
	if told == nil && m["errorCode"] != nil && len(m["errorInstanceId"].(string)) == 36 { // as it is told below /api/v2
		told = code
		if want := foundryCodes[status]; want != "" && m["errorCode"] != want {
			t.Errorf("got the code %v for %d", m["errorCode"], status)
		}
	}
	if a.status != status || told != code {
		t.Fatalf("got %d %s, want %d %s", a.status, a.body, status, code)
	}
	if m["message"] == "" || m["message"] == nil {
		t.Errorf("no message: %s", a.body)
	}
	wantHeaders(t, a)
	return m
}

func wantHeaders(t *testing.T, a answer) {
	t.Helper()
	if got := a.header.Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type %q", got)
	}
	if got := a.header.Get("X-Content-Type-Options"); got != "nosniff" {
		t.Errorf("X-Content-Type-Options %q", got)
	}
	if got, ok := a.header["Server"]; ok {
		t.Errorf("Server %q", got)
	}
}
