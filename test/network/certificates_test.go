//go:build linux

package network

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"

	"github.com/faaspot/faaspot/test/certs"
)

// certificates are those of an authority that nobody trusts by default: of a server named localhost, and
// of a client named client.
type certificates struct {
	ca, server, serverKey, client, clientKey string // paths of PEM files
}

// newCertificates makes an authority and its certificates in a folder.
func newCertificates(t *testing.T) certificates {
	t.Helper()
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	c := certificates{path("ca.pem"), path("server.pem"), path("server.key"), path("client.pem"), path("client.key")}
	root := certs.Issue(t, nil, certs.Root("test authority"))
	root.Write(t, c.ca, path("ca.key"))
	certs.Issue(t, root, certs.Leaf("localhost", "localhost", "127.0.0.1")).Write(t, c.server, c.serverKey)
	certs.Issue(t, root, certs.Leaf("client", "client")).Write(t, c.client, c.clientKey)
	return c
}

// config returns the settings of a server of TLS; it verifies the certificates that clients send.
func (c certificates) config(t *testing.T) *tls.Config {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(c.server, c.serverKey)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(c.ca)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	return &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: pool, ClientAuth: tls.VerifyClientCertIfGiven}
}
