"""The connections of the module `ssl`, over engines of the host.

An engine is made when the handshake begins. With a socket, the host reads and writes the socket itself:
each operation is one call. With two MemoryBIO, ciphertext passes between them and the engine here.
"""

from __future__ import annotations

import binascii
from hashlib import sha256
from weakref import ref

from _faas_boot import tlsengine
from _faas_boot.tlsengine import tls

_MAX_READ = 1 << 16  # bytes that one read returns without a buffer
_MAX_RECORD = 5 + (1 << 14) + 2048  # bytes of ciphertext

# The lines of CPython's _ssl.c that raise the exceptions of an operation.
_HANDSHAKE, _WRITE, _READ, _SHUTDOWN = 1028, 2494, 2649, 2776

_IGNORE_EOF = 0x80  # OP_IGNORE_UNEXPECTED_EOF

_WORDS = {
    _HANDSHAKE: "_ssl.c:1011: The handshake operation timed out",
    _WRITE: "The write operation timed out",
    _READ: "The read operation timed out",
    _SHUTDOWN: "The read operation timed out",
}


class _NotMade:
    __slots__ = ()

    def __new__(cls, *args, **kwargs):
        raise TypeError("cannot create '_ssl.%s' instances" % cls.__name__)

    def __reduce_ex__(self, protocol, /):
        raise TypeError("cannot pickle '_ssl.%s' object" % type(self).__name__)


class MemoryBIO:
    """A buffer in memory between a TLS connection and a program."""

    __slots__ = ("_data", "_ended", "_owed")
    __module__ = "_ssl"

    def __init__(self):
        self._data = bytearray()
        self._ended = False
        self._owed = 0  # bytes of the record that an engine has read in part; -1 after the end

    @property
    def pending(self):
        """The number of bytes pending in the memory BIO."""
        return len(self._data)

    @property
    def eof(self):
        """Whether the memory BIO is at EOF."""
        return self._ended and not self._data

    def read(self, size=-1, /):
        """Read up to size bytes from the memory BIO."""
        if size < 0 or size >= len(self._data):
            read = bytes(self._data)
            self._data.clear()
        else:
            read = bytes(self._data[:size])
            del self._data[:size]
        return read

    def write(self, b, /):
        """Writes the bytes b into the memory BIO, and returns their number."""
        try:
            view = memoryview(b)
        except TypeError:
            raise TypeError("a bytes-like object is required, not %r" % type(b).__name__) from None
        if self._ended:
            raise tlsengine.SSLError("cannot write() after write_eof()")
        if not view.c_contiguous:
            raise BufferError("memoryview: underlying buffer is not C-contiguous")
        self._data += view.cast("B") if view.ndim else bytes(view)
        return view.nbytes

    def write_eof(self):
        """Write an EOF marker to the memory BIO."""
        self._ended = True

    def __reduce_ex__(self, protocol, /):
        raise TypeError("cannot pickle '_ssl.MemoryBIO' object")

    def _feed(self, handle):
        """Give an engine the rest of a record. Return whether there was something to give."""
        data = self._data
        owed = self._owed
        if not owed:
            if len(data) >= 5:
                owed = min(5 + (data[3] << 8 | data[4]), _MAX_RECORD)
            elif not self._ended:
                return False
            else:
                owed = len(data)
        if not data:
            if not self._ended or owed < 0:
                return False
            tls(handle, tlsengine.FEED_EOF, None, None, 0)
            self._owed = -1
            return True
        if len(data) <= owed:
            _, taken = tls(handle, tlsengine.FEED, data, None, 0)
        else:
            _, taken = tls(handle, tlsengine.FEED, memoryview(data)[:owed], None, 0)
        del data[:taken]
        self._owed = owed - taken
        return taken > 0

    def _drain(self, handle):
        """Take what an engine has for the transport."""
        status = tlsengine.OUTPUT
        while status & tlsengine.OUTPUT:
            status, output = tls(handle, tlsengine.DRAIN, None, _MAX_READ, 0)
            if not output:
                return
            self._data += output


