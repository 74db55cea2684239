package sandbox

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	goruntime "runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/memory"
)

// loopback is a network that reaches the loopback interface of the machine, and no other address.
type loopback struct {
	mu     sync.Mutex
	open   int
	dialed int
	refuse error // of every dial, if it is not nil
}

func (n *loopback) Check(_ string, to netip.AddrPort) error {
	if !to.Addr().Unmap().IsLoopback() {
		return runtime.Errorf(runtime.CodePermissionDenied, "the function may not reach %s", to).WithHint("add it to allow")
	}
	return n.refuse
}

func (n *loopback) Resolve(ctx context.Context, network, host string) ([]netip.Addr, error) {
	v4, v6 := netip.MustParseAddr("127.0.0.1"), netip.IPv6Loopback()
	switch strings.TrimSuffix(host, ".") {
	case "localhost":
		return []netip.Addr{v6, v4}, nil
	case "v4.test":
		return []netip.Addr{v4}, nil
	case "denied.test":
		return nil, runtime.Errorf(runtime.CodePermissionDenied, "the function may not reach denied.test").WithHint("add it to allow")
	case "down.test":
		return nil, runtime.Errorf(runtime.CodeUnavailable, "the name server does not respond")
	case "slow.test":
		<-ctx.Done()
		return nil, ctx.Err()
	case "elsewhere.test":
		return []netip.Addr{netip.MustParseAddr("192.0.2.7")}, nil
	}
	return nil, runtime.Errorf(runtime.CodeNotFound, "there is no host %s", host)
}

func (n *loopback) Dial(ctx context.Context, network string, to netip.AddrPort) (runtime.Connection, error) {
	if err := n.Check(network, to); err != nil {
		return nil, err
	}
	c, err := (&net.Dialer{}).DialContext(ctx, network, to.String())
	if err != nil {
		return nil, &runtime.Error{Code: runtime.CodeUnavailable, Message: "the connection failed", Err: err}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.open++
	n.dialed++
	return &loopbackConnection{Conn: c, n: n}, nil
}

func (n *loopback) Close() []runtime.Egress { return nil }

// wait waits until no connection is open.
func (n *loopback) wait(t testing.TB) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		n.mu.Lock()
		open := n.open
		n.mu.Unlock()
		if open == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d connections are open", open)
		}
	}
}

type loopbackConnection struct {
	net.Conn
	n    *loopback
	once sync.Once
}

func (c *loopbackConnection) SyscallConn() (syscall.RawConn, error) {
	return c.Conn.(syscall.Conn).SyscallConn()
}

func (c *loopbackConnection) Count(int, int) error { return nil }

func (c *loopbackConnection) CheckServerName(string) error { return nil }

func (n *loopback) CheckServerName(string) error { return nil }

func (c *loopbackConnection) Close() error {
	c.once.Do(func() {
		c.n.mu.Lock()
		defer c.n.mu.Unlock()
		c.n.open--
	})
	return c.Conn.Close()
}

// serve accepts connections at an address of the loopback interface until the test ends, and returns
// the port.
func serve(t testing.TB, address string, handle func(c net.Conn)) int {
	l, err := net.Listen("tcp", address+":0")
	if err != nil {
		t.Skip(err)
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
				handle(c)
			}()
		}
	}()
	return l.Addr().(*net.TCPAddr).Port
}

func echo(c net.Conn) { _, _ = io.Copy(c, c) }

// script talks to a client of a protocol of lines: for each line that begins with a key, case aside, it
// sends the reply. A reply that ends with "..." reads lines until a single dot, and sends what follows.
func script(greeting string, replies map[string]string) func(c net.Conn) {
	return func(c net.Conn) {
		fmt.Fprint(c, greeting)
		for lines := bufio.NewScanner(c); lines.Scan(); {
			line := lines.Text()
			tag, command, isTagged := strings.Cut(line, " ")
			for key, reply := range replies {
				if isTagged && strings.HasPrefix(key, "tag ") && strings.HasPrefix(strings.ToUpper(command), key[4:]) {
					fmt.Fprint(c, strings.ReplaceAll(reply, "TAG", tag))
				}
				if !strings.HasPrefix(strings.ToUpper(line), key) {
					continue
				}
				before, after, reads := strings.Cut(reply, "...")
				fmt.Fprint(c, before)
				for reads && lines.Scan() && lines.Text() != "." {
				}
				fmt.Fprint(c, after)
			}
		}
	}
}

