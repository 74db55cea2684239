package httpapi_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/faaspot/faaspot/httpapi"
	"github.com/faaspot/faaspot/httpapi/internal/apitest"
	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/memory"
)

// node is a server that follows another one, to which it forwards requests as a node does.
type node struct {
	*apitest.Served
	owner   *apitest.Served
	follows atomic.Bool
	runs    atomic.Bool
	lost    atomic.Bool // requests are sent, and not answered
	settled atomic.Int64
	sent    atomic.Int64
	tenant  atomic.Pointer[runtime.Tenant] // of the last request that was sent
	ended   atomic.Int64                   // requests that were sent, and are not under way any more
	over    atomic.Pointer[chan struct{}]  // closed when the data are handed over; nil: they are not being
	waits   atomic.Int64                   // requests that wait for that
	full    atomic.Bool                    // no request may wait
	through *http.Transport
	late    bool // the end of a body is looked for when the answer is read
}

func (n *node) Follows() bool { return n.follows.Load() }
func (n *node) Runs() bool    { return n.runs.Load() }
func (n *node) Settle()       { n.settled.Add(1) }

func (n *node) HandsOver() bool { return n.over.Load() != nil }

func (n *node) Await(ctx context.Context, _ net.Addr, _ runtime.Tenant) error {
	if n.full.Load() {
		return runtime.Errorf(runtime.CodeTooBusy, "too many wait")
	}
	n.waits.Add(1)
	defer n.waits.Add(-1)
	select {
	case <-*n.over.Load():
		return nil
	case <-ctx.Done():
		return runtime.Errorf(runtime.CodeUnavailable, "the client has hung up")
	}
}

// handOver begins to hand the data over. end says who owns them then.
func (n *node) handOver() (end func(follows bool)) {
	over := make(chan struct{})
	n.over.Store(&over)
	return func(follows bool) {
		n.follows.Store(follows)
		n.over.Store(nil)
		close(over)
	}
}

func (n *node) Forward(r *http.Request, _ net.Addr, tenant runtime.Tenant) (*http.Response, error) {
	n.sent.Add(1)
	n.tenant.Store(&tenant)
	if n.owner == nil {
		err := runtime.Errorf(runtime.CodeUnavailable, "there is no owner")
		err.RetryAfter = time.Second
		return nil, err
	}
	if n.lost.Load() {
		return nil, errors.New("the connection was cut")
	}
	r.URL.Scheme, r.URL.Host = "http", "owner"
	late := &lateBody{ReadCloser: r.Body, left: r.ContentLength, answered: make(chan struct{}), looked: make(chan struct{})}
	if n.late {
		r.Body = late
	}
	a, err := n.through.RoundTrip(r)
	if err != nil {
		n.ended.Add(1)
		return nil, err
	}
	a.Body = &watchedBody{a.Body, n}
	if n.late {
		a.Body = &lateAnswer{a.Body, late}
	}
	return a, nil
}

// lateBody is the body of a request, whose end is looked for when its answer is read.
type lateBody struct {
	io.ReadCloser
	left             int64
	answered, looked chan struct{}
}

func (b *lateBody) Read(p []byte) (n int, err error) {
	if b.left == 0 {
		<-b.answered
		defer close(b.looked)
	}
	n, err = b.ReadCloser.Read(p)
	b.left -= int64(n)
	return n, err
}

// lateAnswer is the answer of such a request.
type lateAnswer struct {
	io.ReadCloser
	late *lateBody
}

func (a *lateAnswer) Read(p []byte) (int, error) {
	select {
	case <-a.late.answered:
	default:
		close(a.late.answered)
		<-a.late.looked
		time.Sleep(10 * time.Millisecond) // for what the library may do then
	}
	return a.ReadCloser.Read(p)
}

// watchedBody is the body of an answer that a node forwards.
type watchedBody struct {
	io.ReadCloser
	n *node
}

func (b *watchedBody) Close() error {
	b.n.ended.Add(1)
	return b.ReadCloser.Close()
}

// startNode starts a server that follows one with another fake.
func startNode(t *testing.T, own, owners *apitest.Fake, change func(*httpapi.Options)) *node {
	t.Helper()
	n := new(node)
	n.follows.Store(true)
	n.runs.Store(true)
	if owners != nil {
		n.owner = apitest.StartTCP(t, owners, func(o *httpapi.Options) { o.AccessLog = apitest.TextLog(new(apitest.Buffer)); change(o) })
		peers, dial := apitest.ListenTCP(t)
		go func() { _ = n.owner.ServePeers(peers) }() // until the owner is shut down
		n.through = &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return dial() }, DisableCompression: true}
		t.Cleanup(n.through.CloseIdleConnections)
	}
	n.Served = apitest.StartTCP(t, own, func(o *httpapi.Options) {
		o.Follower = n
		o.Current = func() error { return nil }
		change(o)
	})
	return n
}

