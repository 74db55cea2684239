package tlsengine

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/faaspot/faaspot/test/certs"
)

func TestParseRoots(t *testing.T) {
	root, leaf := certs.Issue(t, nil, certs.Root("root")), certs.Issue(t, nil, asServer("a.example"))
	block := func(kind string, content []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content}))
	}
	for _, test := range []struct {
		name, source       string
		reason             string
		certificates, auth int
	}{
		{"PEM", certs.PEM(root, leaf), "", 2, 1},
		{"PEM with comments, twice", "# a\n" + certs.PEM(root) + "text\n" + certs.PEM(root), "", 1, 1},
		{"DER", string(root.Cert.Raw) + string(leaf.Cert.Raw), "", 2, 1},
		{"a list alone", block("X509 CRL", []byte{0x30, 0}), "", 0, 0},
		{"trusted", block("TRUSTED CERTIFICATE", append(root.Cert.Raw[:len(root.Cert.Raw):len(root.Cert.Raw)], 0x30, 0)), "", 1, 1},
		{"one that cannot be read", block("CERTIFICATE", []byte{1}) + certs.PEM(root), "", 1, 1},
		{"nothing", "", "NOT_ENOUGH_DATA", 0, 0},
		{"half", string(root.Cert.Raw[:100]), "NOT_ENOUGH_DATA", 0, 0},
		{"a key alone", root.KeyPEM(t), "NO_CERTIFICATE_OR_CRL_FOUND", 0, 0},
		{"text", "no certificates", "WRONG_TAG", 0, 0},
	} {
		r, err := ParseRoots([]byte(test.source), nil)
		if test.reason != "" {
			if f, ok := err.(*Failure); !ok || f.Reason == nil || *f.Reason != test.reason {
				t.Errorf("%s: %v, want %s", test.name, err, test.reason)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if n, a := r.Counts(); n != test.certificates || a != test.auth {
			t.Errorf("%s: %d certificates, %d of authorities", test.name, n, a)
		}
	}
}

// TestParseRootsIsBounded passes more certificates than a tenant may have, and large ones.
func TestParseRootsIsBounded(t *testing.T) {
	root := certs.Issue(t, nil, certs.Root("root"))
	r := &Roots{}
	r.size = maxTenantTrust - 1
	r.add(root.Cert.Raw, nil)
	r.add(certs.Issue(t, nil, certs.Root("other")).Cert.Raw, nil)
	if n, _ := r.Counts(); n != 1 {
		t.Errorf("%d certificates are kept", n)
	}
	large := certs.Issue(t, nil, func(c *x509.Certificate) {
		c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3}, Value: make([]byte, maxCertificate)}}
	})
	if r, err := ParseRoots([]byte(certs.PEM(large, root)), nil); err != nil || len(r.anchors) != 1 {
		t.Errorf("a large certificate is kept: %v", err)
	}
	if _, err := Decode(large.Cert.Raw); err == nil {
		t.Error("a large certificate is described")
	}
}

func TestReadRoots(t *testing.T) {
	dir := t.TempDir()
	root := certs.Issue(t, nil, certs.Root("root"))
	path := filepath.Join(dir, "roots.pem")
	if err := os.WriteFile(path, []byte("secret\n"+certs.PEM(root)+root.KeyPEM(t)), 0o600); err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(dir, "missing")
	for _, r := range []*Roots{readRoots(path, nil), readRoots("", []string{missing, path})} {
		text := string(r.encode())
		if n, _ := r.Counts(); n != 1 || strings.Contains(text, "secret") || strings.Contains(text, "PRIVATE") {
			t.Errorf("%d roots: %s", n, text)
		}
		if again, err := ParseRoots([]byte(text), nil); err != nil || again.Sum() != r.Sum() {
			t.Errorf("the sum is %s, %v; want %s", again.Sum(), err, r.Sum())
		}
	}
	if n, _ := readRoots(missing, []string{path}).Counts(); n != 0 {
		t.Errorf("instead of a file that is missing, there are %d roots", n)
	}
	mozilla := readRoots("", []string{missing})
	if n, a := mozilla.Counts(); n < 100 || a < 100 {
		t.Errorf("Mozilla has %d roots, %d of authorities", n, a)
	}
	if again, err := ParseRoots(mozilla.encode(), nil); err != nil || again.Sum() != mozilla.Sum() {
		t.Error("a program that loads Mozilla's roots gets others")
	}
}

// TestStoreIsBounded fills a store with the roots of two tenants.
func TestStoreIsBounded(t *testing.T) {
	var held int64
	s := NewStore(func(n int64) { held += n })
	root := certs.Issue(t, nil, certs.Root("root"))
	set := func(i int) *Roots {
		r, err := ParseRoots([]byte(fmt.Sprintf("%d\n%s", i, certs.PEM(root))), nil)
		if err != nil {
			t.Fatal(err)
		}
		r.size = maxTenantTrust / 4
		return r
	}
	mine := set(-1)
	s.Keep("mine", mine)
	for i := range 100 {
		r := set(i)
		if !s.Keep("other", r) || s.Find("other", r.Sum()) != r {
			t.Fatalf("set %d is not kept", i)
		}
		if s.Find("mine", r.Sum()) != nil {
			t.Fatal("a tenant finds the roots of another")
		}
		if s.total != held || s.used["other"] > maxTenantTrust || held > maxTrust {
			t.Fatalf("%d bytes are held, %d counted", held, s.total)
		}
	}
	if s.Find("mine", mine.Sum()) != mine {
		t.Error("a tenant has displaced the roots of another")
	}
	if s.Find("other", set(0).Sum()) != nil {
		t.Error("the least recently used set is still there")
	}
	for i := range 3 * maxTrust / maxTenantTrust {
		s.Keep(fmt.Sprint("tenant ", i), set(i))
		s.Keep(fmt.Sprint("tenant ", i), set(i+1000))
	}
	if held > maxTrust || len(s.used) > s.recent.Len() {
		t.Errorf("%d bytes are held for %d tenants", held, len(s.used))
	}
	large := set(1)
	large.size = maxTenantTrust
	if s.Keep("mine", large) {
		t.Error("a set that is larger than a tenant may have is kept")
	}
}

// TestRootsAreCopies overwrites the memory that roots were parsed from, which is that of a program and
// later of another.
func TestRootsAreCopies(t *testing.T) {
	root := certs.Issue(t, nil, certs.Root("root"))
	for _, text := range []string{string(root.Cert.Raw), certs.PEM(root)} {
		source := []byte(text)
		units := 0
		r, err := ParseRoots(source, func(n int) { units += n })
		if err != nil {
			t.Fatal(err)
		}
		clear(source)
		if r.find(root.Cert) == nil || !r.anchors[0].Equal(root.Cert) {
			t.Error("the roots are in the memory of their source")
		}
		if units < len(root.Cert.Raw) || r.spend != nil {
			t.Errorf("%d units of work are counted", units)
		}
	}
}
