package tlsengine

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/faaspot/faaspot/test/certs"
)

// outcome is how one end of a connection has ended.
type outcome struct {
	Kind    string `json:"kind"` // "", or the class of CPython's exception
	Library string `json:"library"`
	Reason  string `json:"reason"`
	Text    string `json:"text"`
}

func outcomeOf(e *Engine, s Status) outcome {
	switch s {
	case OK:
		return outcome{}
	case WantRead:
		return outcome{Kind: "SSLWantReadError"}
	case EOF:
		return outcome{Kind: "SSLEOFError", Library: "SSL", Reason: "UNEXPECTED_EOF_WHILE_READING", Text: "EOF occurred in violation of protocol"}
	case Closed:
		return outcome{Kind: "SSLZeroReturnError", Text: "TLS/SSL connection has been closed (EOF)"}
	}
	f := e.Failure()
	o := outcome{Kind: "SSLError", Library: f.Library, Text: f.Text}
	if f.Reason != nil {
		o.Reason = *f.Reason
	}
	if s == Unverified {
		o.Kind = "SSLCertVerificationError"
	}
	return o
}

// pythonContext makes contexts of settings, which are those of this package with the names of files,
// and the results of exceptions.
const pythonContext = `
import json, ssl, sys, os
def end(s):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if s["server"] else ssl.PROTOCOL_TLS_CLIENT)
    if not s["server"] and not s.get("check"):
        c.check_hostname = False
    c.verify_mode = s.get("mode", 0)
    if s.get("ciphers"): c.set_ciphers(s["ciphers"])
    if s.get("minimum"): c.minimum_version = s["minimum"]
    if s.get("maximum"): c.maximum_version = s["maximum"]
    if s.get("cert"): c.load_cert_chain(s["cert"])
    if s.get("roots"): c.load_verify_locations(s["roots"])
    if s.get("alpn"): c.set_alpn_protocols(s["alpn"])
    i, o = ssl.MemoryBIO(), ssl.MemoryBIO()
    e = c.wrap_bio(i, o, server_side=s["server"], server_hostname=None if s["server"] else "a.example")
    return e, i, o
def result(x):
    text = x.args[1].split("] ", 1)[-1].split(" (_ssl.c")[0]
    return {"kind": type(x).__name__, "library": x.library or "", "reason": x.reason or "", "text": text}
good = {"kind": "", "library": "", "reason": "", "text": ""}
`

// pythonPeer performs one end of a connection over its standard input and output.
const pythonPeer = pythonContext + `
e, i, o = end(json.loads(sys.argv[1]))
def flush():
    b = o.read()
    if b: os.write(1, b)
def do(f, *args):
    while True:
        try:
            r = f(*args)
            flush()
            return r
        except ssl.SSLWantReadError:
            flush()
            b = os.read(0, 65536)
            if b: i.write(b)
            else: i.write_eof()
r = good
try:
    do(e.do_handshake)
    do(e.write, b"hello")
    do(e.read, 100)
except ssl.SSLError as x:
    flush()
    r = result(x)
os.write(2, json.dumps(r).encode())
`

// pythonPair performs both ends of a connection.
const pythonPair = pythonContext + `
ends = [end(s) for s in json.loads(sys.argv[1])]
results = [None, None]
steps = [[e.do_handshake, lambda e=e: e.write(b"hello"), lambda e=e: e.read(100)] for e, _, _ in ends]
while None in results:
    for n, (e, i, o) in enumerate(ends):
        try:
            while results[n] is None:
                steps[n][0]()
                steps[n].pop(0)
                if not steps[n]: results[n] = good
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as x:
            results[n] = result(x)
        other = ends[1 - n][1]
        if not other.eof:
            try: other.write(o.read())
            except ssl.SSLError: pass
            if results[n]: other.write_eof()
print(json.dumps(results))
`

