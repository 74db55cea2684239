package tlsengine

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	goruntime "runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/faaspot/faaspot/test/certs"
)

func heap() int64 {
	var m goruntime.MemStats
	goruntime.GC()
	goruntime.GC()
	goruntime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// dense returns a certificate with one extension of many small parts, of 50,000 bytes.
func dense(t *testing.T, by *authority, id asn1.ObjectIdentifier, part []byte) *authority {
	t.Helper()
	value, err := asn1.Marshal(asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: bytes.Repeat(part, 50_000/len(part))})
	if err != nil {
		t.Fatal(err)
	}
	return certs.Issue(t, by, func(c *x509.Certificate) {
		c.Subject, c.KeyUsage = pkix.Name{CommonName: "dense"}, x509.KeyUsageDigitalSignature
		c.ExtraExtensions = []pkix.Extension{{Id: id, Value: value}}
	})
}

// TestCertificateSize compares what certificates of many small parts are charged with what they take.
func TestCertificateSize(t *testing.T) {
	for _, test := range []struct {
		name string
		id   asn1.ObjectIdentifier
		part []byte
	}{
		{"URIs", oidSubjectAltName, []byte{0x86, 0}},
		{"names", oidSubjectAltName, []byte{0x82, 0}},
		{"addresses", oidSubjectAltName, []byte{0x87, 4, 1, 2, 3, 4}},
		{"usages", asn1.ObjectIdentifier{2, 5, 29, 37}, []byte{6, 1, 42}},
		{"OCSP", oidAccess, []byte{0x30, 0xc, 6, 8, 0x2b, 6, 1, 5, 5, 7, 48, 1, 0x86, 0}},
	} {
		raw := dense(t, nil, test.id, test.part).Cert.Raw
		before := heap()
		c, err := x509.ParseCertificate(bytes.Clone(raw))
		if err != nil {
			t.Fatal(err)
		}
		took := heap() - before
		goruntime.KeepAlive(raw)
		if charged := certificateSize(c); charged < took || took < int64(len(raw)) {
			t.Errorf("%s: %d bytes are charged, and %d are taken", test.name, charged, took)
		}
	}
}

// greet performs the handshake of two engines whose messages are longer than their buffers, and leaves
// what the server has written afterwards.
func greet(t *testing.T, client, server *Engine) {
	t.Helper()
	for range 100 {
		if client.Handshake() == OK {
			carry(client, server, MaxInput)
			if server.Handshake() == OK {
				return
			}
		}
		carry(client, server, MaxInput)
		server.Handshake()
		carry(server, client, MaxInput)
	}
	t.Fatal(client.Failure(), server.Failure())
}

// TestDenseCertificates lets a peer send certificates that take much memory.
func TestDenseCertificates(t *testing.T) {
	leaf := dense(t, nil, oidSubjectAltName, []byte{0x86, 0})
	o, _ := rooted(t, leaf)
	client := newEngine(t, Settings{}, o)
	server := newEngine(t, Settings{ServerSide: true, Certificate: &Certificate{Chain: certs.PEM(leaf, leaf, leaf), Key: leaf.KeyPEM(t)}}, Options{})
	greet(t, client, server)
	client.Read(make([]byte, 1)) // tickets
	const one = 25_000 * 150
	for name, size := range map[string]int64{"client": client.Size(), "session": o.Sessions.Size()} {
		if size < 3*one {
			t.Errorf("the %s is charged %d bytes", name, size)
		}
	}
	if size := server.Size(); size < one {
		t.Errorf("the server is charged %d bytes", size)
	}
	large := certs.Issue(t, nil, func(c *x509.Certificate) {
		c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3}, Value: make([]byte, maxCertificate)}}
	})
	text := certs.PEM(leaf, large)
	if _, err := Pair(&Certificate{Chain: text, Key: leaf.KeyPEM(t)}); err == nil {
		t.Error("a certificate that is too large is sent")
	}
}

// TestLargeTicket lets a server send a ticket of 60,000 bytes, and then no more than a part of one.
func TestLargeTicket(t *testing.T) {
	leaf := certs.Issue(t, nil, asServer("a.example"))
	o, _ := rooted(t, leaf)
	for _, whole := range []bool{true, false} {
		o.Sessions.Clear()
		client := newEngine(t, Settings{}, o)
		server := newEngine(t, Settings{ServerSide: true, Certificate: &Certificate{Chain: certs.PEM(leaf), Key: leaf.KeyPEM(t)}}, Options{})
		server.config.tls.WrapSession = func(tls.ConnectionState, *tls.SessionState) ([]byte, error) { return make([]byte, 60_000), nil }
		client.Handshake()
		carry(client, server, MaxInput)
		server.Handshake()
		output := bytes.Clone(server.Output()) // the ticket is the last message
		server.Sent(len(output))
		for client.Handshake() != OK {
			output = output[client.Feed(output[:200]):]
		}
		before := client.Size() - int64(len(client.buffer))
		if !whole {
			output = output[:len(output)-100]
		}
		for len(output) > 0 {
			output = output[client.Feed(output):]
			if _, s := client.Read(make([]byte, 1)); s != WantRead {
				t.Fatal(s, client.Failure())
			}
		}
		if n := o.Sessions.Size(); whole && n < 60_000 {
			t.Errorf("a session with a large ticket is charged %d bytes", n)
		}
		if more := client.Size() - before; more < 100_000 {
			t.Errorf("a message is charged %d bytes", more)
		}
		if !whole {
			continue
		}
		carry(client, server, MaxInput)
		sendAll(t, server, client, make([]byte, 100_000))
		if more := client.Size() - before; more < 100_000 || more > 2*maxMessage {
			t.Errorf("%d bytes are charged after a long message and plaintext", more)
		}
	}
}

