package sandbox

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/faaspot/faaspot/test/certs"
)

// authority issues certificates for the servers and clients of a test.
type authority struct {
	pair *certs.Pair
	text string // the certificate, in PEM
}

// ours notes in a certificate that it is of the tests.
func ours(c *x509.Certificate) { c.Subject.Organization = []string{"faaspot tests"} }

func newAuthority(t testing.TB, name string) *authority {
	t.Helper()
	pair := certs.Issue(t, nil, certs.Root(name), ours)
	return &authority{pair, certs.PEM(pair)}
}

// issue returns a certificate with its key, in PEM. names are the names or addresses that it is valid for.
func (a *authority) issue(t testing.TB, change func(*x509.Certificate), names ...string) (chain, key string) {
	t.Helper()
	pair := certs.Issue(t, a.pair, certs.Leaf(names[0], names...), ours, change)
	return certs.PEM(pair), pair.KeyPEM(t)
}

// settings returns the settings of a server with a certificate for these names.
func (a *authority) settings(t testing.TB, change func(*x509.Certificate), names ...string) *tls.Config {
	t.Helper()
	chain, key := a.issue(t, change, names...)
	pair, err := tls.X509KeyPair([]byte(chain), []byte(key))
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
}

// encrypted returns a handler of connections with TLS.
func encrypted(settings *tls.Config, handle func(c *tls.Conn)) func(c net.Conn) {
	return func(c net.Conn) {
		s := tls.Server(c, settings)
		if s.Handshake() != nil {
			return
		}
		handle(s)
		_ = s.Close()
	}
}

// presented sends a line about the connection, and then what it receives.
func presented(c *tls.Conn) {
	state := c.ConnectionState()
	peer := "nobody"
	if len(state.PeerCertificates) > 0 {
		peer = state.PeerCertificates[0].Subject.CommonName
	}
	fmt.Fprintf(c, "%s %s %q %s\n", tls.VersionName(state.Version), peer, state.NegotiatedProtocol, state.ServerName)
	_, _ = io.Copy(c, c)
}

// upgraded is the server of a protocol of lines that begins TLS after a line, which it answers.
func upgraded(settings *tls.Config, greeting, command, reply string, replies map[string]string) func(c net.Conn) {
	return func(c net.Conn) {
		fmt.Fprint(c, greeting)
		for lines := bufio.NewReader(c); ; {
			line, err := lines.ReadString('\n')
			if err != nil {
				return
			}
			if strings.HasPrefix(line, command) {
				break
			}
			fmt.Fprint(c, "250-test\r\n250 STARTTLS\r\n")
		}
		fmt.Fprint(c, reply)
		s := tls.Server(c, settings)
		if s.Handshake() == nil {
			script("", replies)(s)
		}
	}
}

// tunnel is a proxy with TLS, to the address that its first line names.
func tunnel(c *tls.Conn) {
	lines := bufio.NewReader(c)
	line, err := lines.ReadString('\n')
	if err != nil {
		return
	}
	to, err := net.Dial("tcp", strings.TrimSpace(line))
	if err != nil {
		return
	}
	defer to.Close()
	fmt.Fprint(c, "ok\n")
	go func() {
		_, _ = io.Copy(to, lines)
		to.Close()
	}()
	_, _ = io.Copy(c, to)
}

// tlsServers are servers with TLS, and the certificates that their clients need, by the names that
// programs know them by.
func tlsServers(t testing.TB) map[string]any {
	t.Helper()
	names := servers(t)
	ca, other := newAuthority(t, "the authority"), newAuthority(t, "another authority")
	settings := ca.settings(t, nil, "localhost", "127.0.0.1", "*.faas.test", "*.test")
	web := httptest.NewUnstartedServer(handlers())
	web.TLS = settings.Clone()
	web.StartTLS()
	t.Cleanup(web.Close)
	pool := x509.NewCertPool()
	pool.AddCert(ca.pair.Cert)
	mutual := settings.Clone()
	mutual.ClientAuth, mutual.ClientCAs = tls.RequireAndVerifyClientCert, pool
	old := mutual.Clone()
	old.MaxVersion = tls.VersionTLS12
	protocols := settings.Clone()
	protocols.NextProtos = []string{"h2", "http/1.1"}
	expired := func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }
	smtp := map[string]string{"EHLO": "250-test\r\n250 8BITMIME\r\n", "MAIL": "250 ok\r\n", "RCPT": "250 ok\r\n", "DATA": "354 go on\r\n...250 queued\r\n", "QUIT": "221 bye\r\n"}
	imap := script("* OK ready\r\n", map[string]string{"tag CAPABILITY": "* CAPABILITY IMAP4rev1\r\nTAG OK done\r\n", "tag LOGIN": "TAG OK in\r\n", "tag LOGOUT": "* BYE\r\nTAG OK done\r\n"})
	for name, handle := range map[string]func(c net.Conn){
		"tls":      encrypted(settings, presented),
		"tls12":    encrypted(&tls.Config{Certificates: settings.Certificates, MaxVersion: tls.VersionTLS12}, presented),
		"mutual":   encrypted(mutual, presented),
		"mutual12": encrypted(old, presented),
		"alpn":     encrypted(protocols, presented),
		"expired":  encrypted(ca.settings(t, expired, "localhost"), presented),
		"wrong":    encrypted(ca.settings(t, nil, "www.example.org"), presented),
		"tunnel":   encrypted(settings, tunnel),
		"imaps":    encrypted(settings, func(c *tls.Conn) { imap(c) }),
		"starttls": upgraded(settings, "220 test ESMTP\r\n", "STARTTLS", "220 go on\r\n", smtp),
		"quiet":    encrypted(settings, func(c *tls.Conn) { _, _ = io.Copy(io.Discard, c) }),
		"closes":   func(c net.Conn) { _, _ = c.Read(make([]byte, 4096)) },
		"ragged": func(c net.Conn) {
			s := tls.Server(c, settings)
			fmt.Fprint(s, "cut off")
			c.Close()
		},
		"after": encrypted(settings, func(c *tls.Conn) {
			_, _ = c.Read(make([]byte, 100))
			_ = c.CloseWrite()
			_, _ = c.Read(make([]byte, 100)) // the end that the client sends
			_ = c.NetConn().SetWriteDeadline(time.Time{})
			fmt.Fprint(c.NetConn(), "in the clear")
			_, _ = io.Copy(io.Discard, c.NetConn())
		}),
	} {
		names[name] = serve(t, "127.0.0.1", handle)
	}
	names["https"] = web.Listener.Addr().(*net.TCPAddr).Port
	names["ca"], names["other"] = ca.text, other.text
	_, names["otherkey"] = ca.issue(t, nil, "other.test")
	names["chain"], names["key"] = ca.issue(t, nil, "client.test", "localhost")
	return names
}
