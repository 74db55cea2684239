package tlsengine

import (
	"crypto/x509"
	"slices"
	"testing"

	"github.com/faaspot/faaspot/test/certs"
)

// authority is a certificate with its key, which can sign others.
type authority = certs.Pair

func asServer(names ...string) func(*x509.Certificate) { return certs.Leaf("server", names...) }

// rooted returns options with these roots, and their sum.
func rooted(t testing.TB, list ...*authority) (Options, []string) {
	t.Helper()
	r, err := ParseRoots([]byte(certs.PEM(list...)), nil)
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