// handlers are those of a web server.
func handlers() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/hello", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "hello %s", r.URL.Query().Get("name")) })
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Length", fmt.Sprint(r.ContentLength))
		_, _ = io.Copy(w, r.Body)
	})
	mux.HandleFunc("/moved", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/hello?name=moved", http.StatusFound)
	})
	mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(300 * time.Millisecond):
		case <-r.Context().Done():
		}
		fmt.Fprint(w, "late")
	})
	mux.HandleFunc("/large", func(w http.ResponseWriter, _ *http.Request) {
		piece := []byte(strings.Repeat("0123456789abcdef", 4096))
		for range 160 {
			_, _ = w.Write(piece)
		}
	})
	mux.HandleFunc("/rpc", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/xml")
		fmt.Fprint(w, `<?xml version="1.0"?><methodResponse><params><param><value><int>42</int></value></param></params></methodResponse>`)
	})
	return mux
}

// servers are the servers of a test, by the names that programs know them by.
func servers(t testing.TB) map[string]any {
	web := httptest.NewServer(handlers())
	t.Cleanup(web.Close)
	files := serve(t, "127.0.0.1", func(c net.Conn) { fmt.Fprint(c, "the content") })
	udp, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { udp.Close() })
	go func() {
		b := make([]byte, 1<<16)
		for {
			k, from, err := udp.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			_, _ = udp.WriteToUDPAddrPort(b[:k], from)
		}
	}()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := l.Addr().(*net.TCPAddr).Port
	l.Close()
	return map[string]any{
		"web":    web.Listener.Addr().(*net.TCPAddr).Port,
		"echo":   serve(t, "127.0.0.1", echo),
		"echo6":  serve(t, "[::1]", echo),
		"udp":    udp.LocalAddr().(*net.UDPAddr).Port,
		"closed": closed,
		"silent": serve(t, "127.0.0.1", func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }),
		"flood": serve(t, "127.0.0.1", func(c net.Conn) {
			b := make([]byte, 1<<16)
			for err := error(nil); err == nil; _, err = c.Write(b) {
			}
		}),
		"reset": serve(t, "127.0.0.1", func(c net.Conn) {
			_, _ = c.Read(make([]byte, 1))
			_ = c.(*net.TCPConn).SetLinger(0)
		}),
		"smtp": serve(t, "127.0.0.1", script("220 test ESMTP\r\n", map[string]string{
			"EHLO": "250-test\r\n250 8BITMIME\r\n", "MAIL": "250 ok\r\n", "RCPT": "250 ok\r\n", "DATA": "354 go on\r\n...250 queued\r\n", "QUIT": "221 bye\r\n",
		})),
		"imap": serve(t, "127.0.0.1", script("* OK ready\r\n", map[string]string{
			"tag CAPABILITY": "* CAPABILITY IMAP4rev1\r\nTAG OK done\r\n", "tag LOGIN": "TAG OK in\r\n", "tag SELECT": "* 3 EXISTS\r\nTAG OK [READ-WRITE] selected\r\n",
			"tag LOGOUT": "* BYE\r\nTAG OK done\r\n",
		})),
		"pop3": serve(t, "127.0.0.1", script("+OK ready\r\n", map[string]string{"USER": "+OK\r\n", "PASS": "+OK\r\n", "STAT": "+OK 2 320\r\n", "QUIT": "+OK\r\n"})),
		"ftp": serve(t, "127.0.0.1", script("220 ready\r\n", map[string]string{
			"USER": "230 in\r\n", "TYPE": "200 ok\r\n", "PASV": fmt.Sprintf("227 (127,0,0,1,%d,%d)\r\n", files>>8, files&255), "RETR": "150 here\r\n226 done\r\n", "QUIT": "221 bye\r\n",
		})),
	}
}

// runOn runs a program with a network.
func runOn(t testing.TB, box *Sandbox, p runtime.Program, args map[string]any, n runtime.Network) runtime.Outcome {
	t.Helper()
	text, err := json.Marshal(args)
	if err != nil {
		t.Fatal(err)
	}
	outcome, err := box.Run(t.Context(), runtime.RunCall{Program: p, Args: text, Context: runtime.EmptyObject, Room: &room{}, Network: n})
	if err != nil {
		t.Fatal(err)
	}
	return outcome
}

