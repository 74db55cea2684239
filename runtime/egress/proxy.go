package egress

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/net/proxy"

	"github.com/faaspot/faaspot/runtime"
)

// errProxy is in the chain of an error if a proxy refused a connection.
var errProxy = errors.New("the proxy refused the connection")

// maxProxyHeader bounds the header of a proxy's answer, in bytes.
const maxProxyHeader = 16 * runtime.KiB

// proxied connects through a proxy. Its connections are sockets: nothing is read of them beyond the
// answer of the proxy.
type proxied struct {
	address string
	direct  dialer
	// request asks the proxy, over a connection to it, to connect to an address.
	request func(ctx context.Context, c net.Conn, address string) error
}

// newProxy returns a dialer that connects through the proxy at a URL, http or socks5.
func newProxy(text string, direct dialer) (dialer, error) {
	const hint = "write http://HOST:PORT or socks5://HOST:PORT, with USER:PASSWORD@ before the host if needed"
	u, err := url.Parse(text)
	if err != nil || u.Port() == "" || u.Hostname() == "" || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "" {
		// The error of the parser could quote a password.
		return nil, runtime.Errorf(runtime.CodeInvalidArgument, "the URL of the proxy is not valid").WithHint(hint)
	}
	p := &proxied{address: u.Host, direct: direct}
	switch u.Scheme {
	case "http":
		authorization := ""
		if u.User != nil {
			password, _ := u.User.Password()
			authorization = "Basic " + base64.StdEncoding.EncodeToString([]byte(u.User.Username()+":"+password))
		}
		p.request = func(_ context.Context, c net.Conn, address string) error {
			return connectHTTP(c, address, authorization)
		}
	case "socks5", "socks5h":
		var auth *proxy.Auth
		if u.User != nil {
			password, _ := u.User.Password()
			auth = &proxy.Auth{User: u.User.Username(), Password: password}
		}
		d, err := proxy.SOCKS5("tcp", u.Host, auth, nil)
		if err != nil {
			return nil, err
		}
		socks, ok := d.(interface {
			DialWithConn(ctx context.Context, c net.Conn, network, address string) (net.Addr, error)
		})
		if !ok {
			return nil, runtime.Internal("egress.proxy", errors.New("the library for SOCKS has no DialWithConn"))
		}
		p.request = func(ctx context.Context, c net.Conn, address string) error {
			_, err := socks.DialWithConn(ctx, c, "tcp", address)
			return err
		}
	default:
		return nil, runtime.Errorf(runtime.CodeInvalidArgument, "the URL of the proxy has the scheme %q", u.Scheme).WithHint(hint)
	}
	return p, nil
}

// DialContext connects to an address through the proxy.
func (p *proxied) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := p.direct.DialContext(ctx, network, p.address)
	if err != nil {
		return nil, proxyError(ctx, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	err = p.request(ctx, c, address)
	if !stop() && err == nil {
		err = context.Cause(ctx) // the deadline may be set
	}
	if err != nil {
		_ = c.Close()
		return nil, proxyError(ctx, err)
	}
	return c, nil
}

// proxyError returns the error of a connection through a proxy. Errors of the system are not in its
// chain: they would be taken for those of the destination.
func proxyError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("%w: %s", errProxy, err.Error())
}

// connectHTTP sends a CONNECT request and reads the answer, byte by byte: what follows it belongs to
// the connection.
func connectHTTP(c net.Conn, address, authorization string) error {
	request := "CONNECT " + address + " HTTP/1.1\r\nHost: " + address + "\r\n"
	if authorization != "" {
		request += "Proxy-Authorization: " + authorization + "\r\n"
	}
	if _, err := io.WriteString(c, request+"\r\n"); err != nil {
		return err
	}
	header := make([]byte, 0, 256)
	for one := make([]byte, 1); !bytes.HasSuffix(header, []byte("\r\n\r\n")); header = append(header, one[0]) {
		if len(header) == maxProxyHeader {
			return errors.New("the answer has a large header")
		}
		if _, err := io.ReadFull(c, one); err != nil {
			return err
		}
	}
	response, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(header)), &http.Request{Method: http.MethodConnect})
	if err != nil {
		return err
	}
	response.Body.Close()
	if response.StatusCode/100 != 2 {
		return errors.New("the answer has the status " + response.Status)
	}
	return nil
}
