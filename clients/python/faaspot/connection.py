"""One connection to a server, and how it is made.

A Connection belongs to one thread at a time; a Dialer makes them for any
thread.
"""

from __future__ import annotations

import http.client
import socket
import ssl
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional

from . import trouble
from .errors import FaaspotException
from .proxy import Proxy

# A connection on which a run is waited for may be silent for minutes. Gateways
# forget silent ones, some after little more than that.
_KEEPALIVE_AFTER = 60  # seconds
_PIECE = 1 << 20  # bytes of a body that are read at once


@dataclass(frozen=True)
class Endpoint:
    """Where a server listens: scheme is http or https, host without brackets."""

    scheme: str
    host: str
    port: int

    @property
    def authority(self) -> str:
        host = "[{}]".format(self.host) if ":" in self.host else self.host
        return "{}:{}".format(host, self.port)

    @property
    def url(self) -> str:
        return "{}://{}".format(self.scheme, self.authority)


class _Counting(http.client.HTTPConnection):
    """Counts what the system has taken of a request, for a request of which it
    took nothing was not seen by anybody."""

    sent = 0

    def send(self, data: Any) -> None:
        rest = memoryview(data).cast("B")
        while rest:
            count: int = self.sock.send(rest)
            self.sent += count
            rest = rest[count:]


class _Secure(http.client.HTTPSConnection, _Counting):
    """The same with TLS."""


class Connection:
    """A connection that is open."""

    def __init__(self, wire: _Counting, endpoint: Endpoint, prefix: str, extra: Mapping[str, str]) -> None:
        self._wire = wire
        self._endpoint = endpoint
        self._prefix = prefix  # of targets: proxies want whole URLs
        self._extra = extra
        self.reused = False  # it has carried a request before
        self.idle_since = 0.0

    def send(
        self, method: str, path: str, headers: Mapping[str, str], body: Optional[bytes], silence: float
    ) -> http.client.HTTPResponse:
        """Send a request and read the answer's header. silence is for how many
        seconds nothing may come. If this fails the connection is of no use."""
        wire = self._wire
        wire.sent = 0
        wire.sock.settimeout(silence)
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
                # A server that refuses a request may answer before all of it is
                # there, and close; the answer may have got here.
                if wire.sent == 0 or isinstance(err, socket.timeout):
                    raise
            return wire.getresponse()
        except (OSError, http.client.HTTPException) as err:
            raise trouble.lost(self._endpoint, err, sent=wire.sent > 0) from err

    def body(self, response: http.client.HTTPResponse, limit: int) -> bytes:
        """Read an answer's body to its end, or until it is longer than limit."""
        pieces: List[bytes] = []
        size = 0
        try:
            while size <= limit:
                piece = response.read(_PIECE)
                if not piece:
                    break
                pieces.append(piece)
                size += len(piece)
            if response.length and size <= limit:
                # The library does not mind an answer that is cut off.
                raise http.client.IncompleteRead(b"", response.length)
        except (OSError, http.client.HTTPException) as err:
            raise trouble.lost(self._endpoint, err, sent=True) from err
        return b"".join(pieces)

    def line(self, response: http.client.HTTPResponse, limit: int) -> bytes:
        """Read a line of an answer's body, of at most limit bytes; empty at the
        end."""
        try:
            return response.readline(limit)
        except (OSError, http.client.HTTPException) as err:
            raise trouble.lost(self._endpoint, err, sent=True) from err

    def fileno(self) -> int:
        """Descriptor of the socket; -1 if it is closed."""
        sock = self._wire.sock
        return -1 if sock is None else int(sock.fileno())

    def close(self) -> None:
        self._wire.close()


class Dialer:
    """Makes connections to one server. Any thread may use it."""

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
        """Connect; a NoAnswer says why that fails."""
        at, proxy = self.endpoint, self._proxy
        near = (proxy.host, proxy.port) if proxy is not None else (at.host, at.port)
        credentials: Dict[str, str] = {}
        if proxy is not None and proxy.authorization is not None:
            credentials["Proxy-Authorization"] = proxy.authorization
        wire: _Counting
        prefix = ""
        if at.scheme == "https":
            wire = _Secure(*near, timeout=self._timeout, context=self._tls)
            if proxy is not None:
                wire.set_tunnel(at.host, at.port, credentials)
            credentials = {}
        else:
            wire = _Counting(*near, timeout=self._timeout)
            if proxy is not None:
                prefix = at.url
        try:
            wire.connect()
            _keep_alive(wire.sock)
        except (OSError, UnicodeError, http.client.HTTPException) as err:
            wire.close()  # UnicodeError: no host can have such a name
            raise trouble.unreachable(at, proxy, err) from err
        return Connection(wire, at, prefix, credentials)


def _keep_alive(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    idle = getattr(socket, "TCP_KEEPIDLE", None)  # not on every system
    if idle is not None:
        sock.setsockopt(socket.IPPROTO_TCP, idle, _KEEPALIVE_AFTER)


def tls_context(certificate: Optional[str], trust_all: bool) -> ssl.SSLContext:
    """How servers are recognised: by the authorities in a PEM file, else by
    those of the system; or, with trust_all, not at all."""
    try:
        context = ssl.create_default_context(cafile=certificate or None)
    except ssl.SSLError as err:
        raise FaaspotException(
            "ssl_certificate {} holds no certificate".format(certificate),
            hint="give a PEM file with the certificates of the authorities to trust",
        ) from err
    except OSError as err:
        raise FaaspotException("cannot read ssl_certificate: {}".format(err)) from err
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if trust_all:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