// clients are bodies of main, which use the servers by their names in args.
var clients = []struct{ name, body, want string }{
	{"connect", `
with socket.create_connection(("localhost", args["echo"])) as s:
    s.sendall(b"hello")
    return [s.recv(10).decode(), s.getpeername()[0] in ("127.0.0.1", "::1"), s.gettimeout()]`, `["hello",true,null]`},
	{"IPv6", `
s = socket.socket(socket.AF_INET6)
s.connect(("::1", args["echo6"]))
s.send(b"six")
return [s.recv(3).decode(), s.family.name, s.getpeername()[0], s.getsockname()[0]]`, `["six","AF_INET6","::1","::"]`},
	{"time-outs", `
s = socket.create_connection(("127.0.0.1", args["silent"]), timeout=5)
s.settimeout(0.05)
began = time.monotonic()
try: s.recv(1)
except TimeoutError as e: return [str(e), 0.05 <= time.monotonic() - began, isinstance(e, socket.timeout)]`, `["timed out",true,true]`},
	{"not blocking", `
s = socket.create_connection(("127.0.0.1", args["silent"]))
s.setblocking(False)
try: s.recv(1)
except BlockingIOError as e: return [e.errno == errno.EAGAIN, str(e)]`, `[true,"[Errno 11] Resource temporarily unavailable"]`},
	{"connect_ex", `
return [socket.socket().connect_ex(("127.0.0.1", args["closed"])) == errno.ECONNREFUSED, socket.socket().connect_ex(("127.0.0.1", args["echo"]))]`, `[true,0]`},
	{"select", `
s = socket.create_connection(("127.0.0.1", args["echo"]))
before = [len(x) for x in select.select([s], [s], [s], 1)]
nothing = [len(x) for x in select.select([s], [], [], 0.01)]
s.send(b"x")
return [before, nothing, [x[0] is s for x in select.select([s], [], [])[:1]]]`, `[[0,1,0],[0,0,0],[true]]`},
	{"poll", `
s = socket.create_connection(("127.0.0.1", args["echo"]))
p = select.poll()
p.register(s, select.POLLIN | select.POLLOUT)
first = p.poll(1000)
p.modify(s, select.POLLIN)
nothing = p.poll(10)
s.send(b"x")
second = p.poll()
s.recv(1)
s.shutdown(socket.SHUT_WR)
end = p.poll()
return [first == [(s.fileno(), select.POLLOUT)], nothing, second == [(s.fileno(), select.POLLIN)], end[0][1] & select.POLLIN == 1, select.POLLOUT, select.POLLHUP]`, `[true,[],true,true,4,16]`},
	{"poll of a refused connection", `
s = socket.socket()
s.setblocking(False)
e = s.connect_ex(("127.0.0.1", args["closed"]))
p = select.poll()
p.register(s, select.POLLOUT)
events = p.poll(5000)
return [e == errno.EINPROGRESS, events == [(s.fileno(), select.POLLOUT | select.POLLERR | select.POLLHUP)], s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNREFUSED]`, `[true,true,true]`},
	{"selectors", `
import selectors
a, b = socket.socketpair()
with selectors.DefaultSelector() as wait:
    wait.register(a, selectors.EVENT_READ, "a")
    none = wait.select(0.01)
    b.send(b"x")
    return [none, [(key.data, events) for key, events in wait.select()], type(wait).__name__]`, `[[],[["a",1]],"PollSelector"]`},
	{"socketpair", `
a, b = socket.socketpair()
a.sendall(b"through")
b.shutdown(socket.SHUT_WR)
c = a.dup()
a.close()
c.send(b"again")
return [b.recv(7).decode(), c.recv(1).decode(), os.read(b.fileno(), 9).decode()]`, `["through","","again"]`},
	{"makefile", `
s = socket.create_connection(("127.0.0.1", args["echo"]))
f = s.makefile("rw", newline="\n")
f.write("one\ntwo\n")
f.flush()
return [f.readline(), f.readline()]`, `["one\n","two\n"]`},
	{"recv_into", `
s = socket.create_connection(("127.0.0.1", args["echo"]))
s.sendall(b"0123456789" * 10000)
buffer = bytearray(100000)
view, got = memoryview(buffer), 0
while got < 100000: got += s.recv_into(view[got:])
peek = None
s.send(b"z")
return [buffer == b"0123456789" * 10000, s.recv(1, socket.MSG_PEEK).decode(), s.recv(5).decode()]`, `[true,"z","z"]`},
	{"datagrams", `
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("", 0))
s.sendto(b"one", ("127.0.0.1", args["udp"]))
first = s.recvfrom(100)
s.connect(("127.0.0.1", args["udp"]))
s.send(b"two")
return [first[0].decode(), first[1] == ("127.0.0.1", args["udp"]), s.recv(100).decode()]`, `["one",true,"two"]`},
	{"options", `
s = socket.create_connection(("127.0.0.1", args["echo"]))
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
s.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
s.setsockopt(socket.SOL_TCP, socket.TCP_KEEPIDLE, 30)
s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 5))
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 1, 500000))
return [s.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY), s.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE) == socket.SOCK_STREAM,
  list(struct.unpack("ii", s.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8))), list(struct.unpack("ll", s.getsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, 8)))]`, `[1,true,[1,5],[1,500000]]`},
	{
		"names", `
return [socket.AF_INET, socket.AF_INET6, socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.EAI_NONAME, socket.MSG_PEEK, socket.has_ipv6, socket.gethostbyname("v4.test"),
  [(f.name, k.name, a[0]) for f, k, _, _, a in socket.getaddrinfo("localhost", 80, type=socket.SOCK_STREAM)], socket.getfqdn()]`,
		`[2,10,1,2,-2,2,true,"127.0.0.1",[["AF_INET6","SOCK_STREAM","::1"],["AF_INET","SOCK_STREAM","127.0.0.1"]],"localhost"]`,
	},
	{
		"urllib", `
import urllib.request, urllib.error
base = "http://localhost:%d" % args["web"]
posted = urllib.request.urlopen(urllib.request.Request(base + "/echo", data=b"body", method="POST"))
try: urllib.request.urlopen(base + "/none")
except urllib.error.HTTPError as e: missing = e.code
return [urllib.request.urlopen(base + "/hello?name=you").read().decode(), posted.read().decode(), urllib.request.urlopen(base + "/moved").read().decode(), missing, len(urllib.request.urlopen(base + "/large").read())]`,
		`["hello you","body","hello moved",404,10485760]`,
	},
	{"http.client", `
import http.client
c = http.client.HTTPConnection("127.0.0.1", args["web"], timeout=5)
answers = []
for n in range(3):
    c.request("GET", "/hello?name=%d" % n)
    answers.append(c.getresponse().read().decode())
return answers`, `["hello 0","hello 1","hello 2"]`},
	{"smtplib", `
import smtplib
with smtplib.SMTP("127.0.0.1", args["smtp"]) as s: return s.sendmail("a@test", ["b@test"], "Subject: x\r\n\r\nhello")`, `{}`},
	{"imaplib", `
import imaplib
with imaplib.IMAP4("127.0.0.1", args["imap"]) as m: return [m.login("a", "b")[0], m.select()[1][0].decode()]`, `["OK","3"]`},
	{"poplib", `
import poplib
p = poplib.POP3("127.0.0.1", args["pop3"])
p.user("a"), p.pass_("b")
return p.stat()`, `[2,320]`},
	{"ftplib", `
import ftplib, io
b = io.BytesIO()
with ftplib.FTP() as f:
    f.connect("127.0.0.1", args["ftp"])
    f.login("a", "b")
    f.retrbinary("RETR x", b.write)
return b.getvalue().decode()`, `"the content"`},
	{"xmlrpc.client", `
import xmlrpc.client
return xmlrpc.client.ServerProxy("http://127.0.0.1:%d/rpc" % args["web"]).answer()`, `42`},
	{"asyncio streams", `
async def talk():
    r, w = await asyncio.open_connection("localhost", args["echo"])
    w.write(b"line\n")
    await w.drain()
    line = await r.readline()
    w.close()
    await w.wait_closed()
    return line.decode()
return asyncio.run(talk())`, `"line\n"`},
	{"asyncio together", `
async def get(n):
    r, w = await asyncio.open_connection("127.0.0.1", args["web"])
    w.write(b"GET /slow HTTP/1.0\r\n\r\n")
    body = (await r.read()).partition(b"\r\n\r\n")[2]
    w.close()
    return body.decode()
async def all():
    began = time.monotonic()
    got = await asyncio.gather(*(get(n) for n in range(10)))
    return [set(got) == {"late"}, len(got), time.monotonic() - began < 2.5]
return asyncio.run(all())`, `[true,10,true]`},
	{"asyncio happy eyeballs", `
async def talk():
    r, w = await asyncio.open_connection("localhost", args["echo6"], happy_eyeballs_delay=0.05)
    w.write(b"x")
    got = await r.read(1)
    w.close()
    return [got.decode(), w.get_extra_info("peername")[0]]
return asyncio.run(talk())`, `["x","::1"]`},
	{"asyncio datagrams", `
class Echo(asyncio.DatagramProtocol):
    def __init__(self): self.got = asyncio.get_running_loop().create_future()
    def datagram_received(self, data, address): self.got.set_result([data.decode(), address[0]])
async def talk():
    transport, protocol = await asyncio.get_running_loop().create_datagram_endpoint(Echo, remote_addr=("127.0.0.1", args["udp"]))
    transport.sendto(b"ping")
    try: return await asyncio.wait_for(protocol.got, 5)
    finally: transport.close()
return asyncio.run(talk())`, `["ping","127.0.0.1"]`},
	{"asyncio time-outs and cancellation", `
async def talk():
    r, w = await asyncio.open_connection("127.0.0.1", args["silent"])
    try: await asyncio.wait_for(r.read(1), 0.05)
    except TimeoutError: pass
    task = asyncio.create_task(r.read(1))
    await asyncio.sleep(0.01)
    task.cancel()
    try: await task
    except asyncio.CancelledError: return "cancelled"
return asyncio.run(talk())`, `"cancelled"`},
	{"asyncio socketpair", `
async def talk():
    a, b = socket.socketpair()
    a.setblocking(False), b.setblocking(False)
    loop = asyncio.get_running_loop()
    wait = asyncio.create_task(loop.sock_recv(a, 10))
    await asyncio.sleep(0)
    await loop.sock_sendall(b, b"through")
    return (await wait).decode()
return asyncio.run(talk())`, `"through"`},
	{"asyncio to_thread", `
import urllib.request
async def get(): return (await asyncio.to_thread(urllib.request.urlopen, "http://127.0.0.1:%d/hello?name=x" % args["web"])).read().decode()
return asyncio.run(get())`, `"hello x"`},
}

