package worker

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/egress"
	"github.com/faaspot/faaspot/runtime/memory"
	"github.com/faaspot/faaspot/runtime/sandbox"
)

// clients are what programs do with the network. Each is the body of a function whose result is compared
// with that of a sandbox in the process of the test.
var clients = []struct{ name, body string }{
	{"connect", `
with socket.create_connection(("localhost", args["echo"])) as s:
    s.sendall(b"hello")
    return [s.recv(10).decode(), s.getpeername(), s.getsockname()[0], s.gettimeout()]`},
	{"time-out", `
s = socket.create_connection(("127.0.0.1", args["silent"]), timeout=5)
s.settimeout(0.05)
try: s.recv(1)
except TimeoutError as e: return str(e)`},
	{"not blocking", `
s = socket.socket()
s.setblocking(False)
first = s.connect_ex(("127.0.0.1", args["echo"]))
select.select([], [s], [])
s.send(b"x")
select.select([s], [], [])
return [first in (0, errno.EINPROGRESS), s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), s.recv(2).decode()]`},
	{"many", `
async def one(i):
    reader, writer = await asyncio.open_connection("127.0.0.1", args["echo"])
    writer.write(b"%d\n" % i)
    line = await reader.readline()
    writer.close()
    return int(line)
async def all(): return await asyncio.gather(*[one(i) for i in range(40)])
return asyncio.run(all())`},
	{"parked", `
s = socket.create_connection(("127.0.0.1", args["echo"]))
time.sleep(0.1)
s.send(b"still here")
return s.recv(20).decode()`},
	{"HTTP", `
url = "http://127.0.0.1:%d/" % args["web"]
large = urllib.request.urlopen(url + "large").read()
sent = urllib.request.urlopen(url + "count", b"y" * 3_000_000).read()
return [len(large), large.count(b"x"), sent.decode()]`},
	{"HTTPS", `
c = ssl.create_default_context(cadata=args["ca"])
large = urllib.request.urlopen("https://127.0.0.1:%d/large" % args["https"], context=c).read()
return [len(large), large.count(b"x")]`},
	{"TLS, not verified", `
s = socket.create_connection(("127.0.0.1", args["https"]))
return ssl.create_default_context().wrap_socket(s, server_hostname="127.0.0.1")`},
	{"TLS, another server", `
s = socket.create_connection(("localhost", args["https"]))
return ssl.create_default_context(cadata=args["ca"]).wrap_socket(s, server_hostname="other.example")`},
	{"UDP", `
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.sendto(b"one", ("127.0.0.1", args["udp"]))
first = s.recvfrom(10)
s.connect(("127.0.0.1", args["udp"]))
s.send(b"two")
return [first[0].decode(), first[1][0], s.recv(10).decode()]`},
	{"pair", `
a, b = socket.socketpair()
a.send(b"x")
return b.recv(1).decode()`},
	{"look-up", `return sorted({a[4][0] for a in socket.getaddrinfo("localhost", 80, socket.AF_INET)})`},
	{"look-up, asyncio", `
async def look(): return await asyncio.get_running_loop().getaddrinfo("localhost", 80, family=socket.AF_INET, type=socket.SOCK_STREAM)
return asyncio.run(look())[0][4]`},
	{"look-up, not allowed", `socket.getaddrinfo("other.example", 80)`},
	{"refused", `socket.create_connection(("127.0.0.1", args["closed"]))`},
	{"refused, asyncio", `asyncio.run(asyncio.open_connection("127.0.0.1", args["closed"]))`},
	{"reset", `
s = socket.create_connection(("127.0.0.1", args["reset"]))
s.send(b"xy")
while s.recv(1): pass`},
	{"not allowed", `socket.create_connection(("127.0.0.1", 1))`},
	{"not allowed, asyncio", `asyncio.run(asyncio.open_connection("127.0.0.1", 1))`},
	{"not allowed, UDP", `socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", 1))`},
	{"banned", `socket.create_connection(("10.0.0.1", 80))`},
	{"left open", `
global kept
kept = [socket.create_connection(("127.0.0.1", args["echo"])) for _ in range(5)]
return len(kept)`},
}

