"""TLS in memory: both ends of a connection in one program, certificates, and what fails."""

import os, ssl, tempfile, warnings

CA = """-----BEGIN CERTIFICATE-----
MIIBszCCAVmgAwIBAgIBATAKBggqhkjOPQQDAjBAMQswCQYDVQQGEwJERTEQMA4G
A1UEChMHZmFhc3BvdDEfMB0GA1UEAxMWZmFhc3BvdCB0ZXN0IGF1dGhvcml0eTAg
Fw0yNDAxMDUwOTM0NDNaGA8yMDk5MTIzMTIzNTk1OVowQDELMAkGA1UEBhMCREUx
EDAOBgNVBAoTB2ZhYXNwb3QxHzAdBgNVBAMTFmZhYXNwb3QgdGVzdCBhdXRob3Jp
dHkwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAARupU86Pp7rfycc/gvz+CoveXVE
55Izg81+TIotcMj1gJQ0WRQ8QRCJlMzA6kZz6EAdFNChRJ67bxXF+bNTXamio0Iw
QDAOBgNVHQ8BAf8EBAMCAgQwDwYDVR0TAQH/BAUwAwEB/zAdBgNVHQ4EFgQUyWEL
DtD4lR5OkBaimXRk5atfHb0wCgYIKoZIzj0EAwIDSAAwRQIhAIPq3QI7/oPsHC26
XumANci2Nq9RQmqroxOq/wvKiYekAiANHvKZXCg56C2TFPJ9t8B0e7/3VWxyK+pM
XfPeR6nppA==
-----END CERTIFICATE-----
"""
CHAIN = """-----BEGIN CERTIFICATE-----
MIICtTCCAlugAwIBAgIEEjSrzTAKBggqhkjOPQQDAjBAMQswCQYDVQQGEwJERTEQ
MA4GA1UEChMHZmFhc3BvdDEfMB0GA1UEAxMWZmFhc3BvdCB0ZXN0IGF1dGhvcml0
eTAgFw0yNDAxMDUwOTM0NDNaGA8yMDk5MTIzMTIzNTk1OVowPzEOMAwGA1UEBwwF
S8O2bG4xFDAIBgNVBAsTAWEwCAYDVQQLEwFiMRcwFQYDVQQDEw5zZXJ2ZXIuZXhh
bXBsZTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABAOtSa67aZvOvklHngjXH2Ag
D5pv9uyoxT0klBanHXIBXTe+xXEHVrjO51mdJ64RaHHhDkJAj2TDwGDRv54D08uj
ggFAMIIBPDAOBgNVHQ8BAf8EBAMCB4AwHQYDVR0lBBYwFAYIKwYBBQUHAwEGCCsG
AQUFBwMCMB8GA1UdIwQYMBaAFMlhCw7Q+JUeTpAWopl0ZOWrXx29MFUGCCsGAQUF
BwEBBEkwRzAfBggrBgEFBQcwAYYTaHR0cDovL29jc3AuZXhhbXBsZTAkBggrBgEF
BQcwAoYYaHR0cDovL2NhLmV4YW1wbGUvY2EuY3J0MGgGA1UdEQRhMF+CDnNlcnZl
ci5leGFtcGxlgg4qLndpbGQuZXhhbXBsZYENYUBleGFtcGxlLm9yZ4cEwAACAYcQ
IAENuAAAAAAAAAAAAAAAAYYWaHR0cHM6Ly9mYWFzLmV4YW1wbGUveDApBgNVHR8E
IjAgMB6gHKAahhhodHRwOi8vY2EuZXhhbXBsZS9jYS5jcmwwCgYIKoZIzj0EAwID
SAAwRQIgJsoDIwD6ZNBn7JCSJn0PLWqnB2OmGp2MaibgzYAWMggCIQDxyqzBxcdA
2EQLVNcsKHbC5+q10DtgMi4G/0Ovhig3sA==
-----END CERTIFICATE-----
"""
KEY = """-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgYhOmShp7BuASmIkN
WRUStn50S3OfDfXeb1ew3nO7pMShRANCAAQDrUmuu2mbzr5JR54I1x9gIA+ab/bs
qMU9JJQWpx1yAV03vsVxB1a4zudZnSeuEWhx4Q5CQI9kw8Bg0b+eA9PL
-----END PRIVATE KEY-----
"""


def pair(client, server, name="server.example", **more):
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    a = client.wrap_bio(to_client, to_server, server_hostname=name, **more)
    return a, server.wrap_bio(to_server, to_client, server_side=True), to_server, to_client


def shake(*ends):
    left = list(ends)
    for _ in range(20):
        for end in list(left):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            left.remove(end)
    return not left


def trial(call, *args, **kwargs):
    try:
        value = call(*args, **kwargs)
        return value.decode("latin-1") if isinstance(value, bytes) else value
    except Exception as e:
        return [type(e).__name__, str(e)] + [getattr(e, name, None) for name in ("errno", "library", "reason", "verify_code", "verify_message")]


def server_context(files, **settings):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    c.load_cert_chain(*files)
    for name, value in settings.items():
        setattr(c, name, value)
    return c


def client_context(**settings):
    c = ssl.create_default_context(cadata=CA)
    for name, value in settings.items():
        setattr(c, name, value)
    return c


