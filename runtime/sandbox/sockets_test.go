package sandbox

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/memory"
	"github.com/faaspot/faaspot/runtime/sandbox/wasi"
)

// TestMemoryOfConnections: each connection takes its memory from the budget, once, until it is closed, and
// there is none without.
func TestMemoryOfConnections(t *testing.T) {
	budget := memory.New(testMemory, nil)
	box := openBox(t, Options{Memory: budget})
	others := budget.Open(memory.Options{Name: "others"})
	var taken int64
	port := serve(t, "127.0.0.1", func(c net.Conn) {
		b := make([]byte, 1)
		for {
			if _, err := c.Read(b); err != nil {
				return
			}
			switch b[0] {
			case 'h':
				fmt.Fprintf(c, "%10d", box.accounts.connections.Held())
			case 't': // all that is free
				taken = others.Free()
				for !others.TakeFree(taken) {
					taken = others.Free()
				}
				fmt.Fprintf(c, "%10d", taken)
			}
		}
	})
	p := deployed(t, box, clientImports+`
def main(args, context):
    def held(): s.send(b"h"); return int(s.recv(10, socket.MSG_WAITALL))
    s = socket.create_connection(("127.0.0.1", args["port"]))
    all = [held()]
    more = [socket.create_connection(("127.0.0.1", args["port"])) for _ in range(5)]
    all.append(held())
    for c in more: c.close()
    all.append(held())
    s.send(b"t"); s.recv(10, socket.MSG_WAITALL)
    try: socket.create_connection(("127.0.0.1", args["port"]))
    except OSError as error: all += [error.errno, str(error)]
    return all
`, runtime.Limits{})
	outcome := runOn(t, box, p, map[string]any{"port": port}, &loopback{})
	others.Give(taken)
	const each = wasi.ConnectionBytes
	want := fmt.Sprintf(`[%d,%d,%d,105,"[Errno 105] No buffer space available: the server has no memory for another connection: try again in a moment"]`, each, 6*each, each)
	if string(outcome.Result) != want {
		t.Errorf("got %s %+v, want %s", outcome.Result, outcome.Failure, want)
	}
	if held := box.accounts.connections.Held(); held != 0 {
		t.Errorf("%d bytes are held after the run", held)
	}
}

// together is a network whose look-ups of names that end in .together.test have an answer once as many are in
// progress as it waits for.
type together struct {
	loopback
	begun sync.WaitGroup
}

func newTogether(n int) *together {
	t := &together{}
	t.begun.Add(n)
	return t
}

