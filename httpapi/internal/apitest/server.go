package apitest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
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

	"github.com/faaspot/faaspot/httpapi"
	"github.com/faaspot/faaspot/httpapi/foundry"
	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/engine"
	"github.com/faaspot/faaspot/runtime/memory"
	"github.com/faaspot/faaspot/runtime/metrics"
)

var _ httpapi.Engine = (*engine.Engine)(nil)

const (
	Token = "test-token-mZ6rW0"
	ID    = "01935f9e-7d5c-7000-8000-00000000abcd"
)

var Time = time.Date(2026, 3, 4, 5, 6, 7, 891011000, time.UTC)

// Fake records its calls and returns the values of its fields; err overrides all of them.
type Fake struct {
	mu      sync.Mutex
	Created []runtime.FunctionSpec
	Updated []runtime.FunctionUpdate
	Deleted []runtime.FunctionDeletion
	Ran     []runtime.RunRequest
	Tried   []runtime.TryRequest
	Pages   []int
	Tenants []runtime.Tenant
	Uploads [][]byte // contents of the bundles of Updated

	Err       error
	Functions []runtime.Function
	Detail    runtime.FunctionDetail
	Zip       []byte // bundle of every function; nil: none has a bundle
	Replayed  bool
	Outcome   *runtime.Execution
	OnRun     func(context.Context, runtime.RunRequest) (*runtime.Execution, error)

	FakeExecutions
}

func (f *Fake) CreateFunction(_ context.Context, s runtime.FunctionSpec) (runtime.Deployment, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.Created = append(f.Created, s)
	f.Tenants = append(f.Tenants, s.Tenant)
	return runtime.Deployment{ExecutionID: ID, Replayed: f.Replayed}, f.Err
}

func (f *Fake) UpdateFunction(_ context.Context, u runtime.FunctionUpdate) (runtime.Deployment, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.Updated = append(f.Updated, u)
	if u.Bundle != nil {
		content, err := io.ReadAll(io.NewSectionReader(u.Bundle.Content, 0, u.Bundle.Bytes+1))
		if err != nil {
			return runtime.Deployment{}, err
		}
		f.Uploads = append(f.Uploads, content)
	}
	f.Tenants = append(f.Tenants, u.Tenant)
	return runtime.Deployment{ExecutionID: ID, Replayed: f.Replayed}, f.Err
}

func (f *Fake) DeleteFunction(_ context.Context, d runtime.FunctionDeletion) (runtime.Deployment, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.Deleted = append(f.Deleted, d)
	f.Tenants = append(f.Tenants, d.Tenant)
	return runtime.Deployment{ExecutionID: ID, Replayed: f.Replayed}, f.Err
}

func (f *Fake) PauseFunction(_ context.Context, p runtime.FunctionPause) (runtime.Function, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.Tenants = append(f.Tenants, p.Tenant)
	d := f.Detail.Function
	d.Tenant, d.Name, d.Paused = p.Tenant, p.Name, p.Paused
	return d, f.Err
}

func (f *Fake) GetFunction(_ context.Context, tenant runtime.Tenant, name string) (runtime.FunctionDetail, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.Tenants = append(f.Tenants, tenant)
	d := f.Detail
	d.Function.Name = name
	return d, f.Err
}

func (f *Fake) ListVersions(_ context.Context, tenant runtime.Tenant, name string) ([]runtime.VersionSummary, error) {
	v, err := f.GetVersion(context.Background(), tenant, name, 3)
	older := v.Version
	older.Number--
	return []runtime.VersionSummary{
		{Version: v.Version, SourceBytes: len(v.Source), ContextBytes: len(v.Context)},
		{Version: older, SourceBytes: len(v.Source), ContextBytes: len(v.Context)},
	}, err
}

func (f *Fake) GetVersion(_ context.Context, tenant runtime.Tenant, name string, number uint64) (runtime.VersionDetail, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.Tenants = append(f.Tenants, tenant)
	v := f.Detail.Version
	v.Name, v.Number = name, number
	return runtime.VersionDetail{Version: v, Current: number == 3}, f.Err
}

func (f *Fake) Try(_ context.Context, r runtime.TryRequest) (runtime.Trial, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.Tried = append(f.Tried, r)
	f.Tenants = append(f.Tenants, r.Function.Tenant)
	if f.Outcome == nil {
		return runtime.Trial{State: runtime.StateSucceeded}, f.Err
	}
	return runtime.Trial{Outcome: f.Outcome.Outcome, State: f.Outcome.State}, f.Err
}

