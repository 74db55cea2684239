package tlsengine

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"slices"
	"testing"
	"time"
)

// authority is a certificate with its key, which can sign others.
type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// serial makes serial numbers differ.
var serial int64

// issue returns a certificate that an authority signs, or itself if that is nil. change changes the
// template.
func issue(t testing.TB, by *authority, change func(c *x509.Certificate)) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return issueFor(t, by, key, change)
}

func issueFor(t testing.TB, by *authority, key crypto.Signer, change func(c *x509.Certificate)) *authority {
	t.Helper()
	serial++
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1000 + serial), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		BasicConstraintsValid: true,
	}
	if change != nil {
		change(c)
	}
	parent, signer := c, key
	if by != nil {
		parent, signer = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{parsed, key}
}

func asRoot(name string) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		c.Subject = pkix.Name{CommonName: name}
		c.IsCA, c.KeyUsage = true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign
	}
}

func asServer(names ...string) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		c.Subject = pkix.Name{CommonName: "server"}
		c.DNSNames, c.KeyUsage = names, x509.KeyUsageDigitalSignature
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	}
}

func pemOf(list ...*authority) string {
	var out []byte
	for _, a := range list {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})...)
	}
	return string(out)
}

func (a *authority) keyPEM(t testing.TB) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(a.key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// rooted returns options with these roots, and their sum.
func rooted(t testing.TB, list ...*authority) (Options, []string) {
	t.Helper()
	r, err := ParseRoots([]byte(pemOf(list...)), nil)
	if err != nil {
		t.Fatal(err)
	}
	number := int32(0)
	return Options{
		Roots:    func(sum string) *Roots { return map[string]*Roots{r.Sum(): r}[sum] },
		Sessions: NewSessions(func() int32 { number++; return number }),
	}, []string{r.Sum()}
}

func newEngine(t testing.TB, s Settings, o Options) *Engine {
	t.Helper()
	if s.MinimumVersion == 0 {
		s.MinimumVersion = minimumSupported
	}
	if s.MaximumVersion == 0 {
		s.MaximumVersion = maximumSupported
	}
	e, err := New(&s, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

// carry takes what one engine has written to the other, at most n bytes at a time, and reports whether
// it was anything.
func carry(from, to *Engine, n int) bool {
	some := false
	for len(from.Output()) > 0 {
		k := to.Feed(from.Output()[:min(n, len(from.Output()))])
		from.Sent(k)
		if k == 0 {
			break
		}
		some = true
		if n < MaxInput {
			break
		}
	}
	return some
}

// meet performs the handshake of two engines, with at most n bytes at a time.
func meet(t testing.TB, client, server *Engine, n int) (c, s Status) {
	t.Helper()
	for {
		if c == OK || c == WantRead {
			c = client.Handshake()
		}
		a := carry(client, server, n)
		if s == OK || s == WantRead {
			s = server.Handshake()
		}
		b := carry(server, client, n)
		if !a && !b {
			return c, s
		}
	}
}

// sendAll writes p on one engine and returns what the other reads.
func sendAll(t testing.TB, from, to *Engine, p []byte) []byte {
	t.Helper()
	var got []byte
	buffer := make([]byte, 5000)
	for len(got) < len(p) || len(p) == 0 {
		sent := 0
		if rest := p[min(len(p), sent+len(got)):]; len(from.Output()) == 0 && len(to.in) == 0 && to.Pending() == 0 {
			n, status := from.Write(rest)
			if status != OK {
				t.Fatalf("write: %d, %v", status, from.Failure())
			}
			sent += n
		}
		carry(from, to, MaxInput)
		for {
			n, status := to.Read(buffer)
			if got = append(got, buffer[:n]...); status == WantRead {
				break
			}
			if status != OK {
				t.Fatalf("read: %d, %v", status, to.Failure())
			}
		}
	}
	return slices.Clip(got)
}
