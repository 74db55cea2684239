//go:build linux

package server

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/faaspot/faaspot/test/certs"
	"github.com/faaspot/faaspot/test/process"
)

// writeCertificate writes a new certificate for localhost and its key.
func writeCertificate(t *testing.T, dir string, serial int64) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	made := certs.Issue(t, nil, certs.Leaf("localhost", "localhost"), func(c *x509.Certificate) { c.SerialNumber = big.NewInt(serial) })
	made.Write(t, filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
}

// served returns the serial number of the certificate of a server, and the status of a request.
func served(address string) (serial string, status int, err error) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	response, err := client.Get("https://" + address + "/readyz")
	if err != nil {
		return "", 0, err
	}
	defer response.Body.Close()
	return response.TLS.PeerCertificates[0].SerialNumber.String(), response.StatusCode, nil
}

// A confined server reads a certificate that was replaced, in the way of the programs that renew
// certificates: the files stay links, which lead to others.
func TestReplacedCertificate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	live := filepath.Join(dir, "live")
	lead := func(to string) {
		t.Helper()
		for _, name := range []string{"cert.pem", "key.pem"} {
			next := filepath.Join(live, name+".new")
			if err := errors.Join(os.MkdirAll(live, 0o700), os.Symlink(filepath.Join("..", to, name), next), os.Rename(next, filepath.Join(live, name))); err != nil {
				t.Fatal(err)
			}
		}
	}
	writeCertificate(t, filepath.Join(dir, "archive"), 1)
	lead("archive")
	s := process.NewSite(t, "--tls-cert", filepath.Join(live, "cert.pem"), "--tls-key", filepath.Join(live, "key.pem"))
	l := s.Serve(t)
	address := strings.TrimPrefix(l.Base, "http://")
	if serial, status, err := served(address); serial != "1" || status != 200 || err != nil {
		t.Fatalf("%s, %d, %v", serial, status, err)
	}
	l.Refused(t, 400, "invalid_argument", "GET", "/readyz", "") // which it sends without TLS

	for serial := int64(2); serial <= 3; serial++ {
		writeCertificate(t, filepath.Join(dir, "archive"), serial)
		l.Signal(t, syscall.SIGHUP)
		process.Until(t, "the certificate is replaced", func() bool {
			got, _, err := served(address)
			return err == nil && got == fmt.Sprint(serial)
		})
	}
	if err := os.WriteFile(filepath.Join(dir, "archive", "key.pem"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	l.Signal(t, syscall.SIGHUP)
	l.WaitLog(t, "the server keeps the one before")
	if serial, status, err := served(address); serial != "3" || status != 200 || err != nil {
		t.Errorf("%s, %d, %v", serial, status, err)
	}
	l.Signal(t, syscall.SIGTERM)
	l.WaitExit(t, process.ExitOK)
}