func (f *Fake) GetBundle(_ context.Context, tenant runtime.Tenant, name string) (runtime.Bundle, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.Tenants = append(f.Tenants, tenant)
	if f.Err == nil && f.Zip == nil {
		return runtime.Bundle{}, runtime.Errorf(runtime.CodeNotFound, "the function %q is a single file", name).WithHint("get the function")
	}
	return runtime.Bundle{ID: sha256.Sum256(f.Zip), Bytes: int64(len(f.Zip))}, f.Err
}

func (f *Fake) ReadBundle(ctx context.Context, _ runtime.Tenant, id runtime.BundleID, w io.Writer) error {
	if id != sha256.Sum256(f.Zip) {
		return runtime.Errorf(runtime.CodeNotFound, "there is no bundle %s", id)
	}
	for zip := f.Zip; len(zip) > 0; {
		n, err := w.Write(zip[:min(len(zip), 256<<10)])
		if err = errors.Join(err, ctx.Err()); err != nil {
			return err
		}
		zip = zip[n:]
	}
	return nil
}

func (f *Fake) ListFunctions(_ context.Context, tenant runtime.Tenant, r runtime.PageRequest) (page runtime.Page[runtime.Function], err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.Pages = append(f.Pages, r.Limit)
	f.Tenants = append(f.Tenants, tenant)
	if r.Limit > runtime.MaxPage {
		panic("requested more than a page")
	}
	from := slices.IndexFunc(f.Functions, func(fn runtime.Function) bool { return fn.Name > r.After })
	if from < 0 {
		return page, f.Err
	}
	if page.Items = f.Functions[from:min(from+r.Limit, len(f.Functions))]; from+r.Limit < len(f.Functions) {
		page.Next = page.Items[r.Limit-1].Name
	}
	return page, f.Err
}

func (f *Fake) Run(ctx context.Context, r runtime.RunRequest) (*runtime.Execution, error) {
	if f.OnRun != nil {
		return f.OnRun(ctx, r)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.Ran = append(f.Ran, r)
	f.Tenants = append(f.Tenants, r.Tenant)
	return f.Outcome, f.Err
}

// Made returns the functions that were created so far, also while requests are answered.
func (f *Fake) Made() []runtime.FunctionSpec {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.Created)
}

// Renew forgets the calls and lets change say what to answer from now on.
func (f *Fake) Renew(change func(*Fake)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.Created, f.Updated, f.Deleted, f.Ran, f.Pages, f.Tenants, f.Uploads = nil, nil, nil, nil, nil, nil, nil
	if change != nil {
		change(f)
	}
}

// Succeeded returns an execution with a result.
func Succeeded(result string) *runtime.Execution {
	return &runtime.Execution{
		ID:    ID,
		State: runtime.StateSucceeded,
		Outcome: runtime.Outcome{
			Result: []byte(result),
			Usage:  runtime.Usage{Duration: 12_345_678 * time.Nanosecond},
		},
	}
}

// Failed returns an execution with a failure.
func Failed(f runtime.Failure) *runtime.Execution {
	return &runtime.Execution{ID: ID, State: f.Class.State(), Outcome: runtime.Outcome{Failure: &f}}
}

