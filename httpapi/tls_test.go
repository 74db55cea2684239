package httpapi_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/faaspot/faaspot/httpapi"
	"github.com/faaspot/faaspot/httpapi/internal/apitest"
	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/memory"
)

// startTLS serves on a port with TLS. Its clients encrypt by themselves: they send http URLs over TLS.
func startTLS(t *testing.T, change func(*httpapi.Options)) (ts *apitest.Served, plain func() (net.Conn, error), client *tls.Config) {
	t.Helper()
	other := httptest.NewTLSServer(nil) // has a certificate
	defer other.Close()
	client = &tls.Config{RootCAs: other.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs, ServerName: "example.com"}
	ln, plain := apitest.ListenTCP(t)
	ts = apitest.StartOn(t, ln, func() (net.Conn, error) {
		c, err := plain()
		if err != nil {
			return nil, err
		}
		return tls.Client(c, client), nil
	}, apitest.FullFake(), func(o *httpapi.Options) {
		o.TLS = &tls.Config{Certificates: other.TLS.Certificates, NextProtos: []string{"http/1.1"}, MinVersion: tls.VersionTLS12}
		if change != nil {
			change(o)
		}
	})
	return ts, plain, client
}

func TestRequestsOverTLS(t *testing.T) {
	t.Parallel()
	ts, plain, client := startTLS(t, nil)
	for range 3 {
		a := ts.Do(t, "GET", "/v1/functions/hello.py", "", apitest.Header{"Authorization": "Token " + apitest.Token})
		if a.Status != 200 || !strings.Contains(a.Body, `"https://`) {
			t.Errorf("%d %s", a.Status, a.Body)
		}
	}
	// A body that is too large gets its answer, although it was not read.
	a := ts.Do(t, "PUT", "/v1/functions/", strings.Repeat("x", 20<<20), apitest.Header{"Authorization": "Token " + apitest.Token})
	if a.Status != http.StatusRequestEntityTooLarge {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	// Not with old versions.
	old := client.Clone()
	old.MaxVersion = tls.VersionTLS11
	c, err := plain()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := tls.Client(c, old).Handshake(); err == nil {
		t.Error("TLS 1.1 is accepted")
	}
}

// A client that does not encrypt is told so, in plain text; one that sends anything else is not.
func TestPlainRequestsToTLS(t *testing.T) {
	t.Parallel()
	_, plain, _ := startTLS(t, nil)
	send := func(text string) string {
		c, err := plain()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := io.WriteString(c, text); err != nil {
			t.Fatal(err)
		}
		got, _ := io.ReadAll(c) // the connection may be reset
		return string(got)
	}
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} {
		if got := send(method + " /v1/functions/ HTTP/1.1\r\nHost: a\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 400 ") || !strings.Contains(got, "HTTPS only") {
			t.Errorf("%s: %q", method, got)
		}
	}
	if got := send("\x00\x01\x02\x03\x04\x05\x06\x07"); strings.Contains(got, "HTTP") {
		t.Errorf("%q", got)
	}
}

// A client that begins no handshake, or does not end it, is disconnected, and its memory comes back; that
// of an encrypted connection is counted.
func TestSilentHandshakes(t *testing.T) {
	t.Parallel()
	b := memory.New(64*runtime.MiB, nil)
	_, plain, client := startTLS(t, func(o *httpapi.Options) { o.Memory, o.HeaderTimeout = b, time.Second })
	empty := b.Used()
	for _, hello := range []string{"", "\x16\x03\x01\x02\x00\x01"} {
		c, err := plain()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := io.WriteString(c, hello); err != nil {
			t.Fatal(err)
		}
		apitest.Eventually(t, func() bool { return b.Used() >= empty+httpapi.ConnBytes+httpapi.TLSBytes })
		if got, _ := io.ReadAll(c); strings.Contains(string(got), "HTTP") { // it ends
			t.Errorf("%q", got)
		}
		apitest.Eventually(t, func() bool { return b.Used() == empty })
	}
	c, err := plain()
	if err != nil {
		t.Fatal(err)
	}
	secure := tls.Client(c, client)
	defer secure.Close()
	fmt.Fprintf(secure, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
	response, err := http.ReadResponse(bufio.NewReader(secure), nil)
	if err != nil || response.StatusCode != 200 {
		t.Fatal(err)
	}
}