class Certificate(_NotMade):
    """A certificate of the peer."""

    __slots__ = ("_bytes",)
    __module__ = "_ssl"

    def public_bytes(self, format=1):
        """Return the certificate: as a text in PEM, or as bytes in DER."""
        if format == 2:
            return self._bytes
        if format != 1:
            raise ValueError("Unsupported format")
        text = binascii.b2a_base64(self._bytes, newline=False).decode()
        lines = "\n".join([text[at : at + 64] for at in range(0, len(text), 64)])
        return "-----BEGIN CERTIFICATE-----\n%s\n-----END CERTIFICATE-----\n" % lines

    def get_info(self):
        """Return what the certificate says, as SSLSocket.getpeercert."""
        return decoded(self._bytes)

    def __eq__(self, other):
        return self._bytes == other._bytes if type(other) is Certificate else NotImplemented

    def __hash__(self):
        return int.from_bytes(sha256(repr(self.get_info().get("subject")).encode()).digest()[:4], "little")

    def __repr__(self):
        names = (",".join(["+".join(["%s=%s" % (_SHORT.get(key, key), value) for key, value in part])]) for part in reversed(self.get_info().get("subject", ())))
        return "<_ssl.Certificate '%s'>" % ",".join(names)


_SHORT = {
    "commonName": "CN", "countryName": "C", "localityName": "L", "stateOrProvinceName": "ST", "organizationName": "O",
    "organizationalUnitName": "OU", "domainComponent": "DC", "userId": "UID", "streetAddress": "STREET",
}  # fmt: skip


def decoded(certificate):
    """Return what a certificate, in DER or PEM, says: the dict of SSLSocket.getpeercert."""
    found = tlsengine.ask(0, tlsengine.DECODE, certificate)
    if found is None:
        raise tlsengine.failure(0, 1651)
    return {key: _tuples(value) if isinstance(value, list) else value for key, value in found.items()}


def _tuples(value):
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _certificate(data):
    made = object.__new__(Certificate)
    made._bytes = binascii.a2b_base64(data)
    return made


class SSLSession(_NotMade):
    """The session of a connection, which a later one can resume in the same run."""

    __slots__ = ("_context", "_number", "id", "time", "timeout", "ticket_lifetime_hint", "has_ticket")
    __module__ = "_ssl"

    def __eq__(self, other):
        return self.id == other.id if type(other) is SSLSession else NotImplemented

    __hash__ = None


def _session(context, handle, info):
    made = object.__new__(SSLSession)
    made._context, made._number = context, info["session"]
    made.id = sha256(b"%d %d" % (made._number, 0 if made._number else handle)).digest()
    made.time, made.timeout = info["session_time"], 7200
    made.has_ticket, made.ticket_lifetime_hint = info["ticket"], info["ticket_lifetime"]
    return made


