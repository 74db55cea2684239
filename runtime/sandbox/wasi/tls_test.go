package wasi

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/faaspot/faaspot/runtime/sandbox/tlsengine"
	"github.com/faaspot/faaspot/test/certs"
)

// tlsServer is a server whose certificate is its own authority.
type tlsServer struct {
	at   netip.AddrPort
	root string // PEM
}

// tlsAnswer is how a server treats a connection after its handshake.
type tlsAnswer func(c *tls.Conn)

// echoBlocks answers blocks of n bytes.
func echoBlocks(n int) tlsAnswer {
	return func(c *tls.Conn) {
		for b := make([]byte, n); ; {
			if _, err := io.ReadFull(c, b); err != nil {
				return
			}
			if _, err := c.Write(b); err != nil {
				return
			}
		}
	}
}

// selfSigned returns a certificate for a.example that is its own authority.
func selfSigned(t certs.T) *certs.Pair {
	t.Helper()
	return certs.Issue(t, nil, certs.Leaf("a.example", "a.example"), func(c *x509.Certificate) {
		c.IsCA, c.KeyUsage, c.ExtKeyUsage = true, x509.KeyUsageCertSign|x509.KeyUsageDigitalSignature, nil
	})
}

func newTLSServer(t testing.TB, config *tls.Config, answer tlsAnswer) tlsServer {
	t.Helper()
	own := selfSigned(t)
	config = config.Clone()
	config.Certificates = []tls.Certificate{own.TLS()}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				s := tls.Server(c, config)
				if s.Handshake() == nil {
					answer(s)
					s.Close()
				}
			}()
		}
	}()
	return tlsServer{l.Addr().(*net.TCPAddr).AddrPort(), certs.PEM(own)}
}

// atOut is where the rig lets tls_call write.
const atOut = 0x100000

// tls calls tls_call, and returns what it has written.
func (r *rig) tls(handle int32, op uint64, in string, room int, timeout int64) (tlsResult, string, errno) {
	at, n := r.put(atBuffer, in)
	err := r.call("tls_call", uint64(uint32(handle)), op, at, n, atOut, uint64(room), uint64(timeout), atResult)
	status, _ := r.mem.ReadUint32Le(atResult)
	count, _ := r.mem.ReadUint32Le(atResult + 4)
	out, _ := r.mem.Read(atOut, uint32(min(room, int(count))))
	return tlsResult{tlsengine.Status(status), count}, string(out), err
}

// tlsMust calls tls_call, which must succeed, and returns n and what it has written.
func (r *rig) tlsMust(handle int32, op uint64, in string, room int, timeout int64) (int, string) {
	r.t.Helper()
	got, out, err := r.tls(handle, op, in, room, timeout)
	if err != success || got.status&^tlsOutput != tlsengine.OK {
		r.t.Fatalf("operation %d: errno %d, status %d: %s", op, err, got.status, r.tlsText(handle))
	}
	return int(got.n), out
}

func (r *rig) tlsText(handle int32) string {
	_, text, _ := r.tls(handle, tlsError, "", 5000, 0)
	return text
}

// tlsOpen opens an engine that trusts a server, for a socket or in memory.
func (r *rig) tlsOpen(fd int32, s tlsServer, more map[string]any) int32 {
	r.t.Helper()
	_, text := r.tlsMust(0, tlsRoots, s.root, 1000, 0)
	var roots rootsResult
	if err := json.Unmarshal([]byte(text), &roots); err != nil || roots.Certificates != 1 {
		r.t.Fatalf("roots: %s, %v", text, err)
	}
	settings := map[string]any{
		"server_side": false, "server_hostname": "a.example", "check_hostname": true, "verify_mode": 2, "verify_flags": 0x80000,
		"roots": []string{roots.Sum},
	}
	for name, value := range more {
		settings[name] = value
	}
	in, err := json.Marshal(settings)
	if err != nil {
		r.t.Fatal(err)
	}
	handle, _ := r.tlsMust(fd, tlsOpen, string(in), 0, 0)
	return int32(handle)
}

// tlsConnect returns a socket that is connected to a server.
func (r *rig) tlsConnect(s tlsServer) int32 {
	r.t.Helper()
	fd := r.socket(sockStream, s.at)
	r.must("connect", r.connect(fd, s.at))
	return int32(fd)
}

// tlsUntil repeats an operation that does not wait until it wants nothing.
func (r *rig) tlsUntil(fd, handle int32, op uint64, in string, room int) (int, string) {
	r.t.Helper()
	for {
		got, out, err := r.tls(handle, op, in, room, 0)
		if err != success {
			r.t.Fatalf("operation %d: errno %d", op, err)
		}
		switch got.status {
		case tlsengine.WantRead:
			r.waits(uint64(fd), eventFdRead)
		case tlsengine.WantWrite:
			r.waits(uint64(fd), eventFdWrite)
		case tlsengine.OK:
			return int(got.n), out
		default:
			r.t.Fatalf("operation %d: status %d: %s", op, got.status, r.tlsText(handle))
		}
	}
}

func TestTLSOverASocket(t *testing.T) {
	const block = 700_000
	data := make([]byte, block)
	rand.Read(data)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, waiting := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, waits: %t", tls.VersionName(version), waiting), func(t *testing.T) {
				s := newTLSServer(t, &tls.Config{MinVersion: version, MaxVersion: version}, echoBlocks(block))
				r, n := newNetRig(t)
				fd := r.tlsConnect(s)
				h := r.tlsOpen(fd, s, nil)
				do := func(op uint64, in string, room int) (int, string) {
					if waiting {
						return r.tlsMust(h, op, in, room, -1)
					}
					return r.tlsUntil(fd, h, op, in, room)
				}
				do(tlsHandshake, "", 0)
				for sent := 0; sent < block; {
					k, _ := do(tlsWrite, string(data[sent:]), 0)
					if sent += k; waiting && sent != block {
						t.Errorf("a write that waits has written %d bytes", k)
					}
				}
				var got []byte
				for i := 0; len(got) < block; i++ {
					_, text := do(tlsRead, "", []int{1, 100, 8192, 1 << 16}[i%4])
					got = append(got, text...)
				}
				if !bytes.Equal(got, data) {
					t.Error("the echo differs")
				}
				if k, _ := do(tlsPending, "", 0); k != 0 {
					t.Errorf("%d bytes are pending", k)
				}
				if _, text := do(tlsInfo, "", 1<<16); !strings.Contains(text, `"version":"TLSv1.`) {
					t.Errorf("info: %s", text)
				}
				if n.sent < block || n.received < block || n.sent > block+10_000 {
					t.Errorf("counted %d and %d bytes", n.sent, n.received)
				}
				do(tlsShutdown, "", 0)
				do(tlsClose, "", 0)
				if _, _, err := r.tls(h, tlsRead, "", 10, 0); err != eBADF {
					t.Errorf("after close: errno %d", err)
				}
				if got, want := r.control.charged, r.sys.tls.sessions.Size()+r.sys.grown; got != want || want == r.sys.grown {
					t.Errorf("%d bytes are still charged: %d of them for a session, and %d for the buffers of the socket", got, want-r.sys.grown, r.sys.grown)
				}
				if r.sys.Disconnect(); r.control.charged != 0 {
					t.Errorf("%d bytes are charged without connections", r.control.charged)
				}
			})
		}
	}
}
