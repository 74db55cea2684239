package sandbox

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/faaspot/faaspot/runtime"
)

// TestTLSInImages: contexts that were made when the function was deployed work in every run, and connections that were
// made then are those of a peer that has reset them.
func TestTLSInImages(t *testing.T) {
	names := tlsServers(t)
	box := boxes["mapped"]
	p := deployed(t, box, fmt.Sprintf("args = {'ca': %q, 'chain': %q, 'key': %q}\n", names["ca"], names["chain"], names["key"])+tlsImports+`
context = trusting(args)
gone = identified(trusting(args), args)
os.rename("/tmp/key", "/tmp/elsewhere")
mine = trusting(args)
mine.load_cert_chain("/tmp/chain", "/tmp/elsewhere")
client, server = pair(args)
shake(client, server)
later, _ = pair(args)
os.remove("/tmp/key")
try: connected(args | {"tls": 80}, "tls")
except OSError as e: failure = str(e)
def attempt(call, *args):
    try: return call(*args)
    except Exception as e: return [type(e).__name__, str(e)]
def main(args, _):
    for trusted in context._roots.values():
        if args["forgotten"]: trusted.sha256 = "00" * 32 # as if the host had dropped it
    s = connected(args, "tls", context)
    return [s.recv(100).decode(), attempt(client.read), attempt(server.write, b"x"), attempt(server.do_handshake), client.version(), attempt(later.do_handshake),
            connected(args, "mutual", mine).recv(100).decode(), attempt(connected, args, "mutual", gone), failure.partition(":")[0]]
`, runtime.Limits{})
	const want = `["TLS 1.3 nobody \"\" localhost\n",["ConnectionResetError","[Errno 104] Connection reset by peer"],["BrokenPipeError","[Errno 32] Broken pipe"],` +
		`["ConnectionResetError","[Errno 104] Connection reset by peer"],null,["SSLWantReadError","The operation did not complete (read) (_ssl.c:1028)"],"TLS 1.3 client.test \"\" localhost\n",` +
		`["FileNotFoundError","[Errno 2] the certificate and the key that were loaded when the function was deployed cannot be read again: No such file or directory: keep them in the bundle, or call load_cert_chain in main"],"[Errno 101] Network is unreachable"]`
	for i := range 4 {
		names["forgotten"] = i%2 == 1
		outcome := runOn(t, box, p, names, &loopback{})
		if outcome.Failure != nil || string(outcome.Result) != want {
			t.Errorf("got  %s, want %s; %+v", outcome.Result, want, outcome.Failure)
		}
	}
}

// TestNoKeyInImages: an image has the paths of a private key, and no part of the key.
func TestNoKeyInImages(t *testing.T) {
	names := tlsServers(t)
	box, store := bundleBox(t, Options{})
	key, _ := names["key"].(string)
	chain, _ := names["chain"].(string)
	ca, _ := names["ca"].(string)
	p := deployedBundle(t, box, store, map[string]string{
		"main.py": tlsImports + `
context = ssl.create_default_context(cafile="/function/ca.pem")
context.load_cert_chain("/function/chain.pem", "/function/key.pem")
server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
server.load_cert_chain("/function/chain.pem", "/function/key.pem")
ends = pair({}, context, server)
shake(*ends)
def main(args, _):
    return connected(args, "mutual", context).recv(100).decode()
`, "ca.pem": ca, "chain.pem": chain, "key.pem": key,
	})
	secret := []byte(strings.Split(key, "\n")[1])
	for range 2 {
		outcome := runOn(t, box, p, map[string]any{"mutual": names["mutual"]}, &loopback{})
		if outcome.Failure != nil || string(outcome.Result) != `"TLS 1.3 client.test \"\" localhost\n"` {
			t.Fatalf("got %s, %+v", outcome.Result, outcome.Failure)
		}
	}
	settle(box)
	box.pool.mu.Lock()
	defer box.pool.mu.Unlock()
	slots := 0
	for s := range box.pool.idle.each() {
		if bytes.Contains(s.memory.data(), []byte("/function/key.pem")) { // not one with the base image alone
			slots++
		}
		if bytes.Contains(s.memory.data(), secret[:32]) || bytes.Contains(s.memory.data(), secret[len(secret)-24:]) {
			t.Error("the image has the private key")
		}
	}
	if slots == 0 {
		t.Error("there is no idle slot with the function")
	}
}