const clientImports = "import asyncio, errno, os, select, socket, struct, time\n"

// TestClients runs clients of the standard library, unmodified, against servers.
func TestClients(t *testing.T) { runClients(t, servers(t), clientImports, clients) }

// runClients runs each body of main twice in each box, with the imports before it and the names as args,
// and compares the results.
func runClients(t *testing.T, names map[string]any, imports string, clients []struct{ name, body, want string }) {
	t.Helper()
	eachBox(t, func(t *testing.T, box *Sandbox) {
		if !box.guest.mapped && testing.Short() {
			t.Skip("slow")
		}
		for i, c := range clients {
			if !sampled(box, i) {
				continue
			}
			t.Run(c.name, func(t *testing.T) {
				p := deployed(t, box, imports+"def main(args, context):\n"+indented(c.body), runtime.Limits{})
				defer box.Forget(p.FunctionID, p.Version)
				n := &loopback{}
				for range 2 {
					outcome := runOn(t, box, p, names, n)
					if outcome.Failure != nil {
						t.Fatalf("%+v\n%s", *outcome.Failure, outcome.Logs.Data)
					}
					if got := string(outcome.Result); got != c.want {
						t.Errorf("got %s, want %s", got, c.want)
					}
					n.wait(t)
				}
			})
		}
	})
}

