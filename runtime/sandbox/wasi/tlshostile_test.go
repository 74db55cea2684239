package wasi

import (
	"crypto/tls"
	"encoding/json"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/faaspot/faaspot/test/certs"
)

// atHostileTLS is where a hostile guest has the texts that it passes to tls_call.
const atHostileTLS = 0x8000

// hostileMade are these texts: settings of clients and servers, certificates and keys, and others.
var hostileMade struct {
	made sync.Once
	list []string
}

// hostileTexts returns these texts, which are the same for all tests.
func hostileTexts(t certs.T) []string {
	hostileMade.made.Do(func() { hostileMade.list = makeHostileTexts(t) })
	return hostileMade.list
}

func makeHostileTexts(t certs.T) (list []string) {
	own := selfSigned(t)
	chain := certs.PEM(own)
	pair := map[string]any{"chain": chain, "key": own.KeyPEM(t)}
	for _, v := range []any{
		pair,
		map[string]any{"server_side": true, "certificate": pair, "alpn": []string{"a", "b"}},
		map[string]any{"server_side": false},
		map[string]any{"server_side": false, "server_hostname": "a.example", "check_hostname": true, "verify_mode": 2, "default_roots": true, "session": 3},
		map[string]any{"server_side": false, "server_hostname": "denied.example", "maximum_version": tls.VersionTLS12},
		map[string]any{"server_side": false, "roots": []string{"unknown"}},
		map[string]any{"unknown": 1},
	} {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, string(text))
	}
	return append(list, chain, string(own.Cert.Raw), "ECDHE+AESGCM:!RSA", "GET / HTTP/1.1\r\n\r\n")
}

// saneTLS makes a call of tls_call likely to do something.
func saneTLS(t *rapid.T, p []uint64) {
	texts := hostileTexts(t)
	i := rapid.IntRange(0, len(texts)-1).Draw(t, "text")
	p[0] = rapid.Uint64Range(0, 6).Draw(t, "handle")
	p[1] = rapid.SampledFrom([]uint64{
		tlsOpen, tlsOpen, tlsHandshake, tlsHandshake, tlsRead, tlsWrite, tlsShutdown, tlsFeed, tlsFeed, tlsDrain, tlsDrain,
		tlsFeedEOF, tlsInfo, tlsPending, tlsError, tlsClose, tlsRoots, tlsDecode, tlsPair, tlsCiphers,
	}).Draw(t, "operation")
	p[2], p[3] = atHostileTLS+uint64(len(strings.Join(texts[:i], ""))), uint64(len(texts[i]))
	p[4], p[5] = 0x4000, rapid.SampledFrom([]uint64{0, 1, 1000, 0x4000}).Draw(t, "room")
	p[6] = rapid.SampledFrom([]uint64{0, 0, 1, 1 << 63}).Draw(t, "timeout")
	p[7] = 0x1000
	switch p[1] {
	case tlsOpen:
		p[0] = rapid.SampledFrom([]uint64{1<<32 - 1, 1<<32 - 1, 4, 11, 12}).Draw(t, "descriptor")
	case tlsFeed:
		if rapid.Bool().Draw(t, "what was drained") {
			p[2], p[3] = 0x4000, rapid.SampledFrom([]uint64{1, 5, 300, 0x4000}).Draw(t, "fed")
		}
	}
}

func hostileTLS(t testing.TB) (*rig, *State, []function) {
	r, state := hostileRig(t)
	var list []function
	for range 10 {
		list = append(list, functionNamed("tls_call"))
	}
	for _, name := range []string{"sock_pair", "sock_open", "sock_connect", "fd_close", "fd_dup", "sock_shutdown", "sock_recv_from"} {
		list = append(list, functionNamed(name))
	}
	return r, state, list
}

// TestHostileTLS is TestHostile with calls of tls_call and of sockets alone.
func TestHostileTLS(t *testing.T) {
	r, state, list := hostileTLS(t)
	rapid.Check(t, func(t *rapid.T) { hostile(t, r, state, list) })
}

func FuzzHostileTLS(f *testing.F) {
	r, state, list := hostileTLS(f)
	f.Fuzz(rapid.MakeFuzz(func(t *rapid.T) { hostile(t, r, state, list) }))
}
