package tlsengine

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/faaspot/faaspot/test/certs"
)

// verifyCase is a chain that a server sends, and what the client trusts and asks for.
type verifyCase struct {
	name  string
	sent  []*authority
	roots []*authority
	host  string
	flags []int64 // nil: the usual ones
	hosts int64
	code  int // that OpenSSL reports; 0: none
}

const (
	lenient = 0
	partial = verifyPartialChain
	usual   = verifyPartialChain | verifyStrict // of ssl.create_default_context
)

func with(base func(*x509.Certificate), change func(*x509.Certificate)) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		base(c)
		change(c)
	}
}

// forged returns a certificate with another signature.
func forged(t *testing.T, a *authority) *authority {
	t.Helper()
	der := bytes.Clone(a.Cert.Raw)
	der[len(der)-1] ^= 1
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{Cert: c, Key: a.Key}
}

func verifyCases(t *testing.T) []verifyCase {
	root, other := certs.Issue(t, nil, certs.Root("root")), certs.Issue(t, nil, certs.Root("other"))
	impostor := certs.Issue(t, nil, certs.Root("root"))
	middle := certs.Issue(t, root, certs.Root("middle"))
	leaf := certs.Issue(t, middle, asServer("a.example", "*.b.example", "*.c", "x*.d.example"))
	server := func(by *authority, change func(c *x509.Certificate)) *authority {
		return certs.Issue(t, by, with(asServer("a.example"), change))
	}
	authorityOf := func(by *authority, change func(c *x509.Certificate)) *authority {
		return certs.Issue(t, by, with(certs.Root("changed"), change))
	}
	past := func(c *x509.Certificate) {
		c.NotBefore, c.NotAfter = time.Now().Add(-48*time.Hour), time.Now().Add(-24*time.Hour)
	}
	future := func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Hour) }
	ending := certs.Issue(t, root, func(c *x509.Certificate) { c.Subject = pkix.Name{CommonName: "ending"} })
	selfSigned := certs.Issue(t, nil, asServer("a.example"))
	list := []verifyCase{
		{name: "good", sent: []*authority{leaf, middle}, roots: []*authority{root}},
		{name: "good, with its root", sent: []*authority{leaf, middle, root}, roots: []*authority{other, root}},
		{name: "in another order", sent: []*authority{leaf, other, root, middle}, roots: []*authority{root}},
		{name: "wildcard", sent: []*authority{leaf, middle}, roots: []*authority{root}, host: "x.b.example"},
		{name: "wildcard, upper case", sent: []*authority{leaf, middle}, roots: []*authority{root}, host: "X.B.EXAMPLE"},
		{name: "wildcard of two labels", sent: []*authority{leaf, middle}, roots: []*authority{root}, host: "x.y.b.example", code: codeHostname},
		{name: "wildcard of a whole domain", sent: []*authority{leaf, middle}, roots: []*authority{root}, host: "x.c", code: codeHostname},
		{name: "wildcard in a label", sent: []*authority{leaf, middle}, roots: []*authority{root}, host: "xy.d.example", code: codeHostname},
		{name: "no wildcards", sent: []*authority{leaf, middle}, roots: []*authority{root}, host: "x.b.example", hosts: hostNoWildcards, code: codeHostname},
		{name: "wrong name", sent: []*authority{leaf, middle}, roots: []*authority{root}, host: "evil.example", code: codeHostname},
		{name: "address for a name", sent: []*authority{leaf, middle}, roots: []*authority{root}, host: "127.0.0.1", code: codeAddress},
		{name: "without its issuer", sent: []*authority{leaf}, roots: []*authority{root}, code: codeNoLocalIssuer},
		{name: "unknown issuer", sent: []*authority{leaf, middle}, roots: []*authority{other}, code: codeNoLocalIssuer},
		{name: "no roots", sent: []*authority{leaf, middle}, code: codeNoLocalIssuer},
		{name: "unknown root", sent: []*authority{leaf, middle, root}, roots: []*authority{other}, code: codeSelfSignedInChain},
		{name: "self-signed", sent: []*authority{selfSigned}, roots: []*authority{root}, code: codeSelfSigned},
		{name: "self-signed, wrong name", sent: []*authority{selfSigned}, roots: []*authority{root}, host: "b.example", code: codeSelfSigned},
		{name: "self-signed and trusted", sent: []*authority{selfSigned}, roots: []*authority{selfSigned}},
		{name: "trusted end entity", sent: []*authority{leaf}, roots: []*authority{leaf}, flags: []int64{partial, usual}},
		{name: "trusted end entity, whole chains", sent: []*authority{leaf}, roots: []*authority{leaf}, flags: []int64{lenient}, code: codeNoLocalIssuer},
		{name: "trusted intermediate", sent: []*authority{leaf}, roots: []*authority{middle}, flags: []int64{partial, usual}},
		{name: "trusted intermediate, whole chains", sent: []*authority{leaf}, roots: []*authority{middle}, flags: []int64{lenient}, code: codeNoIssuer},
		{name: "expired", sent: []*authority{server(root, past)}, roots: []*authority{root}, code: codeExpired},
		{name: "expired, wrong name", sent: []*authority{server(root, past)}, roots: []*authority{root}, host: "b.example", code: codeHostname},
		{name: "not yet valid", sent: []*authority{server(root, future)}, roots: []*authority{root}, code: codeNotYetValid},
		{name: "CRLs wanted", sent: []*authority{leaf, middle}, roots: []*authority{root}, flags: []int64{verifyCRLLeaf, verifyCRLLeaf | usual}, code: codeNoCRL},
		{name: "CRLs wanted, wrong name", sent: []*authority{leaf, middle}, roots: []*authority{root}, flags: []int64{verifyCRLLeaf}, host: "b", code: codeHostname},
		{name: "client's", sent: []*authority{server(root, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} })}, roots: []*authority{root}, code: codePurpose},
		{name: "no extended usage", sent: []*authority{server(root, func(c *x509.Certificate) { c.ExtKeyUsage = nil })}, roots: []*authority{root}},
		{name: "any usage", sent: []*authority{server(root, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageAny} })}, roots: []*authority{root}, code: codePurpose},
		{name: "no usage", sent: []*authority{server(root, func(c *x509.Certificate) { c.KeyUsage, c.ExtKeyUsage = 0, nil })}, roots: []*authority{root}},
		{name: "signs lists", sent: []*authority{server(root, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCRLSign })}, roots: []*authority{root}, code: codePurpose},
		{name: "other signature", sent: []*authority{forged(t, server(root, func(*x509.Certificate) {}))}, roots: []*authority{root}, code: codeBadSignature},
		{name: "other key of the root", sent: []*authority{server(impostor, func(*x509.Certificate) {})}, roots: []*authority{root}, code: codeNoLocalIssuer},
		{name: "issued by an end entity", sent: []*authority{server(ending, func(*x509.Certificate) {}), ending}, roots: []*authority{root}, flags: []int64{lenient, partial}, code: codeInvalidCA},
		{name: "no subject alternative name", sent: []*authority{server(root, func(c *x509.Certificate) {
			c.DNSNames, c.Subject.CommonName = nil, "a.example"
		})}, roots: []*authority{root}},
		{name: "no subject alternative name, names only", sent: []*authority{server(root, func(c *x509.Certificate) {
			c.DNSNames, c.Subject.CommonName = nil, "a.example"
		})}, roots: []*authority{root}, hosts: hostNeverSubject, code: codeHostname},
		{name: "an address and a common name", sent: []*authority{server(root, func(c *x509.Certificate) {
			c.DNSNames, c.IPAddresses, c.Subject.CommonName = nil, []net.IP{{10, 0, 0, 1}}, "a.example"
		})}, roots: []*authority{root}},
		{name: "address", sent: []*authority{server(root, func(c *x509.Certificate) { c.IPAddresses = []net.IP{{10, 0, 0, 1}, net.IPv6loopback} })}, roots: []*authority{root}, host: "::1"},
		{name: "other address", sent: []*authority{server(root, func(c *x509.Certificate) { c.IPAddresses = []net.IP{{10, 0, 0, 1}} })}, roots: []*authority{root}, host: "10.0.0.2", code: codeAddress},
		{name: "unknown critical extension", sent: []*authority{server(root, func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3, 4}, Critical: true, Value: []byte{5, 0}}}
		})}, roots: []*authority{root}, code: codeCriticalExtension},
		{name: "no subject", sent: []*authority{server(root, func(c *x509.Certificate) { c.Subject = pkix.Name{} })}, roots: []*authority{root}},
	}
	// Lengths of paths and names that are permitted.
	short := certs.Issue(t, root, with(certs.Root("short"), func(c *x509.Certificate) { c.MaxPathLenZero = true }))
	below := certs.Issue(t, short, certs.Root("below"))
	list = append(list,
		verifyCase{name: "short path", sent: []*authority{server(short, func(*x509.Certificate) {}), short}, roots: []*authority{root}},
		verifyCase{name: "path too long", sent: []*authority{server(below, func(*x509.Certificate) {}), below, short}, roots: []*authority{root}, code: codePathLength},
	)
	permits := authorityOf(root, func(c *x509.Certificate) {
		c.PermittedDNSDomains, c.PermittedDNSDomainsCritical = []string{"b.example"}, true
	})
	excludes := authorityOf(root, func(c *x509.Certificate) {
		c.ExcludedDNSDomains, c.PermittedDNSDomainsCritical = []string{"a.example"}, true
	})
	list = append(list,
		verifyCase{name: "name not permitted", sent: []*authority{server(permits, func(*x509.Certificate) {}), permits}, roots: []*authority{root}, code: codePermittedSubtree},
		verifyCase{name: "name excluded", sent: []*authority{server(excludes, func(*x509.Certificate) {}), excludes}, roots: []*authority{root}, code: codeExcludedSubtree},
	)
	// Authorities that break a rule of RFC 5280.
	type breach struct {
		name   string
		change func(c *x509.Certificate)
		code   int
		always bool // not only if rules are strict
	}
	for _, test := range []breach{
		{"no key usage", func(c *x509.Certificate) { c.KeyUsage = 0 }, 92, false},
		{"basic constraints not critical", func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: oidBasicConstraints, Value: []byte{0x30, 3, 1, 1, 0xff}}}
		}, 89, false},
		{"signs lists alone", func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCRLSign }, codeInvalidCA, true},
		{"expired", past, codeExpired, true},
		{"clients' authority", func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }, codePurpose, true},
	} {
		broken := authorityOf(root, test.change)
		v := verifyCase{name: "authority: " + test.name, sent: []*authority{server(broken, func(*x509.Certificate) {}), broken}, roots: []*authority{root}, code: test.code}
		if !test.always {
			v.flags = []int64{usual, verifyStrict}
			relaxed := v
			relaxed.flags, relaxed.code = []int64{lenient, partial}, 0
			list = append(list, relaxed)
		}
		list = append(list, v)
	}
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	weak := certs.IssueFor(t, root, key, asServer("a.example"))
	list = append(list, verifyCase{name: "weak key", sent: []*authority{weak}, roots: []*authority{root}, code: codeLeafKeyWeak})
	weakRoot := certs.IssueFor(t, root, key, certs.Root("weak"))
	list = append(list, verifyCase{name: "weak key of an authority", sent: []*authority{server(weakRoot, func(*x509.Certificate) {}), weakRoot}, roots: []*authority{root}, code: codeAuthorityKeyWeak})
	return list
}

