"""The settings of TLS contexts, and what they refuse."""

import copy, ssl, warnings


def trial(call, *args):
    try:
        value = call(*args)
        return value if value is None or isinstance(value, (bool, int, str, list, dict)) else type(value).__name__
    except Exception as e:
        return [type(e).__name__, str(e)] + [getattr(e, name, None) for name in ("errno", "library", "reason")]


def settings(c):
    return [c.protocol.name, c.check_hostname, c.verify_mode.name, int(c.verify_flags), int(c.options), c.minimum_version.name, c.maximum_version.name,
            c.hostname_checks_common_name, c.post_handshake_auth, c.security_level, c.sni_callback, c.cert_store_stats()["crl"]]


def main(args, context):
    warnings.simplefilter("ignore")
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    bio = ssl.MemoryBIO
    refused = {
        "none": lambda: setattr(client, "verify_mode", ssl.CERT_NONE),
        "mode": lambda: setattr(client, "verify_mode", 7),
        "options": lambda: setattr(client, "options", -1),
        "version": lambda: setattr(client, "minimum_version", 5),
        "protocol": lambda: ssl.SSLContext(99),
        "ciphers": lambda: client.set_ciphers("NONE"),
        "no ciphers": lambda: client.set_ciphers(""),
        "ciphers of a type": lambda: client.set_ciphers(3),
        "curve": lambda: client.set_ecdh_curve("nope"),
        "ALPN": lambda: client.set_alpn_protocols(["x" * 256]),
        "empty ALPN": lambda: client.set_alpn_protocols([""]),
        "nothing to trust": lambda: client.load_verify_locations(),
        "no file": lambda: client.load_verify_locations("/nope"),
        "no certificates": lambda: client.load_verify_locations("/etc/passwd"),
        "no folder": lambda: client.load_verify_locations(None, "/nope"),
        "text": lambda: client.load_verify_locations(cadata="x"),
        "empty text": lambda: client.load_verify_locations(cadata=""),
        "no ASCII": lambda: client.load_verify_locations(cadata="\u20ac"),
        "bytes": lambda: client.load_verify_locations(cadata=b"x"),
        "type of authorities": lambda: client.load_verify_locations(cadata=3),
        "chain": lambda: client.load_cert_chain("/nope"),
        "no chain": lambda: client.load_cert_chain("/etc/passwd"),
        "type of a chain": lambda: client.load_cert_chain(3.5),
        "password": lambda: client.load_cert_chain("/etc/passwd", password=3),
        "parameters": lambda: client.load_dh_params("/etc/passwd"),
        "server with a client's": lambda: client.wrap_bio(bio(), bio(), server_side=True),
        "client with a server's": lambda: server.wrap_bio(bio(), bio()),
        "no name": lambda: client.wrap_bio(bio(), bio()),
        "empty name": lambda: client.wrap_bio(bio(), bio(), server_hostname=""),
        "name with a dot": lambda: client._wrap_bio(bio(), bio(), False, ".x"),
        "name that is no ASCII": lambda: type(client.wrap_bio(bio(), bio(), server_hostname="b\u00fccher.example").server_hostname),
        "buffers": lambda: client._wrap_bio(1, bio(), False),
        "socket": lambda: client._wrap_socket(1, False),
        "SNI": lambda: setattr(client, "sni_callback", print),
        "SNI of a server": lambda: setattr(server, "sni_callback", 3),
        "tickets": lambda: setattr(client, "num_tickets", 1),
        "tickets of a server": lambda: setattr(server, "num_tickets", -1),
        "copy": lambda: copy.copy(client),
        "copy of a buffer": lambda: copy.copy(bio()),
        "session": lambda: ssl.SSLSession(),
        "connection": lambda: ssl.SSLObject(),
        "binding": lambda: client.wrap_bio(bio(), bio(), server_hostname="a").get_channel_binding("x"),
        "after the handshake": lambda: client.wrap_bio(bio(), bio(), server_hostname="a").verify_client_post_handshake(),
        "written after the end": lambda: (lambda b: (b.write_eof(), b.write(b"x")))(bio()),
        "text in a buffer": lambda: bio().write("x"),
        "object": lambda: ssl._ssl.nid2obj(-1),
        "object without a number": lambda: ssl._ssl.txt2obj("1.2.3.4.5.6.7"),
        "random": lambda: ssl.RAND_bytes(-1),
    }
    b = bio()
    buffer = [b.write(b"abc"), b.pending, b.eof, b.read(2).decode(), b.write(bytearray(b"d")), b.write_eof(), b.eof, b.read().decode(), b.eof, b.read(5).decode(), b.read(0).decode()]
    default = ssl.create_default_context()
    other = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    open_one = ssl._create_unverified_context()
    client.check_hostname = False
    open_two = settings(client)
    client.check_hostname = True
    client.verify_mode = ssl.CERT_REQUIRED
    server.check_hostname = True
    return {
        "settings": [settings(c) for c in (default, other, open_one, client, server)] + [open_two],
        "refused": {name: trial(call) for name, call in refused.items()},
        "buffer": buffer,
        "errors": [issubclass(ssl.SSLError, OSError), issubclass(ssl.SSLCertVerificationError, ValueError), ssl.CertificateError is ssl.SSLCertVerificationError,
                   str(ssl.SSLError(1, "text")), repr(ssl.SSLError("x")), ssl.SSLError("x").args, ssl.socket_error is OSError],
        "statistics": server.session_stats(),
        "ciphers": sorted(client.get_ciphers()[0]) if client.get_ciphers() else None,
        "purposes": [str(ssl.Purpose.SERVER_AUTH), ssl.Purpose.CLIENT_AUTH.oid],
        "paths": list(ssl.get_default_verify_paths()[2:]),
        "times": [ssl.cert_time_to_seconds("Jan  5 09:34:43 2018 GMT"), trial(ssl.cert_time_to_seconds, "x")],
    }
