package tlsengine

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/json"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/faaspot/faaspot/test/certs"
)

// python returns the path of a Python with ssl, or skips the test.
func python(t testing.TB) string {
	t.Helper()
	path, err := exec.LookPath("python3")
	if err == nil {
		err = exec.Command(path, "-c", "import ssl").Run()
	}
	if err != nil {
		t.Skip("there is no python3 with ssl: ", err)
	}
	return path
}

// run runs a program of Python and returns its output.
func run(t testing.TB, program string, args ...string) string {
	t.Helper()
	c := exec.Command(python(t), append([]string{"-c", program}, args...)...)
	var errors bytes.Buffer
	c.Stderr = &errors
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, errors.String())
	}
	return string(out)
}

// raw returns DER with a tag and a content.
func raw(class, tag int, compound bool, content []byte) asn1.RawValue {
	return asn1.RawValue{Class: class, Tag: tag, IsCompound: compound, Bytes: content}
}

func marshal(t testing.TB, v any) []byte {
	t.Helper()
	der, err := asn1.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// awkward returns certificates with all that getpeercert shows, and with what is rare.
func awkward(t *testing.T) map[string]*authority {
	templates := map[string]func(c *x509.Certificate){
		"empty name":   nil,
		"large serial": func(c *x509.Certificate) { c.SerialNumber = new(big.Int).Lsh(big.NewInt(255), 144) },
		"old and far": func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = time.Date(1951, 1, 5, 9, 4, 3, 0, time.UTC), time.Date(2950, 12, 31, 23, 59, 59, 0, time.UTC)
		},
		"one digit":       func(c *x509.Certificate) { c.SerialNumber = big.NewInt(5) },
		"high serial bit": func(c *x509.Certificate) { c.SerialNumber = big.NewInt(0x80) },
		"full": func(c *x509.Certificate) {
			c.Subject = pkix.Name{
				CommonName: "Ü ☃ 𝄞", Country: []string{"DE", "AT"}, Organization: []string{"A", "B"}, OrganizationalUnit: []string{"x, y"}, Locality: []string{"Köln"},
				Province: []string{"NW"}, StreetAddress: []string{"1 'Road'"}, PostalCode: []string{"50667"}, SerialNumber: "7",
				ExtraNames: []pkix.AttributeTypeAndValue{
					{Type: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}, Value: "a@b.example"},
					{Type: asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 25}, Value: "example"},
					{Type: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 60, 2, 1, 3}, Value: "DE"},
					{Type: asn1.ObjectIdentifier{2, 5, 4, 97}, Value: "VAT"},
					{Type: asn1.ObjectIdentifier{1, 2, 3, 4, 5}, Value: "unknown"},
				},
			}
			c.DNSNames = []string{"a.example", "*.b.example"}
			c.EmailAddresses = []string{"a@b.example"}
			c.IPAddresses = []net.IP{{127, 0, 0, 1}, net.ParseIP("2001:db8::a:0:1"), net.IPv6loopback}
			c.URIs = []*url.URL{{Scheme: "https", Host: "a.example", Path: "/x"}}
			c.OCSPServer = []string{"http://ocsp.example/1", "http://ocsp.example/2"}
			c.IssuingCertificateURL = []string{"http://ca.example/ca.crt"}
			c.CRLDistributionPoints = []string{"http://crl.example/1.crl", "ldap://crl.example/x"}
		},
		"other names": func(c *x509.Certificate) {
			directory := marshal(t, pkix.Name{CommonName: "x", Country: []string{"UK"}}.ToRDNSequence())
			rid := marshal(t, asn1.ObjectIdentifier{1, 2, 3, 4, 5})[2:]
			other := append(marshal(t, asn1.ObjectIdentifier{1, 2, 3, 4}), marshal(t, raw(asn1.ClassContextSpecific, 0, true, marshal(t, "x")))...)
			c.ExtraExtensions = []pkix.Extension{{Id: oidSubjectAltName, Value: marshal(t, []asn1.RawValue{
				raw(asn1.ClassContextSpecific, nameDirectory, true, directory), raw(asn1.ClassContextSpecific, nameRegistered, false, rid),
				raw(asn1.ClassContextSpecific, nameOther, true, other), raw(asn1.ClassContextSpecific, nameDNS, false, []byte("a\x00b.example")),
				raw(asn1.ClassContextSpecific, nameURI, false, nil),
			})}}
		},
		"no names": func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: oidSubjectAltName, Value: []byte{0x30, 0}}}
		},
		"several names in one": func(c *x509.Certificate) {
			type attribute struct {
				Type  asn1.ObjectIdentifier
				Value asn1.RawValue
			}
			type set []attribute
			text := func(tag int, b string) asn1.RawValue { return raw(asn1.ClassUniversal, tag, false, []byte(b)) }
			var relative []byte
			for _, a := range (set{
				{asn1.ObjectIdentifier{2, 5, 4, 3}, text(asn1.TagT61String, "Caf\xe9")},
				{asn1.ObjectIdentifier{2, 5, 4, 10}, text(asn1.TagBMPString, "\x26\x03\x00a")},
				{asn1.ObjectIdentifier{2, 5, 4, 11}, text(asn1.TagIA5String, "x")},
			}) {
				relative = append(relative, marshal(t, a)...)
			}
			c.RawSubject = marshal(t, raw(asn1.ClassUniversal, asn1.TagSequence, true, marshal(t, raw(asn1.ClassUniversal, asn1.TagSet, true, relative))))
		},
		"names in other alphabets": func(c *x509.Certificate) {
			c.DNSNames = []string{"xn--bcher-kva.example"}
		},
	}
	made := make(map[string]*authority)
	for name, change := range templates {
		made[name] = certs.Issue(t, nil, change)
	}
	return made
}