// Buffer is a log that handlers write and tests read.
type Buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *Buffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *Buffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// TextLog returns a logger of all levels.
func TextLog(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// Served is a Server on a listener, with a client and its log.
type Served struct {
	*httpapi.Server
	Fake   *Fake
	Log    *Buffer
	Client *http.Client
	Addr   string
}

// maintenance is a store whose backups are only a text.
type maintenance struct{}

// Backup implements faaspot.Maintenance.
func (maintenance) Backup(_ context.Context, _ string, w io.Writer) error {
	_, err := io.WriteString(w, strings.Repeat("a backup", 64)) // as long as the header of a file
	return err
}

// Breakdown implements faaspot.Maintenance.
func (maintenance) Breakdown(int) (runtime.StorageBreakdown, error) {
	return runtime.StorageBreakdown{
		Tables:    4096,
		Tenants:   []runtime.TenantStorage{{Tenant: "default", Code: 100, Executions: 200}},
		Functions: []runtime.FunctionStorage{{Tenant: "default", ID: "id", Name: "hello.py", Executions: 2, Bytes: 200}},
	}, nil
}

// StartOn serves on a listener.
func StartOn(t *testing.T, ln net.Listener, dial func() (net.Conn, error), fake *Fake, change func(*httpapi.Options)) *Served {
	t.Helper()
	log := &Buffer{}
	o := httpapi.Options{
		Engine: fake,
		Auth:   httpapi.HashToken(Token),
		Access: fake.Access(),
		Audit:  auditCalls{fake},
		Disk: func() runtime.DiskState {
			return runtime.DiskState{Free: 1 << 30, Total: 1 << 31, Floor: 1 << 26, Ballast: 1 << 25}
		},
		Metrics: metrics.New(metrics.Sources{
			Memory: memory.New(1<<30, nil), Store: func() (f runtime.StoreFigures) { return f },
			Engine:  func() (f runtime.EngineFigures, running bool) { return f, true },
			Server:  func() (f runtime.ServerFigures) { return f },
			Workers: func() []runtime.WorkerStatus { return nil },
			Slots:   func() (idle, busy int) { return 0, 0 },
			Traces:  func() (f runtime.TraceFigures) { return f },
		}).Text,
		Maintenance: maintenance{},
		Log:         TextLog(log),
	}
	if change != nil {
		change(&o)
	}
	s, err := httpapi.New(o)
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
	return &Served{
		Server: s, Fake: fake, Log: log, Addr: ln.Addr().String(),
		Client: &http.Client{
			Transport: transport,
			CheckRedirect: func(*http.Request, []*http.Request) error {
				t.Error("the server redirected")
				return http.ErrUseLastResponse
			},
		},
	}
}

// Start serves on a listener in memory.
func Start(t *testing.T, fake *Fake, change func(*httpapi.Options)) *Served {
	t.Helper()
	ln := fasthttputil.NewInmemoryListener()
	return StartOn(t, ln, ln.Dial, fake, change)
}

// StartTCP serves on a port.
func StartTCP(t *testing.T, fake *Fake, change func(*httpapi.Options)) *Served {
	t.Helper()
	ln, dial := ListenTCP(t)
	return StartOn(t, ln, dial, fake, change)
}

// ListenTCP returns a listener on a port of the loopback interface and a function that dials it.
func ListenTCP(t *testing.T) (net.Listener, func() (net.Conn, error)) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	return ln, func() (net.Conn, error) { return net.Dial("tcp", addr) }
}

// Answer is what came back for a request.
type Answer struct {
	Status int
	Header http.Header
	Body   string
}

// Object reads the body as a JSON object.
func (a Answer) Object(t *testing.T) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(a.Body), &m); err != nil {
		t.Fatalf("body %q: %v", a.Body, err)
	}
	return m
}

type Header = map[string]string

// Do sends a request with the right token, unless h says otherwise.
func (ts *Served) Do(t *testing.T, method, path, body string, h Header) Answer {
	t.Helper()
	req, err := http.NewRequest(method, "http://api.test/", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if req.URL.Opaque = path; path == "" { // as it is: also a path that net/url refuses
		t.Fatal("the path is empty")
	}
	req.Header.Set("Authorization", "Token "+Token)
	req.Header.Set("Content-Type", "application/json")
	if strings.HasPrefix(body, "PK") {
		req.Header.Set("Content-Type", "application/zip")
	}
	for k, v := range h {
		if v == "" {
			req.Header.Del(k)
			continue
		}
		req.Header.Set(k, v)
	}
	resp, err := ts.Client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return Answer{resp.StatusCode, resp.Header, string(got)}
}

// WantError checks status and code of an error, and that it is written as all
// errors are.
func WantError(t *testing.T, a Answer, status int, code string) map[string]any {
	t.Helper()
	m := a.Object(t)
	got := m["error_code"]
	if got == nil && m["code"] == float64(status) { // the form of the Blaxel dialect
		got = m["error"]
	}
	if got == nil && m["errorCode"] != nil && len(m["errorInstanceId"].(string)) == 36 { // the form of the Foundry dialect
		got = code
		if want := foundry.ErrorCodes[status]; want != "" && m["errorCode"] != want {
			t.Errorf("got the code %v for %d", m["errorCode"], status)
		}
	}
	if a.Status != status || got != code {
		t.Fatalf("got %d %s, want %d %s", a.Status, a.Body, status, code)
	}
	if m["message"] == "" || m["message"] == nil {
		t.Errorf("no message: %s", a.Body)
	}
	WantHeaders(t, a)
	return m
}

// WantHeaders checks the headers that every answer has.
func WantHeaders(t *testing.T, a Answer) {
	t.Helper()
	if got := a.Header.Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type %q", got)
	}
	if got := a.Header.Get("X-Content-Type-Options"); got != "nosniff" {
		t.Errorf("X-Content-Type-Options %q", got)
	}
	if got, ok := a.Header["Server"]; ok {
		t.Errorf("Server %q", got)
	}
}

// BlockingFake returns an engine whose runs begin by closing running, once, and end when finish is
// closed.
func BlockingFake(running chan<- struct{}, finish <-chan struct{}) *Fake {
	var once sync.Once
	return &Fake{OnRun: func(context.Context, runtime.RunRequest) (*runtime.Execution, error) {
		once.Do(func() { close(running) })
		<-finish
		return Succeeded("1"), nil
	}}
}
