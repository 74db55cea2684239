//go:build linux

package process

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/faaspot/faaspot/runtime"
)

// Client sends requests to a server and returns its answers unchanged, without the retries and the
// interpretation of the command line's client. It may be used concurrently.
type Client struct {
	Base  string // URL of the server
	Token string
	http  *http.Client
}

// NewClient returns a client with connections of its own.
func NewClient(base, token string) *Client { return NewClientFrom(base, token, nil) }

// NewClientFrom is NewClient for connections from an address of this machine; nil: any.
func NewClientFrom(base, token string, from net.IP) *Client {
	dialer := &net.Dialer{}
	if from != nil {
		dialer.LocalAddr = &net.TCPAddr{IP: from}
	}
	return &Client{base, token, &http.Client{
		Transport: &http.Transport{MaxIdleConnsPerHost: 256, DialContext: dialer.DialContext},
		Timeout:   Patience,
	}}
}

// Trust makes the client accept certificates of these authorities alone.
func (c *Client) Trust(roots *x509.CertPool) {
	c.http.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: roots}
}

// Close closes the idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Reply is the answer to a request.
type Reply struct {
	Status int
	Header http.Header
	Body   []byte
}

// Code returns the error_code of the answer, empty if it has none.
func (r Reply) Code() string {
	var e struct {
		Code string `json:"error_code"`
	}
	_ = json.Unmarshal(r.Body, &e) // an answer without the field has no code
	return e.Code
}

// Replayed reports whether the answer is the stored answer to an earlier request.
func (r Reply) Replayed() bool { return r.Header.Get("Idempotency-Replayed") == "true" }

// Next returns the path of the next page of a list, empty on the last page.
func (r Reply) Next() string {
	path, _, _ := strings.Cut(strings.TrimPrefix(r.Header.Get("Link"), "<"), ">")
	return path
}

