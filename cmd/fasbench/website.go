package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"strconv"
	"time"
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
	certificate, authority, err := newCertificate()
	if err != nil {
		return nil, err
	}
	w := &website{authority: authority}
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
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12},
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

// newCertificate returns a certificate of 127.0.0.1 that signs itself, and its PEM.
func newCertificate() (tls.Certificate, string, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, "", err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, "", err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, string(text), nil
}