func TestProtocolsAreCharged(t *testing.T) {
	list := slices.Repeat([]string{strings.Repeat("a", 255)}, maxProtocols)
	if more := newEngine(t, Settings{ALPN: list}, Options{}).Size() - newEngine(t, Settings{}, Options{}).Size(); more < 255*maxProtocols {
		t.Errorf("%d bytes are charged", more)
	}
}

// TestRootsCountOnce names the same roots many times.
func TestRootsCountOnce(t *testing.T) {
	root := certs.Issue(t, nil, certs.Root("root"))
	o, sums := rooted(t, root)
	s := Settings{Roots: strings.Split(strings.Repeat(sums[0]+" ", maxRootSets-1)+sums[0], " ")}
	v, err := newVerifier(&s, o)
	if err != nil {
		t.Fatal(err)
	}
	if f := v.load(); f != nil || len(v.roots) != 1 {
		t.Errorf("%d sets are searched, %v", len(v.roots), f)
	}
}

func TestLongCipherString(t *testing.T) {
	if _, err := Ciphers(strings.Repeat("ALL:", maxCiphers/4)); err != nil {
		t.Error(err)
	}
	if _, err := Ciphers(strings.Repeat("ALL:", maxCiphers/4) + "A"); err == nil {
		t.Error("a cipher string that is too long is parsed")
	}
}

func TestLargeKey(t *testing.T) {
	for bits, want := range map[int]bool{4096: true, maxRSABits + 64: false} {
		key, err := rsa.GenerateMultiPrimeKey(rand.Reader, 7, bits) //nolint:staticcheck // fast
		if err != nil {
			t.Fatal(err)
		}
		a := certs.IssueFor(t, nil, key, asServer("a.example"))
		if _, err := Pair(&Certificate{Chain: certs.PEM(a), Key: a.KeyPEM(t)}); (err == nil) != want {
			t.Errorf("%d bits: %v", bits, err)
		}
	}
}

// TestManyNames compares many names with a host of many labels, which only names of as many are.
func TestManyNames(t *testing.T) {
	c := &x509.Certificate{DNSNames: slices.Repeat([]string{"1.x"}, 10_000)}
	v := &verifier{host: strings.Repeat("a.", 500) + "example"}
	if n := testing.AllocsPerRun(1, func() {
		if v.checkHost(c) == nil {
			t.Error("a name matches")
		}
	}); n > 100 {
		t.Errorf("%v allocations", n)
	}
}

// TestForgottenSessions opens more connections than sessions are kept: those of others are kept by
// nothing, and cannot be resumed.
func TestForgottenSessions(t *testing.T) {
	leaf := certs.Issue(t, nil, asServer("a.example"))
	o, _ := rooted(t, leaf)
	var first, late *Engine
	for i := range maxSessions + 1 {
		client := newEngine(t, Settings{}, o)
		server := newEngine(t, Settings{ServerSide: true, Certificate: &Certificate{Chain: certs.PEM(leaf), Key: leaf.KeyPEM(t)}}, Options{})
		if i == 0 {
			first = client
		}
		if i == maxSessions { // it offers the session that is forgotten meanwhile
			late = newEngine(t, Settings{Session: first.session.number}, o)
		}
		if c, s := meet(t, client, server, MaxInput); c != OK || s != OK {
			t.Fatal(client.Failure(), server.Failure())
		}
		client.Read(make([]byte, 1)) // the ticket
	}
	if o.Sessions.Len() != maxSessions || first.session == nil || first.session.state != nil {
		t.Errorf("%d sessions are kept, and the first as well", o.Sessions.Len())
	}
	if s := late.Handshake(); s != WantRead {
		t.Errorf("status %d", s)
	}
	last := o.Sessions.list[0]
	if o.Sessions.Clear(); o.Sessions.Len() != 0 || last.state != nil {
		t.Error("a session is kept")
	}
}

// TestLongChains verifies chains of as many certificates as may be, and of one more.
func TestLongChains(t *testing.T) {
	root := certs.Issue(t, nil, certs.Root("root"))
	o, sums := rooted(t, root)
	for n, code := range map[int]int{maxDepth: 0, maxDepth + 1: codeChainTooLong} {
		var chain []*x509.Certificate
		by := root
		for i := range n - 2 {
			by = certs.Issue(t, by, certs.Root(strconv.Itoa(i)))
			chain = append(chain, by.Cert)
		}
		chain = append(chain, certs.Issue(t, by, asServer("a.example")).Cert)
		slices.Reverse(chain)
		v, err := newVerifier(&Settings{VerifyMode: verifyRequired, Roots: sums}, o)
		if err != nil {
			t.Fatal(err)
		}
		v.load()
		verified, f := v.chain(chain)
		if code == 0 && (f != nil || len(verified) != n) || code != 0 && (f == nil || f.VerifyCode != code) {
			t.Errorf("%d certificates: %d, %v", n, len(verified), f)
		}
	}
}
