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
	// DefaultTimeout bounds a request as a whole, its dial and its answer.
	DefaultTimeout = 10 * time.Second
	// maxAnswer is how many bytes of an answer's body are read, so that who answers
	// is not cut off for no reason.
	maxAnswer = 64 * runtime.KiB
	// maxAnswerHeader bounds the header of an answer, in bytes.
	maxAnswerHeader = 64 * runtime.KiB
)

// Options of a Poster.
type Options struct {
	// Allow lists what may be reached though it is not of the public internet: an
	// address or a network ("10.0.0.7", "10.0.0.0/8"), or a host as it stands in a
	// URL, with or without a port ("localhost:9000", "hooks.internal").
	Allow []string
	// Timeout bounds a request as a whole. Zero: [DefaultTimeout].
	Timeout time.Duration
	// Resolver resolves names. Nil: net.DefaultResolver.
	Resolver *net.Resolver
}

// Poster sends requests to where the operator allows it.
type Poster struct {
	client   *http.Client
	guard    *ssrf.Guardian
	networks []netip.Prefix
	hosts    map[string]bool
	resolver *net.Resolver
	own      func() ([]net.Addr, error)
}

var _ runtime.Poster = (*Poster)(nil)

// New makes a Poster. It fails on what is no address, network or host.
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
			DisableKeepAlives:      true, // a connection is one tenant's
			DisableCompression:     true,
			MaxResponseHeaderBytes: maxAnswerHeader,
			TLSHandshakeTimeout:    o.Timeout,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return p, nil
}

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
			return notAllowable(text)
		}
	}
	if host == "" || strings.ContainsAny(host, "/:@ \t*") {
		return notAllowable(text)
	}
	p.hosts[hostKey(host, port)] = true
	return nil
}

func notAllowable(text string) error {
	return runtime.Errorf(runtime.CodeInvalidArgument, "%q cannot be allowed: it is neither an address, nor a network, nor a host", text).
		WithHint("write it like 10.0.0.7, 10.0.0.0/8, hooks.internal or localhost:9000")
}

func hostKey(host, port string) string {
	return strings.ToLower(strings.TrimSuffix(host, ".")) + " " + port
}

// dial connects to where a request goes.
func (p *Poster) dial(ctx context.Context, network, address string) (net.Conn, error) {
	d := net.Dialer{Resolver: p.resolver, Control: p.control}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if p.hosts[hostKey(host, "")] || p.hosts[hostKey(host, port)] {
		d.Control = nil
	}
	return d.DialContext(ctx, network, address)
}

// errDenied says that an address may not be reached.
var errDenied = errors.New("the address is not allowed")

// control is asked about each address before it is dialled.
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
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, post.URL, bytes.NewReader(post.Body))
	if err != nil || request.URL.Scheme != "http" && request.URL.Scheme != "https" || request.URL.User != nil || request.URL.Hostname() == "" {
		return 0, runtime.Errorf(runtime.CodeInvalidArgument, "the URL is not valid").WithHint("give an absolute http or https URL without a user")
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "faaspot")
	for name, value := range post.Header {
		request.Header.Set(name, value)
	}
	answer, err := p.client.Do(request)
	if err != nil {
		return 0, told(err)
	}
	_, _ = io.CopyN(io.Discard, answer.Body, maxAnswer)
	_ = answer.Body.Close()
	return answer.StatusCode, nil
}

// told is what the tenant is told of an error: nothing of what is around the server.
func told(err error) error {
	say := func(code runtime.Code, format string, args ...any) error {
		e := runtime.Errorf(code, format, args...)
		e.Err = err
		return e
	}
	var dns *net.DNSError
	var asURL *url.Error
	switch {
	case errors.Is(err, errDenied):
		return say(runtime.CodeInvalidArgument, "the host has an address that this server may not reach")
	case errors.As(err, &dns):
		return say(runtime.CodeUnavailable, "the host's name cannot be resolved")
	case errors.As(err, &asURL) && asURL.Timeout():
		return say(runtime.CodeUnavailable, "there was no answer in time")
	case errors.Is(err, syscall.ECONNREFUSED):
		return say(runtime.CodeUnavailable, "the connection was refused")
	case strings.Contains(fmt.Sprint(err), "tls: ") || strings.Contains(fmt.Sprint(err), "x509: "):
		return say(runtime.CodeUnavailable, "no secure connection can be made: its certificate or its protocol is not accepted")
	}
	return say(runtime.CodeUnavailable, "the request did not come through")
}