// clientProgram is a program that runs one client, by its number.
func clientProgram() string {
	var b strings.Builder
	b.WriteString("import asyncio, errno, select, socket, ssl, time, urllib.request\n")
	for i, c := range clients {
		fmt.Fprintf(&b, "def client%d(args):\n    %s\n", i, strings.ReplaceAll(strings.TrimSpace(c.body), "\n", "\n    "))
	}
	b.WriteString(`
def main(args, context):
    try: return ["returned", globals()["client%d" % args["client"]](args)]
    except Exception as e: return [type(e).__name__, errno.errorcode.get(getattr(e, "errno", None)), str(e)]
`)
	return b.String()
}

// clientServers starts servers, and returns what programs know of them, and rules that allow them.
func clientServers(t testing.TB) (args map[string]any, allow []string) {
	t.Helper()
	large := bytes.Repeat([]byte("x"), 5_000_000)
	mux := http.NewServeMux()
	mux.HandleFunc("/large", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(large) })
	mux.HandleFunc("/count", func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, n)
	})
	web, https := httptest.NewServer(mux), httptest.NewTLSServer(mux)
	https.Config.ErrorLog = slog.NewLogLogger(quiet.Handler(), slog.LevelDebug)
	t.Cleanup(web.Close)
	t.Cleanup(https.Close)
	udp, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { udp.Close() })
	go func() {
		b := make([]byte, 1500)
		for {
			n, from, err := udp.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			_, _ = udp.WriteToUDPAddrPort(b[:n], from)
		}
	}()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	args = map[string]any{
		"echo":   int(listen(t, echo).Port()),
		"silent": int(listen(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }).Port()),
		"reset": int(listen(t, func(c net.Conn) {
			_, _ = c.Read(make([]byte, 1))
			_ = c.(*net.TCPConn).SetLinger(0)
		}).Port()),
		"web": web.Listener.Addr().(*net.TCPAddr).Port, "https": https.Listener.Addr().(*net.TCPAddr).Port,
		"closed": closed.Addr().(*net.TCPAddr).Port, "udp": udp.LocalAddr().(*net.UDPAddr).Port,
		"ca": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: https.Certificate().Raw})),
	}
	for name, port := range args {
		switch name {
		case "ca":
		case "udp":
			allow = append(allow, fmt.Sprintf("udp:127.0.0.1:%d", port))
		case "web", "closed", "silent", "reset":
			allow = append(allow, fmt.Sprintf("127.0.0.1:%d", port))
		case "https":
			allow = append(allow, fmt.Sprintf("localhost:%d", port), fmt.Sprintf("127.0.0.1:%d", port))
		default:
			allow = append(allow, fmt.Sprintf("localhost:%d", port), fmt.Sprintf("127.0.0.1:%d", port))
		}
	}
	return args, append(allow, "10.0.0.1:80")
}

// TestClientsInAWorker: programs in a worker do with the network what they do without workers, with the
// same errors, and the server counts the same.
func TestClientsInAWorker(t *testing.T) {
	args, allow := clientServers(t)
	networks, err := egress.NewNetworks(egress.NetworkOptions{Allow: []string{"127.0.0.0/8"}})
	if err != nil {
		t.Fatal(err)
	}
	pool, _ := newPool(t, Options{})
	box, err := sandbox.Open(t.Context(), sandbox.Options{CacheDir: cacheDir, Log: quiet, Memory: memory.New(testMemory, quiet)})
	if err != nil {
		t.Fatal(err)
	}
	defer box.Close()
	files := countFiles(t)
	p := deployed(t, box, clientProgram(), runtime.Limits{})
	if o, err := pool.Deploy(t.Context(), p); err != nil || o.Failure != nil {
		t.Fatalf("%+v, %v", o.Failure, err)
	}
	p.Allow = allow
	run := func(t *testing.T, box runtime.Sandbox, i int) (result string, used []runtime.Egress) {
		args["client"] = i
		text, err := json.Marshal(args)
		if err != nil {
			t.Fatal(err)
		}
		n := networks.Open(&p)
		o, err := box.Run(t.Context(), runtime.RunCall{Program: p, Args: text, Context: runtime.EmptyObject, Room: &testRoom{}, Network: n})
		used = n.Close()
		if err != nil || o.Failure != nil {
			t.Fatalf("%+v, %v", o.Failure, err)
		}
		for i := range used {
			used[i].Duration = 0
		}
		return string(o.Result), used
	}
	for i, c := range clients {
		t.Run(c.name, func(t *testing.T) {
			want, wantUsed := run(t, box, i)
			for range 2 {
				got, used := run(t, pool, i)
				if got != want {
					t.Errorf("got %s, without workers %s", got, want)
				}
				if a, b := fmt.Sprint(used), fmt.Sprint(wantUsed); a != b && !strings.Contains(c.name, "TLS") && !strings.Contains(c.name, "HTTP") {
					t.Errorf("used %s, without workers %s", a, b)
				}
			}
			t.Logf("%.200s %+v", want, wantUsed)
		})
	}
	waitForFiles(t, files+20) // what clients of the test and of the sandboxes keep
}

