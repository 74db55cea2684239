package httpapi_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/faaspot/faaspot/httpapi/internal/apitest"
	"github.com/faaspot/faaspot/runtime"
)

// proxies are configured to keep connections to the server and to let different
// clients share them: where a request that two readers understand differently
// does harm.
var proxies = []struct{ name, file, config string }{
	{"nginx", "nginx.conf", `
daemon off; master_process off; pid DIR/nginx.pid; error_log DIR/error.log;
events {}
http {
  access_log off; client_body_temp_path DIR/body; proxy_temp_path DIR/proxy;
  fastcgi_temp_path DIR/fastcgi; uwsgi_temp_path DIR/uwsgi; scgi_temp_path DIR/scgi;
  upstream fas { server SERVER; keepalive 4; }
  server {
    listen LISTEN; client_header_timeout 5s; client_body_timeout 5s;
    underscores_in_headers on; ignore_invalid_headers off;
    location / { proxy_pass http://fas; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_request_buffering off; }
  }
}`},
	{"haproxy", "haproxy.cfg", `
defaults
  mode http
  timeout connect 5s
  timeout client 5s
  timeout server 20s
  option http-keep-alive
  http-reuse always
frontend in
  bind LISTEN
  default_backend fas
backend fas
  server fas SERVER
`},
}

// TestBehindProxies sends through real proxies what two readers of HTTP could
// understand differently. Whatever becomes of it: the clients that come after,
// over the same connections between proxy and server, get their own answers.
func TestBehindProxies(t *testing.T) {
	t.Parallel()
	for _, proxy := range proxies {
		t.Run(proxy.name, func(t *testing.T) {
			program, err := exec.LookPath(proxy.name)
			if err != nil && os.Getenv("CI") != "" {
				t.Fatalf("%s is not installed", proxy.name)
			}
			if err != nil {
				t.Skipf("%s is not installed", proxy.name)
			}
			// Runs return their args.
			ts := apitest.StartTCP(t, &apitest.Fake{OnRun: func(_ context.Context, r runtime.RunRequest) (*runtime.Execution, error) {
				return apitest.Succeeded(string(r.Args)), nil
			}}, nil)
			at := startProxy(t, program, proxy.file, proxy.config, ts.Addr)
			probe := prober(t, at)
			probe()
			for name, send := range odd() {
				t.Run(name, func(t *testing.T) {
					conn := apitest.DialRaw(t, at)
					_, _ = io.WriteString(conn, send+apitest.ListAll) // the proxy may hang up in the middle
					_ = conn.Conn.(*net.TCPConn).CloseWrite()
					_, _ = io.Copy(io.Discard, conn)
					for range 3 {
						probe()
					}
				})
			}
		})
	}
}

// odd returns everything that the server refuses or accepts although it looks odd.
func odd() map[string]string {
	all := map[string]string{}
	for name, c := range refusals() {
		all["refused: "+name] = c.send
	}
	for name, c := range acceptances() {
		all["accepted: "+name] = c.send
	}
	return all
}

// prober returns a function that makes a request unlike all others, on a
// connection of its own, and wants its answer.
func prober(t *testing.T, addr string) func() {
	n := 0
	return func() {
		t.Helper()
		n++
		body := fmt.Sprintf(`{"probe":%d}`, n)
		conn := apitest.DialRaw(t, addr)
		conn.Send(t, apitest.RunLine+fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body))
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK || string(got) != body {
			t.Fatalf("sent %s, received %d %s, %v", body, resp.StatusCode, got, err)
		}
		_ = conn.Close()
	}
}

// startProxy starts a proxy in front of a server and returns its address.
func startProxy(t *testing.T, program, file, config, server string) (addr string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr = ln.Addr().String()
	if err := ln.Close(); err != nil { // for the proxy to take
		t.Fatal(err)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, file)
	config = strings.NewReplacer("DIR", dir, "SERVER", server, "LISTEN", addr).Replace(config)
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"-c", path, "-p", dir}
	if strings.HasSuffix(program, "haproxy") {
		args = []string{"-db", "-f", path}
	}
	cmd := exec.Command(program, args...)
	var talk strings.Builder
	cmd.Stderr = &talk
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(exited)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-exited
	})
	for {
		if conn, err := net.Dial("tcp", addr); err == nil {
			_ = conn.Close()
			return addr
		}
		select {
		case <-exited:
			t.Fatalf("the proxy ended: %s", talk.String())
		case <-time.After(5 * time.Millisecond):
		}
	}
}