// withPython connects an engine to a Python, both of which handshake, write and read once. It returns
// how both have ended.
func withPython(t *testing.T, e *Engine, settings map[string]any) (ours, theirs outcome) {
	t.Helper()
	text, err := json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(python(t), "-c", pythonPeer, string(text))
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var report strings.Builder
	c.Stderr = &report
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	drive := func(f func() Status) Status {
		for {
			s := f()
			if n, err := in.Write(e.Output()); err == nil {
				e.Sent(n)
			} else {
				e.Sent(len(e.Output()))
			}
			if s != WantRead {
				return s
			}
			n, err := out.Read(e.Room())
			if e.Received(n); err != nil {
				e.End()
			}
		}
	}
	status := drive(e.Handshake)
	if status == OK {
		status = drive(func() Status { _, s := e.Write([]byte("hello")); return s })
	}
	if status == OK {
		status = drive(func() Status { _, s := e.Read(make([]byte, 100)); return s })
	}
	in.Close()
	_ = c.Wait()
	if err := json.Unmarshal([]byte(report.String()), &theirs); err != nil {
		t.Fatalf("%v: %s", err, report.String())
	}
	return outcomeOf(e, status), theirs
}

// file writes a file of PEM.
func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.pem")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestWithCPython connects both ends to CPython and OpenSSL on this machine, and compares how this
// end ends with how CPython ends in its place.
func TestWithCPython(t *testing.T) {
	root, other := certs.Issue(t, nil, certs.Root("root")), certs.Issue(t, nil, certs.Root("other"))
	leaf := certs.Issue(t, root, asServer("a.example"))
	files := map[string]string{
		"leaf": file(t, leaf.KeyPEM(t)+certs.PEM(leaf)), "root": file(t, certs.PEM(root)), "other": file(t, certs.PEM(other)),
	}
	pair := &Certificate{Chain: certs.PEM(leaf), Key: leaf.KeyPEM(t)}
	o, sums := rooted(t, root)
	oOther, sumsOther := rooted(t, other)
	for name, test := range map[string]struct {
		client, server   map[string]any
		ours, oursServer Settings
		o, oServer       Options
	}{
		"good": {
			client: map[string]any{"check": true, "mode": 2, "roots": files["root"]}, server: map[string]any{"cert": files["leaf"]},
			ours: Settings{CheckHostname: true, VerifyMode: 2, Roots: sums}, o: o, oursServer: Settings{Certificate: pair},
		},
		"unknown authority": {
			client: map[string]any{"mode": 2, "roots": files["other"]}, server: map[string]any{"cert": files["leaf"]},
			ours: Settings{VerifyMode: 2, Roots: sumsOther}, o: oOther, oursServer: Settings{Certificate: pair},
		},
		"client certificate": {
			client: map[string]any{"cert": files["leaf"]}, server: map[string]any{"cert": files["leaf"], "mode": 2, "roots": files["root"]},
			ours: Settings{Certificate: pair}, oursServer: Settings{Certificate: pair, VerifyMode: 2, Roots: sums}, oServer: o,
		},
		"no client certificate, TLS 1.2": {
			client: map[string]any{"maximum": 0x303}, server: map[string]any{"cert": files["leaf"], "mode": 2, "roots": files["root"]},
			ours: Settings{MaximumVersion: 0x303}, oursServer: Settings{Certificate: pair, VerifyMode: 2, Roots: sums}, oServer: o,
		},
		"no client certificate, TLS 1.3": {
			client: map[string]any{"minimum": 0x304}, server: map[string]any{"cert": files["leaf"], "mode": 2, "roots": files["root"]},
			ours: Settings{MinimumVersion: 0x304}, oursServer: Settings{Certificate: pair, VerifyMode: 2, Roots: sums}, oServer: o,
		},
		"versions apart": {
			client: map[string]any{"minimum": 0x304}, server: map[string]any{"cert": files["leaf"], "maximum": 0x303},
			ours: Settings{MinimumVersion: 0x304}, oursServer: Settings{Certificate: pair, MaximumVersion: 0x303},
		},
		"versions apart, the other way": {
			client: map[string]any{"maximum": 0x303}, server: map[string]any{"cert": files["leaf"], "minimum": 0x304},
			ours: Settings{MaximumVersion: 0x303}, oursServer: Settings{Certificate: pair, MinimumVersion: 0x304},
		},
		"no shared cipher": {
			client: map[string]any{"maximum": 0x303, "ciphers": "ECDHE-ECDSA-AES128-GCM-SHA256"}, server: map[string]any{"cert": files["leaf"], "ciphers": "ECDHE-ECDSA-AES256-GCM-SHA384"},
			ours: Settings{MaximumVersion: 0x303, Ciphers: "ECDHE-ECDSA-AES128-GCM-SHA256"}, oursServer: Settings{Certificate: pair, Ciphers: "ECDHE-ECDSA-AES256-GCM-SHA384"},
		},
		"no shared protocol": {
			client: map[string]any{"alpn": []string{"h2"}}, server: map[string]any{"cert": files["leaf"], "alpn": []string{"http/1.1"}},
			ours: Settings{ALPN: []string{"h2"}}, oursServer: Settings{Certificate: pair, ALPN: []string{"http/1.1"}},
		},
		"a server without a certificate": {
			client: map[string]any{}, server: map[string]any{}, ours: Settings{}, oursServer: Settings{},
		},
	} {
		t.Run(name, func(t *testing.T) {
			test.client["server"], test.server["server"] = false, true
			test.ours.ServerHostname, test.oursServer.ServerSide = "a.example", true
			wantClient, wantServer := bothPython(t, test.client, test.server)
			client, withServer := withPython(t, newEngine(t, test.ours, test.o), test.server)
			server, withClient := withPython(t, newEngine(t, test.oursServer, test.oServer), test.client)
			if client != wantClient {
				t.Errorf("the client:\n%+v, CPython's:\n%+v", client, wantClient)
			}
			if server != wantServer {
				t.Errorf("the server:\n%+v, CPython's:\n%+v", server, wantServer)
			}
			if withServer.Kind != wantServer.Kind || withClient.Kind != wantClient.Kind {
				t.Errorf("CPython as the server: %+v, want %+v; as the client: %+v, want %+v", withServer, wantServer, withClient, wantClient)
			}
		})
	}
}

