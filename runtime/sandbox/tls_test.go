package sandbox

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/faaspot/faaspot/runtime"
)

// tlsImports begin the programs of these tests.
const tlsImports = clientImports + `import os, ssl
def trusting(args, **more):
    return ssl.create_default_context(cadata=args["ca"], **more)
def identified(context, args):
    for name in ("chain", "key"):
        with open("/tmp/" + name, "w") as file: file.write(args[name])
    context.load_cert_chain("/tmp/chain", "/tmp/key")
    return context
def connected(args, server, context=None, timeout=None, name="localhost", **more):
    plain = socket.create_connection(("127.0.0.1", args[server]), timeout)
    return (context or trusting(args)).wrap_socket(plain, server_hostname=name, **more)
def pair(args, client=None, server=None):
    "Two connections over memory, and what passes ciphertext between them."
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    if server is None:
        server = identified(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), args)
    return ((client or trusting(args)).wrap_bio(to_client, to_server, server_hostname="localhost"),
            server.wrap_bio(to_server, to_client, server_side=True))
def shake(*ends):
    left = list(ends)
    while left:
        for end in list(left):
            try: end.do_handshake()
            except ssl.SSLWantReadError: continue
            left.remove(end)
`

// tlsClients are bodies of main, which use the servers by their names in args. Native CPython with
// OpenSSL returns the same.
var tlsClients = []struct{ name, body, want string }{
	{"urllib", `
import urllib.request
with urllib.request.urlopen("https://localhost:%d/hello?name=x" % args["https"], context=trusting(args)) as r: first = r.read().decode()
request = urllib.request.Request("https://127.0.0.1:%d/echo" % args["https"], data=b"y" * 100000)
with urllib.request.urlopen(request, context=trusting(args)) as r: return [first, len(r.read()), r.headers["X-Length"]]`, `["hello x",100000,"100000"]`},
	{"http.client", `
import http.client
c = http.client.HTTPSConnection("localhost", args["https"], context=trusting(args))
found = []
for path in ("/hello?name=a", "/moved", "/large", "/hello?name=b"):
    c.request("GET", path)
    r = c.getresponse()
    found.append([r.status, len(r.read())])
return found`, `[[200,7],[302,40],[200,10485760],[200,7]]`},
	{
		"connection", `
s = connected(args, "tls")
line = s.recv(100).decode()
s.sendall(b"hello")
first = s.recv(2).decode()
left = s.pending()
name, version, bits = s.cipher()
return [line, first, left, s.recv(10).decode(), s.version(), name.startswith("TLS_"), version, bits >= 128, s.compression(), s.selected_alpn_protocol(),
        s.server_hostname, s.server_side, s.session_reused, s.shared_ciphers(), type(s).__name__]`,
		`["TLS 1.3 nobody \"\" localhost\n","he",3,"llo","TLSv1.3",true,"TLSv1.3",true,null,null,"localhost",false,false,null,"SSLSocket"]`,
	},
	{
		"TLS 1.2", `
s = connected(args, "tls12")
return [s.recv(100).decode(), s.version(), s.cipher()[0].startswith("ECDHE-ECDSA-"), s.cipher()[1], len(s.get_channel_binding())]`,
		`["TLS 1.2 nobody \"\" localhost\n","TLSv1.2",true,"TLSv1.2",12]`,
	},
	{"versions", `
c = trusting(args)
c.maximum_version = ssl.TLSVersion.TLSv1_2
found = [connected(args, "tls", c).version()]
c = trusting(args)
c.minimum_version = ssl.TLSVersion.TLSv1_3
return found + [connected(args, "tls", c).version()]`, `["TLSv1.2","TLSv1.3"]`},
	{
		"certificate", `
s = connected(args, "tls")
c = s.getpeercert()
chain, sent = s.get_verified_chain(), s.get_unverified_chain()
none = ssl._create_unverified_context()
return [list(c), c["subject"], c["issuer"], c["subjectAltName"], c["version"], ssl.cert_time_to_seconds(c["notAfter"]) > time.time(),
        s.getpeercert(True) == ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", args["tls"]))), len(chain), len(sent), sent[0] == s.getpeercert(True),
        connected(args, "tls", none).getpeercert()]`,
		`[["subject","issuer","version","serialNumber","notBefore","notAfter","subjectAltName"],[[["organizationName","faaspot tests"]],[["commonName","localhost"]]],[[["organizationName","faaspot tests"]],[["commonName","the authority"]]],` +
			`[["DNS","localhost"],["DNS","*.faas.test"],["DNS","*.test"],["IP Address","127.0.0.1"]],3,true,true,2,1,true,{}]`,
	},
	{"names", `
found = []
for name in ("localhost", "127.0.0.1", "a.faas.test", "A.FAAS.TEST"):
    found.append(connected(args, "tls", name=name).recv(100).decode().split()[-1])
return found`, `["localhost","\"\"","a.faas.test","A.FAAS.TEST"]`},
	{"ALPN", `
c = trusting(args)
c.set_alpn_protocols(["http/1.1", "h2"])
s = connected(args, "alpn", c)
n = trusting(args)
n.set_alpn_protocols([])
return [s.selected_alpn_protocol(), s.recv(100).decode(), connected(args, "alpn", n).selected_alpn_protocol()]`, `["h2","TLS 1.3 nobody \"h2\" localhost\n",null]`},
	{
		"client certificates", `
return [connected(args, server, identified(trusting(args), args)).recv(100).decode() for server in ("mutual", "mutual12")]`,
		`["TLS 1.3 client.test \"\" localhost\n","TLS 1.2 client.test \"\" localhost\n"]`,
	},
	{
		"authorities", `
with open("/tmp/ca.pem", "w") as file: file.write(args["other"] + args["ca"])
der = ssl.PEM_cert_to_DER_cert(args["ca"])
found = []
for more in ({"cafile": "/tmp/ca.pem"}, {"cadata": der}, {"cadata": args["ca"] + args["other"]}):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    c.load_verify_locations(**more)
    found.append([connected(args, "tls", c).version(), c.cert_store_stats()["x509_ca"], der in c.get_ca_certs(True)])
c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
c.load_verify_locations("/tmp/ca.pem")
return found + [sorted(x["subject"] for x in c.get_ca_certs())[1]]`,
		`[["TLSv1.3",2,true],["TLSv1.3",1,true],["TLSv1.3",2,true],[[["organizationName","faaspot tests"]],[["commonName","the authority"]]]]`,
	},
	{
		"no verification", `
c = trusting(args)
c.check_hostname = False
found = [connected(args, "wrong", c).getpeercert()["subject"][1]]
c.verify_mode = ssl.CERT_NONE
return found + [connected(args, "expired", c).getpeercert(), connected(args, "wrong", c).recv(100).decode(), connected(args, "tls", c, name=None).recv(100).decode()]`,
		`[[["commonName","www.example.org"]],{},"TLS 1.3 nobody \"\" localhost\n","TLS 1.3 nobody \"\" \n"]`,
	},
	{"time-outs", `
s = connected(args, "quiet")
s.settimeout(0.05)
found = []
try: s.recv(1)
except TimeoutError as e: found.append(str(e))
try: connected(args, "silent", timeout=0.05)
except TimeoutError as e: found.append(str(e))
return found`, `["The read operation timed out","_ssl.c:1011: The handshake operation timed out"]`},
	{"not blocking", `
s = connected(args, "tls", do_handshake_on_connect=False)
s.setblocking(False)
waits = 0
def until(call):
    global waits
    while True:
        try: return call()
        except ssl.SSLWantReadError: assert select.select([s], [], [], 20)[0]
        except ssl.SSLWantWriteError: assert select.select([], [s], [], 20)[1]
until(s.do_handshake)
line = until(lambda: s.recv(100)).decode()
try: s.recv(1)
except ssl.SSLWantReadError as e: text = [e.errno, str(e), e.library, e.reason]
data, got, at = os.urandom(300000), b"", 0
while len(got) < len(data):
    ready = select.select([s], [s] if at < len(data) else [], [], 20)
    if ready[1]:
        try: at += s.send(data[at:at + 50000])
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError): pass
    if ready[0] or s.pending():
        try: got += s.recv(20000)
        except ssl.SSLWantReadError: pass
return [line, text, got == data]`, `["TLS 1.3 nobody \"\" localhost\n",[2,"The operation did not complete (read) (_ssl.c:2649)",null,null],true]`},
	{"select after records of one segment", `
s = connected(args, "tls")
s.recv(100)
found = []
for _ in range(3): s.send(b"0123456789")
time.sleep(0.05)
while sum(found) < 30:
    if not s.pending(): assert select.select([s], [], [], 20)[0]
    found.append(len(s.recv(7)))
return found`, `[7,3,7,3,7,3]`},
	{"files", `
with connected(args, "tls") as s, s.makefile("rwb") as f:
    first = f.readline().decode()
    f.write(b"one\n" + b"2" * 100000 + b"\n")
    f.flush()
    return [first, f.readline().decode(), len(f.readline())]`, `["TLS 1.3 nobody \"\" localhost\n","one\n",100001]`},
	{"recv_into", `
s = connected(args, "tls")
s.recv(100)
s.sendall(b"abcdef")
b = bytearray(10)
n = s.recv_into(memoryview(b)[2:], 4)
return [n, s.recv_into(b, 0), b.decode("latin-1").rstrip("\0"), s.recv_into(bytearray())]`, `[4,2,"efabcd",0]`},
	{
		"end of a connection", `
s = connected(args, "ragged")
first = [s.recv(7).decode(), s.recv(1).decode()]
s = connected(args, "ragged", suppress_ragged_eofs=False)
s.recv(7)
try: s.recv(1)
except ssl.SSLEOFError as e: return first + [e.errno, str(e), e.reason, e.library]`,
		`["cut off","",8,"[SSL: UNEXPECTED_EOF_WHILE_READING] EOF occurred in violation of protocol (_ssl.c:2649)","UNEXPECTED_EOF_WHILE_READING","SSL"]`,
	},
	{"unwrapping", `
s = connected(args, "after")
s.send(b"end")
end = s.recv(10).decode()
plain = s.unwrap()
plain.send(b"go on")
return [end, type(plain).__name__, plain.recv(100).decode()]`, `["","SSLSocket","in the clear"]`},
	{"asyncio", `
async def talk():
    r, w = await asyncio.open_connection("127.0.0.1", args["tls"], ssl=trusting(args), server_hostname="localhost")
    line = (await r.readline()).decode()
    w.write(b"x" * 300000)
    await w.drain()
    found = [line, len(await r.readexactly(300000)), w.get_extra_info("ssl_object").version(), w.get_extra_info("peercert")["version"], w.get_extra_info("cipher")[1]]
    w.close()
    await w.wait_closed()
    return found
return asyncio.run(talk())`, `["TLS 1.3 nobody \"\" localhost\n",300000,"TLSv1.3",3,"TLSv1.3"]`},
	{"asyncio many", `
async def one(n):
    r, w = await asyncio.open_connection("127.0.0.1", args["tls"], ssl=context, server_hostname="localhost")
    await r.readline()
    w.write(b"%d\n" % n)
    line = await r.readline()
    w.close()
    return int(line)
async def all(): return await asyncio.gather(*map(one, range(10)))
context = trusting(args)
return asyncio.run(all())`, `[0,1,2,3,4,5,6,7,8,9]`},
	{"asyncio start_tls", `
async def talk():
    r, w = await asyncio.open_connection("127.0.0.1", args["starttls"])
    greeting = (await r.readline()).decode()
    w.write(b"STARTTLS\r\n")
    await r.readline()
    await w.start_tls(trusting(args), server_hostname="localhost")
    w.write(b"QUIT\r\n")
    return [greeting, (await r.readline()).decode(), w.get_extra_info("ssl_object").version()]
return asyncio.run(talk())`, `["220 test ESMTP\r\n","221 bye\r\n","TLSv1.3"]`},
	{"TLS in TLS", `
outer = connected(args, "tunnel")
outer.sendall(b"127.0.0.1:%d\n" % args["tls"])
found = [outer.recv(3).decode()]
incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
inner = trusting(args).wrap_bio(incoming, outgoing, server_hostname="localhost")
def until(call):
    while True:
        try: return call()
        except ssl.SSLWantReadError: pass
        finally: outer.sendall(outgoing.read())
        incoming.write(outer.recv(16384))
until(inner.do_handshake)
found.append(until(lambda: inner.read(100)).decode())
until(lambda: inner.write(b"inside"))
return found + [until(lambda: inner.read(100)).decode(), outer.version(), inner.version()]`, `["ok\n","TLS 1.3 nobody \"\" localhost\n","inside","TLSv1.3","TLSv1.3"]`},
	{"smtplib", `
import smtplib
with smtplib.SMTP("127.0.0.1", args["starttls"]) as s:
    s._host = "localhost"
    s.ehlo()
    found = [s.has_extn("starttls"), s.starttls(context=trusting(args))[0]]
    return found + [s.sendmail("a@example.org", ["b@example.org"], "Subject: x\n\nhello"), s.sock.version()]`, `[true,220,{},"TLSv1.3"]`},
	{"imaplib", `
import imaplib
with imaplib.IMAP4_SSL("localhost", args["imaps"], ssl_context=trusting(args)) as m: return [m.login("u", "p")[0], m.sock.version()]`, `["OK","TLSv1.3"]`},
	{
		"both ends", `
client, server = pair(args)
shake(client, server)
found = [client.version(), server.version(), client.cipher() == server.cipher(), server.server_side, server.getpeercert(), client.getpeercert()["subject"][1][0][1]]
client.write(b"ping" * 20000)
got = b""
while len(got) < 80000: got += server.read(50000)
server.write(b"pong")
return found + [got == b"ping" * 20000, client.read().decode(), client.cipher() in server.shared_ciphers(), client.shared_ciphers()]`,
		`["TLSv1.3","TLSv1.3",true,true,null,"client.test",true,"pong",true,null]`,
	},
	{"both ends, closing", `
client, server = pair(args)
shake(client, server)
found = []
try: client.read()
except ssl.SSLWantReadError as e: found.append(e.errno)
try: client.unwrap()
except ssl.SSLWantReadError as e: found.append(str(e))
found.append(server.read().decode())
server.unwrap()
client.unwrap()
try: server.write(b"x")
except ssl.SSLError as e: found.append(e.reason)
return found`, `[2,"The operation did not complete (read) (_ssl.c:2776)","","PROTOCOL_IS_SHUTDOWN"]`},
	{"both ends, a client that is asked", `
server = identified(ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cadata=args["ca"]), args)
server.verify_mode = ssl.CERT_REQUIRED
client, end = pair(args, identified(trusting(args), args), server)
shake(client, end)
return [end.getpeercert()["subject"][1], len(end.get_unverified_chain()) > 0]`, `[[["commonName","client.test"]],true]`},
	{"data after the end", `
to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
client = trusting(args).wrap_bio(to_client, to_server, server_hostname="localhost")
server = identified(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), args).wrap_bio(to_server, to_client, server_side=True)
shake(client, server)
try: server.unwrap()
except ssl.SSLWantReadError: pass
to_client.write(b"in the clear")
found = [client.read().decode()]
client.unwrap()
return found + [to_client.read().decode(), to_client.pending, to_client.eof]`, `["","in the clear",0,false]`},
	{"end of the transport", `
to_client = ssl.MemoryBIO()
client = trusting(args).wrap_bio(to_client, ssl.MemoryBIO(), server_hostname="localhost")
try: client.do_handshake()
except ssl.SSLWantReadError as e: first = type(e).__name__
to_client.write_eof()
try: client.do_handshake()
except ssl.SSLEOFError as e: return [first, str(e)]`, `["SSLWantReadError","[SSL: UNEXPECTED_EOF_WHILE_READING] EOF occurred in violation of protocol (_ssl.c:1028)"]`},
	{"both ends of a socketpair", `
a, b = socket.socketpair()
a.setblocking(False), b.setblocking(False)
server = identified(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), args)
ends = [trusting(args).wrap_socket(a, server_hostname="localhost", do_handshake_on_connect=False),
        server.wrap_socket(b, server_side=True, do_handshake_on_connect=False)]
shake(*ends)
ends[0].send(b"through")
return [ends[1].recv(100).decode(), ends[1].version(), ends[1].server_side]`, `["through","TLSv1.3",true]`},
	{
		"sessions", `
c = trusting(args)
c.maximum_version = ssl.TLSVersion.TLSv1_2
first = connected(args, "tls", c)
first.recv(100)
second = connected(args, "tls", c, session=first.session)
second.recv(100)
other = trusting(args)
try: connected(args, "tls", other, session=first.session)
except ValueError as e: text = str(e)
return [first.session_reused, second.session_reused, type(first.session).__name__, first.session.has_ticket, len(first.session.id), text, first.session == first.session]`,
		`[false,true,"SSLSession",true,32,"Session refers to a different SSLContext.",true]`,
	},
	{
		"ciphers", `
c = ssl.create_default_context()
names = [x["name"] for x in c.get_ciphers()]
c.set_ciphers("ECDHE-ECDSA-AES256-GCM-SHA384")
c.load_verify_locations(cadata=args["ca"])
return [{"TLS_AES_128_GCM_SHA256", "ECDHE-RSA-AES128-GCM-SHA256"} <= set(names), sorted(c.get_ciphers()[0]), connected(args, "tls12", c).cipher()]`,
		`[true,["aead","alg_bits","auth","description","digest","id","kea","name","protocol","strength_bits","symmetric"],["ECDHE-ECDSA-AES256-GCM-SHA384","TLSv1.2",256]]`,
	},
	{"certificate objects", `
s = connected(args, "tls")
first, last = s._sslobj.get_verified_chain()
again = s._sslobj.get_unverified_chain()[0]
return [repr(first), first == again, hash(first) == hash(again), first != last, first.public_bytes().startswith("-----BEGIN CERTIFICATE-----\n"), ssl.DER_cert_to_PEM_cert(first.public_bytes(2)) == first.public_bytes(),
        last.get_info()["subject"][1]]`, `["<_ssl.Certificate 'CN=localhost,O=faaspot tests'>",true,true,true,true,true,[["commonName","the authority"]]]`},
	{"a socket that is closed", `
s = connected(args, "tls")
s.close()
found = []
for call in (lambda: s.recv(1), lambda: s.send(b"x"), s.version, s.getpeercert):
    try: found.append(call())
    except Exception as e: found.append([type(e).__name__, str(e)])
return found`, `[["OSError","[Errno 9] Bad file descriptor"],["OSError","[Errno 9] Bad file descriptor"],null,["AttributeError","'NoneType' object has no attribute 'getpeercert'"]]`},
}

