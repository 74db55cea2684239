"""Opens connections to one server and sends requests on them.

A Connection belongs to one thread at a time; any thread may use a Dialer.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
from typing import Any, Callable, Dict, List, Mapping, Optional, Union

from . import network_errors
from .endpoint import Endpoint
from .errors import FaaspotException
from .proxy import Proxy

# A connection that waits for a run may be silent for minutes. Some gateways drop connections that are
# silent for little more than this time; TCP keep-alive packets prevent that.
_KEEPALIVE_AFTER = 60  # seconds
_CHUNK = 1 << 20  # bytes of a body per read


class _CountingConnection(http.client.HTTPConnection):
    """Counts the bytes of a request that the operating system accepted: if it accepted none, the
    server has not seen the request."""

    sent = 0  # bytes

    def send(self, data: Any) -> None:
        rest = memoryview(data).cast("B")
        while rest:
            count: int = self.sock.send(rest)
            self.sent += count
            rest = rest[count:]


class _CountingTLSConnection(http.client.HTTPSConnection, _CountingConnection):
    """The same with TLS."""


class Connection:
    """An open connection."""

    def __init__(self, wire: _CountingConnection, endpoint: Endpoint, prefix: str, extra: Mapping[str, str]) -> None:
        self._wire = wire
        self._endpoint = endpoint
        self._prefix = prefix  # of request targets: a proxy expects whole URLs
        self._extra = extra  # headers of every request
        self.reused = False  # it has served a request before
        self.idle_since = 0.0  # time of the pool's clock

    def send(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: Optional[Union[bytes, memoryview]],
        read_timeout: float,
    ) -> http.client.HTTPResponse:
        """Send a request and read the header of the answer. read_timeout is for how many seconds
        the server may be silent. Raises NoAnswer or ForeignAnswer; the connection is unusable then."""
        wire = self._wire
        wire.sent = 0
        wire.sock.settimeout(read_timeout)
        try:
            wire.putrequest(method, self._prefix + path, skip_accept_encoding=True)
            for name, value in headers.items():
                wire.putheader(name, value)
            for name, value in self._extra.items():
                wire.putheader(name, value)
            if body is not None:
                wire.putheader("Content-Length", str(len(body)))
            try:
                wire.endheaders(body)
            except OSError as err:
                # A server that refuses a request may answer and close before it has read all of it;
                # the answer may have arrived.
                if wire.sent == 0 or isinstance(err, socket.timeout):
                    raise
            return wire.getresponse()
        except (OSError, http.client.HTTPException) as err:
            raise network_errors.connection_lost(self._endpoint, err, sent=wire.sent > 0) from err

    def read_body(self, response: http.client.HTTPResponse, limit: int) -> bytes:
        """Read the body of an answer to its end, or until it is longer than limit bytes."""
        chunks: List[bytes] = []
        size = 0
        try:
            while size <= limit:
                chunk = response.read(_CHUNK)
                if not chunk:
                    break
                chunks.append(chunk)
                size += len(chunk)
            if response.length and size <= limit:
                # http.client does not report a body that is cut off.
                raise http.client.IncompleteRead(b"", response.length)
        except (OSError, http.client.HTTPException) as err:
            raise network_errors.connection_lost(self._endpoint, err, sent=True) from err
        return b"".join(chunks)

    def read_file(
        self, response: http.client.HTTPResponse, size: int, write: Optional[Callable[[bytes], object]]
    ) -> bytes:
        """Read a body of size bytes. write is called with each part of it; without write, it is returned,
        and in memory once."""
        left = size
        while True:
            try:
                data = response.read(left if write is None else min(left, _CHUNK))
                if left and (not data or write is None and len(data) < left):
                    raise http.client.IncompleteRead(b"", left)
            except (OSError, http.client.HTTPException) as err:
                raise network_errors.connection_lost(self._endpoint, err, sent=True) from err
            if write is None:
                return data
            if data:
                write(data)
            left -= len(data)
            if not left:
                return b""

    def read_line(self, response: http.client.HTTPResponse, limit: int) -> bytes:
        """Read a line of the body, of at most limit bytes; empty at the end of the body."""
        try:
            return response.readline(limit)
        except (OSError, http.client.HTTPException) as err:
            raise network_errors.connection_lost(self._endpoint, err, sent=True) from err

    def fileno(self) -> int:
        """The descriptor of the socket; -1 if it is closed."""
        sock = self._wire.sock
        return -1 if sock is None else int(sock.fileno())

    def shut_down(self) -> None:
        """End what the thread that uses the connection sends or awaits. Any thread may call it; the
        connection is unusable afterwards."""
        sock = self._wire.sock
        if sock is not None:
            with contextlib.suppress(OSError):
                # The method of a TLS socket would change what the other thread uses.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def close(self) -> None:
        self._wire.close()


class Dialer:
    """Opens connections to one server."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        tls: Optional[ssl.SSLContext] = None,
        proxy: Optional[Proxy] = None,
        connect_timeout: float,
    ) -> None:
        self.endpoint = endpoint
        self._tls = tls
        self._proxy = proxy
        self._timeout = connect_timeout

    def dial(self) -> Connection:
        """Open a connection. Raises NoAnswer."""
        at, proxy = self.endpoint, self._proxy
        address = (proxy.host, proxy.port) if proxy is not None else (at.host, at.port)
        credentials: Dict[str, str] = {}
        if proxy is not None and proxy.authorization is not None:
            credentials["Proxy-Authorization"] = proxy.authorization
        wire: _CountingConnection
        prefix = ""
        if at.scheme == "https":
            wire = _CountingTLSConnection(*address, timeout=self._timeout, context=self._tls)
            if proxy is not None:
                wire.set_tunnel(at.host, at.port, credentials)
            credentials = {}
        else:
            wire = _CountingConnection(*address, timeout=self._timeout)
            if proxy is not None:
                prefix = at.url
        try:
            wire.connect()
            _keep_alive(wire.sock)
        except (OSError, UnicodeError, http.client.HTTPException) as err:
            wire.close()  # UnicodeError: the name is not one that a host can have
            raise network_errors.connect_error(at, proxy, err) from err
        return Connection(wire, at, prefix, credentials)


def _keep_alive(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    idle = getattr(socket, "TCP_KEEPIDLE", None)  # not on every system
    if idle is not None:
        sock.setsockopt(socket.IPPROTO_TCP, idle, _KEEPALIVE_AFTER)


def tls_context(certificate: Optional[str], trust_all: bool) -> ssl.SSLContext:
    """The TLS settings. Server certificates are verified by the authorities in a PEM file, else by those
    of the system; with trust_all they are not verified. Raises FaaspotException if the file cannot be used."""
    try:
        context = ssl.create_default_context(cafile=certificate or None)
    except ssl.SSLError as err:
        raise FaaspotException(
            "ssl_certificate {} contains no certificate".format(certificate),
            hint="give a PEM file with the certificates of the authorities to trust",
        ) from err
    except OSError as err:
        raise FaaspotException("cannot read ssl_certificate: {}".format(err)) from err
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if trust_all:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