// bothPython connects two ends of a Python.
func bothPython(t *testing.T, client, server map[string]any) (c, s outcome) {
	t.Helper()
	text, err := json.Marshal([]any{client, server})
	if err != nil {
		t.Fatal(err)
	}
	var results [2]outcome
	if err := json.Unmarshal([]byte(run(t, pythonPair, string(text))), &results); err != nil {
		t.Fatal(err)
	}
	return results[0], results[1]
}

// TestFirstBytes compares what comes of first bytes that are no TLS.
func TestFirstBytes(t *testing.T) {
	leaf := certs.Issue(t, nil, asServer("a.example"))
	texts := []string{
		"HTTP/1.1 400 Bad Request\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "CONNECT a:1 HTTP/1.1\r\n\r\n", "SSH-2.0-OpenSSH_9.2\r\n", "220 smtp ready\r\n",
		"\x15\x03\x03\x00\x02\x02\x28", "\x15\x03\x01\x00\x02\x02\x46", "\x15\x03\x03\x00\x02\x02\x30", "\x15\x03\x03\x00\x02\x01\x00", "", "\x16", "\x16\x03\x03",
	}
	for _, server := range []bool{false, true} {
		args := []string{fmt.Sprint(server), file(t, leaf.KeyPEM(t)+certs.PEM(leaf))}
		args = append(args, texts...)
		for i := range args[2:] {
			args[2+i] = fmt.Sprintf("%x", args[2+i])
		}
		out := run(t, `
import json, ssl, sys
server = sys.argv[1] == "true"
for text in sys.argv[3:]:
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    if server: c.load_cert_chain(sys.argv[2])
    i = ssl.MemoryBIO(); i.write(bytes.fromhex(text)); i.write_eof()
    e = c.wrap_bio(i, ssl.MemoryBIO(), server_side=server, server_hostname=None if server else "a.example")
    try:
        e.do_handshake()
    except ssl.SSLError as x:
        print(json.dumps({"kind": type(x).__name__, "library": x.library or "", "reason": x.reason or "", "text": x.args[1].split("] ", 1)[-1].split(" (_ssl.c")[0]}))
`, args...)
		for i, line := range strings.Split(strings.TrimSpace(out), "\n") {
			var want outcome
			if err := json.Unmarshal([]byte(line), &want); err != nil {
				t.Fatal(err)
			}
			s := Settings{ServerSide: server}
			if server {
				s.Certificate = &Certificate{Chain: certs.PEM(leaf), Key: leaf.KeyPEM(t)}
			} else {
				s.ServerHostname = "a.example"
			}
			e := newEngine(t, s, Options{})
			e.Handshake()
			e.Feed([]byte(texts[i]))
			e.End()
			if got := outcomeOf(e, e.Handshake()); got != want {
				t.Errorf("server: %t, %q:\n%+v, CPython:\n%+v", server, texts[i], got, want)
			}
		}
	}
}