func (n *together) Resolve(ctx context.Context, network, host string) ([]netip.Addr, error) {
	if !strings.HasSuffix(host, ".together.test") {
		return n.loopback.Resolve(ctx, network, host)
	}
	n.begun.Done()
	all := make(chan struct{})
	go func() { n.begun.Wait(); close(all) }()
	select {
	case <-all:
		return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// TestLookUpsOfALoop: look-ups of asyncio run at the same time, and the loop goes on meanwhile.
func TestLookUpsOfALoop(t *testing.T) {
	const many = 10
	names := servers(t)
	names["many"] = many
	for _, box := range boxes {
		p := deployed(t, box, clientImports+`
async def one(i, args):
    reader, writer = await asyncio.open_connection(f"n{i}.together.test", args["echo"])
    writer.write(b"hello")
    answer = await reader.readexactly(5)
    writer.close()
    return answer.decode()

async def cancelled(loop):
    try: await asyncio.wait_for(loop.getaddrinfo("slow.test", 80), 0.02)
    except TimeoutError: return "timed out"

async def failed(loop, name, **more):
    try: return await loop.getaddrinfo(name, 80, **more)
    except OSError as e: return str(e)
    except UnicodeError as e: return e.reason

async def main(args, context):
    loop = asyncio.get_running_loop()
    answers = await asyncio.gather(*(one(i, args) for i in range(args["many"])))
    rest = [await cancelled(loop), await failed(loop, "no.test"), await failed(loop, "denied.test"), await failed(loop, "x" * 2000)]
    rest.append(len(await loop.getaddrinfo(None, 80)))
    rest.append((await loop.getaddrinfo("127.0.0.1", 80, type=socket.SOCK_STREAM))[0][4])
    rest.append((await loop.getaddrinfo("localhost", "http", family=socket.AF_INET, type=socket.SOCK_STREAM))[0][4])
    rest.append((await loop.getaddrinfo(b"v4.test", 80, type=socket.SOCK_STREAM))[0][4])
    rest.append(await failed(loop, "v4.test", flags=socket.AI_NUMERICHOST))
    await asyncio.sleep(0.05)
    return [answers == ["hello"] * args["many"], rest, len(loop._selector.get_map())]
`, runtime.Limits{Timeout: time.Minute})
		n := newTogether(many)
		outcome := runOn(t, box, p, names, n)
		want := `[true,["timed out","[Errno -2] Name or service not known: there is no host no.test",` +
			`"[Errno -4] Non-recoverable failure in name resolution: the function may not reach denied.test: add it to allow",` +
			`"label too long",4,["127.0.0.1",80],["127.0.0.1",80],["127.0.0.1",80],"[Errno -2] Name or service not known"],0]`
		if string(outcome.Result) != want {
			t.Errorf("got %s %+v\nwant %s", outcome.Result, outcome.Failure, want)
		}
		n.wait(t)
		if held := box.accounts.connections.Held(); held != 0 {
			t.Errorf("%d bytes are held", held)
		}
	}
}

// socketCalls are bodies of main that use what few clients do.
var socketCalls = []struct{ name, body, want string }{
	{"sendmsg", `
s = socket.create_connection(("127.0.0.1", args["echo"]))
a, b, c = bytearray(3), bytearray(4), bytearray(10)
sent = s.sendmsg([b"abc", b"", memoryview(b"defgh"), bytearray(b"i")])
s.recv(1, socket.MSG_PEEK | socket.MSG_WAITALL)
n, ancillary, flags, address = s.recvmsg_into([a, b, c])
return [sent, n, bytes(a + b + c[:2]).decode(), ancillary, flags, address]`, `[9,9,"abcdefghi",[],0,null]`},
	{"recvmsg", `
s = socket.create_connection(("127.0.0.1", args["echo"]))
s.send(b"hello")
data, ancillary, flags, address = s.recvmsg(3, socket.CMSG_SPACE(40))
return [data.decode(), ancillary, flags, address, s.recvmsg(10)[0].decode()]`, `["hel",[],0,null,"lo"]`},
	{"datagrams of several buffers", `
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
to = ("127.0.0.1", args["udp"])
sent = s.sendmsg([b"one", b"two", b"three"], [], 0, to)
a, b = bytearray(4), bytearray(100)
n, _, flags, address = s.recvmsg_into([a, b])
s.sendto(b"longer than the buffer", to)
cut, _, cut_flags, _ = s.recvmsg(6)
return [sent, n, (a + b[:n - 4]).decode(), flags, address == to, cut.decode(), cut_flags == socket.MSG_TRUNC]`, `[11,11,"onetwothree",0,true,"longer",true]`},
	{"a statsd client", `
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setblocking(False)
s.connect(("localhost", args["udp"]))
for i in range(3): s.send(b"hits:1|c")
s.settimeout(5)
return [s.recv(100).decode() for _ in range(3)]`, `["hits:1|c","hits:1|c","hits:1|c"]`},
	{"ancillary data", `
import array
a, b = socket.socketpair()
try: socket.send_fds(a, [b"x"], [0])
except PermissionError as e: refused = str(e)
try: a.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0]))])
except PermissionError as e: return ["ancillary data carries descriptors" in str(e), str(e) == refused]`, `[true,true]`},
	{"poll for errors alone", `
a, b = socket.socketpair()
p = select.poll()
p.register(a, 0)
b.send(b"x")
quiet = p.poll(10)
p.modify(a, select.POLLPRI)
urgent = p.poll(10)
p.modify(a, 0)
b.close()
gone = p.poll(1000)
return [quiet, urgent, [e & ~select.POLLERR for _, e in gone] == [select.POLLHUP], a.recv(1).decode()]`, `[[],[],true,"x"]`},
	{"duplicates", `
s = socket.create_connection(("127.0.0.1", args["echo"]))
d, f = s.dup(), socket.fromfd(s.fileno(), s.family, s.type)
s.close()
d.send(b"ab")
first = f.recv(1, socket.MSG_WAITALL).decode()
g = socket.socket(fileno=f.detach())
return [first, g.recv(1).decode(), f.fileno(), g.getpeername()[1] == args["echo"], d.fileno() != g.fileno(), hasattr(d, "share")]`, `["a","b",-1,true,true,false]`},
	{"a source address", `
s = socket.create_connection(("127.0.0.1", args["echo"]), source_address=("", 0))
s.send(b"x")
async def main():
    reader, writer = await asyncio.open_connection("127.0.0.1", args["echo"], local_addr=("0.0.0.0", 0))
    writer.close()
    return "connected"
try: socket.create_connection(("127.0.0.1", args["echo"]), source_address=("10.0.0.1", 0))
except PermissionError as e: return [s.recv(1).decode(), asyncio.run(main()), e.errno]`, `["x","connected",13]`},
	{"options of keep-alive", `
s = socket.create_connection(("127.0.0.1", args["echo"]))
names = "TCP_KEEPIDLE TCP_KEEPINTVL TCP_KEEPCNT TCP_USER_TIMEOUT TCP_NODELAY".split()
for i, name in enumerate(names): s.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), i + 5)
s.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
s.send(b"x")
return [[s.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) for name in names], s.recv(1).decode()]`, `[[5,6,7,8,9],"x"]`},
	{"getaddrinfo", `
def get(*a, **k):
    try: return [list(x[4]) for x in socket.getaddrinfo(*a, type=socket.SOCK_STREAM, **k)]
    except socket.gaierror as e: return e.errno
return [get(None, 80), get(None, 80, flags=socket.AI_PASSIVE), get("127.0.0.1", 80, flags=socket.AI_NUMERICHOST), get("v4.test", "http"), get("v4.test", "80", flags=socket.AI_NUMERICSERV),
    get("v4.test", "http", flags=socket.AI_NUMERICSERV), get("::1", 1, family=socket.AF_INET), socket.getaddrinfo("v4.test", 1, flags=socket.AI_CANONNAME)[0][3], socket.has_dualstack_ipv6()]`, `[[["127.0.0.1",80],["::1",80,0,0]],[["0.0.0.0",80],["::",80,0,0]],[["127.0.0.1",80]],[["127.0.0.1",80]],[["127.0.0.1",80]],-2,-9,"v4.test",true]`},
	{"fcntl", `
import fcntl
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect(("127.0.0.1", args["udp"]))
s.send(b"kept")
select.select([s], [], [])
before = fcntl.fcntl(s, fcntl.F_GETFL)
fcntl.fcntl(s, fcntl.F_SETFL, before | os.O_NONBLOCK)
after = fcntl.fcntl(s, fcntl.F_GETFL)
first = s.recv(10).decode()
try: s.recv(10)
except BlockingIOError: return [before == os.O_RDWR, after == os.O_RDWR | os.O_NONBLOCK, os.get_blocking(s.fileno()), first]`, `[true,true,false,"kept"]`},
	{"writelines", `
async def main():
    reader, writer = await asyncio.open_connection("127.0.0.1", args["echo"])
    writer.writelines([b"%d," % i for i in range(3000)])
    writer.write_eof()
    return len(await reader.read())
return asyncio.run(main())`, `13890`},
}

// TestSocketCalls checks calls of sockets that few clients make.
func TestSocketCalls(t *testing.T) {
	names := servers(t)
	box := boxes["mapped"]
	for _, c := range socketCalls {
		t.Run(c.name, func(t *testing.T) {
			p := deployed(t, box, clientImports+"def main(args, context):\n"+indented(c.body), runtime.Limits{})
			defer box.Forget(p.FunctionID, p.Version)
			n := &loopback{}
			outcome := runOn(t, box, p, names, n)
			if outcome.Failure != nil {
				t.Fatalf("%+v\n%s", *outcome.Failure, outcome.Logs.Data)
			}
			if got := string(outcome.Result); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
			n.wait(t)
		})
	}
}

// literal is a network that resolves no name.
type literal struct{ loopback }

func (*literal) Resolve(_ context.Context, _, host string) ([]netip.Addr, error) {
	return nil, runtime.Errorf(runtime.CodePermissionDenied, "the function may not reach %s", host)
}

// TestLocalhostIsLoopback: where no rule has its name, the host of the run is the loopback interface, which a
// rule with an address opens.
func TestLocalhostIsLoopback(t *testing.T) {
	names := servers(t)
	box := boxes["mapped"]
	p := deployed(t, box, clientImports+`
def main(args, context):
    results = []
    for name in "localhost", "LOCALHOST", socket.gethostname():
        with socket.create_connection((name, args["echo"])) as s:
            s.send(b"x")
            results.append([s.recv(1).decode(), s.getpeername()[0]])
    async def connect():
        reader, writer = await asyncio.open_connection("localhost", args["echo"])
        writer.write(b"y")
        return (await reader.readexactly(1)).decode()
    results.append(asyncio.run(connect()))
    for name in "localhost.evil.test", "localhost.localdomain.", "notlocalhost":
        try: socket.getaddrinfo(name, 1)
        except OSError as e: results.append(str(e).rpartition(": ")[2])
    return results
`, runtime.Limits{})
	const want = `[["x","127.0.0.1"],["x","127.0.0.1"],["x","127.0.0.1"],"y","the function may not reach localhost.evil.test",` +
		`"the function may not reach localhost.localdomain.","the function may not reach notlocalhost"]`
	if outcome := runOn(t, box, p, names, &literal{}); string(outcome.Result) != want {
		t.Errorf("got %s %+v, want %s", outcome.Result, outcome.Failure, want)
	}
}
