package egress

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/faaspot/faaspot/runtime"
)

// httpClient returns a client whose connections are those of a run.
func httpClient(w runtime.Network) *http.Client {
	return &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(_ context.Context, network, address string) (net.Conn, error) {
			host, port, err := net.SplitHostPort(address)
			if err != nil {
				return nil, err
			}
			number, err := strconv.ParseUint(port, 10, 16)
			if err != nil {
				return nil, err
			}
			return reach(w, network, host, uint16(number))
		},
	}}
}

// startDialer connects to the server of the test at the address of start.example, and to nothing else.
type startDialer struct {
	*dialled
	server string
}

func (d *startDialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if address == "127.0.0.1:80" {
		return (&net.Dialer{}).DialContext(ctx, network, d.server)
	}
	return d.dialled.DialContext(ctx, network, address)
}

// TestRedirects: a client that follows a redirect reaches nothing more than one that does not, whatever
// the redirect leads to and however much the function lists.
func TestRedirects(t *testing.T) {
	locations := []string{
		"http://127.1/", "http://2130706433/", "http://0x7f.1/", "http://0177.0.0.1/", "http://localhost/", "http://localhost./", "http://metadata.google.internal/computeMetadata/v1/",
		"http://allowed@evil.org/", "http://start.example.evil.org/", "http://start.example%2eevil.org/", "http://evil.org\\@start.example/", "http://st\u0430rt.example/",
		"file:///etc/passwd", "gopher://127.0.0.1:6379/_INFO", "//169.254.169.254/latest/meta-data/", "http://rebound.example/", "http://private.example/", "http://start.example:81/",
	}
	for _, address := range internal {
		locations = append(locations, "http://"+net.JoinHostPort(address, "80")+"/")
	}
	var location string
	to := listen(t, func(c net.Conn) {
		if _, err := c.Read(make([]byte, 4096)); err == nil {
			_, _ = c.Write([]byte("HTTP/1.1 302 Found\r\nLocation: " + location + "\r\nContent-Length: 0\r\n\r\n"))
		}
	})
	resolver, _ := zone{
		"start.example.": fixed("127.0.0.1"), "private.example.": fixed("10.0.0.1"), "rebound.example.": flipping("203.0.114.7", "169.254.169.254", "169.254.169.254", "169.254.169.254"),
	}.resolver(t)
	n := newNetworks(t, NetworkOptions{Resolver: resolver, Allow: []string{"start.example:80"}})
	dials := &dialled{}
	n.direct = &startDialer{dials, to.String()}
	everything := []string{"0.0.0.0/0:80", "[::/0]:80", "*.example:80", "start.example:80", "localhost:80", "metadata.google.internal:80"}
	for _, location = range locations {
		w := n.open(t, everything...)
		if strings.Contains(location, "rebound") { // its public address is known from before
			if _, err := w.Resolve(context.Background(), "ip4", "rebound.example"); err != nil {
				t.Fatal(err)
			}
		}
		response, err := httpClient(w).Get("http://start.example/")
		if err == nil {
			response.Body.Close()
			t.Errorf("%s: status %d", location, response.StatusCode)
			continue
		}
		if failed, ok := errors.AsType[*url.Error](err); !ok || failed.URL == "http://start.example/" && !strings.Contains(err.Error(), "Location") {
			t.Errorf("%s was not followed: %v", location, err)
		}
		for _, address := range dials.take() {
			if _, to, _ := strings.Cut(address, " "); n.guard.check(netip.MustParseAddrPort(to).Addr()) != nil {
				t.Errorf("%s: dialled %s", location, address)
			}
		}
		w.Close()
	}
}