// TestDecodeAsCPython compares descriptions with those of CPython and OpenSSL on this machine. The
// variable CERTIFICATES may name a folder with more.
func TestDecodeAsCPython(t *testing.T) {
	dir := t.TempDir()
	var files []string
	for name, c := range awkward(t) {
		path := filepath.Join(dir, strings.ReplaceAll(name, " ", "-")+".pem")
		if err := os.WriteFile(path, []byte(certs.PEM(c)), 0o600); err != nil {
			t.Fatal(err)
		}
		files = append(files, path)
	}
	if folder := os.Getenv("CERTIFICATES"); folder != "" {
		more, err := filepath.Glob(filepath.Join(folder, "*.pem"))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, more...)
	}
	out := run(t, `
import json, ssl, sys
for path in sys.argv[1:]:
    try:
        print(json.dumps(ssl._ssl._test_decode_cert(path)))
    except Exception as e:
        print(json.dumps(None))
`, files...)
	compared := 0
	for i, line := range strings.Split(strings.TrimSpace(out), "\n") {
		source, err := os.ReadFile(files[i])
		if err != nil {
			t.Fatal(err)
		}
		d, err := Decode(source)
		if line == "null" {
			continue
		}
		if err != nil {
			t.Errorf("%s: %v; CPython: %s", files[i], err, line)
			continue
		}
		var want any
		if err := json.Unmarshal([]byte(line), &want); err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		var got any
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatal(err)
		}
		if a, b := fmt.Sprint(got), fmt.Sprint(want); a != b {
			t.Errorf("%s:\n%s\nCPython:\n%s", files[i], a, b)
		}
		compared++
	}
	if compared < 8 {
		t.Errorf("only %d certificates were compared", compared)
	}
}

func TestDecodeRefuses(t *testing.T) {
	whole := certs.Issue(t, nil, asServer("a.example")).Cert.Raw
	for i := range whole {
		if d, err := Decode(whole[:i]); err == nil {
			t.Fatalf("the first %d bytes are %+v", i, d)
		}
	}
	for _, text := range []string{"", "x", "-----BEGIN CERTIFICATE-----\n", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", string(whole) + "x"} {
		if _, err := Decode([]byte(text)); err == nil {
			t.Errorf("%q is a certificate", text)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(certs.Issue(f, nil, asServer("a.example")).Cert.Raw)
	f.Fuzz(func(t *testing.T, der []byte) {
		if d, err := Decode(der); err == nil {
			if _, err := json.Marshal(d); err != nil {
				t.Fatal(err)
			}
		}
		_, _ = ParseRoots(der, nil)
		_, _ = Pair(&Certificate{Chain: string(der), Key: string(der)})
	})
}
