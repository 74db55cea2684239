package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

const (
	// connectTimeout bounds the look-up of a host, the connection and the TLS handshake.
	connectTimeout = 10 * time.Second
	// maxAnswer bounds an answer, in bytes. It is more than any result or list of a server, and
	// more than the tasks that it returns when they start. It prevents a wrong address from filling
	// the memory.
	maxAnswer = runtime.MaxBulkArgs + 1*runtime.MiB
)

// Media types of bodies.
const (
	mediaJSON   = "application/json"
	mediaText   = "text/plain"
	mediaZip    = "application/zip"
	mediaEvents = "text/event-stream"
)

// Options of a Client. URL must be set.
type Options struct {
	URL         string // address of the server, such as http://127.0.0.1:8080
	Token       string
	Username    string // sent with the Password if there is no Token
	Password    string
	TokenSource string // where the token comes from, for messages: FAASPOT_TOKEN, or a profile

	CACertificate string // PEM file with the authorities to trust; empty: those of the system
	TrustAll      bool   // whether to accept any certificate of the server

	UserAgent string
	// Traceparent is the trace (W3C Trace Context) of all requests. Empty: each starts one.
	Traceparent string
	// Trace, if set, is called with each line about the traffic, which never has tokens or
	// bodies. It may be called concurrently.
	Trace func(TraceLevel, string)
}

// Client talks to one server.
type Client struct {
	base      string
	token     string
	username  string
	password  string
	source    string // of the token
	userAgent string
	traced    string // Traceparent
	trace     func(TraceLevel, string)
	http      *http.Client
}

// New returns a Client. It does not connect.
func New(o Options) (*Client, error) {
	base, err := url.Parse(o.URL)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, runtime.Errorf(runtime.CodeInvalidArgument, "the server address %q is not valid", o.URL).
			WithHint("give --url as http://HOST:PORT; the protocol of a profile must be http or https, its host a name or an address")
	}
	secure := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: o.TrustAll}
	if o.CACertificate != "" {
		pem, err := os.ReadFile(o.CACertificate)
		if err != nil {
			return nil, runtime.Errorf(runtime.CodeInvalidArgument, "cannot read the profile's ssl_certificate: %v", err)
		}
		secure.RootCAs = x509.NewCertPool()
		if !secure.RootCAs.AppendCertsFromPEM(pem) {
			return nil, runtime.Errorf(runtime.CodeInvalidArgument, "the profile's ssl_certificate %s holds no certificate", o.CACertificate).
				WithHint("give a PEM file with the certificates of the authorities to trust")
		}
	}
	transport := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: connectTimeout}).DialContext,
		TLSHandshakeTimeout: connectTimeout,
		TLSClientConfig:     secure,
		ForceAttemptHTTP2:   true,
	}
	trace := o.Trace
	if trace == nil {
		trace = func(TraceLevel, string) {}
	}
	return &Client{
		base:      strings.TrimSuffix(o.URL, "/"),
		token:     o.Token,
		username:  o.Username,
		password:  o.Password,
		source:    o.TokenSource,
		userAgent: o.UserAgent,
		traced:    o.Traceparent,
		trace:     trace,
		http: &http.Client{
			Transport: transport,
			// A redirect would send the token to another address, and turns a POST into a
			// GET.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// URL returns the address of the server.
func (c *Client) URL() string { return c.base }

// Close closes idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// request is one exchange. A nil body sends none.
type request struct {
	method string
	path   string // from the root, escaped
	body   []byte
	upload *upload           // a body that is not JSON, instead of body
	accept string            // media type; empty: JSON
	header map[string]string // in addition to that of every request
}

// upload is a body that is read while it is sent.
type upload struct {
	content   io.ReaderAt
	size      int64 // bytes
	mediaType string
}

// answer is an answer with status 200.
type answer struct {
	header http.Header
	body   []byte
}

// do sends a request and returns the answer. A status other than 200 is an error, and so is a body
// that is not JSON, unless the request accepts another type.
func (c *Client) do(ctx context.Context, r request) (answer, error) {
	began := time.Now()
	resp, err := c.open(ctx, r)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	data, err := c.readAll(ctx, resp)
	if err != nil {
		return answer{}, err
	}
	c.traceResponse(resp, len(data), time.Since(began))
	if resp.StatusCode != http.StatusOK {
		return answer{}, c.refused(resp, data)
	}
	if r.accept == "" && !json.Valid(data) {
		return answer{}, c.foreign(resp, "it is not JSON")
	}
	return answer{header: resp.Header, body: data}, nil
}

// open sends a request and returns the answer, with any status, as soon as its header has arrived.
// The caller closes its body.
func (c *Client) open(ctx context.Context, r request) (*http.Response, error) {
	var body io.Reader
	if r.body != nil {
		body = bytes.NewReader(r.body)
	}
	req, err := http.NewRequestWithContext(c.watch(ctx), r.method, c.base+r.path, body)
	if err != nil {
		return nil, fmt.Errorf("make the request: %w", err)
	}
	size := int64(len(r.body))
	if u := r.upload; u != nil {
		size = u.size
		req.ContentLength = size
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(io.NewSectionReader(u.content, 0, size)), nil }
		req.Body, _ = req.GetBody()
		req.Header.Set("Content-Type", u.mediaType)
	}
	if r.accept == "" {
		r.accept = mediaJSON
	}
	req.Header.Set("Accept", r.accept)
	req.Header.Set("User-Agent", c.userAgent)
	if r.body != nil {
		req.Header.Set("Content-Type", mediaJSON)
	}
	if c.traced != "" {
		req.Header.Set("traceparent", c.traced)
	}
	for name, value := range r.header {
		req.Header.Set(name, value)
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Token "+c.token)
	} else if c.username != "" {
		req.SetBasicAuth(c.username, c.password)
	}
	c.traceRequest(req, size)
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.unreachable(ctx, err)
	}
	return resp, nil
}