class _SSLSocket(_NotMade):
    """A connection."""

    __slots__ = (
        "_context", "_done", "_failed", "_handle", "_in", "_known", "_out", "_owner", "_resumed", "_shut", "_socket", "server_hostname",
        "server_side", "__weakref__",
    )  # fmt: skip
    __module__ = "_ssl"

    def do_handshake(self):
        """Do the handshake."""
        self._operate(tlsengine.HANDSHAKE, None, None, _HANDSHAKE)

    def read(self, size=1024, buffer=None, /):
        """Read up to size bytes: return them, or their number if they were written to a buffer."""
        if buffer is None:
            if size < 0:
                raise ValueError("size should not be negative")
            if size == 0:
                return b""
            return self._operate(tlsengine.READ, None, min(size, _MAX_READ), _READ)
        view = memoryview(buffer)
        if not 0 < size < view.nbytes:
            if not view.nbytes:
                return 0
            return self._operate(tlsengine.READ, None, buffer, _READ)
        return self._operate(tlsengine.READ, None, view.cast("B")[:size], _READ)

    def write(self, b, /):
        """Write bytes, and return their number."""
        written = self._operate(tlsengine.WRITE, b, None, _WRITE)
        if self._socket is None:  # all, since callers expect it
            size = len(b) if type(b) is bytes else memoryview(b).nbytes
            while written < size:
                written += self._operate(tlsengine.WRITE, memoryview(b).cast("B")[written:], None, _WRITE)
        return written

    def pending(self):
        """Return the number of bytes that can be read without the transport."""
        return self._ask_number(tlsengine.PENDING)

    def shutdown(self):
        """Tell the peer that nothing follows, and wait until it has told the same. Return the socket."""
        socket = self._socket and self._socket()
        if self._socket is not None and (socket is None or socket.fileno() < 0):
            raise tlsengine.error("Underlying socket connection gone", 2696)
        if not self._handle:
            raise tlsengine.error("shutdown while in init", _SHUTDOWN, library="SSL", reason="SHUTDOWN_WHILE_IN_INIT", number=1)
        self._shut = True
        self._operate(tlsengine.SHUTDOWN, None, None, _SHUTDOWN)
        return socket

    def _operate(self, op, data, out, line):
        """Return the bytes or the number that an operation answers; a read at the end of the connection returns none."""
        handle = self._handle or self._open()
        try:
            if self._socket is None:
                status, got = self._by_memory(handle, op, data, out)
            else:
                status, got = tls(handle, op, data, out, self._timeout(line))
        except OSError as error:
            if error.errno == 9 and type(error) is OSError:  # EBADF: the engine is gone
                raise self._gone(line) from None
            raise
        if status == tlsengine.OK:
            self._done = True
            return got
        if op == tlsengine.READ and (
            status == tlsengine.CLOSED and not self._shut or status == tlsengine.EOF and self._done and self._context.options & _IGNORE_EOF
        ):
            return b"" if type(out) is int else 0
        raise self._exception(status, line)

    def _by_memory(self, handle, op, data, out):
        incoming, outgoing = self._in, self._out
        while True:
            status, got = tls(handle, op, data, out, 0)
            if status & tlsengine.OUTPUT:
                outgoing._drain(handle)
                status &= tlsengine.STATUS
                if status == tlsengine.WANT_WRITE:
                    continue
            if status != tlsengine.WANT_READ or not incoming._feed(handle):
                return status, got

    def _timeout(self, line):
        socket = self._socket()
        if socket is None:
            raise tlsengine.error("Underlying socket connection gone", line)
        seconds = socket.gettimeout()
        if seconds is None:
            return tlsengine.FOREVER
        return int(seconds * 1000 + 0.999) if seconds < 1e12 else tlsengine.FOREVER

    def _exception(self, status, line):
        if status == tlsengine.WANT_READ:
            return tlsengine.error("The operation did not complete (read)", line, number=2, kind=tlsengine.SSLWantReadError)
        if status == tlsengine.WANT_WRITE:
            return tlsengine.error("The operation did not complete (write)", line, number=3, kind=tlsengine.SSLWantWriteError)
        if status == tlsengine.CLOSED:
            return tlsengine.error("TLS/SSL connection has been closed (EOF)", line, number=6, kind=tlsengine.SSLZeroReturnError)
        if status == tlsengine.EOF:
            text, reason = "EOF occurred in violation of protocol", "UNEXPECTED_EOF_WHILE_READING"
            return tlsengine.error(text, line, library="SSL", reason=reason, number=8, kind=tlsengine.SSLEOFError)
        if status == tlsengine.TIMEOUT:
            return TimeoutError(_WORDS[line])
        if self._failed:  # it was reported
            return tlsengine.error("EOF occurred in violation of protocol", line, number=8, kind=tlsengine.SSLEOFError)
        self._failed = True
        return tlsengine.failure(self._handle, line, 1)

    def _gone(self, line):
        socket = self._socket and self._socket()
        if socket is not None and socket.fileno() < 0:
            return tlsengine.SSLError("%sUnderlying socket has been closed." % ("_ssl.c:1015: " if line == _HANDSHAKE else ""))
        return BrokenPipeError(32, "Broken pipe") if line == _WRITE else ConnectionResetError(104, "Connection reset by peer")

    def _open(self):
        socket = self._socket and self._socket()
        if self._socket is not None and socket is None:
            raise tlsengine.error("Underlying socket connection gone", 969)
        descriptor = -1 if socket is None else socket.fileno()
        if socket is not None and descriptor < 0:
            raise self._gone(_HANDSHAKE)
        self._handle = self._context._engine(descriptor, self.server_side, self.server_hostname, self._resumed)
        return self._handle

    def _ask_number(self, op):
        if not self._handle:
            return 0
        try:
            return tls(self._handle, op, None, None, 0)[1]
        except OSError:
            return 0  # of an engine that is gone

    def _info(self):
        """Return what the handshake has agreed on, or None before its end. Its session may be an old one."""
        if self._known is None and self._done:
            try:
                self._known = tlsengine.ask(self._handle, tlsengine.INFO)
            except OSError:
                pass  # of an engine that is gone
        return self._known

    def getpeercert(self, binary_mode=False, /):
        """Return the certificate of the peer, as a dict or in DER."""
        if not self._done:
            raise ValueError("handshake not done yet")
        info = self._info()
        if not info or not info["chain"]:
            return None
        certificate = binascii.a2b_base64(info["chain"][0])
        if binary_mode:
            return certificate
        return decoded(certificate) if self._context.verify_mode else {}

    def get_verified_chain(self):
        """Return the certificates from that of the peer to that of an authority."""
        info = self._info()
        return [_certificate(data) for data in info["verified"]] if info and info["verified"] is not None else None

    def get_unverified_chain(self):
        """Return the certificates that the peer has sent."""
        info = self._info()
        return [_certificate(data) for data in info["chain"]] if info and info["chain"] else None

    def cipher(self):
        """Return the name of the cipher, the version that it is of, and its bits."""
        info = self._info()
        return tuple(info["cipher"]) if info else None

    def shared_ciphers(self):
        """Return the ciphers that both sides know; on the side of a client, None."""
        info = self._info()
        return [tuple(cipher) for cipher in info["shared_ciphers"]] if info and info["shared_ciphers"] is not None else None

    def version(self):
        """Return the version of the protocol."""
        info = self._info()
        return info["version"] if info else None

    def selected_alpn_protocol(self):
        """Return the protocol that was agreed on."""
        info = self._info()
        return info["alpn"] if info else None

    def compression(self):
        """Return None: nothing is compressed."""

    def get_channel_binding(self, cb_type="tls-unique"):
        """Return data that is unique to the connection, of TLS 1.2 only."""
        if cb_type != "tls-unique":
            raise ValueError("'%s' channel binding type not implemented" % cb_type)
        info = self._info()
        return binascii.a2b_base64(info["tls_unique"]) if info and info["tls_unique"] else None

    def verify_client_post_handshake(self):
        """Raise an error: a certificate is asked for in the handshake only."""
        reason = "NOT_SERVER" if not self.server_side else "EXTENSION_NOT_RECEIVED"
        if self.version() != "TLSv1.3":
            reason = "WRONG_SSL_VERSION"
        number = tlsengine._NUMBERS[reason]
        raise tlsengine.error(reason.lower().replace("_", " "), 2853, library="SSL", reason=reason, number=number)

    @property
    def context(self):
        """The settings of the connection."""
        return self._context

    @context.setter
    def context(self, value):
        from _faas_boot.tlscontext import _SSLContext

        if not isinstance(value, _SSLContext):
            raise TypeError("The value must be a SSLContext")
        self._context = value

    @property
    def owner(self):
        """The object of the module ssl that has this connection, or None."""
        return self._owner and self._owner()

    @owner.setter
    def owner(self, value):
        self._owner = ref(value)

    @property
    def session(self):
        """The session, or None before the handshake."""
        self._known = None
        info = self._info()
        return _session(self._context, self._handle, info) if info else None

    @session.setter
    def session(self, value):
        if type(value) is not SSLSession:
            raise TypeError("Value is not a SSLSession.")
        if value._context is not self._context:
            raise ValueError("Session refers to a different SSLContext.")
        if self.server_side:
            raise ValueError("Cannot set session for server-side SSLSocket.")
        if self._done:
            raise ValueError("Cannot set session after handshake.")
        self._resumed = value._number

    @property
    def session_reused(self):
        """Whether the session was that of an earlier connection."""
        info = self._info()
        return bool(info and info["session_reused"])

    def __del__(self):
        if self._handle:
            tls(self._handle, tlsengine.CLOSE, None, None, 0)


def connection(context, socket, incoming, outgoing, server_side, server_hostname, owner, session):
    """Return a new connection, over a socket or two MemoryBIO."""
    made = object.__new__(_SSLSocket)
    made._handle = made._resumed = 0
    made._context, made._in, made._out = context, incoming, outgoing
    made._socket = None if socket is None else ref(socket)
    made._owner = None if owner is None else ref(owner)
    made._known = None
    made._done = made._failed = made._shut = False
    made.server_side, made.server_hostname = bool(server_side), server_hostname
    if session is not None:
        made.session = session
    return made