func indented(body string) string {
	return "    " + strings.ReplaceAll(strings.TrimSpace(body), "\n", "\n    ") + "\n"
}

// networkErrors are calls that fail, with the class, the number and the text of the exception.
var networkErrors = []struct{ name, call, want string }{
	{"refused", `socket.create_connection(("127.0.0.1", args["closed"]))`, `["ConnectionRefusedError","ECONNREFUSED","[Errno 111] Connection refused"]`},
	{"reset", `s = socket.create_connection(("127.0.0.1", args["reset"])); s.send(b"xy"); s.recv(1); s.recv(1)`, `["ConnectionResetError","ECONNRESET","[Errno 104] Connection reset by peer"]`},
	{"not allowed", `socket.create_connection(("192.0.2.1", 80))`, `["PermissionError","EACCES","[Errno 13] Permission denied: the function may not reach 192.0.2.1:80: add it to allow"]`},
	{"not allowed, with a time-out", `socket.create_connection(("192.0.2.1", 80), timeout=2)`, `["PermissionError","EACCES","[Errno 13] Permission denied: the function may not reach 192.0.2.1:80: add it to allow"]`},
	{"not allowed, asyncio", `asyncio.run(asyncio.open_connection("192.0.2.1", 80))`, `["PermissionError","EACCES","[Errno 13] Permission denied: the function may not reach 192.0.2.1:80: add it to allow"]`},
	{"refused, asyncio", `asyncio.run(asyncio.open_connection("127.0.0.1", args["closed"]))`, `["ConnectionRefusedError","ECONNREFUSED","[Errno 111] Connect call failed ('127.0.0.1', PORT)"]`},
	{"no such name", `socket.create_connection(("no.test", 80))`, `["gaierror",-2,"[Errno -2] Name or service not known: there is no host no.test"]`},
	{"name not allowed", `socket.getaddrinfo("denied.test", 80)`, `["gaierror",-4,"[Errno -4] Non-recoverable failure in name resolution: the function may not reach denied.test: add it to allow"]`},
	{"name server", `socket.gethostbyname("down.test")`, `["gaierror",-3,"[Errno -3] Temporary failure in name resolution: the name server does not respond"]`},
	{"not connected", `socket.socket().recv(1)`, `["OSError","ENOTCONN","[Errno 107] Transport endpoint is not connected"]`},
	{"closed pipe", `a, b = socket.socketpair(); b.close(); a.send(b"x")`, `["BrokenPipeError","EPIPE","[Errno 32] Broken pipe"]`},
	{"listening", `s = socket.socket(); s.bind(("", 0)); s.listen()`, `["PermissionError","EACCES","[Errno 13] Permission denied: SERVERS"]`},
	{"binding", `socket.socket().bind(("127.0.0.1", 8080))`, `["PermissionError","EACCES","[Errno 13] Permission denied: SERVERS"]`},
	{"binding at any address", `socket.socket().bind(("", 8080))`, `["PermissionError","EACCES","[Errno 13] Permission denied: SERVERS"]`},
	{"HTTP server", `__import__("http.server").server.HTTPServer(("", 8000), None)`, `["PermissionError","EACCES","[Errno 13] Permission denied: SERVERS"]`},
	{"accepting", `socket.socket().accept()`, `["OSError","EINVAL","[Errno 22] Invalid argument"]`},
	{"no socket", `socket.socket(fileno=1)`, `["OSError","ENOTSOCK","[Errno 88] Socket operation on non-socket"]`},
	{"raw", `socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)`, `["OSError","EPROTONOSUPPORT","[Errno 93] Protocol not supported"]`},
	{"option", `socket.socket().setsockopt(socket.SOL_SOCKET, socket.SO_MARK, 1)`, `["OSError","ENOPROTOOPT","[Errno 92] Protocol not available"]`},
	{"descriptor", `select.select([99], [], [], 0)`, `["OSError","EBADF","[Errno 9] Bad file descriptor"]`},
	{"broadcast address", `socket.create_connection(("255.255.255.255", 80))`, `["PermissionError","EACCES","[Errno 13] Permission denied: the function may not reach 255.255.255.255:80: add it to allow"]`},
}

