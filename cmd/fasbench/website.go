package main

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/faaspot/faaspot/test/certs"
)

const (
	// largeBytes is the size of the response to /large.
	largeBytes = 100_000_000
	// slowTime is how long the response to /slow takes.
	slowTime = 500 * time.Millisecond
	// smallBody is the response to /small.
	smallBody = `{"id": 17, "name": "a small response"}`
)

// website is a web server in this process that functions and their peers send requests to, with and
// without TLS.
type website struct {
	plain, secure net.Listener
	authority     string // the certificate, which signs itself, in PEM
	servers       []*http.Server
}

// newWebsite starts a website on two free ports of 127.0.0.1.
func newWebsite() (*website, error) {
	pair := certificate()
	w := &website{authority: certs.PEM(pair)}
	var err error
	if w.plain, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, err
	}
	if w.secure, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		_ = w.plain.Close()
		return nil, err
	}
	quiet := log.New(io.Discard, "", 0) // of clients that refuse the certificate, which they report
	plain := &http.Server{Handler: pages(), ErrorLog: quiet, ReadHeaderTimeout: callTime}
	secure := &http.Server{
		Handler: pages(), ErrorLog: quiet, ReadHeaderTimeout: callTime,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair.TLS()}, MinVersion: tls.VersionTLS12},
	}
	w.servers = []*http.Server{plain, secure}
	go func() { _ = plain.Serve(w.plain) }() // ends with close
	go func() { _ = secure.ServeTLS(w.secure, "", "") }()
	return w, nil
}

// close closes the ports and all connections.
func (w *website) close() {
	for _, s := range w.servers {
		_ = s.Close()
	}
}

// url returns the address of a page.
func (w *website) url(secure bool, path string) string {
	if secure {
		return "https://" + w.secure.Addr().String() + path
	}
	return "http://" + w.plain.Addr().String() + path
}

// allow returns the allow list of functions that send requests to the website.
func (w *website) allow() []string {
	return []string{w.plain.Addr().String(), w.secure.Addr().String()}
}

// pages returns the handler of all pages.
func pages() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/small", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, smallBody) })
	mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(slowTime):
			_, _ = io.WriteString(w, smallBody)
		case <-r.Context().Done():
		}
	})
	part := make([]byte, mb)
	mux.HandleFunc("/large", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(largeBytes))
		for left := largeBytes; left > 0; {
			n, err := w.Write(part[:min(len(part), left)])
			if err != nil {
				return // the client has gone
			}
			left -= n
		}
	})
	return mux
}

// certificate returns a certificate of 127.0.0.1 that signs itself.
func certificate() *certs.Pair {
	return certs.Issue(fatal{}, nil, certs.Leaf("website", "127.0.0.1"), func(c *x509.Certificate) {
		c.IsCA = true
		c.KeyUsage |= x509.KeyUsageCertSign
	})
}

// fatal ends the program if a certificate cannot be made.
type fatal struct{}

func (fatal) Helper()           {}
func (fatal) Fatal(args ...any) { log.Fatal(args...) }
