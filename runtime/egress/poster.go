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
	"strconv"
	"strings"
	"syscall"
	"time"

	"code.dny.dev/ssrf"

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
	guard    *ssrf.Guardian
	networks []netip.Prefix
	hosts    map[string]bool
	resolver *net.Resolver
	own      func() ([]net.Addr, error) // addresses of the machine
}

var _ runtime.Poster = (*Poster)(nil)

// New returns a Poster. It returns an error if an entry of the allow list is no address, network
// or host.
func New(o Options) (*Poster, error) {
	p := &Poster{hosts: make(map[string]bool), resolver: o.Resolver, own: net.InterfaceAddrs}
	for _, text := range o.Allow {
		if err := p.allow(text); err != nil {
			return nil, err
		}
	}
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	p.guard = ssrf.New(ssrf.WithAnyPort())
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

// allow adds an entry to the allow list.
func (p *Poster) allow(text string) error {
	if network, err := netip.ParsePrefix(text); err == nil {
		p.networks = append(p.networks, network.Masked())
		return nil
	}
	if address, err := netip.ParseAddr(strings.Trim(text, "[]")); err == nil {
		p.networks = append(p.networks, netip.PrefixFrom(address, address.BitLen()))
		return nil
	}
	host, port := text, ""
	if h, n, err := net.SplitHostPort(text); err == nil {
		host, port = h, n
		if number, err := strconv.ParseUint(port, 10, 16); err != nil || number == 0 {
			return allowListError(text)
		}
	}
	if host == "" || strings.ContainsAny(host, "/:@ \t*") {
		return allowListError(text)
	}
	p.hosts[hostKey(host, port)] = true
	return nil
}

func allowListError(text string) error {
	return runtime.Errorf(runtime.CodeInvalidArgument, "%q cannot be allowed: it is neither an address, nor a network, nor a host", text).
		WithHint("write it like 10.0.0.7, 10.0.0.0/8, hooks.internal or localhost:9000")
}

// hostKey returns the key of a host in the allow list; port may be empty.
func hostKey(host, port string) string {
	return strings.ToLower(strings.TrimSuffix(host, ".")) + " " + port
}

// dial connects to the address of a request. A host on the allow list may have any address.
func (p *Poster) dial(ctx context.Context, network, address string) (net.Conn, error) {
	admit, _ := ctx.Value(admitKey{}).(func(netip.AddrPort) bool)
	allowed := p.control
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if p.hosts[hostKey(host, "")] || p.hosts[hostKey(host, port)] {
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

// errDenied is the error for an address that may not be reached.
var errDenied = errors.New("the address is not allowed")

// control returns errDenied for an address that may not be reached. It is called before each dial.
func (p *Poster) control(network, address string, raw syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return errDenied
	}
	ip := to.Addr().Unmap().WithZone("")
	for _, allowed := range p.networks {
		if allowed.Contains(ip) {
			return nil
		}
	}
	if p.guard.Safe(network, netip.AddrPortFrom(ip, to.Port()).String(), raw) != nil {
		return errDenied
	}
	own, err := p.own()
	if err != nil {
		return errDenied
	}
	for _, address := range own {
		if prefix, err := netip.ParsePrefix(address.String()); err == nil && prefix.Addr().Unmap() == ip {
			return errDenied
		}
	}
	return nil
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