// TestTLSClients runs clients with TLS of the standard library, unmodified, against servers.
func TestTLSClients(t *testing.T) { runClients(t, tlsServers(t), tlsImports, tlsClients) }

// TestFolderOfCertificates: what cannot be read in a folder of certificates, or is too large, is left out
// alone.
func TestFolderOfCertificates(t *testing.T) {
	names := tlsServers(t)
	box := boxes["mapped"]
	p := deployed(t, box, tlsImports+`
def main(args, context):
    os.mkdir("/tmp/trusted")
    os.symlink("/tmp/none", "/tmp/trusted/00000000.0")
    with open("/tmp/trusted/00000001.0", "w") as file: file.write("x" * 2_000_000)
    for name in ("11111111.0", "22222222.1"):
        with open("/tmp/trusted/" + name, "w") as file: file.write(args["ca"])
    with open("/tmp/trusted/33333333.0", "w") as file: file.write("x" * 1_100_000)
    context = ssl.create_default_context(capath="/tmp/trusted")
    return connected(args, "tls", context).recv(100).decode()
`, runtime.Limits{})
	outcome := runOn(t, box, p, names, &loopback{})
	if outcome.Failure != nil || !strings.HasPrefix(string(outcome.Result), `"TLS 1.3 `) {
		t.Errorf("got %s, %+v", outcome.Result, outcome.Failure)
	}
}