// dial makes a node forward requests to another server.
func (n *node) dial(owner *httptest.Server) {
	n.through.CloseIdleConnections()
	n.through.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", owner.Listener.Addr().String())
	}
}

func unchanged(*httpapi.Options) {}

// onePassword knows the password c of the user a.
type onePassword struct{ httpapi.Authenticator }

func (onePassword) AuthenticatePassword(context.Context, []byte, []byte) (*runtime.Identity, error) {
	return nil, errors.New("a password is checked")
}

func (onePassword) KnownPassword(user, password []byte) *runtime.Identity {
	if string(user) != "a" || string(password) != "c" {
		return nil
	}
	return &runtime.Identity{Tenant: "tenant-of-a"}
}

// Requests are answered by the owner, with all that they have, and as their clients have sent them.
func TestForward(t *testing.T) {
	t.Parallel()
	log := new(apitest.Buffer)
	own, owners := &apitest.Fake{}, &apitest.Fake{Functions: []runtime.Function{{Name: "one"}}}
	n := startNode(t, own, owners, func(o *httpapi.Options) { o.AccessLog, o.Auth = apitest.TextLog(log), onePassword{o.Auth} })
	a := n.Do(t, "GET", "/v1/functions/?limit=1", "", nil)
	if a.Status != 200 || !strings.Contains(a.Body, `"one"`) || a.Header.Get("Content-Type") != "application/json" {
		t.Errorf("%d %v %s", a.Status, a.Header, a.Body)
	}
	if direct := n.owner.Do(t, "GET", "/v1/functions/?limit=1", "", nil); direct.Body != a.Body || len(direct.Header) != len(a.Header) {
		t.Errorf("the owner answers %v %s\nthe node %v %s", direct.Header, direct.Body, a.Header, a.Body)
	}
	if a := n.Do(t, "PUT", "/v1/functions/", `{"name":"f","code":"def main(args, context): pass"}`, nil); a.Status != 200 || len(owners.Created) != 1 {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	if a := n.Do(t, "POST", "/v1/functions/f/rpc", "", apitest.Header{"X-Idempotency-Key": "k"}); a.Status != 200 {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	if a := n.Do(t, "GET", "/v1/functions/", "", apitest.Header{"Authorization": "Token wrong"}); a.Status != 401 {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	if a := n.Do(t, "HEAD", "/v1/functions/f", "", nil); a.Status != 200 || a.Body != "" || a.Header.Get("Content-Length") == "0" {
		t.Errorf("%d %v %s", a.Status, a.Header, a.Body)
	}
	if len(own.Created)+len(own.Pages) > 0 {
		t.Error("the node has answered itself")
	}
	// Places for requests are shared among tenants, as far as the node knows them.
	for authorization, want := range map[string]runtime.Tenant{
		"Token " + apitest.Token: runtime.DefaultTenant, "bearer " + apitest.Token: runtime.DefaultTenant, "Token wrong": "", "Basic YTpi": "", "": "",
		"Basic YTpj": "tenant-of-a", // its password was checked
	} {
		n.Do(t, "GET", "/v1/functions/", "", apitest.Header{"Authorization": authorization})
		if got := *n.tenant.Load(); got != want {
			t.Errorf("a request with %q is one of the tenant %q, want %q", authorization, got, want)
		}
	}
	before := n.sent.Load()
	for _, path := range []string{"/healthz", "/readyz", "/openapi.json"} {
		if a := n.Do(t, "GET", path, "", nil); a.Status != 200 {
			t.Errorf("%s: %d %s", path, a.Status, a.Body)
		}
	}
	if n.sent.Load() != before {
		t.Error("what a node says about itself is not asked of the owner")
	}
}

// What reads executions is forwarded when those that this node has to record are recorded, whatever its method. What starts runs or
// needs no token does not wait for that.
func TestForwardedReadsSettle(t *testing.T) {
	t.Parallel()
	n := startNode(t, &apitest.Fake{}, &apitest.Fake{}, unchanged)
	for _, c := range []struct {
		method, path, body string
		want               int64
	}{
		{"GET", "/v1/functions/", "", 1},
		{"POST", "/v1/executions/bulk", `["` + apitest.ID + `"]`, 1},
		{"DELETE", "/v1/executions/" + apitest.ID, "", 1},
		{"POST", "/v1/functions/f/rpc", "", 0},
		{"GET", "/v1/functions/f/rpc", "", 0},
		{"PUT", "/v1/functions/", `{"name":"f","code":"def main(args, context): pass"}`, 0},
		{"GET", "/console/", "", 0},
	} {
		sent, settled := n.sent.Load(), n.settled.Load()
		n.Do(t, c.method, c.path, c.body, nil)
		if got := n.settled.Load() - settled; got != c.want || n.sent.Load() == sent {
			t.Errorf("%s %s: settled %d times, want %d; sent %d", c.method, c.path, got, c.want, n.sent.Load()-sent)
		}
	}
}

// A run whose caller waits happens on the node, unless it needs the owner, or the owner may know better.
func TestForwardRuns(t *testing.T) {
	t.Parallel()
	own, owners := &apitest.Fake{Outcome: apitest.Succeeded(`"here"`)}, &apitest.Fake{Outcome: apitest.Succeeded(`"there"`)}
	n := startNode(t, own, owners, unchanged)
	run := func(what, want string, h apitest.Header) {
		t.Helper()
		for _, method := range []string{"POST", "GET"} {
			body := `{"n":1}`
			if method == "GET" {
				body = ""
			}
			if a := n.Do(t, method, "/v1/sync/functions/f/rpc", body, h); a.Status != 200 || a.Body != want {
				t.Errorf("%s: %s %d %s", what, method, a.Status, a.Body)
			}
		}
	}
	run("a run", `"here"`, nil)
	for _, code := range []runtime.Code{runtime.CodeNotFound, runtime.CodeUnauthenticated, runtime.CodePermissionDenied, runtime.CodeUnavailable} {
		own.Renew(func(f *apitest.Fake) { f.Err = runtime.Errorf(code, "as far as it knows") })
		owners.Renew(nil)
		run(string(code), `"there"`, nil)
		if len(owners.Ran) != 2 || string(owners.Ran[0].Args) != `{"n":1}` {
			t.Errorf("%s: the owner has got %+v", code, owners.Ran)
		}
	}
	own.Renew(func(f *apitest.Fake) { f.Err = fmt.Errorf("%w: %w", runtime.ErrBegan, runtime.WorkerLostError()) })
	owners.Renew(nil)
	if a := n.Do(t, "POST", "/v1/sync/functions/f/rpc", "{}", nil); a.Status != 503 || len(owners.Ran) > 0 {
		t.Errorf("a run that had begun: %d %s, and the owner ran it %d times", a.Status, a.Body, len(owners.Ran))
	}
	own.Renew(func(f *apitest.Fake) { f.Err = runtime.Errorf(runtime.CodeTooBusy, "too many") })
	if a := n.Do(t, "POST", "/v1/sync/functions/f/rpc", "{}", nil); a.Status != 429 {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	own.Renew(func(f *apitest.Fake) { f.Err = nil })
	n.runs.Store(false)
	run("a node that is not ready", `"there"`, nil)
	n.runs.Store(true)
	owners.Renew(nil)
	for _, h := range []apitest.Header{{"Idempotency-Key": "k"}, {"X-Retries": "1"}} {
		before := n.sent.Load()
		n.Do(t, "POST", "/v1/sync/functions/f/rpc", "{}", h)
		if n.sent.Load() != before+1 {
			t.Errorf("with %v, the owner was not asked", h)
		}
	}
	n.follows.Store(false)
	run("the node owns the data", `"here"`, nil)
}

// Without an owner, runs go on, and all else says that nothing was done.
func TestForwardWithoutAnOwner(t *testing.T) {
	t.Parallel()
	own := &apitest.Fake{Outcome: apitest.Succeeded(`1`)}
	n := startNode(t, own, nil, unchanged)
	if a := n.Do(t, "POST", "/v1/sync/functions/f/rpc", "{}", nil); a.Status != 200 {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	own.Renew(func(f *apitest.Fake) { f.Err = runtime.Errorf(runtime.CodeNotFound, "as far as it knows") })
	for _, r := range [][2]string{{"POST", "/v1/sync/functions/f/rpc"}, {"POST", "/v1/functions/f/rpc"}, {"GET", "/v1/functions/"}} {
		if a := n.Do(t, r[0], r[1], "{}", nil); a.Status != 503 || a.Header.Get("Retry-After") != "1" {
			t.Errorf("%v: %d %s", r, a.Status, a.Body)
		}
	}
}

// While the data are handed over, requests wait, and are answered by the next owner with all that they have, whichever node that is. A run
// does not wait if the node may run it.
func TestForwardWaitsForTheNextOwner(t *testing.T) {
	t.Parallel()
	own, owners := &apitest.Fake{Outcome: apitest.Succeeded(`1`)}, &apitest.Fake{}
	n := startNode(t, own, owners, unchanged)
	large := `{"name":"f","code":"` + strings.Repeat("#", 1<<19) + `"}` // read while it is forwarded
	for _, follows := range []bool{true, false} {
		end := n.handOver()
		if a := n.Do(t, "POST", "/v1/sync/functions/f/rpc", "{}", nil); a.Status != 200 {
			t.Errorf("a run: %d %s", a.Status, a.Body)
		}
		var waiting sync.WaitGroup
		for _, r := range [][3]string{{"GET", "/v1/functions/", ""}, {"PUT", "/v1/functions/", large}, {"POST", "/v1/functions/f/rpc", "{}"}} {
			waiting.Go(func() {
				if a := n.Do(t, r[0], r[1], r[2], nil); a.Status != 200 {
					t.Errorf("follows %v: %s %s: %d %s", follows, r[0], r[1], a.Status, a.Body)
				}
			})
		}
		apitest.Eventually(t, func() bool { return n.waits.Load() == 3 })
		if n.sent.Load() > 0 && follows {
			t.Error("a request was sent to nobody")
		}
		end(follows)
		waiting.Wait()
		if got := map[bool]*apitest.Fake{true: owners, false: own}[follows].Made(); len(got) != 1 || len(got[0].Source) != 1<<19 {
			t.Errorf("follows %v: the owner has made %d functions", follows, len(got))
		}
	}
	if n.sent.Load() != 3 {
		t.Errorf("%d requests were sent, want 3", n.sent.Load())
	}
}

// A request that waits for the next owner is not sent once its client has hung up, and none waits for which there is no room.
func TestWaitingForTheNextOwnerEnds(t *testing.T) {
	t.Parallel()
	n := startNode(t, &apitest.Fake{}, &apitest.Fake{}, unchanged)
	end := n.handOver()
	c := apitest.DialRaw(t, n.Addr)
	c.Send(t, "POST /v1/functions/f/rpc HTTP/1.1\r\nHost: x\r\nAuthorization: Token "+apitest.Token+"\r\nContent-Length: 2\r\n\r\n{}")
	apitest.Eventually(t, func() bool { return n.waits.Load() == 1 })
	_ = c.Close()
	apitest.Eventually(t, func() bool { return n.waits.Load() == 0 })
	n.full.Store(true)
	if a := n.Do(t, "GET", "/v1/functions/", "", nil); a.Status != 429 {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	end(true)
	if n.sent.Load() > 0 {
		t.Errorf("%d requests were sent", n.sent.Load())
	}
}

// Whether a change was made that the owner did not answer is not known: there is no answer. What changes nothing has one.
func TestForwardedRequestsThatAreLost(t *testing.T) {
	t.Parallel()
	n := startNode(t, &apitest.Fake{}, &apitest.Fake{}, unchanged)
	n.lost.Store(true)
	if a := n.Do(t, "GET", "/v1/functions/", "", nil); a.Status != 503 || a.Header.Get("Retry-After") != "1" {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	for _, path := range []string{"/v1/functions/f/rpc", "/v1/try"} {
		c := apitest.DialRaw(t, n.Addr)
		c.Send(t, "POST "+path+" HTTP/1.1\r\nHost: x\r\nAuthorization: Token "+apitest.Token+"\r\nContent-Length: 2\r\n\r\n{}")
		if answers, closed := c.Answers(t, -1); len(answers) > 0 || !closed {
			t.Errorf("%s: %v", path, answers)
		}
	}
}

// The owner knows clients by what a node says of them, and by nothing that others say.
func TestClientsOfForwardedRequests(t *testing.T) {
	t.Parallel()
	owners := &apitest.Fake{}
	log := new(apitest.Buffer)
	n := startNode(t, &apitest.Fake{}, owners, func(o *httpapi.Options) { o.AccessLog = apitest.TextLog(log) })
	lie := apitest.Header{"Faaspot-Client": "https 203.0.113.9:7"}
	n.Do(t, "GET", "/v1/functions/", "", lie)
	n.owner.Do(t, "GET", "/v1/functions/", "", lie)
	if strings.Contains(log.String(), "203.0.113.9") {
		t.Errorf("a client has chosen its address:\n%s", log)
	}
	r, err := http.NewRequest("GET", "http://owner/v1/functions/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Faaspot-Client", "https 198.51.100.4:5")
	r.Header.Set("Authorization", "Token "+apitest.Token)
	a, err := n.through.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, a.Body)
	a.Body.Close()
	if !strings.Contains(log.String(), "198.51.100.4:5") {
		t.Errorf("the address that a node has sent is not known:\n%s", log)
	}
}

// Large bodies arrive as they were sent, whole or in chunks, through a node that has no memory for them, and those that are
// too large are refused.
func TestForwardedBodies(t *testing.T) {
	t.Parallel()
	owners := &apitest.Fake{}
	n := startNode(t, &apitest.Fake{}, owners, func(o *httpapi.Options) {
		if o.Follower != nil {
			o.Memory = memory.New(4<<20, o.Log)
		}
	})
	args := func(size int) string { return `{"x":"` + strings.Repeat("0123456789abcdef", size/16) + `"}` }
	for _, chunked := range []bool{false, true} {
		for _, size := range []int{16, 10 << 10, 5 << 20} {
			owners.Renew(func(f *apitest.Fake) { f.Outcome = apitest.Succeeded("1") })
			n.runs.Store(false)
			var body io.Reader = strings.NewReader(args(size))
			if chunked {
				body = io.MultiReader(body)
			}
			r, err := http.NewRequest("POST", "http://api.test/v1/sync/functions/f/rpc", body)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", "Token "+apitest.Token)
			a, err := n.Client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			a.Body.Close()
			if len(owners.Ran) != 1 || a.StatusCode != 200 || string(owners.Ran[0].Args) != args(size) {
				t.Errorf("%d bytes, chunked %v: %d", size, chunked, a.StatusCode)
			}
		}
	}
	content := bytes.Repeat([]byte("PK"), 20<<20)
	r, err := http.NewRequest("PUT", "http://api.test/v1/functions/f/bundle", bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Token "+apitest.Token)
	a, err := n.Client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	a.Body.Close()
	if a.StatusCode != 200 || len(owners.Uploads) != 1 || !bytes.Equal(owners.Uploads[0], content) {
		t.Errorf("a bundle of %d bytes: %d, %d uploads", len(content), a.StatusCode, len(owners.Uploads))
	}
	for name, header := range map[string]string{
		"too large":                "Authorization: Token " + apitest.Token + "\r\nContent-Length: 100000000\r\n",
		"of a stranger":            "Content-Length: 3000000\r\n",
		"of a stranger, in chunks": "Transfer-Encoding: chunked\r\n",
		"of a stranger that waits": "Content-Length: 3000000\r\nExpect: 100-continue\r\n",
	} {
		c := apitest.DialRaw(t, n.Addr)
		c.Send(t, "POST /v1/functions/f/rpc HTTP/1.1\r\nHost: x\r\n"+header+"\r\n")
		if strings.Contains(header, "chunked") {
			c.Send(t, fmt.Sprintf("%x\r\n%s\r\n", 1<<16, bytes.Repeat([]byte("x"), 1<<16)))
		} else {
			_, _ = c.Write(bytes.Repeat([]byte("x"), 1<<16))
		}
		want := 401
		if name == "too large" {
			want = 413
		}
		answers, closed := c.Answers(t, -1)
		if len(answers) > 0 && answers[0].Status == 100 {
			answers = answers[1:]
		}
		if len(answers) != 1 || answers[0].Status != want || !closed {
			t.Errorf("a body %s: %v, %v", name, answers, closed)
		}
	}
}

// An answer arrives as a whole, also if it begins before the end of the request's body was looked for.
func TestForwardedAnswersAreWhole(t *testing.T) {
	t.Parallel()
	n := startNode(t, &apitest.Fake{}, &apitest.Fake{}, unchanged)
	n.late = true
	answer := strings.Repeat("a long answer ", 10_000)
	owner := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, answer)
	}))
	defer owner.Close()
	n.dial(owner)
	if a := n.Do(t, "POST", "/v1/executions/bulk/", `["a"]`, nil); a.Status != 200 || a.Body != answer {
		t.Errorf("%d, %d bytes of %d", a.Status, len(a.Body), len(answer))
	}
}

// Neither a client that has hung up nor one that does not read keeps a request under way.
func TestForwardedClientsThatAreGone(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	defer close(release)
	owners := &apitest.Fake{Zip: bytes.Repeat([]byte("PK"), 32<<20), OnRun: func(context.Context, runtime.RunRequest) (*runtime.Execution, error) {
		<-release
		return apitest.Succeeded("1"), nil
	}}
	n := startNode(t, &apitest.Fake{}, owners, func(o *httpapi.Options) { o.WriteTimeout = 200 * time.Millisecond })
	n.runs.Store(false)
	for what, leave := range map[string]func(c *apitest.RawConn){
		"POST /v1/sync/functions/f/rpc": func(c *apitest.RawConn) { _ = c.Close() },
		"GET /v1/functions/f/bundle":    func(*apitest.RawConn) {},
	} {
		t.Log(what)
		before := n.ended.Load()
		c := apitest.DialRaw(t, n.Addr)
		c.Send(t, what+" HTTP/1.1\r\nHost: x\r\nAuthorization: Token "+apitest.Token+"\r\nContent-Length: 0\r\n\r\n")
		apitest.Eventually(t, func() bool { return n.sent.Load() > before })
		leave(c)
		apitest.Eventually(t, func() bool { return n.ended.Load() > before })
	}
}

// What may start a run, or change something, is sent to the owner once, also if a connection breaks that was used before.
func TestForwardedRequestsAreSentOnce(t *testing.T) {
	t.Parallel()
	n := startNode(t, &apitest.Fake{}, &apitest.Fake{}, unchanged)
	n.runs.Store(false)
	var got atomic.Int64
	owner := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "DELETE" {
			return // the connection stays open
		}
		_, _ = io.Copy(io.Discard, r.Body)
		got.Add(1)
		if c, _, err := w.(http.Hijacker).Hijack(); err == nil {
			_ = c.Close()
		}
	}))
	defer owner.Close()
	n.dial(owner)
	token := "Authorization: Token " + apitest.Token + "\r\n"
	for _, request := range []string{
		"GET /v1/functions/f/rpc HTTP/1.1\r\nHost: x\r\n" + token + "\r\n",
		"GET /v1/sync/functions/f/rpc HTTP/1.1\r\nHost: x\r\n" + token + "\r\n",
		"POST /v1/functions/f/rpc HTTP/1.1\r\nHost: x\r\n" + token + "X-Idempotency-Key: k\r\nContent-Length: 0\r\n\r\n",
		"POST /v1/functions/f/rpc HTTP/1.1\r\nHost: x\r\n" + token + "Idempotency-Key: k\r\nContent-Length: 2\r\n\r\n{}",
	} {
		n.Do(t, "DELETE", "/v1/functions/f", "", nil)
		before := got.Load()
		c := apitest.DialRaw(t, n.Addr)
		c.Send(t, request)
		if answers, closed := c.Answers(t, -1); len(answers) > 0 || !closed || got.Load() != before+1 {
			t.Errorf("%q: %v, and the owner has got it %d times", request, answers, got.Load()-before)
		}
	}
}