// verdict is the result of a verification.
type verdict struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

// each calls f for each case, with each set of flags.
func each(t *testing.T, f func(c verifyCase, flags int64, host string)) {
	for _, c := range verifyCases(t) {
		if c.flags == nil {
			c.flags = []int64{lenient, partial, usual}
		}
		host := c.host
		if host == "" {
			host = "a.example"
		}
		for _, flags := range c.flags {
			f(c, flags, host)
		}
	}
}

// judge returns the verdict of this package.
func judge(t *testing.T, c verifyCase, flags int64, host string) verdict {
	t.Helper()
	s := &Settings{ServerHostname: host, CheckHostname: true, VerifyMode: verifyRequired, VerifyFlags: flags, HostFlags: c.hosts}
	o := Options{}
	if len(c.roots) > 0 {
		o, s.Roots = rooted(t, c.roots...)
	}
	v, err := newVerifier(s, o)
	if err != nil {
		t.Fatal(err)
	}
	if f := v.load(); f != nil {
		t.Fatal(f)
	}
	var sent []*x509.Certificate
	for _, a := range c.sent {
		sent = append(sent, a.Cert)
	}
	chain, f := v.chain(sent)
	if f == nil {
		if len(chain) == 0 || chain[0] != sent[0] {
			t.Errorf("%s: the verified chain is %v", c.name, chain)
		}
		return verdict{}
	}
	return verdict{f.VerifyCode, f.VerifyMessage}
}