// tlsErrors are calls that fail, with the class, the number, the reason and the text of the exception, which are those
// of native CPython with OpenSSL.
var tlsErrors = []struct{ name, call, want string }{
	{"wrong name", `connected(args, "wrong")`, `["SSLCertVerificationError",1,"CERTIFICATE_VERIFY_FAILED","[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: Hostname mismatch, certificate is not valid for 'localhost'. (_ssl.c:1028)",62]`},
	{"wrong address", `connected(args, "wrong", name="127.0.0.1")`, `["SSLCertVerificationError",1,"CERTIFICATE_VERIFY_FAILED","[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: IP address mismatch, certificate is not valid for '127.0.0.1'. (_ssl.c:1028)",64]`},
	{"wildcard of one label", `connected(args, "tls", name="a.test")`, `["SSLCertVerificationError",1,"CERTIFICATE_VERIFY_FAILED","[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: Hostname mismatch, certificate is not valid for 'a.test'. (_ssl.c:1028)",62]`},
	{"wildcard of two labels", `connected(args, "tls", name="a.b.faas.test")`, `["SSLCertVerificationError",1,"CERTIFICATE_VERIFY_FAILED","[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: Hostname mismatch, certificate is not valid for 'a.b.faas.test'. (_ssl.c:1028)",62]`},
	{"unknown authority", `connected(args, "tls", ssl.create_default_context(cadata=args["other"]))`, `["SSLCertVerificationError",1,"CERTIFICATE_VERIFY_FAILED","[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: unable to get local issuer certificate (_ssl.c:1028)",20]`},
	{"expired", `connected(args, "expired")`, `["SSLCertVerificationError",1,"CERTIFICATE_VERIFY_FAILED","[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: certificate has expired (_ssl.c:1028)",10]`},
	{"no TLS", `connected(args, "web")`, `["SSLError",1,"WRONG_VERSION_NUMBER","[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1028)",null]`},
	{"no certificate", `connected(args, "mutual12")`, `["SSLError",1,"SSLV3_ALERT_HANDSHAKE_FAILURE","[SSL: SSLV3_ALERT_HANDSHAKE_FAILURE] sslv3 alert handshake failure (_ssl.c:1028)",null]`},
	{"no certificate, TLS 1.3", `connected(args, "mutual").recv(1)`, `["SSLError",1,"TLSV13_ALERT_CERTIFICATE_REQUIRED","[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED] tlsv13 alert certificate required (_ssl.c:2649)",null]`},
	{"closed at once", `connected(args, "closes")`, `["SSLEOFError",8,"UNEXPECTED_EOF_WHILE_READING","[SSL: UNEXPECTED_EOF_WHILE_READING] EOF occurred in violation of protocol (_ssl.c:1028)",null]`},
	{"reset", `connected(args, "reset")`, `["ConnectionResetError",104,null,"[Errno 104] Connection reset by peer",null]`},
	{"no version in common", `c = trusting(args); c.minimum_version = ssl.TLSVersion.TLSv1_3; connected(args, "tls12", c)`, `["SSLError",1,"TLSV1_ALERT_PROTOCOL_VERSION","[SSL: TLSV1_ALERT_PROTOCOL_VERSION] tlsv1 alert protocol version (_ssl.c:1028)",null]`},
	{"empty name", `connected(args, "tls", name="")`, `["ValueError",null,null,"check_hostname requires server_hostname",null]`},
	{"no name", `connected(args, "tls", name=None)`, `["ValueError",null,null,"check_hostname requires server_hostname",null]`},
	{"no file", `trusting(args).load_cert_chain("/nope")`, `["FileNotFoundError",2,null,"[Errno 2] No such file or directory",null]`},
	{"no certificate in a file", `trusting(args).load_cert_chain("/etc/hosts")`, `["SSLError",524297,null,"[SSL] PEM lib (_ssl.c:4092)",null]`},
	{"keys of others", `open("/tmp/a", "w").write(args["chain"]); open("/tmp/b", "w").write(args["otherkey"]); trusting(args).load_cert_chain("/tmp/a", "/tmp/b")`, `["SSLError",116,"KEY_VALUES_MISMATCH","[X509: KEY_VALUES_MISMATCH] key values mismatch (_ssl.c:4113)",null]`},
	{"no authority in a file", `ssl.create_default_context(cafile="/etc/hosts")`, `["SSLError",136,"NO_CERTIFICATE_OR_CRL_FOUND","[X509: NO_CERTIFICATE_OR_CRL_FOUND] no certificate or crl found (_ssl.c:4345)",null]`},
	{"no authority", `ssl.create_default_context(cadata="x")`, `["SSLError",0,null,"no start line: cadata does not contain a certificate (_ssl.c:4211)",null]`},
	{"ciphers", `trusting(args).set_ciphers("NONE:SUCH")`, `["SSLError",null,null,"('No cipher can be selected.',)",null]`},
	{"unwrapping early", `connected(args, "tls", do_handshake_on_connect=False).unwrap()`, `["SSLError",1,"SHUTDOWN_WHILE_IN_INIT","[SSL: SHUTDOWN_WHILE_IN_INIT] shutdown while in init (_ssl.c:2776)",null]`},
}