// The answer to HEAD has the header of the owner's, and nothing follows it.
func TestForwardedHead(t *testing.T) {
	t.Parallel()
	n := startNode(t, &apitest.Fake{}, &apitest.Fake{}, unchanged)
	owner := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/one") {
			w.Header().Set("Content-Length", "7")
		}
		w.(http.Flusher).Flush()
	}))
	defer owner.Close()
	n.dial(owner)
	c := apitest.DialRaw(t, n.Addr)
	for path, field := range map[string]string{"one": "Content-Length: 7\r\n", "two": "Transfer-Encoding: chunked\r\n"} {
		c.Send(t, "HEAD /v1/functions/"+path+" HTTP/1.1\r\nHost: x\r\nAuthorization: Token "+apitest.Token+"\r\n\r\n")
		_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
		var got strings.Builder
		for b := make([]byte, 1); !strings.HasSuffix(got.String(), "\r\n\r\n"); {
			if _, err := c.Read(b); err != nil {
				t.Fatal(err)
			}
			got.Write(b)
		}
		if !strings.HasPrefix(got.String(), "HTTP/1.1 200 ") || !strings.Contains(got.String(), field) {
			t.Errorf("%s: %q", path, got.String())
		}
	}
	if _, err := fmt.Fprint(c, "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(c); err != nil || !strings.HasPrefix(string(rest), "HTTP/1.1 200 ") {
		t.Errorf("then %q, %v", rest, err)
	}
}
