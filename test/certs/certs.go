// Package certs makes certificates for tests.
package certs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"sync/atomic"
	"time"
)

// T is what this package needs of a test.
type T interface {
	Helper()
	Fatal(args ...any)
}

// Pair is a certificate with its key, which may sign others.
type Pair struct {
	Cert *x509.Certificate
	Key  crypto.Signer
}

// serials makes the serial numbers of a process differ.
var serials atomic.Int64

// Issue returns a certificate with a new key, which an authority signs, or its own key if that is nil. It is valid from
// an hour before now for a day after that, unless a change of the template says otherwise.
func Issue(t T, by *Pair, changes ...func(*x509.Certificate)) *Pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return IssueFor(t, by, key, changes...)
}

// IssueFor is Issue for a key.
func IssueFor(t T, by *Pair, key crypto.Signer, changes ...func(*x509.Certificate)) *Pair {
	t.Helper()
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1000 + serials.Add(1)), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		BasicConstraintsValid: true,
	}
	for _, change := range changes {
		if change != nil {
			change(c)
		}
	}
	parent, signer := c, key
	if by != nil {
		parent, signer = by.Cert, by.Key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &Pair{cert, key}
}

// Root makes a certificate that of an authority.
func Root(name string) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		c.Subject = pkix.Name{CommonName: name}
		c.IsCA, c.KeyUsage = true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign
	}
}

// Leaf makes a certificate that of a server, or of a client, for names and addresses.
func Leaf(name string, names ...string) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		c.Subject = pkix.Name{CommonName: name}
		c.KeyUsage = x509.KeyUsageDigitalSignature
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
		for _, name := range names {
			if ip := net.ParseIP(name); ip != nil {
				c.IPAddresses = append(c.IPAddresses, ip)
			} else {
				c.DNSNames = append(c.DNSNames, name)
			}
		}
	}
}

// PEM returns the certificates of pairs, one after the other.
func PEM(list ...*Pair) string {
	var text []byte
	for _, p := range list {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.Cert.Raw})...)
	}
	return string(text)
}

// KeyPEM returns the key.
func (p *Pair) KeyPEM(t T) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(p.Key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// TLS returns the pair for a server or a client.
func (p *Pair) TLS() tls.Certificate {
	return tls.Certificate{Certificate: [][]byte{p.Cert.Raw}, PrivateKey: p.Key, Leaf: p.Cert}
}

// Write writes the certificate and the key to files.
func (p *Pair) Write(t T, certFile, keyFile string) {
	t.Helper()
	err := errors.Join(os.WriteFile(certFile, []byte(PEM(p)), 0o600), os.WriteFile(keyFile, []byte(p.KeyPEM(t)), 0o600))
	if err != nil {
		t.Fatal(err)
	}
}