// TestTLSErrors: failures of TLS are the exceptions of CPython with OpenSSL.
func TestTLSErrors(t *testing.T) {
	names := tlsServers(t)
	box := boxes["mapped"]
	p := deployed(t, box, tlsErrorsProgram(), runtime.Limits{})
	outcome := runOn(t, box, p, names, &loopback{})
	if outcome.Failure != nil {
		t.Fatalf("%+v\n%s", *outcome.Failure, outcome.Logs.Data)
	}
	checkTLSErrors(t, outcome.Result)
}

func tlsErrorsProgram() string {
	var body strings.Builder
	body.WriteString(tlsImports + "def main(args, context):\n    results = []\n")
	for _, c := range tlsErrors {
		fmt.Fprintf(&body, "    try:\n        %s\n        results.append(None)\n    except Exception as e:\n", c.call)
		body.WriteString("        results.append([type(e).__name__, getattr(e, 'errno', None), getattr(e, 'reason', None), str(e), getattr(e, 'verify_code', None)])\n")
	}
	return body.String() + "    return results\n"
}

func checkTLSErrors(t *testing.T, result []byte) {
	t.Helper()
	var got []any
	if err := json.Unmarshal(result, &got); err != nil {
		t.Fatal(err)
	}
	for i, c := range tlsErrors {
		if text, _ := json.Marshal(got[i]); string(text) != c.want {
			t.Errorf("%s: got  %s, want %s", c.name, text, c.want)
		}
	}
}