// Do sends a request. An error means that the answer was lost: the request may or may not have
// taken effect. Headers are in pairs of name and value.
func (c *Client) Do(ctx context.Context, method, path, body string, headers ...string) (Reply, error) {
	response, err := c.Open(ctx, method, path, body, headers...)
	if err != nil {
		return Reply{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return Reply{response.StatusCode, response.Header, text}, err
}

// Open is Do for an answer that is read while it arrives. The caller closes its body.
func (c *Client) Open(ctx context.Context, method, path, body string, headers ...string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, c.Base+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Token "+c.Token)
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	return c.http.Do(request)
}

// Must sends a request and fails the test unless the status is 200.
func (c *Client) Must(t *testing.T, method, path, body string, headers ...string) Reply {
	t.Helper()
	r, err := c.Do(context.Background(), method, path, body, headers...)
	if err != nil || r.Status != http.StatusOK {
		t.Fatalf("%s %s: %d %s, %v", method, path, r.Status, r.Body, err)
	}
	return r
}

// Refused sends a request and fails the test unless the answer is the given error.
func (c *Client) Refused(t *testing.T, status int, code, method, path, body string, headers ...string) Reply {
	t.Helper()
	r, err := c.Do(context.Background(), method, path, body, headers...)
	if err != nil || r.Status != status || r.Code() != code {
		t.Fatalf("%s %s: %d %s, %v; want %d %s", method, path, r.Status, r.Body, err, status, code)
	}
	return r
}

// Outcome is the result of a request that runs in the background.
type Outcome struct {
	Reply
	Err error
}

// InBackground sends a request in a goroutine and returns the channel of its outcome.
func InBackground(send func() (Reply, error)) <-chan Outcome {
	answer := make(chan Outcome, 1)
	go func() {
		r, err := send()
		answer <- Outcome{r, err}
	}()
	return answer
}

// HangUp sends the first sent bytes of a body and closes the connection once the condition holds; a
// nil condition holds at once.
func (c *Client) HangUp(t *testing.T, method, path, body string, sent int, when func() bool) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(c.Base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_, err = fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: faaspot.test\r\nAuthorization: Token %s\r\nContent-Length: %d\r\n\r\n%s",
		method, path, c.Token, len(body), body[:sent])
	if err != nil {
		t.Fatal(err)
	}
	if when != nil {
		Until(t, "it is time to hang up", when)
	}
}

// Deploy creates a function. Further fields are in pairs of name and value.
func (c *Client) Deploy(t *testing.T, name, code string, fields ...any) {
	t.Helper()
	c.Must(t, "PUT", "/v1/functions/", FunctionJSON(name, code, fields...))
}

// Submit starts a run in the background and returns the id of its execution.
func (c *Client) Submit(t *testing.T, name, args string, headers ...string) string {
	t.Helper()
	return Decode[string](t, c.Must(t, "POST", "/v1/functions/"+name+"/rpc/", args, headers...))
}

// SubmitBulk starts one run in the background for each of the args.
func (c *Client) SubmitBulk(t *testing.T, name string, args []string, headers ...string) []string {
	t.Helper()
	ids := Decode[[]string](t, c.Must(t, "POST", "/v1/functions/"+name+"/bulk_rpc/", JSONArray(args), headers...))
	if len(ids) != len(args) {
		t.Fatalf("%d ids for %d runs", len(ids), len(args))
	}
	return ids
}

// Cancel cancels an execution, and reports whether the request changed it.
func (c *Client) Cancel(t *testing.T, id string) (x Execution, changed bool) {
	t.Helper()
	x = Decode[Execution](t, c.Must(t, "DELETE", "/v1/executions/"+id, ""))
	if x.Changed == nil {
		t.Fatalf("the answer to a cancel is %s", x.Text)
	}
	return x, *x.Changed
}

// Execution reads one execution.
func (c *Client) Execution(t *testing.T, id string) Execution {
	t.Helper()
	return Decode[Execution](t, c.Must(t, "GET", "/v1/executions/"+id, ""))
}

// Executions reads many executions, in the order of the ids.
func (c *Client) Executions(t *testing.T, ids []string) []Execution {
	t.Helper()
	body, err := json.Marshal(ids)
	if err != nil {
		t.Fatal(err)
	}
	all := Decode[[]Execution](t, c.Must(t, "POST", "/v1/executions/bulk/", string(body)))
	if len(all) != len(ids) {
		t.Fatalf("the answer has %d of %d executions", len(all), len(ids))
	}
	return all
}

// List reads all pages of a list of executions.
func (c *Client) List(t *testing.T, query url.Values) (all []Execution) {
	t.Helper()
	for path := "/v1/executions/?" + query.Encode(); path != ""; {
		r := c.Must(t, "GET", path, "")
		all = append(all, Decode[[]Execution](t, r)...)
		path = r.Next()
	}
	return all
}

// WaitEnd waits until an execution is done.
func (c *Client) WaitEnd(t *testing.T, id string) (x Execution) {
	t.Helper()
	Until(t, id+" ends", func() bool {
		x = Decode[Execution](t, c.Must(t, "GET", "/v1/executions/"+id+"?wait=60", ""))
		return x.Done()
	})
	return x
}

// WaitAll waits until all executions are done. It waits as long as some of them end.
func (c *Client) WaitAll(t *testing.T, ids []string) (all []Execution) {
	t.Helper()
	for some := range slices.Chunk(ids, runtime.MaxBulk) {
		var got []Execution
		for left := len(some); left > 0; {
			Until(t, fmt.Sprintf("fewer than %d are not done", left), func() bool {
				got = c.Executions(t, some)
				open := slices.DeleteFunc(slices.Clone(got), func(x Execution) bool { return x.Done() })
				if len(open) < left {
					left = len(open)
					return true
				}
				c.Must(t, "GET", "/v1/executions/"+open[len(open)-1].ID+"?wait=1", "")
				return false
			})
		}
		all = append(all, got...)
	}
	return all
}

// WaitStatus waits until an execution has a status.
func (c *Client) WaitStatus(t *testing.T, id, status string) (x Execution) {
	t.Helper()
	Until(t, id+" is "+status, func() bool {
		x = c.Execution(t, id)
		return x.Status == status
	})
	return x
}

// Decode reads the JSON body of an answer.
func Decode[T any](t *testing.T, r Reply) (v T) {
	t.Helper()
	if err := json.Unmarshal(r.Body, &v); err != nil {
		t.Fatalf("%s: %v", r.Body, err)
	}
	return v
}