// openOK is open, but a status other than 200 is an error.
func (c *Client) openOK(ctx context.Context, r request) (*http.Response, error) {
	began := time.Now()
	resp, err := c.open(ctx, r)
	if err != nil || resp.StatusCode == http.StatusOK {
		return resp, err
	}
	defer resp.Body.Close()
	data, err := c.readAll(ctx, resp)
	if err != nil {
		return nil, err
	}
	c.traceResponse(resp, len(data), time.Since(began))
	return nil, c.refused(resp, data)
}

// readAll reads the whole body of an answer.
func (c *Client) readAll(ctx context.Context, resp *http.Response) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return nil, c.unreachable(ctx, err)
	}
	if len(data) > maxAnswer {
		return nil, c.foreign(resp, "it is longer than any answer of a faaspot server")
	}
	return data, nil
}

// get decodes the answer to a GET into v.
func (c *Client) get(ctx context.Context, path string, v any) error {
	a, err := c.do(ctx, request{method: http.MethodGet, path: path})
	if err != nil {
		return err
	}
	return c.decode(a, v)
}

// send sends a request for a change, with the JSON form of v, or without a body if v is nil. It
// returns the execution id in the answer.
func (c *Client) send(ctx context.Context, method, path string, v any) (id string, err error) {
	r := request{method: method, path: path}
	if v != nil {
		data, err := encode(v)
		if err != nil {
			return "", err
		}
		r.body = data
	}
	a, err := c.do(ctx, r)
	if err != nil {
		return "", err
	}
	return id, c.decode(a, &id)
}

func (c *Client) decode(a answer, v any) error {
	if err := json.Unmarshal(a.body, v); err != nil {
		return c.unexpected(err)
	}
	return nil
}

// unexpected returns the error for an answer that is JSON of the wrong form.
func (c *Client) unexpected(err error) error {
	return runtime.Errorf(runtime.CodeInternal, "the answer of %s is not what was expected: %v", c.base, err).
		WithHint("client and server may be of different versions: see `fas version`")
}

// encode is json.Marshal without its escapes for HTML, which would only make source code longer.
func encode(v any) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return nil, fmt.Errorf("encode the request: %w", err)
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}
