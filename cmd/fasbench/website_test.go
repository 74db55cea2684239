package main

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// TestWebsite requests the pages with and without TLS. Clients must trust the certificate.
func TestWebsite(t *testing.T) {
	site, err := newWebsite()
	if err != nil {
		t.Fatal(err)
	}
	defer site.close()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(site.authority)) {
		t.Fatalf("the authority is %q", site.authority)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	for _, secure := range []bool{false, true} {
		for path, want := range map[string]int{"/small": len(smallBody), "/slow": len(smallBody), "/large": largeBytes} {
			response, err := client.Get(site.url(secure, path))
			if err != nil {
				t.Fatal(err)
			}
			n, err := io.Copy(io.Discard, response.Body)
			response.Body.Close()
			if err != nil || int(n) != want || response.StatusCode != http.StatusOK {
				t.Errorf("%s, TLS %v: status %d, %d bytes, %v", path, secure, response.StatusCode, n, err)
			}
		}
	}
	if _, err := http.Get(site.url(true, "/small")); err == nil {
		t.Error("a client without the authority trusts the certificate")
	}
}

// TestSilentPeer checks that no connection gets anything until all of them are there, again and again.
func TestSilentPeer(t *testing.T) {
	const n = 3
	peer, err := newSilentPeer(n, time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	defer peer.close()
	for range 2 {
		var all []net.Conn
		for range n {
			if len(all) > 0 {
				_ = all[0].SetReadDeadline(time.Now().Add(10 * time.Millisecond))
				if _, err := all[0].Read(make([]byte, 1)); !os.IsTimeout(err) {
					t.Fatalf("got %v before all were connected", err)
				}
			}
			c, err := net.Dial("tcp", peer.listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			all = append(all, c)
		}
		for _, c := range all {
			_ = c.SetReadDeadline(time.Time{})
			if got, err := io.ReadAll(c); err != nil || len(got) != 1 {
				t.Errorf("got %q, %v", got, err)
			}
		}
	}
}

func TestReadTimes(t *testing.T) {
	got, err := readTimes([]byte(`{"seconds": [0.5, 0.25], "bytes": 14}`), 2, 7)
	if err != nil || got.Seconds[1] != 0.25 {
		t.Errorf("got %v, %v", got, err)
	}
	for _, text := range []string{`{"seconds": [0.5, 0.25], "bytes": 13}`, `{"seconds": [0.5], "bytes": 14}`, `Traceback`} {
		if _, err := readTimes([]byte(text), 2, 7); err == nil {
			t.Errorf("%s is accepted", text)
		}
	}
}

// TestBriefArgs checks that an error does not hold all of a long argument.
func TestBriefArgs(t *testing.T) {
	_, err := output(t.Context(), "", "false", strings.Repeat("x", 10_000))
	if err == nil || len(err.Error()) > 1000 {
		t.Errorf("got %v", err)
	}
}
