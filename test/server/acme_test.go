//go:build linux

package server

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/faaspot/faaspot/test/freeport"
	"github.com/faaspot/faaspot/test/process"
)

// The authority of these tests is Let's Encrypt's own, for tests. It is a program, not a part of this module.
const (
	authority        = "github.com/letsencrypt/pebble/v2"
	authorityVersion = "v2.8.0"
	acmeDomain       = "faas.example.test"
)

// buildAuthority returns the folders of the programs and of the sources of the authority.
func buildAuthority(t *testing.T) (programs, sources string) {
	t.Helper()
	fail := func(err error) {
		t.Helper()
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skipf("needs a module of Go that cannot be built here: %v", err)
	}
	programs, err := filepath.Abs("../../.cache/tools/pebble-" + authorityVersion)
	if err != nil {
		t.Fatal(err)
	}
	download := exec.Command("go", "mod", "download", "-json", authority+"@"+authorityVersion)
	download.Dir = t.TempDir() // outside of this module
	text, err := download.Output()
	var module struct{ Dir string }
	if err = errors.Join(err, json.Unmarshal(text, &module)); err != nil {
		fail(err)
	}
	install := exec.Command("go", "install", authority+"/cmd/pebble@"+authorityVersion, authority+"/cmd/pebble-challtestsrv@"+authorityVersion)
	install.Dir = t.TempDir()
	install.Env = append(os.Environ(), "GOBIN="+programs, "GOFLAGS=", "CGO_ENABLED=0")
	if out, err := install.CombinedOutput(); err != nil {
		fail(fmt.Errorf("%w: %s", err, out))
	}
	return programs, module.Dir
}

// runProgram runs a program until the test ends.
func runProgram(t *testing.T, dir string, env []string, name string, args ...string) (stop func()) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := false
	stop = func() {
		if ended {
			return
		}
		ended = true
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
		if t.Failed() {
			t.Logf("%s:\n%s", filepath.Base(name), log.Bytes())
		}
	}
	t.Cleanup(stop)
	return stop
}

// A confined server gets a certificate from an authority, which reaches it by TLS-ALPN-01, and keeps it
// across a restart.
func TestCertificatesByACME(t *testing.T) {
	programs, sources := buildAuthority(t)
	directory, management, names := freeport.Address(t), freeport.Address(t), freeport.Address(t)
	t.Setenv("SSL_CERT_FILE", filepath.Join(sources, "test/certs/pebble.minica.pem")) // of the authority's own API
	s := process.NewSite(t, "--acme-domain", acmeDomain, "--acme-directory", "https://"+directory+"/dir", "--acme-email", "operator@example.test")
	l := s.Serve(t)
	address := strings.TrimPrefix(l.Base, "http://")
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}

	config := filepath.Join(s.Home, "pebble.json")
	text := fmt.Sprintf(`{"pebble": {"listenAddress": %q, "managementListenAddress": %q, "certificate": "test/certs/localhost/cert.pem",
		"privateKey": "test/certs/localhost/key.pem", "httpPort": 1, "tlsPort": %s, "keyAlgorithm": "ecdsa", "retryAfter": {"authz": 1, "order": 1},
		"profiles": {"default": {"description": "usual", "validityPeriod": 7776000}}}}`, directory, management, port)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	stopNames := runProgram(t, s.Home, nil, filepath.Join(programs, "pebble-challtestsrv"),
		"-dns01", names, "-defaultIPv4", "127.0.0.1", "-defaultIPv6", "", "-http01", "", "-https01", "", "-tlsalpn01", "", "-doh", "", "-management", freeport.Address(t))
	stopAuthority := runProgram(t, sources, []string{"PEBBLE_VA_NOSLEEP=1"}, filepath.Join(programs, "pebble"), "-config", config, "-dnsserver", names)

	roots := x509.NewCertPool()
	insecure := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	process.Until(t, "the authority answers", func() bool {
		response, err := insecure.Get("https://" + management + "/roots/0")
		if err != nil {
			return false
		}
		defer response.Body.Close()
		pem, err := io.ReadAll(response.Body)
		return err == nil && roots.AppendCertsFromPEM(pem)
	})
	handshake := func() (serial string, err error) {
		c, err := tls.Dial("tcp", address, &tls.Config{RootCAs: roots, ServerName: acmeDomain})
		if err != nil {
			return "", err
		}
		defer c.Close()
		return c.ConnectionState().PeerCertificates[0].SerialNumber.String(), nil
	}
	var serial string
	process.Until(t, "there is a certificate", func() bool {
		serial, err = handshake()
		return err == nil
	})
	if c, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true, ServerName: "other.example.test"}); err == nil {
		c.Close()
		t.Error("there is a certificate for a name that is not the server's")
	}
	stopAuthority()
	stopNames()
	l.Kill()
	l = s.Serve(t)
	address = strings.TrimPrefix(l.Base, "http://")
	if again, err := handshake(); err != nil || again != serial {
		t.Errorf("after a restart: %s, %v, was %s", again, err, serial)
	}
	if files, err := filepath.Glob(filepath.Join(s.Data, "acme", "*")); err != nil || len(files) == 0 {
		t.Errorf("%v, %v", files, err)
	}
}