// TestNoNetworkInAWorker: a run without a network has the error that says so.
func TestNoNetworkInAWorker(t *testing.T) {
	pool, _ := newPool(t, Options{})
	p := deployed(t, pool, "import socket\ndef main(args, context):\n    socket.create_connection(('127.0.0.1', 80))\n", runtime.Limits{})
	o, err := pool.Run(t.Context(), runtime.RunCall{Program: p, Args: []byte("{}"), Context: runtime.EmptyObject})
	if err != nil || o.Failure == nil || !strings.Contains(o.Failure.Message, "a function has no network") {
		t.Errorf("%+v, %v", o.Failure, err)
	}
}

// TestConnectionsEndWithTheirWorker: the death of a worker ends the connections of its runs.
func TestConnectionsEndWithTheirWorker(t *testing.T) {
	begun, ended := make(chan struct{}), make(chan struct{})
	to := listen(t, func(c net.Conn) {
		_, _ = c.Read(make([]byte, 1))
		close(begun)
		_, _ = io.Copy(io.Discard, c)
		close(ended)
	})
	networks, err := egress.NewNetworks(egress.NetworkOptions{Allow: []string{"127.0.0.0/8"}})
	if err != nil {
		t.Fatal(err)
	}
	pool, s := newPool(t, Options{})
	p := deployed(t, pool, `
import socket
def main(args, context):
    s = socket.create_connection(("127.0.0.1", args["port"]))
    s.send(b"x")
    s.recv(1)
`, runtime.Limits{})
	p.Allow = []string{to.String()}
	n := networks.Open(&p)
	died := make(chan error)
	go func() {
		o, err := pool.Run(context.Background(), runtime.RunCall{Program: p, Args: fmt.Appendf(nil, `{"port":%d}`, to.Port()), Context: runtime.EmptyObject, Network: n})
		if o.Failure != nil {
			t.Errorf("the run has failed: %+v", *o.Failure)
		}
		died <- err
	}()
	select {
	case <-begun:
	case err := <-died:
		t.Fatalf("the run has ended before it has connected: %v", err)
	}
	_ = s.last.Load().Kill()
	if err := <-died; err == nil {
		t.Error("the run has ended without its worker")
	}
	if used := n.Close(); len(used) != 1 || used[0].Connections != 1 {
		t.Errorf("used %+v", used)
	}
	<-ended
}

