//go:build linux

package server

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/test/freeport"
	"github.com/faaspot/faaspot/test/process"
)

// documentedProxies are the proxies with settings in the page for operators: the language of the block, what is put
// around it, and the command. DIR is a folder with the certificate cert.pem and its key.
var documentedProxies = []struct {
	program, language, around string
	replace                   []string // in the block
	args                      []string
}{
	{
		"nginx", "nginx",
		"daemon off; master_process off; pid DIR/nginx.pid; error_log DIR/error.log;\nevents {}\nhttp {\n" +
			"access_log off; client_body_temp_path DIR/body; proxy_temp_path DIR/proxy; fastcgi_temp_path DIR/fastcgi; uwsgi_temp_path DIR/uwsgi; scgi_temp_path DIR/scgi;\nBLOCK}\n",
		[]string{"listen 443 ssl", "listen PROXY ssl", "/etc/faaspot", "DIR"},
		[]string{"-c", "DIR/config", "-p", "DIR"},
	},
	{
		"caddy", "caddyfile",
		"{\nadmin off\nauto_https disable_redirects\n}\nBLOCK",
		[]string{"faas.example.com {", "https://localhost:PORT {\nbind 127.0.0.1\ntls DIR/cert.pem DIR/key.pem"},
		[]string{"run", "--config", "DIR/config", "--adapter", "caddyfile"},
	},
}

// startDocumented starts a proxy with the settings of the documentation at an address, in front of a server. It
// returns the authorities of its certificate.
func startDocumented(t *testing.T, program, language, around string, replace, args []string, server, proxy string) (roots *x509.CertPool) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(source, "docs/operating.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, block, found := strings.Cut(string(text), "\n```"+language+"\n")
	block, _, ended := strings.Cut(block, "```\n")
	if !found || !ended {
		t.Fatalf("the page for operators has no settings of %s", program)
	}
	for i := 0; i < len(replace); i += 2 {
		if !strings.Contains(block, replace[i]) {
			t.Fatalf("the settings have no %q:\n%s", replace[i], block)
		}
		block = strings.ReplaceAll(block, replace[i], replace[i+1])
	}
	dir := t.TempDir()
	writeCertificate(t, dir, 1)
	_, port, _ := strings.Cut(proxy, ":")
	place := strings.NewReplacer("127.0.0.1:8080", server, "PROXY", proxy, "PORT", port, "DIR", dir)
	config := place.Replace(strings.ReplaceAll(around, "BLOCK", block))
	if err := os.WriteFile(filepath.Join(dir, "config"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	for i := range args {
		args[i] = place.Replace(args[i])
	}
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), "HOME="+dir)
	var talk bytes.Buffer
	cmd.Stdout, cmd.Stderr = &talk, &talk
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
		if t.Failed() {
			t.Logf("%s:\n%s", program, talk.Bytes())
		}
	})
	certificate, err := os.ReadFile(filepath.Join(dir, "cert.pem"))
	if err != nil {
		t.Fatal(err)
	}
	roots = x509.NewCertPool()
	roots.AppendCertsFromPEM(certificate)
	process.Until(t, "the proxy listens", func() bool {
		select {
		case <-exited:
			t.Fatalf("the proxy has ended: %s", talk.Bytes())
		default:
		}
		conn, err := tls.Dial("tcp", proxy, &tls.Config{ServerName: "localhost", RootCAs: roots})
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	return roots
}

// Behind the proxies of the documentation, with their settings there, everything works as without them: blocking runs,
// the largest bodies, refusals before a body arrives, and streams, which arrive while the run goes on.
func TestDocumentedProxies(t *testing.T) {
	t.Parallel()
	for _, p := range documentedProxies {
		t.Run(p.program, func(t *testing.T) {
			t.Parallel()
			program, err := exec.LookPath(p.program)
			if err != nil && os.Getenv("CI") == "" {
				t.Skipf("%s is not installed", p.program)
			}
			if err != nil {
				t.Fatal(err)
			}
			address := freeport.Address(t)
			_, port, _ := strings.Cut(address, ":")
			url := "https://localhost:" + port
			l := process.NewSite(t, "--public-url", url).Serve(t)
			roots := startDocumented(t, program, p.language, p.around, p.replace, p.args, strings.TrimPrefix(l.Base, "http://"), address)
			c := process.NewClient(url, l.Site.Token)
			c.Trust(roots)
			t.Cleanup(c.Close)
			c.Deploy(t, "echo", process.EchoCode)
			for n := range 50 { // over connections that are kept
				if r := c.Must(t, "POST", "/v1/sync/functions/echo/rpc/", fmt.Sprintf(`{"n":%d}`, n)); string(r.Body) != fmt.Sprintf(`{"n":%d,"square":%d}`, n, n*n) {
					t.Fatalf("%d: %s", n, r.Body)
				}
			}
			if r := c.Must(t, "GET", "/v1/functions/echo", ""); !strings.Contains(string(r.Body), `"`+url+`/`) {
				t.Errorf("the function has no URL of the proxy: %s", r.Body)
			}

			args := make([]string, 60)
			for i := range args {
				args[i] = fmt.Sprintf(`{"n":%d,"filler":"%s"}`, i, strings.Repeat("x", runtime.MiB))
			}
			for i, x := range c.WaitAll(t, c.SubmitBulk(t, "echo", args)) {
				if x.Status != process.Success {
					t.Fatalf("run %d of a body of 60 MiB: %.300s", i, x.Text)
				}
			}
			large := strings.Repeat(" ", 7*runtime.MiB)
			c.Refused(t, http.StatusRequestEntityTooLarge, "too_large", "POST", "/v1/functions/echo/rpc/", large)
			stranger := process.NewClient(url, "none")
			stranger.Trust(roots)
			t.Cleanup(stranger.Close)
			stranger.Refused(t, http.StatusUnauthorized, "unauthenticated", "GET", "/v1/functions/echo", "")

			c.Deploy(t, "talk", "import time\ndef main(args, context):\n    print('first')\n    time.sleep(600)", "timeout", 900)
			id := c.Submit(t, "talk", "{}")
			c.WaitStatus(t, id, process.Started)
			stream, err := c.Open(context.Background(), "GET", "/v1/executions/"+id+"/logs?follow=1", "")
			if err != nil {
				t.Fatal(err)
			}
			defer stream.Body.Close()
			lines := bufio.NewReader(stream.Body)
			for {
				line, err := lines.ReadString('\n')
				if err != nil {
					t.Fatalf("the stream has ended: %v", err)
				}
				if strings.Contains(line, "first") {
					break
				}
			}
			if _, changed := c.Cancel(t, id); !changed {
				t.Error("the run had ended before its first line arrived")
			}
			rest, err := io.ReadAll(lines)
			if err != nil || !bytes.Contains(rest, []byte("event: end")) {
				t.Errorf("the stream ends with %q, %v", rest, err)
			}
		})
	}
}