func TestVerify(t *testing.T) {
	each(t, func(c verifyCase, flags int64, host string) {
		if got := judge(t, c, flags, host); got.Code != c.code {
			t.Errorf("%s, flags %#x: %+v, want %d", c.name, flags, got, c.code)
		}
	})
}

// TestVerifyAsCPython compares verdicts with those of CPython and OpenSSL on this machine.
func TestVerifyAsCPython(t *testing.T) {
	type task struct {
		Chain string `json:"chain"`
		Key   string `json:"key"`
		Roots string `json:"roots"`
		Host  string `json:"host"`
		Flags int64  `json:"flags"`
		Hosts int64  `json:"hosts"`
	}
	var tasks []task
	var names []string
	var ours []verdict
	each(t, func(c verifyCase, flags int64, host string) {
		tasks = append(tasks, task{certs.PEM(c.sent...), c.sent[0].KeyPEM(t), certs.PEM(c.roots...), host, flags, c.hosts})
		names = append(names, fmt.Sprintf("%s, flags %#x", c.name, flags))
		ours = append(ours, judge(t, c, flags, host))
	})
	text, err := json.Marshal(tasks)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "tasks.json")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	out := run(t, `
import json, os, ssl, sys, tempfile
for task in json.load(open(sys.argv[1])):
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.set_ciphers("ALL:@SECLEVEL=0")
    with tempfile.NamedTemporaryFile("w") as f:
        f.write(task["chain"] + task["key"]); f.flush()
        server.load_cert_chain(f.name)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if task["roots"]:
        client.load_verify_locations(cadata=task["roots"])
    client.verify_flags = ssl.VERIFY_X509_TRUSTED_FIRST | task["flags"]
    client._host_flags |= task["hosts"]
    bios = [ssl.MemoryBIO(), ssl.MemoryBIO()]
    ends = [client.wrap_bio(bios[0], bios[1], server_hostname=task["host"]), server.wrap_bio(bios[1], bios[0], server_side=True)]
    verdict = {"code": 0, "message": ""}
    for _ in range(3):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLCertVerificationError as e:
                verdict = {"code": e.verify_code, "message": e.verify_message}
            except ssl.SSLError as e:
                pass
    print(json.dumps(verdict))
`, path)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != len(ours) {
		t.Fatalf("%d verdicts, want %d", len(lines), len(ours))
	}
	for i, line := range lines {
		var theirs verdict
		if err := json.Unmarshal([]byte(line), &theirs); err != nil {
			t.Fatal(err)
		}
		if ours[i] != theirs {
			t.Errorf("%s: %+v, CPython: %+v", names[i], ours[i], theirs)
		}
	}
}