def versions(files):
    found = {}
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        a, b, _, _ = pair(client_context(), server_context(files, maximum_version=version))
        before = [a.version(), a.cipher(), a.selected_alpn_protocol(), a.pending(), trial(a.getpeercert), a.get_verified_chain(), a.session]
        done = shake(a, b)
        sent = [a.write(b"x" * 40000), b.write(b"answer")]
        got = b""
        while len(got) < 40000:
            got += b.read(30000)
        found[version.name] = [before, done, a.version(), b.version(), a.cipher()[1], a.cipher() == b.cipher(), sent, len(got), a.read(3).decode(), a.pending(),
                               a.read().decode(), trial(a.read), b.getpeercert(), b.getpeercert(True), a.getpeercert(True) == ssl.PEM_cert_to_DER_cert(CHAIN),
                               a.compression(), a.session_reused, type(a.session).__name__, len(a.session.id), b.server_side, a.server_hostname]
        first = [trial(a.unwrap)]
        first.append(trial(b.read))
        first.append(trial(b.unwrap))
        first.append(trial(a.unwrap))
        found[version.name + " end"] = first + [trial(b.write, b"x"), trial(a.read)]
    return found


def certificates():
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(CHAIN)
        file.flush()
        decoded = ssl._ssl._test_decode_cert(file.name)
    c = client_context()
    return {"decoded": decoded, "keys": list(decoded), "authorities": c.get_ca_certs(), "stats": c.cert_store_stats(),
            "DER": c.get_ca_certs(True) == [ssl.PEM_cert_to_DER_cert(CA)], "none": trial(ssl._ssl._test_decode_cert, "/nope")}


def names(files):
    found = {}
    for name in ("server.example", "SERVER.example", "a.wild.example", "wild.example", "a.b.wild.example", "192.0.2.1", "192.0.2.2", "2001:db8::1", "other.example"):
        a, b, _, _ = pair(client_context(), server_context(files), name)
        found[name] = trial(shake, a, b)
    return found


def agreements(files):
    found = {}
    c, s = client_context(), server_context(files)
    c.set_alpn_protocols(["h2", "http/1.1"])
    s.set_alpn_protocols(["http/1.1", "h2"])
    a, b, _, _ = pair(c, s)
    found["ALPN"] = [shake(a, b), a.selected_alpn_protocol(), b.selected_alpn_protocol()]
    s = server_context(files, verify_mode=ssl.CERT_REQUIRED)
    s.load_verify_locations(cadata=CA)
    a, b, _, _ = pair(client_context(), s)
    found["no client"] = [trial(shake, a, b), trial(a.read)]
    c = client_context()
    c.load_cert_chain(*files)
    a, b, _, _ = pair(c, s)
    found["client"] = [shake(a, b), b.getpeercert()["subject"], len(a.get_verified_chain()), len(a.get_unverified_chain())]
    a, b, _, _ = pair(client_context(minimum_version=ssl.TLSVersion.TLSv1_3), server_context(files, maximum_version=ssl.TLSVersion.TLSv1_2))
    found["no version"] = [trial(shake, a, b), trial(a.do_handshake)]
    a, b, _, _ = pair(ssl.create_default_context(cadata=CHAIN), server_context(files))
    found["trusted as such"] = [trial(shake, a, b), len(a.get_verified_chain())]
    a, b, _, _ = pair(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), server_context(files))
    found["no authority"] = [trial(shake, a, b), trial(b.do_handshake)]
    c = client_context(check_hostname=False)
    c.verify_mode = ssl.CERT_NONE
    a, b, _, _ = pair(c, server_context(files))
    found["not verified"] = [shake(a, b), a.getpeercert(), a.getpeercert(True) is None]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        a, b, _, _ = pair(client_context(options=ssl.OP_ALL | ssl.OP_NO_TLSv1_3), server_context(files))
    found["options"] = [shake(a, b), a.version()]
    return found


def transports(files):
    found = {}
    a, b, to_server, to_client = pair(client_context(), server_context(files))
    found["early"] = [trial(a.unwrap), trial(a.do_handshake), trial(a.write, b"x"), trial(a.read), trial(a.read, -1), a.read(0).decode()]
    to_client.write(b"HTTP/1.0 400 Bad Request\r\n\r\n")
    found["no TLS"] = trial(a.do_handshake)
    a, b, to_server, to_client = pair(client_context(), server_context(files))
    found["wants"] = trial(a.do_handshake)
    to_client.write_eof()
    found["end"] = trial(a.do_handshake)
    a, b, to_server, to_client = pair(client_context(), server_context(files))
    shake(a, b)
    found["left"] = [b.write(b"last"), trial(b.unwrap), to_client.write(b"in the clear"), a.read().decode(), a.read().decode(), trial(a.unwrap), to_client.read().decode()]
    a, b, to_server, to_client = pair(client_context(), server_context(files))
    shake(a, b)
    a.write(b"abc")
    data = bytearray(to_server.read())
    data[-1] ^= 1
    to_server.write(data)
    found["changed"] = [trial(b.read), trial(b.read)]
    a, b, to_server, to_client = pair(client_context(), server_context(files))
    shake(a, b)
    buffer = bytearray(10)
    b.write(b"0123456789abcdef")
    found["buffers"] = [a.read(4, buffer), buffer.decode("latin-1"), a.read(0, buffer), a.read(100, buffer), trial(a.write, "text"), a.write(bytearray(b"x")), a.write(b"")]
    return found


def main(args, context):
    folder = tempfile.mkdtemp()
    files = []
    for name, text in (("chain", CHAIN), ("key", KEY)):
        files.append(os.path.join(folder, name))
        with open(files[-1], "w") as file:
            file.write(text)
    return {"versions": versions(files), "certificates": certificates(), "names": names(files), "agreements": agreements(files), "transports": transports(files)}