// TestNetworkErrors: failures of the network are the exceptions of Linux, with the reason if there is
// one that the program cannot know.
func TestNetworkErrors(t *testing.T) {
	names := servers(t)
	box := boxes["mapped"]
	var body strings.Builder
	body.WriteString(clientImports + `import urllib.request
def main(args, context):
    results = []
`)
	for _, c := range networkErrors {
		fmt.Fprintf(&body, "    try:\n        %s\n        results.append(None)\n    except Exception as e:\n", c.call)
		body.WriteString("        results.append([type(e).__name__, errno.errorcode.get(e.errno, e.errno), str(e)])\n")
	}
	body.WriteString("    from _faas_boot import absent\n    return results + [absent.SERVERS]\n")
	p := deployed(t, box, body.String(), runtime.Limits{})
	outcome := runOn(t, box, p, names, &loopback{})
	if outcome.Failure != nil {
		t.Fatalf("%+v\n%s", *outcome.Failure, outcome.Logs.Data)
	}
	var got []any
	if err := json.Unmarshal(outcome.Result, &got); err != nil {
		t.Fatal(err)
	}
	sentence, _ := got[len(networkErrors)].(string)
	for i, c := range networkErrors {
		text, _ := json.Marshal(got[i])
		want := strings.NewReplacer("SERVERS", sentence, "PORT)", fmt.Sprint(names["closed"], ")")).Replace(c.want)
		if string(text) != want {
			t.Errorf("%s: got %s, want %s", c.name, text, want)
		}
	}
}

// TestNoNetworkWhileDeploying: code outside of main has no network, and clients that it makes connect
// in main.
func TestNoNetworkWhileDeploying(t *testing.T) {
	names := servers(t)
	box := boxes["mapped"]
	p := program(clientImports+`
import http.client
try: socket.create_connection(("127.0.0.1", 80))
except OSError as e: failure = str(e)
client = http.client.HTTPConnection("127.0.0.1")
unused = socket.socket()
pair = socket.socketpair()
pair[0].send(b"from the deployment")
def main(args, context):
    try: old = pair[1].recv(100)
    except ConnectionResetError as e: old = str(e)
    client.port = args["web"]
    client.request("GET", "/hello?name=module")
    unused.connect(("127.0.0.1", args["echo"]))
    unused.send(b"x")
    return [failure, old, client.getresponse().read().decode(), unused.recv(1).decode()]
`, runtime.Limits{})
	p.Allow = []string{"127.0.0.1:80"}
	if outcome, err := box.Deploy(t.Context(), p); err != nil || outcome.Failure != nil {
		t.Fatalf("%v %+v", err, outcome.Failure)
	}
	const want = `["[Errno 101] Network is unreachable: code outside of main runs once, when the function is deployed, and has no network: connect in main, where clients that were made outside of it connect as well",` +
		`"[Errno 104] Connection reset by peer","hello module","x"]`
	for range 3 {
		outcome := runOn(t, box, p, names, &loopback{})
		if outcome.Failure != nil || string(outcome.Result) != want {
			t.Fatalf("got %s, want %s; %+v", outcome.Result, want, outcome.Failure)
		}
	}
	outcome := runOn(t, box, p, names, nil)
	if outcome.Failure == nil || !strings.Contains(outcome.Failure.Message, "a function has no network unless its setting allow lists") {
		t.Errorf("without a network: %+v", outcome.Failure)
	}
}

