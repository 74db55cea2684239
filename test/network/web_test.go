//go:build linux

package network

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// startWeb starts a server of HTTP/1.1 and HTTP/2, with and without TLS, and a proxy.
func startWeb(t *testing.T, c certificates) map[string]int {
	handler := web()
	demanding := c.config(t)
	demanding.ClientAuth = tls.RequireAndVerifyClientCert
	return map[string]int{
		"web": serveHTTP(t, handler, nil), "web_tls": serveHTTP(t, handler, c.config(t)),
		"web_mutual": serveHTTP(t, handler, demanding), "proxy": startProxy(t),
	}
}

// startProxy starts Tinyproxy.
func startProxy(t *testing.T) int {
	path := program(t, "/usr/bin/tinyproxy")
	port := freePort(t)
	config := filepath.Join(t.TempDir(), "tinyproxy.conf")
	write(t, config, fmt.Sprintf("Listen 127.0.0.1\nPort %d\nBasicAuth user secret\nLogLevel Error\n", port))
	start(t, syscall.SIGTERM, exec.Command(path, "-d", "-c", config), port)
	return port
}

// serveHTTP starts an HTTP server, with TLS if it is given settings of it, and returns its port.
func serveHTTP(t *testing.T, handler http.Handler, config *tls.Config) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: handler, TLSConfig: config, Protocols: new(http.Protocols)}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetHTTP2(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if config == nil {
			_ = server.Serve(l)
		} else {
			_ = server.ServeTLS(l, "", "")
		}
	}()
	t.Cleanup(func() {
		server.Close()
		<-ended
	})
	return l.Addr().(*net.TCPAddr).Port
}

// proxyTLS starts a server of HTTP with TLS that passes requests on to a port without it.
func proxyTLS(t *testing.T, c certificates, port int) int {
	t.Helper()
	target := &url.URL{Scheme: "http", Host: "127.0.0.1:" + strconv.Itoa(port)}
	return serveHTTP(t, &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host
		},
		Transport: &http.Transport{DisableKeepAlives: true},
	}, c.config(t))
}

// web is what the programs request.
func web() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("/hello", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "hello %s", r.URL.Query().Get("name")) })
	mux.HandleFunc("/moved/{n}", func(w http.ResponseWriter, r *http.Request) {
		if n, _ := strconv.Atoi(r.PathValue("n")); n > 1 {
			http.Redirect(w, r, "/moved/"+strconv.Itoa(n-1), http.StatusFound)
			return
		}
		http.Redirect(w, r, "/hello?name=moved", http.StatusMovedPermanently)
	})
	mux.HandleFunc("/elsewhere", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/echo", http.StatusTemporaryRedirect)
	})
	mux.HandleFunc("/echo", echo)
	mux.HandleFunc("/status/{code}", func(w http.ResponseWriter, r *http.Request) {
		code, _ := strconv.Atoi(r.PathValue("code"))
		w.WriteHeader(code)
	})
	mux.HandleFunc("/large", func(w http.ResponseWriter, _ *http.Request) {
		for n := range 80 {
			_, _ = w.Write(bytes.Repeat([]byte{byte('a' + n%26)}, 1<<16))
		}
	})
	mux.HandleFunc("/lines", func(w http.ResponseWriter, _ *http.Request) {
		for n := range 10 {
			fmt.Fprintf(w, "line %d\n", n)
			_ = http.NewResponseController(w).Flush()
		}
	})
	mux.HandleFunc("/gzip", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		fmt.Fprint(z, "compressed")
		z.Close()
	})
	mux.HandleFunc("/cookie", func(w http.ResponseWriter, r *http.Request) {
		if had, err := r.Cookie("seen"); err == nil {
			fmt.Fprintf(w, "seen %s", had.Value)
			return
		}
		http.SetCookie(w, &http.Cookie{Name: "seen", Value: "once", Path: "/"})
		fmt.Fprint(w, "new")
	})
	mux.HandleFunc("/private", func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "user" || password != "secret" {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	mux.HandleFunc("/never", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	mux.HandleFunc("/files", files)
	return mux
}

// echo describes a request.
func echo(w http.ResponseWriter, r *http.Request) {
	body := sha256.New()
	n, err := io.Copy(body, r.Body)
	answer := map[string]any{
		"method": r.Method, "version": r.ProtoMajor, "type": r.Header.Get("Content-Type"), "length": r.ContentLength,
		"bytes": n, "sha256": fmt.Sprintf("%x", body.Sum(nil)), "test": r.Header.Get("X-Test"), "proxied": r.Header.Get("Via") != "",
	}
	if r.TLS != nil {
		answer["client"] = ""
		if len(r.TLS.PeerCertificates) > 0 {
			answer["client"] = r.TLS.PeerCertificates[0].Subject.CommonName
		}
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer)
}

// files describes an uploaded form.
func files(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseMultipartForm(1 << 24); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	answer := map[string]any{"fields": r.MultipartForm.Value}
	for field, headers := range r.MultipartForm.File {
		answer[field] = []any{headers[0].Filename, headers[0].Size, headers[0].Header.Get("Content-Type")}
	}
	_ = json.NewEncoder(w).Encode(answer)
}