// TestRootsAreNotHeld opens an engine whose roots are dropped before it verifies.
func TestRootsAreNotHeld(t *testing.T) {
	_, server := connected(t, 0x304)
	root := certs.Issue(t, nil, certs.Root("root"))
	o, sums := rooted(t, root)
	kept := true
	find := o.Roots
	o.Roots = func(sum string) *Roots {
		if !kept {
			return nil
		}
		return find(sum)
	}
	client := newEngine(t, Settings{VerifyMode: verifyRequired, Roots: sums}, o)
	kept = false
	if c, _ := meet(t, client, server, MaxInput); c != Failed || *client.Failure().Reason != "ROOTS_UNKNOWN" {
		t.Errorf("status %d, %v", c, client.Failure())
	}
}

// TestRootsAreConstrained checks that a constraint of Mozilla's list is kept.
func TestRootsAreConstrained(t *testing.T) {
	root := certs.Issue(t, nil, certs.Root("root"))
	leaf := certs.Issue(t, root, asServer("a.example"))
	r := &Roots{}
	r.add(root.Cert.Raw, func([]*x509.Certificate) error { return errors.New("distrusted") })
	v := &verifier{roots: []*Roots{r}, mode: verifyRequired, host: "a.example", purpose: x509.ExtKeyUsageServerAuth, now: time.Now}
	if _, f := v.chain([]*x509.Certificate{leaf.Cert}); f == nil || f.VerifyCode != codeUnspecified {
		t.Errorf("the verdict is %v", f)
	}
}