// descriptorsOfProcess returns the number of descriptors that the process has.
func descriptorsOfProcess(t testing.TB) int {
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip(err)
	}
	return len(list)
}

// TestConnectionsEndWithTheirRun: whatever ends a run, its connections, descriptors and goroutines end.
func TestConnectionsEndWithTheirRun(t *testing.T) {
	names := servers(t)
	box := openBox(t, Options{})
	p := deployed(t, box, clientImports+`
def main(args, context):
    how = args["how"]
    kept = [socket.create_connection(("127.0.0.1", args["silent"])) for _ in range(3)] + list(socket.socketpair())
    s = kept[0]
    if how == "fail": raise ValueError("x")
    if how == "exit": os._exit(3)
    if how == "memory": return len(bytearray(1 << 31))
    if how == "recv": s.recv(1)
    if how == "poll": select.select(kept, [], [])
    if how == "resolve": socket.getaddrinfo("slow.test", 1)
    if how == "bulk":
        bulk = socket.create_connection(("127.0.0.1", args["flood"]))
        for _ in range(20): bulk.recv(1 << 15, socket.MSG_WAITALL)
    if how == "look up":
        async def look_up():
            loop = asyncio.get_running_loop()
            await asyncio.gather(*(loop.getaddrinfo("slow.test", 1) for _ in range(10)))
        asyncio.run(look_up())
    if how == "park":
        for c in kept: c.close()
        return asyncio.sleep(60)
    if how == "send":
        while True: kept[3].send(bytes(1 << 20))
    if how == "asyncio":
        async def wait():
            readers = [(await asyncio.open_connection("127.0.0.1", args["silent"]))[0] for _ in range(3)]
            await asyncio.gather(*(r.read(1) for r in readers))
        asyncio.run(wait())
    if how == "compute":
        while True: pass
`, runtime.Limits{Timeout: 5 * time.Second})
	n := &loopback{}
	endings := []string{"return", "fail", "exit", "memory", "recv", "poll", "send", "resolve", "bulk", "look up", "park", "asyncio", "compute"}
	once := func(how string, cancel bool) {
		ctx, stop := context.WithCancel(context.Background())
		defer stop()
		q := p
		if !cancel {
			q.Limits.Timeout = 150 * time.Millisecond
		}
		args := map[string]any{"how": how, "silent": names["silent"], "flood": names["flood"]}
		text, _ := json.Marshal(args)
		if cancel {
			time.AfterFunc(50*time.Millisecond, stop)
		}
		if _, err := box.Run(ctx, runtime.RunCall{Program: q, Args: text, Context: runtime.EmptyObject, Room: &room{}, Network: n}); err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", how, err)
		}
		n.wait(t)
	}
	deploy := func(end string) {
		p := program(clientImports+"pairs = [socket.socketpair() for _ in range(10)]\nselect.select([pairs[0][0], pairs[1][0]], [], [], 0.01)\n"+end, runtime.Limits{})
		if outcome, err := box.Deploy(context.Background(), p); err != nil || outcome.Failure == nil {
			t.Errorf("a deployment that ends by %s: %v", end, err)
		}
	}
	var fds, routines int
	for round := range 3 {
		for _, how := range endings {
			once(how, false)
			once(how, true)
		}
		deploy("raise ValueError")
		deploy("os._exit(3)")
		settle(box)
		ended := func() bool {
			return round == 0 || descriptorsOfProcess(t) <= fds+2 && goruntime.NumGoroutine() <= routines+2
		}
		for end := time.Now().Add(20 * time.Second); !ended(); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%d descriptors, %d before; %d goroutines, %d before", descriptorsOfProcess(t), fds, goruntime.NumGoroutine(), routines)
			}
		}
		if round == 0 {
			time.Sleep(100 * time.Millisecond)
			fds, routines = descriptorsOfProcess(t), goruntime.NumGoroutine()
		}
	}
	connections, tmp, files := box.accounts.connections.Held(), box.accounts.tmp.Held(), box.accounts.files.all
	if connections != 0 || tmp != 0 || files != 0 {
		t.Errorf("%d bytes of connections, %d of their buffers and %d descriptors are held", connections, tmp, files)
	}
}

// TestReceivedBytesAreRestored: what the kernel writes into the memory of a run is gone afterwards,
// also in pages of the image.
func TestReceivedBytesAreRestored(t *testing.T) {
	names := servers(t)
	eachBox(t, func(t *testing.T, box *Sandbox) {
		p := deployed(t, box, clientImports+`
kept = bytearray(b"." * 200000)
def main(args, context):
    before = kept.count(b".")
    s = socket.create_connection(("127.0.0.1", args["echo"]))
    view, got = memoryview(kept), 0
    s.sendall(b"#" * 50000)
    while got < 50000: got += s.recv_into(view[70000 + got:], 50000 - got)
    return [before, kept.count(b"#")]
`, runtime.Limits{})
		for range 5 {
			outcome := runOn(t, box, p, names, &loopback{})
			if outcome.Failure != nil || string(outcome.Result) != "[200000,50000]" {
				t.Fatalf("got %s, %+v", outcome.Result, outcome.Failure)
			}
		}
	})
}

