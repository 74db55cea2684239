package server

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/faaspot/faaspot/test/certs"
)

// newCertificate writes a certificate of its own authority, for some names, and its key.
func newCertificate(t *testing.T, cert, key string, names ...string) {
	t.Helper()
	certs.Issue(t, nil, certs.Leaf(names[0], names...)).Write(t, cert, key)
}

// A certificate is read again when its files change; one that cannot be used leaves the one before.
func TestChangedCertificates(t *testing.T) {
	dir := t.TempDir()
	c := &certificate{cert: filepath.Join(dir, "cert.pem"), key: filepath.Join(dir, "key.pem"), log: slog.New(slog.DiscardHandler)}
	if err := c.load(); err == nil {
		t.Fatal("files that do not exist are loaded")
	}
	newCertificate(t, c.cert, c.key, "one.example.com")
	if err := c.load(); err != nil {
		t.Fatal(err)
	}
	name := func() string {
		got, err := c.get(nil)
		if err != nil {
			t.Fatal(err)
		}
		return got.Leaf.DNSNames[0]
	}
	if c.changed() || name() != "one.example.com" {
		t.Errorf("%t, %s", c.changed(), name())
	}
	newCertificate(t, c.cert, c.key, "two.example.com", "more.example.com")
	if !c.changed() {
		t.Fatal("the change is not noticed")
	}
	c.reload()
	if c.changed() || name() != "two.example.com" {
		t.Errorf("%t, %s", c.changed(), name())
	}
	if err := os.WriteFile(c.key, []byte("half a key"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.reload()
	if name() != "two.example.com" {
		t.Error("the certificate is lost")
	}
}

func TestOptionsOfTLS(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	newCertificate(t, cert, key, "faas.example.com")
	for what, o := range map[string]Options{
		"":                    {},
		"belong together":     {TLSCert: cert},
		"exclude each other":  {TLSCert: cert, TLSKey: key, ACMEDomains: []string{"a.example.com"}},
		"have no effect":      {ACMEDirectory: "https://ca.example.com/dir"},
		"is not one":          {ACMEDomains: []string{"a.example.com"}, ACMEDirectory: "http://ca.example.com/dir"},
		"cannot be used":      {TLSCert: key, TLSKey: cert},
		"cannot read":         {TLSCert: cert, TLSKey: key + ".no"},
		"not the name of":     {ACMEDomains: []string{"https://a.example.com"}},
		"the name of a host":  {ACMEDomains: []string{"*.example.com"}},
		"not the name of a h": {ACMEDomains: []string{"localhost"}},
	} {
		err := o.checkTLS()
		if (err == nil) != (what == "") || err != nil && !strings.Contains(err.Error(), what) {
			t.Errorf("%+v: %v, want %q", o, err, what)
		}
	}
	if err := (Options{TLSCert: cert, TLSKey: key}).checkTLS(); err != nil {
		t.Error(err)
	}
}

// Clients reach a server with a certificate at a name that is in it.
func TestPlaceOfACertificate(t *testing.T) {
	dir := t.TempDir()
	for want, names := range map[string][]string{
		"https://127.0.0.1:8443":        {"faas.example.com", "127.0.0.1"},
		"https://faas.example.com:8443": {"*.example.com", "faas.example.com"},
	} {
		c := &certificate{cert: filepath.Join(dir, "cert.pem"), key: filepath.Join(dir, "key.pem")}
		newCertificate(t, c.cert, c.key, names...)
		if err := c.load(); err != nil {
			t.Fatal(err)
		}
		s := &server{Options: Options{TLSCert: c.cert, TLSKey: c.key}, certificate: c}
		if got := s.reachedAt(place{host: "127.0.0.1", port: 8443}).url(); got != want {
			t.Errorf("%v: %s, want %s", names, got, want)
		}
	}
	s := &server{Options: Options{ACMEDomains: []string{"a.example.com", "b.example.com"}}}
	if got := s.reachedAt(place{host: "127.0.0.1", port: 443}).url(); got != "https://a.example.com:443" {
		t.Error(got)
	}
	if got := (&server{}).reachedAt(place{host: "127.0.0.1", port: 80}).url(); got != "http://127.0.0.1:80" {
		t.Error(got)
	}
}