// zipOf returns a zip of files by path.
func zipOf(t testing.TB, files map[string]string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for path, content := range files {
		f, err := w.Create(path)
		if err == nil {
			_, err = io.WriteString(f, content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestBundlesOfRunsInAWorker deploys bundles into files on the server's disk. Their bytecode is stored, and
// used by the next worker.
func TestBundlesOfRunsInAWorker(t *testing.T) {
	s := &shelf{bundles: map[bundleKey][]byte{}, bytecode: map[bundleKey][]byte{}}
	files := OpenFiles(FileOptions{BundleDir: filepath.Join(t.TempDir(), "bundles"), BundleDisk: 100 * runtime.MiB, Log: quiet})
	if files.disks[diskBundles] == nil {
		t.Skip("the folder for temporary files is in memory")
	}
	t.Cleanup(func() {
		if used := files.disks[diskBundles].inUse(); used != (use{}) {
			t.Errorf("%+v is left", used)
		}
		if err := files.Close(); err != nil {
			t.Error(err)
		}
	})
	pool, starter := newPool(t, Options{Bundles: s, Bytecode: s, Files: files})
	content := zipOf(t, map[string]string{
		"main.py":      "import helper\ndef main(args, context): return [helper.twice(args['n']), len(open('/function/data').read()), helper.__cached__ is not None]\n",
		"helper.py":    "def twice(n): return 2 * n\n",
		"data":         strings.Repeat("abc", 1_000_000),
		"pkg/other.py": "x = 1\n",
	})
	for i, tenant := range []runtime.Tenant{"a", "b", "a"} {
		p := newProgram("", runtime.Limits{Timeout: time.Minute})
		p.Tenant, p.Bundle = tenant, programOf(tenant, content).Bundle
		p.Source = []byte("import helper\ndef main(args, context): return [helper.twice(args['n']), len(open('/function/data').read()), helper.__cached__ is not None]\n")
		key := bundleKey{tenant, p.Bundle.ID}
		if o, err := pool.Deploy(t.Context(), p); err == nil {
			t.Errorf("a bundle that the tenant does not have was deployed: %+v", o.Failure)
		}
		s.mu.Lock()
		s.bundles[key] = content
		s.mu.Unlock()
		if o, err := pool.Deploy(t.Context(), p); err != nil || o.Failure != nil {
			t.Fatalf("%+v, %v", o.Failure, err)
		}
		if got := result(t, pool, p, `{"n":21}`); got != "[42,3000000,true]" {
			t.Errorf("got %s", got)
		}
		s.mu.Lock()
		if len(s.bytecode[key]) == 0 {
			t.Error("no bytecode is stored")
		}
		delete(s.bundles, key)
		s.mu.Unlock()
		if i == 1 { // another worker reads it
			_ = starter.last.Load().Kill()
			for starter.count.Load() == 1 {
				time.Sleep(time.Millisecond)
			}
		}
	}
	if used := files.disks[diskBundles].inUse(); used.bytes < 3_000_000 || used.files == 0 {
		t.Errorf("%+v is on disk", used)
	}
}

// TestImagesOfRunsOnDisk runs a function for whose image there is no memory: it is on the server's disk, and
// runs share it.
func TestImagesOfRunsOnDisk(t *testing.T) {
	files, _ := sharedFolder(t, runtime.GiB)
	budget := memory.New(700*runtime.MiB, quiet)
	runs := budget.Open(memory.Options{Name: "runs"})
	pool, _ := newPool(t, Options{Memory: budget, Files: files})
	p := newProgram(`
import uuid
made = str(uuid.uuid4())
data = bytearray(b"x") * (60 << 20)
def main(args, context):
    intact = data.count(b"x") == len(data)
    for i in range(0, len(data), 4096): data[i] = 7
    return [made, intact]
`, runtime.Limits{Memory: 128 * runtime.MiB, Tmp: 8 * runtime.MiB, Timeout: time.Minute})
	reserved := p.Limits.Reservation()
	if err := runs.Take(t.Context(), reserved); err != nil {
		t.Fatal(err)
	}
	defer runs.Give(reserved)
	rest := runs.Free() - 32*runtime.MiB // what others have
	if !runs.TryTake(rest) {
		t.Fatal("no memory")
	}
	defer runs.Give(rest)
	o, err := pool.Deploy(t.Context(), p)
	if err != nil || o.Failure != nil {
		t.Fatalf("%+v, %v", o.Failure, err)
	}
	made := ""
	for range 20 { // the worker gets memory for what it knows of the image soon
		before := made
		if made = result(t, pool, p, "{}"); made == before {
			break
		}
	}
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() {
			for range 3 {
				if got := result(t, pool, p, "{}"); got != made || !strings.HasSuffix(got, ",true]") {
					t.Errorf("got %s, want %s", got, made)
				}
			}
		})
	}
	all.Wait()
	if used := files.disks[diskImages].inUse(); used.bytes < 60*runtime.MiB {
		t.Errorf("%+v is on disk", used)
	}
}
