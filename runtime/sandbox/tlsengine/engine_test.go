package tlsengine

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"testing"

	"github.com/faaspot/faaspot/test/certs"
)

// connected returns two engines of one version before their handshake.
func connected(t testing.TB, version int) (client, server *Engine) {
	t.Helper()
	root := certs.Issue(t, nil, certs.Root("root"))
	leaf := certs.Issue(t, root, asServer("a.example"))
	o, sums := rooted(t, root)
	client = newEngine(t, Settings{
		ServerHostname: "a.example", CheckHostname: true, VerifyMode: verifyRequired, VerifyFlags: verifyStrict | verifyPartialChain, Roots: sums,
		ALPN: []string{"h2", "http/1.1"}, MinimumVersion: version, MaximumVersion: version,
	}, o)
	server = newEngine(t, Settings{ServerSide: true, Certificate: &Certificate{Chain: certs.PEM(leaf), Key: leaf.KeyPEM(t)}, ALPN: []string{"http/1.1"}}, Options{})
	return client, server
}

func TestEnginesTalk(t *testing.T) {
	for _, version := range []int{0x303, 0x304} {
		for _, n := range []int{1, 7, 1000, MaxInput} {
			t.Run(fmt.Sprintf("%x, %d bytes at a time", version, n), func(t *testing.T) {
				client, server := connected(t, version)
				if c, s := meet(t, client, server, n); c != OK || s != OK {
					t.Fatalf("client %d %v, server %d %v", c, client.Failure(), s, server.Failure())
				}
				info := client.Info()
				if info.Version != map[int]string{0x303: "TLSv1.2", 0x304: "TLSv1.3"}[version] || info.ALPN == nil || *info.ALPN != "http/1.1" ||
					len(info.Chain) != 1 || len(info.Verified) != 2 || info.Cipher == nil {
					t.Errorf("%+v", info)
				}
				data := make([]byte, 300_000)
				rand.Read(data)
				if got := sendAll(t, client, server, data); !bytes.Equal(got, data) {
					t.Error("the server has read something else")
				}
				if got := sendAll(t, server, client, data); !bytes.Equal(got, data) {
					t.Error("the client has read something else")
				}
				if s := client.Shutdown(); s != WantRead {
					t.Fatalf("shutdown: %d", s)
				}
				carry(client, server, MaxInput)
				if _, s := server.Read(make([]byte, 1)); s != Closed {
					t.Fatalf("read after close_notify: %d", s)
				}
				if s := server.Shutdown(); s != OK {
					t.Fatalf("shutdown of the server: %d", s)
				}
				carry(server, client, MaxInput)
				if s := client.Shutdown(); s != OK {
					t.Fatalf("second shutdown: %d", s)
				}
			})
		}
	}
}
