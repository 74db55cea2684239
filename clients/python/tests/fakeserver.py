"""A server that answers each request as a test specifies, byte for byte."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import struct
import threading
from dataclasses import dataclass
from typing import Any, BinaryIO, Callable, Dict, List, Optional


@dataclass
class ReceivedRequest:
    """A request as the server received it."""

    method: str
    target: str
    headers: Dict[str, str]  # names in lower case
    body: bytes
    connection: int  # number of its connection, from 0

    def json(self) -> Any:
        return json.loads(self.body)


class Behaviour:
    """How the server reacts to a request. act returns whether the connection stays open."""

    def act(self, server: FakeServer, conn: socket.socket, request: ReceivedRequest) -> bool:
        raise NotImplementedError


class Answer(Behaviour):
    """A complete answer. With close, the server closes the connection after it without announcing
    that in a header."""

    def __init__(
        self,
        value: Any = None,
        status: int = 200,
        headers: Optional[Dict[str, str]] = None,
        *,
        body: Optional[bytes] = None,
        close: bool = False,
    ) -> None:
        self.body = json.dumps(value).encode() if body is None else body
        self.status, self.headers, self.close = status, headers or {}, close

    def act(self, server: FakeServer, conn: socket.socket, request: ReceivedRequest) -> bool:
        lines = ["HTTP/1.1 {} Some Reason".format(self.status), "Content-Length: {}".format(len(self.body))]
        lines += ["{}: {}".format(name, value) for name, value in self.headers.items()]
        conn.sendall("\r\n".join(lines + ["", ""]).encode() + self.body)
        return not self.close


class Early(Answer):
    """An answer that is sent before the body is read. The body is then read and discarded; with
    abort, the server closes the connection instead, which resets it."""

    def __init__(self, value: Any, status: int, *, abort: bool = False) -> None:
        super().__init__(value, status)
        self.abort = abort

    def act(self, server: FakeServer, conn: socket.socket, request: ReceivedRequest) -> bool:
        super().act(server, conn, request)
        if not self.abort:
            conn.shutdown(socket.SHUT_WR)
            while conn.recv(1 << 20):
                pass
        return False


class Raw(Behaviour):
    """Sends bytes unchanged, then closes the connection."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = pieces

    def act(self, server: FakeServer, conn: socket.socket, request: ReceivedRequest) -> bool:
        for piece in self.pieces:
            conn.sendall(piece)
        return False


class Close(Behaviour):
    """Closes the connection without an answer; with reset, resets it."""

    def __init__(self, reset: bool = False) -> None:
        self.reset = reset

    def act(self, server: FakeServer, conn: socket.socket, request: ReceivedRequest) -> bool:
        if self.reset:
            reset(conn)
        return False


class Silence(Behaviour):
    """Sends some bytes, then nothing until the test ends."""

    def __init__(self, first: bytes = b"") -> None:
        self.first = first

    def act(self, server: FakeServer, conn: socket.socket, request: ReceivedRequest) -> bool:
        conn.sendall(self.first)
        server.stopped.wait()
        return False


class Do(Behaviour):
    """Calls a function, then acts as another behaviour."""

    def __init__(self, function: Callable[[], object], then: Behaviour) -> None:
        self.function, self.then = function, then

    def act(self, server: FakeServer, conn: socket.socket, request: ReceivedRequest) -> bool:
        self.function()
        return self.then.act(server, conn, request)


class Tunnel(Behaviour):
    """Acts as a proxy: copies bytes to a port and back until one side closes."""

    def __init__(self, port: int) -> None:
        self.port = port

    def act(self, server: FakeServer, conn: socket.socket, request: ReceivedRequest) -> bool:
        with socket.create_connection(("127.0.0.1", self.port)) as far:
            conn.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=_copy, args=(far, conn), daemon=True)
            back.start()
            _copy(conn, far)
            back.join(60)
        return False


def _copy(source: socket.socket, target: socket.socket) -> None:
    try:
        while True:
            data = source.recv(1 << 16)
            if not data:
                break
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # the other direction has closed the sockets


def reset(conn: socket.socket) -> None:
    """Make the next close reset the connection."""
    conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class FakeServer:
    """Answers each request, on any connection, with the next behaviour. It is a context manager and
    stops on exit."""

    def __init__(self, *behaviours: Behaviour, tls: Optional[ssl.SSLContext] = None) -> None:
        self.requests: List[ReceivedRequest] = []
        self.stopped = threading.Event()
        self.connections = 0
        self._behaviours = list(behaviours)
        self._tls = tls
        self._lock = threading.Lock()
        self._open: List[socket.socket] = []
        self._threads: List[threading.Thread] = []
        self.port = 0
        self.listen()

    def listen(self) -> None:
        """Accept connections."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listener.getsockname()[1]
        self._run(self._accept, self._listener)

    def refuse(self) -> None:
        """Accept no connections until the next call of listen."""
        with contextlib.suppress(OSError):  # it is shut down already
            # Wakes the thread in accept; on some systems close does not.
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def add(self, *behaviours: Behaviour) -> None:
        """Append behaviours for later requests."""
        with self._lock:
            self._behaviours.extend(behaviours)

    @property
    def url(self) -> str:
        return "{}://127.0.0.1:{}".format("http" if self._tls is None else "https", self.port)

    def __enter__(self) -> FakeServer:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stopped.set()
        self.refuse()
        with self._lock:
            for conn in self._open:
                with contextlib.suppress(OSError):  # it is closed already
                    conn.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive()

    def _run(self, function: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=function, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                conn, _ = listener.accept()
            except OSError:
                return
            with self._lock:
                number, self.connections = self.connections, self.connections + 1
                self._open.append(conn)
            self._run(self._serve, conn, number)

    def _serve(self, plain: socket.socket, number: int) -> None:
        conn = plain
        stream: Optional[BinaryIO] = None
        try:
            if self._tls is not None:
                conn = self._tls.wrap_socket(plain, server_side=True)
                with self._lock:
                    self._open[self._open.index(plain)] = conn
            stream = conn.makefile("rb")
            while True:
                request = _read(stream, number)
                if request is None:
                    break
                with self._lock:
                    self.requests.append(request)
                    behaviour = self._behaviours.pop(0) if self._behaviours else Answer({"message": "no more"}, 418)
                if not isinstance(behaviour, Early):
                    request.body = stream.read(int(request.headers.get("content-length", "0")))
                if not behaviour.act(self, conn, request):
                    break
        except OSError:
            pass  # some tests are about clients that give up
        finally:
            with self._lock:
                self._open.remove(conn)
            # The socket stays open as long as the file made from it.
            if stream is not None:
                stream.close()
            conn.close()


def _read(stream: BinaryIO, number: int) -> Optional[ReceivedRequest]:
    """Read the header of a request; None at the end of the connection."""
    first = stream.readline().decode("latin-1").split()
    if len(first) < 2:
        return None
    headers: Dict[str, str] = {}
    while True:
        line = stream.readline().decode("latin-1").rstrip("\r\n")
        if not line:
            break
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    return ReceivedRequest(first[0], first[1], headers, b"", number)
