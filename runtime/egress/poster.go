package egress

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

const (
	// DefaultTimeout bounds a whole request, from the dial to the end of the response.
	DefaultTimeout = 10 * time.Second
	// maxResponse is the number of bytes of a response body that are read, so that a receiver
	// can finish a small response before the connection is closed.
	maxResponse = 64 * runtime.KiB
	// maxResponseHeader bounds the header of a response, in bytes.
	maxResponseHeader = 64 * runtime.KiB
)

// Options of a Poster.
type Options struct {
	// Allow is the allow list: what may be reached outside of the public internet. An entry is
	// an address or a network ("10.0.0.7", "10.0.0.0/8"), or a host as written in a URL, with or
	// without a port ("localhost:9000", "hooks.internal").
	Allow []string
	// Timeout bounds a whole request. Zero: [DefaultTimeout].
	Timeout time.Duration
	// Resolver resolves names. Nil: net.DefaultResolver.
	Resolver *net.Resolver
}

// Poster sends requests to addresses that are public or on the allow list.
type Poster struct {
	client   *http.Client
	guard    *guard
	resolver *net.Resolver
}

var _ runtime.Poster = (*Poster)(nil)

// New returns a Poster. It returns an error if an entry of the allow list is no address, network
// or host.
func New(o Options) (*Poster, error) {
	guard, err := newGuard(o.Allow)
	if err != nil {
		return nil, err
	}
	p := &Poster{guard: guard, resolver: o.Resolver}
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	p.client = &http.Client{
		Timeout: o.Timeout,
		Transport: &http.Transport{
			Proxy:                  nil,
			DialContext:            p.dial,
			DisableKeepAlives:      true, // tenants share no connection
			DisableCompression:     true,
			MaxResponseHeaderBytes: maxResponseHeader,
			TLSHandshakeTimeout:    o.Timeout,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return p, nil
}

// dial connects to the address of a request. A host on the allow list may have any address.
func (p *Poster) dial(ctx context.Context, network, address string) (net.Conn, error) {
	admit, _ := ctx.Value(admitKey{}).(func(netip.AddrPort) bool)
	allowed := p.control
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if p.guard.admitsHost(host, port) {
		allowed = nil
	}
	d := net.Dialer{Resolver: p.resolver, Control: func(network, address string, raw syscall.RawConn) error {
		if allowed != nil {
			if err := allowed(network, address, raw); err != nil {
				return err
			}
		}
		if to, err := netip.ParseAddrPort(address); admit != nil && (err != nil || !admit(to)) {
			return errBusy
		}
		return nil
	}}
	return d.DialContext(ctx, network, address)
}

// admitKey is the key of the Admit function of a request in its context.
type admitKey struct{}

// errBusy is the error for an address that the Admit function of the request refuses.
var errBusy = errors.New("the address has no free place")

// control returns errDenied for an address that may not be reached. It is called before each dial.
func (p *Poster) control(network, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil || network != "tcp4" && network != "tcp6" {
		return errDenied
	}
	return p.guard.check(to.Addr())
}

// Post implements [runtime.Poster].
func (p *Poster) Post(ctx context.Context, post runtime.Post) (int, error) {
	if post.Admit != nil {
		ctx = context.WithValue(ctx, admitKey{}, post.Admit)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, post.URL, bytes.NewReader(post.Body))
	if err != nil || request.URL.Scheme != "http" && request.URL.Scheme != "https" || request.URL.User != nil || request.URL.Hostname() == "" {
		return 0, runtime.Errorf(runtime.CodeInvalidArgument, "the URL is not valid").WithHint("use an absolute http or https URL without a user")
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "faaspot")
	for name, value := range post.Header {
		request.Header.Set(name, value)
	}
	response, err := p.client.Do(request)
	if err != nil {
		return 0, tenantError(err)
	}
	_, _ = io.CopyN(io.Discard, response.Body, maxResponse)
	_ = response.Body.Close()
	return response.StatusCode, nil
}

// tenantError returns the error for the tenant. It reveals nothing of the network around the
// server.
func tenantError(err error) error {
	newError := func(code runtime.Code, format string, args ...any) error {
		e := runtime.Errorf(code, format, args...)
		e.Err = err
		return e
	}
	var dns *net.DNSError
	var asURL *url.Error
	switch {
	case errors.Is(err, errBusy):
		return newError(runtime.CodeTooBusy, "requests to this address are in progress")
	case errors.Is(err, errDenied):
		return newError(runtime.CodeInvalidArgument, "the host has an address that this server may not reach, unless its operator allows it with `fas serve --egress-allow ADDRESS`")
	case errors.As(err, &dns):
		return newError(runtime.CodeUnavailable, "the host's name cannot be resolved")
	case errors.As(err, &asURL) && asURL.Timeout():
		return newError(runtime.CodeUnavailable, "no response arrived in time")
	case errors.Is(err, syscall.ECONNREFUSED):
		return newError(runtime.CodeUnavailable, "the connection was refused")
	case strings.Contains(fmt.Sprint(err), "tls: ") || strings.Contains(fmt.Sprint(err), "x509: "):
		return newError(runtime.CodeUnavailable, "no secure connection can be established: the certificate or the protocol is not accepted")
	}
	return newError(runtime.CodeUnavailable, "the request failed")
}