// TestRunsThatWaitForAPeer lend their memory, and end at their deadline or when they are cancelled.
func TestRunsThatWaitForAPeer(t *testing.T) {
	port := serve(t, "127.0.0.1", func(c net.Conn) {
		_, _ = c.Read(make([]byte, 1))
		time.Sleep(50 * time.Millisecond)
		fmt.Fprint(c, "late")
		_, _ = io.Copy(io.Discard, c)
	})
	box := boxes["mapped"]
	p := deployed(t, box, clientImports+`
def main(args, context):
    s = socket.create_connection(("127.0.0.1", args["port"]))
    if args["asks"]: s.send(b"x")
    if args["selects"]: select.select([s], [], [])
    return s.recv(10).decode()
`, runtime.Limits{})
	for _, selects := range []bool{false, true} {
		for _, c := range []struct {
			asks, cancel bool
			class        runtime.Class
		}{{true, false, ""}, {false, false, runtime.ClassTimeout}, {false, true, runtime.ClassCancelled}} {
			args, _ := json.Marshal(map[string]any{"port": port, "asks": c.asks, "selects": selects})
			ctx, cancel := context.WithCancel(t.Context())
			q, r := p, &room{}
			if c.cancel {
				time.AfterFunc(100*time.Millisecond, cancel)
			} else if !c.asks {
				q.Limits.Timeout = 200 * time.Millisecond
			}
			n := &loopback{}
			outcome, err := box.Run(ctx, runtime.RunCall{Program: q, Args: args, Context: runtime.EmptyObject, Room: r, Network: n})
			cancel()
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case c.class == "" && string(outcome.Result) != `"late"`:
				t.Errorf("got %s, %+v", outcome.Result, outcome.Failure)
			case c.class != "" && (outcome.Failure == nil || outcome.Failure.Class != c.class):
				t.Errorf("a run that should end as %s: %+v", c.class, outcome.Failure)
			}
			if len(r.held) == 0 {
				t.Error("a run that waits lends nothing")
			}
			n.wait(t)
		}
	}
}

// mostFiles returns the number of descriptors that the process may open.
func mostFiles(t testing.TB) int {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		t.Skip(err)
	}
	return int(min(l.Cur, 1<<20))
}

// TestManyRunsWaitForTheirPeers: all runs wait in recv at once, with a time-out, and all get their
// answer: no wait ends without one.
func TestManyRunsWaitForTheirPeers(t *testing.T) {
	runs := 300
	if *soak > 0 {
		runs = min(10_000, mostFiles(t)/2-500) // their peers are in this process, too
	}
	release := make(chan struct{})
	var waiting sync.WaitGroup
	waiting.Add(runs)
	port := serve(t, "127.0.0.1", func(c net.Conn) {
		_, _ = c.Read(make([]byte, 1))
		waiting.Done()
		<-release
		fmt.Fprint(c, "answer")
		_, _ = c.Read(make([]byte, 1))
	})
	box := openBox(t, Options{Memory: memory.New(16*runtime.GiB, nil)})
	p := deployed(t, box, clientImports+`
def main(args, context):
    s = socket.create_connection(("127.0.0.1", args["port"]), timeout=args["timeout"])
    s.send(b"x")
    if args["select"]:
        if not select.select([s], [], [], args["timeout"] or 500)[0]: return "nothing"
    return s.recv(100).decode()
`, runtime.Limits{Timeout: 10 * time.Minute})
	results := make(chan string, runs)
	for i := range runs {
		go func() {
			args, _ := json.Marshal(map[string]any{"port": port, "timeout": []any{500, nil}[i%2], "select": i%3 == 0})
			outcome, err := box.Run(t.Context(), runtime.RunCall{Program: p, Args: args, Context: runtime.EmptyObject, Room: &room{}, Network: &loopback{}})
			results <- fmt.Sprintf("%s %v %v", outcome.Result, outcome.Failure, err)
		}()
	}
	waiting.Wait()
	neighbour := deployed(t, box, "def main(args, context): return args\n", runtime.Limits{})
	for range 20 {
		if got := result(t, box, neighbour, `"free"`); got != `"free"` {
			t.Errorf("a neighbour returns %s", got)
		}
	}
	close(release)
	for range runs {
		if got := <-results; got != `"answer" <nil> <nil>` {
			t.Fatalf("got %s", got)
		}
	}
}
